"""The decomposition against model-diagnostics and its formulas by hand, and laws that hold for any recalibration."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from scipy.special import entr, expit, log_softmax, logit, xlogy
from scipy.stats import entropy
from sklearn.isotonic import IsotonicRegression

from skce import cross_entropy_loss, decompose

TERMS = ["loss", "miscalibration", "discrimination", "uncertainty"]


def binary(seed=0, n=300, sharpness=1.5):
    """Answers, overconfident predictions, weights."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    return (rng.uniform(size=n) < expit(z)).astype(int), expit(sharpness * z + 0.2), rng.exponential(size=n)


def several(seed=0, n=400, k=4, sharpness=1.0):
    """Codes, predictions that are `sharpness` times too sure, weights."""
    rng = np.random.default_rng(seed)
    z = 1.5 * rng.normal(size=(n, k))
    truth = np.exp(log_softmax(z, axis=1))
    codes = (rng.uniform(size=(n, 1)) > truth.cumsum(axis=1)).sum(axis=1).clip(max=k - 1)
    return codes, np.exp(log_softmax(sharpness * z, axis=1)), rng.exponential(size=n)


def one(*args, **options):
    """The row of a single model."""
    frame = decompose(*args, **options)
    assert frame.index.tolist() == ["model"]
    return frame.loc["model"]


# --- right numbers ----------------------------------------------------------------------------------------------------


def test_by_hand():
    """Two values of p: one is right half the time, the other two times in three; then all are one group."""
    row = one([0, 1, 1, 0, 1], [0.2, 0.2, 0.9, 0.9, 0.9])
    loss = -(np.log(0.8) + np.log(0.2) + 2 * np.log(0.9) + np.log(0.1)) / 5
    refined = -(2 * np.log(1 / 2) + 2 * np.log(2 / 3) + np.log(1 / 3)) / 5
    uncertainty = -(3 * np.log(3 / 5) + 2 * np.log(2 / 5)) / 5
    assert_allclose(row[TERMS], [loss, loss - refined, uncertainty - refined, uncertainty], rtol=1e-14)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ties", [False, True])
def test_isotonic_by_the_formula(seed, weighted, ties):
    """Scikit-learn's isotonic regression and the mean losses written out."""
    y, p, s = binary(seed)
    p = p.round(1).clip(0.05, 0.95) if ties else p
    s = s if weighted else np.ones(len(y))

    def mean_loss(q):
        return -np.average(xlogy(y, q) + xlogy(1 - y, 1 - q), weights=s)

    fitted = IsotonicRegression(y_min=0, y_max=1).fit(p, y, s).predict(p)
    share = np.average(y, weights=s)
    loss, refined, uncertainty = mean_loss(p), mean_loss(fitted), entropy([share, 1 - share])
    row = one(y, p, sample_weight=s if weighted else None)
    assert_allclose(row[TERMS], [loss, loss - refined, uncertainty - refined, uncertainty], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_model_diagnostics_agrees(weighted):
    """Of two models at once, to 1e-6."""
    scoring = pytest.importorskip("model_diagnostics.scoring")
    y, p, s = binary(5)
    frame = pl.DataFrame({"a": p, "b": p[::-1].round(2).clip(0.01, 0.99)})
    weights = s if weighted else None
    expected = scoring.decompose(y, frame, weights=weights, scoring_function=scoring.LogLoss())
    result = decompose(y, frame, sample_weight=weights)
    assert result.index.tolist() == expected["model"].to_list() == ["a", "b"]
    for ours, theirs in zip(TERMS, ["score", *TERMS[1:]], strict=True):
        assert_allclose(result[ours], expected[theirs], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 2.0])
def test_softmax_finds_what_was_done_to_the_predictions(sharpness):
    """Of 4,000 rows whose true probabilities are known the terms are the true ones, within some standard errors."""
    codes, proba, _ = several(1, 4000, 4, sharpness)
    _, truth, _ = several(1, 4000, 4)
    row = one(codes, proba)
    conditional = entr(truth).sum(axis=1).mean()
    loss = -(truth * np.log(proba)).sum(axis=1).mean()
    uncertainty = entropy(truth.mean(axis=0))
    assert_allclose(
        row[TERMS], [loss, loss - conditional, uncertainty - conditional, uncertainty], atol=0.04
    )  # the standard deviation of a loss is near 0.7, over the root of 4,000 that is 0.011
    assert abs(row["miscalibration"] - (loss - conditional)) < 0.02  # a difference of losses varies less


def test_softmax_of_calibrated_predictions():
    """They have next to no miscalibration: a free linear map would lose k^2 / 2n = 0.03 nats by its own estimation."""
    values = [one(*several(seed, 1500, 10)[:2])["miscalibration"] for seed in range(6)]
    assert min(values) >= 0
    assert np.mean(values) < 0.005


# --- laws -------------------------------------------------------------------------------------------------------------


@given(st.integers(0, 10_000), st.integers(2, 5), st.sampled_from(["auto", "softmax"]), st.booleans())
def test_the_terms_add_up(seed, k, recalibration, soft):
    """To rounding, for labels and for distributions, whatever the recalibration; and the loss is the loss."""
    codes, proba, weights = several(seed, 40, k, 1.3)
    rng = np.random.default_rng(seed)
    y = rng.dirichlet(np.ones(k), size=40) if soft else codes
    labels = None if soft else range(k)
    row = one(y, proba, labels=labels, sample_weight=weights, recalibration=recalibration)
    total = row["uncertainty"] - row["discrimination"] + row["miscalibration"]
    assert total == pytest.approx(row["loss"], rel=1e-13)
    assert row["loss"] == pytest.approx(cross_entropy_loss(y, proba, labels=labels, sample_weight=weights), rel=1e-13)
    frequencies = np.average(y if soft else np.eye(k)[codes], axis=0, weights=weights)
    assert row["uncertainty"] == pytest.approx(entropy(frequencies), rel=1e-12)
    assert row["miscalibration"] >= -1e-15
    if recalibration == "auto" and k == 2:
        assert row["discrimination"] >= -1e-15


@pytest.mark.parametrize("k", [2, 3])
def test_weight_is_the_row_so_many_times(k):
    """Isotonic: weight 2 is the row twice. Any: weight 0 is the row gone, and all weights may be scaled."""
    codes, proba, _ = several(2, 90, k, 1.5)
    weights = np.random.default_rng(2).integers(0, 3, size=90)
    labels = range(k)
    row = one(codes, proba, labels=labels, sample_weight=weights)
    kept = weights > 0
    assert_allclose(one(codes[kept], proba[kept], labels=labels, sample_weight=weights[kept]), row, rtol=1e-12)
    assert_allclose(one(codes, proba, labels=labels, sample_weight=7.0 * weights), row, rtol=1e-5, atol=1e-6)
    if k == 2:
        rows = np.repeat(np.arange(90), weights)
        assert_allclose(one(codes[rows], proba[rows], labels=labels), row, rtol=1e-12, atol=1e-15)


def test_a_constant_prediction():
    """Knows nothing: no discrimination, and a miscalibration that is its divergence from the frequencies."""
    y, _, s = binary()
    share = np.average(y, weights=s)
    row = one(y, np.full(len(y), 0.8), sample_weight=s)
    assert row["discrimination"] == pytest.approx(0, abs=1e-15)
    assert row["miscalibration"] == pytest.approx(entropy([share, 1 - share], [0.8, 0.2]), rel=1e-12)


def test_perfect_order_is_all_discrimination():
    """Groups of one answer: 0 log 0 = 0, no clipping at the recalibrated 0 and 1."""
    row = one([0, 0, 1, 1], [0.1, 0.3, 0.6, 0.7])
    assert row["discrimination"] == row["uncertainty"] == pytest.approx(np.log(2))
    assert row["miscalibration"] == row["loss"]


@pytest.mark.parametrize("k", [2, 3])
def test_one_class_alone(k):
    """Nothing is uncertain; the loss is all miscalibration."""
    proba = np.random.default_rng(0).dirichlet(np.ones(k), size=30)
    row = one(["b"] * 30, proba, labels=list("abc")[:k])
    assert row["uncertainty"] == 0
    assert row["discrimination"] == pytest.approx(0, abs=2e-3)  # penalties keep a softmax from certainty
    assert row["loss"] == pytest.approx(row["miscalibration"], abs=2e-3)


def test_certain_predictions():
    """With eps=0 a wrong certain one costs infinity, which is miscalibration."""
    row = one([0, 1, 1, 0], [0.0, 1.0, 0.0, 0.5], eps=0)
    assert row["loss"] == row["miscalibration"] == np.inf
    assert np.isfinite([row["discrimination"], row["uncertainty"]]).all()
    codes, proba, _ = several(0, 40, 3)
    proba[0] = np.eye(3)[(codes[0] + 1) % 3]
    assert one(codes, proba, eps=0)["miscalibration"] == np.inf
    assert np.isfinite(one(codes, proba)[TERMS]).all()


# --- forms of input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recalibration", ["isotonic", "softmax"])
def test_forms_of_binary_predictions(recalibration):
    """One column, two columns, logits of either, soft targets that are certain: one result."""
    y, p, s = binary()
    options = {"sample_weight": s, "recalibration": recalibration}
    expected = one(y, p, **options)
    both = np.column_stack([1 - p, p])
    shifted = np.log(both) + np.random.default_rng(7).normal(size=(len(p), 1))
    forms = [(y, both, {}), (y, logit(p), {"from_logits": True}), (y, shifted, {"from_logits": True})]
    forms += [(np.array(["no", "yes"])[y], p, {"labels": ["no", "yes"]}), (np.eye(2)[y], both, {})]
    for targets, outputs, more in forms:
        assert_allclose(one(targets, outputs, **options, **more), expected, rtol=1e-7, atol=1e-9)


def test_soft_targets_of_two_classes():
    """The probability of the second class for each row, or both probabilities."""
    _, p, s = binary()
    y = np.random.default_rng(3).uniform(size=len(p))
    expected = one(np.column_stack([1 - y, y]), np.column_stack([1 - p, p]), sample_weight=s)
    assert_allclose(one(y, p, sample_weight=s), expected, rtol=1e-9)
    assert expected["uncertainty"] == pytest.approx(entropy([np.average(y, weights=s), 1 - np.average(y, weights=s)]))


def test_logits_of_several_classes():
    """Are those of their probabilities, and may be -inf."""
    codes, proba, _ = several(0, 200, 3, 2.0)
    logits = np.log(proba) + np.random.default_rng(7).normal(size=(200, 1))
    assert_allclose(one(codes, logits, from_logits=True), one(codes, proba), rtol=1e-5)
    logits[0, (codes[0] + 1) % 3] = -np.inf
    assert np.isfinite(one(codes, logits, from_logits=True)).all()


def test_several_models():
    """A mapping and a DataFrame of columns; each row is what the model alone has."""
    y, p, s = binary()
    y = np.array(["no", "yes"])[y]
    models = {"first": p, "second": p**2}
    expected = decompose(y, models, sample_weight=s)
    assert expected.index.name == "model"
    assert expected.columns.tolist() == TERMS
    for name, predictions in models.items():
        assert_array_equal(expected.loc[name], one(y, predictions, sample_weight=s))
    for frame in [pd.DataFrame(models), pl.DataFrame(models)]:
        assert_frame_equal(decompose(y, frame, sample_weight=s), expected)


def test_a_frame_of_classes_is_one_model():
    """Its columns are paired with the labels by name."""
    y, p, _ = binary()
    y = np.array(["no", "yes"])[y]
    assert_allclose(one(y, pd.DataFrame({"yes": p, "no": 1 - p})), one(y, p), rtol=1e-12)
    codes, proba, _ = several(0, 50, 3)
    named = pd.DataFrame(proba, columns=list("abc"))
    assert_allclose(one(np.array(list("abc"))[codes], named[["c", "a", "b"]]), one(codes, proba), rtol=1e-4)


def test_base_is_a_unit():
    """Bits are nats over log 2, bounds too; with a base below 1 numbers are negative, and low is still below high."""
    y, p, _ = binary()
    nats = one(y, p, confidence=0.9, n_resamples=50)
    assert_allclose(one(y, p, confidence=0.9, n_resamples=50, base=2), nats / np.log(2), rtol=1e-14)
    negative = one(y, p, confidence=0.9, n_resamples=50, base=0.5)
    for term in TERMS:
        assert_allclose(negative[f"{term}_low"], -nats[f"{term}_high"] / np.log(2), rtol=1e-14)


# --- intervals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [2, 3])
def test_intervals_are_reproducible(k):
    """The same numbers from the same seed, others from another; the values do not change by asking for intervals."""
    codes, proba, _ = several(0, 120, k, 2.0)
    options = {"confidence": 0.8, "n_resamples": 40}
    first = one(codes, proba, random_state=1, **options)
    assert_array_equal(first, one(codes, proba, random_state=1, **options))
    assert (first["loss_low"], first["loss_high"]) != tuple(
        one(codes, proba, random_state=2, **options)[["loss_low", "loss_high"]]
    )
    assert_array_equal(first[TERMS], one(codes, proba, random_state=1)[TERMS])
    assert first.index.tolist() == [*TERMS, *(f"{term}_{end}" for term in TERMS for end in ("low", "high"))]
    for term in TERMS:
        assert first[f"{term}_low"] <= first[term] <= first[f"{term}_high"]


def test_interval_of_the_loss_is_near_the_normal_one():
    """A mean of many rows: 1.645 standard errors to either side, within the noise of 400 resamples."""
    y, p, _ = binary(n=2000)
    row = one(y, p, confidence=0.9, n_resamples=400)
    losses = cross_entropy_loss(y, p, reduction="none")
    error = losses.std() / np.sqrt(2000)
    assert_allclose([row["loss"] - row["loss_low"], row["loss_high"] - row["loss"]], 1.645 * error, rtol=0.15)


def test_intervals_cover_the_truth():
    """Those of calibrated predictions hold the true terms about as often as they say, miscalibration 0 included.

    Of 60 samples of 300 rows 90% are 54; 46 or fewer have a chance of 0.2%. Percentiles would never hold the 0.
    """
    law = expit(np.random.default_rng(9).normal(size=1_000_000))
    uncertainty, conditional = entropy([law.mean(), 1 - law.mean()]), (entr(law) + entr(1 - law)).mean()
    truth = {"loss": conditional, "miscalibration": 0, "discrimination": uncertainty - conditional}
    hits = dict.fromkeys(truth, 0)
    for seed in range(60):
        rng = np.random.default_rng(seed)
        p = expit(rng.normal(size=300))
        y = (rng.uniform(size=300) < p).astype(int)
        row = one(y, p, confidence=0.9, n_resamples=100)
        for term, value in truth.items():
            hits[term] += row[f"{term}_low"] <= value <= row[f"{term}_high"]
    assert min(hits.values()) > 46, hits


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"recalibration": "platt"}, "Unknown recalibration 'platt'"),
        ({"recalibration": "isotonic"}, "for two classes, got 3: use 'softmax'"),
        ({"cv": 1}, "cv must be in"),
        ({"cv": 31}, "cv=31 folds need at least as many rows of positive weight, got 30"),
        ({"confidence": 1.0}, "confidence must be in"),
        ({"confidence": 0.9, "n_resamples": 1}, "n_resamples must be in"),
        ({"base": 1}, "base must not be 1"),
        ({"sample_weight": [1, 2]}, "sample_weight must have shape"),
        ({"random_state": "seed"}, "seed"),
    ],
)
def test_bad_options(options, message):
    """One clear error each."""
    codes, proba, _ = several(0, 30, 3)
    with pytest.raises(ValueError, match=message):
        decompose(codes, proba, **options)


@pytest.mark.parametrize(
    ("y_proba", "message"),
    [
        ({}, "at least one model"),
        ({"a": [0.1, 0.2]}, "as many rows"),
        ({"a": [0.1, 0.2, 1.3]}, r"in \[0, 1\]"),
        (pd.DataFrame({"no": [0.1, 0.2, 0.3], "yes": [0.9, 0.8, 0.7]}), "sum to 1 as those of two classes do"),
        (pd.DataFrame([[0.1, 0.2]] * 3, columns=["a", "a"]), "must not repeat"),
    ],
)
def test_bad_predictions(y_proba, message):
    """A frame whose columns are neither the classes nor models is not guessed at."""
    with pytest.raises(ValueError, match=message):
        decompose([0, 1, 1], y_proba)


def test_interval_of_the_uncertainty_covers_the_truth():
    """Nothing is fitted for it: its interval is not moved by the bias of the other terms."""
    rng, frequency, held = np.random.default_rng(0), 0.46, 0
    truth = -frequency * np.log(frequency) - (1 - frequency) * np.log(1 - frequency)
    for _ in range(60):
        y = (rng.random(200) < frequency).astype(int)
        row = decompose(y, np.full(200, frequency), labels=[0, 1], confidence=0.9, n_resamples=60).iloc[0]
        held += row["uncertainty_low"] <= truth <= row["uncertainty_high"]
    assert held >= 48  # 90% of 60 is 54, less twice the standard error is 49
