"""Rows of dask arrays: the sums and the fits of the same rows in memory, in few passes, on machines that may die."""

import contextlib
import gc
import logging
import pickle
import tracemalloc
import warnings
from functools import partial

import numpy as np
import pytest
from helpers import generated
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skce import SigmoidCrossEntropy, SoftmaxCrossEntropy, SoftmaxFocal, _curvature, solvers
from skce import _validation as validation
from skce._link import target_sums
from skce._objective import Objective
from skce._rows import DaskRows, Rows, is_sparse

dask = pytest.importorskip("dask", reason="dask is not installed")
da = pytest.importorskip("dask.array", reason="dask.array is not installed")
distributed = pytest.importorskip("distributed", reason="distributed is not installed")

NAMES = ("X", "y", "sample_weight")
containers = pytest.mark.parametrize("container", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
lengths = st.lists(st.integers(0, 15), min_size=1, max_size=20).filter(sum)


def lazy(array, chunks, container=np.asarray):
    """A dask array with these chunks of rows."""
    result = da.from_array(array, chunks=(tuple(chunks), *[-1] * (array.ndim - 1)))
    if container is np.asarray:
        return result
    return result.map_blocks(container, dtype=array.dtype, meta=container((0, array.shape[1]), dtype=array.dtype))


def forget(array):
    """The same without the lengths of its chunks, as it comes from a DataFrame."""
    result = array.map_blocks(lambda block: block, dtype=array.dtype, meta=array._meta)
    result._chunks = (tuple(np.nan for _ in array.chunks[0]), *array.chunks[1:])
    return result


def whole(n, seed=0):
    """Whole numbers, whose sums are exact."""
    rng = np.random.default_rng(seed)
    return rng.integers(-9, 9, (n, 3)).astype(float), rng.integers(5, size=n), rng.integers(9, size=n).astype(float)


def totals(X, y, w):
    """A number, a vector and a matrix of a block whose weights may be absent."""
    weights = np.ones(len(y)) if w is None else w
    return weights.sum(), X.T @ weights, X.T @ (X * weights[:, None])


@generated
@given(chunks=lengths, weighted=st.booleans(), known=st.booleans())
def test_sum_over_partitions_is_the_sum(chunks, weighted, known):
    """Each row is counted once, in partitions of any lengths, some of them empty, known or not."""
    X, y, w = whole(sum(chunks))
    arrays = [lazy(X, chunks), lazy(y, chunks), lazy(w, chunks) if weighted else None]
    arrays = arrays if known else [None if a is None else forget(a) for a in arrays]
    with dask.config.set(scheduler="synchronous"):
        rows = DaskRows(*arrays, names=NAMES)
        assert rows.n_rows == sum(chunks)
        for part, expected in zip(rows.sum(totals), totals(X, y, w if weighted else None), strict=True):
            assert_array_equal(part, expected)


@generated
@given(chunks=lengths, seed=st.integers(0, 99), known=st.booleans())
def test_chosen_rows_come_in_order(chunks, seed, known):
    """The sample of the Hessian: some of the rows, from any partitions, as small arrays in memory; or all."""
    n = sum(chunks)
    X, y, _ = whole(n)
    rng = np.random.default_rng(seed)
    index = np.sort(rng.choice(n, rng.integers(1, n + 1), replace=False))
    arrays = [lazy(X, chunks), lazy(y, chunks)]
    with dask.config.set(scheduler="synchronous"):
        rows = DaskRows(*(arrays if known else map(forget, arrays)), None, names=NAMES)
        for chosen in (index, None):
            part = rows.part(chosen, 7)
            assert isinstance(part, Rows)
            expected = slice(None) if chosen is None else chosen
            assert_array_equal(np.concatenate([block[0] for block in part]), X[expected])
            assert_array_equal(np.concatenate([block[1] for block in part]), y[expected])
            assert all(len(block[0]) <= 7 and block[2] is None for block in part)


@containers
def test_rows_stay_in_place(container):
    """`map` is a lazy array of the rows' chunks; blocks come one by one in order; columns may be chosen."""
    X, y, w = whole(60)
    rows = DaskRows(lazy(X, (1, 20, 0, 39), container), lazy(y, (60,)), w, names=NAMES)
    assert rows.n_rows == 60
    assert is_sparse(rows.arrays[0]) is (container is not np.asarray)
    result = rows.map(lambda X, y, w: (X @ np.ones((3, 2))) * w[:, None], np.empty((0, 2)))
    assert validation.is_dask(result)
    assert result.shape == (60, 2)
    assert_array_equal(result.compute(), np.repeat(X.sum(axis=1)[:, None], 2, axis=1) * w[:, None])
    blocks = list(rows)
    assert [block[0].shape[0] for block in blocks] == [1, 20, 39]
    assert_array_equal(np.concatenate([block[1] for block in blocks]), y)
    assert_array_equal(rows.only(1, 2).sum(lambda y, w: (w @ y,))[0], w @ y)
    part = rows.part(np.array([0, 5, 59]), 2)
    assert_array_equal(np.concatenate([X @ np.eye(3) for X, *_ in part]), X[[0, 5, 59]])


@pytest.mark.parametrize("scheduler", ["threads", "synchronous"])
def test_schedulers_change_no_bit(scheduler):
    """The tree of the additions depends on the chunks alone."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 4)) * 10.0 ** rng.integers(-9, 9, (500, 1))
    rows = DaskRows(lazy(X, [5] * 100), names=["X"], cut=None)
    with dask.config.set(scheduler="synchronous"):
        expected = rows.sum(column_sums)[0]
    with dask.config.set(scheduler=scheduler, num_workers=3):
        for _ in range(3):
            assert_array_equal(rows.sum(column_sums)[0], expected)
    assert (column_sums(X)[0] != expected).any()  # another order would show


def column_sums(X):
    """The sum of each column, row after row."""
    return (np.add.accumulate(X, axis=0)[-1],)


def test_blocks_start_at_words():
    """Arrays in messages may start at any byte; NumPy is slower on those, and rounds otherwise."""

    def shifted(block):
        memory = np.empty(block.nbytes + 1, dtype=np.uint8)[1:]
        array = memory.view(block.dtype).reshape(block.shape)
        array[:] = block
        assert not array.flags.aligned
        return array

    X = np.arange(12.0).reshape(6, 2)
    rows = DaskRows(lazy(X, (2, 4)).map_blocks(shifted, dtype=float, meta=X[:0]), names=["X"])
    misaligned = shifted(X[0])
    aligned, total = rows.sum(partial(_aligned, misaligned))
    assert aligned == 2
    assert_array_equal(total, X.sum(axis=0))


def _aligned(coef, X):
    return coef.flags.aligned and X.flags.aligned, X.sum(axis=0)


@pytest.mark.parametrize("problem", ["a length", "the number of rows", "the number of partitions"])
def test_rows_that_do_not_belong_together(problem):
    """One error, as soon as it can be known."""
    X, y, _ = whole(60)
    if problem == "a length":
        rows = DaskRows(forget(lazy(X, (20, 40))), forget(lazy(y[:59], (20, 39))), names=NAMES[:2])
        with pytest.raises(ValueError, match=r"Partition 1, .*as many rows, got X 40, y 39"):
            rows.sum(lambda X, y: (len(y),))
        with pytest.raises(ValueError, match=r"Partition 1, .*as many rows, got X 40, y 39"):
            rows.in_memory(None)
        return
    match = "as many rows, got 59 and 60" if problem == "the number of rows" else "2 partitions, and X has 3; "
    y = lazy(y[:59], (59,)) if problem == "the number of rows" else forget(lazy(y, (30, 30)))
    with pytest.raises(ValueError, match=match):
        DaskRows(lazy(X, (20, 20, 20)), y, names=NAMES[:2])


def test_no_rows_at_all():
    """A sum needs some."""
    with pytest.raises(ValueError, match="without rows"):
        DaskRows(lazy(np.empty((0, 2)), (0,)), names=["X"]).sum(column_sums)


# Fits. Partitions are of unequal lengths, sorted by class, so that each lacks some; weights are all different.

FITS = {
    "newton, two classes": {"n": 1500, "d": 5, "k": 2},
    "newton, four classes": {"n": 1500, "d": 4, "k": 4},
    "factored, two classes": {"n": 6000, "d": 40, "k": 2},
    "factored, four classes": {"n": 6000, "d": 20, "k": 4},
    "factored, all rows seen": {"n": 3000, "d": 20, "k": 4},
}


def data(n, d, k, dtype=np.float64, seed=0):
    """X with scales and offsets, class codes in order, weights, and lengths of chunks."""
    rng = np.random.default_rng(seed)
    codes = np.sort(np.r_[np.arange(k), rng.integers(k, size=n - k)])
    X = rng.normal(size=(n, d)) + rng.normal(size=(k, d))[codes] * 0.7
    X = (X * 10.0 ** rng.integers(-2, 3, d) + rng.normal(size=d)) * (rng.random((n, d)) < 0.7)
    cuts = np.sort(rng.choice(n, 8, replace=False))
    chunks = [*np.diff([0, *cuts, n]).tolist(), 0]
    return X.astype(dtype), codes, rng.exponential(size=n).astype(dtype), chunks


def objective_of(X, y, w, k, loss=None, total=None, **options):
    """An objective as the classifier builds it."""
    loss = loss or (SigmoidCrossEntropy(label_smoothing=0.1) if k == 2 else SoftmaxCrossEntropy())
    sums = target_sums(np.arange(k), y, w)
    frequencies = sums.totals / sums.mass
    options = {"alpha": 1e-3, "fit_intercept": True, "random_state": 0, "mass": sums.mass} | options
    options["frequencies"] = frequencies[1:] if k == 2 else frequencies
    return Objective(loss, X, y, w, total=total, n_outputs=1 if k == 2 else k, **options)


def fit(*arguments, tol=1e-12, **options):
    """The objective and what L-BFGS finds."""
    objective = objective_of(*arguments, **options)
    return objective, solvers.lbfgs(objective, objective.start(), tol=tol, max_iter=500)


@containers
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("name", FITS)
def test_fit_is_the_one_in_memory(name, weighted, container, monkeypatch):
    """Coefficients to 1e-8 of their size, in as many steps, with each model of the Hessian.

    But for the whole Hessian that a long fit in memory is given in the end, since dask sends none for it.
    """
    k = FITS[name]["k"]
    X, y, w, chunks = data(**FITS[name])
    monkeypatch.setattr(_curvature, "SUPPOSED", np.mean(X != 0))
    monkeypatch.setattr(_curvature.Prices, "favour_newton", lambda *arguments: name.startswith("newton"))
    monkeypatch.setattr(_curvature.Hessian, "_hessian_pays", lambda self, spent: False)
    w = w if weighted else None
    total = len(y) if w is None else float(w.sum())
    assert not np.isin(np.arange(k), y[: chunks[0]]).all()
    expected, solution = fit(container(X), y, w, k, total=total, tol=1e-10)  # beyond, rounding decides about steps
    assert expected.hessian.newton is name.startswith("newton")
    lazy_w = None if w is None else lazy(w, chunks)
    objective, result = fit(lazy(X, chunks, container), lazy(y, chunks), lazy_w, k, total=total, tol=1e-10)
    assert isinstance(objective.rows, DaskRows)
    assert objective.hessian.newton is expected.hessian.newton
    assert result.n_iter == solution.n_iter
    scale = np.abs(solution.theta).max()
    assert_allclose(result.theta, solution.theta, rtol=1e-8, atol=1e-8 * scale)
    assert result.value == pytest.approx(solution.value, rel=1e-12)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("loss", [SoftmaxFocal(gamma=1.5), SoftmaxCrossEntropy(class_weight=(0.5, 2.0, 1.0, 3.0))])
def test_other_objectives(loss, fit_intercept):
    """Value, gradient and model at any point, for other losses, soft targets, unknown lengths and float32."""
    X, y, w, chunks = data(**FITS["factored, four classes"])
    rng = np.random.default_rng(1)
    for dtype, targets in ((np.float64, y), (np.float64, rng.dirichlet(np.ones(4), len(y))), (np.float32, y)):
        arrays = [X.astype(dtype), targets.astype(dtype) if targets.ndim == 2 else targets, w.astype(dtype)]
        options = {"loss": loss, "total": float(w.sum()), "fit_intercept": fit_intercept}
        expected = objective_of(*arrays, 4, **options)
        objective = objective_of(*(forget(lazy(a, chunks)) for a in arrays), 4, **options)
        assert objective.dtype == expected.dtype
        tolerance = 1e-9 if dtype == np.float64 else 1e-3
        assert_allclose(objective.start(), expected.start(), rtol=1e-10)
        theta = 0.1 * rng.normal(size=expected.start().size)
        for one, other in zip(objective.value_and_gradient(theta), expected.value_and_gradient(theta), strict=True):
            assert_allclose(one, other, rtol=tolerance, atol=tolerance * np.abs(other).max())
        direction = expected.curvature(theta).solve(theta)
        assert_allclose(
            objective.curvature(theta).solve(theta), direction, rtol=tolerance, atol=tolerance * np.abs(direction).max()
        )


class Counted:
    """A lazy array whose blocks are counted when they are made."""

    def __init__(self):
        self.made = 0

    def array(self, values, chunks, container=np.asarray):
        """The array."""

        def count(block):
            self.made += 1
            return container(block)

        meta = container((0, values.shape[1]), dtype=values.dtype) if container is not np.asarray else values[:0]
        return lazy(values, chunks).map_blocks(count, dtype=values.dtype, meta=meta)


@pytest.mark.parametrize("name", FITS)
def test_passes_over_the_data(name):
    """One for the model's rows, or two for moments, one an evaluation; labels are read twice before, X is not."""
    X, y, w, chunks = data(**FITS[name])
    of_X, of_y = Counted(), Counted()
    chunks = [n for n in chunks if n]
    arrays = forget(of_X.array(X, chunks)), forget(of_y.array(y, chunks)), forget(lazy(w, chunks))
    of_X.made = of_y.made = 0
    objective = objective_of(*arrays, FITS[name]["k"], total=float(w.sum()))
    newton = objective.hessian.newton
    setup = of_X.made / len(chunks)
    answers = {"value_and_gradient": [], "curvature": []}

    def count(name):
        method = getattr(objective, name)

        def counted(theta):
            answers[name].append(method(theta))
            return answers[name][-1]

        setattr(objective, name, counted)

    count("value_and_gradient")
    count("curvature")
    solvers.lbfgs(objective, objective.start(), tol=1e-6, max_iter=500)
    passes = of_X.made / len(chunks)
    assert setup == (2 if newton else 1)
    hessians = {id(model.model) for model in answers["curvature"] if model.exact}
    assert passes == setup + len(answers["value_and_gradient"]) + len(hessians)
    assert passes <= 40
    assert of_y.made / len(chunks) == passes + 1  # the frequencies; lengths are counted in the weights


def test_memory_of_the_client():
    """X is made, read and dropped block by block: a fit takes a small part of its size."""
    n, d, n_chunks = 200_000, 20, 80

    def make(block_info=None):
        start, stop = block_info[None]["array-location"][0]
        return np.random.default_rng(start).normal(size=(stop - start, d))

    chunks = ((n // n_chunks,) * n_chunks, (d,))
    X = da.map_blocks(make, chunks=chunks, dtype=float, meta=np.empty((0, d)))
    y = (X[:, 0] + X[:, 1] > 0).astype(np.int64) + (X[:, 2] > 1)
    gc.collect()
    with dask.config.set(scheduler="synchronous"):
        tracemalloc.start()
        _, result = fit(X, y, None, 3, total=float(n), tol=1e-3)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert result.converged
    assert peak < n * d * 8 / 5  # 4 of 32 MB: the sample, 2,000 rows, and what a block's products need


def test_messages_are_small():
    """What travels with a pass is the coefficients, not the objective with its rows; and what comes back as much."""
    X, y, w, chunks = data(**FITS["factored, four classes"])
    objective = objective_of(lazy(X, chunks), lazy(y, chunks), lazy(w, chunks), 4, total=float(w.sum()))
    sent = []

    def spy(function):
        sent.append(len(pickle.dumps(function)))
        return DaskRows.sum(objective.rows, function)

    objective.rows.sum = spy
    theta = objective.start()
    objective.value_and_gradient(theta)
    assert len(sent) == 1
    assert sent[0] < theta.nbytes + 1500


@contextlib.contextmanager
def cluster(**options):
    """A small cluster on this machine, and its client."""
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None} | options
    with warnings.catch_warnings(), dask.config.set({"distributed.comm.timeouts.connect": "60s"}):
        warnings.simplefilter("ignore")  # of ports in use and event loops, not ours
        with (
            distributed.LocalCluster(silence_logs=logging.CRITICAL, **options) as machines,
            distributed.Client(machines) as client,
        ):
            yield client


def test_fit_on_a_cluster():
    """The bits of the threaded scheduler, with any number of workers."""
    X, y, w, chunks = data(**FITS["factored, four classes"])
    arrays = lazy(X, chunks), lazy(y, chunks), lazy(w, chunks)
    expected = fit(*arrays, 4, total=float(w.sum()), tol=1e-6)[1]
    for n_workers in (1, 3):
        with cluster(processes=False, n_workers=n_workers) as client:
            persisted = client.persist(arrays)
            result = fit(*persisted, 4, total=float(w.sum()), tol=1e-6)[1]
        assert_array_equal(result.theta, expected.theta)
        assert result.curve == expected.curve


def test_a_worker_dies_during_a_fit():
    """Its chunks are made anew elsewhere, and the coefficients are those that they would have been."""
    X, y, w, chunks = data(**FITS["factored, four classes"])
    arrays = lazy(X, chunks), lazy(y, chunks), lazy(w, chunks)
    total = float(w.sum())
    expected = fit(*arrays, 4, total=total, tol=1e-8)[1]
    killed = []
    with cluster(processes=True) as client:
        persisted = client.persist(arrays)
        distributed.wait(persisted)
        objective = objective_of(*persisted, 4, total=total)

        def kill(step):
            if step.n_iter == 3:
                holder = next(worker for worker, keys in client.has_what().items() if keys)
                nanny = next(w for w in client.cluster.workers.values() if w.worker_address == holder)
                nanny.process.process._process.kill()
                killed.append(holder)

        result = solvers.lbfgs(objective, objective.start(), tol=1e-8, max_iter=500, callback=kill)
    assert len(killed) == 1
    assert result.converged
    assert_array_equal(result.theta, expected.theta)
