"""
How does training lower the loss?
=================================

Training walks downhill: compute the gradient of the mean loss, step against it, repeat. Below are the petals of iris,
what the model believes after so many steps, and the loss all the way down.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from skce import CrossEntropyClassifier

X, y = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(X[:, 2:])  # length and width of the petals
grid = np.stack(np.meshgrid(np.linspace(-1.9, 2.1, 120), np.linspace(-1.9, 2.1, 120)), axis=-1)


def after(steps):
    """Train for a number of steps of gradient descent."""
    return CrossEntropyClassifier(
        solver="gradient_descent", learning_rate_init=1.0, momentum=0.0, alpha=1e-3, max_iter=steps
    ).fit(X, y)


STEPS = (1, 10, 100, 1000)
fig, axes = plt.subplots(1, 4, figsize=(9, 2.9), sharey=True)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)  # stopped on purpose
    models = [after(steps) for steps in STEPS]
for ax, steps, model in zip(axes, STEPS, models, strict=True):
    sure = model.predict_proba(grid.reshape(-1, 2)).max(axis=1).reshape(120, 120)
    filled = ax.contourf(grid[..., 0], grid[..., 1], sure, levels=np.linspace(1 / 3, 1, 9), cmap="Greys", vmax=1.8)
    for k, mark in enumerate("os^"):
        ax.plot(*X[y == k].T, mark, markersize=3.5, color=f"C{k}")
    ax.set(
        title=f"{steps} step{'s' * (steps > 1)}\n{model.loss_curve_[-1]:.3f} nats", xticks=[], yticks=[], aspect="equal"
    )
fig.colorbar(filled, ax=axes, label="greatest probability", ticks=[1 / 3, 1 / 2, 2 / 3, 5 / 6, 1], format="%.2f")
plt.show()

# %%
# The model begins with the frequencies of the classes, ln 3 = 1.099 nats, soon separates the first class from the
# others, and spends the rest of the time on the border between the other two.

fig, ax = plt.subplots()
ax.plot(models[-1].loss_curve_, label='"gradient_descent"')
newton = CrossEntropyClassifier(alpha=1e-3).fit(X, y)
ax.plot(newton.loss_curve_, "s--", label='"lbfgs", the default')
ax.set(xlabel="steps", ylabel="objective in nats", xscale="symlog", xlim=(-0.1, 1100), ylim=(0, None))
ax.legend()
plt.show()

print(f"gradient descent: {models[-1].loss_curve_[-1]:.5f} nats after {models[-1].n_iter_} steps")
print(f"lbfgs:            {newton.loss_curve_[-1]:.5f} nats after {newton.n_iter_} steps")

# %%
# Gradient descent knows the slope. The default solver also knows how the slope changes, and needs a handful of steps.
