"""Comparisons against SciPy's paired t-test, against the cluster-robust formula in loops, and in simulations."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal
from scipy import stats
from scipy.special import expit

from skce import compare, cross_entropy_loss


def problem(seed=0, n=80):
    """Answers, two models' predictions, weights with some zeros, groups of unequal size."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    y = (rng.uniform(size=n) < expit(z)).astype(int)
    models = {"a": expit(z), "b": expit(1.5 * z + rng.normal(size=n))}
    weights = rng.exponential(size=n) * (rng.uniform(size=n) > 0.1)
    return y, models, weights, rng.geometric(0.15, size=n)


def row_losses(y, p):
    return cross_entropy_loss(y, p, reduction="none")


def test_without_weights_it_is_the_paired_t_test():
    """Mean, interval and p value are SciPy's."""
    y, models, _, _ = problem()
    test = stats.ttest_rel(row_losses(y, models["a"]), row_losses(y, models["b"]))
    interval = test.confidence_interval(0.9)
    frame = compare(y, models, confidence=0.9)
    assert frame.index.tolist() == [("a", "b")]
    assert frame.index.names == ["model", "reference"]
    row = frame.loc[("a", "b")]
    assert row["difference"] / row["standard_error"] == pytest.approx(test.statistic, rel=1e-12)
    assert_allclose(row[["low", "high", "p_value"]], [interval.low, interval.high, test.pvalue], rtol=1e-10)


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_it_is_the_formula(grouped, weighted):
    """Written out in loops; rows without weight count for nothing, neither do groups of them."""
    y, models, s, groups = problem(3)
    s = s if weighted else np.ones(80)
    groups = groups if grouped else np.arange(80)
    d = row_losses(y, models["a"]) - row_losses(y, models["b"])
    mean = sum(s[i] * d[i] for i in range(80)) / s.sum()
    present = sorted(set(groups[s > 0]))
    squares = sum((sum(s[i] * (d[i] - mean) for i in range(80) if groups[i] == g) / s.sum()) ** 2 for g in present)
    error = np.sqrt(len(present) / (len(present) - 1) * squares)
    reach = stats.t(len(present) - 1).ppf(0.975) * error
    p_value = 2 * stats.t(len(present) - 1).sf(abs(mean) / error)
    frame = compare(y, models, sample_weight=s if weighted else None, groups=groups if grouped else None)
    assert_allclose(frame.iloc[0], [mean, error, mean - reach, mean + reach, p_value], rtol=1e-10)


def test_groups_of_copies_are_one_row_each():
    """A row and its copies, as a group, say no more than the row; as rows of their own they pretend to."""
    y, models, _, _ = problem()
    rows = np.repeat(np.arange(80), 3)
    copies = {name: p[rows] for name, p in models.items()}
    assert_frame_equal(compare(y[rows], copies, groups=rows), compare(y, models), rtol=1e-10)
    assert (compare(y[rows], copies)["standard_error"] < 0.6 * compare(y, models)["standard_error"]).all()


def test_weights_scale_and_groups_have_any_name():
    """Neither matters."""
    y, models, s, groups = problem()
    expected = compare(y, models, sample_weight=s, groups=groups)
    named = np.array([f"patient {g}" for g in groups])
    assert_frame_equal(compare(y, models, sample_weight=9 * s, groups=named), expected, rtol=1e-10)
    assert_frame_equal(compare(y, models, sample_weight=s, groups=groups + 0.5), expected)


def test_pairs():
    """Every pair in order, or each against a reference; swapping turns the signs."""
    y, models, _, _ = problem()
    models["c"] = np.full(80, 0.5)
    every = compare(y, models)
    assert every.index.tolist() == [("a", "b"), ("a", "c"), ("b", "c")]
    against = compare(y, models, reference="b")
    assert against.index.tolist() == [("a", "b"), ("c", "b")]
    assert_allclose(against.loc[("a", "b")], every.loc[("a", "b")])
    turned = against.loc[("c", "b")]
    assert_allclose(turned[["difference", "low", "high"]], -every.loc[("b", "c")][["difference", "high", "low"]])
    assert every.loc[("a", "c"), "difference"] == pytest.approx(
        cross_entropy_loss(y, models["a"]) - cross_entropy_loss(y, models["c"]), rel=1e-12
    )
    assert_frame_equal(compare(y, pd.DataFrame(models)), every)


def test_several_classes_logits_and_base():
    """Everything that the loss takes."""
    rng = np.random.default_rng(0)
    y = np.array(list("xyz"))[rng.integers(3, size=50)]
    logits = {"a": rng.normal(size=(50, 3)), "b": rng.normal(size=(50, 3))}
    frame = compare(y, logits, from_logits=True, base=2)
    a, b = (cross_entropy_loss(y, z, from_logits=True, base=2, reduction="none") for z in logits.values())
    assert frame.iloc[0]["difference"] == pytest.approx((a - b).mean())
    assert frame.iloc[0]["p_value"] == pytest.approx(stats.ttest_rel(a, b).pvalue)


def test_the_same_predictions_twice():
    """Do not differ."""
    y, models, _, _ = problem()
    frame = compare(y, {"a": models["a"], "again": models["a"]})
    assert_allclose(frame.iloc[0], [0, 0, 0, 0, 1])


@pytest.mark.parametrize("grouped", [False, True])
def test_intervals_cover_the_truth(grouped):
    """90% of 400 intervals, give or take 3 standard errors of 1.5%; without the groups far fewer.

    200 groups, because a few rows of large losses make the mean's distribution skewed: 40 have 83%.
    """
    hits, naive = 0, 0
    truth = _true_difference()
    for seed in range(400):
        y, models, groups = _grouped_problem(seed, 200, 5 if grouped else 1)
        row = compare(y, models, groups=groups, confidence=0.9).iloc[0]
        hits += row["low"] <= truth <= row["high"]
        row = compare(y, models, confidence=0.9).iloc[0]
        naive += row["low"] <= truth <= row["high"]
    assert abs(hits / 400 - 0.9) < 0.045
    if grouped:
        assert naive / 400 < 0.7


def _grouped_problem(seed, n_groups, size):
    """Rows of a group have one logit in common; the second model is too sure of itself."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n_groups), size)
    z = rng.normal(size=n_groups)[groups]
    y = (rng.uniform(size=n_groups) < expit(z[::size])).astype(int)[groups]
    return y, {"a": expit(z), "b": expit(2 * z)}, groups


def _true_difference():
    """By integration over the logit."""
    z = np.linspace(-8, 8, 4001)
    density = stats.norm.pdf(z)

    def loss(q):
        return -(expit(z) * np.log(q) + expit(-z) * np.log(1 - q))

    return np.trapezoid(density * (loss(expit(z)) - loss(expit(2 * z))), z)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": [1, 2]}, r"groups must have shape \(80,\), got \(2,\)"),
        ({"groups": [[1], [1, 2]]}, r"groups must have shape \(80,\): one group"),
        ({"groups": [None, *range(79)]}, "groups must not be missing: row 0"),
        ({"groups": np.zeros(80)}, "at least two groups of positive weight, got 1"),
        ({"sample_weight": [1.0] + [0.0] * 79}, "at least two rows of positive weight, got 1"),
        ({"reference": "c"}, "reference must be one of the models"),
        ({"confidence": 0}, "confidence must be in"),
        ({"base": -2}, "base must be in"),
    ],
)
def test_bad_options(options, message):
    """One clear error each."""
    y, models, _, _ = problem()
    with pytest.raises(ValueError, match=message):
        compare(y, models, **options)


@pytest.mark.parametrize(
    ("y_proba", "message"),
    [
        ({"a": [0.1, 0.9]}, "at least two models"),
        ([0.1, 0.9], "at least two models"),
        ({"a": [0.1, 0.9], "b": [0.1, 0.9, 0.5]}, "as many rows"),
        ({"a": [0.1, 0.9], "b": [1.0, 0.9]}, "row 0 of 'b' is inf; raise eps"),
    ],
)
def test_bad_predictions(y_proba, message):
    """One model, models of other rows, losses that have no difference."""
    with pytest.raises(ValueError, match=message):
        compare([0, 1], y_proba, eps=0)
