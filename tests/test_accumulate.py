"""Accumulators: the metric of all rows from parts of them, however they are split, ordered and merged."""

import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import reduce

import numpy as np
import pandas as pd
import polars as pl
import pytest
from helpers import generated
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.special import log_softmax
from sklearn.metrics import d2_log_loss_score, log_loss

import skce
from skce import MetricAccumulator, metrics

N, LABELS = 60, ["cat", "dog", "eel", "fox"]


def predictions(form, rng, n=N, k=4):
    """Probabilities, or logits of which some are far; of shape (n,) for two classes."""
    if form == "logits":
        return rng.normal(size=(n, k)) * 10.0 ** rng.integers(0, 4, (n, 1))
    return rng.dirichlet(np.ones(k), n)


def problem(name, targets, form, rng):
    """y_true, y_proba, options of a metric of classes."""
    options = {"from_logits": form == "logits"}
    if name == "binary_cross_entropy_loss":
        p = rng.normal(scale=9, size=N) if form == "logits" else rng.random(N)
        if targets == "soft":
            return rng.random(N), p, options
        return np.array(["no", "yes"])[rng.integers(2, size=N)], p, options | {"labels": ["no", "yes"]}
    p = predictions(form, rng)
    if targets == "soft":
        return rng.dirichlet(np.full(4, 0.3), N), p, options
    return np.array(LABELS)[rng.integers(4, size=N)], p, options | {"labels": LABELS}


EXTRA = {
    "plain": {},
    "smoothed": {"label_smoothing": 0.2},
    "dict": {"class_weight": {"cat": 0.2, "yes": 3.0, "fox": 2.0, 0: 4.0, 1: 0.5}},
    "balanced": {"class_weight": "balanced"},
    "balanced and smoothed": {"class_weight": "balanced", "label_smoothing": 0.2},
    "bits": {"base": 2},
    "sum": {"reduction": "sum"},
    "balanced sum": {"reduction": "sum", "class_weight": "balanced"},
}
CLASS_METRICS = [name for name in metrics.SCORES if not name.startswith("multilabel")]


def takes(name, options):
    """Whether the metric has all these options."""
    return set(options) <= set(getattr(skce, name).__kwdefaults__)


CASES = [
    pytest.param(name, targets, form, extra, id=f"{name}-{targets}-{form}-{extra}")
    for name in CLASS_METRICS
    for targets in ("labels", "soft")
    for form in ("proba", "logits")
    for extra in EXTRA
    if takes(name, EXTRA[extra])
]


def parts(rng, n, n_parts=5):
    """Rows in random order, in parts of any size, some of them empty."""
    return np.split(rng.permutation(n), np.sort(rng.integers(0, n + 1, n_parts - 1)))


def take(array, rows):
    """Rows of an array, a DataFrame, or a list of arrays."""
    if isinstance(array, list):
        return [a[rows] for a in array]
    return array.iloc[rows] if hasattr(array, "iloc") else array[rows]


def accumulated(metric, y, p, w, options, rng, n=N):
    """The result over random parts, each in an accumulator of its own, merged pairwise."""
    filled = [
        MetricAccumulator(metric, **options).update(take(y, rows), take(p, rows), None if w is None else w[rows])
        for rows in parts(rng, n)
    ]
    return reduce(MetricAccumulator.merge, filled).result()


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize(("name", "targets", "form", "extra"), CASES)
def test_parts_give_the_metric_of_the_whole(name, targets, form, extra, weighted):
    """Every metric with every kind of targets, outputs and class weights: to 1e-12 of what NumPy gives for all rows."""
    rng = np.random.default_rng(len(name) + weighted)
    y, p, options = problem(name, targets, form, rng)
    w = rng.exponential(size=N) * (rng.random(N) > 0.2) if weighted else None
    options |= EXTRA[extra]
    if options.get("class_weight") == EXTRA["dict"]["class_weight"] and targets == "soft":
        options["class_weight"] = {0: 4.0, 1: 0.5}
    expected = getattr(skce, name)(y, p, sample_weight=w, **options)
    assert accumulated(name, y, p, w, options, rng) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("average", ["micro", "macro", "samples", None])
@pytest.mark.parametrize("form", ["proba", "logits", "list"])
@pytest.mark.parametrize("weighted", [True, False])
def test_parts_of_several_labels(average, form, weighted):
    """Unknown entries, and a label that is nowhere known, add nothing to sums and counts."""
    rng = np.random.default_rng(3)
    y = np.where(rng.random((N, 4)) < 0.3, np.nan, rng.integers(2, size=(N, 4)))
    y[:, 2] = np.nan
    p = rng.random((N, 4)) if form != "logits" else rng.normal(scale=20, size=(N, 4))
    p = [np.column_stack([1 - column, column]) for column in p.T] if form == "list" else p
    w = rng.exponential(size=N) if weighted else None
    options = {
        "average": average,
        "from_logits": form == "logits",
        "pos_weight": [1, 2, 3, 0.5],
        "label_smoothing": 0.1,
    }
    expected = skce.multilabel_cross_entropy_loss(y, p, sample_weight=w, **options)
    result = accumulated("multilabel_cross_entropy_loss", y, p, w, options, rng)
    assert_allclose(result, expected, rtol=1e-12)
    assert type(result) is type(expected)


def test_the_formulas_themselves():
    """Against scikit-learn and SciPy, not ourselves: the mean, balanced weights, skill, perplexity."""
    rng = np.random.default_rng(0)
    codes, z, w = rng.integers(4, size=N), rng.normal(size=(N, 4)), rng.exponential(size=N)
    logp = log_softmax(z, axis=1)
    p, label = np.exp(logp), -logp[np.arange(N), codes]

    def result(name, **options):
        return accumulated(name, codes, p, w, {"labels": range(4), **options}, rng)

    assert result("cross_entropy_loss") == pytest.approx(log_loss(codes, p, sample_weight=w), rel=1e-12)
    assert result("d2_cross_entropy_score") == pytest.approx(d2_log_loss_score(codes, p, sample_weight=w), rel=1e-12)
    assert result("perplexity") == pytest.approx(np.exp(np.average(label, weights=w)), rel=1e-12)
    balanced = np.mean([np.average(label[codes == c], weights=w[codes == c]) for c in range(4)])
    assert result("cross_entropy_loss", class_weight="balanced") == pytest.approx(balanced, rel=1e-12)


@pytest.mark.parametrize("policy", ["clip", "ignore"])
@pytest.mark.parametrize("extra", ["plain", "balanced", "balanced and smoothed", "dict"])
def test_labels_without_a_column(policy, extra):
    """They are clipped or left out as in one call, also where one part alone holds them, or holds nothing else."""
    rng = np.random.default_rng(5)
    y, p, options = problem("cross_entropy_loss", "labels", "proba", rng)
    y[:7], y[7] = "gnu", "hen"
    options |= EXTRA[extra] | {"handle_unknown": policy}
    options["class_weight"] = options.get("class_weight") and (
        {"hen": 5.0, "cat": 2.0} if extra == "dict" else "balanced"
    )
    expected = skce.cross_entropy_loss(y, p, **options)
    assert accumulated("cross_entropy_loss", y, p, None, options, rng) == pytest.approx(expected, rel=1e-12)
    apart = MetricAccumulator("cross_entropy_loss", **options).update(y[:7], p[:7]).update(y[7:], p[7:])
    assert apart.result() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("eps", [0, "auto"])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize(
    ("y", "e"), [([0, 1, 0], 0.0), ([0, 1, 0], 0.1), ([[1, 0.0, 0], [0, 1, 0], [0.5, 0, 0.5]], 0.0)], ids=str
)
def test_infinite_losses(y, e, class_weight, eps):
    """A probability of 0 costs inf if nothing is clipped; with weight or target 0 it costs nothing, and never nan."""
    y, p = np.array(y), np.array([[0.0, 1.0, 0.0], [0.5, 0.5, 0.0], [0.5, 0.3, 0.2]])
    options = {"eps": eps, "labels": [0, 1, 2], "class_weight": class_weight, "label_smoothing": e}
    for w in (np.array([0.0, 1.0, 2.0]), np.array([1.0, 2.0, 3.0])):
        expected = skce.cross_entropy_loss(y, p, sample_weight=w, **options)
        result = accumulated("cross_entropy_loss", y, p, w, options, np.random.default_rng(0), 3)
        assert result == pytest.approx(expected, rel=1e-12)


@generated
@given(seed=st.integers(0, 10_000), n_parts=st.integers(1, 20))
def test_any_split_and_order(seed, n_parts):
    """Sums in another order differ in the last digits only, merged in a chain or a tree."""
    rng = np.random.default_rng(seed)
    y, p, w = rng.integers(3, size=N), predictions("proba", rng, k=3), rng.exponential(size=N)
    options = {"labels": [0, 1, 2], "class_weight": "balanced"}
    expected = skce.cross_entropy_loss(y, p, sample_weight=w, **options)
    chain, filled = MetricAccumulator("cross_entropy_loss", **options), []
    for rows in parts(rng, N, n_parts):
        chain.update(y[rows], p[rows], w[rows])
        filled.append(MetricAccumulator("cross_entropy_loss", **options).update(y[rows], p[rows], w[rows]))
    while len(filled) > 1:
        filled = [reduce(MetricAccumulator.merge, filled[i : i + 3]) for i in range(0, len(filled), 3)]
    assert chain.result() == pytest.approx(expected, rel=1e-12)
    assert filled[0].result() == pytest.approx(expected, rel=1e-12)


def test_single_precision():
    """float32 outputs: the losses are float32, the sums float64, to the digits of float32."""
    rng = np.random.default_rng(2)
    y, p = rng.integers(4, size=5000), predictions("proba", rng, 5000).astype(np.float32)
    for class_weight in (None, "balanced"):
        options = {"labels": range(4), "class_weight": class_weight}
        expected = skce.cross_entropy_loss(y, p.astype(np.float64), **options)
        assert accumulated("cross_entropy_loss", y, p, None, options, rng, 5000) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_named_columns_need_no_labels(frame):
    """The columns of a DataFrame of predictions say which classes they stand for, in every part."""
    rng = np.random.default_rng(1)
    y, p, _ = problem("cross_entropy_loss", "labels", "proba", rng)
    table = frame(p, columns=LABELS) if frame is pd.DataFrame else frame(p, schema=LABELS)
    result = MetricAccumulator("cross_entropy_loss").update(y[:9], table[:9]).update(y[9:], table[9:]).result()
    assert result == pytest.approx(skce.cross_entropy_loss(y, p, labels=LABELS), rel=1e-12)


def test_a_part_of_soft_binary_targets_may_be_all_zero_and_one():
    """Probabilities of the positive class are told from labels by their dtype, in any part."""
    y, p = np.array([0.0, 1.0, 0.3, 1.0]), np.array([0.1, 0.6, 0.5, 0.9])
    parts_of = MetricAccumulator("binary_cross_entropy_loss").update(y[:2], p[:2]).update(y[2:], p[2:])
    assert parts_of.result() == pytest.approx(skce.binary_cross_entropy_loss(y, p), rel=1e-12)


def fill(seed):
    """What a worker does: its own rows, drawn from a seed."""
    rng = np.random.default_rng(seed)
    y, p, _ = problem("cross_entropy_loss", "labels", "proba", rng)
    return MetricAccumulator("cross_entropy_loss", labels=LABELS, class_weight="balanced").update(y, p)


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_workers_fill_their_own(pool):
    """In threads and, pickled, in processes."""
    rows = [problem("cross_entropy_loss", "labels", "proba", np.random.default_rng(seed))[:2] for seed in range(4)]
    y, p = (np.concatenate(arrays) for arrays in zip(*rows, strict=True))
    expected = skce.cross_entropy_loss(y, p, labels=LABELS, class_weight="balanced")
    if pool is ProcessPoolExecutor:
        import multiprocessing

        workers = pool(2, mp_context=multiprocessing.get_context("spawn"))
    else:
        workers = pool(2)
    with workers:
        merged = reduce(MetricAccumulator.merge, workers.map(fill, range(4)))
    assert merged.result() == pytest.approx(expected, rel=1e-12)


def test_delayed_workers():
    """Any engine that maps and reduces will do: dask's graphs of plain calls."""
    dask = pytest.importorskip("dask", reason="the engine of this test")
    filled = [dask.delayed(fill)(seed) for seed in range(4)]
    merged = dask.delayed(lambda parts: reduce(MetricAccumulator.merge, parts).result())(filled)
    assert merged.compute() == pytest.approx(reduce(MetricAccumulator.merge, map(fill, range(4))).result(), rel=1e-12)


def test_it_stays_small():
    """Sums, not rows: as many bytes after a million rows as after one."""
    rng = np.random.default_rng(0)
    sizes = []
    for n in (10, 100_000):
        accumulator = MetricAccumulator("cross_entropy_loss", labels=LABELS, class_weight="balanced")
        y, p = np.array(LABELS)[rng.integers(4, size=n)], predictions("proba", rng, n)
        sizes.append(len(pickle.dumps(accumulator.update(y, p))))
    assert sizes[1] < sizes[0] + 50
    assert sizes[0] < 3000


def test_merge_leaves_the_other_alone():
    """What one is given later does not reach the other."""
    one, two = fill(1), fill(2)
    before = two.result()
    total = MetricAccumulator("cross_entropy_loss", labels=LABELS, class_weight="balanced").merge(two)
    total.merge(one).update(["cat"], [[0.1, 0.2, 0.3, 0.4]])
    assert two.result() == before


def test_input_that_raises_adds_nothing():
    """The result after a mistake is that of the good rows."""
    accumulator = fill(1)
    before = accumulator.result()
    for y, p in ((["cat"], [[0.5, 0.5, 0.5, 0.5]]), (["ape"], [[0.25] * 4]), (["cat", "dog"], [[0.25] * 4])):
        with pytest.raises(ValueError, match=r"row 0 sums to 2|'ape'|as many rows"):
            accumulator.update(y, p)
    assert accumulator.result() == before


def test_parts_that_weigh_nothing():
    """A part may be empty or weigh zero, and is checked all the same; all of them may not."""
    accumulator = MetricAccumulator("cross_entropy_loss", labels=[0, 1])
    accumulator.update([], np.empty((0, 2))).update([0], [[0.5, 0.5]], [0.0])
    with pytest.raises(ValueError, match="No row counts"):
        accumulator.result()
    with pytest.raises(ValueError, match="must sum to 1"):
        accumulator.update([0], [[0.5, 0.6]], [0.0])
    assert accumulator.update([0], [[0.25, 0.75]]).result() == pytest.approx(np.log(4))


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (["log_los"], {}, ValueError, "Unknown metric 'log_los'; use one of 'binary_cross"),
        ([log_loss], {}, ValueError, "Unknown metric 'log_loss'"),
        (["perplexity"], {"gamma": 2}, TypeError, "takes no option .'gamma'."),
        (["cross_entropy_loss"], {"sample_weight": [1]}, TypeError, "sample_weight is not an option"),
        (["cross_entropy_loss"], {"reduction": "none"}, ValueError, "keeps rows"),
        (["cross_entropy_loss"], {"reduction": "median"}, ValueError, "Unknown reduction"),
    ],
)
def test_what_it_cannot_be_made_of(arguments, options, error, message):
    """At once, not with the first rows."""
    with pytest.raises(error, match=message):
        MetricAccumulator(*arguments, **options)


def test_labels_without_classes():
    """A part cannot tell which classes there are."""
    with pytest.raises(ValueError, match="Pass labels="):
        MetricAccumulator("cross_entropy_loss").update([0, 1], [[0.5, 0.5], [0.5, 0.5]])
    with pytest.raises(ValueError, match="Pass labels="):
        MetricAccumulator("binary_cross_entropy_loss", pos_label=1).update([0, 1], [0.5, 0.5])


def test_no_rows_at_all():
    """A result needs some."""
    with pytest.raises(ValueError, match=r"call update\(\) or merge\(\) first"):
        MetricAccumulator("perplexity", labels=[0, 1]).result()


def test_what_does_not_merge():
    """Other metrics, other options, other columns; arrays and lists of the same labels are the same."""
    make = MetricAccumulator
    one = make("perplexity", labels=[0, 1]).update([0], [[0.5, 0.5]])
    for other in (make("cross_entropy_loss", labels=[0, 1]), make("perplexity", labels=[1, 0])):
        with pytest.raises(ValueError, match="same metric and options"):
            one.merge(other)
    assert one.merge(make("perplexity", labels=np.array([0, 1])).update([1], [[0.5, 0.5]])).result() == pytest.approx(2)
    named = make("perplexity").update(["a"], pd.DataFrame({"a": [0.5], "b": [0.5]}))
    with pytest.raises(ValueError, match="same columns in the same order"):
        named.update(["a"], pd.DataFrame({"b": [0.5], "a": [0.5]}))
    several = make("multilabel_cross_entropy_loss").update([[0, 1]], [[0.5, 0.5]])
    with pytest.raises(ValueError, match="as many labels, got 2 and 3"):
        several.update([[0, 1, 1]], [[0.5, 0.5, 0.5]])
