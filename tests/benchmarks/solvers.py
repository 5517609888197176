"""Time to reach f* + 1e-6, against every linear classifier that scikit-learn users can install.

f* is the least objective that anyone reached. Each solver runs at a short list of tolerances; its time is that of the
loosest one that gets within 1e-6 of f*, the median of interleaved repeats. The first line of ours is its default `tol`.
A pass is one reading of all of X, or of as many of its rows as make one; `saga` counts its own, and where nobody can
look inside there is none.
"""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from itertools import chain
from unittest.mock import patch

import numpy as np
from scipy import sparse, special
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model._linear_loss import LinearModelLoss
from threadpoolctl import threadpool_limits

from skce import CrossEntropyClassifier, _row_space
from skce._rows import Rows, blas_threads
from tests.benchmarks.timing import at_most, interleave, print_table, seconds

ENOUGH = 1e-6
TOLERANCES = {"ours": (1e-6, 1e-7, 1e-8, 1e-9), "peer": (1e-4, 1e-6, 1e-8)}
MAX_ITER = 10_000

BUDGETS = {"lbfgs": 100.0, "saga": 10.0}
BUDGET, QUICK_BUDGET = 20.0, 5.0
"""Seconds that nobody waits longer than for a fit."""

LARGEST_NEWTON = 4000
"""Coefficients up to which newton-cholesky's Hessian is worth waiting for."""


def ours(alpha, total, tol, max_iter):
    return CrossEntropyClassifier(alpha=alpha, tol=tol)


def scikit_learn(solver):
    return lambda alpha, total, tol, max_iter: LogisticRegression(
        C=1 / (alpha * total), solver=solver, tol=tol, max_iter=max_iter
    )


def glum(alpha, total, tol, max_iter):
    from glum import GeneralizedLinearRegressor

    return GeneralizedLinearRegressor(family="binomial", alpha=alpha, gradient_tol=tol, max_iter=max_iter)


def intelex(alpha, total, tol, max_iter):
    from daal4py import daalinit
    from sklearnex.linear_model import LogisticRegression

    daalinit(blas_threads())  # it does not ask how many threads it may use
    return LogisticRegression(C=1 / (alpha * total), tol=tol, max_iter=max_iter)


SOLVERS = {"ours": ours} | {name: scikit_learn(name) for name in ("lbfgs", "newton-cholesky", "newton-cg", "saga")}
if find_spec("glum"):
    SOLVERS["glum"] = glum
if find_spec("sklearnex"):
    SOLVERS["intelex"] = intelex


@dataclass
class Run:
    """One solver at one tolerance on one problem."""

    tol: float
    value: float
    seconds: float
    n_iter: int
    passes: float
    warned: bool


@dataclass
class Runs:
    """A solver's runs on one problem, from the loosest tolerance on, and why there are no more."""

    max_iter: int = MAX_ITER
    runs: list = field(default_factory=list)
    ended: str = ""

    def cheapest(self, limit):
        """The first run that reached the limit, or None."""
        return next((run for run in self.runs if run.value <= limit), None)


def objective(model, X, y, alpha):
    """Mean loss and penalty of fitted coefficients, from the formula."""
    coef = np.atleast_2d(model.coef_)
    z = X @ coef.T + model.intercept_
    z = np.column_stack([np.zeros(len(y)), z]) if z.shape[1] == 1 else z
    own = z[np.arange(len(y)), np.searchsorted(np.unique(y), y)]
    return float(np.mean(special.logsumexp(z, axis=1) - own) + alpha / 2 * np.sum(coef**2))


@contextmanager
def counting(X) -> Iterator[list]:
    """The passes over X of the solvers written in Python, as a list of one number."""
    passes = [0.0]
    sum_, centred = Rows.sum, _row_space._centred
    names = ("loss", "loss_gradient", "gradient", "gradient_hessian", "gradient_hessian_product")
    methods = {name: getattr(LinearModelLoss, name) for name in names}

    def of_rows(self, function):
        table = self.arrays[0]
        passes[0] += self.n_rows * table.shape[1] / math.prod(X.shape) if table.ndim == 2 else 0
        return sum_(self, function)

    def of_columns(table, center):
        passes[0] += 1
        return centred(table, center)

    def method(name):
        def call(self, *args, **kwargs):
            passes[0] += 1
            result = methods[name](self, *args, **kwargs)
            if name != "gradient_hessian_product":
                return result
            gradient, product = result
            return gradient, lambda s: passes.__setitem__(0, passes[0] + 1) or product(s)

        return call

    with (
        patch.object(Rows, "sum", of_rows),
        patch.object(_row_space, "_centred", of_columns),
        patch.multiple(LinearModelLoss, **{name: method(name) for name in names}),
    ):
        yield passes


def run(name, X, y, alpha, tol, max_iter):
    """Fit once, with a count of the iterations, of the passes and of warnings."""
    model = SOLVERS[name](alpha, len(y), tol, max_iter)
    with warnings.catch_warnings(record=True) as caught, counting(X) as passes:
        warnings.simplefilter("always")
        time = seconds(lambda: model.fit(X, y))
    warned = any(issubclass(w.category, ConvergenceWarning) or "converge" in str(w.message).lower() for w in caught)
    n_iter = int(np.max(model.n_iter_))
    read = n_iter if name == "saga" else passes[0] or math.nan
    return Run(tol, objective(model, X, y, alpha), time, n_iter, read, warned)


def unable(name, X, y):
    """Why a solver is not tried at all, or nothing."""
    k = len(np.unique(y))
    if name == "newton-cholesky" and X.shape[1] * (k if k > 2 else 1) > LARGEST_NEWTON:
        return "too large"
    return "binary only" if name == "glum" and k > 2 else ""


def affordable(name, X, y, alpha, budget):
    """Iterations within the budget; only of saga, whose loop is compiled and cannot be stopped."""
    if name != "saga":
        return MAX_ITER
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        epochs = 3
        model = SOLVERS[name](alpha, len(y), 1e-10, epochs)
        return int(np.clip(budget / (seconds(lambda: model.fit(X, y)) / epochs), 1, MAX_ITER))


def all_runs(name, X, y, alpha, budget):
    """A solver at each of its tolerances, until one takes longer than the budget."""
    result = Runs(ended=unable(name, X, y))
    if result.ended:
        return result
    for tol in TOLERANCES["ours" if name == "ours" else "peer"]:
        try:
            result.max_iter = affordable(name, X, y, alpha, budget)
            with at_most(2 * budget if name == "saga" else budget):
                result.runs.append(run(name, X, y, alpha, tol, result.max_iter))
        except TimeoutError:
            result.ended = f"> {budget:g} s"
            break
        except (np.linalg.LinAlgError, ValueError) as error:
            result.ended = type(error).__name__
            break
        if result.runs[-1].n_iter >= result.max_iter:
            result.ended = f"{result.max_iter} steps"
            break
    return result


def fitter(name, X, y, alpha, tol, max_iter=MAX_ITER):
    """A call that fits and says nothing."""

    def fit():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            SOLVERS[name](alpha, len(y), tol, max_iter).fit(X, y)

    return fit


@dataclass
class Comparison:
    """One problem: what each solver did, and what it took those that arrived, in seconds."""

    label: str
    strength: float
    found: dict
    best: float
    times: dict

    @property
    def fastest(self):
        """The fastest peer that arrived, or None."""
        return min((name for name in self.times if name != "ours"), key=self.times.get, default=None)

    def ratio(self, name):
        """A peer's time over ours, and whether it arrived; else the longest that it tried, nan if it gave up itself."""
        if name in self.times:
            return self.times[name] / self.times["ours"], True
        runs = self.found[name]
        if runs.ended.startswith(">"):
            return float(runs.ended.split()[1]) / self.times["ours"], False
        longest = max((run.seconds for run in runs.runs if run.warned), default=math.nan)
        return longest / self.times["ours"], False

    def lines(self):
        """A line for each solver: the run that arrived, or the closest one."""
        own = self.times.get("ours", math.nan)
        for name, runs in self.found.items():
            chosen = runs.cheapest(self.best + ENOUGH)
            shown = chosen or min(runs.runs, key=lambda run: run.value, default=None)
            if shown is None:
                yield [self.label, f"{self.strength:g}", name, *["-"] * 7, runs.ended]
                continue
            time = self.times[name] if chosen else shown.seconds
            note = "" if chosen else "did not arrive" + (f", {runs.ended}" if runs.ended else "")
            warned = "warned" if any(run.warned for run in runs.runs) else ""
            yield [
                self.label,
                f"{self.strength:g}",
                name,
                f"{1e3 * time:.1f}",
                f"{time / own:.2f}" if chosen else "-",
                f"{shown.tol:.0e}",
                str(shown.n_iter),
                "-" if math.isnan(shown.passes) else f"{shown.passes:.1f}",
                f"{shown.value - self.best:.0e}",
                warned,
                note,
            ]


HEADINGS = ["data", "alpha*n", "solver", "ms", "over ours", "tol", "steps", "passes", "gap", "", ""]


def compare(label, X, y, strength, *, budget, repeats):
    """Everybody on one problem; alpha * n is `strength`."""
    alpha = strength / len(y)
    found = {name: all_runs(name, X, y, alpha, BUDGETS.get(name, budget)) for name in SOLVERS}
    best = min(run.value for runs in found.values() for run in runs.runs)
    chosen = {name: runs.cheapest(best + ENOUGH) for name, runs in found.items()}
    times = {name: run.seconds for name, run in chosen.items() if run}
    quick = {
        name: fitter(name, X, y, alpha, chosen[name].tol, found[name].max_iter)
        for name, time in times.items()
        if time < 2
    }
    times |= interleave(quick, repeats)
    comparison = Comparison(label, strength, found, best, times)
    print_table(HEADINGS, list(comparison.lines()))
    return comparison


def summarise(comparisons):
    """The fastest peer and lbfgs beside ours, line by line, and means over the lines."""
    rows, ratios = [], {"lbfgs": [], "glum": [], "fastest": []}
    for c in comparisons:
        cells = [c.label, f"{c.strength:g}"]
        if "ours" not in c.times:
            rows.append([*cells, "did not arrive", "-", "-", "-"])
            continue
        if c.fastest:
            ratios["fastest"].append(c.ratio(c.fastest)[0])
        if "glum" in c.times:
            ratios["glum"].append(c.ratio("glum")[0])
        ratio, arrived = c.ratio("lbfgs")
        if not math.isnan(ratio):
            ratios["lbfgs"].append(ratio)
        default = c.found["ours"].runs[0]
        fastest = f"{c.ratio(c.fastest)[0]:.2f} {c.fastest}" if c.fastest else "-"
        lbfgs = "-" if math.isnan(ratio) else f"{'' if arrived else '> '}{ratio:.1f}"
        rows.append([*cells, fastest, lbfgs, f"{default.value - c.best:.0e}", "warned" if default.warned else "none"])
    print_table(["data", "alpha*n", "fastest peer / ours", "lbfgs / ours", "gap at default tol", "warnings"], rows)
    for name, values in ratios.items():
        if values:
            mean = math.exp(sum(map(math.log, values)) / len(values))
            print(f"{name} over ours: least {min(values):.2f}, geometric mean {mean:.1f} of {len(values)} lines")
    print(flush=True)


def tables():
    """The tables that ship with scikit-learn, raw."""
    for name in ("iris", "wine", "breast_cancer", "digits"):
        yield name, *getattr(datasets, f"load_{name}")(return_X_y=True)


def tables_with_a_large_column():
    """The same with one column in other units."""
    for name, X, y in tables():
        scale = np.ones(X.shape[1])
        scale[X.std(axis=0).argmax()] = 1e6
        yield f"{name}, a column x 1e6", X * scale, y


def labels(rng, scores):
    """Classes drawn from the softmax of the scores."""
    return (scores + rng.gumbel(size=scores.shape)).argmax(axis=1)


def gaussian(rng, n, d, k, condition=1.0):
    """Correlated features whose covariance has the given condition number, and classes that overlap."""
    basis = np.linalg.qr(rng.normal(size=(d, d)))[0]
    X = rng.normal(size=(n, d))
    return (X * np.geomspace(1, condition**-0.5, d)) @ basis, labels(rng, X @ rng.normal(size=(d, k)) / d**0.5)


def one_hot(rng, n, sizes, k):
    """Indicators of every category: each group of columns sums to one."""
    categories = np.column_stack([rng.integers(size, size=n) for size in sizes])
    X = np.concatenate([np.eye(size)[categories[:, j]] for j, size in enumerate(sizes)], axis=1)
    return X, labels(rng, X @ rng.normal(size=(X.shape[1], k)))


def bag_of_words(rng, n, d, k, length=60):
    """Counts of words whose frequencies fall as 1 / rank, in documents of k topics."""
    y = rng.integers(k, size=n)
    frequency = 1 / np.arange(1, d + 1)
    topics = frequency * rng.lognormal(0, 1, (k, d))
    words = np.concatenate(
        [rng.choice(d, size=length * (y == c).sum(), p=topics[c] / topics[c].sum()) for c in range(k)]
    )
    documents = np.repeat(np.argsort(y, kind="stable"), length)
    places = documents.astype(np.int32), words.astype(np.int32)  # saga takes no longer integers
    return sparse.csr_array(sparse.coo_array((np.ones(len(words)), places), shape=(n, d))), y


def rare(rng, n, d):
    """One row in a thousand of the second class."""
    X = rng.normal(size=(n, d))
    score = X @ rng.normal(size=d) / d**0.5
    return X, (score + rng.logistic(size=n) > 7.4).astype(int)


def synthetic():
    """What the tables do not show: many rows, classes, columns, zeros."""
    rng = np.random.default_rng(0)
    yield "1e5 x 100, 10 classes", *gaussian(rng, 100_000, 100, 10)
    yield "1e5 x 100, 10 classes, condition 1e4", *gaussian(rng, 100_000, 100, 10, 1e4)
    yield "2e4 x 64, 200 classes", *gaussian(rng, 20_000, 64, 200)
    yield "500 x 5000, 5 classes", *gaussian(rng, 500, 5000, 5)
    other = np.random.default_rng(1)  # the tables that follow stay as they are
    yield "500 x 1000, 5 classes", *gaussian(other, 500, 1000, 5)
    yield "1000 x 500, 3 classes, condition 1e4", *gaussian(other, 1000, 500, 3, 1e4)
    yield "1e6 x 20, 2 classes", *gaussian(rng, 1_000_000, 20, 2)
    yield "one-hot 2e4 x 111, 2 classes", *one_hot(rng, 20_000, [2, 9, 50, 50], 2)
    yield "one-hot 2e4 x 111, 5 classes", *one_hot(rng, 20_000, [2, 9, 50, 50], 5)
    yield "words 2e4 x 5e4 sparse, 20 classes", *bag_of_words(rng, 20_000, 50_000, 20)
    yield "rare class, 1e5 x 10", *rare(rng, 100_000, 10)


def threads(label, X, y):
    """Ours with BLAS held to one thread, and to two."""

    def fit(number):
        with threadpool_limits(number):
            fitter("ours", X, y, 1 / len(y), 1e-6)()

    times = interleave({number: partial(fit, number) for number in (1, 2)}, 9 if X.shape[0] < 2000 else 5)
    return [label, *(f"{1e3 * time:.1f}" for time in times.values()), f"{times[1] / times[2]:.2f}"]


def main(quick=False):
    """Print what every solver did on each problem, then a summary, then ours on one thread and on two."""
    limits = {"budget": QUICK_BUDGET if quick else BUDGET, "repeats": 3 if quick else 9}
    print("1. Raw tables: median time to reach f* + 1e-6")
    done = [compare(*table, 1.0, **limits) for table in tables()]
    if not quick:
        print("2. Other strengths and units")
        done += [compare(*table, strength, **limits) for table in tables() for strength in (1e-2, 100.0)]
        done += [
            compare(*table, strength, **limits)
            for table in tables_with_a_large_column()
            for strength in (1.0, 1e-2, 100.0)
        ]
        print("3. Synthetic")
        limits["repeats"] = 5
        done += [compare(*table, strength, **limits) for table in synthetic() for strength in (1.0, 1e-2, 100.0)]
    print("4. Summary; after > lbfgs was stopped after that time")
    summarise(done)
    if quick:
        return
    print("5. CrossEntropyClassifier on two threads beside one, alpha = 1/n")
    headings = ["data", "1 thread, ms", "2 threads, ms", "1 / 2"]
    print_table(headings, [threads(*table) for table in chain(tables(), synthetic())])
