"""
What happens on data that nobody scaled?
========================================

The wine table has columns from 0.1 to 1680. ``LogisticRegression`` and ``CrossEntropyClassifier`` minimise the same
objective here, with the same penalty. One takes thousands of steps, the other a handful.
"""

import time
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from skce import CrossEntropyClassifier, cross_entropy_loss

X, y = load_wine(return_X_y=True)
ALPHA = 1 / len(y)  # C = 1 / (alpha * rows), so this is LogisticRegression's default


def objective(model):
    """Return what both minimise: the mean cross-entropy and the penalty, in nats."""
    loss = cross_entropy_loss(y, model.decision_function(X), labels=model.classes_, from_logits=True)
    return loss + ALPHA / 2 * (model.coef_**2).sum()


def path(make, budgets):
    """Return the objective after each number of steps, and the seconds of that fit, the best of three."""
    values, seconds = [], []
    for max_iter in budgets:
        times = []
        for _ in range(3):
            start = time.perf_counter()
            model = make(max_iter=max_iter).fit(X, y)
            times.append(time.perf_counter() - start)
        values.append(objective(model))
        seconds.append(min(times))
    return np.array(values), np.array(seconds)


# %%
# Each is stopped after more and more steps. The marks are the fits, the line below is the minimum.


def ours(max_iter):
    return CrossEntropyClassifier(alpha=ALPHA, tol=0, max_iter=max_iter)


def theirs(max_iter):
    return LogisticRegression(tol=0, max_iter=max_iter)


steps = {
    "LogisticRegression": np.array([1, 3, 10, 30, 100, 300, 1000, 3000, 10000]),
    "CrossEntropyClassifier": np.array([1, 2, 3, 4, 6, 8]),
}
with warnings.catch_warnings(), threadpool_limits(limits=1):  # so small a table is slower on several threads
    warnings.simplefilter("ignore", ConvergenceWarning)
    least = objective(CrossEntropyClassifier(alpha=ALPHA, tol=1e-14).fit(X, y))
    paths = {
        "LogisticRegression": path(theirs, steps["LogisticRegression"]),
        "CrossEntropyClassifier": path(ours, steps["CrossEntropyClassifier"]),
    }


def draw(costs, unit):
    """Draw how far each fit is above the minimum, against what it cost."""
    fig, ax = plt.subplots()
    for (name, (values, _)), mark, color in zip(paths.items(), "os", ("C1", "C0"), strict=True):
        ax.loglog(costs[name], np.maximum(values - least, 1e-12), mark + "-", color=color, label=name)
    ax.set(xlabel=unit, ylabel="nats above the minimum")
    fig.legend(loc="outside upper center", ncols=2)
    return ax


ax = draw(steps, "steps")
ax.axvline(100, color="gray", linestyle=":", linewidth=1)
ax.annotate("default max_iter", (100, 3e-11), (5, 0), textcoords="offset points", color="gray")
plt.show()

# %%
# A step of ours costs more, a fit much less:

draw({name: 1e3 * seconds for name, (_, seconds) in paths.items()}, "milliseconds")
plt.show()

# %%
# With its default of 100 steps ``LogisticRegression`` warns, and stops here:

with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)
    for model in (LogisticRegression(), CrossEntropyClassifier(alpha=ALPHA)):
        model.fit(X, y)
        print(f"{type(model).__name__:<22} {objective(model):.6f} nats after {np.max(model.n_iter_)} steps")

# %%
# A scaler would help ``LogisticRegression``, and changes the model: the penalty then holds for other coefficients.
# ``CrossEntropyClassifier`` knows the scales of the columns from a model of the second derivatives, see
# :doc:`/mathematics`.
