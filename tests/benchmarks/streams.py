"""Held-out log-loss against time, of the solvers that go through mini-batches or rows.

Each is fitted afresh with 1, 2, 3, 5, ... epochs; its time is that of the fit with the fewest that reaches a loss. The
losses to reach are the best that `SGDClassifier`, which has no softmax, and `MLPClassifier` without hidden layers come
to with any of their settings and epochs, and 1% more. All see the same scaled features and penalty.
"""

import statistics
import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from skce import CrossEntropyClassifier
from tests.benchmarks.solvers import gaussian
from tests.benchmarks.timing import print_table, seconds

THREADS = 1
ALPHA = 1e-4
EPOCHS = (1, 2, 3, 5, 8, 13, 20, 30, 50, 80, 120, 200)
NEAR = 1.01
"""A loss within 1% of the best is as good: the last digits are the noise of held-out rows."""


def ours(solver, **options):
    return lambda n, epochs: CrossEntropyClassifier(alpha=ALPHA, solver=solver, max_iter=epochs, **options)


def by_rows(**options):
    return lambda n, epochs: SGDClassifier(
        loss="log_loss", alpha=ALPHA, max_iter=epochs, tol=None, random_state=0, **options
    )


def network(**options):
    """Its penalty is divided by the number of rows."""
    return lambda n, epochs: MLPClassifier(
        hidden_layer_sizes=(), alpha=ALPHA * n, max_iter=epochs, n_iter_no_change=10**6, random_state=0, **options
    )


OURS = {"sgd": ours("sgd"), "adam": ours("adam")}
PEERS = {
    "SGDClassifier": {
        "as it comes": by_rows(),
        "average": by_rows(average=True),
        "adaptive": by_rows(learning_rate="adaptive", eta0=0.01, n_iter_no_change=3),
        "adaptive, average": by_rows(learning_rate="adaptive", eta0=0.1, average=True, n_iter_no_change=3),
    },
    "MLPClassifier": {
        "as it comes": network(),
        "adam 0.01": network(learning_rate_init=0.01),
        "sgd 0.1": network(solver="sgd", learning_rate_init=0.1),
        "sgd 0.1, adaptive": network(solver="sgd", learning_rate_init=0.1, learning_rate="adaptive"),
    },
}


@dataclass
class Point:
    """What a fit of some epochs takes and gives."""

    epochs: int
    seconds: float
    loss: float


def points(make, data, *, budget, repeats):
    """A solver's curve, until a fit takes longer than the budget or ends by itself."""
    X, X_out, y, y_out = data
    curve = []
    for epochs in EPOCHS:
        model = make(len(y), epochs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            times = [seconds(lambda: model.fit(X, y))]  # noqa: B023 - called at once
            times += [seconds(lambda: model.fit(X, y)) for _ in range(repeats - 1) if times[0] < 1]  # noqa: B023
        curve.append(Point(epochs, statistics.median(times), log_loss(y_out, model.predict_proba(X_out))))
        if times[0] > budget or model.n_iter_ < epochs:
            break
    return curve


def first_below(curves, loss):
    """The quickest fit of some curves that reaches a loss, with its name; None if there is none."""
    found = [(point.seconds, point, name) for name, curve in curves.items() for point in curve if point.loss <= loss]
    return min(found, key=lambda entry: entry[0]) if found else None


def describe(found):
    return f"{1e3 * found[0]:.0f} ms, {found[1].epochs} epochs ({found[2]})" if found else "not reached"


def compare(label, X, y, **limits):
    """Lines of the table: for each peer's best loss, who reaches it when."""
    data = train_test_split(X, y, test_size=0.25, random_state=0)
    scaler = StandardScaler().fit(data[0])
    data[:2] = scaler.transform(data[0]), scaler.transform(data[1])
    exact = CrossEntropyClassifier(alpha=ALPHA).fit(data[0], data[2])
    floor = log_loss(data[3], exact.predict_proba(data[1]))
    own = {name: points(make, data, **limits) for name, make in OURS.items()}
    for peer, settings in PEERS.items():
        curves = {name: points(make, data, **limits) for name, make in settings.items()}
        best = min(point.loss for curve in curves.values() for point in curve)
        theirs = first_below(curves, NEAR * best)
        cells = [label, peer, f"{best:.4f}", f"{floor:.4f}", describe(theirs)]
        for name in OURS:
            reached = first_below({name: own[name]}, NEAR * best)
            ratio = f"{theirs[0] / reached[0]:.1f}" if reached else "-"
            cells += [describe(reached).removesuffix(f" ({name})"), ratio]
        last = [f"{min(point.loss for point in own[name]):.4f}" for name in OURS]
        yield [*cells, *last]


def tables(quick):
    X, y = load_digits(return_X_y=True)
    yield "digits, scaled", X, y
    n = 10_000 if quick else 100_000
    yield f"{n:.0e} x 100, 10 classes", *gaussian(np.random.default_rng(0), n, 100, 10)


def main(quick=False):
    """Print a table of both data sets."""
    limits = {"budget": 3 if quick else 20, "repeats": 1 if quick else 5}
    columns = ["data", "peer", "its best loss", "lbfgs' loss", "peer within 1%"]
    for name in OURS:
        columns += [f"our {name}", "ratio"]
    columns += [f"best of {name}" for name in OURS]
    print_table(columns, [row for table in tables(quick) for row in compare(*table, **limits)])
