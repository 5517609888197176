"""
What does the focal loss do to probabilities?
=============================================

The focal loss multiplies −log p by (1 − p)\\ :sup:`γ`, so that rows that are predicted well hardly count. It is not a
proper score: its best prediction is less sure than the data. Train on it if it helps, but do not read its outputs
as probabilities before you have calibrated them.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import expit
from sklearn.calibration import calibration_curve
from sklearn.model_selection import train_test_split

from skce import CrossEntropyClassifier, cross_entropy_loss, focal_loss

GAMMAS = (0, 1, 2, 5)

p = np.linspace(0.01, 1, 200)
row = np.column_stack([p, 1 - p])

fig, axes = plt.subplots(1, 2, figsize=(8, 3.8))
for gamma in GAMMAS:
    cost = focal_loss(np.zeros(len(p), dtype=int), row, labels=[0, 1], gamma=gamma, reduction="none")
    axes[0].plot(p, cost, label=f"γ = {gamma}")
axes[0].set(xlabel="probability of the right class", ylabel="loss in nats", ylim=(0, 3), title="What a row costs")
axes[0].legend()

# What prediction is best on average, if a label is yes with the probability on the x-axis?
truth = np.linspace(0.01, 0.99, 99)
for gamma in GAMMAS:
    costs = [focal_loss(np.tile([1 - t, t], (199, 1)), row[1:, ::-1], gamma=gamma, reduction="none") for t in truth]
    axes[1].plot(truth, p[1:][np.argmin(costs, axis=1)])
axes[1].set(xlabel="true probability", ylabel="best prediction", title="What it asks for", aspect="equal")
plt.show()

# %%
# γ = 0 is cross-entropy, which asks for the truth. With a larger γ the best prediction moves towards one half. A
# classifier follows:

rng = np.random.default_rng(0)
X = rng.normal(size=(20000, 5))
y = rng.random(20000) < expit(X @ [1.5, -1.0, 0.5, 1.0, 0.0])
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)

fig, ax = plt.subplots(figsize=(4.8, 4.4))
ax.axline((0, 0), slope=1, color="gray", linestyle=":", linewidth=1)
for gamma in GAMMAS:
    model = CrossEntropyClassifier(gamma=gamma).fit(X_train, y_train)
    proba = model.predict_proba(X_test)
    observed, predicted = calibration_curve(y_test, proba[:, 1], n_bins=12)
    ax.plot(predicted, observed, "o-", markersize=4, label=f"γ = {gamma}")
    accuracy = model.score(X_test, y_test)
    print(f"gamma={gamma}: cross-entropy {cross_entropy_loss(y_test, proba):.3f} nats, {accuracy:.1%} right")
ax.set(xlabel="predicted probability", ylabel="observed share of yes", aspect="equal")
ax.legend()
plt.show()

# %%
# The ranking of the rows, and so the accuracy, hardly changes. The probabilities do: with γ = 5 what is predicted as
# 0.7 happens far more often than that.
