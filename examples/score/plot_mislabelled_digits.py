"""
Which labels are wrong?
=======================

A label that a model finds very surprising is rare, or wrong. Below 40 of the 1797 digits are given a wrong label. Each
row is predicted by a model that has not seen it, and the rows are put in order of their loss.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from skce import CrossEntropyClassifier, top_losses

X, y = load_digits(return_X_y=True)
rng = np.random.default_rng(0)
wrong = rng.choice(len(y), 40, replace=False)
given = y.copy()
given[wrong] = (y[wrong] + rng.integers(1, 10, len(wrong))) % 10

folds = StratifiedKFold(5, shuffle=True, random_state=0)
proba = cross_val_predict(CrossEntropyClassifier(alpha=0.1), X, given, cv=folds, method="predict_proba")
suspects = top_losses(given, proba, n=100)
print(suspects.head().round(3).to_string())

found = np.isin(suspects.index, wrong).cumsum()
for looked_at in (20, 40, 60):
    print(f"of the first {looked_at} rows {found[looked_at - 1]} are wrong")

# %%
# Whoever looks at the first 60 rows has seen all 40 wrong labels: one row in thirty instead of all. Here are the first
# 24, each with the label that it was given. An exclamation mark means that the label is wrong.

fig, axes = plt.subplots(3, 8, figsize=(8, 4))
for ax, row in zip(axes.flat, suspects.itertuples(), strict=False):
    ax.imshow(X[row.Index].reshape(8, 8), cmap="gray_r")
    ax.set_axis_off()
    ax.set_title(f"{row.label}{'!' if row.Index in wrong else ''}  {row.loss:.1f}", fontsize=11)
fig.suptitle("label, and its loss in nats", fontsize=11)
plt.show()

# %%
# How many are found by the number of rows looked at:

fig, ax = plt.subplots()
ax.plot(np.arange(1, 101), found, label="in order of the loss")
ax.plot(np.arange(1, 101), np.arange(1, 101) * len(wrong) / len(y), "--", label="in any order")
ax.axhline(len(wrong), color="gray", linestyle=":", linewidth=1)
ax.set(xlabel="rows looked at", ylabel="wrong labels found", ylim=(0, 44))
ax.legend(loc="center right")
plt.show()
