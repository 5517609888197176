"""Measures of distributions against their formulas to 60 digits, against SciPy, and against each other."""

import re
from contextlib import suppress
from functools import partial

import numpy as np
import pytest
from helpers import generated, mp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse, stats
from scipy.spatial.distance import jensenshannon

from skce import cross_entropy, entropy, js_divergence, kl_divergence

MEASURES = {
    "entropy": entropy,
    "cross_entropy": cross_entropy,
    "kl_divergence": kl_divergence,
    "js_divergence": js_divergence,
}
OF_TWO = {name: measure for name, measure in MEASURES.items() if name != "entropy"}
EPS = np.finfo(float).eps

every_measure = pytest.mark.parametrize("name", MEASURES)
every_measure_of_two = pytest.mark.parametrize("name", OF_TWO)
every_base = pytest.mark.parametrize("base", [None, 2, 10, np.e, 0.5])


def _sum(function, *distributions):
    return mp.fsum(function(*(mp.mpf(float(value)) for value in values)) for values in zip(*distributions, strict=True))


def _surprise(p, q):
    """-p log q with its limits."""
    if p == 0:
        return mp.zero
    return mp.inf if q == 0 else -p * mp.log(q)


def _exact_kl(p, q):
    return _sum(lambda p, q: _surprise(p, q) - _surprise(p, p), p, q)


def _exact_js(p, q):
    def term(p, q):
        middle = (p + q) / 2
        return (_surprise(p, middle) - _surprise(p, p) + _surprise(q, middle) - _surprise(q, q)) / 2

    return _sum(term, p, q)


FORMULAS = {
    "entropy": lambda p, q: _sum(lambda p: _surprise(p, p), p),
    "cross_entropy": lambda p, q: _sum(_surprise, p, q),
    "kl_divergence": _exact_kl,
    "js_divergence": _exact_js,
}


def exact(name, p, q, base=None):
    """A measure of each pair of rows by its formula."""
    unit = 1 if base is None else mp.log(mp.mpf(float(base)))
    return np.array([float(FORMULAS[name](*rows) / unit) for rows in zip(p, q, strict=True)])


def call(name, p, q, **options):
    """A measure of p, or of p and q if it takes two."""
    return MEASURES[name](p, **options) if name == "entropy" else MEASURES[name](p, q, **options)


def distributions(seed, shape, concentration=0.5):
    """Random distributions along the last axis."""
    *rows, k = shape
    return np.random.default_rng(seed).dirichlet(np.full(k, concentration), rows)


# --- right numbers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("concentration", [0.02, 1, 50])
@every_base
@every_measure
def test_measure_is_its_formula(name, base, concentration):
    """From nearly certain to nearly even distributions, in any unit."""
    p, q = distributions(0, (20, 6), concentration), distributions(1, (20, 6), concentration)
    # The terms, of which there are 6, are at most as large as the largest surprise, and may cancel in divergences.
    scale = np.abs(np.log(np.maximum(q, 1e-300))).max() * EPS / (1 if base is None else abs(np.log(base)))
    assert_allclose(call(name, p, q, base=base), exact(name, p, q, base), rtol=8 * EPS, atol=scale)


@every_measure
def test_measure_of_nearby_distributions(name):
    """Divergences of almost equal distributions are tiny, right to eps, and never negative."""
    p = distributions(0, (50, 5), 5)
    q = p * (1 + 1e-9 * np.random.default_rng(1).normal(size=p.shape))
    q /= q.sum(axis=1, keepdims=True)
    assert_allclose(call(name, p, q), exact(name, p, q), rtol=4 * EPS, atol=4 * EPS)


@pytest.mark.parametrize("least", [1e-10, 1e-200, 2.3e-308, 1e-310, 5e-324])
@every_measure
def test_least_probabilities_are_no_zeros(name, least):
    """Down to the smallest subnormal number nothing underflows to infinity, in either place."""
    for p, q in [([1.0, least], [1.0, 0.0]), ([1.0, 0.0], [1.0, least]), ([1.0, 0.0], [least, 1.0])]:
        expected = exact(name, [p], [q])[0]
        assert call(name, p, q) == pytest.approx(expected, rel=4 * EPS, abs=EPS)


@pytest.mark.parametrize(
    ("name", "p", "q", "expected"),
    [
        ("entropy", [1, 0, 0], None, 0),
        ("entropy", [0.5, 0.5, 0], None, np.log(2)),
        ("cross_entropy", [1, 0], [0.5, 0.5], np.log(2)),
        ("cross_entropy", [1, 0], [1, 0], 0),
        ("cross_entropy", [1, 0], [0, 1], np.inf),
        ("cross_entropy", [0.5, 0.5], [1, 0], np.inf),
        ("kl_divergence", [1, 0], [0.5, 0.5], np.log(2)),
        ("kl_divergence", [0.5, 0.5], [1, 0], np.inf),
        ("kl_divergence", [0, 1], [0, 1], 0),
        ("js_divergence", [1, 0], [0, 1], np.log(2)),
        ("js_divergence", [1, 0], [1, 0], 0),
        ("js_divergence", [0.5, 0.5], [1, 0], 0.75 * np.log(4 / 3)),
    ],
)
def test_zeros_follow_the_limits(name, p, q, expected):
    """0 log 0 = 0, and what has probability 0 and happens is infinitely surprising; no warning, no minus zero."""
    result = call(name, p, q)
    assert type(result) is float
    assert result == pytest.approx(expected, rel=1e-15)
    assert not np.signbit(result)
    assert not np.signbit(call(name, [p, p], None if q is None else [q, q])).any()


@pytest.mark.parametrize("k", [1, 2, 3, 8, 1000])
def test_even_distribution_has_the_entropy_log_k(k):
    """And k = 8 is 3 bits."""
    assert entropy(np.full(k, 1 / k)) == pytest.approx(np.log(k), rel=1e-14)  # 1/k rounds
    assert entropy(np.full(k, 1 / k), base=2) == pytest.approx(np.log2(k), rel=1e-14)


@every_base
def test_scipy_agrees(base):
    """stats.entropy is our entropy and, with two arguments, our KL divergence; jensenshannon is a root of ours."""
    p, q = distributions(0, (4, 7, 3)), distributions(1, (4, 7, 3))
    if base == 0.5:  # SciPy's root of a negative number
        assert_allclose(js_divergence(p, q, base=0.5), -js_divergence(p, q, base=2), rtol=1e-15)
    else:
        assert_allclose(js_divergence(p, q, base=base), jensenshannon(p, q, axis=-1, base=base) ** 2, rtol=1e-12)
    assert_allclose(entropy(p, base=base), stats.entropy(p, base=base, axis=-1), rtol=1e-14)
    assert_allclose(kl_divergence(p, q, base=base), stats.entropy(p, q, base=base, axis=-1), rtol=1e-13)


@pytest.mark.parametrize("base", [2, 10])
@every_measure
def test_base_is_a_unit(name, base):
    """Bits and base 10 are nats divided by log 2 and log 10."""
    p, q = distributions(0, (5, 4)), distributions(1, (5, 4))
    assert_allclose(call(name, p, q, base=base), call(name, p, q) / np.log(base), rtol=1e-15)


# --- laws -------------------------------------------------------------------------------------------------------------


@st.composite
def pairs(draw):
    """Two distributions over as many outcomes, with zeros, tiny entries and nearly equal ones."""
    k = draw(st.integers(1, 8))
    masses = arrays(np.float64, k, elements=st.sampled_from([0.0, 1e-300, 1e-30, 1e-9, 0.1, 0.5]) | st.floats(0, 1))
    p, q = (draw(masses.filter(lambda a: a.sum() > 1e-20)) for _ in range(2))
    if draw(st.booleans()):
        q = p + draw(st.sampled_from([0, 1e-12, 1e-6])) * q
    return p / p.sum(), q / q.sum()


@generated
@given(pairs())
def test_cross_entropy_is_entropy_plus_divergence(pair):
    """H(p, q) = H(p) + KL(p || q) to the last digits, infinity included."""
    p, q = pair
    total = entropy(p) + kl_divergence(p, q)
    assert cross_entropy(p, q) == pytest.approx(total, rel=8 * EPS, abs=8 * EPS)


@generated
@given(pairs())
def test_divergences_are_not_negative(pair):
    """Not even by rounding, and 0 for equal distributions."""
    p, q = pair
    assert kl_divergence(p, q) >= 0
    assert js_divergence(p, q) >= 0
    assert kl_divergence(p, p) <= 1e-300  # log(p + tiny), not a mask, is how it is computed
    assert js_divergence(p, p) <= 1e-300


@generated
@given(pairs())
def test_js_divergence_is_symmetric_and_at_most_one_bit(pair):
    """To rounding, in any base."""
    p, q = pair
    assert js_divergence(p, q) == pytest.approx(js_divergence(q, p), rel=4 * EPS, abs=EPS)
    assert js_divergence(p, q) <= np.log(2) * (1 + 4 * EPS)  # p and q sum to 1 within rounding
    assert js_divergence(p, q, base=2) <= 1 + 4 * EPS


@every_measure
@generated
@given(pairs(), st.randoms(use_true_random=False))
def test_order_of_the_outcomes_does_not_matter(name, pair, random):
    """Outcomes have no order."""
    order = list(range(len(pair[0])))
    random.shuffle(order)
    value = call(name, *pair)
    assert call(name, pair[0][order], pair[1][order]) == pytest.approx(value, rel=8 * EPS, abs=8 * EPS)


@every_measure
@generated
@given(pairs())
def test_an_impossible_outcome_changes_nothing(name, pair):
    """Adding an outcome of probability 0 to both distributions."""
    p, q = (np.append(distribution, 0.0) for distribution in pair)
    assert call(name, p, q) == pytest.approx(call(name, *pair), rel=8 * EPS, abs=8 * EPS)


# --- shapes and types -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
@every_measure
def test_outcomes_may_lie_along_any_axis(name, axis):
    """The result has the shape without it, and in another memory order the same numbers."""
    p, q = distributions(0, (3, 4, 5)), distributions(1, (3, 4, 5))
    expected = call(name, p, q)
    assert expected.shape == (3, 4)
    p, q = np.moveaxis(p, -1, axis), np.moveaxis(q, -1, axis)
    assert_allclose(call(name, p, q, axis=axis), expected, rtol=8 * EPS, atol=8 * EPS)
    p, q = np.asfortranarray(p), np.ascontiguousarray(q)
    assert_allclose(call(name, p, q, axis=axis), expected, rtol=8 * EPS, atol=8 * EPS)
    assert_allclose(call(name, p[::-1], q[::-1], axis=axis), call(name, p[::-1].copy(), q[::-1].copy(), axis=axis))


@every_measure_of_two
def test_one_distribution_against_many(name):
    """Shapes broadcast, either way, and the outcomes are those along `axis`."""
    p, q = distributions(0, (4,)), distributions(1, (6, 4))
    expected = [OF_TWO[name](p, row) for row in q]
    assert_allclose(OF_TWO[name](p, q), expected, rtol=4 * EPS)
    assert_allclose(OF_TWO[name](q, p), [OF_TWO[name](row, p) for row in q], rtol=4 * EPS)
    assert_allclose(OF_TWO[name](p[:, None], q.T, axis=0), expected, rtol=4 * EPS)


@every_measure_of_two
def test_outcomes_are_never_paired_with_rows(name):
    """Along axis 0, NumPy would lay a single distribution along the last one: the wrong pairs."""
    p, q = np.array([0.9, 0.1]), np.array([[0.5, 0.2], [0.5, 0.8]])
    with suppress(ValueError):  # to refuse is right too
        result = OF_TWO[name](p, q, axis=0)
        assert_allclose(result, [OF_TWO[name](p, q[:, 0]), OF_TWO[name](p, q[:, 1])], rtol=1e-15)


@every_measure_of_two
def test_as_many_outcomes_in_both(name):
    """A certain single outcome broadcasts against four in NumPy; as distributions they cannot be compared."""
    with pytest.raises(ValueError, match=r"p and q must .*\(2,\) and \(1,\)"):
        OF_TWO[name]([0.5, 0.5], [1.0])
    with pytest.raises(ValueError, match=r"p and q must .*\(2, 3\) and \(4, 3\)"):
        OF_TWO[name](distributions(0, (2, 3)), distributions(0, (4, 3)))


@every_measure
def test_float32_stays_float32(name):
    """A single value is a Python float, of sums in float64."""
    p, q = distributions(0, (6, 5)).astype(np.float32), distributions(1, (6, 5)).astype(np.float32)
    result = call(name, p, q)
    assert result.dtype == np.float32
    assert_allclose(result, exact(name, p, q), rtol=1e-6, atol=1e-6)
    assert type(call(name, p[0], q[0])) is float
    if name != "entropy":
        assert call(name, p, q.astype(np.float64)).dtype == np.float64


@pytest.mark.parametrize("axis", [0, 1])
@every_measure
def test_float32_with_many_outcomes(name, axis):
    """A sum of 50,000 float32 terms, one after the other along the first axis, would lose two digits more."""
    p, q = distributions(0, (2, 50_000), 1).astype(np.float32), distributions(1, (2, 50_000), 1).astype(np.float32)
    expected = call(name, p.astype(np.float64), q.astype(np.float64))
    if axis == 0:
        p, q = np.ascontiguousarray(p.T), np.ascontiguousarray(q.T)
    assert_allclose(call(name, p, q, axis=axis), expected, rtol=3 * np.finfo(np.float32).eps)


@pytest.mark.parametrize("kind", ["list", "tuple", "pandas", "polars", "whole numbers"])
@every_measure
def test_anything_array_like(name, kind):
    """Lists, tables and whole numbers."""
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars", reason="polars is optional")
    p, q = [[0.25, 0.75], [1.0, 0.0]], [[0.5, 0.5], [0.25, 0.75]]
    make = {
        "list": list,
        "tuple": tuple,
        "pandas": pd.DataFrame,
        "polars": partial(pl.DataFrame, schema=["a", "b"], orient="row"),
        "whole numbers": lambda rows: np.rint(rows).astype(int) if rows is p else np.array(rows),
    }[kind]
    if kind == "whole numbers":
        p = [[0, 1], [1, 0]]
    assert_array_equal(call(name, make(p), make(q)), call(name, np.array(p, float), np.array(q)))


@every_measure
def test_arguments_are_left_alone(name):
    """Read-only arrays will do."""
    p, q = distributions(0, (3, 4)), distributions(1, (3, 4))
    p.flags.writeable = q.flags.writeable = False
    assert call(name, p, q).shape == (3,)


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([0.5, 0.6], r"must sum to 1: row 0 sums to 1\.1\b"),
        ([[0.5, 0.5], [0.5, 0.4998]], r"must sum to 1: row 1 sums to 0\.9998"),
        ([0.0, 0.0], "must sum to 1: row 0 sums to 0"),
        ([1.5, -0.5], r"must hold probabilities in \[0, 1\]: row 0 has 1\.5"),
        ([[0.5, 0.5], [-1e-9, 1.0]], r"must hold probabilities in \[0, 1\]: row 1 has -1e-09"),
        ([np.nan, 1.0], "must be finite: row 0 has nan"),
        ([[0.5, 0.5], [np.inf, 0.0]], "must be finite: row 1 has inf"),
        ([], r"is empty: got shape \(0,\)"),
        (np.zeros((0, 3)), r"is empty: got shape \(0, 3\)"),
        (1.0, "must have at least one axis, got the scalar 1"),
        (["a", "b"], "must hold numbers"),
        ([1j, 1], "must be real"),
    ],
)
@every_measure
def test_not_a_distribution(name, bad, message):
    """The message says which argument, which row, and what was got; nothing is renormalised."""
    good = np.full(np.shape(bad), 0.5) if np.ndim(bad) else [0.5, 0.5]
    with pytest.raises(ValueError, match=rf"\bp {message}|of p {message}"):
        call(name, bad, good)
    if name != "entropy":
        good = np.full(np.shape(bad), 0.5) if np.size(bad) and np.ndim(bad) else [0.5, 0.5]
        with pytest.raises(ValueError, match=rf"\bq {message}|of q {message}"):
            call(name, good, bad)


@every_measure
def test_row_at_fault_along_the_first_axis(name):
    """Columns are the distributions here, and are counted as rows of the message."""
    with pytest.raises(ValueError, match=r"row 1 sums to 1\.2"):
        call(name, [[0.5, 0.6], [0.5, 0.6]], [[0.5, 0.5], [0.5, 0.5]], axis=0)


@every_measure
def test_sums_may_drift_by_1e_4(name):
    """Probabilities of float32 ensembles are not refused, and not changed."""
    p = [0.5, 0.50009]
    assert np.isfinite(call(name, p, [0.5, 0.5]))
    assert entropy(p) == pytest.approx(-0.5 * np.log(0.5) - 0.50009 * np.log(0.50009), rel=1e-15)


@pytest.mark.parametrize("axis", [1, -2, 5])
@every_measure
def test_axis_out_of_range(name, axis):
    """Axis and shape are shown."""
    with pytest.raises(ValueError, match=rf"axis {axis} is out of range for p of shape \(2,\)"):
        call(name, [0.5, 0.5], [0.5, 0.5], axis=axis)


@pytest.mark.parametrize("axis", [None, 0.5, (0,), "0"])
@every_measure
def test_axis_must_be_an_integer(name, axis):
    """Not None for all axes, as NumPy has it: distributions have one."""
    with pytest.raises((TypeError, ValueError), match=rf"axis .*{re.escape(str(axis))}"):
        call(name, [0.5, 0.5], [0.5, 0.5], axis=axis)


@pytest.mark.parametrize(
    ("base", "error", "message"),
    [
        (1, ValueError, "base must not be 1"),
        (1.0, ValueError, "base must not be 1"),
        (0, ValueError, r"base must be in \(0, inf\), got 0"),
        (-2, ValueError, r"base must be in \(0, inf\), got -2"),
        (np.inf, ValueError, r"base must be in \(0, inf\), got inf"),
        (np.nan, ValueError, r"base must be in \(0, inf\), got nan"),
        ("2", TypeError, "base must be a number, got '2'"),
        (True, TypeError, "base must be a number, got True"),
    ],
)
@every_measure
def test_bad_base(name, base, error, message):
    """A logarithm needs a positive base that is not 1."""
    with pytest.raises(error, match=message):
        call(name, [0.5, 0.5], [0.5, 0.5], base=base)


@every_measure
def test_sparse_distributions_raise(name):
    """Say what to do."""
    with pytest.raises(TypeError, match=r"p must be dense, got a sparse matrix; convert it with \.toarray\(\)"):
        call(name, sparse.csr_array([[0.5, 0.5]]), [[0.5, 0.5]])
