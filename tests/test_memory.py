"""Peak memory of every metric and of the losses' values: blocks of rows and results of a row each, no n x k arrays.

tracemalloc counts what NumPy allocates; a table of the outputs' size is 80 MB here (40 MB in float32), so one that is
made by mistake cannot hide below the bound.
"""

import gc
import tracemalloc

import numpy as np
import pandas as pd
import pytest

from skce import (
    binary_cross_entropy_loss,
    cross_entropy_loss,
    d2_cross_entropy_score,
    focal_loss,
    kl_divergence_loss,
    multilabel_cross_entropy_loss,
    perplexity,
)
from skce.losses import LOSSES

N, K = 1_000_000, 10
MB = 1_000_000
ROWS = 8 * N / MB  # the (n,) result in float64
LIMIT = 16 + ROWS
DTYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32])

METRICS = {
    "cross_entropy": cross_entropy_loss,
    "focal": focal_loss,
    "kl": kl_divergence_loss,
    "perplexity": perplexity,
    "d2": d2_cross_entropy_score,
}
EVERY_METRIC = pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)


@pytest.fixture(scope="module")
def tables():
    """Probabilities in both precisions, codes, weights: cheap to make, and valid."""
    rng = np.random.default_rng(0)
    rows = rng.dirichlet(np.ones(K), size=N // 100)
    proba = np.tile(rows, (100, 1))
    codes = rng.integers(K, size=N)
    return {np.float64: proba, np.float32: proba.astype(np.float32)}, codes, rng.uniform(0.5, 1.5, size=N)


def peak(function, *args, **options):
    """MB allocated at most during a call, beyond what was there before."""
    function(*map(_first, args), **_few(options))  # imports, caches
    gc.collect()
    tracemalloc.start()
    try:
        function(*args, **options)
        return tracemalloc.get_traced_memory()[1] / MB
    finally:
        tracemalloc.stop()


def _first(array):
    """The first rows."""
    return [table[:50] for table in array] if isinstance(array, list) else array[:50]


def _few(options):
    return {name: v[:50] if isinstance(v, np.ndarray) and len(v) == N else v for name, v in options.items()}


def test_the_measure_sees_a_table(tables):
    """One copy of the probabilities is above the bound, one of the labels below."""
    proba, codes, _ = tables
    assert peak(np.copy, proba[np.float32]) > LIMIT
    assert peak(np.copy, codes) < LIMIT


@EVERY_METRIC
@DTYPES
def test_labels_and_probabilities(metric, dtype, tables):
    """The common call."""
    proba, codes, _ = tables
    assert peak(metric, codes, proba[dtype]) < LIMIT


@EVERY_METRIC
def test_labels_with_names_of_columns_and_every_weight(metric, tables):
    """`labels`, sample weights and class weights."""
    proba, codes, weights = tables
    options = {"labels": np.arange(K), "sample_weight": weights, "class_weight": np.linspace(1, 2, K)}
    assert peak(metric, codes, proba[np.float64], **options) < LIMIT


@EVERY_METRIC
@DTYPES
def test_soft_targets(metric, dtype, tables):
    """A table of targets beside a table of probabilities."""
    proba, _, _ = tables
    assert peak(metric, proba[dtype][::-1], proba[dtype]) < LIMIT


@EVERY_METRIC
@DTYPES
def test_weighted_soft_targets(metric, dtype, tables):
    """The weight of each class is a sum over the table, in whichever precision, and not a copy of it."""
    proba, _, weights = tables
    options = {"sample_weight": weights, "class_weight": np.linspace(1, 2, K)}
    assert peak(metric, proba[dtype], proba[dtype], **options) < LIMIT


@EVERY_METRIC
def test_soft_targets_of_another_precision(metric, tables):
    """Blocks are converted, not tables."""
    proba, _, _ = tables
    assert peak(metric, proba[np.float64], proba[np.float32]) < LIMIT


@EVERY_METRIC
def test_logits(metric, tables):
    """The same from logits: any table of numbers."""
    proba, codes, _ = tables
    assert peak(metric, codes, proba[np.float64], from_logits=True) < LIMIT


@pytest.mark.parametrize("metric", [cross_entropy_loss, focal_loss, kl_divergence_loss])
def test_rows_with_label_smoothing(metric, tables):
    """The result itself is one of the rows that are allowed."""
    proba, codes, _ = tables
    assert peak(metric, codes, proba[np.float64], label_smoothing=0.1, reduction="none", base=2) < LIMIT


@pytest.mark.parametrize("policy", ["clip", "ignore"])
def test_labels_without_a_column(policy, tables):
    """Two classes of the ten have none: rows again, a few of them."""
    proba, codes, _ = tables
    labels = np.arange(2, 2 + K)
    result = peak(cross_entropy_loss, codes, proba[np.float64], labels=labels, handle_unknown=policy)
    assert result < LIMIT + 2 * ROWS  # codes and weights that the caller did not give


def test_one_hot_integers(tables):
    """Read as labels, not as a table of floats."""
    proba, codes, _ = tables
    one_hot = np.zeros((N, K), dtype=np.int8)
    one_hot[np.arange(N), codes] = 1
    assert peak(cross_entropy_loss, one_hot, proba[np.float64]) < LIMIT


@pytest.mark.parametrize("dtype", ["str", "string", "category"])
def test_labels_that_pandas_keeps(dtype, tables):
    """One object for each class, not for each row."""
    proba, codes, _ = tables
    y_true = pd.Series(np.array([f"class {c}" for c in range(K)])[codes]).astype(dtype)
    assert peak(cross_entropy_loss, y_true, proba[np.float64]) < LIMIT


@pytest.mark.parametrize("metric", [cross_entropy_loss, kl_divergence_loss, multilabel_cross_entropy_loss])
@pytest.mark.parametrize("kind", ["int64", "bool", "soft"])
def test_frames_whose_columns_have_the_same_names(metric, kind, tables):
    """Columns that are in their places are not moved, and whole numbers are no floats."""
    proba, codes, _ = tables
    names = [f"class {c}" for c in range(K)]
    y_true = proba[np.float64] if kind == "soft" else (codes[:, None] == np.arange(K)).astype(kind)
    frames = [pd.DataFrame(table, columns=names) for table in (y_true, proba[np.float64])]
    assert peak(metric, *frames) < LIMIT


@pytest.mark.parametrize("dtype", ["String", "Categorical", "Int64", "Float64"])
def test_labels_that_polars_keeps(dtype, tables):
    """As those of pandas; what polars itself allocates is not seen."""
    polars = pytest.importorskip("polars")
    proba, codes, _ = tables
    words = np.array([f"class {c}" for c in range(K)])[codes]
    numbers = dtype.startswith(("Int", "Float"))
    y_true = polars.Series(codes if numbers else words).cast(getattr(polars, dtype))
    assert peak(cross_entropy_loss, y_true, proba[np.float64]) < LIMIT
    assert peak(cross_entropy_loss, words, polars.DataFrame(proba[np.float64], schema=sorted(set(words)))) < LIMIT


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int8, np.uint64, "S10", "U10"])
def test_labels_of_any_type(dtype, tables):
    """With the classes given, in another order, and without."""
    proba, codes, _ = tables
    y_true = codes.astype(dtype)
    assert peak(cross_entropy_loss, y_true, proba[np.float64]) < LIMIT
    assert peak(cross_entropy_loss, y_true, proba[np.float64], labels=np.arange(K)[::-1].astype(dtype)) < LIMIT


@pytest.mark.parametrize("kind", ["far apart", "very far apart", "floats", "dates"])
def test_numbers_far_apart(kind, tables):
    """No table of all numbers between the classes, and no sort of all labels."""
    proba, codes, _ = tables
    labels = {
        "far apart": lambda c: c * 10**5,
        "very far apart": lambda c: c * 10**15,
        "floats": lambda c: c * 1e17,
        "dates": lambda c: c.astype("datetime64[D]"),
    }[kind]
    y_true = labels(codes)
    assert peak(cross_entropy_loss, y_true, proba[np.float64]) < LIMIT
    assert peak(cross_entropy_loss, y_true, proba[np.float64], labels=labels(np.arange(K)[::-1])) < LIMIT


def test_sums_of_weighted_rows(tables):
    """A sum needs no number a row, weighted or not."""
    proba, codes, weights = tables
    for from_logits in (False, True):
        options = {"sample_weight": weights, "class_weight": np.linspace(1, 2, K), "from_logits": from_logits}
        assert peak(cross_entropy_loss, codes, proba[np.float64], **options) < ROWS / 2


@EVERY_METRIC
@pytest.mark.parametrize("soft", [False, True])
def test_columns_in_another_order(soft, metric, tables):
    """Blocks are put in order, not tables."""
    proba, codes, _ = tables
    names = np.array([f"class {c}" for c in range(K)])
    table = pd.DataFrame(proba[np.float64], columns=names[::-1])
    y_true = pd.DataFrame(proba[np.float64], columns=names) if soft else names[codes]
    assert peak(metric, y_true, table, **({} if soft else {"labels": names})) < LIMIT


@pytest.mark.parametrize("dtype", [np.int64, np.bool_, np.float16])
def test_probabilities_that_are_no_floats(dtype, tables):
    """Blocks are converted, not tables; of half precision those that have no rounding."""
    _, codes, _ = tables
    certain = (codes[:, None] == np.arange(K)).astype(dtype)
    assert peak(cross_entropy_loss, codes, certain) < LIMIT
    assert peak(multilabel_cross_entropy_loss, certain.astype(int), certain) < LIMIT


def test_multilabel_tables_of_either_answer(tables):
    """What scikit-learn's forests and neighbours predict, a table for each label, and frames in another order."""
    proba, codes, weights = tables
    p, names = proba[np.float64], [f"class {c}" for c in range(K)]
    answers = (codes[:, None] == np.arange(K)).astype(int)
    either = [np.column_stack([1 - column, column]) for column in p.T]
    assert peak(multilabel_cross_entropy_loss, answers, either, sample_weight=weights) < LIMIT
    frames = pd.DataFrame(answers, columns=names), pd.DataFrame(p, columns=names[::-1])
    assert peak(multilabel_cross_entropy_loss, *frames) < LIMIT


@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize("soft", [False, True])
def test_one_column(from_logits, soft, tables):
    """Two classes: targets and outputs are rows themselves."""
    proba, codes, weights = tables
    y_true = proba[np.float64][:, 1].copy() if soft else codes % 2
    p = proba[np.float64][:, 0].copy()
    assert peak(binary_cross_entropy_loss, y_true, p, from_logits=from_logits, sample_weight=weights) < LIMIT


TARGETS = {
    "int64": lambda codes, proba: (proba > 0.1).astype(np.int64),
    "int8": lambda codes, proba: (proba > 0.1).astype(np.int8),
    "bool": lambda codes, proba: proba > 0.1,
    "float32": lambda codes, proba: (proba > 0.1).astype(np.float32),
    "soft": lambda codes, proba: proba,
    "nan": lambda codes, proba: np.where(proba > 0.9, np.nan, proba > 0.1),
}


@pytest.mark.parametrize(
    ("kind", "average"), [*((kind, "micro") for kind in TARGETS), ("int64", None), ("int64", "samples")]
)
def test_multilabel(kind, average, tables):
    """Indicators of any type, weighted, smoothed where a soft target is: by blocks."""
    proba, codes, weights = tables
    y_true = TARGETS[kind](codes, proba[np.float64])
    assert (
        peak(multilabel_cross_entropy_loss, y_true, proba[np.float64], average=average, sample_weight=weights) < LIMIT
    )


def test_multilabel_logits_with_every_option(tables):
    """pos_weight, smoothing, unknown labels."""
    proba, codes, weights = tables
    y_true = TARGETS["nan"](codes, proba[np.float64])
    options = {"pos_weight": np.linspace(1, 2, K), "label_smoothing": 0.1, "from_logits": True}
    assert peak(multilabel_cross_entropy_loss, y_true, proba[np.float64], sample_weight=weights, **options) < LIMIT


@pytest.mark.parametrize("name", LOSSES)
@DTYPES
def test_values_of_the_losses(name, dtype, tables):
    """`value` and `score` of each loss: a number a row."""
    proba, codes, _ = tables
    y_true = proba[dtype][::-1] if LOSSES[name].one_question_a_column else codes
    loss = LOSSES[name]()
    assert peak(loss.value, y_true, proba[dtype]) < LIMIT
    assert peak(loss.score, y_true, proba[dtype]) < LIMIT


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_of_the_losses(name, tables):
    """`value_and_gradient` makes the gradient, rows, and blocks: two dozen of them, of 1 MiB, in a sigmoid's focal."""
    proba, codes, _ = tables
    y_true = proba[np.float64][::-1] if LOSSES[name].one_question_a_column else codes
    assert peak(LOSSES[name]().value_and_gradient, y_true, proba[np.float64]) < LIMIT + K * ROWS + 8
