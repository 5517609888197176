"""Peak memory of a fit: X is not copied, whatever its precision and order; and of the answers.

tracemalloc counts what NumPy and SciPy allocate beyond the inputs. A fit may have blocks, vectors of a number a row,
the solver's pairs of k x d arrays, and a model of d x d; a copy of X, or of a large part, cannot hide below that.
"""

import gc
import tracemalloc

import numpy as np
import pytest
from scipy import sparse

from skce import CrossEntropyClassifier

MB = 1_000_000
BLOCKS = 5
"""MB that blocks of rows may take: they are of 1 MiB, with as much for what is made from them."""

DENSE = {"narrow": (100_000, 50, 3), "two classes": (100_000, 50, 2), "wide": (30_000, 200, 10)}
SPARSE = {"narrow": (80_000, 100, 3, 0.3), "wide": (100_000, 1000, 5, 0.02)}
dtypes = pytest.mark.parametrize("dtype", [np.float64, np.float32])
orders = pytest.mark.parametrize("order", ["C", "F"])
weightings = pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])


def labels(X, k):
    """Overlapping classes."""
    z = X[:, :k].toarray() if sparse.issparse(X) else X[:, :k]
    return (3 * z + np.random.default_rng(1).gumbel(size=z.shape)).argmax(axis=1)


def dense(size, dtype, order):
    """X, y, weights."""
    n, d, k = DENSE[size]
    X = np.random.default_rng(0).standard_normal((n, d), dtype=np.float32)
    return np.array(X, dtype=dtype, order=order), labels(X, k), np.random.default_rng(2).uniform(0.5, 1.5, size=n)


def csr(size, dtype):
    """X in CSR, y, weights."""
    n, d, k, density = SPARSE[size]
    X = sparse.random(n, d, density, format="csr", dtype=dtype, rng=np.random.default_rng(0))
    return X, labels(X, k), np.random.default_rng(2).uniform(0.5, 1.5, size=n)


def megabytes(X):
    """Size of X."""
    arrays = (X.data, X.indices, X.indptr) if sparse.issparse(X) else (X,)
    return sum(a.nbytes for a in arrays) / MB


def peak(function, *args):
    """MB allocated at most during a call, beyond what was there before."""
    gc.collect()
    tracemalloc.start()
    try:
        function(*args)
        return tracemalloc.get_traced_memory()[1] / MB
    finally:
        tracemalloc.stop()


def limit(X, k, full=True):
    """A tenth of X, blocks, the solver's pairs, and a handful of d x d arrays where the model knows correlations."""
    d = X.shape[1]
    return 0.1 * megabytes(X) + BLOCKS + 8 * (50 * k * (d + 1) + 8 * d * d * full) / MB


@pytest.fixture(scope="module", autouse=True)
def _imports_and_caches():
    X = np.random.default_rng(0).normal(size=(60, 4))
    for table in (X, sparse.csr_array(X)):
        CrossEntropyClassifier().fit(table, labels(table, 3)).predict_proba(table)


@pytest.mark.parametrize("size", DENSE)
def test_the_measure_sees_a_copy(size):
    """One copy of X is above every bound, also in single precision."""
    X, _, _ = dense(size, np.float32, "C")
    assert peak(np.copy, X) > limit(X, DENSE[size][2])


@pytest.mark.parametrize("size", DENSE)
@dtypes
@orders
@weightings
def test_fit_does_not_copy_x(size, dtype, order, weighted):
    """Float64 and float32, C and Fortran order, with weights and without."""
    X, y, s = dense(size, dtype, order)
    model = CrossEntropyClassifier(alpha=1e-3, tol=1e-3)
    assert peak(model.fit, X, y, s if weighted else None) < limit(X, DENSE[size][2])


def test_fewer_rows_than_features_take_arrays_of_their_own_size():
    """Three arrays of n by n, and no copy of X."""
    X = np.random.default_rng(0).standard_normal((400, 10_000))
    y = labels(X, 3)
    assert peak(CrossEntropyClassifier(alpha=1e-3).fit, X, y) < limit(X, 3, full=False) + 8 * 3 * 400**2 / MB


@pytest.mark.parametrize("size", SPARSE)
@dtypes
@weightings
def test_fit_does_not_copy_a_sparse_x(size, dtype, weighted):
    """CSR: the same bound, of the memory of its entries."""
    X, y, s = csr(size, dtype)
    model = CrossEntropyClassifier(alpha=1e-3, tol=1e-3)
    assert peak(model.fit, X, y, s if weighted else None) < limit(X, SPARSE[size][2], full=X.shape[1] <= 500)


@pytest.mark.parametrize("options", [{"label_smoothing": 0.1}, {"class_weight": "balanced"}, {"gamma": 1.0}], ids=str)
@pytest.mark.parametrize("solver", ["lbfgs", "gradient_descent"])
def test_options_do_not_copy_x(options, solver):
    """Soft targets are not made, and weights are of a number a row."""
    X, y, _ = dense("narrow", np.float64, "C")
    model = CrossEntropyClassifier(alpha=1e-2, solver=solver, tol=1e-3, **options)
    assert peak(model.fit, X, y) < limit(X, 3)


def test_fit_holds_nothing_of_x():
    """After a fit the estimator is as small as its coefficients."""
    X, y, _ = dense("narrow", np.float64, "C")
    model = CrossEntropyClassifier()
    gc.collect()
    tracemalloc.start()
    try:
        model.fit(X, y)
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 0.5 * MB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("size", ["narrow", "two classes"])
@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba", "decision_function"])
@dtypes
@orders
def test_answers_do_not_copy_x(size, method, dtype, order):
    """A few arrays of the answer's size."""
    X, y, _ = dense(size, dtype, order)
    model = CrossEntropyClassifier(max_iter=50, tol=1e-1).fit(X[:500], y[:500])
    answer = len(X) * DENSE[size][2] * np.dtype(dtype).itemsize / MB
    assert peak(getattr(model, method), X) < 0.1 * megabytes(X) + 4 * answer + 0.5


@pytest.mark.parametrize("size", SPARSE)
@dtypes
def test_answers_do_not_copy_a_sparse_x(size, dtype):
    """The same in CSR."""
    X, y, _ = csr(size, dtype)
    model = CrossEntropyClassifier(tol=1e-1).fit(X[:500], y[:500])
    answer = X.shape[0] * SPARSE[size][2] * np.dtype(dtype).itemsize / MB
    assert peak(model.predict_proba, X) < 0.1 * megabytes(X) + 4 * answer + 0.5
