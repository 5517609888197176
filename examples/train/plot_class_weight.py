"""
What do class weights do to probabilities?
==========================================

One row in forty is positive. ``class_weight="balanced"`` makes both classes weigh the same, so the model
predicts as if every second row were positive: it finds more of them, and its probabilities are no longer those of the
data. A lower threshold finds as many and leaves the probabilities alone.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import expit
from sklearn.calibration import calibration_curve
from sklearn.metrics import precision_score, recall_score
from sklearn.model_selection import train_test_split

from skce import CrossEntropyClassifier, cross_entropy_loss

rng = np.random.default_rng(0)
X = rng.normal(size=(60000, 5))
y = rng.random(60000) < expit(X @ [1.5, -1.0, 0.5, 1.0, 0.0] - 5.5)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)
plain = CrossEntropyClassifier().fit(X_train, y_train).predict_proba(X_test)[:, 1]
balanced = CrossEntropyClassifier(class_weight="balanced").fit(X_train, y_train).predict_proba(X_test)[:, 1]

fig, ax = plt.subplots()
ax.axline((0, 0), slope=1, color="gray", linestyle=":", linewidth=1)
for name, proba, line in (("no weights", plain, "o-"), ("balanced", balanced, "s--")):
    observed, predicted = calibration_curve(y_test, proba, n_bins=10, strategy="uniform")
    ax.plot(predicted, observed, line, label=name)
ax.set(xlabel="predicted probability", ylabel="observed share of positives", xlim=(0, 1), ylim=(0, 1))
ax.legend(loc="upper left")
plt.show()

# %%
# The threshold that takes as many rows as the balanced model does:

threshold = np.quantile(plain, 1 - (balanced > 0.5).mean())
print(f"{'':<26} {'found':>6} {'right':>6} {'nats':>6}")
for name, proba, cut in (
    ("no weights, above 0.5", plain, 0.5),
    ("balanced, above 0.5", balanced, 0.5),
    (f"no weights, above {threshold:.3f}", plain, threshold),
):
    taken = proba > cut
    two_columns = np.column_stack([1 - proba, proba])
    print(
        f"{name:<26} {recall_score(y_test, taken):>6.1%} {precision_score(y_test, taken):>6.1%}"
        f" {cross_entropy_loss(y_test, two_columns):>6.3f}"
    )
