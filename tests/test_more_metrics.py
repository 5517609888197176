"""Focal loss, KL divergence, perplexity and D2 by their formulas, with labels, targets and outputs in every form.

They share the door and the mean of `cross_entropy_loss`, whose every form test_metrics.py compares with scikit-learn:
here each option is seen to arrive. Agreement with other libraries is in test_peers.py.
"""

import math

import mpmath
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import log_softmax, softmax
from scipy.stats import entropy
from sklearn.metrics import d2_log_loss_score, log_loss
from sklearn.utils.class_weight import compute_sample_weight

from skce import cross_entropy_loss, d2_cross_entropy_score, focal_loss, kl_divergence_loss, perplexity

EXACT = 1e-13  # float64: a few roundings of a log, and another order of the sum
RTOL = {np.float64: EXACT, np.float32: 4e-6}  # float32: the log of a rounded probability times a rounded power, 32 eps
DTYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32])
METRICS = {
    "focal": focal_loss,
    "focal, gamma=0.5": lambda *a, **o: focal_loss(*a, gamma=0.5, **o),
    "kl": kl_divergence_loss,
    "perplexity": perplexity,
    "d2": d2_cross_entropy_score,
}
EVERY_METRIC = pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
LOSSES = pytest.mark.parametrize("metric", [focal_loss, kl_divergence_loss], ids=["focal", "kl"])
GAMMAS = pytest.mark.parametrize("gamma", [0, 0.3, 1, 2.0, 5.5])


@pytest.fixture
def rng():
    return np.random.default_rng(20250211)


def random_problem(rng, k=3, n=41, dtype=np.float64):
    """Codes with every class among them, probabilities above any eps, weights that are sometimes 0."""
    codes = rng.permutation(np.arange(n) % k)
    proba = (0.999 * rng.dirichlet(np.full(k, 0.7), size=n) + 0.001 / k).astype(dtype)
    weights = rng.exponential(size=n) * (rng.uniform(size=n) > 0.1)
    return codes, proba, weights


def random_targets(rng, codes, k=3, dtype=np.float64):
    """Soft targets near the labels, the first of them hard."""
    targets = 0.6 * np.eye(k)[codes] + 0.4 * rng.dirichlet(np.ones(k), size=len(codes))
    targets[0] = np.eye(k)[codes[0]]
    return targets.astype(dtype)


def focal_term(y, p, gamma):
    return -y * (1 - p) ** gamma * mpmath.log(p) if y else mpmath.mpf(0)


def kl_term(y, p, gamma):
    return y * mpmath.log(y / p) if y else mpmath.mpf(0)


def formula(
    term, targets, proba, *, gamma=None, class_weight=None, label_smoothing=0.0, sample_weight=None, from_logits=False
):
    """Rows, sum and mean as the documentation writes them: loops, 50 digits; the mean divides by sum s_i w(y_i)."""
    with mpmath.workdps(50):
        n, k = targets.shape
        s = np.ones(n) if sample_weight is None else sample_weight
        w = [mpmath.mpf(float(v)) for v in (np.ones(k) if class_weight is None else class_weight)]
        e, rows, mass = mpmath.mpf(label_smoothing), [], mpmath.mpf(0)
        for i in range(n):
            p = [mpmath.mpf(float(v)) for v in proba[i]]
            if from_logits:
                p = [mpmath.exp(v - max(p)) for v in p]
                p = [v / sum(p) for v in p]
            y = [mpmath.mpf(float(v)) for v in targets[i]]
            value = sum(w[c] * term((1 - e) * y[c] + e / k, p[c], gamma) for c in range(k))
            rows.append(float(s[i]) * value)
            mass += float(s[i]) * sum(w[c] * y[c] for c in range(k))
        return np.array([float(row) for row in rows]), float(sum(rows)), float(sum(rows) / mass)


def check_reductions(metric, expected, y_true, outputs, rtol, **options):
    """Rows, sum and mean of a metric beside those of the formula, whose rows may be 0 by cancellation."""
    rows, total, mean = expected
    size = np.abs(rows).max()
    assert_allclose(metric(y_true, outputs, reduction="none", **options), rows, rtol=10 * rtol, atol=rtol * size)
    assert metric(y_true, outputs, reduction="sum", **options) == pytest.approx(total, rel=rtol)
    assert metric(y_true, outputs, **options) == pytest.approx(mean, rel=rtol)


# --- focal loss -------------------------------------------------------------------------------------------------------

WEIGHTS_OF_CLASSES = pytest.mark.parametrize("class_weight", [None, [0.3, 2.0, 1.1]], ids=["", "weighted"])
SMOOTHING = pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
FROM = pytest.mark.parametrize("from_logits", [False, True], ids=["proba", "logits"])


@GAMMAS
@WEIGHTS_OF_CLASSES
@SMOOTHING
@FROM
@pytest.mark.parametrize("soft", [False, True], ids=["labels", "soft"])
def test_focal_loss_equals_the_formula(gamma, class_weight, label_smoothing, from_logits, soft, rng):
    """Per class: -sum_c w_c y_c (1 - p_c)^gamma log p_c, over the weight of the unsmoothed targets."""
    codes, proba, weights = random_problem(rng, n=17)
    targets = random_targets(rng, codes) if soft else np.eye(3)[codes]
    outputs = np.log(proba) + rng.normal(size=(len(codes), 1)) if from_logits else proba
    options = {
        "gamma": gamma,
        "class_weight": class_weight,
        "label_smoothing": label_smoothing,
        "sample_weight": weights,
        "from_logits": from_logits,
    }
    expected = formula(focal_term, targets, outputs, **options)
    check_reductions(focal_loss, expected, targets if soft else codes, outputs, EXACT, **options)


@GAMMAS
@FROM
def test_focal_loss_in_float32(gamma, from_logits, rng):
    """To the digits of float32."""
    codes, proba, weights = random_problem(rng, dtype=np.float32)
    outputs = np.log(proba) if from_logits else proba
    options = {"gamma": gamma, "sample_weight": weights, "from_logits": from_logits}
    _, _, expected = formula(focal_term, np.eye(3)[codes], outputs, **options)
    assert focal_loss(codes, outputs, **options) == pytest.approx(expected, rel=RTOL[np.float32])


@pytest.mark.parametrize("gamma", [0.5, 2.0])
@FROM
def test_one_column_is_the_sigmoid_form_which_two_columns_equal(gamma, from_logits, rng):
    """(1 - p)^gamma for the second class and p^gamma for the first, for labels and soft targets, smoothed or not."""
    codes, proba, weights = random_problem(rng, k=2)
    targets = random_targets(rng, codes, k=2)
    one = np.log(proba[:, 1]) - np.log(proba[:, 0]) if from_logits else proba[:, 1]
    two = np.log(proba) if from_logits else proba
    options = {"gamma": gamma, "class_weight": [0.4, 3.0], "sample_weight": weights, "from_logits": from_logits}
    for y_true in (codes, targets):
        for form in (one, one[:, None]):
            for e in (0.0, 0.1):
                expected = focal_loss(y_true, two, label_smoothing=e, **options)
                assert focal_loss(y_true, form, label_smoothing=e, **options) == pytest.approx(expected, rel=1e-12)
    _, _, expected = formula(focal_term, targets, two, **options)
    assert focal_loss(targets, one, **options) == pytest.approx(expected, rel=1e-12)  # 1 - p rounds


@FROM
@DTYPES
def test_gamma_0_is_cross_entropy(from_logits, dtype, rng):
    """The limit of the family, with every option."""
    codes, proba, weights = random_problem(rng, dtype=dtype)
    outputs = np.log(proba) if from_logits else proba
    options = {
        "sample_weight": weights,
        "class_weight": "balanced",
        "label_smoothing": 0.1,
        "base": 2,
        "from_logits": from_logits,
    }
    expected = cross_entropy_loss(codes, outputs, **options)
    assert focal_loss(codes, outputs, gamma=0, **options) == pytest.approx(expected, rel=RTOL[dtype])


def test_gamma_is_2_by_default(rng):
    """The paper's choice."""
    codes, proba, _ = random_problem(rng)
    p = proba[np.arange(len(codes)), codes]
    assert_allclose(focal_loss(codes, proba, reduction="none"), -((1 - p) ** 2) * np.log(p), rtol=1e-12)


@pytest.mark.parametrize("gamma", [1e-3, 0.5, 2.0, 300.0])
@pytest.mark.parametrize("size", [50.0, 800.0, 1e4, 1e300])
def test_focal_loss_of_extreme_logits(gamma, size):
    """A certain hit costs nothing, also where 1 - p underflows and gamma < 1; a certain miss the logit."""
    for logits in ([[0.0, size]], [size], [[-size / 2, size / 2]]):
        options = {"gamma": gamma, "from_logits": True, "labels": [0, 1]}
        miss = focal_loss([0], logits, **options)
        assert miss == pytest.approx(size, rel=1e-12)
        hit = focal_loss([1], logits, **options)
        assert 0 <= hit <= math.exp(-size)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_loss_of_certain_probabilities(gamma):
    """eps=0: exactly 0 where right, inf where wrong; by default a miss costs -log eps."""
    for proba in ([0.0, 1.0, 1.0], [[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]):
        rows = focal_loss([0, 1, 0], proba, gamma=gamma, eps=0, reduction="none")
        assert_array_equal(rows, [0, 0, np.inf])
        rows = focal_loss([0, 1, 0], proba, gamma=gamma, reduction="none")
        assert_allclose(rows[2], -math.log(np.finfo(float).eps), rtol=EXACT)


@given(seed=st.integers(0, 2**32 - 1), gamma=st.floats(0, 20), more=st.floats(0, 5))
def test_more_focus_never_costs_more(seed, gamma, more):
    """(1 - p)^gamma falls with gamma, so every row does."""
    codes, proba, _ = random_problem(np.random.default_rng(seed), n=9)
    rows = focal_loss(codes, proba, gamma=gamma, reduction="none")
    focused = focal_loss(codes, proba, gamma=gamma + more, reduction="none")
    assert (focused <= rows * (1 + 1e-13)).all()
    assert (focused >= 0).all()


def test_focal_loss_is_not_proper():
    """As its documentation warns: a prediction less confident than the truth scores better than the truth."""
    truth, hesitant = [[0.9, 0.1]], [[0.8, 0.2]]
    assert focal_loss(truth, hesitant) < focal_loss(truth, truth)
    assert cross_entropy_loss(truth, hesitant) > cross_entropy_loss(truth, truth)


# --- KL divergence ----------------------------------------------------------------------------------------------------


@WEIGHTS_OF_CLASSES
@SMOOTHING
@FROM
def test_kl_divergence_equals_the_formula(class_weight, label_smoothing, from_logits, rng):
    """sum_c w_c y_c log(y_c / p_c) of smoothed targets, hard and soft ones among them."""
    codes, proba, weights = random_problem(rng, n=17)
    outputs = np.log(proba) + rng.normal(size=(len(codes), 1)) if from_logits else proba
    options = {
        "class_weight": class_weight,
        "label_smoothing": label_smoothing,
        "sample_weight": weights,
        "from_logits": from_logits,
    }
    for targets, y_true in ((random_targets(rng, codes),) * 2, (np.eye(3)[codes], codes)):
        expected = formula(kl_term, targets, outputs, **options)
        check_reductions(kl_divergence_loss, expected, y_true, outputs, 1e-12, **options)  # a difference


@DTYPES
def test_kl_divergence_equals_scipy(dtype, rng):
    """scipy.stats.entropy(y, p) of each row; float32 to a difference of rounded numbers near 1."""
    codes, proba, weights = random_problem(rng, dtype=dtype)
    targets = random_targets(rng, codes, dtype=dtype)
    expected = entropy(targets.astype(float), proba.astype(float), axis=1)
    rows = kl_divergence_loss(targets, proba, reduction="none")
    assert_allclose(rows, expected, rtol=RTOL[dtype], atol=20 * np.finfo(dtype).eps)
    result = kl_divergence_loss(targets, proba, sample_weight=weights)
    assert result == pytest.approx(np.average(expected, weights=weights), rel=10 * RTOL[dtype])


@pytest.mark.parametrize("base", [None, 2, 10, 0.5])
@SMOOTHING
@FROM
def test_kl_divergence_is_cross_entropy_minus_entropy(base, label_smoothing, from_logits, rng):
    """The part that a better model could still save, in any base."""
    codes, proba, weights = random_problem(rng)
    targets = random_targets(rng, codes)
    outputs = np.log(proba) if from_logits else proba
    options = {"sample_weight": weights, "label_smoothing": label_smoothing, "base": base, "from_logits": from_logits}
    smoothed = (1 - label_smoothing) * targets + label_smoothing / 3
    floor = np.average(entropy(smoothed, base=base, axis=1), weights=weights)
    expected = cross_entropy_loss(targets, outputs, **options) - floor
    assert kl_divergence_loss(targets, outputs, **options) == pytest.approx(expected, rel=1e-12)


@DTYPES
@FROM
@pytest.mark.parametrize("class_weight", [None, [0.1, 0.3, 7.0]], ids=["", "weighted"])
@SMOOTHING
def test_kl_divergence_is_0_where_targets_are_matched(dtype, from_logits, class_weight, label_smoothing, rng):
    """To the rounding of the two entropies, which are of size 1."""
    targets = rng.dirichlet(np.ones(3), size=50).astype(dtype)
    matched = (1 - label_smoothing) * targets + dtype(label_smoothing / 3)
    outputs = np.log(matched) if from_logits else matched
    rows = kl_divergence_loss(
        targets,
        outputs.astype(dtype),
        from_logits=from_logits,
        class_weight=class_weight,
        label_smoothing=label_smoothing,
        reduction="none",
    )
    assert_allclose(rows, 0, atol=100 * np.finfo(dtype).eps)
    if class_weight is None:
        assert (rows >= 0).all()


def test_kl_divergence_of_labels_is_cross_entropy(rng):
    """The entropy of a label is 0."""
    codes, proba, weights = random_problem(rng)
    expected = log_loss(codes, proba, sample_weight=weights)
    for y_true in (codes, np.eye(3, dtype=int)[codes], np.eye(3)[codes], np.array(["a", "b", "c"])[codes]):
        assert kl_divergence_loss(y_true, proba, sample_weight=weights) == pytest.approx(expected, rel=EXACT)


def test_kl_divergence_of_two_classes_in_one_column(rng):
    """(n, 2) targets and labels beside the probability of the second class."""
    codes, proba, weights = random_problem(rng, k=2)
    for y_true in (codes, random_targets(rng, codes, k=2)):
        for e in (0.0, 0.2):
            expected = kl_divergence_loss(y_true, proba, sample_weight=weights, label_smoothing=e)
            result = kl_divergence_loss(y_true, proba[:, 1], sample_weight=weights, label_smoothing=e)
            assert result == pytest.approx(expected, rel=1e-12)


def test_kl_divergence_where_a_probability_is_0():
    """0 log 0 = 0 where the target is 0 too, else infinity (eps=0), or the clipped loss."""
    assert kl_divergence_loss([[0.5, 0.5, 0.0]], [[0.25, 0.75, 0.0]], eps=0) == pytest.approx(
        0.5 * math.log(2) + 0.5 * math.log(2 / 3), rel=EXACT
    )
    assert kl_divergence_loss([[0.5, 0.5]], [[0.0, 1.0]], eps=0) == math.inf
    assert kl_divergence_loss([[0.5, 0.5]], [[-np.inf, 1.0]], from_logits=True) == math.inf
    clipped = kl_divergence_loss([[0.5, 0.5]], [[0.0, 1.0]], eps=1e-3)
    assert clipped == pytest.approx(0.5 * math.log(500) + 0.5 * math.log(0.5 / 0.999), rel=EXACT)


@given(seed=st.integers(0, 2**32 - 1), k=st.integers(2, 5), from_logits=st.booleans())
def test_kl_divergence_is_never_negative(seed, k, from_logits):
    """Gibbs, row by row."""
    rng = np.random.default_rng(seed)
    targets, proba = rng.dirichlet(np.full(k, 0.3), size=(2, 8))
    outputs = 30 * rng.normal(size=(8, k)) if from_logits else proba
    assert (kl_divergence_loss(targets, outputs, from_logits=from_logits, reduction="none") >= 0).all()


# --- perplexity -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", [None, 2, 10, 0.5, math.pi])
@FROM
@DTYPES
def test_perplexity_is_the_same_in_any_base(base, from_logits, dtype, rng):
    """base ** cross-entropy in that base: exp of the log loss."""
    codes, proba, weights = random_problem(rng, dtype=dtype)
    outputs = np.log(proba) if from_logits else proba
    result = perplexity(codes, outputs, sample_weight=weights, base=base, from_logits=from_logits)
    assert result == pytest.approx(math.exp(log_loss(codes, proba, sample_weight=weights)), rel=2 * RTOL[dtype])
    in_base = cross_entropy_loss(codes, outputs, sample_weight=weights, base=base, from_logits=from_logits)
    assert result == pytest.approx((base or math.e) ** in_base, rel=1e-12)


@pytest.mark.parametrize("k", [2, 3, 10, 1000])
def test_perplexity_of_a_guess_among_k_is_k(k):
    """And of a certain, right prediction 1."""
    assert perplexity([0, 1], np.full((2, k), 1 / k), labels=range(k)) == pytest.approx(k, rel=1e-12)
    assert perplexity([0, 1], np.full((2, k), -7.0), labels=range(k), from_logits=True) == pytest.approx(k, rel=1e-12)
    assert perplexity([0, 1], np.eye(k)[:2], labels=range(k), eps=0) == 1.0


def test_perplexity_beyond_the_largest_float_is_inf():
    """No overflow warning, and the same for an infinite loss."""
    assert perplexity([0], [[0.0, 1e5]], labels=[0, 1], from_logits=True) == math.inf
    assert perplexity([0], [[0.0, 1.0]], labels=[0, 1], eps=0) == math.inf
    assert perplexity([0], [[0.0, 700.0]], labels=[0, 1], from_logits=True) == pytest.approx(math.exp(700), rel=1e-11)


def test_perplexity_of_soft_targets_and_class_weights(rng):
    """Exp of the same mean as that of `cross_entropy_loss`."""
    codes, proba, weights = random_problem(rng)
    targets = random_targets(rng, codes)
    for class_weight in (None, [0.3, 2.0, 1.1], "balanced"):
        options = {"sample_weight": weights, "class_weight": class_weight}
        expected = math.exp(cross_entropy_loss(targets, proba, **options))
        assert perplexity(targets, proba, **options) == pytest.approx(expected, rel=EXACT)


# --- D2 ---------------------------------------------------------------------------------------------------------------


@DTYPES
@FROM
def test_d2_equals_scikit_learn(dtype, from_logits, rng):
    """1 - the loss over that of the weighted frequencies."""
    codes, proba, weights = random_problem(rng, dtype=dtype)
    expected = d2_log_loss_score(codes, proba, sample_weight=weights, labels=range(3))
    outputs = np.log(proba) if from_logits else proba
    result = d2_cross_entropy_score(codes, outputs, sample_weight=weights, from_logits=from_logits)
    assert result == pytest.approx(expected, rel=10 * RTOL[dtype], abs=10 * RTOL[dtype])


def test_d2_of_frequencies_is_0_and_of_certainty_1(rng):
    """With weights, and with class weights, whose frequencies are weighted too."""
    codes, _, weights = random_problem(rng)
    for class_weight in (None, [0.3, 2.0, 1.1], {1: 4.0}, "balanced"):
        by_class = np.ones(3)
        if class_weight == "balanced":
            mass = np.bincount(codes, weights)
            by_class = mass.sum() / (3 * mass)
        elif isinstance(class_weight, dict):
            by_class[1] = 4.0
        elif class_weight:
            by_class = np.array(class_weight)
        frequencies = np.bincount(codes, weights * by_class[codes])
        null = np.tile(frequencies / frequencies.sum(), (len(codes), 1))
        options = {"sample_weight": weights, "class_weight": class_weight}
        assert d2_cross_entropy_score(codes, null, **options) == pytest.approx(0, abs=1e-13)
        assert d2_cross_entropy_score(codes, np.eye(3)[codes], eps=0, **options) == 1.0


def test_d2_with_class_weights_is_d2_with_their_sample_weights(rng):
    """A class weight is a sample weight for labels."""
    codes, proba, weights = random_problem(rng)
    by_class = compute_sample_weight({0: 0.3, 2: 3.0}, codes)
    expected = d2_log_loss_score(codes, proba, sample_weight=weights * by_class, labels=range(3))
    result = d2_cross_entropy_score(codes, proba, sample_weight=weights, class_weight={0: 0.3, 2: 3.0})
    assert result == pytest.approx(expected, rel=1e-12)


def test_d2_of_soft_targets(rng):
    """The reference is the entropy of the mean target; predicting it scores 0."""
    codes, proba, weights = random_problem(rng)
    targets = random_targets(rng, codes)
    mean = np.average(targets, axis=0, weights=weights)
    own = np.average(-(targets * np.log(proba)).sum(1), weights=weights)
    result = d2_cross_entropy_score(targets, proba, sample_weight=weights)
    assert result == pytest.approx(1 - own / entropy(mean), rel=1e-12)
    null = np.tile(mean, (len(codes), 1))
    assert d2_cross_entropy_score(targets, null, sample_weight=weights) == pytest.approx(0, abs=1e-13)


def test_d2_of_soft_targets_in_one_column_of_outputs(rng):
    """Two classes, (n, 2) targets, (n,) outputs."""
    codes, proba, weights = random_problem(rng, k=2)
    targets = random_targets(rng, codes, k=2)
    expected = d2_cross_entropy_score(targets, proba, sample_weight=weights)
    assert d2_cross_entropy_score(targets, proba[:, 1], sample_weight=weights) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("eps", ["auto", 0, 1e-3])
@FROM
@DTYPES
def test_d2_of_one_class_is_1_for_perfect_predictions_else_0(eps, from_logits, dtype):
    """As r2_score of constant targets (scikit-learn's D2 is -4.8e15 there), whatever eps makes of a perfect one."""
    options = {"eps": eps, "from_logits": from_logits}
    perfect = np.array([[-900.0, 0.0], [-900.0, 0.0]] if from_logits else [[0, 1], [0, 1]], dtype=dtype)
    imperfect = np.array([[-2.0, 0.0], [-900.0, 0.0]] if from_logits else [[0.25, 0.75], [0, 1]], dtype=dtype)
    for y_true in ([1, 1], np.array([[0.0, 1.0], [0.0, 1.0]])):
        assert d2_cross_entropy_score(y_true, perfect, **options) == 1.0
        assert d2_cross_entropy_score(y_true, imperfect, **options) == 0.0


def test_d2_of_one_class_after_weights():
    """Rows and classes of weight 0 do not count as a second class."""
    y_true, proba = [0, 1, 1], [[0.3, 0.7], [0.3, 0.7], [0.2, 0.8]]
    assert d2_cross_entropy_score(y_true, proba, sample_weight=[0, 1, 1]) == 0.0
    assert d2_cross_entropy_score(y_true, proba, class_weight={0: 0.0}) == 0.0
    assert d2_cross_entropy_score(["b", "b", "z"], proba, labels=["a", "b"], handle_unknown="ignore") == 0.0
    assert d2_cross_entropy_score([1], [[0.3, 0.7]], labels=[0, 1]) == 0.0


def test_d2_counts_unknown_labels_among_the_frequencies():
    """ "clip" gives them a frequency as they have a loss; "ignore" drops both."""
    y_true, proba = ["a", "b", "z", "b"], np.array([[0.7, 0.3], [0.2, 0.8], [0.5, 0.5], [0.4, 0.6]])
    rows = -np.log([0.7, 0.8, np.finfo(float).eps, 0.6])
    clip = d2_cross_entropy_score(y_true, proba, labels=["a", "b"], handle_unknown="clip")
    assert clip == pytest.approx(1 - rows.mean() / entropy([1, 2, 1]), rel=EXACT)
    ignore = d2_cross_entropy_score(y_true, proba, labels=["a", "b"], handle_unknown="ignore")
    assert ignore == pytest.approx(1 - rows[[0, 1, 3]].mean() / entropy([1, 2]), rel=EXACT)


def test_d2_of_an_infinite_loss_is_minus_infinity():
    """There is no worse."""
    assert d2_cross_entropy_score([0, 1], [[0.0, 1.0], [0.5, 0.5]], eps=0) == -math.inf


# --- every metric -----------------------------------------------------------------------------------------------------

LABELS = {
    "strings": lambda codes: np.array(["ant", "bee", "cat"])[codes],
    "bytes": lambda codes: np.array([b"a", b"b", b"c"])[codes],
    "objects": lambda codes: np.array(["ant", "bee", "cat"], dtype=object)[codes],
    "ints with gaps": lambda codes: np.array([-7, 3, 10**9])[codes],
    "floats": lambda codes: codes.astype(float),
    "list": lambda codes: codes.tolist(),
    "pandas categorical": lambda codes: pd.Categorical(np.array(["ant", "bee", "cat"])[codes]),
    "pandas strings": lambda codes: pd.Series(np.array(["ant", "bee", "cat"])[codes], dtype="str"),
    "polars strings": lambda codes: pl.Series(np.array(["ant", "bee", "cat"])[codes]),
    "one-hot ints": lambda codes: np.eye(3, dtype=int)[codes],
    "one-hot bools": lambda codes: np.eye(3, dtype=bool)[codes],
    "one-hot floats": lambda codes: np.eye(3)[codes],
    "one-hot lists": lambda codes: np.eye(3)[codes].tolist(),
    "one-hot frame": lambda codes: pd.DataFrame(np.eye(3, dtype=int)[codes]),
}


@pytest.mark.parametrize("form", LABELS)
@EVERY_METRIC
@DTYPES
def test_labels_of_every_form_are_their_codes(form, metric, dtype, rng):
    """Whatever the labels are."""
    codes, proba, weights = random_problem(rng, dtype=dtype)
    expected = metric(codes, proba, sample_weight=weights)
    result = metric(LABELS[form](codes), proba, sample_weight=weights)
    assert result == pytest.approx(expected, rel=RTOL[dtype])


@EVERY_METRIC
def test_columns_are_paired_by_labels_and_by_name(metric, rng):
    """In the caller's order with `labels`, by name in pandas and polars, for labels and for soft targets."""
    codes, proba, weights = random_problem(rng)
    names, order = np.array(["ant", "bee", "cat"]), [2, 0, 1]
    targets, shuffled = random_targets(rng, codes), proba[:, order]
    frames = pd.DataFrame(shuffled, columns=names[order]), pl.DataFrame(shuffled, schema=list(names[order]))
    expected = pytest.approx(metric(codes, proba, sample_weight=weights), rel=EXACT)
    assert metric(names[codes], shuffled, labels=names[order], sample_weight=weights) == expected
    for frame in frames:
        assert metric(names[codes], frame, sample_weight=weights) == expected
    expected = pytest.approx(metric(targets, proba, sample_weight=weights), rel=EXACT)
    for frame in frames:
        assert metric(pd.DataFrame(targets, columns=names), frame, sample_weight=weights) == expected


@EVERY_METRIC
@FROM
@pytest.mark.parametrize("form", ["labels", "soft"])
def test_weight_2_is_the_row_twice_and_weight_0_the_row_gone(metric, from_logits, form, rng):
    """Integer weights are counts; the infinite loss of a row that weighs 0 makes no nan."""
    codes, proba, _ = random_problem(rng)
    y_true = random_targets(rng, codes) if form == "soft" else codes
    counts = rng.integers(0, 4, size=len(codes))
    counts[0] = 0
    proba[0] = np.eye(3)[(codes[0] + 1) % 3]
    with np.errstate(divide="ignore"):
        outputs = np.log(proba) if from_logits else proba
    options = {"from_logits": from_logits, "class_weight": [0.5, 3.0, 1.0], "eps": 0}
    repeated = metric(np.repeat(y_true, counts, 0), np.repeat(outputs, counts, 0), **options)
    assert metric(y_true, outputs, sample_weight=counts, **options) == pytest.approx(repeated, rel=1e-12)


@EVERY_METRIC
def test_ignored_rows_are_gone(metric, rng):
    """handle_unknown="ignore", the balance of the classes included."""
    codes, proba, weights = random_problem(rng)
    y_true = np.array(["a", "b", "c"])[codes]
    y_true[::5] = "?"
    known = y_true != "?"
    for class_weight in (None, "balanced", {"a": 3.0}):
        options = {"labels": ["a", "b", "c"], "class_weight": class_weight}
        expected = metric(y_true[known], proba[known], sample_weight=weights[known], **options)
        result = metric(y_true, proba, sample_weight=weights, handle_unknown="ignore", **options)
        assert result == pytest.approx(expected, rel=1e-12)


@LOSSES
@FROM
def test_clipped_rows_cost_minus_log_eps(metric, from_logits):
    """A label without a column counts as predicted with probability 0 in every loss."""
    outputs = np.log([[0.5, 0.5]] * 2) if from_logits else [[0.5, 0.5]] * 2
    options = {"labels": ["a", "b"], "handle_unknown": "clip", "from_logits": from_logits, "reduction": "none"}
    for eps, expected in (("auto", -math.log(np.finfo(float).eps)), (1e-3, -math.log(1e-3)), (0, math.inf)):
        rows = metric(["a", "z"], outputs, eps=eps, **options)
        assert rows[1] == pytest.approx(expected, rel=1e-12)
        assert rows[0] == pytest.approx(math.log(2) / (4 if metric is focal_loss else 1), rel=1e-12)


@EVERY_METRIC
def test_unknown_labels_are_an_error_by_default(metric):
    """Named, with what can be done."""
    with pytest.raises(ValueError, match=r"labels \['z'\] that no column.*handle_unknown"):
        metric(["a", "z"], [[0.5, 0.5]] * 2, labels=["a", "b"])


@LOSSES
@DTYPES
def test_units_reductions_and_kinds_of_results(metric, dtype, rng):
    """base divides by its logarithm; rows sum to the sum; floats are Python's, rows of the outputs' dtype."""
    codes, proba, weights = random_problem(rng, dtype=dtype)
    rows, total = (metric(codes, proba, sample_weight=weights, reduction=r) for r in ("none", "sum"))
    mean = metric(codes, proba, sample_weight=weights)
    assert rows.shape == codes.shape
    assert rows.dtype == dtype
    assert type(total) is type(mean) is float
    assert rows.sum(dtype=float) == pytest.approx(total, rel=RTOL[dtype])
    assert total / weights.sum() == pytest.approx(mean, rel=RTOL[dtype])
    in_bits = metric(codes, proba, sample_weight=weights, reduction="none", base=2)
    assert_allclose(in_bits, rows / math.log(2), rtol=RTOL[dtype])


@pytest.mark.parametrize("metric", [perplexity, d2_cross_entropy_score])
@DTYPES
def test_numbers_are_python_floats(metric, dtype, rng):
    """Not NumPy scalars, in the guarded cases too."""
    codes, proba, weights = random_problem(rng, dtype=dtype)
    assert type(metric(codes, proba, sample_weight=weights)) is float
    assert type(metric(codes[:1], proba[:1], labels=range(3))) is float


@EVERY_METRIC
def test_logits_are_never_clipped(metric, rng):
    """The logits of a softmax with what is added to a row, and eps, make no difference."""
    codes, _, weights = random_problem(rng)
    logits = 3 * rng.normal(size=(len(codes), 3))
    options = {"from_logits": True, "sample_weight": weights}
    expected = pytest.approx(metric(codes, softmax(logits, axis=1), sample_weight=weights), rel=1e-11)
    assert metric(codes, logits, **options) == expected
    assert metric(codes, logits + 1e3 * rng.normal(size=(len(codes), 1)), **options) == expected
    assert metric(codes, log_softmax(logits, axis=1), eps=0.4, **options) == expected


@EVERY_METRIC
def test_inputs_are_left_as_they_were(metric, rng):
    """Read-only arrays are fine."""
    codes, proba, weights = random_problem(rng)
    targets = random_targets(rng, codes)
    for array in (codes, proba, weights, targets):
        array.setflags(write=False)
    for y_true in (codes, targets):
        for from_logits in (False, True):
            metric(y_true, proba, sample_weight=weights, from_logits=from_logits, class_weight="balanced")
