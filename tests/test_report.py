"""The report by its formulas in loops and against the metrics; the rows with the largest losses, and what they find."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from scipy.special import expit
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_predict

from skce import (
    CrossEntropyClassifier,
    cross_entropy_loss,
    cross_entropy_report,
    d2_cross_entropy_score,
    perplexity,
    top_losses,
)


def problem(seed=0, n=60, k=3):
    """Codes, predictions, weights with some zeros."""
    rng = np.random.default_rng(seed)
    weights = rng.exponential(size=n) * (rng.uniform(size=n) > 0.1)
    return rng.integers(k, size=n), rng.dirichlet(np.ones(k), size=n), weights


def report(*args, **options):
    return cross_entropy_report(*args, output="frame", **options)


# --- report -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_columns_are_their_formulas(soft, weighted):
    """In loops, for labels and for distributions, with weights and without."""
    codes, proba, s = problem()
    y = np.random.default_rng(1).dirichlet(np.ones(3), size=60) if soft else np.eye(3)[codes]
    s = s if weighted else np.ones(60)
    frame = report(y if soft else codes, proba, sample_weight=s if weighted else None)
    assert frame.index.tolist() == [0, 1, 2, "overall"]
    total = sum(s[i] * -y[i, c] * np.log(proba[i, c]) for i in range(60) for c in range(3))
    for c in range(3):
        support = sum(s[i] * y[i, c] for i in range(60))
        loss = sum(s[i] * -y[i, c] * np.log(proba[i, c]) for i in range(60)) / support
        observed = support / s.sum()
        expected = {
            "support": support,
            "loss": loss,
            "share": loss * support / total,
            "perplexity": np.exp(loss),
            "skill": 1 - loss / -np.log(observed),
            "predicted": (s @ proba[:, c]) / s.sum(),
            "observed": observed,
        }
        assert_allclose(frame.loc[c, list(expected)].astype(float), list(expected.values()), rtol=1e-12)


@pytest.mark.parametrize("soft", [False, True])
def test_last_row_is_what_the_metrics_say(soft):
    """Cross-entropy, perplexity and D2 of all rows."""
    codes, proba, s = problem()
    y = np.random.default_rng(1).dirichlet(np.ones(3), size=60) if soft else codes
    last = report(y, proba, sample_weight=s).loc["overall"]
    assert last["loss"] == pytest.approx(cross_entropy_loss(y, proba, sample_weight=s), rel=1e-13)
    assert last["perplexity"] == pytest.approx(perplexity(y, proba, sample_weight=s), rel=1e-13)
    assert last["skill"] == pytest.approx(d2_cross_entropy_score(y, proba, sample_weight=s), rel=1e-12)
    assert last["support"] == pytest.approx(s.sum())
    assert last["share"] == 1
    assert last[["predicted", "observed"]].isna().all()


def test_parts_make_the_whole():
    """Shares and frequencies sum to 1, supports to the rows, losses times frequencies to the loss."""
    codes, proba, _ = problem()
    frame = report(codes, proba)
    classes = frame.iloc[:-1]
    assert_allclose(classes[["share", "predicted", "observed"]].sum(), 1, rtol=1e-12)
    assert classes["support"].sum() == frame.loc["overall", "support"] == 60
    assert (classes["loss"] * classes["observed"]).sum() == pytest.approx(frame.loc["overall", "loss"], rel=1e-12)


@pytest.mark.parametrize("form", ["two columns", "logits", "two logits", "soft"])
def test_forms_of_binary_predictions(form):
    """One column of probabilities and every other form give the same report."""
    rng = np.random.default_rng(0)
    codes, z, s = rng.integers(2, size=40), rng.normal(size=40), rng.exponential(size=40)
    expected = report(codes, expit(z), sample_weight=s)
    forms = {
        "two columns": (codes, np.column_stack([expit(-z), expit(z)]), {}),
        "logits": (codes, z, {"from_logits": True}),
        "two logits": (codes, np.column_stack([0 * z, z]), {"from_logits": True}),
        "soft": (np.column_stack([1 - codes, codes]).astype(float), expit(z), {}),
    }
    y, outputs, options = forms[form]
    assert_frame_equal(report(y, outputs, sample_weight=s, **options), expected, rtol=1e-10)


def test_soft_targets_of_the_second_class():
    """One number a row."""
    rng = np.random.default_rng(0)
    y, p = rng.uniform(size=30), rng.uniform(size=30)
    both = report(np.column_stack([1 - y, y]), np.column_stack([1 - p, p]))
    assert_frame_equal(report(y, p), both, rtol=1e-10)


def test_class_that_does_not_occur():
    """Has no loss and no skill, but a predicted frequency; a class alone has skill like `d2_cross_entropy_score`."""
    frame = report(["a", "a", "b"], [[0.7, 0.2, 0.1]] * 3, labels=["a", "b", "c"])
    absent = frame.loc["c"]
    assert absent[["loss", "perplexity", "skill"]].isna().all()
    assert_allclose(absent[["support", "share", "predicted", "observed"]].astype(float), [0, 0, 0.1, 0])
    alone = report(["a", "a"], [[0.7, 0.3]] * 2, labels=["a", "b"])
    assert alone.loc["a", "skill"] == alone.loc["overall", "skill"] == 0


def test_infinite_losses():
    """With eps=0; of a row without weight they do not count."""
    frame = report([0, 1, 1], [[0.5, 0.5], [1.0, 0.0], [0.2, 0.8]], eps=0)
    assert frame.loc[1, "loss"] == frame.loc["overall", "loss"] == frame.loc[1, "perplexity"] == np.inf
    frame = report([0, 1, 1], [[0.5, 0.5], [1.0, 0.0], [0.2, 0.8]], eps=0, sample_weight=[1, 0, 1])
    assert np.isfinite(frame["loss"]).all()
    soft = report([[0.5, 0.5], [1.0, 0.0]], [[0.5, 0.5], [1.0, 0.0]], eps=0)
    assert_allclose(soft["loss"], np.log(2) * np.array([1 / 3, 1, 1 / 2]))


def test_base_is_a_unit():
    """Of the losses; perplexity and skill have none."""
    codes, proba, _ = problem()
    nats, bits = report(codes, proba), report(codes, proba, base=2)
    assert_allclose(bits["loss"], nats["loss"] / np.log(2), rtol=1e-14)
    assert_frame_equal(bits.drop(columns="loss"), nats.drop(columns="loss"), rtol=1e-12)


def test_text():
    """The frame's numbers, a blank line before the last row, as many digits as asked for, counts without any."""
    codes, proba, _ = problem()
    y = np.array(["red", "green", "blue"])[codes]
    lines = cross_entropy_report(y, proba, labels=["red", "green", "blue"], digits=4).splitlines()
    frame = report(y, proba, labels=["red", "green", "blue"])
    assert lines[0].split() == frame.columns.tolist()
    assert [line.split()[0] if line else "" for line in lines[1:]] == ["red", "green", "blue", "", "overall"]
    for line, (_, row) in zip([*lines[1:4], lines[5]], frame.iterrows(), strict=True):
        numbers = line.split()[1:]
        assert numbers == [f"{row['support']:.0f}", *(f"{v:.4f}" for v in row[1:] if not np.isnan(v))]
    assert all(line == line.rstrip() for line in lines[4:])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"output": "dict"}, ValueError, "Unknown output 'dict'"),
        ({"digits": -1}, ValueError, "digits must be in"),
        ({"digits": 1.5}, TypeError, "digits must be an integer"),
        ({"labels": [0, 1]}, ValueError, "must have a column for each"),
        ({"sample_weight": np.zeros(60)}, ValueError, "sums to zero"),
    ],
)
def test_bad_options_of_the_report(options, error, message):
    """One clear error each."""
    codes, proba, _ = problem()
    with pytest.raises(error, match=message):
        cross_entropy_report(codes, proba, **options)


# --- largest losses ---------------------------------------------------------------------------------------------------


def test_rows_are_those_of_the_largest_losses():
    """In falling order, with what belongs to them."""
    codes, proba, _ = problem(n=200)
    names = np.array(["a", "b", "c"])
    frame = top_losses(names[codes], proba, 20)
    losses = -np.log(proba[np.arange(200), codes])
    rows = np.argsort(-losses)[:20]
    assert_array_equal(frame.index, rows)
    assert_allclose(frame["loss"], losses[rows], rtol=1e-13)
    assert_array_equal(frame["label"], names[codes[rows]])
    assert_array_equal(frame["predicted"], names[proba.argmax(axis=1)[rows]])
    assert_allclose(frame["p_label"], proba[rows, codes[rows]], rtol=1e-12)
    assert_allclose(frame["p_predicted"], proba.max(axis=1)[rows], rtol=1e-12)


def test_equal_losses_keep_their_order():
    """And no more rows come than there are."""
    frame = top_losses([0, 1, 1, 0], [0.5, 0.5, 0.9, 0.5], n=10)
    assert frame.index.tolist() == [0, 1, 3, 2]
    many = top_losses(np.zeros(300, dtype=int), np.tile([0.5, 0.8, 0.2], 100), n=100)  # a fast sort mixes them
    assert many.index.tolist() == list(range(1, 300, 3))


def test_index_of_pandas():
    """That of the targets, or else of the predictions."""
    codes, proba, _ = problem(n=5)
    names = list("vwxyz")
    of_targets = top_losses(pd.Series(codes, index=names), proba, labels=[0, 1, 2])
    assert_array_equal(of_targets.index, np.array(names)[top_losses(codes, proba, labels=[0, 1, 2]).index])
    of_proba = top_losses(codes.tolist(), pd.DataFrame(proba, index=names), labels=[0, 1, 2])
    assert_frame_equal(of_proba, of_targets)


def test_soft_targets():
    """The label is the most probable one, the loss that of the whole distribution."""
    rng = np.random.default_rng(0)
    y, proba = rng.dirichlet(np.ones(3), size=30), rng.dirichlet(np.ones(3), size=30)
    frame = top_losses(y, proba, 3)
    losses = -(y * np.log(proba)).sum(axis=1)
    rows = np.argsort(-losses)[:3]
    assert_array_equal(frame.index, rows)
    assert_allclose(frame["loss"], losses[rows], rtol=1e-12)
    assert_array_equal(frame["label"], y[rows].argmax(axis=1))


def test_it_finds_wrong_labels():
    """60 of 1,797 digits get a wrong label: of the 60 largest out-of-fold losses most are theirs, by chance 2 were."""
    X, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    wrong = rng.choice(len(y), size=60, replace=False)
    noisy = y.copy()
    noisy[wrong] = (y[wrong] + rng.integers(1, 10, size=60)) % 10
    model = CrossEntropyClassifier(alpha=1.0)
    proba = cross_val_predict(model, X, noisy, method="predict_proba")
    found = top_losses(noisy, proba, 60)
    precision = found.index.isin(wrong).mean()
    assert precision > 0.6
    right_again = (found["predicted"] == y[found.index])[found.index.isin(wrong)]
    assert right_again.mean() > 0.8  # and the prediction is the label that was changed


@pytest.mark.parametrize(("n", "error"), [(0, ValueError), (2.5, TypeError), (True, TypeError)])
def test_bad_number_of_rows(n, error):
    """A whole number from 1."""
    with pytest.raises(error, match="n must be"):
        top_losses([0, 1], [0.2, 0.7], n)
