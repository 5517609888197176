"""The metrics against scikit-learn, PyTorch and the formula written out, in every form that labels and outputs take.

Bad input is in test_validation.py.
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
from scipy.special import expit, log_expit, log_softmax
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_sample_weight

from skce import (
    SoftmaxCrossEntropy,
    binary_cross_entropy_loss,
    cross_entropy_loss,
    entropy,
    kl_divergence_loss,
    multilabel_cross_entropy_loss,
)

EXACT = 1e-14  # float64: a few roundings of a log, and another order of the sum
RTOL = {np.float64: EXACT, np.float32: 2e-6}  # float32: the log of a rounded probability, 16 eps
DTYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32])
METRICS = pytest.mark.parametrize("metric", [cross_entropy_loss, binary_cross_entropy_loss])


@pytest.fixture
def rng():
    return np.random.default_rng(20240607)


def random_problem(rng, k=3, n=41, dtype=np.float64):
    """Codes with every class among them, probabilities of (n, k) above any eps, weights that are sometimes 0."""
    codes = rng.permutation(np.arange(n) % k)
    proba = (0.999 * rng.dirichlet(np.full(k, 0.7), size=n) + 0.001 / k).astype(dtype)
    weights = rng.exponential(size=n) * (rng.uniform(size=n) > 0.1)
    return codes, proba, weights


def random_binary_problem(rng, n=41, dtype=np.float64):
    codes, proba, weights = random_problem(rng, k=2, n=n, dtype=dtype)
    return codes, proba[:, 1], weights


def formula(targets, log_proba, *, sample_weight=None, class_weight=None, label_smoothing=0.0):
    """Rows, sum and mean as the documentation writes them: loops, 50 digits, no tricks."""
    with mpmath.workdps(50):
        n, k = len(log_proba), len(log_proba[0])
        s = [mpmath.mpf(1)] * n if sample_weight is None else [mpmath.mpf(float(v)) for v in sample_weight]
        w = [mpmath.mpf(1)] * k if class_weight is None else [mpmath.mpf(float(v)) for v in class_weight]
        e = mpmath.mpf(label_smoothing)
        y = [[mpmath.mpf(float(v)) for v in row] for row in targets]
        rows = [
            -s[i]
            * sum(w[c] * ((1 - e) * y[i][c] + e / k) * mpmath.mpf(log_proba[i][c]) for c in range(k) if w[c] and s[i])
            for i in range(n)
        ]
        mass = sum(s[i] * sum(w[c] * y[i][c] for c in range(k)) for i in range(n))
        return np.array([float(row) for row in rows]), float(sum(rows)), float(sum(rows) / mass)


def logs(proba):
    """Logarithms to 50 digits of probabilities as they were rounded."""
    with mpmath.workdps(50):
        return [[mpmath.log(mpmath.mpf(float(p))) for p in row] for row in proba]


# --- labels of every kind ---------------------------------------------------------------------------------------------

# Three sorted classes, and what the labels are put in.
LABEL_KINDS = {
    "ints": ([0, 1, 2], np.array),
    "ints with gaps": ([-7, 3, 1_000_000_007], np.array),
    "small unsigned ints": (np.array([0, 200, 255], dtype=np.uint8), np.array),
    "large unsigned ints": (np.array([1, 2, 2**64 - 1], dtype=np.uint64), np.array),
    "small signed ints": (np.array([-128, 0, 127], dtype=np.int8), np.array),
    "whole floats": ([-1.0, 0.0, 4.0], np.array),
    "strings": (["ant", "bee", "cat"], np.array),
    "strings that look like numbers": (["1", "10", "2"], np.array),
    "strings beyond ASCII": (["a", "z", "é交"], np.array),
    "bytes": ([b"a", b"b", b"c"], np.array),
    "objects": (["ant", "bee", "cat"], lambda y: np.array(y, dtype=object)),
    "objects that are ints": ([4, 5, 9], lambda y: np.array(y, dtype=object)),
    "days": (np.array(["2020-01-01", "2020-01-02", "2021-01-01"], dtype="M8[D]"), np.array),
    "list of strings": (["ant", "bee", "cat"], list),
    "tuple of ints": ([4, 5, 9], tuple),
    "one column": (["ant", "bee", "cat"], lambda y: np.array(y)[:, None]),
    "pandas ints, odd index": ([4, 5, 9], lambda y: pd.Series(y, index=range(100, 100 - len(y), -1))),
    "pandas nullable ints": ([4, 5, 9], lambda y: pd.Series(y, dtype="Int64")),
    "pandas strings": (["ant", "bee", "cat"], pd.Series),
    "pandas string[python]": (["ant", "bee", "cat"], lambda y: pd.Series(y, dtype="string[python]")),
    "pandas object": (["ant", "bee", "cat"], lambda y: pd.Series(y, dtype=object)),
    "pandas categorical": (["ant", "bee", "cat"], pd.Categorical),
    "pandas categorical, other order, unused": (
        ["ant", "bee", "cat"],
        lambda y: pd.Series(pd.Categorical(y, categories=["zoo", "cat", "ant", "bee"], ordered=True)),
    ),
    "pandas categorical of ints": ([4, 5, 9], lambda y: pd.Series(pd.Categorical(y))),
    "pandas index": (["ant", "bee", "cat"], pd.Index),
    "pandas frame of one column": (["ant", "bee", "cat"], lambda y: pd.DataFrame({"y": y})),
    "polars strings": (["ant", "bee", "cat"], pl.Series),
    "polars ints": ([4, 5, 9], pl.Series),
    "polars categorical": (["ant", "bee", "cat"], lambda y: pl.Series(y, dtype=pl.Categorical)),
    "polars enum, other order": (["ant", "bee", "cat"], lambda y: pl.Series(y, dtype=pl.Enum(["cat", "ant", "bee"]))),
}


@pytest.mark.parametrize("kind", LABEL_KINDS)
@DTYPES
def test_labels_of_every_kind_equal_log_loss_of_their_codes(kind, dtype, rng):
    """Whatever the labels are, a column stands for each of them in sorted order."""
    classes, container = LABEL_KINDS[kind]
    codes, proba, weights = random_problem(rng, dtype=dtype)
    y_true = container(np.asarray(classes)[codes].tolist() if not isinstance(classes, np.ndarray) else classes[codes])
    expected = log_loss(codes, proba, sample_weight=weights)
    assert cross_entropy_loss(y_true, proba, sample_weight=weights) == pytest.approx(expected, rel=RTOL[dtype])


@pytest.mark.parametrize("kind", LABEL_KINDS)
def test_labels_name_the_columns_in_any_order(kind, rng):
    """`labels` is the class of each column, not a set: shuffled columns with shuffled labels give the same number."""
    classes, container = LABEL_KINDS[kind]
    codes, proba, weights = random_problem(rng)
    values = np.asarray(classes)[codes]
    y_true = container(values if isinstance(classes, np.ndarray) else values.tolist())
    order = np.array([2, 0, 1])
    labels = container(np.asarray(classes)[order].tolist() if not isinstance(classes, np.ndarray) else classes[order])
    result = cross_entropy_loss(y_true, proba[:, order], labels=labels, sample_weight=weights)
    assert result == pytest.approx(log_loss(codes, proba, sample_weight=weights), rel=EXACT)


@pytest.mark.parametrize(
    ("classes", "container"),
    [
        ([False, True], np.array),
        ([False, True], list),
        ([False, True], lambda y: np.array(y, dtype=object)),
        ([False, True], lambda y: pd.Series(y, dtype="boolean")),
        ([False, True], pl.Series),
        ([0, 1], np.array),
        ([-1, 1], np.array),
        ([3, 8], np.array),
        (["ham", "spam"], np.array),
        (["ham", "spam"], pd.Categorical),
        (["ham", "spam"], pl.Series),
    ],
)
@DTYPES
def test_two_classes_of_every_kind_and_form(classes, container, dtype, rng):
    """Both metrics, with the probabilities as (n,), (n, 1) and (n, 2), are log_loss."""
    codes, proba, weights = random_binary_problem(rng, dtype=dtype)
    y_true = container([classes[code] for code in codes])
    expected = pytest.approx(log_loss(codes, proba, sample_weight=weights), rel=RTOL[dtype])
    for metric in (cross_entropy_loss, binary_cross_entropy_loss):
        for form in (proba, proba[:, None], np.column_stack([1 - proba, proba]), list(proba), pd.Series(proba)):
            assert metric(y_true, form, sample_weight=weights) == expected


def test_fewer_classes_in_y_true_than_columns_are_fine_once_the_columns_are_known(rng):
    """A class that no row has is no reason to fail, where `labels` or the column names say which one."""
    codes, proba, weights = random_problem(rng, k=4)
    few = np.where(codes == 1, 3, codes)
    expected = log_loss(few, proba, labels=[0, 1, 2, 3], sample_weight=weights)
    named = pd.DataFrame(proba, columns=[0, 1, 2, 3])
    assert cross_entropy_loss(few, proba, labels=range(4), sample_weight=weights) == pytest.approx(expected, rel=EXACT)
    assert cross_entropy_loss(few, named, sample_weight=weights) == pytest.approx(expected, rel=EXACT)


@METRICS
@pytest.mark.parametrize(("label", "code"), [(0, 0), (1, 1), (-1, 0), (False, 0), (True, 1), (0.0, 0), (1.0, 1)])
def test_one_class_that_tells_which_of_two_it_is(metric, label, code, rng):
    """All 0 or all 1 is a common fold: which column it has is clear (scikit-learn's log_loss demands `labels`)."""
    _, proba, weights = random_binary_problem(rng)
    y_true = np.full(len(proba), label)
    expected = log_loss(np.full(len(proba), code), proba, labels=[0, 1], sample_weight=weights)
    for form in (proba, np.column_stack([1 - proba, proba])):
        assert metric(y_true, form, sample_weight=weights) == pytest.approx(expected, rel=EXACT)


# --- probabilities with names -----------------------------------------------------------------------------------------

FRAMES = pytest.mark.parametrize(
    "frame",
    [lambda p, names: pd.DataFrame(p, columns=names), lambda p, names: pl.DataFrame(p, schema=list(names))],
    ids=["pandas", "polars"],
)


@FRAMES
@DTYPES
def test_probability_frames_are_paired_by_column_name(frame, dtype, rng):
    """Shuffled columns give the same number: a name says more than a position."""
    codes, proba, weights = random_problem(rng, dtype=dtype)
    names = np.array(["ant", "bee", "cat"])
    order = [1, 2, 0]
    result = cross_entropy_loss(names[codes], frame(proba[:, order], names[order]), sample_weight=weights)
    expected = log_loss(codes, proba, sample_weight=weights)
    assert result == pytest.approx(expected, rel=RTOL[dtype])


@pytest.mark.parametrize("names", [[0, 1, 2], [-3, 5, 40], [0.0, 1.0, 2.0]], ids=str)
def test_probability_frames_with_numbers_for_names(names, rng):
    """Column names may be numbers, as in a frame made from `classes_`."""
    codes, proba, weights = random_problem(rng)
    order = [2, 0, 1]
    frame = pd.DataFrame(proba[:, order], columns=np.array(names)[order])
    result = cross_entropy_loss(np.array(names)[codes], frame, sample_weight=weights)
    assert result == pytest.approx(log_loss(codes, proba, sample_weight=weights), rel=EXACT)


@pytest.mark.parametrize("labels", [None, [0, 1, 2]])
def test_default_numbers_of_columns_in_reverse_are_names(labels, rng):
    """pandas keeps a range of numbers where a frame is reversed: these columns were put in that order."""
    codes, proba, _ = random_problem(rng)
    frame = pd.DataFrame(proba)
    for backwards in (frame[[2, 1, 0]], frame.iloc[:, ::-1], frame.sort_index(axis=1, ascending=False)):
        result = cross_entropy_loss(codes, backwards, labels=labels)
        assert result == pytest.approx(log_loss(codes, proba), rel=EXACT)
    assert cross_entropy_loss(codes, frame, labels=labels) == pytest.approx(log_loss(codes, proba), rel=EXACT)


@pytest.mark.parametrize("metric", [cross_entropy_loss, kl_divergence_loss, multilabel_cross_entropy_loss])
def test_default_numbers_of_columns_are_names_beside_the_same_in_another_order(metric, rng):
    """A frame that was made of an array, and one whose columns were put in order; with `labels` places may count."""
    proba, targets = rng.dirichlet([1, 1, 1], 20), rng.dirichlet([1, 1, 1], 20)
    expected, order = metric(targets, proba), [2, 0, 1]
    assert metric(pd.DataFrame(targets), pd.DataFrame(proba)[order]) == pytest.approx(expected, rel=EXACT)
    assert metric(pd.DataFrame(targets)[order], pd.DataFrame(proba)) == pytest.approx(expected, rel=EXACT)
    assert metric(targets[:, order], pd.DataFrame(proba)[order]) == pytest.approx(expected, rel=EXACT)
    if metric is not multilabel_cross_entropy_loss:
        frame = pd.DataFrame(proba[:, order])
        assert metric(pd.DataFrame(targets)[order], frame, labels=order) == pytest.approx(expected, rel=EXACT)
        assert metric(targets[:, order], frame, labels=order) == pytest.approx(expected, rel=EXACT)


def test_labels_of_pyarrow(rng):
    """Arrays and chunked arrays of strings, which NumPy cannot see without a copy."""
    pyarrow = pytest.importorskip("pyarrow", reason="labels that it holds; it is not among the test requirements")
    codes, proba, _ = random_problem(rng)
    names = np.array(["ant", "bee", "cat"])[codes].tolist()
    for labels in (pyarrow.array(names), pyarrow.chunked_array([names])):
        assert cross_entropy_loss(labels, proba) == pytest.approx(log_loss(codes, proba), rel=EXACT)


def test_labels_that_are_the_keys_of_a_dict(rng):
    """They have an order."""
    codes, proba, _ = random_problem(rng)
    result = cross_entropy_loss(codes, proba[:, [2, 0, 1]], labels={2: "c", 0: "a", 1: "b"}.keys())
    assert result == pytest.approx(log_loss(codes, proba), rel=EXACT)


def test_other_ranges_of_columns_are_names(rng):
    """pandas makes ranges of names that are numbers in a row."""
    codes, proba, _ = random_problem(rng)
    frame = pd.DataFrame({1: proba[:, 0], 2: proba[:, 1], 3: proba[:, 2]})
    expected = pytest.approx(log_loss(codes, proba), rel=EXACT)
    assert cross_entropy_loss(codes + 1, frame) == expected
    assert cross_entropy_loss(codes + 1, frame, labels=[3, 2, 1]) == expected
    with pytest.raises(
        ValueError, match=r"labels \[0\] that no column of y_proba stands for; the columns are \[1, 2, 3\]"
    ):
        cross_entropy_loss(codes, frame)


@FRAMES
def test_labels_never_override_column_names_by_position(frame, rng):
    """With the same names in another order in `labels`, the frame's own names pair the columns."""
    codes, proba, weights = random_problem(rng)
    names = np.array(["ant", "bee", "cat"])
    order = [1, 2, 0]
    result = cross_entropy_loss(names[codes], frame(proba[:, order], names[order]), labels=names, sample_weight=weights)
    assert result == pytest.approx(log_loss(codes, proba, sample_weight=weights), rel=EXACT)


@FRAMES
def test_binary_frame_is_paired_by_column_name(frame, rng):
    """The positive column of two is found by its name, with `labels`, with `pos_label` and with neither."""
    codes, proba, weights = random_binary_problem(rng)
    y_true = np.array(["no", "yes"])[codes]
    reversed_columns = frame(np.column_stack([proba, 1 - proba]), ["yes", "no"])
    expected = pytest.approx(log_loss(codes, proba, sample_weight=weights), rel=EXACT)
    assert binary_cross_entropy_loss(y_true, reversed_columns, sample_weight=weights) == expected
    assert binary_cross_entropy_loss(y_true, reversed_columns, pos_label="yes", sample_weight=weights) == expected
    assert binary_cross_entropy_loss(y_true, reversed_columns, pos_label="no", sample_weight=weights) == expected
    assert binary_cross_entropy_loss(y_true, reversed_columns, labels=["no", "yes"], sample_weight=weights) == expected


def test_a_frame_without_names_follows_labels(rng):
    """pandas numbers the columns of a frame made from a bare array: these are not names."""
    codes, proba, weights = random_problem(rng)
    names = np.array(["cat", "ant", "bee"])
    result = cross_entropy_loss(names[codes], pd.DataFrame(proba), labels=names, sample_weight=weights)
    assert result == pytest.approx(log_loss(codes, proba, sample_weight=weights), rel=EXACT)


# --- y_true as a matrix -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [
        lambda codes: np.eye(3, dtype=int)[codes],
        lambda codes: np.eye(3, dtype=bool)[codes],
        lambda codes: np.eye(3, dtype=np.float32)[codes],
        lambda codes: np.eye(3)[codes].tolist(),
        lambda codes: np.asfortranarray(np.eye(3)[codes]),
        lambda codes: pd.DataFrame(np.eye(3, dtype=int)[codes]),
        lambda codes: pl.DataFrame(np.eye(3, dtype=int)[codes], schema=["0", "1", "2"]),
    ],
    ids=["int", "bool", "float32", "list", "Fortran", "pandas", "polars"],
)
def test_one_hot_targets_are_labels(form, rng):
    """Categorical and sparse categorical cross-entropy are one function, with class weights and smoothing too."""
    codes, proba, weights = random_problem(rng)
    options = {"sample_weight": weights, "class_weight": [0.3, 2.0, 1.1], "label_smoothing": 0.2}
    result = cross_entropy_loss(form(codes), proba, **options)
    assert result == pytest.approx(cross_entropy_loss(codes, proba, **options), rel=EXACT)
    _, _, expected = formula(np.eye(3)[codes], logs(proba), **options)
    assert result == pytest.approx(expected, rel=EXACT)


@DTYPES
@pytest.mark.parametrize("class_weight", [None, [0.3, 2.0, 1.1, 0.0]])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.3])
def test_soft_targets_equal_the_formula(dtype, class_weight, label_smoothing, rng):
    """Distributions as targets: rows, sum and the mean's divisor sum_i s_i sum_c w_c y_ic."""
    _, proba, weights = random_problem(rng, k=4, dtype=dtype)
    targets = rng.dirichlet(np.ones(4), size=len(proba)).astype(dtype)
    options = {"sample_weight": weights, "class_weight": class_weight, "label_smoothing": label_smoothing}
    rows, total, mean = formula(targets, logs(proba), **options)
    rtol = RTOL[dtype]
    assert_allclose(cross_entropy_loss(targets, proba, reduction="none", **options), rows, rtol=10 * rtol)
    assert cross_entropy_loss(targets, proba, reduction="sum", **options) == pytest.approx(total, rel=rtol)
    assert cross_entropy_loss(targets, proba, **options) == pytest.approx(mean, rel=rtol)


def test_target_frames_are_paired_with_probability_frames_by_name(rng):
    """Soft targets and probabilities whose columns are in different orders."""
    _, proba, weights = random_problem(rng)
    targets = rng.dirichlet(np.ones(3), size=len(proba))
    names = np.array(["ant", "bee", "cat"])
    y_frame = pd.DataFrame(targets[:, [2, 0, 1]], columns=names[[2, 0, 1]])
    p_frame = pl.DataFrame(proba[:, [1, 0, 2]], schema=list(names[[1, 0, 2]]))
    _, _, expected = formula(targets, logs(proba), sample_weight=weights)
    assert cross_entropy_loss(y_frame, p_frame, sample_weight=weights) == pytest.approx(expected, rel=EXACT)
    assert cross_entropy_loss(y_frame, proba, labels=names, sample_weight=weights) == pytest.approx(expected, rel=EXACT)


def test_two_column_targets_with_one_output(rng):
    """A (n, 2) target may meet the (n,) probability of the second class."""
    _, proba, weights = random_binary_problem(rng)
    targets = rng.dirichlet(np.ones(2), size=len(proba))
    both = np.column_stack([1 - proba, proba])
    _, _, expected = formula(targets, logs(both), sample_weight=weights)
    assert cross_entropy_loss(targets, proba, sample_weight=weights) == pytest.approx(expected, rel=1e-12)  # 1 - p
    codes = (targets[:, 1] > 0.5).astype(int)
    hard = cross_entropy_loss(np.eye(2, dtype=int)[codes], proba, sample_weight=weights)
    assert hard == pytest.approx(log_loss(codes, proba, sample_weight=weights), rel=EXACT)


@DTYPES
@pytest.mark.parametrize("label_smoothing", [0.0, 0.25])
def test_soft_binary_targets_equal_the_formula(dtype, label_smoothing, rng):
    """y_true may be the probability that a row is positive."""
    _, proba, weights = random_binary_problem(rng, dtype=dtype)
    soft = rng.uniform(size=len(proba)).astype(dtype)
    options = {"sample_weight": weights, "class_weight": [0.4, 3.0], "label_smoothing": label_smoothing}
    exact = proba.astype(np.float64)
    targets = np.column_stack([1 - soft.astype(np.float64), soft])
    _, _, expected = formula(targets, logs(np.column_stack([1 - exact, exact])), **options)
    assert binary_cross_entropy_loss(soft, proba, **options) == pytest.approx(expected, rel=RTOL[dtype] * 4)


def test_binary_float_labels_are_labels(rng):
    """0.0 and 1.0 throughout are classes; the soft reading agrees, so nothing depends on which it is."""
    codes, proba, weights = random_binary_problem(rng)
    expected = log_loss(codes, proba, sample_weight=weights)
    assert binary_cross_entropy_loss(codes.astype(float), proba, sample_weight=weights) == pytest.approx(expected)
    nearly = np.where(np.arange(len(codes)) == 0, np.clip(codes, 1e-12, 1 - 1e-12), codes)  # soft because of one row
    assert binary_cross_entropy_loss(nearly, proba, sample_weight=weights) == pytest.approx(expected, rel=1e-9)


# --- the positive class -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pos_label", ["ham", "spam"])
def test_pos_label_says_whose_probability_it_is(pos_label, rng):
    """One column is the probability of `pos_label`, whichever label sorts first."""
    codes, proba, weights = random_binary_problem(rng)
    y_true = np.array(["ham", "spam"])[codes]
    expected = log_loss(y_true == pos_label, proba, sample_weight=weights)
    result = binary_cross_entropy_loss(y_true, proba, pos_label=pos_label, sample_weight=weights)
    assert result == pytest.approx(expected, rel=EXACT)


def test_labels_are_the_negative_and_the_positive_class(rng):
    """`labels` in the other order than sorted turns the probability around."""
    codes, proba, weights = random_binary_problem(rng)
    y_true = np.array(["ham", "spam"])[codes]
    expected = log_loss(y_true == "ham", proba, sample_weight=weights)
    for metric in (cross_entropy_loss, binary_cross_entropy_loss):
        assert metric(y_true, proba, labels=["spam", "ham"], sample_weight=weights) == pytest.approx(expected)


@pytest.mark.parametrize("pos_label", ["ham", "spam"])
@pytest.mark.parametrize("labels", [None, ["ham", "spam"]])
@pytest.mark.parametrize("from_logits", [False, True])
def test_two_columns_follow_the_classes_whatever_pos_label_is(pos_label, labels, from_logits, rng):
    """All of predict_proba may be passed: naming the positive class, or the default labels, changes nothing."""
    codes, proba, weights = random_binary_problem(rng)
    y_true = np.array(["ham", "spam"])[codes]
    both = np.column_stack([1 - proba, proba])
    result = binary_cross_entropy_loss(
        y_true,
        np.log(both) if from_logits else both,
        pos_label=pos_label,
        labels=labels,
        sample_weight=weights,
        from_logits=from_logits,
    )
    assert result == pytest.approx(log_loss(codes, proba, sample_weight=weights), rel=1e-12)


@pytest.mark.parametrize("y_true", [["spam"] * 5, ["ham"] * 5], ids=["all positive", "none positive"])
def test_one_class_with_pos_label(y_true, rng):
    """With the positive class named, y_true may have one class of any kind."""
    proba = rng.uniform(size=5)
    expected = log_loss(np.array(y_true) == "spam", proba, labels=[False, True])
    assert binary_cross_entropy_loss(y_true, proba, pos_label="spam") == pytest.approx(expected, rel=EXACT)


def test_class_weight_dict_is_keyed_by_label_with_pos_label(rng):
    """A dict weighs labels, so the positive class does not change it; a sequence is (negative, positive)."""
    codes, proba, weights = random_binary_problem(rng)
    y_true = np.array(["ham", "spam"])[codes]
    expected = log_loss(codes, 1 - proba, sample_weight=weights * np.array([5.0, 0.5])[codes])
    for class_weight in ({"ham": 5.0, "spam": 0.5}, [0.5, 5.0]):
        result = binary_cross_entropy_loss(
            y_true, proba, pos_label="ham", class_weight=class_weight, sample_weight=weights
        )
        assert result == pytest.approx(expected, rel=1e-13)


# --- weights ----------------------------------------------------------------------------------------------------------


@DTYPES
@pytest.mark.parametrize("labels", [None, ["cat", "ant", "bee"]])
@pytest.mark.parametrize("class_weight", ["dict", "part of a dict", "balanced", "sequence"])
def test_class_weight_is_scikit_learns(class_weight, labels, dtype, rng):
    """Each form equals log_loss with the sample weights that scikit-learn makes of it."""
    classes = np.array(["ant", "bee", "cat"])
    codes, proba, weights = random_problem(rng, dtype=dtype)
    codes[:10] = 0  # so that "balanced" is not the same for all
    forms = {
        "dict": {"ant": 0.2, "bee": 3.0, "cat": 1.5},
        "part of a dict": {"bee": 3.0},
        "balanced": "balanced",
        "sequence": [{"ant": 0.2, "bee": 3.0, "cat": 1.5}[name] for name in labels or classes],
    }
    as_scikit_learn = forms["dict"] if class_weight == "sequence" else forms[class_weight]
    order = [0, 1, 2] if labels is None else [2, 0, 1]
    result = cross_entropy_loss(classes[codes], proba[:, order], labels=labels, class_weight=forms[class_weight])
    by_class = compute_sample_weight(as_scikit_learn, classes[codes])
    expected = log_loss(codes, proba, sample_weight=by_class)
    assert result == pytest.approx(expected, rel=RTOL[dtype])
    if class_weight != "balanced":
        result = cross_entropy_loss(
            classes[codes],
            proba[:, order],
            labels=labels,
            class_weight=forms[class_weight],
            sample_weight=weights,
        )
        expected = log_loss(codes, proba, sample_weight=weights * by_class)
        assert result == pytest.approx(expected, rel=RTOL[dtype])


@METRICS
def test_balanced_counts_sample_weights(metric, rng):
    """Weighted classes are balanced by their total weight: an integer weight is a repeated row."""
    codes, proba, _ = random_binary_problem(rng)
    codes[:12] = 0
    counts = rng.integers(0, 4, size=len(codes))
    repeated = np.repeat(codes, counts)
    expected = log_loss(repeated, np.repeat(proba, counts), sample_weight=compute_sample_weight("balanced", repeated))
    result = metric(codes, proba, sample_weight=counts, class_weight="balanced")
    assert result == pytest.approx(expected, rel=1e-13)


def test_balanced_gives_each_class_the_same_say(rng):
    """ "balanced" is the plain mean of the classes' mean losses, for labels and for soft targets."""
    codes, proba, weights = random_problem(rng)
    codes[:15] = 2
    rows = -np.log(proba[np.arange(len(codes)), codes])
    of_classes = [np.average(rows[codes == c], weights=weights[codes == c]) for c in range(3)]
    result = cross_entropy_loss(codes, proba, sample_weight=weights, class_weight="balanced")
    assert result == pytest.approx(np.mean(of_classes), rel=1e-13)
    soft = 0.9 * np.eye(3)[codes] + 0.1 * rng.dirichlet(np.ones(3), size=len(codes))
    mass = weights[:, None] * soft
    by_class = -(mass * np.log(proba)).sum(axis=0) / mass.sum(axis=0)
    result = cross_entropy_loss(soft, proba, sample_weight=weights, class_weight="balanced")
    assert result == pytest.approx(by_class.mean(), rel=1e-13)


def test_balanced_with_a_class_that_no_row_has(rng):
    """Absent classes do not count among those that are balanced: in the mean, and in the sum, which shows the scale."""
    codes, proba, _ = random_problem(rng, k=4)
    few = np.where(codes == 1, 3, codes)
    weights = compute_sample_weight("balanced", few)
    options = {"labels": range(4), "class_weight": "balanced"}
    expected = log_loss(few, proba, labels=range(4), sample_weight=weights)
    assert cross_entropy_loss(few, proba, **options) == pytest.approx(expected, rel=1e-13)
    total = log_loss(few, proba, labels=range(4), sample_weight=weights, normalize=False)
    assert cross_entropy_loss(few, proba, reduction="sum", **options) == pytest.approx(total, rel=1e-13)


@METRICS
@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_weight_2_is_the_row_twice_and_weight_0_the_row_gone(metric, from_logits, reduction, rng):
    """Integer weights are counts."""
    codes, proba, _ = random_binary_problem(rng)
    outputs = np.log(proba / (1 - proba)) if from_logits else proba
    counts = rng.integers(0, 4, size=len(codes))
    options = {"from_logits": from_logits, "reduction": reduction, "class_weight": {0: 0.5, 1: 3.0}}
    repeated = metric(np.repeat(codes, counts), np.repeat(outputs, counts), **options)
    assert metric(codes, outputs, sample_weight=counts, **options) == pytest.approx(repeated, rel=1e-13)


@METRICS
def test_a_row_of_weight_0_cannot_spoil_the_rest(metric):
    """An infinite loss times 0 counts 0, not nan, in rows and in means."""
    y_true, proba = [1, 0], [0.0, 0.25]
    options = {"eps": 0, "sample_weight": [0.0, 2.0]}
    assert metric(y_true, proba, **options) == pytest.approx(-math.log(0.75), rel=EXACT)
    assert_allclose(metric(y_true, proba, reduction="none", **options), [0, -2 * math.log(0.75)], rtol=EXACT)


@METRICS
@pytest.mark.parametrize("form", ["probabilities", "logits"])
def test_a_class_of_weight_0_cannot_spoil_the_rest(metric, form):
    """Nor does an infinite loss whose class weighs 0."""
    y_true = [1, 0]
    outputs = [0.0, 0.25] if form == "probabilities" else [-np.inf, math.log(1 / 3)]
    result = metric(y_true, outputs, eps=0, class_weight=[2.0, 0.0], from_logits=form == "logits")
    assert result == pytest.approx(-math.log(0.75), rel=EXACT)


@pytest.mark.parametrize("form", ["probabilities", "logits"])
def test_a_class_of_weight_0_cannot_spoil_the_rest_in_columns(form):
    """The same where each class has its column."""
    proba = np.array([[1.0, 0.0], [0.75, 0.25]])
    with np.errstate(divide="ignore"):
        outputs = proba if form == "probabilities" else np.log(proba)
    for y_true in ([1, 0], [[0.0, 1.0], [1.0, 0.0]]):
        result = cross_entropy_loss(y_true, outputs, eps=0, class_weight=[2.0, 0.0], from_logits=form == "logits")
        assert result == pytest.approx(-math.log(0.75), rel=EXACT)


@METRICS
@pytest.mark.parametrize("weights", [list, tuple, pd.Series, pl.Series, lambda w: w.astype(np.float32)])
def test_sample_weight_of_any_kind(metric, weights, rng):
    """Weights are read by position, as scikit-learn reads them."""
    codes, proba, _ = random_binary_problem(rng)
    w = rng.integers(1, 9, size=len(codes)).astype(float)
    assert metric(codes, proba, sample_weight=weights(w)) == pytest.approx(
        log_loss(codes, proba, sample_weight=w), rel=EXACT
    )


@METRICS
def test_scale_of_the_sample_weights_does_not_matter_to_the_mean(metric, rng):
    """The mean divides by their sum; the sum does not."""
    codes, proba, weights = random_binary_problem(rng)
    mean = metric(codes, proba, sample_weight=weights)
    assert metric(codes, proba, sample_weight=weights * 1e-9) == pytest.approx(mean, rel=1e-13)
    total = metric(codes, proba, sample_weight=weights, reduction="sum")
    assert metric(codes, proba, sample_weight=weights * 8, reduction="sum") == pytest.approx(8 * total, rel=1e-13)


# --- PyTorch ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch is the oracle here; it is not among the test requirements")


@DTYPES
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.15])
@pytest.mark.parametrize("class_weight", [None, [0.2, 3.0, 1.0, 0.7]])
def test_equals_pytorch_cross_entropy_of_indices(reduction, label_smoothing, class_weight, dtype, rng, torch):
    """torch.nn.functional.cross_entropy with class indices, its weighted mean included, on logits up to 1e3."""
    codes, _, _ = random_problem(rng, k=4)
    logits = (rng.normal(size=(len(codes), 4)) * 10.0 ** rng.uniform(-2, 3, size=(len(codes), 1))).astype(dtype)
    expected = torch.nn.functional.cross_entropy(
        torch.tensor(logits),
        torch.tensor(codes),
        weight=None if class_weight is None else torch.tensor(class_weight, dtype=torch.tensor(logits).dtype),
        label_smoothing=label_smoothing,
        reduction=reduction,
    ).numpy()
    result = cross_entropy_loss(
        codes,
        logits,
        from_logits=True,
        class_weight=class_weight,
        label_smoothing=label_smoothing,
        reduction=reduction,
    )
    # atol: PyTorch shifts by the largest logit and so rounds at its size, 1e3 eps
    assert_allclose(result, expected, rtol=RTOL[dtype] * 10, atol=1e3 * np.finfo(dtype).eps)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.15])
def test_equals_pytorch_cross_entropy_of_soft_targets_but_for_the_weighted_mean(label_smoothing, rng, torch):
    """Rows and sums agree. With class weights PyTorch's mean divides by n, so that its index and one-hot forms
    disagree; ours divides by the weight of the targets in both."""
    n, k = 41, 4
    logits, targets, w = rng.normal(size=(n, k)) * 5, rng.dirichlet(np.ones(k), size=n), np.array([0.2, 3.0, 1.0, 0.7])

    def theirs(reduction, weight):
        return torch.nn.functional.cross_entropy(
            torch.tensor(logits),
            torch.tensor(targets),
            weight=weight if weight is None else torch.tensor(weight),
            label_smoothing=label_smoothing,
            reduction=reduction,
        ).numpy()

    def ours(reduction, weight):
        return cross_entropy_loss(
            targets,
            logits,
            from_logits=True,
            class_weight=weight,
            label_smoothing=label_smoothing,
            reduction=reduction,
        )

    assert_allclose(ours("mean", None), theirs("mean", None), rtol=1e-13)
    for reduction in ("none", "sum"):
        assert_allclose(ours(reduction, w), theirs(reduction, w), rtol=1e-12)
    assert_allclose(ours("mean", w), theirs("mean", w) * n / (targets @ w).sum(), rtol=1e-13)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_equals_pytorch_binary_cross_entropy(reduction, rng, torch):
    """BCELoss and BCEWithLogitsLoss, with labels and with soft targets."""
    n = 41
    logits, soft = rng.normal(size=n) * 20, rng.uniform(size=n)
    for y_true in (soft, (soft > 0.5).astype(float)):
        with_logits = torch.nn.functional.binary_cross_entropy_with_logits(
            torch.tensor(logits), torch.tensor(y_true), reduction=reduction
        ).numpy()
        assert_allclose(
            binary_cross_entropy_loss(y_true, logits, from_logits=True, reduction=reduction),
            with_logits,
            rtol=1e-13,
            atol=1e-14,  # PyTorch subtracts numbers of the size of the logit
        )
        proba = expit(logits / 4)  # far enough from 0 and 1 for PyTorch's clamp and ours not to matter
        of_proba = torch.nn.functional.binary_cross_entropy(
            torch.tensor(proba), torch.tensor(y_true), reduction=reduction
        ).numpy()
        assert_allclose(binary_cross_entropy_loss(y_true, proba, reduction=reduction), of_proba, rtol=1e-12)


def test_class_weight_is_pytorchs_pos_weight_but_for_the_mean(rng, torch):
    """BCEWithLogitsLoss(pos_weight=w) is class_weight (1, w): same rows, but its mean divides by n."""
    n, w = 41, 7.0
    logits, soft = rng.normal(size=n) * 3, rng.uniform(size=n)

    def theirs(reduction):
        return torch.nn.functional.binary_cross_entropy_with_logits(
            torch.tensor(logits), torch.tensor(soft), pos_weight=torch.tensor(w), reduction=reduction
        ).numpy()

    options = {"from_logits": True, "class_weight": (1.0, w)}
    assert_allclose(binary_cross_entropy_loss(soft, logits, reduction="none", **options), theirs("none"), rtol=1e-13)
    assert_allclose(
        binary_cross_entropy_loss(soft, logits, **options), theirs("mean") * n / (1 + (w - 1) * soft).sum(), rtol=1e-13
    )


def test_equals_pytorch_nll_loss_of_log_probabilities(rng, torch):
    """NLLLoss takes log-probabilities: for us they are logits."""
    codes, proba, _ = random_problem(rng)
    expected = torch.nn.functional.nll_loss(torch.tensor(np.log(proba)), torch.tensor(codes)).item()
    assert cross_entropy_loss(codes, np.log(proba), from_logits=True) == pytest.approx(expected, rel=1e-13)


# --- label smoothing, base, eps ---------------------------------------------------------------------------------------


@DTYPES
@pytest.mark.parametrize("label_smoothing", [1e-3, 0.1, 0.999])
@pytest.mark.parametrize("class_weight", [None, [0.5, 0.0, 4.0]])
@pytest.mark.parametrize("from_logits", [False, True])
def test_label_smoothing_equals_the_formula(label_smoothing, class_weight, from_logits, dtype, rng):
    """Smoothed labels: -sum_c w_c ((1 - e) y_c + e / k) log p_c, over the unsmoothed weight of the labels."""
    codes, proba, weights = random_problem(rng, dtype=dtype)
    options = {"label_smoothing": label_smoothing, "class_weight": class_weight, "sample_weight": weights}
    outputs = np.log(proba) - rng.normal(size=(len(proba), 1)).astype(dtype) if from_logits else proba
    log_proba = log_softmax(outputs.astype(np.float64), axis=1) if from_logits else logs(proba)
    _, _, expected = formula(np.eye(3)[codes], log_proba, **options)
    result = cross_entropy_loss(codes, outputs, from_logits=from_logits, **options)
    assert result == pytest.approx(expected, rel=RTOL[dtype] * 2)


@pytest.mark.parametrize("from_logits", [False, True])
def test_two_class_label_smoothing_is_the_same_in_one_column_and_in_two(from_logits, rng):
    """Smoothing a sigmoid towards one half is smoothing a softmax over two classes."""
    codes, proba, weights = random_binary_problem(rng)
    both = np.column_stack([1 - proba, proba])
    one, two = (log_expit(10 * proba) - log_expit(-10 * proba), None) if from_logits else (proba, both)
    two = np.column_stack([np.zeros_like(one), one]) if from_logits else two
    options = {
        "label_smoothing": 0.2,
        "class_weight": [0.5, 3.0],
        "sample_weight": weights,
        "from_logits": from_logits,
    }
    expected = cross_entropy_loss(codes, two, **options)
    assert cross_entropy_loss(codes, one, **options) == pytest.approx(expected, rel=1e-13)
    assert binary_cross_entropy_loss(codes, one, **options) == pytest.approx(expected, rel=1e-13)
    assert binary_cross_entropy_loss(codes, two, **options) == pytest.approx(expected, rel=1e-13)


@METRICS
@pytest.mark.parametrize("base", [2, 10, math.e, 2.5])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_base_is_the_unit(metric, base, reduction, rng):
    """Another base divides every reduction by its logarithm."""
    codes, proba, weights = random_binary_problem(rng)
    in_nats = metric(codes, proba, sample_weight=weights, reduction=reduction)
    in_base = metric(codes, proba, sample_weight=weights, reduction=reduction, base=base)
    assert_allclose(in_base, in_nats / math.log(base), rtol=1e-14)


@METRICS
def test_a_coin_is_one_bit(metric):
    """Exactly: the logarithm of 2 in base 2."""
    assert metric([0, 1, 1], [0.5, 0.5, 0.5], base=2) == 1.0


@DTYPES
@METRICS
def test_auto_eps_clips_at_the_precision_of_the_dtype(metric, dtype):
    """As log_loss does: a certain miss costs -log of the machine epsilon, and a certain hit -log(1 - eps)."""
    eps = float(np.finfo(dtype).eps)
    for proba in (np.array([0.0, 0.0], dtype=dtype), np.array([[1.0, 0.0], [1.0, 0.0]], dtype=dtype)):
        assert metric([1, 1], proba) == pytest.approx(-math.log(eps), rel=RTOL[dtype])
        assert metric([1, 1], proba) == pytest.approx(log_loss([1, 1], proba, labels=[0, 1]), rel=RTOL[dtype])
        assert metric([0, 0], proba) == pytest.approx(eps, rel=1e-6)


@METRICS
def test_eps_is_the_least_probability(metric):
    """A number clips both ends there."""
    assert metric([1, 0], [0.0, 0.0], eps=0.1, reduction="none") == pytest.approx([-math.log(0.1), -math.log(0.9)])
    assert metric([1, 0], [0.05, 0.95], eps=0.1) == pytest.approx(-math.log(0.1))
    assert metric([1, 0], [0.2, 0.7], eps=0.1) == pytest.approx(log_loss([1, 0], [0.2, 0.7]), rel=EXACT)


@METRICS
@DTYPES
def test_eps_0_is_infinite_where_the_loss_is(metric, dtype):
    """And exactly 0 where the prediction is certain and right."""
    proba = np.array([0.0, 0.0, 1.0, 1.0, 1e-300 if dtype is np.float64 else 1e-40], dtype=dtype)
    for form in (proba, np.column_stack([1 - proba, proba])):
        rows = metric([0, 1, 0, 1, 1], form, eps=0, reduction="none")
        assert_array_equal(rows[:4], [0, np.inf, np.inf, 0])
        assert rows[4] == pytest.approx(-math.log(float(proba[4])), rel=1e-6)
        assert metric([0, 1, 0, 1, 1], form, eps=0) == math.inf
    assert metric([0, 1], np.array([0, 1], dtype=dtype), eps=0) == 0.0


def test_eps_0_with_targets_of_0_adds_nothing():
    """0 log 0 = 0, in soft targets of both metrics; with smoothing every class is needed."""
    assert cross_entropy_loss([[0.5, 0.5, 0.0]], [[0.25, 0.75, 0.0]], eps=0) == pytest.approx(
        -0.5 * math.log(0.25) - 0.5 * math.log(0.75), rel=EXACT
    )
    assert binary_cross_entropy_loss([0.0, 0.5], [0.0, 0.5], eps=0) == pytest.approx(math.log(2) / 2, rel=EXACT)
    assert binary_cross_entropy_loss([1.0, 0.5], [1.0, 0.5], eps=0) == pytest.approx(math.log(2) / 2, rel=EXACT)
    assert cross_entropy_loss([0], [[1.0, 0.0]], eps=0, label_smoothing=0.1) == math.inf


# --- logits -----------------------------------------------------------------------------------------------------------


@DTYPES
def test_logits_equal_log_loss_of_their_softmax(dtype, rng):
    """Where probabilities are exact enough the two forms agree, whatever is added to a row of logits."""
    codes, proba, weights = random_problem(rng, dtype=dtype)
    logits = np.log(proba) + rng.normal(size=(len(codes), 1)).astype(dtype)
    expected = log_loss(codes, proba, sample_weight=weights)
    result = cross_entropy_loss(codes, logits, from_logits=True, sample_weight=weights)
    assert result == pytest.approx(expected, rel=RTOL[dtype] * 10)


@DTYPES
def test_log_probabilities_are_logits(dtype, rng):
    """predict_log_proba may be passed as it is: the softmax of log-probabilities is the probabilities."""
    codes, proba, weights = random_problem(rng, dtype=dtype)
    rows = cross_entropy_loss(codes, np.log(proba), from_logits=True, reduction="none", sample_weight=weights)
    assert_allclose(
        rows,
        -weights * np.log(proba[np.arange(len(codes)), codes]),
        rtol=RTOL[dtype] * 10,
        atol=1e-6 * (dtype != np.float64),
    )


@METRICS
@pytest.mark.parametrize("size", [9200.7, 1e3, 1e8, 1e300])
def test_logits_never_pass_through_clipped_probabilities(metric, size):
    """A loss of 9200.7 is 9200.7, not the 36.04 of a probability clipped at 2e-16."""
    forms = [[size], [[size]], [[0.0, size]], [[-size / 2, size / 2]]]
    for form in forms:
        assert metric([0], form, from_logits=True, labels=[0, 1]) == pytest.approx(size, rel=EXACT)
        assert metric([1], form, from_logits=True, labels=[0, 1]) == 0.0


def test_large_float32_logits(rng):
    """float32 logits near the largest number overflow nowhere."""
    logits = np.array([[3e38, -3e38, 0.0], [0.0, 3e38, 1e38]], dtype=np.float32)
    assert_allclose(
        cross_entropy_loss([2, 2], logits, from_logits=True, labels=range(3), reduction="none"), [3e38, 2e38], rtol=1e-6
    )


@METRICS
def test_eps_does_not_touch_logits(metric):
    """`eps` is about probabilities only."""
    rows = metric([1, 0], [-50.0, 3.0], from_logits=True, eps=0.1, reduction="none")
    assert_allclose(rows, [50.0, 3.0 + math.log1p(math.exp(-3))], rtol=EXACT)


def test_minus_infinite_logits_add_nothing_where_the_target_is_0():
    """A masked class costs its own rows infinity and the others nothing."""
    masked = [[0.0, 1.0, -np.inf], [2.0, 0.0, -np.inf]]
    plain = cross_entropy_loss([0, 1], [[0.0, 1.0], [2.0, 0.0]], from_logits=True)
    assert cross_entropy_loss([0, 1], masked, from_logits=True, labels=range(3)) == pytest.approx(plain, rel=EXACT)
    one_hot = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    assert cross_entropy_loss(one_hot, masked, from_logits=True) == pytest.approx(plain, rel=EXACT)
    assert cross_entropy_loss([2, 1], masked, from_logits=True, labels=range(3)) == math.inf
    assert cross_entropy_loss([[0.5, 0.4, 0.1], [0, 1, 0]], masked, from_logits=True) == math.inf


@METRICS
@pytest.mark.parametrize("certain", [0, 1])
def test_minus_infinite_logits_of_two_classes(metric, certain):
    """Log-probabilities (0, -inf) of a certain prediction: a forest's predict_log_proba is full of them."""
    row = [-np.inf, -np.inf]
    row[certain] = 0.0
    logits = [row, [math.log(0.5), math.log(0.5)]]
    hit = metric([certain, 1 - certain], logits, from_logits=True, reduction="none")
    assert_allclose(hit, [0.0, math.log(2)], rtol=EXACT)
    miss = metric([1 - certain, certain], logits, from_logits=True, reduction="none")
    assert_allclose(miss, [np.inf, math.log(2)], rtol=EXACT)


def test_binary_logit_equals_two_logits(rng):
    """One logit is the difference of two, in both metrics."""
    codes, _, weights = random_binary_problem(rng)
    z = rng.normal(size=(len(codes), 2)) * 30
    expected = -np.average(log_softmax(z, axis=1)[np.arange(len(codes)), codes], weights=weights)
    options = {"from_logits": True, "sample_weight": weights}
    assert cross_entropy_loss(codes, z, **options) == pytest.approx(expected, rel=1e-13)
    assert binary_cross_entropy_loss(codes, z, **options) == pytest.approx(expected, rel=1e-13)
    assert binary_cross_entropy_loss(codes, z[:, 1] - z[:, 0], **options) == pytest.approx(expected, rel=1e-13)
    assert cross_entropy_loss(codes, z[:, 1] - z[:, 0], **options) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("k", [2, 3])
def test_losses_near_the_largest_float(k):
    """Sums over many blocks, other bases and weights may make inf: no warning, and no nan where nothing weighs."""
    n = 300_000
    z, weights = np.zeros((n, k)), np.ones(n)
    z[[5, -5], 1], weights[[5, -5]] = 1.5e308, 0
    y, options = np.zeros(n, int), {"labels": range(k), "from_logits": True}
    forms = [z] if k == 3 else [z, z[:, 1].copy()]
    for outputs in forms:
        assert_allclose(cross_entropy_loss(y, outputs, sample_weight=weights, **options), np.log(k))
        assert cross_entropy_loss(y, outputs, reduction="sum", **options) == np.inf
        assert cross_entropy_loss(y, outputs, reduction="none", base=1.01, **options).max() == np.inf
        assert (
            cross_entropy_loss(y, outputs, reduction="none", sample_weight=10 * weights + 10, **options).max() == np.inf
        )


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("eps", ["auto", 1e-3, 1e-20, 0])
@pytest.mark.parametrize("smoothing", [1e-9, 0.1, 0.9])
def test_a_smoothed_sum_is_the_sum_of_the_rows(smoothing, eps, dtype):
    """Logarithms of products of rows, of certain ones too, are those of the rows: one column and two."""
    rng = np.random.default_rng(0)
    p, y = rng.random(5000).astype(dtype), rng.integers(2, size=5000)
    p[:4], y[:4] = [0, 1, 1e-7, 1 - 1e-7], [0, 1, 1, 0]
    for proba in (p, np.column_stack([1 - p, p])):
        options = {"label_smoothing": smoothing, "eps": eps}
        rows = binary_cross_entropy_loss(y, proba, reduction="none", **options)
        total = binary_cross_entropy_loss(y, proba, reduction="sum", **options)
        assert_allclose(total, rows.sum(dtype=float), rtol=1e-12 if dtype == np.float64 else 1e-5)


@pytest.mark.parametrize("weight", [1e300, 1e-50])
def test_class_weights_that_single_precision_cannot_hold(weight):
    """An error, no nan and no 0; in double precision they are numbers like others."""
    p = np.array([0.1, 0.5])
    assert np.isfinite(binary_cross_entropy_loss([0, 1], p, class_weight=[weight, weight]))
    with pytest.raises(ValueError, match=r"class_weight has .*, which float32 cannot hold: pass float64"):
        binary_cross_entropy_loss([0, 1], p.astype(np.float32), class_weight=[weight, weight])
    with pytest.raises(ValueError, match=r"class_weight has .*, which float32 cannot hold: pass float64"):
        SoftmaxCrossEntropy(class_weight=[weight, 1]).value([0, 1], np.zeros((2, 2), np.float32))


# --- half precision ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [50, 300_000])
def test_half_precision_is_no_reason_to_refuse_a_row(n):
    """A network's probabilities, rounded to three digits, as they are: in an array at once and in blocks of a table."""
    rng = np.random.default_rng(0)
    p, y = rng.dirichlet(np.ones(4), size=n).astype(np.float16), rng.integers(4, size=n)
    assert np.abs(p.astype(float).sum(axis=1) - 1).max() > 1.5e-4
    single = p.astype(np.float32)
    desired = -np.log(single[np.arange(n), y].clip(np.finfo(np.float32).eps)).mean(dtype=float)
    for proba in (p, single):
        assert_allclose(cross_entropy_loss(y, proba), desired, rtol=1e-6)
        assert_allclose(SoftmaxCrossEntropy().score(y, proba).mean(dtype=float), desired, rtol=1e-6)
        assert_allclose(kl_divergence_loss(proba, proba), 0, atol=1e-6)
        assert (entropy(proba) >= 0).all()
    with pytest.raises(ValueError, match="Rows of y_proba must sum to 1: row 2 sums to"):
        cross_entropy_loss(y, np.where(np.arange(n)[:, None] == 2, np.float16(0.249), p).astype(np.float16))
    with pytest.raises(ValueError, match="Rows of y_proba must sum to 1"):
        cross_entropy_loss(y, rng.dirichlet(np.ones(4), size=n) * 1.0002)  # not rounded, but wrong


# --- reductions and what comes back -----------------------------------------------------------------------------------


@METRICS
@DTYPES
@pytest.mark.parametrize("from_logits", [False, True])
def test_mean_and_sum_are_python_floats(metric, dtype, from_logits, rng):
    """Not NumPy scalars, whatever goes in: json and doctests want floats."""
    codes, proba, weights = random_binary_problem(rng, dtype=dtype)
    for options in ({}, {"sample_weight": weights}, {"class_weight": "balanced"}, {"label_smoothing": 0.1}):
        for reduction in ("mean", "sum"):
            assert type(metric(codes, proba, reduction=reduction, from_logits=from_logits, **options)) is float


@METRICS
@DTYPES
@pytest.mark.parametrize("weighted", [False, True])
def test_rows_have_the_dtype_of_the_outputs(metric, dtype, weighted, rng):
    """float32 stays float32, weighted or not."""
    codes, proba, weights = random_binary_problem(rng, dtype=dtype)
    rows = metric(codes, proba, reduction="none", sample_weight=weights if weighted else None)
    assert rows.shape == (len(codes),)
    assert rows.dtype == dtype


@METRICS
@pytest.mark.parametrize("class_weight", [None, {0: 0.2, 1: 3.0}, "balanced"])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.3])
def test_rows_sum_to_sum_and_sum_divides_to_mean(metric, class_weight, label_smoothing, rng):
    """The mean divides the sum by the weight of the labels, sum_i s_i w(y_i)."""
    codes, proba, weights = random_binary_problem(rng)
    options = {"class_weight": class_weight, "label_smoothing": label_smoothing, "sample_weight": weights}
    rows, total, mean = (metric(codes, proba, reduction=r, **options) for r in ("none", "sum", "mean"))
    assert rows.sum() == pytest.approx(total, rel=EXACT)
    if class_weight == "balanced":
        divisor = weights.sum()
    else:
        divisor = weights @ np.array([0.2, 3.0])[codes] if class_weight else weights.sum()
    assert total / divisor == pytest.approx(mean, rel=EXACT)


def test_float32_sums_are_made_in_float64(rng):
    """A million float32 rows are rounded once each, their sum is not: a float32 sum is off by 1e-8 at least."""
    n = 1_000_000
    proba = rng.uniform(0.05, 0.95, size=n).astype(np.float32)
    codes = rng.integers(0, 2, size=n)
    for metric, outputs in (
        (binary_cross_entropy_loss, proba),
        (cross_entropy_loss, np.column_stack([1 - proba, proba])),
    ):
        rows = metric(codes, outputs, reduction="none")
        assert metric(codes, outputs, reduction="sum") == pytest.approx(math.fsum(rows), rel=1e-12)
        assert metric(codes, outputs) == pytest.approx(log_loss(codes, proba.astype(np.float64)), rel=1e-7)


@METRICS
def test_inputs_are_left_as_they_were(metric, rng):
    """Read-only arrays are fine, so nothing is written to."""
    codes, proba, weights = random_binary_problem(rng)
    for array in (codes, proba, weights):
        array.setflags(write=False)
    for reduction in ("mean", "none"):
        for from_logits in (False, True):
            metric(codes, proba, sample_weight=weights, reduction=reduction, base=2, from_logits=from_logits)
    both = np.column_stack([1 - proba, proba])
    copy = both.copy()
    metric(codes, both, sample_weight=weights, handle_unknown="clip", label_smoothing=0.1)
    assert_array_equal(both, copy)


@pytest.mark.parametrize("layout", [np.asfortranarray, lambda p: np.repeat(p, 2, axis=0)[::2], lambda p: p[::-1][::-1]])
@pytest.mark.parametrize("n", [1, 5, 4097])
def test_layout_in_memory_does_not_matter(layout, n, rng):
    """Fortran order, strided and reversed views, one row and several blocks of rows."""
    codes, proba, _ = random_problem(rng, n=n)
    expected = log_loss(codes, proba, labels=range(3))
    assert cross_entropy_loss(codes, layout(proba), labels=range(3)) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("k", [2, 3, 10, 300])
def test_equals_log_loss_for_any_number_of_classes(k, rng):
    """Wide rows are summed in blocks: the same digits."""
    codes, proba, weights = random_problem(rng, k=k, n=700)
    expected = log_loss(codes, proba, sample_weight=weights)
    assert cross_entropy_loss(codes, proba, sample_weight=weights) == pytest.approx(expected, rel=EXACT)


def test_drift_of_float32_ensembles_is_accepted(rng):
    """Rows that sum to 1 + 5e-5 are probabilities; they are not renormalised, as in log_loss."""
    codes, proba, _ = random_problem(rng)
    drifted = (proba * (1 - 5e-5)).astype(np.float64)
    rows = -np.log(drifted[np.arange(len(codes)), codes])
    assert cross_entropy_loss(codes, drifted) == pytest.approx(rows.mean(), rel=EXACT)


# --- labels without a column ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("class_weight", [None, {"ant": 2.0, "bee": 0.3}, {"ant": 2.0, "zoo": 7.0}])
@DTYPES
def test_clip_counts_an_unknown_label_as_probability_0(class_weight, dtype, rng):
    """The same as a further column of zeros for it, which log_loss can be given; a dict may weigh the label."""
    codes, proba, weights = random_problem(rng, dtype=dtype)
    y_true = np.array(["ant", "bee", "cat"])[codes]
    y_true[::7] = "zoo"
    with_zeros = np.column_stack([proba, np.zeros(len(proba), dtype=dtype)]).astype(np.float64)
    by_class = np.array([(class_weight or {}).get(label, 1.0) for label in y_true])
    expected = -np.average(
        np.log(np.clip(with_zeros, np.finfo(dtype).eps, 1))[
            np.arange(len(proba)), np.searchsorted(["ant", "bee", "cat", "zoo"], y_true)
        ],
        weights=weights * by_class,
    )
    result = cross_entropy_loss(
        y_true,
        proba,
        labels=["ant", "bee", "cat"],
        handle_unknown="clip",
        sample_weight=weights,
        class_weight=class_weight,
    )
    assert result == pytest.approx(expected, rel=RTOL[dtype])


@pytest.mark.parametrize("from_logits", [False, True])
def test_unknown_labels_row_by_row(from_logits):
    """ "clip" is -log(eps), also beside logits; eps=0 makes it inf; "ignore" is 0 and leaves the mean's divisor."""
    y_true, proba = ["a", "zoo", "b"], np.array([[0.5, 0.5], [0.25, 0.75], [0.25, 0.75]])
    outputs = np.log(proba) if from_logits else proba
    known = [-math.log(0.5), -math.log(0.75)]

    def loss(**options):
        return cross_entropy_loss(y_true, outputs, labels=["a", "b"], from_logits=from_logits, **options)

    floor = -math.log(np.finfo(float).eps)
    assert_allclose(loss(handle_unknown="clip", reduction="none"), [known[0], floor, known[1]], rtol=1e-13)
    assert_allclose(loss(handle_unknown="clip", eps=1e-3, reduction="none")[1], -math.log(1e-3), rtol=1e-13)
    assert loss(handle_unknown="clip", eps=0) == math.inf
    assert loss(handle_unknown="clip", base=2, reduction="none")[1] == pytest.approx(52)
    assert_allclose(loss(handle_unknown="ignore", reduction="none"), [known[0], 0, known[1]], rtol=1e-13)
    assert loss(handle_unknown="ignore") == pytest.approx(sum(known) / 2, rel=1e-13)
    assert loss(handle_unknown="ignore", reduction="sum") == pytest.approx(sum(known), rel=1e-13)


@pytest.mark.parametrize("options", [{}, {"class_weight": "balanced"}, {"class_weight": {"b": 5.0}}], ids=str)
@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
def test_ignore_is_the_rows_gone(options, label_smoothing, rng):
    """All of it: sum, divisor and the balance of the classes."""
    codes, proba, weights = random_problem(rng)
    y_true = np.array(["a", "b", "c"])[codes]
    y_true[::5] = "?"
    known = y_true != "?"
    options = options | {"labels": ["a", "b", "c"], "label_smoothing": label_smoothing}
    expected = cross_entropy_loss(y_true[known], proba[known], sample_weight=weights[known], **options)
    result = cross_entropy_loss(y_true, proba, sample_weight=weights, handle_unknown="ignore", **options)
    assert result == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("policy", ["clip", "ignore"])
def test_unknown_policy_of_binary_labels(policy, rng):
    """A third label among two is treated as in `cross_entropy_loss`."""
    y_true, proba = ["no", "yes", "maybe", "no"], np.array([0.3, 0.6, 0.9, 0.1])
    options = {"labels": ["no", "yes"], "handle_unknown": policy, "sample_weight": [1.0, 2.0, 3.0, 0.5]}
    both = np.column_stack([1 - proba, proba])
    expected = cross_entropy_loss(y_true, both, **options)
    assert binary_cross_entropy_loss(y_true, proba, **options) == pytest.approx(expected, rel=EXACT)
    assert binary_cross_entropy_loss(y_true, both, **options) == pytest.approx(expected, rel=EXACT)


@pytest.mark.parametrize("policy", ["error", "clip", "ignore"])
@METRICS
def test_policy_does_not_matter_where_all_labels_are_known(metric, policy, rng):
    """The default costs nothing."""
    codes, proba, weights = random_binary_problem(rng)
    result = metric(codes, proba, labels=[0, 1], handle_unknown=policy, sample_weight=weights)
    assert result == pytest.approx(log_loss(codes, proba, sample_weight=weights), rel=EXACT)


def test_integer_label_outside_a_wide_range_is_unknown():
    """Neighbours and wrapped values of the known labels are not the known labels."""
    labels = [-5, 3, 100]
    proba = [[0.2, 0.3, 0.5]]
    for label in (-6, -4, 0, 2, 4, 101, -1, 2**40):
        assert cross_entropy_loss([label], proba, labels=labels, handle_unknown="clip", eps=0) == math.inf
    for label, p in zip(labels, proba[0], strict=True):
        assert cross_entropy_loss([label], proba, labels=labels) == pytest.approx(-math.log(p), rel=EXACT)


# --- invariants -------------------------------------------------------------------------------------------------------

SEEDS = st.integers(0, 2**32 - 1)


@given(seed=SEEDS, k=st.integers(2, 6), n=st.integers(1, 30))
def test_order_of_rows_and_of_columns_does_not_matter(seed, k, n):
    """Any permutation of rows, and of columns with their labels."""
    rng = np.random.default_rng(seed)
    codes, proba, weights = random_problem(rng, k=k, n=n)
    weights = weights + 0.01
    labels = rng.permutation(50)[:k]
    options = {"class_weight": dict(zip(labels.tolist(), rng.uniform(0.1, 3, size=k), strict=True))}
    expected = cross_entropy_loss(labels[codes], proba, labels=labels, sample_weight=weights, **options)
    rows, columns = rng.permutation(n), rng.permutation(k)
    result = cross_entropy_loss(
        labels[codes][rows],
        proba[rows][:, columns],
        labels=labels[columns],
        sample_weight=weights[rows],
        **options,
    )
    assert result == pytest.approx(expected, rel=1e-12)


@given(seed=SEEDS, shift=st.floats(-1e3, 1e3))
def test_adding_a_number_to_all_logits_of_a_row_changes_nothing(seed, shift):
    """Softmax knows differences only."""
    rng = np.random.default_rng(seed)
    codes, _, weights = random_problem(rng)
    logits = rng.normal(size=(len(codes), 3))
    expected = cross_entropy_loss(codes, logits, from_logits=True, sample_weight=weights + 0.01)
    result = cross_entropy_loss(codes, logits + shift, from_logits=True, sample_weight=weights + 0.01)
    assert result == pytest.approx(expected, rel=1e-11)  # logits near 1e3 are rounded at 1e-13


@given(seed=SEEDS, cut=st.integers(1, 40), from_logits=st.booleans())
def test_sums_of_parts_add_up(seed, cut, from_logits):
    """A split of the rows: sums, never means of means."""
    rng = np.random.default_rng(seed)
    codes, proba, weights = random_problem(rng)
    weights = weights + 0.01
    outputs = np.log(proba) if from_logits else proba
    options = {"labels": range(3), "reduction": "sum", "from_logits": from_logits, "class_weight": [0.5, 1.0, 2.0]}
    whole = cross_entropy_loss(codes, outputs, sample_weight=weights, **options)
    first = cross_entropy_loss(codes[:cut], outputs[:cut], sample_weight=weights[:cut], **options)
    rest = cross_entropy_loss(codes[cut:], outputs[cut:], sample_weight=weights[cut:], **options)
    assert first + rest == pytest.approx(whole, rel=1e-13)


@given(seed=SEEDS, k=st.integers(2, 5))
def test_soft_targets_are_their_own_best_prediction(seed, k):
    """Gibbs: no prediction beats the targets, whose loss is their entropy (the score is proper)."""
    rng = np.random.default_rng(seed)
    targets = rng.dirichlet(np.ones(k), size=20)
    proba = rng.dirichlet(np.ones(k), size=20)
    weights = rng.uniform(0.1, 2, size=20)
    best = cross_entropy_loss(targets, targets, sample_weight=weights)
    assert best <= cross_entropy_loss(targets, proba, sample_weight=weights)
    rows = -(targets * np.log(targets)).sum(axis=1)
    assert best == pytest.approx(np.average(rows, weights=weights), rel=1e-12)


def test_a_series_of_class_weights_names_its_classes():
    """Weights with names go by them, as a dict's do, not by their place."""
    proba, weights = [[0.2, 0.8], [0.6, 0.4]], {"dog": 5.0, "cat": 1.0}
    assert cross_entropy_loss(["cat", "dog"], proba, class_weight=pd.Series(weights)) == cross_entropy_loss(
        ["cat", "dog"], proba, class_weight=weights
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_smoothed_answers_of_small_probabilities(dtype):
    """A mean is made of products, and loses no digits of what is nearly impossible."""
    p = np.array([3e-16, 5e-10, 1e-7, 2e-7, 0.5, 1 - 2e-7], dtype=dtype)
    options = {"label_smoothing": 0.5, "labels": [0, 1]}
    for code in (0, 1):
        y = np.full(len(p), code)
        expected = binary_cross_entropy_loss(y, p, reduction="none", **options).mean(dtype=np.float64)
        assert binary_cross_entropy_loss(y, p, **options) == pytest.approx(
            expected, rel=10 * float(np.finfo(dtype).eps)
        )
