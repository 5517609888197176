"""Recalibrated probabilities against the definition of isotonic regression and against scikit-learn's estimator."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.isotonic import IsotonicRegression

from skce import cross_entropy_loss
from skce._recalibration import PENALTIES, _softmax_maps, isotonic, softmax, stratified_folds


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


# --- softmax ----------------------------------------------------------------------------------------------------------


def predictions(seed, n, k, sharpness=1.0, turn=0.0):
    """Codes, log-probabilities that are `sharpness` times too sure and mixed by `turn`, and those of the truth."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(n, k))
    truth = log_softmax(logits, axis=1)
    codes = (rng.uniform(size=(n, 1)) > np.exp(truth).cumsum(axis=1)).sum(axis=1).clip(max=k - 1)
    return codes, log_softmax(sharpness * logits + turn * np.roll(logits, 1, axis=1), axis=1), truth


def recalibrated(codes, log_proba, **options):
    return softmax(codes, log_proba, n_folds=5, random_state=np.random.RandomState(0), **options)


def loss_of(codes, logits, weights=None):
    return cross_entropy_loss(codes, logits, labels=range(logits.shape[1]), from_logits=True, sample_weight=weights)


@pytest.mark.parametrize("soft", [False, True])
def test_softmax_maps_minimise_the_penalised_loss(soft):
    """The temperature, and each penalty's slopes and intercepts, against SciPy on the formula; with weights."""
    codes, log_proba, _ = predictions(0, 120, 3, sharpness=1.7, turn=0.4)
    rng = np.random.default_rng(1)
    weights = rng.exponential(size=120)
    targets = rng.dirichlet(np.ones(3), size=120) if soft else codes
    y = targets if soft else np.eye(3)[codes]

    def loss(logits):
        return -np.average((y * log_softmax(logits, axis=1)).sum(axis=1), weights=weights)

    maps = [np.column_stack(parts) for parts in _softmax_maps(targets, log_proba, weights)]
    anchor = maps[0]
    factor = minimize(lambda t: loss(t * log_proba), 1.0).x[0]
    assert_allclose(anchor, factor * np.eye(3, 4), atol=1e-4)  # both stop where the loss is flat
    for alpha, table in zip(PENALTIES, maps[1:], strict=True):

        def penalised(theta, alpha=alpha):
            table = theta.reshape(3, 4)
            return loss(log_proba @ table[:, :3].T + table[:, 3]) + alpha / 2 * ((table - anchor) ** 2).sum()

        best = minimize(penalised, anchor.reshape(-1), options={"gtol": 1e-8}).fun
        assert penalised(table.reshape(-1)) == pytest.approx(best, abs=2e-6)  # TOL is 1e-6


@pytest.mark.parametrize(
    ("sharpness", "turn"),
    [(1.0, 0.0), (2.5, 0.0), (0.4, 0.0), (1.0, 0.5)],
    ids=["calibrated", "sure", "unsure", "turned"],
)
def test_softmax_finds_the_truth(sharpness, turn):
    """Whatever softmax made the predictions, 4,000 rows are enough to come near the truth's loss on them."""
    codes, log_proba, truth = predictions(2, 4000, 4, sharpness, turn)
    assert abs(loss_of(codes, recalibrated(codes, log_proba)) - loss_of(codes, truth)) < 4 * 4 / 4000  # k^2 / n at most


def test_softmax_is_fitted_without_the_row():
    """Another target of a row does not change its own recalibrated prediction, but those of other folds."""
    _, log_proba, _ = predictions(4, 60, 3, sharpness=2)
    folds = stratified_folds(np.zeros(60, dtype=int), 5, np.random.RandomState(0))
    soft = np.tile([0.4, 0.3, 0.3], (60, 1))
    changed = soft.copy()
    changed[7] = [0.41, 0.3, 0.29]  # the same largest class and so little else that folds and penalty are the same
    before, after = recalibrated(soft, log_proba), recalibrated(changed, log_proba)
    same = np.isclose(before, after, rtol=1e-12, atol=1e-12).all(axis=1)
    assert_array_equal(same, folds == folds[7])


def test_softmax_weights():
    """Rows of weight 0 move nothing; all weights may be scaled."""
    codes, log_proba, _ = predictions(5, 200, 3, sharpness=2)
    weights = np.random.default_rng(0).exponential(size=200)
    weights[:5] = 0
    expected = recalibrated(codes, log_proba, sample_weight=weights)
    assert_allclose(recalibrated(codes, log_proba, sample_weight=1000 * weights), expected, rtol=1e-6, atol=1e-6)
    spoiled = log_proba.copy()
    spoiled[:5] = log_proba[:5, ::-1]
    assert_allclose(recalibrated(codes, spoiled, sample_weight=weights)[5:], expected[5:], rtol=1e-6, atol=1e-6)


def test_softmax_lives_with_absent_and_single_classes():
    """A class of one row, one of none, and certain predictions: finite logits, no warning."""
    codes = np.array([0] * 10 + [1] * 9 + [2])
    log_proba = np.log(np.clip(np.eye(4)[codes], 1e-16, 1))
    assert np.isfinite(recalibrated(codes, log_proba)).all()
    assert np.isfinite(recalibrated(np.zeros(20, dtype=int), log_proba)).all()


def test_folds_are_stratified():
    """Of each class, and of all rows, the folds hold as many rows, give or take one; the seed matters."""
    codes = np.random.default_rng(0).permutation(np.repeat(np.arange(4), [50, 23, 7, 1]))
    folds = stratified_folds(codes, 5, np.random.RandomState(0))
    for rows in [np.ones(81, dtype=bool), *(codes == c for c in range(4))]:
        assert np.ptp(np.bincount(folds[rows], minlength=5)) <= 1
    assert (folds != stratified_folds(codes, 5, np.random.RandomState(1))).any()
