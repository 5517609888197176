"""Rows: sums that do not depend on blocks and threads, and rows that stay in place."""

import time
import warnings

import numpy as np
import pytest
from helpers import generated
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skce._rows import Rows


def totals(X, y, w):
    """A number, a vector and a matrix of a block with absent weights."""
    weights = np.ones(len(y)) if w is None else w
    return weights.sum(), X.T @ weights, X.T @ (X * weights[:, None])


sizes = {"n": st.integers(1, 60), "block_rows": st.integers(1, 70), "n_shards": st.integers(1, 20)}


@generated
@given(**sizes, seed=st.integers(0, 99))
def test_sum_over_blocks_is_the_sum(n, block_rows, n_shards, seed):
    """Whole numbers add up exactly, so each row is counted once, whatever the blocks."""
    rng = np.random.default_rng(seed)
    X, y, w = rng.integers(-9, 9, (n, 3)).astype(float), rng.integers(5, size=n), rng.integers(9, size=n).astype(float)
    for weights in (w, None):
        rows = Rows(X, y, weights, block_rows=block_rows, n_shards=n_shards)
        for part, whole in zip(rows.sum(totals), totals(X, y, weights), strict=True):
            assert_array_equal(part, whole)


@generated
@given(**sizes, n_threads=st.integers(2, 5))
def test_threads_change_no_bit(n, block_rows, n_shards, n_threads):
    """The order of the additions depends on the data alone."""
    rng = np.random.default_rng(n)
    X, y, w = rng.normal(size=(n, 4)) * 10.0 ** rng.integers(-9, 9, (n, 1)), rng.integers(5, size=n), rng.random(n)
    alone = Rows(X, y, w, block_rows=block_rows, n_shards=n_shards).sum(totals)
    together = Rows(X, y, w, block_rows=block_rows, n_shards=n_shards, n_threads=n_threads).sum(totals)
    for one, many in zip(alone, together, strict=True):
        assert_array_equal(one, many)


@pytest.mark.parametrize("n_threads", [2, 16])
def test_slow_threads_change_no_bit(n_threads):
    """Shards are added in their order, not in that of their arrival."""
    X = np.random.default_rng(0).normal(size=64)

    def late(x):
        time.sleep(0.02 if x[0] == X[0] else 0)
        return (x.sum(),)

    (expected,) = Rows(X, block_rows=4).sum(late)
    assert Rows(X, block_rows=4, n_threads=n_threads).sum(late) == [expected]
    assert Rows(np.roll(X, -4), block_rows=4).sum(late) != [expected]  # the first shard last: that would show


@pytest.mark.parametrize("n_threads", [1, 2])
def test_float32_blocks_are_added_in_float64(n_threads):
    """Sums of ten thousand blocks in float32 would stop growing at 2^24."""
    X = np.full(10_000, 2.0**20 + 1, dtype=np.float32)
    (total,) = Rows(X, block_rows=1, n_threads=n_threads).sum(lambda x: (x[0],))
    assert total == 10_000 * (2.0**20 + 1)
    assert total.dtype == np.float64


def test_sum_may_be_written_into():
    """The result belongs to the caller, also when one block is all and when the function reuses its memory."""
    scratch = np.zeros(2)

    def reusing(X):
        scratch[:] = X.sum(axis=0)
        return (scratch,)

    X = np.arange(12.0).reshape(6, 2)
    for block_rows in (1, 2, 6):
        (total,) = Rows(X, block_rows=block_rows).sum(reusing)
        assert_array_equal(total, [30, 36])
        total /= 2
        assert not np.shares_memory(total, scratch)


@generated
@given(**sizes)
def test_map_keeps_rows_in_place(n, block_rows, n_shards):
    """Each row of the result belongs to the row with its number."""
    X, y = np.arange(2.0 * n).reshape(n, 2), np.arange(n)
    rows = Rows(X, y, None, block_rows=block_rows, n_shards=n_shards)
    out = np.full((n, 2), np.nan)
    assert rows.map(lambda X, y, w: X + y[:, None], out) is out
    assert_array_equal(out, X + y[:, None])
    assert_array_equal(rows.map(lambda X, y, w: y, np.empty(n, dtype=int)), y)


@generated
@given(**sizes)
def test_iteration_gives_each_row_once_in_order(n, block_rows, n_shards):
    """No block is empty or larger than asked for, and there are no more shards than asked for."""
    blocks = list(Rows(np.arange(n), None, block_rows=block_rows, n_shards=n_shards))
    assert_array_equal(np.concatenate([block for block, _ in blocks]), np.arange(n))
    assert all(1 <= len(block) <= block_rows and absent is None for block, absent in blocks)
    assert len(Rows(np.arange(n), block_rows=block_rows, n_shards=n_shards)._shards) <= n_shards


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("make", [sparse.csr_array, sparse.csr_matrix])
def test_sparse_rows(make, n_threads):
    """Blocks of a sparse X are sparse, and their sums those of the dense one."""
    rng = np.random.default_rng(0)
    X, w = sparse.random(50, 6, 0.3, format="csr", rng=rng).toarray(), rng.random(50)

    def product(X, w):
        assert sparse.issparse(X)
        return X.T @ w, w.sum()

    for block_rows in (1, 7, 50, 99):
        rows = Rows(make(X), w, block_rows=block_rows, n_shards=4, n_threads=n_threads)
        assert_allclose(rows.sum(product)[0], X.T @ w, rtol=1e-14)
        out = rows.map(lambda X, w: X.toarray() * w[:, None], np.empty_like(X))
        assert_array_equal(out, X * w[:, None])


def test_first_array_may_be_absent():
    """The number of rows comes from the first array that is there."""
    assert_array_equal(Rows(None, np.arange(5.0), block_rows=2).sum(lambda X, y: (y.sum(),)), [10])


def test_dense_blocks_are_views():
    """Nothing is copied: what a block's function writes arrives in the array."""
    g = np.zeros((10, 2))
    Rows(np.arange(10.0), g, block_rows=3).map(lambda x, g: g.__setitem__(slice(None), x[:, None]) or x, np.empty(10))
    assert_array_equal(g[:, 1], np.arange(10))


def test_part_is_a_sample():
    """Rows of an index, of all arrays, in blocks of their own size."""
    rows = Rows(sparse.csr_array(np.eye(6)), np.arange(6), None, block_rows=2, n_threads=2)
    sample = rows.part(np.array([1, 4, 4]), 3)
    assert sample.n_rows == 3
    ((X, y, w),) = sample
    assert_array_equal(X.toarray(), np.eye(6)[[1, 4, 4]])
    assert_array_equal(y, [1, 4, 4])
    assert w is None


@pytest.mark.parametrize("n_threads", [1, 3])
def test_kernels_may_overflow_in_silence(n_threads):
    """They look at inf and nan themselves: no warning from any thread, and the caller's settings stay."""

    def overflow(x):
        return (np.exp(x * 1000).sum(), np.log(x * 0).sum())

    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = Rows(np.ones(8), block_rows=1, n_threads=n_threads)
        assert_array_equal(rows.sum(overflow), [np.inf, -np.inf])
        rows.map(lambda x: np.exp(x * 1000), np.empty(8))
        assert np.geterr()["over"] == "raise"


@pytest.mark.parametrize("n_threads", [1, 3])
def test_errors_reach_the_caller(n_threads):
    """An exception in one block ends the sum, from whatever thread."""

    def fail(x):
        if x[0] == 5:
            raise ValueError("row 5")
        return (x.sum(),)

    with pytest.raises(ValueError, match="row 5"):
        Rows(np.arange(8.0), block_rows=1, n_threads=n_threads).sum(fail)
