"""Metrics of dask collections: the number that NumPy gives, lazily, in one pass, in any chunks."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import log_loss

import skce
from skce import metrics

da = pytest.importorskip("dask.array", reason="dask is not installed")
dd = pytest.importorskip("dask.dataframe", reason="dask.dataframe is not installed")

N, LABELS = 60, ["cat", "dog", "eel", "fox"]
CHUNKS = [(60,), (1, 20, 39), (30, 0, 30), (10,) * 6]
CLASS_METRICS = [name for name in metrics.SCORES if not name.startswith("multilabel")]
COMPUTE = pytest.mark.parametrize("compute", [True, False], ids=["computed", "lazy"])


def arrays(name="cross_entropy_loss", seed=0):
    """Labels, probabilities and weights in memory."""
    rng = np.random.default_rng(seed)
    w = rng.exponential(size=N)
    if name == "binary_cross_entropy_loss":
        return np.array(["no", "yes"])[rng.integers(2, size=N)], rng.random(N), w
    if name == "multilabel_cross_entropy_loss":
        return np.where(rng.random((N, 4)) < 0.3, np.nan, rng.integers(2, size=(N, 4))), rng.random((N, 4)), w
    return np.array(LABELS)[np.r_[0:4, rng.integers(4, size=N - 4)]], rng.dirichlet(np.ones(4), N), w


def chunked(array, chunks, columns=-1):
    """A dask array in these chunks of rows."""
    return da.from_array(array, chunks=(chunks, *[columns] * (array.ndim - 1)))


def unknown(array, chunks):
    """The same with chunks whose lengths nobody knows, as they come from a DataFrame."""
    result = chunked(array, chunks)
    result._chunks = (tuple(np.nan for _ in chunks), *result.chunks[1:])
    return result


def value_of(result):
    """The number behind a lazy or a computed result."""
    return result.compute() if hasattr(result, "compute") else result


class Passes:
    """Counts how many times the blocks of an array are made."""

    def __init__(self):
        self.made = 0

    def array(self, values, chunks):
        """A lazy array whose blocks are counted."""

        def count(block, block_info=None):
            self.made += 1
            return block

        lazy = da.map_blocks(count, chunked(values, chunks), dtype=values.dtype, meta=values[:0])
        self.made = 0
        return lazy


@COMPUTE
@pytest.mark.parametrize("given", ["labels", "no labels"])
@pytest.mark.parametrize("name", metrics.SCORES)
def test_every_metric_is_numpys(name, given, compute):
    """To 1e-12, with y, predictions and weights in chunks of their own."""
    y, p, w = arrays(name)
    metric = getattr(skce, name)
    options = {"labels": sorted(set(y))} if given == "labels" and y.ndim == 1 else {}
    result = metric(
        chunked(y, (13, 47)), chunked(p, (30, 0, 30)), sample_weight=chunked(w, (60,)), compute=compute, **options
    )
    assert isinstance(result, float) if compute else isinstance(result, da.Array)
    assert value_of(result) == pytest.approx(metric(y, p, sample_weight=w, **options), rel=1e-12)


@pytest.mark.parametrize("chunks", CHUNKS, ids=str)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"class_weight": "balanced"},
        {"class_weight": "balanced", "label_smoothing": 0.2, "base": 2},
        {"class_weight": {"cat": 3.0}},
        {"reduction": "sum", "class_weight": "balanced"},
        {"labels": ["fox", "dog", "eel", "cat"]},
        {"labels": ["fox", "dog", "eel", "gnu"], "handle_unknown": "clip", "class_weight": "balanced"},
        {"labels": ["fox", "dog", "eel", "gnu"], "handle_unknown": "ignore"},
        {"from_logits": True},
    ],
    ids=str,
)
def test_options_and_chunks(options, chunks):
    """Each option, in chunks of any lengths, known or not."""
    y, p, w = arrays()
    expected = skce.cross_entropy_loss(y, p, sample_weight=w, **options)
    for cut in (chunked, unknown):
        result = skce.cross_entropy_loss(cut(y, chunks), cut(p, chunks), sample_weight=cut(w, chunks), **options)
        assert result == pytest.approx(expected, rel=1e-12)


def test_means_of_means_would_be_wrong():
    """scikit-learn's number on chunks of very different lengths and losses."""
    y, p = np.repeat([0, 1], [2, 58]), np.r_[np.full(2, 0.9), np.full(58, 0.6)]
    p = np.column_stack([1 - p, p])
    assert skce.cross_entropy_loss(chunked(y, (2, 58)), chunked(p, (2, 58))) == pytest.approx(log_loss(y, p), rel=1e-13)


@COMPUTE
@pytest.mark.parametrize("name", CLASS_METRICS)
def test_frames(name, compute):
    """DataFrames and Series, whose partitions have unknown lengths; the columns' names are the classes."""
    y, p, w = arrays(name)
    p = np.column_stack([1 - p, p]) if p.ndim == 1 else p
    classes = sorted(set(y))
    frame = dd.from_pandas(pd.DataFrame(p[:, ::-1], columns=classes[::-1]).assign(y=y, w=w), npartitions=4)
    frame = frame[frame.w > 0.1]
    keep = w > 0.1
    metric = getattr(skce, name)
    result = metric(frame.y, frame[classes[::-1]], sample_weight=frame.w, compute=compute)
    expected = metric(y[keep], p[keep], labels=classes, sample_weight=w[keep])
    assert value_of(result) == pytest.approx(expected, rel=1e-12)
    if p.shape[1] == 2:  # one column, without a name that counts
        assert metric(frame.y, frame["yes"], sample_weight=frame.w) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("average", ["micro", "macro", "samples", None])
@pytest.mark.parametrize("form", ["table", "list"])
def test_several_labels(form, average):
    """A table of answers, or what forests and neighbours predict: a list of arrays."""
    y, p, w = arrays("multilabel_cross_entropy_loss")
    pairs = [np.column_stack([1 - column, column]) for column in p.T]
    lazy = chunked(p, (25, 35)) if form == "table" else [chunked(pair, (25, 35)) for pair in pairs]
    expected = skce.multilabel_cross_entropy_loss(y, p, sample_weight=w, average=average)
    for compute in (True, False):
        result = skce.multilabel_cross_entropy_loss(
            chunked(y, (60,)), lazy, sample_weight=w, average=average, compute=compute
        )
        assert_allclose(value_of(result), expected, rtol=1e-12)
    assert result.shape == np.shape(expected)
    rows = skce.multilabel_cross_entropy_loss(chunked(y, (60,)), lazy, reduction="none")
    assert rows.chunks == ((25, 35), (4,))
    assert_allclose(rows.compute(), skce.multilabel_cross_entropy_loss(y, p, reduction="none"), rtol=1e-12)


@pytest.mark.parametrize("name", ["cross_entropy_loss", "binary_cross_entropy_loss", "focal_loss"])
def test_soft_targets(name):
    """Distributions need no labels; probabilities of a class are told from labels though a part is 0 and 1."""
    rng = np.random.default_rng(1)
    y, p = rng.dirichlet(np.full(4, 0.2), N), rng.dirichlet(np.ones(4), N)
    if name.startswith("binary"):
        y, p = np.r_[np.zeros(10), np.ones(10), rng.random(N - 20)], p[:, 0]
    metric = getattr(skce, name)
    result = metric(chunked(y, (10, 10, 40)), chunked(p, (10, 10, 40)), class_weight="balanced")
    assert result == pytest.approx(metric(y, p, class_weight="balanced"), rel=1e-12)


@pytest.mark.parametrize(
    ("y", "options"),
    [
        (np.array(["no", "yes"])[np.arange(N) % 2], {"pos_label": "no"}),
        (np.ones(N, dtype=int), {}),
        (np.full(N, -1), {}),
        (np.arange(N) % 2 == 0, {}),
        (pd.Categorical(np.array(["no", "yes"])[np.arange(N) % 2]), {}),
        (np.array(["no", "yes"], dtype=object)[np.arange(N) % 2], {}),
        ((np.arange(N) % 2).astype(float)[:, None], {}),
    ],
    ids=["pos_label", "all 1", "all -1", "bool", "categorical", "object", "column of floats"],
)
def test_classes_are_found_as_numpy_finds_them(y, options):
    """Labels of any kind, of which each partition holds but one."""
    p = np.random.default_rng(0).random(N)
    expected = skce.binary_cross_entropy_loss(y, p, **options)
    lazy = dd.from_pandas(pd.Series(y), npartitions=60) if isinstance(y, pd.Categorical) else chunked(y, (1,) * 60)
    result = skce.binary_cross_entropy_loss(lazy, chunked(p, (1,) * 60), **options)
    assert result == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("class_weight", [None, "balanced", {"cat": 2.0}], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_losses_of_the_rows_stay_lazy(dtype, class_weight):
    """reduction="none" gives an array of the predictions' chunks and dtype, with the numbers of NumPy."""
    y, p, w = arrays()
    p = p.astype(dtype)
    options = {"sample_weight": w, "class_weight": class_weight, "reduction": "none"}
    rows = skce.cross_entropy_loss(chunked(y, (13, 47)), chunked(p, (30, 10, 20)), **options)
    expected = skce.cross_entropy_loss(y, p, **options)
    assert rows.chunks == ((30, 10, 20),)
    assert rows.dtype == rows.compute().dtype == expected.dtype == dtype
    assert_allclose(rows.compute(), expected, rtol=1e-12 if dtype == np.float64 else 1e-6)
    assert np.isnan(skce.cross_entropy_loss(unknown(y, (60,)), unknown(p, (60,)), reduction="none").shape[0])


@pytest.mark.parametrize("which", ["y_true", "y_proba", "sample_weight"])
def test_one_collection_is_enough(which):
    """What is in memory is cut to the chunks of what is not."""
    y, p, w = arrays()
    inputs = {"y_true": y, "y_proba": p, "sample_weight": w}
    inputs[which] = chunked(inputs[which], (20, 40))
    assert skce.cross_entropy_loss(**inputs) == pytest.approx(skce.cross_entropy_loss(y, p, sample_weight=w), rel=1e-12)
    inputs = {"y_true": y.tolist(), "y_proba": p.tolist(), "sample_weight": w.tolist(), which: inputs[which]}
    assert skce.cross_entropy_loss(**inputs) == pytest.approx(skce.cross_entropy_loss(y, p, sample_weight=w), rel=1e-12)


def test_columns_in_chunks_of_their_own():
    """Rows are put together."""
    y, p, _ = arrays()
    result = skce.cross_entropy_loss(chunked(y, (30, 30)), chunked(p, (30, 30), columns=2))
    assert result == pytest.approx(skce.cross_entropy_loss(y, p), rel=1e-12)


@pytest.mark.parametrize("name", metrics.SCORES)
def test_one_pass_over_the_predictions(name):
    """Each block is made once, those of y once more where no labels are given; nothing before it is asked for."""
    y, p, w = arrays(name)
    of_y, of_p = Passes(), Passes()
    lazy_y, lazy_p = of_y.array(y, (20, 40)), of_p.array(p, (20, 40))
    metric = getattr(skce, name)
    with_labels = {"labels": sorted(set(y))} if y.ndim == 1 else {}
    delayed = metric(lazy_y, lazy_p, sample_weight=w, compute=False, **with_labels)
    assert of_y.made == of_p.made == 0
    delayed.compute()
    assert (of_y.made, of_p.made) == (2, 2)
    metric(lazy_y, lazy_p, sample_weight=w)
    assert (of_y.made, of_p.made) == (2 + (2 if y.ndim == 2 else 4), 4)


def test_several_lazy_metrics_in_one_pass():
    """Lazy results are computed together."""
    import dask

    y, p, _ = arrays()
    counter = Passes()
    lazy = counter.array(p, (20, 40))
    results = [getattr(skce, name)(y, lazy, labels=LABELS, compute=False) for name in ("perplexity", "focal_loss")]
    values = dask.compute(*results)
    assert counter.made == 2
    assert_allclose(values, [skce.perplexity(y, p), skce.focal_loss(y, p)], rtol=1e-12)


@pytest.mark.parametrize("scheduler", ["synchronous", "threads", "processes"])
def test_schedulers_give_the_same_bits(scheduler):
    """The order of the sums depends on the chunks alone."""
    import dask

    y, p, w = arrays()
    cut = (7,) * 8 + (4,)
    result = skce.cross_entropy_loss(chunked(y, cut), chunked(p, cut), sample_weight=w, compute=False)
    with dask.config.set(scheduler=scheduler, num_workers=2):
        assert result.compute() == result.compute(scheduler="synchronous")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y, p, w: p.__setitem__((33, 1), np.nan), "Partition 2, its rows counted from 0: y_proba .* row 3 "),
        (lambda y, p, w: p.__setitem__((25, 1), 2.0), "Partition 1, its rows counted from 0: y_proba .* row 15 "),
        (lambda y, p, w: p.__setitem__(0, 0.3), "Partition 0, .* row 0 sums to 1.2"),
        (lambda y, p, w: y.__setitem__(59, "ape"), "Partition 2, .*labels .'ape'. that no column"),
        (lambda y, p, w: w.__setitem__(31, -1), "Partition 2, .*sample_weight must not be negative: row 1"),
    ],
    ids=["nan", "above 1", "sum", "label", "weight"],
)
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_errors_name_partition_and_row(change, message, reduction):
    """In terms of the chunks of the predictions."""
    y, p, w = arrays()
    change(y, p, w)
    cut = (10, 20, 30)
    with pytest.raises(ValueError, match=message):
        value_of(
            skce.cross_entropy_loss(
                chunked(y, cut), chunked(p, cut), sample_weight=chunked(w, cut), labels=LABELS, reduction=reduction
            )
        )


def test_lengths_that_do_not_match():
    """Known before anything is computed, or found in the partition."""
    y, p, w = arrays()
    with pytest.raises(ValueError, match="y_true and y_proba must have as many rows, got 59 and 60"):
        skce.cross_entropy_loss(chunked(y[:-1], (59,)), chunked(p, (60,)))
    with pytest.raises(ValueError, match="sample_weight and y_proba must have as many rows, got 59 and 60"):
        skce.cross_entropy_loss(chunked(y, (60,)), chunked(p, (60,)), sample_weight=w[:-1])
    with pytest.raises(ValueError, match=r"Partition 1, .*as many rows, got y_proba 20, y_true 10"):
        skce.cross_entropy_loss(unknown(y[:50], (20, 10, 20)), unknown(p, (20, 20, 20)), labels=LABELS)


@pytest.mark.parametrize("which", [0, 1])
def test_chunks_that_cannot_be_aligned(which):
    """Unknown lengths in other numbers of chunks, or beside arrays in memory: one error says what to do."""
    y, p, _ = arrays()
    with pytest.raises(ValueError, match=r"y_true has 3 partitions, and y_proba has 2; .*compute_chunk_sizes"):
        skce.cross_entropy_loss(unknown(y, (10, 20, 30)), [unknown, chunked][which](p, (20, 40)))
    with pytest.raises(ValueError, match=r"y_true is in memory, .*compute_chunk_sizes"):
        skce.cross_entropy_loss(y, unknown(p, (20, 40)))


def test_compute_is_for_dask():
    """NumPy input has nothing to be lazy about."""
    y, p, _ = arrays()
    with pytest.raises(ValueError, match="compute=False is for dask collections"):
        skce.perplexity(y, p, compute=False)
    for inputs in ((y, p), (chunked(y, (60,)), chunked(p, (60,)))):
        with pytest.raises(TypeError, match="compute must be True or False"):
            skce.perplexity(*inputs, compute="yes")


def test_nothing_is_left():
    """Rows that all weigh zero, or no rows at all."""
    y, p, _ = arrays()
    with pytest.raises(ValueError, match="No row counts"):
        skce.cross_entropy_loss(chunked(y, (30, 30)), chunked(p, (30, 30)), sample_weight=np.zeros(N))
    with pytest.raises(ValueError, match="without rows"):
        skce.cross_entropy_loss(chunked(y[:0], (0,)), chunked(p[:0], (0,)), labels=LABELS)
    only = skce.cross_entropy_loss(
        chunked(y, (30, 30)), chunked(p, (30, 30)), sample_weight=np.r_[np.ones(30), [0] * 30]
    )
    assert only == pytest.approx(skce.cross_entropy_loss(y[:30], p[:30], labels=LABELS), rel=1e-12)


class Lazy(ClassifierMixin, BaseEstimator):
    """An estimator whose predictions are dask arrays."""

    def __init__(self, classes, response):
        self.classes_ = np.array(classes)
        self.response = response

    def fit(self, X, y):
        return self

    def predict_proba(self, X):
        return self.response


@pytest.mark.parametrize("of_y", [chunked, unknown, lambda y, chunks: y], ids=["known", "unknown", "in memory"])
@pytest.mark.parametrize("name", skce.get_scorer_names())
def test_scorers(name, of_y):
    """Lazy predictions are scored where they are."""
    metric = skce.get_scorer(name)._score_func.__name__
    y, p, w = arrays(metric)
    p = np.column_stack([1 - p, p]) if p.ndim == 1 else p
    classes = sorted(set(y)) if y.ndim == 1 else [np.array([0, 1])] * 4
    scorer = skce.get_scorer(name)
    cut = unknown if of_y is unknown else chunked
    lazy_y, lazy_p, lazy_w = (of_y(y, (20, 40)), cut(p, (20, 40)), cut(w, (20, 40)))
    estimator, lazy = Lazy(classes, p), Lazy(classes, lazy_p)
    if y.ndim == 2:
        estimator.classes_ = lazy.classes_ = classes
    result = scorer(lazy, lazy_p, lazy_y, sample_weight=lazy_w)
    assert isinstance(result, float)
    assert result == pytest.approx(scorer(estimator, p, y, sample_weight=w), rel=1e-12)


def test_a_scorer_warns_of_unseen_labels():
    """Once for all partitions, and counts."""
    y, p, _ = arrays()
    keep = [0, 1, 2]
    p = p[:, keep] / p[:, keep].sum(axis=1, keepdims=True)
    n = int((y == "fox").sum())
    with pytest.warns(UserWarning, match=rf"without the classes .'fox'.: {n} rows count"):
        result = skce.neg_cross_entropy(Lazy(LABELS[:3], chunked(p, (20, 40))), p, chunked(y, (20, 40)))
    with pytest.warns(UserWarning, match="fox"):
        assert result == pytest.approx(skce.neg_cross_entropy(Lazy(LABELS[:3], p), p, y), rel=1e-12)


def test_importing_skce_does_not_import_dask():
    """Nor does computing a metric of arrays in memory."""
    import subprocess
    import sys

    code = "import sys, skce; skce.perplexity([0, 1], [0.2, 0.9]); print('dask' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert_array_equal(done.stdout.split(), ["False"])
