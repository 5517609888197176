"""
What does label smoothing buy?
==============================

Smoothing moves a part ε of every target to all classes alike, so a model is never asked to be certain. Where labels are
wrong that protects: the more it is sure, the more a wrong label costs. Where they are right it only makes the
model less sure.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skce import CrossEntropyClassifier, cross_entropy_loss

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.4, stratify=y, random_state=0)
rng = np.random.default_rng(0)
flipped = np.where(rng.random(len(y_train)) < 0.1, rng.integers(0, 10, len(y_train)), y_train)

SMOOTHING = (0.0, 0.01, 0.03, 0.1, 0.2, 0.3)
scores = {
    name: [
        cross_entropy_loss(
            y_test, CrossEntropyClassifier(label_smoothing=e, alpha=1e-3).fit(X_train, labels).predict_proba(X_test)
        )
        for e in SMOOTHING
    ]
    for name, labels in (("labels as they are", y_train), ("one label in ten replaced", flipped))
}

fig, ax = plt.subplots()
for (name, values), mark in zip(scores.items(), ("o-", "s--"), strict=True):
    ax.plot(SMOOTHING, values, mark, label=name)
ax.set(xlabel="label_smoothing, ε", ylabel="cross-entropy on clean test rows, nats", ylim=(0, None))
ax.legend()
plt.show()

for name, values in scores.items():
    print(f"{name}: " + ", ".join(f"{e}: {value:.3f}" for e, value in zip(SMOOTHING, values, strict=True)))
