"""Threads: they are used where they pay, change no bit, and leave BLAS as it was, also when fits overlap."""

from contextlib import ExitStack
from threading import Barrier, Lock, Thread
from time import sleep

import numpy as np
import pytest
from joblib import Parallel, cpu_count, delayed
from numpy.testing import assert_allclose, assert_array_equal
from threadpoolctl import threadpool_limits

from skce import CrossEntropyClassifier, CrossEntropyClassifierCV, SigmoidCrossEntropy, SoftmaxCrossEntropy
from skce import _objective as objectives
from skce import _rows as rows
from skce._rows import blas_threads, single_blas_thread

LARGE = {  # (n, d, k): where threads pay, by many features, many classes, one sigmoid, and wide blocks of few rows
    "features": (34_000, 100, 10),
    "classes": (6_000, 30, 100),
    "sigmoid": (50_000, 340, 2),
    "wide": (10_000, 340, 12),
}
SMALL = {"few rows": (2_000, 20, 3), "few columns": (400_000, 15, 3)}
large = pytest.mark.parametrize("size", LARGE)
dtypes = pytest.mark.parametrize("dtype", [np.float64, np.float32])


@pytest.fixture(autouse=True)
def _blas_as_it_was():
    """Whatever a failing test leaves behind must not slow down the others."""
    with threadpool_limits(user_api="blas"):
        yield


def table(n, d, k, dtype=np.float64, order="C"):
    """Overlapping classes, weights."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d), dtype=np.float32)
    X = np.array(X + [3] + 0.3 * X[:, :1], dtype=dtype, order=order)
    z = X[:, rng.integers(d, size=k)] - 3
    return X, (z + rng.gumbel(size=z.shape)).argmax(axis=1), rng.exponential(size=n)


def build(n, d, k, dtype, order="C"):
    """An objective as the classifier builds it."""
    X, y, s = table(n, d, k, dtype, order)
    return objectives.Objective(
        SigmoidCrossEntropy() if k == 2 else SoftmaxCrossEntropy(),
        X,
        y,
        s.astype(dtype),
        total=s.sum(),
        n_outputs=1 if k == 2 else k,
        alpha=1e-3,
        fit_intercept=True,
        frequencies=np.full(1 if k == 2 else k, 1 / k),
        random_state=np.random.RandomState(0),
    )


def pools(monkeypatch):
    """A list that the sizes of all pools of threads are written to."""
    sizes, pool = [], rows.ThreadPoolExecutor

    def recorded(n_threads, **options):
        sizes.append(n_threads)
        return pool(n_threads, **options)

    monkeypatch.setattr(rows, "ThreadPoolExecutor", recorded)
    return sizes


# Where they are used


@pytest.mark.parametrize(
    "estimator", [CrossEntropyClassifier(), CrossEntropyClassifierCV(alphas=[0.1, 0.01], cv=2)], ids=["one", "path"]
)
@pytest.mark.parametrize("allowed", [1, 2])
def test_fit_uses_the_threads_that_blas_may_use(estimator, allowed, monkeypatch):
    """A large fit has as many as BLAS outside it, though BLAS itself is held to one inside."""
    X, y, _ = table(40_000, 100, 10)
    sizes = pools(monkeypatch)
    with threadpool_limits(allowed, user_api="blas"):
        if blas_threads() != allowed:
            pytest.skip("BLAS takes no second thread on this machine")
        estimator.fit(X, y)
    assert set(sizes) == ({allowed} if allowed > 1 else set())


@pytest.mark.parametrize("size", SMALL)
def test_small_problems_use_one_thread(size, monkeypatch):
    """Where starting them costs more than they save there is no pool."""
    X, y, _ = table(*SMALL[size])
    sizes = pools(monkeypatch)
    monkeypatch.setattr(objectives, "blas_threads", lambda: 3)
    CrossEntropyClassifier(tol=1e-2).fit(X, y)
    assert sizes == []


def test_worker_keeps_to_its_share():
    """joblib gives each of its processes a share of the cores, which BLAS and so we keep to."""
    allowed = Parallel(n_jobs=2)(delayed(blas_threads)() for _ in range(2))
    assert max(allowed) <= max(1, cpu_count() // 2)


# The same bits


@large
@dtypes
@pytest.mark.parametrize("order", ["C", "F"])
def test_value_gradient_and_model_have_the_same_bits(size, dtype, order):
    """Whatever the number of threads over shards; each of a new objective, whose models depend on the passes so far."""
    results = []
    for n_threads in (1, 2, 3):
        objective = build(*LARGE[size], dtype, order)
        objective.rows.n_threads = n_threads
        theta = objective.start() + 0.05 * np.random.default_rng(1).normal(size=objective.start().size)
        with single_blas_thread:
            value, gradient = objective.value_and_gradient(theta)
            results.append((value, gradient, objective.curvature(theta).solve(gradient)))
    for other in results[1:]:
        for a, b in zip(other, results[0], strict=True):
            assert_array_equal(a, b)


@large
@dtypes
def test_fits_have_the_same_bits(size, dtype, monkeypatch):
    """Coefficients and curve with 1, 2 and 3 threads over shards, and with BLAS allowed 1 and 2 outside."""
    X, y, s = table(*LARGE[size], dtype)
    fits = []
    for n_threads in (1, 2, 3):
        for blas in (1, 2) if n_threads == 2 else (1,):
            with threadpool_limits(blas, user_api="blas"), monkeypatch.context() as patch:
                patch.setattr(objectives, "blas_threads", lambda n_threads=n_threads: n_threads)
                sizes = pools(patch)
                fits.append(CrossEntropyClassifier(alpha=1e-3, tol=1e-3).fit(X, y, s))
                assert set(sizes) == ({n_threads} if n_threads > 1 and size != "sigmoid" else set())  # one output: one
    for other in fits[1:]:
        assert_array_equal(other.coef_, fits[0].coef_)
        assert_array_equal(other.intercept_, fits[0].intercept_)
        assert_array_equal(other.loss_curve_, fits[0].loss_curve_)


@pytest.mark.parametrize("shape", [(300, 2000, 3), (34_000, 100, 10), (50_000, 340, 2)])
@dtypes
def test_predictions_have_the_same_bits(shape, dtype):
    """With BLAS allowed 1 and 2 threads outside; they are those of a plain product, up to rounding."""
    X, y, _ = table(*shape, dtype)
    model = CrossEntropyClassifier(alpha=1e-2, max_iter=1, tol=1e3).fit(X[:3000], y[:3000])
    logits, proba = [], []
    for blas in (1, 2):
        with threadpool_limits(blas, user_api="blas"):
            logits.append(model.decision_function(X))
            proba.append(model.predict_proba(X))
    assert_array_equal(*logits)
    assert_array_equal(*proba)
    plain = X.astype(float) @ model.coef_.T.astype(float) + model.intercept_
    assert_allclose(logits[0].reshape(len(X), -1), plain, atol=1e-12 if dtype == np.float64 else 1e-3)


def test_paths_have_the_same_bits(monkeypatch):
    """Scores and coefficients of a search with 1, 2 and 3 threads over shards."""
    X, y, s = table(40_000, 100, 10)
    fits = []
    for n_threads in (1, 2, 3):
        monkeypatch.setattr(objectives, "blas_threads", lambda n_threads=n_threads: n_threads)
        fits.append(CrossEntropyClassifierCV(alphas=[0.1, 0.001], cv=2, tol=1e-4).fit(X, y, s))
    for other in fits[1:]:
        assert_array_equal(other.scores_, fits[0].scores_)
        assert_array_equal(other.coef_, fits[0].coef_)


# In company


def _fit(X, y, alpha):
    return CrossEntropyClassifier(alpha=alpha).fit(X, y).coef_


@pytest.mark.parametrize("backend", ["threading", "loky"])
@pytest.mark.parametrize("size", [(2_000, 20, 3), (20_000, 100, 10)], ids=["small", "large"])
def test_concurrent_fits_have_the_same_bits(backend, size):
    """Fits that overlap, in threads or in processes, are those that are made one by one."""
    X, y, _ = table(*size)
    jobs = [(slice(0, len(y) - 100 * i), 10.0 ** -(i % 4)) for i in range(6)]
    alone = [_fit(X[part], y[part], alpha) for part, alpha in jobs]
    for _ in range(2):
        together = Parallel(n_jobs=3, backend=backend)(delayed(_fit)(X[part], y[part], alpha) for part, alpha in jobs)
        for a, b in zip(together, alone, strict=True):
            assert_array_equal(a, b)


def test_workers_take_turns():
    """Short calls are made by one worker at a time, and a failure ends its turn."""
    inside, met = [], []

    def short(block):
        with rows.in_turn(1):
            inside.append(block)
            met.append(len(inside))
            sleep(0.001)
            inside.pop()
            if block[0] == 30:
                raise ArithmeticError
        return (block.sum(),)

    X = np.arange(32.0)
    assert rows.Rows(X[:30], block_rows=1, n_threads=3).sum(short) == [435]
    with pytest.raises(ArithmeticError):
        rows.Rows(X, block_rows=1, n_threads=3).sum(short)
    assert set(met) == {1}


def test_one_thread_waits_for_nobody():
    """Neither the main thread, which a signal or a fork may stop anywhere, nor whoever makes long calls."""
    assert not isinstance(rows.in_turn(1), type(Lock()))
    kinds = rows.Rows(np.arange(4.0), block_rows=1, n_threads=2).sum(
        lambda x: tuple(isinstance(rows.in_turn(size), type(Lock())) for size in (1, rows.LONG))
    )
    assert kinds == [4, 0]


def test_overlapping_limits_hold_until_the_last_ends():
    """Two fits, the first to begin is the first to end: BLAS has one thread until the second ends, then all again."""
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        first, second = ExitStack(), ExitStack()
        seen = []
        first.enter_context(single_blas_thread)
        second.enter_context(single_blas_thread)
        seen.append(_limits())
        first.close()
        seen.append(_limits())
        second.close()
        assert seen == [1, 1]
        assert blas_threads() == before == _limits()


def _limits():
    """Threads that the BLAS libraries are set to, at most."""
    return max(lib["num_threads"] for lib in rows._controller().info() if lib["user_api"] == "blas")


def test_concurrent_fits_leave_blas_as_it_was():
    """After fits in threads BLAS may use as many threads as before."""
    X, y, _ = table(2_000, 20, 3)
    with threadpool_limits(2, user_api="blas"):
        before = _limits()
        Parallel(n_jobs=3, backend="threading")(delayed(_fit)(X[i:], y[i:], 10.0 ** -(i % 5)) for i in range(30))
        assert _limits() == before


def test_a_failed_fit_leaves_blas_as_it_was():
    """An error inside does not leave the limit behind, nor does a fit in another thread that goes on."""
    X, y, _ = table(2_000, 20, 3)
    before = _limits()
    with pytest.raises(ValueError, match="class_weight"):
        CrossEntropyClassifier(class_weight=[1.0]).fit(X, y)
    with pytest.raises(ZeroDivisionError), single_blas_thread:
        raise ZeroDivisionError
    assert _limits() == before


def test_an_objective_serves_several_threads():
    """Nothing in it is written to: evaluations that overlap have the bits of those made alone."""
    objective = build(20_000, 100, 10, np.float64)
    objective.rows.n_threads = 2
    thetas = [0.1 * np.random.default_rng(i).normal(size=objective.start().size) for i in range(4)]
    with single_blas_thread:
        alone = [objective.value_and_gradient(theta)[1] for theta in thetas]
        together, start = [None] * 4, Barrier(4)

        def evaluate(i):
            start.wait()
            together[i] = objective.value_and_gradient(thetas[i])[1]

        workers = [Thread(target=evaluate, args=(i,)) for i in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    for a, b in zip(together, alone, strict=True):
        assert_array_equal(a, b)
