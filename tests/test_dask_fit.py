"""The classifier on dask: the fit and the predictions of the same rows in memory, which never come to the client."""

import contextlib
import gc
import logging
import os
import subprocess
import sys
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning, EfficiencyWarning, NotFittedError
from sklearn.linear_model import LogisticRegression

from skce import (
    CrossEntropyClassifier,
    CrossEntropyClassifierCV,
    SigmoidCrossEntropy,
    cross_entropy_loss,
    neg_cross_entropy,
    neg_multilabel_cross_entropy,
)
from skce import _validation as validation
from skce._curvature import Hessian
from skce._rows import DaskRows

dask = pytest.importorskip("dask", reason="dask is not installed")
da = pytest.importorskip("dask.array", reason="dask.array is not installed")
dd = pytest.importorskip("dask.dataframe", reason="dask.dataframe is not installed")

CHUNKS = (150, 1, 0, 449, 250, 350)
METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function")
CLASSES = np.array(["ash", "birch", "cherry", "dogwood"])


@pytest.fixture(autouse=True)
def one_thread():
    """Partitions are small: a pool of threads costs more than it saves."""
    with dask.config.set(scheduler="synchronous"):
        yield


def lazy(array, container=np.asarray, chunks=CHUNKS):
    """A dask array, whose blocks are held in memory if they are sparse."""
    result = da.from_array(array, chunks=(chunks, *[-1] * (array.ndim - 1)))
    if container is np.asarray:
        return result
    meta = container((0, array.shape[1]), dtype=array.dtype)
    return result.map_blocks(container, dtype=array.dtype, meta=meta).persist()


def problem(n_classes=4, d=5, seed=0):
    """Features of many scales, labels in order, so that partitions lack classes, and weights of which some are 0."""
    rng = np.random.default_rng(seed)
    codes = np.sort(rng.integers(n_classes, size=sum(CHUNKS)))
    X = rng.normal(size=(len(codes), d)) + rng.normal(size=(n_classes, d))[codes] * 2 / np.sqrt(d)
    X = (X * 10.0 ** rng.integers(-2, 3, d) + rng.normal(size=d)) * (rng.random(X.shape) < 0.8)
    weights = rng.exponential(size=len(codes)) * (rng.random(len(codes)) < 0.9)
    assert len(np.unique(codes[: CHUNKS[0]])) == 1
    return X, codes, weights


def assert_same_fit(lazily, expected):
    """Coefficients to 1e-8, in as many steps."""
    assert_array_equal(lazily.classes_, expected.classes_)
    assert lazily.classes_.dtype == expected.classes_.dtype
    assert lazily.n_iter_ == expected.n_iter_
    assert lazily.converged_
    assert lazily.coef_.dtype == expected.coef_.dtype
    for name in ("coef_", "intercept_"):
        one, other = getattr(lazily, name), getattr(expected, name)
        assert_allclose(one, other, rtol=1e-8, atol=1e-8 * np.abs(other).max())
    assert_allclose(lazily.loss_curve_, expected.loss_curve_, rtol=1e-10)


def fitted(*arguments, **options):
    """A classifier whose every step shows: it takes more of them than at the default tol."""
    return CrossEntropyClassifier(**{"alpha": 1e-3, "tol": 1e-10} | options).fit(*arguments)


def soft(codes, n_classes, rng):
    """Distributions around the codes."""
    return 0.5 * np.eye(n_classes)[codes] + 0.5 * rng.dirichlet(np.ones(n_classes), len(codes))


def answers(codes, n_classes, rng):
    """Several labels a row, some of them unknown."""
    table = (np.eye(n_classes)[codes] + (rng.random((len(codes), n_classes)) < 0.2) > 0).astype(float)
    table[rng.random(table.shape) < 0.1] = np.nan
    return table


TARGETS = {
    "codes": lambda codes, k, rng: codes,
    "strings": lambda codes, k, rng: CLASSES[codes],
    "objects": lambda codes, k, rng: CLASSES.astype(object)[codes],
    "floats": lambda codes, k, rng: codes * 2.0 - 1,
    "soft": soft,
    "labels": answers,
}
OPTIONS = {
    "plain": {},
    "balanced": {"class_weight": "balanced"},
    "one against the rest": {"link": "sigmoid", "class_weight": "balanced"},
    "focal": {"gamma": 1.0, "label_smoothing": 0.1},
    "no intercept": {"fit_intercept": False},
}


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("targets", TARGETS)
def test_fit_is_the_one_in_memory(targets, options, weighted):
    """All kinds of targets and weights, in unequal partitions that lack classes."""
    X, codes, weights = problem()
    y = TARGETS[targets](codes, 4, np.random.default_rng(1))
    if targets == "soft" and options == "one against the rest":
        pytest.skip("link='sigmoid' takes several labels")
    expected = fitted(X, y, weights if weighted else None, **OPTIONS[options])
    model = fitted(lazy(X), lazy(y), lazy(weights) if weighted else None, **OPTIONS[options])
    assert_same_fit(model, expected)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int32])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array, sparse.csr_matrix, sparse.csc_array])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_features_of_all_kinds(n_classes, container, dtype, monkeypatch):
    """Dense and sparse chunks, of any type; with the same models, though dask sends no whole Hessian in the end."""
    monkeypatch.setattr(Hessian, "_hessian_pays", lambda self, spent: False)
    monkeypatch.setattr("skce._curvature.SUPPOSED", 0.8)
    X, codes, weights = problem(n_classes, d=30)
    X = (100 * X).astype(dtype) if dtype == np.int32 else X.astype(dtype)
    expected = fitted(container(X), codes, weights, tol=1e-10)
    model = fitted(lazy(X, container), lazy(codes), lazy(weights), tol=1e-10)
    assert_same_fit(model, expected)
    for method in METHODS:
        result = getattr(model, method)(lazy(X, container)).compute()
        assert_allclose(result, getattr(model, method)(container(X)), rtol=1e-5 if dtype == np.float32 else 1e-10)


def test_the_minimum_is_that_of_scikit_learn():
    """An oracle that shares no code: LogisticRegression on the rows in memory."""
    X, codes, weights = problem(n_classes=2)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    alpha = 1e-2
    reference = LogisticRegression(C=1 / (alpha * weights.sum()), tol=1e-10, solver="newton-cholesky")
    reference.fit(X, codes, weights)
    model = fitted(lazy(X), lazy(codes), lazy(weights), alpha=alpha)
    assert_allclose(model.coef_, reference.coef_, rtol=1e-4)  # tol=1e-10 is 1e-5 of the coefficients
    assert_allclose(model.intercept_, reference.intercept_, rtol=1e-4)


@pytest.mark.parametrize("in_memory", ["y", "weights", "both"])
def test_targets_in_memory(in_memory):
    """Beside lazy features of known lengths, y and weights may be lists, arrays and Series."""
    X, codes, weights = problem()
    y = lazy(codes) if in_memory == "weights" else pd.Series(codes, index=codes + 7)
    w = lazy(weights) if in_memory == "y" else weights.tolist()
    assert_same_fit(fitted(lazy(X), y, w), fitted(X, codes, weights))


def test_chunks_that_differ():
    """Those of y and the weights become those of X, whose columns may be in chunks too."""
    X, codes, weights = problem()
    lazy_X = da.from_array(X, chunks=((400, 800), (2, 3)))
    lazy_y, lazy_w = (lazy(a, chunks=(700, 500)) for a in (codes, weights))
    assert_same_fit(fitted(lazy_X, lazy_y, lazy_w), fitted(X, codes, weights))


@pytest.mark.parametrize("targets", ["strings", "soft", "labels"])
def test_data_frames(targets):
    """Names of features and classes, lengths that nobody knows; y a Series, or a column for each class."""
    X, codes, weights = problem()
    names = list("abcde")
    frame = pd.DataFrame(X, columns=names)
    y = pd.DataFrame(TARGETS[targets](codes, 4, np.random.default_rng(1)))
    y.columns = ["label"] if y.shape[1] == 1 else CLASSES
    whole = pd.concat([frame, y, pd.Series(weights, name="weight")], axis=1)
    table = dd.from_pandas(whole, npartitions=7)
    columns = "label" if targets == "strings" else list(CLASSES)
    expected = fitted(frame, y["label"] if targets == "strings" else y, weights)
    model = fitted(table[names], table[columns], table["weight"])
    assert_same_fit(model, expected)
    assert_array_equal(model.feature_names_in_, names)
    for method in METHODS:
        result = getattr(model, method)(table[names])
        assert validation.is_dask(result)
        assert_allclose_or_equal(result.compute(), getattr(expected, method)(frame))
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(table[[*names[:4], "weight"]])
    with pytest.raises(ValueError, match="same order"):
        model.predict(table[names[::-1]])


def assert_allclose_or_equal(one, other):
    """Labels are equal, numbers close."""
    if one.dtype.kind == "f":
        assert_allclose(one, other, rtol=1e-6, atol=1e-12)
    else:
        assert_array_equal(one, other)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("targets", TARGETS)
def test_predictions_are_lazy(targets, method):
    """In the chunks of X, of the right type and shape before anything is computed, and free of the estimator."""
    X, codes, weights = problem()
    model = fitted(X, TARGETS[targets](codes, 4, np.random.default_rng(1)), weights)
    read = []

    def count(block):
        read.append(len(block))
        return block

    result = getattr(model, method)(lazy(X).map_blocks(count, dtype=float, meta=X[:0]))
    expected = getattr(model, method)(X)
    assert read == []
    assert result.chunks[0] == CHUNKS
    assert result.shape == expected.shape
    assert result.dtype == expected.dtype
    model.coef_ = np.full_like(model.coef_, np.nan)
    assert_allclose_or_equal(result.compute(), expected)


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("targets", TARGETS)
def test_score(targets, weighted):
    """The accuracy, in one pass."""
    X, codes, weights = problem()
    y = TARGETS[targets](codes, 4, np.random.default_rng(1))
    model = fitted(X, y, alpha=0.1)
    given = (weights,) if weighted else ()
    assert model.score(lazy(X), lazy(y), *map(lazy, given)) == pytest.approx(model.score(X, y, *given), rel=1e-12)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_mini_batches(solver, shuffle):
    """They come near the minimum of all rows, from partitions of any lengths that are like each other."""
    X, codes, weights = (a[np.random.default_rng(2).permutation(sum(CHUNKS))] for a in problem())
    options = {"solver": solver, "shuffle": shuffle, "alpha": 1e-2}
    exact = fitted(X, codes, weights, alpha=1e-2)
    model = fitted(lazy(X), lazy(codes), lazy(weights), tol=1e-4, **options)
    loss = cross_entropy_loss(codes, model.decision_function(X), sample_weight=weights, from_logits=True)
    assert loss + 1e-2 / 2 * np.sum(model.coef_**2) < exact.loss_curve_[-1] + 5e-3
    again = fitted(lazy(X), lazy(codes), lazy(weights), tol=1e-4, **options)
    assert_array_equal(model.coef_, again.coef_)


@pytest.mark.parametrize("shuffle", [True, False])
def test_one_partition_is_what_it_is_in_memory(shuffle):
    """Mini-batches of one partition, shuffled or not, are those of the array."""
    X, codes, _ = problem()
    options = {"solver": "sgd", "shuffle": shuffle, "tol": 1e-3}
    model = fitted(lazy(X, chunks=(len(X),)), lazy(codes), **options)
    assert_same_fit(model, fitted(X, codes, **options))


def test_early_stopping():
    """On validation rows in memory; of lazy ones none are set aside."""
    X, codes, weights = problem()
    rows = np.random.default_rng(3).permutation(len(X))[:200]
    held_out = {"X_val": X[rows], "y_val": codes[rows], "sample_weight_val": weights[rows]}
    model = CrossEntropyClassifier(early_stopping=True, tol=1e-8)
    expected = model.fit(X, codes, weights, **held_out).validation_loss_curve_
    model.fit(lazy(X), lazy(codes), lazy(weights), **held_out)
    assert_allclose(model.validation_loss_curve_, expected, rtol=1e-9)
    with pytest.raises(ValueError, match="pass X_val and y_val"):
        model.fit(lazy(X), lazy(codes))
    with pytest.raises(TypeError, match=r"pass X\.compute\(\)"):
        model.fit(lazy(X), lazy(codes), X_val=lazy(X), y_val=lazy(codes))


def test_wide_sparse_features():
    """Of more features than a client could gather rows for, all rows are summed where they are."""
    rng = np.random.default_rng(0)
    table = sparse.random_array((1200, 1500), density=0.01, rng=rng, format="csr")
    codes = np.asarray(table @ rng.normal(size=1500) > 0).astype(int)
    expected = CrossEntropyClassifier(tol=1e-8).fit(table, codes)
    model = CrossEntropyClassifier(tol=1e-8)
    lazy_X = lazy(table.toarray(), sparse.csr_array)
    assert_same_fit(model.fit(lazy_X, lazy(codes)), expected)
    gathered = DaskRows(lazy_X, lazy(codes), None, names=("X", "y", "sample_weight"))
    gathered.in_memory = None
    Hessian(SigmoidCrossEntropy(), gathered, shape=(1, 1501), **HESSIAN)


HESSIAN = {"total": 1200.0, "weight": 1200.0, "alpha": 0.1, "fit_intercept": True, "random_state": 0}


def test_wide_dense_features(monkeypatch):
    """A smaller sample than in memory, of twice as many rows as features at least, leads to the same minimum."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(12_000, 50))
    codes = (X[:, :3].sum(axis=1) + rng.logistic(size=len(X)) > 0).astype(int) + (X[:, 4] > 1)
    lazy_X, lazy_y = da.from_array(X, chunks=(3000, -1)), da.from_array(codes, chunks=3000)
    expected = fitted(X, codes)
    monkeypatch.setattr("skce._curvature.LARGEST_SAMPLE", 10_000)
    monkeypatch.setattr("skce._prices.Prices.favour_newton", lambda *arguments: False)
    rows = DaskRows(lazy_X, lazy_y, None, names=("X", "y", "sample_weight"))
    assert Hessian(SigmoidCrossEntropy(), rows, shape=(3, 51), **HESSIAN).sample.n_rows == 200
    assert_allclose(fitted(lazy_X, lazy_y).coef_, expected.coef_, atol=1e-4)


@pytest.mark.parametrize("targets", ["strings", "soft", "labels"])
def test_callbacks_and_scorers(targets):
    """scikit-learn's callbacks get the lazy arrays, labels as labels; our scorers score them."""
    seen = []

    class Watch:
        def setup(self, estimator, context):
            pass

        def teardown(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context, *, X=None, y=None, **arguments):
            seen.append((X, y))

    X, codes, weights = problem()
    y = TARGETS[targets](codes, 4, np.random.default_rng(1))
    model = CrossEntropyClassifier(max_iter=100)
    model.set_callbacks(Watch()).fit(lazy(X), lazy(y), lazy(weights))
    lazy_X, lazy_y = next(pair for pair in seen if pair[0] is not None)
    assert_array_equal(lazy_X.compute(), X)
    assert_array_equal(lazy_y.compute(), y)
    scorer = neg_multilabel_cross_entropy if targets == "labels" else neg_cross_entropy
    expected = scorer(model, X, y, sample_weight=weights)
    assert scorer(model, lazy(X), lazy(y), sample_weight=lazy(weights)) == pytest.approx(expected, rel=1e-12)


def test_warm_start():
    """A lazy fit goes on from one in memory."""
    X, codes, weights = problem()
    model = CrossEntropyClassifier(warm_start=True, tol=1e-6).fit(X, codes, weights)
    assert model.fit(lazy(X), lazy(codes), lazy(weights)).n_iter_ <= 1


# Passes over the data, and what of it comes to the client.


def test_passes_over_the_features():
    """One to check them, one or two for the model of the Hessian, and one for each evaluation."""
    X, codes, weights = problem(d=30)
    made = []

    def count(block):
        made.append(len(block))
        return block

    counted = da.from_array(X, chunks=(300, -1)).map_blocks(count, dtype=float, meta=X[:0])
    with pytest.warns(EfficiencyWarning, match="persist"):
        model = CrossEntropyClassifier().fit(counted, lazy(codes), lazy(weights))
    passes = len(made) / counted.numblocks[0]
    assert model.n_iter_ + 3 <= passes <= 2 * model.n_iter_ + 4
    assert passes <= 40


def generated(n, d, n_chunks):
    """Features that are made block by block, as if they were read."""

    def make(block_info=None):
        start, stop = block_info[None]["array-location"][0]
        return np.random.default_rng(start).normal(size=(stop - start, d))

    return da.map_blocks(make, chunks=((n // n_chunks,) * n_chunks, (d,)), dtype=float, meta=np.empty((0, d)))


@pytest.mark.parametrize("solver", ["auto", "sgd"])
def test_memory_of_the_client(solver):
    """A fit and its predictions take a small part of the size of X."""
    n, d = 100_000, 40
    X = generated(n, d, 40)
    y = (X[:, 0] + X[:, 1] > 0).astype(np.int64) + (X[:, 2] > 1)
    options = {"max_iter": 2} if solver == "sgd" else {}
    gc.collect()
    tracemalloc.start()
    with contextlib.nullcontext() if solver == "auto" else pytest.warns(ConvergenceWarning):
        model = CrossEntropyClassifier(tol=1e-3, alpha=1e-2, solver=solver, **options).fit(X, y)
    accuracy = model.score(X, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert accuracy > 0.8  # the largest class has 0.5
    assert peak < n * d * 8 / 5


OUT_OF_CORE = """
import resource
import sys
from pathlib import Path
import dask
import dask.array as da
import numpy as np
from skce import CrossEntropyClassifier

def read(start, stop):
    return np.load(sys.argv[1] + "/X.npy", mmap_mode="r")[start:stop]


X = np.load(sys.argv[1] + "/X.npy", mmap_mode="r")
y = np.load(sys.argv[1] + "/y.npy", mmap_mode="r")
small = da.from_array(np.array(X[:2000]), chunks=(1000, -1))
CrossEntropyClassifier(alpha=1e-2).fit(small, y[:2000])  # BLAS takes its memory
used = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmData"))
limit = int(used.split()[1]) * 1024 + X.nbytes // 2
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
try:
    np.array(X)
except MemoryError:
    print("X does not fit")
starts = range(0, len(X), 10_000)
parts = [dask.delayed(read)(start, start + 10_000) for start in starts]
lazy_X = da.concatenate([da.from_delayed(part, (10_000, X.shape[1]), X.dtype) for part in parts])
lazy_y = da.from_array(y, chunks=10_000)
with dask.config.set(scheduler="threads", num_workers=2):
    model = CrossEntropyClassifier(alpha=1e-2).fit(lazy_X, lazy_y)
    print(model.converged_, model.score(lazy_X, lazy_y) > 0.9)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Limits of memory differ between systems.")
def test_out_of_core(tmp_path):
    """A file of twice the memory that the process may take: it is read chunk by chunk, fitted and scored."""
    n, d, chunk = 200_000, 100, 20_000
    X = np.lib.format.open_memmap(tmp_path / "X.npy", mode="w+", dtype=np.float64, shape=(n, d))
    y = np.empty(n, dtype=np.int64)
    for start in range(0, n, chunk):
        X[start : start + chunk] = np.random.default_rng(start).normal(size=(chunk, d))
        y[start : start + chunk] = X[start : start + chunk, :2].sum(axis=1) > 0
    X.flush()
    np.save(tmp_path / "y.npy", y)
    command = [sys.executable, "-c", OUT_OF_CORE, str(tmp_path)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert result.stdout.splitlines() == ["X does not fit", "True True"], result.stderr


def test_dask_is_not_imported_for_arrays():
    """A fit, a prediction and a score in memory leave it alone."""
    program = """
import sys
import numpy as np
from skce import CrossEntropyClassifier
X, y = np.random.default_rng(0).normal(size=(50, 2)), np.arange(50) % 2
model = CrossEntropyClassifier().fit(X, y)
model.score(X, y), model.predict_proba(X)
print("dask" in sys.modules)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


# Warnings of work that each pass does again.


def read_parquet(path, X):
    """A DataFrame that is read from disk."""
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    pd.DataFrame(X, columns=list("abcde")).to_parquet(path / "X.parquet")
    return dd.read_parquet(path / "X.parquet")


def memory_map(path, X):
    """An array on disk, as NumPy maps it."""
    np.save(path / "X.npy", X)
    return da.from_array(np.load(path / "X.npy", mmap_mode="r"), chunks=(300, -1))


def delayed(path, X):
    """An array whose chunks a function of the user's reads."""
    return da.from_delayed(dask.delayed(np.asarray)(X), X.shape, X.dtype)


SOURCES = {
    "memory": lambda path, X: lazy(X),
    "memory map": memory_map,
    "some columns": lambda path, X: memory_map(path, np.column_stack([X, X]))[:, :5],
    "rechunked": lambda path, X: memory_map(path, X).rechunk((500, -1)),
    "parquet": read_parquet,
    "columns of parquet": lambda path, X: read_parquet(path, X)[["a", "c", "e"]],
    "values of parquet": lambda path, X: read_parquet(path, X).to_dask_array(lengths=True),
    "data frame": lambda path, X: dd.from_pandas(pd.DataFrame(X), npartitions=3),
    "read by a function": delayed,
}


def squashed(part):
    """A function that says which module it is from: for np.tanh cloudpickle asks all modules, deprecated ones too."""
    return np.tanh(part)


WORK = {
    "arithmetic": lambda X: X / 2,
    "a function": lambda X: X.map_blocks(squashed) if hasattr(X, "map_blocks") else X.map_partitions(squashed),
}


@pytest.mark.parametrize("source", SOURCES)
def test_reading_again_is_fine(source, tmp_path):
    """Data from memory or disk, cut or not, give no warning, and neither do results that are kept."""
    X, codes, _ = problem()
    lazy_X = SOURCES[source](tmp_path, X)
    y = dd.from_pandas(pd.Series(codes), npartitions=3) if source == "data frame" else codes
    if isinstance(y, np.ndarray) and hasattr(lazy_X, "columns"):
        y = dd.from_pandas(pd.Series(codes), npartitions=lazy_X.npartitions)
    model = CrossEntropyClassifier(max_iter=50).fit(lazy_X, y)
    for work in WORK.values():
        with pytest.warns(EfficiencyWarning, match=r"X = X\.persist\(\)") as warned:
            model.fit(work(lazy_X), y)
        assert warned[0].filename == __file__
        model.fit(work(lazy_X).persist(), y)


# Faults.


def spoiled(array, row, value):
    """A copy with a value in one row."""
    array = array.astype(object) if isinstance(value, (str, type(None))) else array.copy()
    array[row] = value
    return array


X, CODES, WEIGHTS = problem()
FAULTS = {
    "nan in X": ((spoiled(X, (160, 2), np.nan), CODES), "Partition 3, .*X must be finite: row 9 has nan in column 2"),
    "inf in X": ((spoiled(X, (0, 0), np.inf), CODES), "Partition 0, .*X must be finite: row 0 has inf in column 0"),
    "text in X": ((spoiled(X, (700, 0), "a"), CODES), "Partition 4, .*X must hold numbers"),
    "a missing label": ((X, spoiled(CODES * 1.0, 151, np.nan)), "Partition 3, .*missing labels: row 0"),
    "a fraction": ((X, spoiled(CODES * 1.0, 600, 0.5)), "Partition 4, .*continuous values: row 0 is 0.5"),
    "kinds of labels": ((X, spoiled(CODES, 600, "b")), "not mix kinds of labels"),
    "one class": ((X, 0 * CODES), "at least two classes, got one class, 0"),
    "rows that do not sum to 1": ((X, spoiled(np.eye(4)[CODES], 610, 0.4)), "Partition 4, .*row 10 sums to 1.6"),
    "an answer beyond 1": ((X, spoiled(np.eye(4)[CODES], 610, [2, 0, np.nan, 0])), "Partition 4, .*row 10 has 2"),
    "a negative weight": ((X, CODES, spoiled(WEIGHTS, 1199, -1)), "Partition 5, .*not be negative: row 349"),
    "no weight": ((X, CODES, 0 * WEIGHTS), "sums to zero"),
    "lengths": ((X, CODES[:-1]), "as many rows, got 1199 and 1200"),
    "an array of one axis": ((X[:, 0], CODES), r"X must have shape \(n, d\)"),
    "no rows": ((X[:0], CODES[:0]), "X is empty"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults(fault):
    """One error, which names the partition and the row in it."""
    arrays, match = FAULTS[fault]
    with pytest.raises(ValueError, match=match):
        CrossEntropyClassifier().fit(
            *(lazy(a, chunks=(*CHUNKS[:-1], len(a) - 850) if len(a) else (0,)) for a in arrays)
        )


def test_faults_of_predictions():
    """They come when the rows are computed; those that are known before come at once."""
    model = CrossEntropyClassifier().fit(X, CODES)
    prediction = model.predict(lazy(FAULTS["nan in X"][0][0]))
    with pytest.raises(ValueError, match=r"Partition 3, .*row 9 has nan"):
        prediction.compute()
    with pytest.raises(ValueError, match="4 features"):
        model.predict(lazy(X[:, :4]))
    with pytest.raises(NotFittedError):
        CrossEntropyClassifier().predict(lazy(X))


def test_sparse_chunks_that_look_dense():
    """The choice of a model needs to know: the error says how to tell dask."""
    hidden = lazy(X).map_blocks(sparse.csr_array, dtype=float, meta=X[:0]).persist()
    with pytest.raises(TypeError, match=r"meta=scipy\.sparse"):
        CrossEntropyClassifier().fit(hidden, lazy(CODES))


@pytest.mark.parametrize("name", ["y", "sample_weight"])
def test_lazy_targets_of_features_in_memory(name):
    """They are not computed in secret."""
    lazily = {"y": (lazy(CODES), WEIGHTS), "sample_weight": (CODES, lazy(WEIGHTS))}[name]
    with pytest.raises(TypeError, match=rf"{name} must be in memory, .* pass {name}\.compute\(\)"):
        CrossEntropyClassifier().fit(X, *lazily)


def test_what_needs_rows_in_memory():
    """A part of a stream, and folds."""
    with pytest.raises(TypeError, match=r"pass X\.compute\(\)"):
        CrossEntropyClassifier().partial_fit(lazy(X), lazy(CODES), classes=range(4))
    with pytest.raises(TypeError, match=r"pass X\.compute\(\)"):
        CrossEntropyClassifierCV().fit(lazy(X), lazy(CODES))


def test_a_worker_dies_during_a_fit():
    """Its chunks are made anew elsewhere, and the coefficients are those that they would have been."""
    distributed = pytest.importorskip("distributed", reason="distributed is not installed")
    arrays = lazy(X), lazy(CODES), lazy(WEIGHTS)
    options = {"tol": 1e-8, "alpha": 1e-3}
    expected = CrossEntropyClassifier(**options).fit(*arrays)
    killed = []
    with warnings.catch_warnings(), dask.config.set({"distributed.comm.timeouts.connect": "60s", "scheduler": None}):
        warnings.simplefilter("ignore")  # of ports in use and event loops, not ours
        machines = distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=logging.CRITICAL
        )
        with machines, distributed.Client(machines) as client:
            persisted = client.persist(arrays)
            distributed.wait(persisted)

            def kill(model, X, y):
                if not killed:
                    holder = next(worker for worker, keys in client.has_what().items() if keys)
                    nanny = next(w for w in machines.workers.values() if w.worker_address == holder)
                    nanny.process.process._process.kill()
                    killed.append(holder)
                return 0.0

            model = CrossEntropyClassifier(scoring=kill, **options)
            model.fit(*persisted, X_val=X[:9], y_val=CODES[:9])
    assert len(killed) == 1
    assert model.converged_
    assert_array_equal(model.coef_, expected.coef_)
