"""
What if some labels are unknown?
================================

A row may have several labels, and nobody checked all of them. An unknown label is not a no. Counted as one, it charges
the model for being right; given as nan, it is left out of sum and count, and the score stays what it is.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_multilabel_classification
from sklearn.model_selection import train_test_split

from skce import CrossEntropyClassifier, multilabel_cross_entropy_loss

X, Y = make_multilabel_classification(4000, n_features=20, n_classes=6, n_labels=3, random_state=0)
X_train, X_test, Y_train, Y_test = train_test_split(X, Y, test_size=0.5, random_state=0)
model = CrossEntropyClassifier().fit(X_train, Y_train)
proba = model.predict_proba(X_test)

rng = np.random.default_rng(0)
SHARES = np.linspace(0, 0.9, 10)
left_out, taken_for_no = [], []
for share in SHARES:
    known = np.where(rng.random(Y_test.shape) < share, np.nan, Y_test)
    left_out.append(multilabel_cross_entropy_loss(known, proba))
    taken_for_no.append(multilabel_cross_entropy_loss(np.nan_to_num(known), proba))

fig, ax = plt.subplots()
ax.axhline(left_out[0], color="gray", linestyle=":", linewidth=1)
ax.plot(SHARES, left_out, "o-", label="nan, left out")
ax.plot(SHARES, taken_for_no, "s--", label="0, counted as no")
ax.set(xlabel="share of the labels that are unknown", ylabel="nats a label", ylim=(0, None))
ax.legend(loc="upper left")
plt.show()

# %%
# The labels need not be equally hard. ``average=None`` gives the loss of each, and the averages weigh them differently:
# "micro" by how many entries of a label are known, "macro" all alike.

mostly_unknown = Y_test.astype(float)
mostly_unknown[200:, 0] = np.nan  # the first label was checked for few rows
print("each label:", multilabel_cross_entropy_loss(mostly_unknown, proba, average=None).round(3))
for average in ("micro", "macro", "samples"):
    print(f"{average:>8}: {multilabel_cross_entropy_loss(mostly_unknown, proba, average=average):.3f}")

# %%
# The same holds for training. Half of the labels are hidden from two models. One is given nan for them, the other 0:

hidden = rng.random(Y_train.shape) < 0.5
with_nan = CrossEntropyClassifier().fit(X_train, np.where(hidden, np.nan, Y_train))
with_zeros = CrossEntropyClassifier().fit(X_train, np.where(hidden, 0, Y_train))
for name, fitted in (("all labels", model), ("half unknown, nan", with_nan), ("half unknown, 0", with_zeros)):
    print(f"{name:<18} {multilabel_cross_entropy_loss(Y_test, fitted.predict_proba(X_test)):.3f} nats a label")
