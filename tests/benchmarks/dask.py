"""Fits on dask: against memory, against dask-ml, with one worker and two; and what they say of a large cluster.

The workers are processes of one thread on this machine, and hold the data before the clock starts. `passes` is how
often the chunks of X are read in a fit. `excess` is the mean log-loss of the rows above the least that anyone
reached: the penalty is next to nothing, since dask-ml's is one of standardised features.
"""

import logging
import pickle
import warnings
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from importlib.util import find_spec

import numpy as np
from scipy import special

from skce import CrossEntropyClassifier, SigmoidCrossEntropy
from skce._objective import block_sums
from tests.benchmarks.timing import interleave, print_table

THREADS = 1
ALPHA = 1e-14
LARGE = {"rows": 10**9, "features": 100, "workers": 100, "partitions": 1000}


def ours(X, y):
    model = CrossEntropyClassifier(alpha=ALPHA).fit(X, y)
    return model.coef_, model.intercept_


def dask_ml(solver, X, y):
    from dask_ml.linear_model import LogisticRegression

    model = LogisticRegression(solver=solver, C=1 / (ALPHA * X.shape[0]), max_iter=1000).fit(X, y)
    return model.coef_, model.intercept_


def competitors():
    """Ours, and dask-ml's solvers of the same model if it is there."""
    peers = ("lbfgs", "newton") if find_spec("dask_ml") else ()
    return {"skce": ours} | {f"dask-ml, {name}": partial(dask_ml, name) for name in peers}


def problem(n, d, correlated, k=2):
    """Rows of k classes, of features that know nothing of each other, or of different scales and much in common."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d))
    y = (X @ rng.normal(size=(d, k)) / np.sqrt(d) + rng.gumbel(size=(n, k))).argmax(axis=1)
    if correlated:
        X = X * np.logspace(0, -2, d) @ np.linalg.qr(rng.normal(size=(d, d)))[0] * 10.0 ** rng.uniform(-2, 2, d)
    return X, y


def lazily(X, y, n_chunks):
    """Dask arrays of both."""
    import dask.array as da

    size = -(-len(X) // n_chunks)
    return da.from_array(X, chunks=(size, -1)), da.from_array(y, chunks=size)


@contextmanager
def workers(number):
    """A client of so many."""
    from distributed import Client, LocalCluster

    options = {"threads_per_worker": 1, "dashboard_address": None, "silence_logs": logging.CRITICAL}
    with LocalCluster(n_workers=number, **options) as cluster, Client(cluster) as client:
        yield client


def passes(fit, X, y, n_chunks):
    """How often a fit reads the chunks of X, and what it finds."""
    import dask

    made = []

    def count(block):
        made.append(len(block))
        return block

    lazy_X, lazy_y = lazily(X, y, n_chunks)
    counted = lazy_X.map_blocks(count, dtype=X.dtype, meta=X[:0])
    with dask.config.set(scheduler="synchronous"):
        found = fit(counted, lazy_y)
    return len(made) / n_chunks, found


def loss(X, y, coef, intercept):
    """Mean log-loss, from the formula."""
    return float(np.mean(special.log1p(np.exp(-np.where(y, 1, -1) * (X @ np.ravel(coef) + intercept)))))


def on_a_cluster(fit, X, y, n_chunks, n_workers, repeats):
    """Median time of a fit to data that the workers hold."""
    from distributed import wait

    with workers(n_workers) as client:
        for package in ("skce", "dask_ml.linear_model"):
            if find_spec(package.partition(".")[0]):
                client.run(import_module, package)
        held = client.persist(lazily(X, y, n_chunks))
        wait(held)
        return interleave({"fit": lambda: fit(*held)}, repeats)["fit"]


def compare(n, d, n_chunks, repeats):
    """Passes, time and accuracy beside dask-ml."""
    rows = []
    for name, correlated in (("independent", False), ("correlated", True)):
        X, y = problem(n, d, correlated)
        found = {}
        for competitor, fit in competitors().items():
            n_passes, parameters = passes(fit, X, y, n_chunks)
            time = on_a_cluster(fit, X, y, n_chunks, 2, repeats)
            found[competitor] = time, n_passes, loss(X, y, *parameters)
        least = min(value for *_, value in found.values())
        rows += [
            [f"{name}, {who}", f"{time:.2f}", f"{time / found['skce'][0]:.1f}", f"{count:.0f}", f"{value - least:.0e}"]
            for who, (time, count, value) in found.items()
        ]
    print_table(["features, of two workers", "seconds", "ratio", "passes", "excess"], rows)


def overhead(n, d, k, n_chunks, repeats):
    """Against the fit in memory, in one thread; with threads, with one worker and with two. The pass of a worker."""
    import dask

    X, y = problem(n, d, correlated=True, k=k)
    lazy_X, lazy_y = lazily(X, y, n_chunks)
    with dask.config.set(scheduler="threads", num_workers=2):
        times = interleave({"memory": lambda: ours(X, y), "2 threads": lambda: ours(lazy_X, lazy_y)}, repeats)
    for number, name in ((1, "1 worker"), (2, "2 workers")):
        times[name] = on_a_cluster(ours, X, y, n_chunks, number, repeats)
    rows = [[name, f"{time:.2f}", f"{time / times['memory']:.2f}"] for name, time in times.items()]
    print_table([f"{n:,} x {d}, {k} classes, {n_chunks} chunks", "seconds", "ratio"], rows)
    return times


def per_partition(n_passes):
    """Seconds that a pass takes for each partition, whatever is in it."""
    X, y = problem(4000, 5, correlated=False)
    return on_a_cluster(ours, X, y, 400, 2, 1) / n_passes / 400


def estimate(n, d, n_chunks, time):
    """A fit that nobody here can run: its messages, what they and the passes cost."""
    X, y = problem(n, d, correlated=True)
    n_passes = passes(ours, X, y, n_chunks)[0]
    k = LARGE["features"]
    function = partial(block_sums, SigmoidCrossEntropy(), np.zeros((1, k)), np.zeros(1))
    sums = function(np.zeros((2, k)), np.zeros(2, dtype=np.intp), None)
    speed = X.nbytes * n_passes / time
    work = LARGE["rows"] * k * 8 / LARGE["workers"] / speed
    tasks = LARGE["partitions"] * per_partition(passes(ours, *problem(4000, 5, correlated=False), 4)[0])
    print_table(
        [f"{LARGE['rows']:.0e} x {k} on {LARGE['workers']} workers, {LARGE['partitions']} partitions", ""],
        [
            ["passes", f"{n_passes:.0f}"],
            ["bytes to a worker in a pass", len(pickle.dumps(function))],
            ["bytes from a partition", len(pickle.dumps(sums))],
            ["a worker's speed here, GB/s", f"{speed / 1e9:.2f}"],
            ["seconds of work in a pass", f"{work:.1f}"],
            ["seconds of the scheduler in a pass", f"{tasks:.1f}"],
            ["minutes in all", f"{n_passes * (work + tasks) / 60:.1f}"],
        ],
    )


def main(quick=False):
    if not (find_spec("dask") and find_spec("distributed")):
        print("dask is not installed.")
        return
    n, d, n_chunks, repeats = (50_000, 20, 8, 1) if quick else (400_000, 50, 16, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # dask-ml's deprecated settings, graphs that are counted, ports in use
        overhead(n, d, 10, n_chunks, repeats)
        times = overhead(n, d, 2, n_chunks, repeats)
        estimate(n, d, n_chunks, times["1 worker"])
        compare(n // 3, 20, 8, 1)
