"""
What if a class is missing from a fold?
=======================================

A rare class may occur in one fold only. The model of that fold never saw it, ``log_loss`` cannot pair columns with
labels, and the score is nan. ``neg_cross_entropy`` asks the estimator which classes its columns stand for, and gives a
number.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, cross_val_score

from skce import cross_entropy_loss, make_scorer, neg_cross_entropy

# Iris with two virginica left, both of them in the last fold.
X, y = load_iris(return_X_y=True)
kept = np.r_[np.random.default_rng(0).permutation(100), 100, 101]
X, y = X[kept], y[kept]

scorers = {
    '"neg_log_loss"': "neg_log_loss",
    "neg_cross_entropy": neg_cross_entropy,
    'handle_unknown="ignore"': make_scorer(cross_entropy_loss, handle_unknown="ignore"),
}
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    costs = {
        name: -cross_val_score(LogisticRegression(max_iter=1000), X, y, cv=KFold(5), scoring=scoring)
        for name, scoring in scorers.items()
    }
for name, cost in costs.items():
    print(f"{name:<24}", " ".join(f"{value:8.4f}" for value in cost))

# %%
# Every fold of ``"neg_log_loss"`` is nan: in four of them the class is missing from the rows that are scored, in the
# last one from the rows that were trained on.

fig, ax = plt.subplots()
folds = np.arange(1, 6)
for (name, cost), shift in zip(costs.items(), (-0.27, 0, 0.27), strict=True):
    bars = ax.bar(folds + shift, np.nan_to_num(cost), 0.25, label=name)
    labels = ["nan" if np.isnan(value) else f"{value:.2f}" for value in cost]
    ax.bar_label(bars, labels, fontsize=8, padding=2)
ax.set(xlabel="fold", ylabel="nats a row", ylim=(0, 20))
ax.set_yscale("symlog", linthresh=0.1)
ax.legend(loc="upper left")
plt.show()

# %%
# In the last fold two rows of 20 have a label that the model cannot predict. They count as predicted with probability
# 0, clipped at the machine epsilon: 36 nats each. That is the honest answer, and one warning names the classes. To
# compare models on what they can know, leave those rows out with ``handle_unknown="ignore"``.
