"""Choosing the penalty of a linear classifier, ten values and five folds, by the held-out cross-entropy.

CrossEntropyClassifierCV beside LogisticRegressionCV, as it comes but for `max_iter`, and beside grid searches over
either classifier. Everybody has the same folds and penalties; nothing is scaled. `score` is the best mean over the
folds: who stops short of the minima may find a better one, or a worse.
"""

import math
import warnings
from dataclasses import dataclass

import numpy as np
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.model_selection import GridSearchCV, StratifiedKFold

from skce import CrossEntropyClassifier, CrossEntropyClassifierCV
from tests.benchmarks.solvers import LARGEST_NEWTON, MAX_ITER, bag_of_words, gaussian
from tests.benchmarks.timing import at_most, interleave, print_table, seconds

THREADS = 1
ALPHAS = np.geomspace(1e-6, 1, 10)
FOLDS = StratifiedKFold(5)
BUDGET, QUICK_BUDGET = 60.0, 15.0
"""Seconds that nobody waits longer than."""


def ours(n):
    return CrossEntropyClassifierCV(alphas=ALPHAS, cv=FOLDS)


def ours_in_a_grid(n):
    return GridSearchCV(CrossEntropyClassifier(), {"alpha": ALPHAS}, cv=FOLDS, scoring="neg_log_loss")


def strengths(n):
    """scikit-learn's inverse of the penalty, of the rows of a fold."""
    return 1 / (ALPHAS * rows_of_a_fold(n))


def rows_of_a_fold(n):
    """Of the part that is fitted."""
    return n * (1 - 1 / FOLDS.get_n_splits())


def path(solver):
    return lambda n: LogisticRegressionCV(
        Cs=strengths(n), cv=FOLDS, scoring="neg_log_loss", solver=solver, max_iter=MAX_ITER
    )


def grid(solver):
    model = LogisticRegression(solver=solver, max_iter=MAX_ITER)
    return lambda n: GridSearchCV(model, {"C": strengths(n)}, cv=FOLDS, scoring="neg_log_loss")


SEARCHES = {
    "CrossEntropyClassifierCV": ours,
    "  in GridSearchCV": ours_in_a_grid,
    "LogisticRegressionCV": path("lbfgs"),
    "  newton-cholesky": path("newton-cholesky"),
    "  newton-cg": path("newton-cg"),
    "  lbfgs in GridSearchCV": grid("lbfgs"),
}


@dataclass
class Search:
    """What a search found, and whether it was warned."""

    seconds: float
    score: float
    alpha: float
    warned: bool


def found(search, n):
    """Best mean score, and the alpha that it belongs to."""
    if isinstance(search, CrossEntropyClassifierCV):
        return search.scores_.mean(axis=1).max(), search.alpha_
    if isinstance(search, GridSearchCV):
        (name, value), *_ = search.best_params_.items()
        return search.best_score_, value if name == "alpha" else 1 / (value * rows_of_a_fold(n))
    scores = search.scores_
    scores = next(iter(scores.values())) if isinstance(scores, dict) else scores
    return np.reshape(scores, (FOLDS.get_n_splits(), -1)).mean(axis=0).max(), 1 / (
        np.max(search.C_) * rows_of_a_fold(n)
    )


def searched(make, X, y, budget):
    """One search, None if it takes too long."""
    search = make(len(y))
    try:
        with warnings.catch_warnings(record=True) as caught, at_most(budget):
            warnings.simplefilter("always")
            time = seconds(lambda: search.fit(X, y))
    except TimeoutError:
        return None
    warned = any(issubclass(w.category, ConvergenceWarning) for w in caught)
    return Search(time, *found(search, len(y)), warned)


def quiet(make, X, y):
    """A call that searches and says nothing."""

    def fit():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            make(len(y)).fit(X, y)

    return fit


def compare(label, X, y, budget, repeats):
    """A line for each search."""
    k = len(np.unique(y))
    searches = dict(SEARCHES)
    if X.shape[1] * (k if k > 2 else 1) > LARGEST_NEWTON:
        del searches["  newton-cholesky"]
    results = {name: searched(make, X, y, budget) for name, make in searches.items()}
    times = {name: result.seconds for name, result in results.items() if result}
    times |= interleave({name: quiet(searches[name], X, y) for name, time in times.items() if time < 5}, repeats)
    own = times.get("CrossEntropyClassifierCV", math.nan)
    for name, result in results.items():
        if result is None:
            yield [label, name, f"> {budget:g}", f"> {budget / own:.1f}", "-", "-", "-"]
            continue
        time = times[name]
        warned = "warned" if result.warned else "none"
        yield [label, name, f"{time:.2f}", f"{time / own:.1f}", f"{-result.score:.4f}", f"{result.alpha:.0e}", warned]


def tables(quick):
    for name in ("breast_cancer", "wine", "digits"):
        yield name, *getattr(datasets, f"load_{name}")(return_X_y=True)
    if not quick:
        rng = np.random.default_rng(0)
        yield "2e4 x 50, 5 classes", *gaussian(rng, 20_000, 50, 5)
        yield "the same, condition 1e4", *gaussian(rng, 20_000, 50, 5, 1e4)
        yield "words 4e3 x 1e4 sparse, 5 classes", *bag_of_words(rng, 4000, 10_000, 5)


def main(quick=False):
    """Print a table of every data set, then the ratios to LogisticRegressionCV."""
    columns = ["data", "search", "s", "over ours", "score", "alpha", "warnings"]
    ratios = []
    for table in tables(quick):
        rows = list(compare(*table, QUICK_BUDGET if quick else BUDGET, 1 if quick else 3))
        print_table(columns, rows)
        ratios += [float(row[3].removeprefix("> ")) for row in rows if row[1] == "LogisticRegressionCV"]
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    print(f"LogisticRegressionCV over ours: least {min(ratios):.1f}, geometric mean {mean:.1f} of {len(ratios)} tables")
