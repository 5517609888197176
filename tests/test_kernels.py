"""The primitives on a block, against plain NumPy, for few and many columns and in any memory order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skce import _kernels as kernels

WIDTHS = [1, 2, 3, 4, 7, kernels.NARROW, kernels.NARROW + 1, 200]
every_width = pytest.mark.parametrize("k", WIDTHS)
every_dtype = pytest.mark.parametrize("dtype", [np.float64, np.float32])
every_order = pytest.mark.parametrize("order", ["C", "F", "strided"])


def block(k, dtype=np.float64, order="C", n=9):
    """A random block, with rows of very different size."""
    rng = np.random.default_rng(k)
    a = (rng.normal(size=(n, k)) * 10.0 ** rng.integers(-5, 5, (n, 1))).astype(dtype)
    return np.repeat(a, 2, axis=1)[:, ::2] if order == "strided" else np.asarray(a, order=order)


@every_order
@every_dtype
@every_width
def test_row_sums(k, dtype, order):
    """To rounding, in the block's type."""
    a = block(k, dtype, order)
    sums = kernels.row_sums(a)
    assert sums.dtype == dtype
    exact = a.astype(np.longdouble).sum(axis=1)
    # k additions of terms of the size of the largest.
    assert (np.abs(sums - exact) <= k * np.finfo(dtype).eps * np.abs(a).max(axis=1)).all()


@every_order
@every_dtype
@every_width
def test_row_max(k, dtype, order):
    """Exactly, and the result is the caller's own memory."""
    a = block(k, dtype, order)
    largest = kernels.row_max(a)
    assert largest.dtype == dtype
    assert_array_equal(largest, a.max(axis=1))
    assert not np.shares_memory(largest, a)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@every_width
def test_row_max_and_sums_show_what_is_not_finite(k, value):
    """nan and inf in any column reach the result, so that nobody need look for them before."""
    for column in {0, k // 2, k - 1}:
        a = block(k)
        a[4, column] = value
        for result in (kernels.row_max(a), kernels.row_sums(a)):
            assert_array_equal(result[4], value)
            assert np.isfinite(np.delete(result, 4)).all()


@every_order
@every_width
def test_scale_rows(k, order):
    """Row i times factor i, in place."""
    a = block(k, order=order)
    factor = np.random.default_rng(0).normal(size=len(a))
    expected = a * factor[:, None]
    kernels.scale_rows(a, factor)
    assert_array_equal(a, expected)


@every_order
@every_width
def test_subtract_from_rows(k, order):
    """The same row from each, in place, also where it is one number over and over."""
    for row in (np.random.default_rng(0).normal(size=k), np.full(k, 0.3)):
        a = block(k, order=order)
        expected = a - row
        kernels.subtract_from_rows(a, row)
        assert_array_equal(a, expected)


@every_order
@every_dtype
@pytest.mark.parametrize("k", [*WIDTHS, 10, 12, 64])
def test_log_sums(k, dtype, order):
    """Sum of the logarithms of each row, though the products of whole rows would underflow."""
    limits = np.finfo(dtype)
    for least in (limits.tiny, limits.eps, 1e-4, 0.9):
        p = np.random.default_rng(k).uniform(np.log(least), 0, (9, k))
        p[3], p[4], p[5, 0] = 0, np.log(least), 0
        p = np.asarray(np.maximum(np.exp(p).astype(dtype), dtype(least)), order="F" if order == "F" else "C")
        p = np.repeat(p, 2, axis=1)[:, ::2] if order == "strided" else p
        sums = kernels.log_sums(p, p.min())
        exact = np.log(p.astype(np.longdouble)).sum(axis=1)
        assert sums.dtype == dtype
        # Each of k factors is off by half an eps of itself, and each of k sums by half an eps of what is summed.
        assert (np.abs(sums - exact) <= k * limits.eps * (1 + np.abs(exact))).all()
        assert_array_equal(sums[3], 0)


def test_log_sums_at_the_ends():
    """A probability of 0 makes -inf, and rows of ones make 0."""
    with np.errstate(divide="ignore"):
        assert_array_equal(kernels.log_sums(np.array([[0.0, 1.0], [1.0, 1.0]]), 0.0), [-np.inf, 0])
        assert_array_equal(kernels.log_sums(np.ones((2, 3)), 1.0), [0, 0])


@every_dtype
@pytest.mark.parametrize("eps", [0.0, 1e-7, 0.1])
@pytest.mark.parametrize("spread", [[0.1, 0.1, 0.1, 0.1], [0.2, 0.1, 0.3, 0.1], [0.0, 0.1, 0.1, 0.1], [0, 0, 0, 0]])
def test_spread_minus_log_clips(spread, eps, dtype):
    """Small and large probabilities count as eps and 1 - eps, whether or not a block has any."""
    mild = np.array([[0.3, 0.2, 0.3, 0.2], [0.2, 0.2, 0.2, 0.4]], dtype=dtype)
    low = np.array([[1e-9, 0.3, 0.2, 0.5]], dtype=dtype)
    high = np.array([[1.0, 0.1, 0.2, 0.3]], dtype=dtype)  # no distribution, so that only the upper end is passed
    spread = np.array(spread, dtype=dtype)
    for p in (mild, low, high):
        clipped = p.astype(np.float64).clip(eps, 1 - eps)
        with np.errstate(divide="ignore"):
            result = kernels.spread_minus_log(p, spread, eps)
        assert result.dtype == dtype
        assert_allclose(result, -(spread * np.log(clipped)).sum(axis=1), rtol=4 * np.finfo(dtype).eps)


@every_dtype
@pytest.mark.parametrize("eps", [0.0, 1e-7, 0.1])
@pytest.mark.parametrize("spread", [[0.1, 0.1, 0.1, 0.1], [0.2, 0.1, 0.3, 0.1], [0.0, 0.1, 0.1, 0.1], [0, 0, 0, 0]])
@pytest.mark.parametrize("rows", [1, 2, 3, 9, 64, 1001])
def test_total_spread_minus_log(rows, spread, eps, dtype):
    """The sum of what `spread_minus_log` says of each row, whatever their number, in double precision."""
    spread = np.array(spread, dtype=dtype)
    p = np.random.default_rng(rows).dirichlet(np.ones(4), size=rows).astype(dtype)
    for small in (0.3, 0.01, 1e-9, 1e-30):
        p[1:2] = [0.5 - small, small, 0.25, 0.25]
        exact = -(spread * np.log(p.astype(np.longdouble).clip(eps, 1 - eps))).sum()
        with np.errstate(divide="ignore"):
            total = kernels.total_spread_minus_log(p, spread, eps, p.min(initial=1))
        assert isinstance(total, float)
        assert_allclose(total, float(exact), rtol=8 * np.finfo(dtype).eps)


@every_dtype
@pytest.mark.parametrize("spread", [[0.1, 0.0], [1.0, 1e-6], [0.5, 1e-3]])
def test_total_spread_minus_log_keeps_the_digits_of_confident_rows(spread, dtype):
    """Probabilities near 1, of which a product loses what their logarithms are made of."""
    spread = np.array(spread, dtype=dtype)
    small = 100 * np.finfo(dtype).eps
    p = (1 - small * np.random.default_rng(0).random(4001)).astype(dtype)
    p = np.column_stack([p, 1 - p + np.finfo(dtype).eps])
    exact = -(spread * np.log(p.astype(np.longdouble))).sum()
    total = kernels.total_spread_minus_log(p, spread, float(np.finfo(dtype).eps), p.min())
    assert_allclose(total, float(exact), rtol=50 * np.finfo(dtype).eps)


def test_total_spread_minus_log_of_impossible_rows():
    """A probability of 0 costs inf, but nothing where there is no mass."""
    p = np.array([[0.0, 1.0], [0.5, 0.5], [0.5, 0.5]])
    with np.errstate(divide="ignore"):
        assert kernels.total_spread_minus_log(p, np.array([0.1, 0.1]), 0.0, 0.0) == np.inf
        assert_allclose(kernels.total_spread_minus_log(p, np.array([0.0, 0.1]), 0.0, 0.0), 0.2 * np.log(2))


@every_order
@every_dtype
@pytest.mark.parametrize("n", [1, 2, 63, 130, 1000])
@pytest.mark.parametrize("least", [1.0, 0.5, 1e-3, 1e-7, 0.0])
def test_row_folds_cannot_underflow(least, n, dtype, order):
    """All at the least they may be: their products are the product of all, and none is 0."""
    p = np.asarray(np.full((n, 3), least, dtype), order="F" if order == "F" else "C")
    p = np.repeat(p, 2, axis=1)[:, ::2] if order == "strided" else p
    with np.errstate(divide="ignore"):
        folded = kernels.row_folds(p, p.min())
        logs = np.log(folded).sum(axis=0, dtype=np.float64)
        exact = n * np.log(np.float64(dtype(least)))
    assert folded.min() > 0 or least == 0
    assert 2 * len(folded) <= n + 1 or least == 0
    assert_allclose(logs, np.full(3, exact), rtol=100 * np.finfo(dtype).eps)


@every_dtype
@pytest.mark.parametrize("n", [*range(1, 12), 63, 64, 65, 130, 1000])
def test_row_folds_leave_no_row_out(n, dtype):
    """Of a table and of a single column."""
    for shape in ((n, 3), (n,)):
        p = np.random.default_rng(n).uniform(1e-3, 1, shape).astype(dtype)
        logs = np.log(kernels.row_folds(p, p.min())).sum(dtype=np.float64)
        assert_allclose(logs, np.log(p.astype(np.longdouble)).sum(), rtol=100 * np.finfo(dtype).eps)


@every_order
@every_width
def test_gather(k, order):
    """The label's entry of each row."""
    a = block(k, order=order)
    codes = np.random.default_rng(0).integers(k, size=len(a))
    assert_array_equal(kernels.gather(a, codes), a[np.arange(len(a)), codes])
    assert_array_equal(a.ravel()[kernels.positions(codes, k)], kernels.gather(a, codes))


@pytest.mark.parametrize("itemsize", [4, 8])
@pytest.mark.parametrize("width", [0, 1, 10, 10**9])
def test_block_rows_fit_the_scratch(width, itemsize):
    """At least one row, and no more than the cache takes."""
    rows = kernels.block_rows(width, itemsize)
    assert rows >= 1
    assert rows == 1 or rows * width * itemsize <= kernels.BLOCK_BYTES


@every_dtype
def test_are_probabilities_is_exact_at_the_ends(dtype):
    """From 0 to 1, both with their neighbours: what is accepted is right."""
    one, zero = dtype(1), dtype(0)
    least = np.finfo(dtype).smallest_subnormal
    for good in (zero, least, np.finfo(dtype).tiny, dtype(0.5), np.nextafter(one, zero), one):
        assert kernels.are_probabilities(np.full((2, 3), good))
    for bad in (np.nextafter(one, dtype(2)), -least, dtype(-1), dtype(np.nan), -dtype(np.nan), np.inf, -np.inf):
        a = np.full((2, 3), 0.5, dtype=dtype)
        a[1, 2] = bad
        assert not kernels.are_probabilities(a)
        assert not kernels.are_probabilities(np.asfortranarray(a))
        assert not kernels.are_probabilities(np.repeat(a, 2, axis=0)[::2])
        assert not kernels.are_probabilities(a[1])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@given(data=st.data())
def test_are_probabilities_agrees_with_comparisons(dtype, data):
    """For any floats but -0.0, which it may leave to the slow check."""
    width = 8 * np.dtype(dtype).itemsize
    a = data.draw(arrays(dtype, (3, 2), elements=st.floats(width=width) | st.floats(0, 1, width=width)))
    a[np.signbit(a) & (a == 0)] = 0
    assert kernels.are_probabilities(a) == bool(((a >= 0) & (a <= 1)).all())


@every_dtype
@every_width
def test_are_distributions(k, dtype):
    """Rows that sum to 1 within the tolerance, on both sides."""
    p = np.random.default_rng(0).dirichlet(np.ones(k), 5).astype(dtype)
    p[2, 0] = 0.25 if k > 1 else 1
    p[2] *= 1 / p[2].sum()
    assert kernels.are_distributions(p, 1e-4)
    for change in (2e-4, -2e-4):
        off = p.copy()
        off[3] *= 1 + change
        assert not kernels.are_distributions(off, 1e-4)
        assert kernels.are_distributions(off, 1e-3) or off.max() > 1
    off = p.copy()
    off[3, 0] = np.nan
    assert not kernels.are_distributions(off, 1e-4)


@every_dtype
@pytest.mark.parametrize("k", [1, 2, 3, 10, 1000])
def test_least_of_distributions(k, dtype):
    """The least entry; nan as soon as one leaves [0, 1], however little, or a sum is off, also beside zeros."""
    p = np.random.default_rng(k).dirichlet(np.ones(k), size=50).astype(dtype)
    certain = np.eye(k, dtype=dtype)
    assert kernels.least_of_distributions(p, 1e-4) == p.min()
    assert kernels.least_of_distributions(certain, 1e-4) == (k == 1)
    above = np.nextafter(dtype(1), dtype(2))
    for good in (p, certain):
        for bad in (above, 1 + 1e-5, -1e-7, -1.0, np.nan, np.inf, -np.inf):
            wrong = good.copy()
            wrong[-1] = 0
            wrong[-1, 0] = bad
            assert np.isnan(kernels.least_of_distributions(wrong, 1e-4))
        assert np.isnan(kernels.least_of_distributions(good * dtype(0.999), 1e-4))


@every_dtype
@pytest.mark.parametrize("offset", [0, 50, -50, 700, -700, 1e4, -1e4])
def test_exponentials_are_shifted_only_where_they_must(offset, dtype):
    """Whatever the shift, exp(z - shift) is what fills the block, and no row's sum is 0 or infinite."""
    z = (offset + np.random.default_rng(0).normal(0, 2, (6, 5))).astype(dtype)
    e = np.empty_like(z)
    with np.errstate(all="ignore"):
        (sums,), shift = kernels.exp_rows(z, e, 1e-6, 1e6, lambda e: (kernels.row_sums(e),))
    shifts = np.broadcast_to(shift, len(z))[:, None]
    assert_allclose(e, np.exp((z - shifts).astype(np.float64)), rtol=4 * np.finfo(dtype).eps)
    assert_allclose(sums, e.sum(axis=1), rtol=4 * np.finfo(dtype).eps)
    assert np.isscalar(shift) == (offset == 0)


@pytest.mark.parametrize("form", ["C", "F", "sparse"])
@pytest.mark.parametrize(("d", "k"), [(3, 1), (7, 4), (150, 30), (2000, 10)])
def test_products_of_many_rows(d, k, form, monkeypatch):
    """Taken in parts they are what they are as a whole."""
    rng = np.random.default_rng(0)
    n = 2 * kernels.SMALL_PRODUCT // (d * k) + 5 if d * k < 5000 else 100
    X, gradient = rng.normal(size=(n, d)), rng.normal(size=(n, k))
    coef, intercept = rng.normal(size=(k, d)), rng.normal(size=k)
    given = sparse.csr_array(X) if form == "sparse" else np.asarray(X, order=form)
    monkeypatch.setattr(kernels, "_has_small_kernels", lambda: True)
    assert_allclose(kernels.block_linear(given, coef, intercept), X @ coef.T + intercept, rtol=1e-10, atol=1e-10)
    assert_allclose(kernels.weight_gradient(given, gradient), gradient.T @ X, rtol=1e-10, atol=1e-8)


def test_products_without_rows_or_columns():
    """Nothing of the right shape."""
    assert kernels.block_linear(np.empty((0, 3)), np.ones((2, 3)), np.zeros(2)).shape == (0, 2)
    assert_array_equal(kernels.block_linear(np.empty((4, 0)), np.ones((2, 0)), np.ones(2)), np.ones((4, 2)))
    assert_array_equal(kernels.weight_gradient(np.empty((0, 3)), np.empty((0, 2))), np.zeros((2, 3)))
