"""The multilabel cross-entropy: each entry by its formula with 50 digits, each average by loops over known entries.

Agreement with PyTorch is in test_peers.py, memory in test_memory.py, bad input also in test_validation.py.
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
from scipy.special import logit
from sklearn.metrics import log_loss

from skce import binary_cross_entropy_loss, multilabel_cross_entropy_loss

EXACT = 1e-13  # float64: a few roundings of a log, and another order of the sum
RTOL = {np.float64: EXACT, np.float32: 2e-6}  # float32: the log of a rounded probability, 16 eps
DTYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32])
AVERAGES = pytest.mark.parametrize("average", ["micro", "macro", "samples", None])


@pytest.fixture
def rng():
    return np.random.default_rng(20250107)


def random_problem(rng, n=23, n_labels=4, dtype=np.float64, unknown=0.0):
    """0/1 targets as floats, some of them nan; probabilities away from any eps; weights that are sometimes 0.

    Probabilities are multiples of 2^-12, so that 1 - p is exact in float32 too, and no oracle has to round with us.
    """
    y_true = rng.integers(2, size=(n, n_labels)).astype(dtype)
    y_true[rng.uniform(size=y_true.shape) < unknown] = np.nan
    proba = (rng.integers(40, 4056, size=(n, n_labels)) / 4096).astype(dtype)
    weights = rng.exponential(size=n) * (rng.uniform(size=n) > 0.15)
    return y_true, proba, weights


def entries(y_true, y_proba, *, pos_weight=1.0, label_smoothing=0.0, from_logits=False):
    """-w y log p - (1 - y) log(1 - p) of each entry with 50 digits, nan where the target is."""
    pos_weight = np.broadcast_to(pos_weight, y_true.shape[1:])
    result = np.full(y_true.shape, np.nan)
    with mpmath.workdps(50):
        for i, j in np.argwhere(~np.isnan(y_true)):
            y = (1 - mpmath.mpf(label_smoothing)) * mpmath.mpf(float(y_true[i, j])) + mpmath.mpf(label_smoothing) / 2
            x = mpmath.mpf(float(y_proba[i, j]))
            no, yes = (1 / (1 + mpmath.exp(x)), 1 / (1 + mpmath.exp(-x))) if from_logits else (1 - x, x)
            result[i, j] = float(-float(pos_weight[j]) * y * mpmath.log(yes) - (1 - y) * mpmath.log(no))
    return result


def averaged(losses, average, weights=None):
    """The mean of each kind over known entries, written out."""
    weights = np.ones(len(losses)) if weights is None else weights
    known = ~np.isnan(losses)
    s = weights[:, None] * known
    filled = np.where(known, losses, 0.0)
    if average == "micro":
        return math.fsum((s * filled).ravel()) / s.sum()
    if average == "samples":
        rows = [i for i in range(len(losses)) if known[i].any()]
        means = [losses[i][known[i]].mean() for i in rows]
        return np.average(means, weights=weights[rows])
    means = [
        np.average(losses[known[:, j], j], weights=weights[known[:, j]]) if s[:, j].sum() > 0 else math.nan
        for j in range(losses.shape[1])
    ]
    return np.nanmean(means) if average == "macro" else np.array(means)


# --- the formula and the averages -------------------------------------------------------------------------------------


@AVERAGES
@DTYPES
@pytest.mark.parametrize("unknown", [0.0, 0.3])
@pytest.mark.parametrize("weighted", [False, True])
def test_each_average_is_that_of_the_known_entries(average, dtype, unknown, weighted, rng):
    """Over all entries, labels' means, rows' means, or for each label, with random weights."""
    y_true, proba, weights = random_problem(rng, dtype=dtype, unknown=unknown)
    weights = weights if weighted else None
    expected = averaged(entries(y_true, proba), average, weights)
    result = multilabel_cross_entropy_loss(y_true, proba, average=average, sample_weight=weights)
    assert_allclose(result, expected, rtol=RTOL[dtype])


def test_the_averages_differ_where_labels_are_unknown():
    """By hand: entries of 1, 2 and 4 bits; the unknown one counts nowhere."""
    y_true, proba = [[1, 1], [1, np.nan]], [[0.5, 0.25], [0.0625, 0.9]]
    expected = {"micro": 7 / 3, "macro": ((1 + 4) / 2 + 2) / 2, "samples": ((1 + 2) / 2 + 4) / 2}
    for average, value in expected.items():
        assert multilabel_cross_entropy_loss(y_true, proba, average=average, base=2) == pytest.approx(value, rel=EXACT)
    assert_allclose(multilabel_cross_entropy_loss(y_true, proba, average=None, base=2), [2.5, 2], rtol=EXACT)


@AVERAGES
def test_all_averages_are_one_where_all_is_known_and_each_row_counts_once(average, rng):
    """A full table without weights: the mean of means is the mean."""
    y_true, proba, _ = random_problem(rng)
    result = multilabel_cross_entropy_loss(y_true, proba, average=average)
    assert np.mean(result) == pytest.approx(multilabel_cross_entropy_loss(y_true, proba), rel=EXACT)


def test_each_label_is_a_log_loss_of_its_own(rng):
    """average=None is scikit-learn's log_loss, and our binary loss, column by column over its known rows."""
    y_true, proba, weights = random_problem(rng, n=60, unknown=0.3)
    result = multilabel_cross_entropy_loss(y_true, proba, average=None, sample_weight=weights)
    for j, value in enumerate(result):
        known = ~np.isnan(y_true[:, j])
        rows = y_true[known, j], proba[known, j]
        assert value == pytest.approx(log_loss(*rows, sample_weight=weights[known], labels=[0, 1]), rel=EXACT)
        assert value == pytest.approx(binary_cross_entropy_loss(*rows, sample_weight=weights[known]), rel=EXACT)


def test_both_terms_count():
    """A label that is not there and was predicted costs what one that is there and was not costs."""
    assert multilabel_cross_entropy_loss([[0, 0]], [[0.75, 0.5]], base=2) == pytest.approx((2 + 1) / 2, rel=EXACT)
    assert multilabel_cross_entropy_loss([[1, 0]], [[0.25, 0.5]], base=2) == pytest.approx((2 + 1) / 2, rel=EXACT)


@AVERAGES
@DTYPES
@pytest.mark.parametrize("label_smoothing", [0.0, 0.3])
@pytest.mark.parametrize("pos_weight", [None, 2.5, [0.3, 2.0, 0.0, 1.0]], ids=str)
@pytest.mark.parametrize("soft", [False, True])
def test_every_option_at_once_equals_the_formula(average, dtype, label_smoothing, pos_weight, soft, rng):
    """Smoothing towards one half, a weight of the labels that are there, soft targets, nan, weights, bits."""
    y_true, proba, weights = random_problem(rng, dtype=dtype, unknown=0.2)
    if soft:
        y_true = np.where(np.isnan(y_true), np.nan, rng.uniform(size=y_true.shape)).astype(dtype)
    losses = entries(
        y_true, proba, pos_weight=1.0 if pos_weight is None else pos_weight, label_smoothing=label_smoothing
    )
    options = {"label_smoothing": label_smoothing, "pos_weight": pos_weight, "sample_weight": weights, "base": 2}
    result = multilabel_cross_entropy_loss(y_true, proba, average=average, **options)
    assert_allclose(result, averaged(losses, average, weights) / math.log(2), rtol=2 * RTOL[dtype])
    rows = multilabel_cross_entropy_loss(y_true, proba, reduction="none", **options)
    expected = np.where(np.isnan(losses), 0, losses * weights[:, None]) / math.log(2)
    assert_allclose(rows, expected, rtol=10 * RTOL[dtype])
    total = multilabel_cross_entropy_loss(y_true, proba, reduction="sum", **options)
    assert total == pytest.approx(math.fsum(expected.ravel()), rel=2 * RTOL[dtype])


@DTYPES
@pytest.mark.parametrize("size", [1.0, 30.0, 1e3])
@pytest.mark.parametrize("options", [{}, {"pos_weight": [3.0, 0.5, 1.0, 0.0], "label_smoothing": 0.1}], ids=str)
def test_logits_equal_the_formula(dtype, size, options, rng):
    """Also where the probability is 1 to all digits: the loss is computed from the logit."""
    y_true, _, weights = random_problem(rng, dtype=dtype, unknown=0.2)
    logits = (rng.normal(size=y_true.shape) * size).astype(dtype)
    with mpmath.workdps(50 if size < 1e3 else 1800):  # 1 + exp(-z) keeps its digits
        losses = np.full(y_true.shape, np.nan)
        w, e = np.broadcast_to(options.get("pos_weight", 1.0), 4), options.get("label_smoothing", 0)
        for i, j in np.argwhere(~np.isnan(y_true)):
            z, y = mpmath.mpf(float(logits[i, j])), (1 - e) * float(y_true[i, j]) + e / 2
            yes, no = mpmath.log(1 + mpmath.exp(-z)), mpmath.log(1 + mpmath.exp(z))
            losses[i, j] = float(float(w[j]) * y * yes + (1 - y) * no)
    rows = multilabel_cross_entropy_loss(y_true, logits, from_logits=True, reduction="none", **options)
    assert_allclose(rows, np.where(np.isnan(losses), 0, losses), rtol=10 * RTOL[dtype], atol=np.finfo(dtype).tiny)
    result = multilabel_cross_entropy_loss(y_true, logits, from_logits=True, sample_weight=weights, **options)
    assert result == pytest.approx(averaged(losses, "micro", weights), rel=RTOL[dtype])


@pytest.mark.parametrize("y_true", [0, 1, 0.5])
def test_a_logit_of_9200_costs_9200(y_true):
    """Nothing passes through a clipped probability."""
    for z in (9200.7, -9200.7, 1e30):
        expected = max(-z, 0) * y_true + max(z, 0) * (1 - y_true)
        result = multilabel_cross_entropy_loss([[y_true, 0]], [[z, -1e9]], from_logits=True, reduction="sum")
        assert result == pytest.approx(expected, rel=EXACT)


@pytest.mark.parametrize("y_true", [[[0, 1]], [[0.0, 0.5]], [[np.nan, 1.0]]], ids=str)
def test_a_logit_of_minus_infinity_where_the_label_is_not_costs_nothing(y_true):
    """Probability 0 of what is not there, or not known, adds 0; of what is there, infinity."""
    result = multilabel_cross_entropy_loss(y_true, [[-np.inf, 0.0]], from_logits=True, reduction="sum")
    assert result == pytest.approx(math.log(2), rel=EXACT)
    missed = multilabel_cross_entropy_loss([[1, 1], [0, 0]], [[-np.inf, 0.0]] * 2, from_logits=True, average=None)
    assert_allclose(missed, [np.inf, math.log(2)], rtol=EXACT)


# --- targets and probabilities in every form --------------------------------------------------------------------------

FORMS = {
    "int": lambda y: y.astype(int),
    "bool": lambda y: y.astype(bool),
    "uint8": lambda y: y.astype(np.uint8),
    "float32": lambda y: y.astype(np.float32),
    "list": lambda y: y.astype(int).tolist(),
    "list of arrays": lambda y: list(y.astype(int)),
    "object": lambda y: y.astype(object),
    "Fortran": np.asfortranarray,
    "every second row": lambda y: np.repeat(y, 2, axis=0)[::2],
    "pandas": lambda y: pd.DataFrame(y.astype(int)),
    "pandas bool": lambda y: pd.DataFrame(y.astype(bool), columns=list("abcd")),
    "pandas nullable": lambda y: pd.DataFrame(y.astype(int)).astype("Int64"),
    "polars": lambda y: pl.DataFrame(y.astype(int), schema=list("abcd")),
}


@pytest.mark.parametrize("form", FORMS)
@AVERAGES
@DTYPES
def test_targets_of_every_form_are_the_same(form, average, dtype, rng):
    """An indicator matrix of ints, bools or floats, in NumPy, lists and frames."""
    y_true, proba, weights = random_problem(rng, dtype=dtype)
    expected = averaged(entries(y_true, proba), average, weights)
    result = multilabel_cross_entropy_loss(FORMS[form](y_true), proba, average=average, sample_weight=weights)
    assert_allclose(result, expected, rtol=RTOL[dtype])


@pytest.mark.parametrize(
    "missing",
    [
        lambda y: y.tolist(),
        lambda y: [[None if v != v else v for v in row] for row in y.tolist()],
        lambda y: np.where(np.isnan(y), None, y),
        lambda y: np.where(np.isnan(y), pd.NA, y),
        lambda y: pd.DataFrame(np.where(np.isnan(y), pd.NA, y)),
        lambda y: y.astype(np.float32),
        pd.DataFrame,
        lambda y: pd.DataFrame(y).astype("Int64"),
        lambda y: pd.DataFrame(y).astype("boolean"),
        lambda y: pl.DataFrame([[None if v != v else int(v) for v in row] for row in y.tolist()], orient="row"),
    ],
    ids=["nan", "None", "object None", "NA", "pandas NA", "float32", "pandas", "Int64", "boolean", "polars null"],
)
def test_unknown_labels_in_every_form(missing, rng):
    """nan, None, pandas.NA and a polars null all say that it is not known."""
    y_true, proba, weights = random_problem(rng, unknown=0.3)
    expected = averaged(entries(y_true, proba), "micro", weights)
    result = multilabel_cross_entropy_loss(missing(y_true), proba, sample_weight=weights)
    assert result == pytest.approx(expected, rel=EXACT)


@pytest.mark.parametrize(
    "form",
    [
        lambda columns: columns,
        lambda columns: [c.tolist() for c in columns],
        lambda columns: [np.asfortranarray(c) for c in columns],
        lambda columns: [pd.DataFrame(c) for c in columns],
    ],
    ids=["arrays", "lists", "Fortran", "frames"],
)
@DTYPES
def test_a_list_of_two_column_arrays_is_the_columns_of_1(form, dtype, rng):
    """What nearest neighbours and forests of scikit-learn predict: P(0) and P(1) of each label."""
    y_true, proba, weights = random_problem(rng, dtype=dtype, unknown=0.2)
    columns = [np.column_stack([1 - p, p]) for p in proba.T]
    expected = averaged(entries(y_true, proba), "micro", weights)
    result = multilabel_cross_entropy_loss(y_true, form(columns), sample_weight=weights)
    assert result == pytest.approx(expected, rel=RTOL[dtype])


def test_a_list_of_log_probabilities_is_a_list_of_logits(rng):
    """predict_log_proba of a forest: two logits for each label, of which the difference counts."""
    y_true, proba, weights = random_problem(rng)
    columns = [np.log(np.column_stack([1 - p, p])) for p in proba.T]
    expected = averaged(entries(y_true, proba), "micro", weights)
    result = multilabel_cross_entropy_loss(y_true, columns, from_logits=True, sample_weight=weights)
    assert result == pytest.approx(expected, rel=1e-12)  # one rounding of each logarithm


FRAMES = pytest.mark.parametrize(
    "frame",
    [lambda p, names: pd.DataFrame(p, columns=names), lambda p, names: pl.DataFrame(p, schema=list(names))],
    ids=["pandas", "polars"],
)


@FRAMES
@AVERAGES
def test_frames_are_paired_by_column_name(frame, average, rng):
    """Columns in another order are the same labels; average=None follows those of y_proba."""
    y_true, proba, weights = random_problem(rng, unknown=0.2)
    names, order = np.array(["ant", "bee", "cat", "dog"]), [2, 0, 3, 1]
    expected = averaged(entries(y_true, proba), average, weights)
    result = multilabel_cross_entropy_loss(
        frame(y_true[:, order], names[order]), frame(proba, names), average=average, sample_weight=weights
    )
    assert_allclose(result, expected, rtol=EXACT)


@FRAMES
def test_frames_with_other_names_are_an_error(frame, rng):
    """Never paired by position when names disagree."""
    y_true, proba, _ = random_problem(rng, n_labels=2)
    with pytest.raises(ValueError, match=r"columns of y_true, \['a', 'b'\], are not the classes \['a', 'c'\]"):
        multilabel_cross_entropy_loss(frame(y_true, ["a", "b"]), frame(proba, ["a", "c"]))


@pytest.mark.parametrize("names", [[0, 1, 2, 3], None], ids=["numbers", "default"])
def test_a_frame_beside_an_array_is_paired_by_position(names, rng):
    """An array has no names to disagree with."""
    y_true, proba, weights = random_problem(rng)
    result = multilabel_cross_entropy_loss(pd.DataFrame(y_true, columns=names), proba, sample_weight=weights)
    assert result == pytest.approx(averaged(entries(y_true, proba), "micro", weights), rel=EXACT)


@pytest.mark.parametrize("n", [1, 5, 40_000])
@pytest.mark.parametrize("n_labels", [1, 2, 7])
def test_one_row_one_label_and_several_blocks(n, n_labels, rng):
    """The sums of blocks add up, whatever the shape."""
    y_true, proba, weights = random_problem(rng, n=n, n_labels=n_labels)
    weights += 0.01
    losses = -np.log(np.where(y_true == 1, proba, 1 - proba))
    for average in ("micro", "macro", "samples"):
        result = multilabel_cross_entropy_loss(y_true, proba, average=average, sample_weight=weights)
        assert result == pytest.approx(averaged(losses, average, weights), rel=1e-12)  # the oracle's own sums
    assert_allclose(multilabel_cross_entropy_loss(y_true, proba, reduction="none"), losses, rtol=EXACT)


# --- what is not known ------------------------------------------------------------------------------------------------


@AVERAGES
def test_a_label_that_is_nowhere_known_is_nan_for_itself_and_left_out_of_means(average, rng):
    """average=None says nan for it; the other averages are those of the labels without it."""
    y_true, proba, weights = random_problem(rng, unknown=0.2)
    y_true[:, 1] = np.nan
    rest = [0, 2, 3]
    result = multilabel_cross_entropy_loss(y_true, proba, average=average, sample_weight=weights)
    expected = multilabel_cross_entropy_loss(y_true[:, rest], proba[:, rest], average=average, sample_weight=weights)
    if average is None:
        assert np.isnan(result[1])
        result = result[rest]
    assert_allclose(result, expected, rtol=EXACT)


@AVERAGES
def test_a_row_without_any_known_label_is_gone(average, rng):
    """It counts in no average, "samples" included."""
    y_true, proba, weights = random_problem(rng, unknown=0.2)
    y_true[3], y_true[7] = np.nan, np.nan
    rest = np.setdiff1d(np.arange(len(y_true)), [3, 7])
    result = multilabel_cross_entropy_loss(y_true, proba, average=average, sample_weight=weights + 0.1)
    expected = multilabel_cross_entropy_loss(
        y_true[rest], proba[rest], average=average, sample_weight=weights[rest] + 0.1
    )
    assert_allclose(result, expected, rtol=EXACT)


@AVERAGES
def test_a_label_known_in_rows_of_weight_0_only_is_nowhere_known(average):
    """0/0 is nan for that label and no warning."""
    y_true, proba = [[1, np.nan], [0, 1]], [[0.5, 0.5], [0.5, 0.25]]
    result = multilabel_cross_entropy_loss(y_true, proba, average=average, sample_weight=[1, 0], base=2)
    assert_array_equal(result, [1.0, np.nan] if average is None else 1.0)


@pytest.mark.parametrize(
    ("y_true", "weights"), [([[np.nan] * 2] * 2, None), ([[np.nan] * 2, [1, 0]], [1, 0])], ids=["all nan", "weights"]
)
@pytest.mark.parametrize(
    "options", [*({"average": a} for a in ("micro", "macro", "samples", None)), {"reduction": "sum"}], ids=str
)
def test_nothing_known_is_an_error(y_true, weights, options):
    """A mean of nothing is no number, nor one of rows that weigh nothing."""
    with pytest.raises(ValueError, match=r"no known label"):
        multilabel_cross_entropy_loss(y_true, np.full((2, 2), 0.5), sample_weight=weights, **options)


@pytest.mark.parametrize("from_logits", [False, True])
def test_a_prediction_that_is_nan_is_an_error_also_where_the_target_is_unknown(from_logits):
    """A broken prediction is broken whether or not it was to count, for logits as for probabilities."""
    with pytest.raises(ValueError, match=r"must be finite.*row 1 has nan"):
        multilabel_cross_entropy_loss([[0, 1], [np.nan, 1]], [[0.5, 0.5], [np.nan, 0.5]], from_logits=from_logits)


# --- weights ----------------------------------------------------------------------------------------------------------


@AVERAGES
@pytest.mark.parametrize("from_logits", [False, True])
def test_weight_2_is_the_row_twice_and_weight_0_the_row_gone(average, from_logits, rng):
    """Integer weights are counts, in each average."""
    y_true, proba, _ = random_problem(rng, unknown=0.2)
    outputs = logit(proba) if from_logits else proba
    counts = rng.integers(0, 4, size=len(y_true))
    options = {"average": average, "from_logits": from_logits, "pos_weight": [3, 1, 0.5, 2]}
    expected = multilabel_cross_entropy_loss(np.repeat(y_true, counts, 0), np.repeat(outputs, counts, 0), **options)
    result = multilabel_cross_entropy_loss(y_true, outputs, sample_weight=counts, **options)
    assert_allclose(result, expected, rtol=EXACT)


@AVERAGES
@pytest.mark.parametrize("from_logits", [False, True])
def test_a_row_of_weight_0_cannot_spoil_the_rest(average, from_logits):
    """An infinite loss times 0 counts 0, not nan."""
    outputs = [[-np.inf, 0.0], [0.0, -math.log(3)]] if from_logits else [[0.0, 0.5], [0.5, 0.25]]
    options = {"eps": 0, "from_logits": from_logits, "sample_weight": [0.0, 2.0], "base": 2}
    result = multilabel_cross_entropy_loss([[1, 1], [1, 1]], outputs, average=average, **options)
    assert_allclose(result, [1, 2] if average is None else 1.5, rtol=EXACT)


@pytest.mark.parametrize("from_logits", [False, True])
def test_a_row_of_weight_0_cannot_spoil_the_rows(from_logits):
    """The same for reduction="none"."""
    outputs = [[-np.inf, 0.0], [0.0, -math.log(3)]] if from_logits else [[0.0, 0.5], [0.5, 0.25]]
    options = {"eps": 0, "from_logits": from_logits, "sample_weight": [0.0, 2.0], "base": 2}
    result = multilabel_cross_entropy_loss([[1, 1], [1, 1]], outputs, reduction="none", **options)
    assert_allclose(result, [[0, 0], [2, 4]], rtol=EXACT)


def test_pos_weight_weighs_the_labels_that_are_there_and_no_denominator(rng):
    """One number for all labels is the number for each; the mean still divides by the number of entries."""
    y_true, proba, _ = random_problem(rng)
    plain, heavy = (multilabel_cross_entropy_loss(y_true, proba, pos_weight=w, reduction="none") for w in (None, 3))
    assert_allclose(heavy, np.where(y_true == 1, 3, 1) * plain, rtol=EXACT)
    assert multilabel_cross_entropy_loss(y_true, proba, pos_weight=3) == pytest.approx(heavy.mean(), rel=EXACT)
    for form in ([3], [3, 3, 3, 3], pd.Series([3, 3, 3, 3]), np.float32(3)):
        assert multilabel_cross_entropy_loss(y_true, proba, pos_weight=form) == pytest.approx(heavy.mean(), rel=EXACT)


def test_pos_weight_0_leaves_the_other_term(rng):
    """Also where the term left out is infinite."""
    result = multilabel_cross_entropy_loss([[1, 0]], [[0.0, 0.5]], pos_weight=0, eps=0, reduction="none", base=2)
    assert_array_equal(result, [[0, 1]])


# --- eps, reduction, what comes back ----------------------------------------------------------------------------------


@DTYPES
def test_auto_eps_is_the_precision_of_the_dtype(dtype):
    """A certain miss costs -log of it, a certain hit -log(1 - eps)."""
    eps = float(np.finfo(dtype).eps)
    proba = np.array([[0, 1, 0, 1]], dtype=dtype)
    rows = multilabel_cross_entropy_loss([[1, 0, 0, 1]], proba, reduction="none")[0]
    assert_allclose(rows, [-math.log(eps), -math.log(eps), eps, eps], rtol=1e-6)


def test_eps_0_is_infinite_where_the_loss_is():
    """And exactly 0 where the prediction is certain and right; smoothing needs both answers."""
    proba = [[0.0, 1.0, 0.0, 1.0]]
    rows = multilabel_cross_entropy_loss([[1, 0, 0, 1]], proba, eps=0, reduction="none")
    assert_array_equal(rows, [[np.inf, np.inf, 0, 0]])
    assert multilabel_cross_entropy_loss([[1, 0, 0, 1]], proba, eps=0) == math.inf
    assert multilabel_cross_entropy_loss([[0, 1, 0, 1]], proba, eps=0) == 0.0
    assert multilabel_cross_entropy_loss([[0, 1, 0, 1]], proba, eps=0, label_smoothing=0.1) == math.inf


@AVERAGES
def test_infinite_losses_make_infinite_means_not_nan(average):
    """Of their own labels and rows only."""
    result = multilabel_cross_entropy_loss([[1, 0], [0, 1]], [[0.0, 0.5], [0.5, 0.5]], eps=0, average=average, base=2)
    assert_array_equal(result, [np.inf, 1.0] if average is None else np.inf)


def test_sum_for_each_label(rng):
    """reduction="sum" adds all entries, or with average=None those of each label."""
    y_true, proba, weights = random_problem(rng, unknown=0.2)
    rows = multilabel_cross_entropy_loss(y_true, proba, sample_weight=weights, reduction="none")
    options = {"sample_weight": weights, "reduction": "sum"}
    assert_allclose(multilabel_cross_entropy_loss(y_true, proba, average=None, **options), rows.sum(0), rtol=EXACT)
    assert multilabel_cross_entropy_loss(y_true, proba, **options) == pytest.approx(rows.sum(), rel=EXACT)


@pytest.mark.parametrize("average", ["macro", "samples"])
def test_sum_of_means_is_an_error(average):
    """There is no sum over labels' or rows' means; the message says which averages have one."""
    with pytest.raises(ValueError, match=rf"'sum'.*'{average}'.*'micro'"):
        multilabel_cross_entropy_loss([[1, 0]], [[0.5, 0.5]], average=average, reduction="sum")


@DTYPES
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("from_logits", [False, True])
def test_kinds_of_results(dtype, weighted, from_logits, rng):
    """Numbers are Python floats, entries have the dtype of the outputs, labels' means float64."""
    y_true, proba, weights = random_problem(rng, dtype=dtype, unknown=0.2)
    options = {"sample_weight": weights if weighted else None, "from_logits": from_logits}
    for average in ("micro", "macro", "samples"):
        assert type(multilabel_cross_entropy_loss(y_true, proba, average=average, **options)) is float
    assert type(multilabel_cross_entropy_loss(y_true, proba, reduction="sum", **options)) is float
    assert multilabel_cross_entropy_loss(y_true, proba, average=None, **options).shape == (4,)
    rows = multilabel_cross_entropy_loss(y_true, proba, reduction="none", **options)
    assert rows.shape == y_true.shape
    assert rows.dtype == dtype


def test_inputs_are_left_as_they_were(rng):
    """Read-only arrays are fine, so nothing is written to."""
    y_true, proba, weights = random_problem(rng, unknown=0.2)
    for array in (y_true, proba, weights):
        array.setflags(write=False)
    for options in ({}, {"from_logits": True}, {"reduction": "none"}, {"label_smoothing": 0.1, "pos_weight": 2}):
        multilabel_cross_entropy_loss(y_true, proba, sample_weight=weights, **options)


# --- invariants -------------------------------------------------------------------------------------------------------

SEEDS = st.integers(0, 2**32 - 1)


@given(seed=SEEDS, average=st.sampled_from(["micro", "macro", "samples"]), from_logits=st.booleans())
def test_order_of_rows_and_of_labels_does_not_matter(seed, average, from_logits):
    """Any permutation of both, with pos_weight along."""
    rng = np.random.default_rng(seed)
    y_true, proba, weights = random_problem(rng, unknown=0.2)
    outputs = logit(proba) if from_logits else proba
    pos_weight, weights = rng.uniform(0.1, 3, size=4), weights + 0.01
    rows, labels = rng.permutation(len(y_true)), rng.permutation(4)
    options = {"average": average, "from_logits": from_logits}
    expected = multilabel_cross_entropy_loss(y_true, outputs, pos_weight=pos_weight, sample_weight=weights, **options)
    result = multilabel_cross_entropy_loss(
        y_true[rows][:, labels],
        outputs[rows][:, labels],
        pos_weight=pos_weight[labels],
        sample_weight=weights[rows],
        **options,
    )
    assert result == pytest.approx(expected, rel=1e-12)


@given(seed=SEEDS, from_logits=st.booleans())
def test_turning_all_answers_around_changes_nothing(seed, from_logits):
    """1 - y and 1 - p (minus the logit) is the same question asked the other way."""
    rng = np.random.default_rng(seed)
    y_true, proba, weights = random_problem(rng, unknown=0.2)
    outputs, turned = (logit(proba), -logit(proba)) if from_logits else (proba, 1 - proba)
    options = {"sample_weight": weights + 0.01, "label_smoothing": 0.1, "from_logits": from_logits}
    expected = multilabel_cross_entropy_loss(y_true, outputs, **options)
    assert multilabel_cross_entropy_loss(1 - y_true, turned, **options) == pytest.approx(expected, rel=1e-12)


@given(seed=SEEDS)
def test_soft_targets_are_their_own_best_prediction(seed):
    """The score is proper: no prediction beats the targets."""
    rng = np.random.default_rng(seed)
    targets, proba = rng.uniform(0.01, 0.99, size=(2, 9, 3))
    best = multilabel_cross_entropy_loss(targets, targets, average=None)
    assert (best <= multilabel_cross_entropy_loss(targets, proba, average=None)).all()


@pytest.mark.parametrize("options", [{}, {"reduction": "sum"}, {"average": "macro", "base": 1 + 1e-12}], ids=str)
def test_sums_beyond_the_largest_float_are_inf(options):
    """As of the other metrics, and no warning of NumPy's: here that of each label is finite, and their sum is not."""
    y_true, proba = np.eye(3)[[0, 1, 2, 0]], np.full((4, 3), 0.5)
    assert np.isfinite(multilabel_cross_entropy_loss(y_true, proba, pos_weight=1e308, average=None)).all()
    assert multilabel_cross_entropy_loss(y_true, proba, pos_weight=1e308, **options) == np.inf
