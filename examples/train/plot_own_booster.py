"""
How do I boost trees with these losses?
=======================================

A loss object knows nothing of models: labels and raw scores go in, a gradient and a curvature for each row come out.
That is all that gradient boosting needs. Here is one in twenty lines, on scikit-learn's trees.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeRegressor

from skce import SoftmaxCrossEntropy, cross_entropy_loss

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.4, stratify=y, random_state=0)
loss = SoftmaxCrossEntropy()


def boost(newton, rounds=40, rate=0.4):
    """Boost trees, and return the held-out cross-entropy after each round."""
    scores, held_out, curve = np.zeros((len(X_train), 10)), np.zeros((len(X_test), 10)), []
    for _ in range(rounds):
        gradient = loss.gradient(y_train, scores)
        hessian = loss.curvature(y_train, scores).diagonal() if newton else np.ones_like(gradient)
        hessian = np.maximum(hessian, 1e-3)  # rows that are settled move no more
        for k in range(10):
            tree = DecisionTreeRegressor(max_depth=3, min_samples_leaf=5, random_state=0)
            tree.fit(X_train, -gradient[:, k] / hessian[:, k], sample_weight=hessian[:, k])
            scores[:, k] += rate * tree.predict(X_train)
            held_out[:, k] += rate * tree.predict(X_test)
        curve.append(cross_entropy_loss(y_test, held_out, labels=range(10), from_logits=True))
    return curve


# %%
# A tree can be fitted to the gradient alone, or to Newton's step: the gradient divided by the curvature, each row
# weighed by its curvature. The libraries for gradient boosting do the latter, and ask for exactly these two arrays.

curves = {"gradient alone": boost(newton=False), "gradient and curvature": boost(newton=True)}

fig, ax = plt.subplots()
for (name, curve), line in zip(curves.items(), ("--", "-"), strict=True):
    rounds = np.arange(1, len(curve) + 1)
    ax.plot(rounds, curve, line, label=name)
    print(f"{name}: {curve[-1]:.3f} nats after {len(curve)} rounds")
ax.axhline(np.log(10), color="gray", linestyle=":", linewidth=1)
ax.annotate("guessing", (35, np.log(10)), (0, -14), textcoords="offset points", color="gray")
ax.set(xlabel="rounds", ylabel="held-out cross-entropy in nats", ylim=(0, 2.5))
ax.legend()
plt.show()

# %%
# Another loss is another line: ``SoftmaxCrossEntropy(label_smoothing=0.1)``, ``SoftmaxFocal(gamma=2)``, or one of your
# own, see :doc:`/extending`.
