"""Tables that are made block by block: whatever takes one says what it says of the array that it stands for."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skce import (
    CrossEntropyClassifier,
    MetricAccumulator,
    compare,
    cross_entropy_loss,
    cross_entropy_report,
    d2_cross_entropy_score,
    decompose,
    focal_loss,
    kl_divergence_loss,
    multilabel_cross_entropy_loss,
    neg_cross_entropy,
    perplexity,
    top_losses,
)
from skce import _kernels as kernels
from skce._tables import Table, as_floats, of_polars, reordered, side_by_side

N, K = 240, 4
NAMES = np.array(["ant", "bee", "cat", "dog"])
PLACES = np.array([2, 0, 3, 1])
METRICS = [cross_entropy_loss, focal_loss, kl_divergence_loss, perplexity, d2_cross_entropy_score]

every_metric = pytest.mark.parametrize("metric", METRICS)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks of a few rows: nothing is small enough to be made at once."""
    monkeypatch.setattr(kernels, "BLOCK_BYTES", 7 * 8 * K)


def problem():
    """Labels, targets, probabilities, weights."""
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.ones(K), N), rng.dirichlet(np.ones(K), N)
    return NAMES[rng.integers(K, size=N)], q, p, rng.exponential(size=N)


def in_another_order(p):
    """A frame whose columns are named, and stand elsewhere."""
    return pd.DataFrame(p[:, PLACES], columns=NAMES[PLACES])


def test_a_table_answers_like_an_array():
    """Shape, type, rows by slices, places and masks, columns, and the whole."""
    whole = np.arange(N * K).reshape(N, K)
    table = as_floats(whole)
    assert isinstance(table, Table)
    assert (table.shape, table.ndim, table.size, len(table)) == ((N, K), 2, N * K, N)
    assert (table.dtype, table.itemsize) == (np.float64, 8)
    for key in (slice(3, 9), np.array([5, 2, 2]), np.arange(N) % 3 == 0, (slice(None), 1), (slice(2, 8), slice(0, 2))):
        assert_array_equal(table[key], whole[key])
        assert table[key].dtype == np.float64
    assert_array_equal(np.asarray(table), whole)
    assert np.asarray(table, dtype=np.float32).dtype == np.float32
    assert as_floats(whole.astype(np.float16)).dtype == np.float32


def test_small_tables_are_arrays():
    """Calls of a few rows, which cross-validation makes, pay nothing for it."""
    assert type(as_floats(np.ones((2, 3), int))) is np.ndarray
    p = np.ones((N, K))
    assert reordered(p, np.arange(K)) is p


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("weighted", [False, True])
@every_metric
def test_columns_in_another_order(metric, weighted, reduction):
    """Labels with `labels`, and distributions in a frame: as with the columns in their places."""
    y, q, p, s = problem()
    weights = {"sample_weight": s, "class_weight": dict(zip(NAMES, [1.0, 2.0, 0.5, 3.0], strict=True))}
    options = dict(weights if weighted else {}) | (
        {} if metric in (perplexity, d2_cross_entropy_score) else {"reduction": reduction}
    )
    assert_allclose(
        metric(y, in_another_order(p), labels=NAMES, **options), metric(y, p, labels=NAMES, **options), rtol=1e-13
    )
    frame = pd.DataFrame(q, columns=NAMES)
    assert_allclose(metric(frame, in_another_order(p), **options), metric(q, p, labels=NAMES, **options), rtol=1e-13)


@every_metric
def test_labels_without_a_column(metric):
    """Clipped as in an array."""
    y, _, p, _ = problem()
    y = np.where(np.arange(N) % 17 == 0, "eel", y)
    options = {"labels": NAMES, "handle_unknown": "clip"}
    assert_allclose(metric(y, in_another_order(p), **options), metric(y, p, **options), rtol=1e-13)


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.bool_, np.float16])
def test_numbers_that_are_no_floats(dtype):
    """Certain predictions as whole numbers, and logits of whole numbers."""
    y, _, _, _ = problem()
    codes = np.searchsorted(NAMES, y)
    certain = np.eye(K, dtype=dtype)[(codes + (np.arange(N) % 5 == 0)) % K]
    floats = certain.astype(np.float32 if dtype == np.float16 else np.float64)
    assert cross_entropy_loss(codes, certain) == cross_entropy_loss(codes, floats)
    z = np.arange(N * K).reshape(N, K) % 11
    assert cross_entropy_loss(codes, z, from_logits=True) == cross_entropy_loss(codes, z * 1.0, from_logits=True)


def test_frames_of_polars():
    """Of either precision, with whole numbers among the columns."""
    polars = pytest.importorskip("polars")
    y, _, p, _ = problem()
    for dtype in (np.float64, np.float32):
        frame = polars.DataFrame(p.astype(dtype), schema=list(NAMES))
        assert isinstance(of_polars(frame), Table)
        assert of_polars(frame).dtype == dtype
        assert cross_entropy_loss(y, frame) == cross_entropy_loss(y, p.astype(dtype), labels=NAMES)
    mixed = polars.DataFrame({"ant": [1, 0] * N, "bee": [0.0, 1.0] * N})
    assert cross_entropy_loss(["ant", "bee"] * N, mixed, eps=0) == 0
    with pytest.raises(ValueError, match="y_proba must be finite"):
        cross_entropy_loss(["ant", "bee"] * N, mixed.with_columns(polars.Series("bee", [None, 1.0] * N)))


def test_frames_of_polars_keep_the_precision_of_arrays():
    """Half and single precision, also beside whole numbers, are single: "auto" clips where it would in an array."""
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"a": [0.0, 1.0], "b": [1, 0]}, schema={"a": polars.Float32, "b": polars.Int8})
    assert_allclose(cross_entropy_loss(["a", "b"], frame), -np.log(np.finfo(np.float32).eps), rtol=1e-6)
    with pytest.raises(ValueError, match="y_proba must hold numbers"):
        cross_entropy_loss([0, 1], frame.lazy())


def test_frames_become_arrays_once():
    """What pandas has to copy it copies once."""

    class Counted(pd.DataFrame):
        calls = 0

        def to_numpy(self, *args, **kwargs):
            Counted.calls += 1
            return super().to_numpy(*args, **kwargs)

    y, _, p, _ = problem()
    cross_entropy_loss(y, Counted(p, columns=NAMES))
    assert Counted.calls == 1


def test_several_labels():
    """A table for each label, frames in another order, whole numbers."""
    _, _, p, s = problem()
    answers = (p > 0.3).astype(int)
    answers[:, 1] = 1 - answers[:, 1]
    either = [np.column_stack([1 - column, column]) for column in p.T]
    frame = pd.DataFrame(answers, columns=NAMES)
    for average in ("micro", "macro", "samples", None):
        options = {"average": average, "sample_weight": s}
        expected = multilabel_cross_entropy_loss(answers, p, **options)
        assert_allclose(multilabel_cross_entropy_loss(answers, either, **options), expected, rtol=1e-13)
        expected = expected if average else expected[PLACES]  # in the order of the predictions
        assert_allclose(multilabel_cross_entropy_loss(frame, in_another_order(p), **options), expected, rtol=1e-13)
    rows = multilabel_cross_entropy_loss(answers, either, reduction="none")
    assert_allclose(rows, multilabel_cross_entropy_loss(answers, p, reduction="none"), rtol=1e-13)
    certain = multilabel_cross_entropy_loss(answers, answers)
    assert certain == multilabel_cross_entropy_loss(answers, answers.astype(float))


def test_errors_name_the_row():
    """Bad probabilities and logits deep in a table."""
    y, _, p, _ = problem()
    p[200, 1] = 2
    with pytest.raises(ValueError, match=r"y_proba must hold probabilities in \[0, 1\]: row 200 has 2"):
        cross_entropy_loss(y, in_another_order(p), labels=NAMES)
    p[200, 1] = np.nan
    with pytest.raises(ValueError, match="Logits must be finite or -inf: row 200 has nan"):
        cross_entropy_loss(y, in_another_order(p), labels=NAMES, from_logits=True)


def test_what_looks_into_predictions():
    """Reports, decompositions, comparisons and accumulators."""
    y, _, p, s = problem()
    frame, own = in_another_order(p), pd.DataFrame(p, columns=NAMES)
    options = {"labels": NAMES, "sample_weight": s}
    pd.testing.assert_frame_equal(
        cross_entropy_report(y, frame, output="frame", **options),
        cross_entropy_report(y, own, output="frame", **options),
    )
    pd.testing.assert_frame_equal(top_losses(y, frame, labels=NAMES), top_losses(y, own, labels=NAMES))
    assert str(decompose(y, frame, **options)) == str(decompose(y, own, **options))
    assert str(compare(y, {"a": frame, "b": own[NAMES] ** 0 / K}, labels=NAMES)) == str(
        compare(y, {"a": own, "b": own[NAMES] ** 0 / K}, labels=NAMES)
    )
    parts = MetricAccumulator(cross_entropy_loss, labels=NAMES)
    for rows in (slice(0, 100), slice(100, N)):
        parts.update(y[rows], frame[rows])
    assert_allclose(parts.result(), cross_entropy_loss(y, own), rtol=1e-13)


def test_scorers():
    """A scorer of a fitted classifier, whose probabilities are an array, sees no table."""
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(N, 3)), NAMES[rng.integers(K, size=N)]
    model = CrossEntropyClassifier(alpha=0.1).fit(X, y)
    assert_allclose(neg_cross_entropy(model, X, y), -cross_entropy_loss(y, model.predict_proba(X)), rtol=1e-13)


def test_columns_side_by_side():
    """Of different precision: the higher one."""
    a, b = np.linspace(0, 1, N), np.ones(N, np.float32)
    table = side_by_side([a, b])
    assert table.dtype == np.float64
    assert_array_equal(table[10:12], np.column_stack([a, b])[10:12])
