"""Time to reach f* + 1e-6, against every linear classifier that scikit-learn users can install.

f* is the least objective that anyone reached. Each solver runs at a short list of tolerances; its time is that of the
loosest one that gets within 1e-6 of f*, the median of interleaved repeats. `gap` is that of CrossEntropyClassifier as
it comes, at its default tol.
"""

import warnings
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec

import numpy as np
from scipy import sparse, special
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from skce import CrossEntropyClassifier
from skce._rows import blas_threads
from tests.benchmarks.timing import at_most, interleave, print_table, seconds

ENOUGH = 1e-6
TOLERANCES = {"ours": (1e-6, 1e-7, 1e-8, 1e-9), "peer": (1e-4, 1e-6, 1e-8)}
BUDGET, QUICK_BUDGET = 20, 10
"""Seconds that nobody waits longer than for a fit."""

LARGEST_NEWTON = 4000
"""Coefficients up to which newton-cholesky's Hessian is worth waiting for."""


def ours(alpha, total, tol):
    return CrossEntropyClassifier(alpha=alpha, tol=tol)


def scikit_learn(solver):
    return lambda alpha, total, tol: LogisticRegression(C=1 / (alpha * total), solver=solver, tol=tol, max_iter=10_000)


def glum(alpha, total, tol):
    from glum import GeneralizedLinearRegressor

    return GeneralizedLinearRegressor(family="binomial", alpha=alpha, gradient_tol=tol, max_iter=10_000)


def intelex(alpha, total, tol):
    from daal4py import daalinit
    from sklearnex.linear_model import LogisticRegression

    daalinit(blas_threads())  # it does not ask how many threads it may use
    return LogisticRegression(C=1 / (alpha * total), tol=tol, max_iter=10_000)


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
    warned: bool


@dataclass
class Runs:
    """A solver's runs on one problem, from the loosest tolerance on, and why there are no more."""

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


def run(make, X, y, alpha, tol):
    """Fit once, with a count of the iterations and of warnings."""
    model = make(alpha, len(y), tol)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        time = seconds(lambda: model.fit(X, y))
    warned = any(issubclass(w.category, ConvergenceWarning) or "converge" in str(w.message).lower() for w in caught)
    return Run(tol, objective(model, X, y, alpha), time, int(np.max(model.n_iter_)), warned)


def unable(name, X, y):
    """Why a solver is not tried at all, or nothing."""
    k = len(np.unique(y))
    if name == "newton-cholesky" and X.shape[1] * (k if k > 2 else 1) > LARGEST_NEWTON:
        return "too large"
    if name == "glum" and k > 2:
        return "binary only"
    if name == "saga" and X.size > 1e6:
        return "> budget"  # its loop is compiled: it cannot be stopped
    return ""


def all_runs(name, X, y, alpha, budget):
    """A solver at each of its tolerances, until one takes longer than the budget."""
    result = Runs(ended=unable(name, X, y))
    for tol in () if result.ended else TOLERANCES["ours" if name == "ours" else "peer"]:
        try:
            with at_most(budget):
                result.runs.append(run(SOLVERS[name], X, y, alpha, tol))
        except TimeoutError:
            result.ended = f"> {budget:g} s"
            break
        except (np.linalg.LinAlgError, ValueError) as error:
            result.ended = type(error).__name__
            break
    return result


def fitter(name, X, y, alpha, tol):
    """A call that fits and says nothing."""

    def fit():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            SOLVERS[name](alpha, len(y), tol).fit(X, y)

    return fit


def compare(label, X, y, strength, names, *, budget, repeats):
    """One line of the table: alpha * n is `strength`."""
    alpha = strength / len(y)
    found = {name: all_runs(name, X, y, alpha, budget) for name in names}
    best = min(run.value for runs in found.values() for run in runs.runs)
    chosen = {name: runs.cheapest(best + ENOUGH) for name, runs in found.items()}
    times = {name: run.seconds for name, run in chosen.items() if run}
    quick = {name: fitter(name, X, y, alpha, chosen[name].tol) for name, time in times.items() if time < 2}
    times |= interleave(quick, repeats)
    default = found["ours"].runs[0] if found["ours"].runs else None
    cells = [label, f"{strength:g}"]
    cells += [describe_time(name, chosen[name], times, found[name], best) for name in names]
    peers = {name: time for name, time in times.items() if name != "ours"}
    if "ours" in times and peers:
        fastest = min(peers, key=peers.get)
        cells.append(f"{peers[fastest] / times['ours']:.1f} {fastest}")
    else:
        cells.append("-")
    cells.append(f"{peers['lbfgs'] / times['ours']:.0f}" if "lbfgs" in peers and "ours" in times else "-")
    if default is None:
        return [*cells, "-", "-", "-"]
    warned = [name for name, runs in found.items() if any(run.warned for run in runs.runs)]
    return [*cells, str(default.n_iter), f"{default.value - best:.0e}", " ".join(warned) or "none"]


def describe_time(name, run, times, runs, best):
    """Milliseconds and tolerance, or why there are none."""
    if run:
        return f"{1e3 * times[name]:.1f} ({run.tol:.0e})"
    if runs.ended:
        return runs.ended
    closest = min(runs.runs, key=lambda run: run.value)
    return f"gap {closest.value - best:.0e} in {closest.seconds:.1f} s"


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
    return sparse.csr_array(sparse.coo_array((np.ones(len(words)), (documents, words)), shape=(n, d))), y


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

    times = interleave({number: partial(fit, number) for number in (1, 2)}, 5)
    return [label, *(f"{1e3 * time:.1f}" for time in times.values()), f"{times[1] / times[2]:.2f}"]


def main(quick=False):
    """Print the tables line by line, each under the headings that it shares with the others."""
    names = [name for name in SOLVERS if name != "saga"]
    limits = {"budget": QUICK_BUDGET if quick else BUDGET, "repeats": 3 if quick else 9}
    columns = ["data", "alpha*n", *(f"{name}, ms (tol)" for name in names)]
    columns += ["fastest peer / ours", "lbfgs / ours", "steps", "gap", "warned"]
    print("1. Raw tables at alpha = 1/n: median time to reach f* + 1e-6 (and the tolerance that it takes)")
    print_table(columns, [compare(*table, 1.0, names, **limits) for table in tables()])
    if quick:
        return
    strengths = (1e-2, 1.0, 100.0)
    print("2. Other strengths and units")
    rows = [compare(*table, strength, names, **limits) for table in tables() for strength in (1e-2, 100.0)]
    rows += [compare(*table, 1.0, names, **limits) for table in tables_with_a_large_column()]
    print_table(columns, rows)
    print("3. Synthetic")
    for table in synthetic():
        for strength in strengths:
            print_table(columns, [compare(*table, strength, names, budget=BUDGET, repeats=5)])
    print("4. CrossEntropyClassifier on two threads beside one, alpha = 1/n")
    print_table(["data", "1 thread, ms", "2 threads, ms", "1 / 2"], [threads(*table) for table in synthetic()])
