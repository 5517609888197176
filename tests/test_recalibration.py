"""Recalibrated probabilities against the definition of isotonic regression and against scikit-learn's estimator."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.isotonic import IsotonicRegression

from skce._recalibration import isotonic


def draw(rng, n, levels=None):
    """Answers (0/1 or soft), predictions with or without ties, and weights."""
    p = rng.uniform(size=n) if levels is None else rng.integers(levels, size=n) / levels
    y = (rng.uniform(size=n) < p**2).astype(float)
    return y, p, rng.exponential(size=n)


def min_max(y, p, weights):
    """Isotonic regression by its min-max formula: max over lower ends of min over upper ends of the mean between."""
    values = np.unique(p)

    def mean(low, high):
        inside = (p >= low) & (p <= high)
        return np.average(y[inside], weights=weights[inside])

    at = {v: max(min(mean(low, high) for high in values[values >= v]) for low in values[values <= v]) for v in values}
    return np.array([at[v] for v in p])


@pytest.mark.parametrize("levels", [None, 7])
@pytest.mark.parametrize("soft", [False, True])
def test_isotonic_is_the_min_max_formula(levels, soft):
    """With ties and without, for answers and for probabilities, with weights."""
    rng = np.random.default_rng(3)
    y, p, weights = draw(rng, 30, levels)
    y = rng.uniform(size=30) if soft else y
    assert_allclose(isotonic(y, p, weights), min_max(y, p, weights), rtol=1e-13)
    assert_allclose(isotonic(y, p), min_max(y, p, np.ones(30)), rtol=1e-13)


@pytest.mark.parametrize("levels", [None, 20])
def test_isotonic_agrees_with_scikit_learn(levels):
    """Its estimator, at the rows that it was fitted to."""
    y, p, weights = draw(np.random.default_rng(0), 500, levels)
    expected = IsotonicRegression().fit(p, y, weights).predict(p)
    assert_allclose(isotonic(y, p, weights), expected, rtol=1e-12, atol=1e-12)


@given(st.integers(0, 10_000), st.sampled_from([None, 3, 10]))
def test_isotonic_depends_on_the_order_alone(seed, levels):
    """A rising function of the predictions, and another order of the rows, change nothing."""
    rng = np.random.default_rng(seed)
    y, p, weights = draw(rng, 25, levels)
    expected = isotonic(y, p, weights)
    assert_array_equal(isotonic(y, 5 * p - 3, weights), expected)
    order = rng.permutation(25)
    assert_allclose(isotonic(y[order], p[order], weights[order]), expected[order], rtol=1e-13)


def test_pure_groups_are_exactly_certain():
    """Where only one answer came the frequency is 0 or 1, not nearly so, with odd weights too."""
    y = np.array([0, 0, 0, 1, 0, 1, 1, 1.0])
    weights = np.array([0.1, 0.7, 1 / 3, 0.9, 0.3, 0.1, 0.2, 0.3])
    result = isotonic(y, np.arange(8) / 8, weights)
    assert_array_equal(result[[0, 1, 2, 5, 6, 7]], [0, 0, 0, 1, 1, 1])
    assert_allclose(result[3:5], 0.75, rtol=1e-15)


def test_weight_is_the_row_so_many_times():
    """Weight 2 is the row twice, weight 0 is the row gone; it gets what lies between its neighbours."""
    rng = np.random.default_rng(5)
    y, p, _ = draw(rng, 60, 15)
    weights = rng.integers(0, 3, size=60)
    rows = np.repeat(np.arange(60), weights)
    assert_allclose(isotonic(y, p, weights)[rows], isotonic(y[rows], p[rows]), rtol=1e-13)
    assert_allclose(isotonic(np.array([0, 1, 1]), np.array([0.1, 0.2, 0.3]), np.array([1, 0, 1])), [0, 0.5, 1])
    assert_allclose(isotonic(np.array([1, 0, 1]), np.array([0.1, 0.2, 0.3]), np.array([0, 1, 1])), [0, 0, 1])


@pytest.mark.parametrize("p", [[-np.inf, 0.0, np.inf], [-1e3, 2.0, 1e3]])
def test_logits_order_rows_too(p):
    """Infinite ones included."""
    assert_array_equal(isotonic(np.array([0, 1, 1]), np.array(p)), [0, 1, 1])
