"""
All rows at once, or in mini-batches?
=====================================

The default solver looks at all rows for each step. ``partial_fit`` looks at a few at a time and never comes back, so
the rows need not be there together: they may come from files, or tomorrow. What does that cost?
"""

import time

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import softmax

from skce import CrossEntropyClassifier, cross_entropy_loss

rng = np.random.default_rng(0)
W = rng.normal(0, 0.3, (30, 5))


def draw(n_rows):
    """Return features and labels whose true probabilities are known."""
    X = rng.normal(size=(n_rows, 30))
    truth = softmax(X @ W, axis=1)
    return X, (truth.cumsum(axis=1) > rng.random((n_rows, 1))).argmax(axis=1), truth


X_test, y_test, truth = draw(20000)
best = cross_entropy_loss(truth, truth)

stream = CrossEntropyClassifier(solver="sgd", learning_rate="invscaling", random_state=0)
rows, above, kept = [], [], []
start = time.perf_counter()
for _ in range(40):
    X, y, _ = draw(1000)
    stream.partial_fit(X, y, classes=range(5))
    kept.append((X, y))
    rows.append(1000 * len(kept))
    above.append(cross_entropy_loss(truth, stream.predict_proba(X_test)) - best)
print(f"in mini-batches: {above[-1]:.5f} nats above the best possible, {time.perf_counter() - start:.2f} s")

# %%
# The same rows, kept, and fitted at once with the default solver:

at_once = []
for n_kept in (1, 2, 4, 8, 16, 40):
    X, y = (np.concatenate(parts) for parts in zip(*kept[:n_kept], strict=True))
    start = time.perf_counter()
    model = CrossEntropyClassifier().fit(X, y)
    seconds = time.perf_counter() - start
    at_once.append((len(y), cross_entropy_loss(truth, model.predict_proba(X_test)) - best))
print(f"all at once:     {at_once[-1][1]:.5f} nats above the best possible, {seconds:.2f} s for the last fit")

fig, ax = plt.subplots()
ax.loglog(rows, above, "o-", markersize=4, label="partial_fit, 1000 rows at a time")
ax.loglog(*zip(*at_once, strict=True), "s--", label="fit, all rows so far")
ax.set(xlabel="rows seen", ylabel="nats above the best possible")
ax.legend()
plt.show()

# %%
# Once through is nearly as good: with twice as many rows the stream is where the fit was. If the rows fit into memory,
# ``fit`` is better and faster, and there is nothing to choose.
