"""The displays: what is drawn against numbers computed some other way, labels, units, several models, errors."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit
from scipy.stats import binom
from sklearn.base import BaseEstimator
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.metrics import log_loss
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier

from skce import (
    CrossEntropyClassifier,
    DecompositionDisplay,
    LossByClassDisplay,
    LossCurveDisplay,
    ReliabilityDisplay,
    cross_entropy_loss,
    decompose,
)

mpl = pytest.importorskip("matplotlib")


@pytest.fixture(autouse=True)
def plt():
    """pyplot without a screen; figures are closed."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


@pytest.fixture
def wine():
    """Rows, labels that are strings, and weights that differ."""
    X, y = load_wine(return_X_y=True)
    rng = np.random.default_rng(0)
    return X, np.array(["Barolo", "Grignolino", "Barbera"])[y], rng.uniform(0.2, 3, len(y))


def predictions(n, k, seed, classes=None):
    """Labels and probabilities that have something to do with them, weights."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(k, 0.5), n)
    codes = (p.cumsum(axis=1) < rng.uniform(size=(n, 1))).sum(axis=1).clip(max=k - 1)
    return (np.arange(k) if classes is None else np.array(classes))[codes], p, rng.uniform(0.2, 3, n)


def legend_texts(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def draw(display):
    """Lay out and render, where matplotlib finds what is wrong with artists."""
    display.figure_.canvas.draw()


def test_skce_is_imported_without_matplotlib():
    """The import of skce stays fast, and works where matplotlib is not."""
    code = "import sys, skce; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_matplotlib_the_error_names_the_extra(monkeypatch):
    """Before anything is computed."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"LossCurveDisplay.plot needs matplotlib: install it, or skce\[plot\]"):
        LossCurveDisplay([1.0]).plot()


def test_colours_are_apart_and_come_with_a_marker():
    """Fifty models have fifty styles; the colours differ in lightness or hue for every kind of eye: Okabe and Ito's."""
    from skce.display import _figure as figure

    class Empty:
        lines = ()

    styles = list(figure.styles(Empty(), 50))
    assert len(set(styles)) == 50
    assert len({style.color for style in styles[:7]}) == len({style.marker for style in styles[:7]}) == 7


# --- loss curves


class Trained(BaseEstimator):
    """What a fitted model keeps of its training."""

    def __init__(self, loss_curve, validation_loss_curve=None, n_iter=None):
        self.loss_curve_ = loss_curve
        self.validation_loss_curve_ = validation_loss_curve
        self.n_iter_ = len(loss_curve) if n_iter is None else n_iter

    def fit(self, X, y):
        """What makes it an estimator."""


@pytest.mark.parametrize(
    ("base", "unit", "divisor"), [(None, "nats", 1), (2, "bits", np.log(2)), (10, "hartleys", np.log(10))]
)
def test_curve_of_a_classifier(wine, base, unit, divisor):
    """The objective from step 0, the start, in the unit that the axis names."""
    classifier = CrossEntropyClassifier(alpha=0.01).fit(wine[0], wine[1])
    display = LossCurveDisplay.from_estimator(classifier, base=base)
    draw(display)
    line = display.lines_["CrossEntropyClassifier"]
    assert_array_equal(line.get_xdata(), np.arange(classifier.n_iter_ + 1))
    assert_allclose(line.get_ydata(), classifier.loss_curve_ / divisor, rtol=1e-15)
    assert display.ax_.get_ylabel() == f"Loss ({unit})"
    assert display.ax_.get_xlabel() == "Step"
    assert legend_texts(display.ax_) == [
        f"CrossEntropyClassifier, training: {classifier.loss_curve_[-1] / divisor:.3g}"
    ]
    assert display.validation_lines_ == {}


def test_curve_without_a_start_counts_from_1(wine):
    """scikit-learn's network keeps one loss an epoch."""
    network = MLPClassifier(max_iter=7, random_state=0, early_stopping=False, tol=0)
    with pytest.warns(UserWarning, match="Maximum iterations"):
        network.fit(wine[0], wine[1])
    (line,) = LossCurveDisplay.from_estimator(network, name="net").ax_.lines
    assert_array_equal(line.get_xdata(), np.arange(1, 8))
    assert_array_equal(line.get_ydata(), network.loss_curve_)
    assert line.get_label().startswith("net, training")


def test_validation_curve_and_its_least_value():
    """Dashed, of the same colour, marked at its minimum, which the legend gives."""
    held_out = [3.0, 1.5, 0.75, 1.25]
    display = LossCurveDisplay.from_estimator(Trained([3, 1, 0.5, 0.25], np.array(held_out), n_iter=3), name="a")
    training, validation = display.lines_["a"], display.validation_lines_["a"]
    assert_array_equal(validation.get_ydata(), held_out)
    assert_array_equal(validation.get_xdata(), [0, 1, 2, 3])
    assert validation.get_markevery() == [2]
    assert training.get_markevery() == [3]
    assert (training.get_linestyle(), validation.get_linestyle()) == ("-", "--")
    assert training.get_color() == validation.get_color()
    assert legend_texts(display.ax_) == ["a, training: 0.25", "a, validation: 0.75"]
    assert display.ax_.get_legend().get_title().get_text() == "marked: last training loss, least validation loss"


def test_validation_of_the_last_steps():
    """Nothing was held out at the start: the values are those of the last steps. They have the unit of the others."""
    display = LossCurveDisplay.from_estimator(Trained([3, 2, 1], [1.5, 0.5], n_iter=2), base=2)
    validation = display.validation_lines_["Trained"]
    assert_array_equal(validation.get_xdata(), [1, 2])
    assert_allclose(validation.get_ydata(), np.array([1.5, 0.5]) / np.log(2), rtol=1e-15)
    assert validation.get_markevery() == [1]


def test_several_curves_differ_in_colour_and_marker():
    """By name, some with validation; the legend has them all."""
    display = LossCurveDisplay(
        {"a": [2, 1], "b": [3, 2, 1], "c": [1]}, validation_loss={"b": [3, 2.5, 2]}, steps={"b": [10, 20, 30]}
    ).plot()
    draw(display)
    assert list(display.lines_) == ["a", "b", "c"]
    assert list(display.validation_lines_) == ["b"]
    assert_array_equal(display.lines_["b"].get_xdata(), [10, 20, 30])
    assert_array_equal(display.validation_lines_["b"].get_xdata(), [10, 20, 30])
    assert len({(line.get_color(), line.get_marker()) for line in display.lines_.values()}) == 3
    assert len(legend_texts(display.ax_)) == 4


def test_curves_join_those_on_the_axes(plt):
    """`ax` is drawn on, and the next display goes on with other colours."""
    figure, (left, right) = plt.subplots(1, 2)
    first = LossCurveDisplay([2, 1], name="a").plot(right)
    second = LossCurveDisplay([3, 1], name="b").plot(ax=right)
    assert first.ax_ is second.ax_ is right
    assert first.figure_ is figure
    assert len(right.lines) == 2
    assert not left.lines
    assert first.lines_["a"].get_color() != second.lines_["b"].get_color()
    assert len(legend_texts(right)) == 2


def test_lines_of_the_caller_may_have_any_colour(plt):
    """A colour is a name, a list or an array; one that is ours is taken."""
    ax = plt.subplots()[1]
    for color in ("red", [0.1, 0.2, 0.3], np.array([0.0, 0.0, 1.0]), (0, 114 / 255, 178 / 255)):
        ax.plot([1, 2], color=color)
    assert LossCurveDisplay([2, 1]).plot(ax).lines_["model"].get_color() == "#D55E00"


def test_axes_with_ticks_or_a_scale_of_their_own(plt):
    """Keep them."""
    _, axes = plt.subplots(1, 2)
    axes[0].set_xscale("log")
    axes[1].set_xticks([0.5])
    for ax in axes:
        draw(LossCurveDisplay([2, 1]).plot(ax))
    assert axes[0].get_xscale() == "log"
    assert_array_equal(axes[1].get_xticks(), [0.5])


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: LossCurveDisplay.from_estimator(CrossEntropyClassifier()), NotFittedError, "not fitted"),
        (lambda: LossCurveDisplay.from_estimator(Trained([1, np.nan])), ValueError, "finite: value 1 is nan"),
        (lambda: LossCurveDisplay.from_estimator({"a": Trained([1])}, name="b"), ValueError, "name='b' is for one"),
        (lambda: LossCurveDisplay.from_estimator({}), ValueError, "must not be empty"),
        (lambda: LossCurveDisplay([]), ValueError, r"loss is empty: got shape \(0,\)"),
        (lambda: LossCurveDisplay([[1, 2]]), ValueError, r"loss must have shape \(n,\), got \(1, 2\)"),
        (lambda: LossCurveDisplay([1, 2], steps=[1]), ValueError, "steps must have 2 values, as loss has, got 1"),
        (lambda: LossCurveDisplay([1], validation_loss=[1, 2]), ValueError, "validation_loss must have at most 1 val"),
        (lambda: LossCurveDisplay({"a": [1]}, validation_loss={"b": [1]}), ValueError, r"\['b'\], which are not among"),
        (lambda: LossCurveDisplay({"a": [1], "b": [2]}, steps=[1]), ValueError, r"steps must be a dict .*'a', 'b'"),
        (lambda: LossCurveDisplay([1], base=1), ValueError, "base must not be 1"),
    ],
)
def test_curves_that_cannot_be_drawn(make, error, match):
    """The rule, what was got, what to do."""
    with pytest.raises(error, match=match):
        make()


def test_an_estimator_without_a_curve(wine):
    """Is named."""
    with pytest.raises(ValueError, match=r"GaussianNB has no loss_curve_. Fit a model that keeps one"):
        LossCurveDisplay.from_estimator(GaussianNB().fit(wine[0], wine[1]))


# --- losses by class


def test_losses_of_each_class_are_the_rows_losses():
    """In the order of `labels`, for any labels, in bits."""
    y, p, weights = predictions(200, 3, 1, ["cow", "owl", "ape"])
    display = LossByClassDisplay.from_predictions(y, p, labels=["cow", "owl", "ape"], base=2, sample_weight=weights)
    for code, label in enumerate(["cow", "owl", "ape"]):
        rows = y == label
        assert_allclose(display.losses["model"][label], -np.log2(p[rows, code]), rtol=1e-13)
        assert_array_equal(display.sample_weight[label], weights[rows])
        assert display.baseline[label] == pytest.approx(-np.log2(weights[rows].sum() / weights.sum()), rel=1e-13)
    assert [text.get_text() for text in display.ax_.get_yticklabels()] == ["cow", "owl", "ape"]
    assert display.ax_.get_xlabel() == "Cross-entropy of a row (bits)"


def test_what_is_drawn_of_the_rows():
    """Mean, median, box, whiskers, points, against NumPy's percentiles of an odd number of distinct rows."""
    rng = np.random.default_rng(2)
    losses = {"a": rng.lognormal(-2, 2, 301), "b": rng.lognormal(-3, 1, 201)}
    display = LossByClassDisplay({"m": losses}, baseline={"a": 0.5, "b": 1.0}).plot()
    draw(display)
    for i, rows in enumerate(losses.values()):
        low, left, middle, right, high = np.percentile(rows, [5, 25, 50, 75, 95], method="inverted_cdf")
        box = display.boxes_["m"][i]
        assert_allclose([box.get_x(), box.get_x() + box.get_width()], [left, right], rtol=1e-12)
        assert box.get_y() + box.get_height() / 2 == pytest.approx(i)
        assert_allclose(display.whiskers_["m"].get_segments()[i], [[low, i], [high, i]], atol=1e-12)
        assert_allclose(display.medians_["m"].get_segments()[i][:, 0], middle)
        assert_allclose(display.baseline_.get_segments()[i][:, 0], [[0.5], [1.0]][i] * 2)
        points = display.points_["m"].get_xdata()[np.isclose(display.points_["m"].get_ydata(), i)]
        assert_array_equal(points, np.sort(rows[rows > high]))
    assert_allclose(display.means_["m"].get_xdata(), [rows.mean() for rows in losses.values()], rtol=1e-13)
    assert_allclose(display.means_["m"].get_ydata(), [0, 1], atol=1e-12)
    assert legend_texts(display.ax_) == ["m", "class frequency"]


def test_means_add_up_to_the_metric(wine):
    """The weighted mean over the classes of the drawn means is the cross-entropy of the model; scikit-learn agrees."""
    X, y, weights = wine
    model = RandomForestClassifier(random_state=0).fit(X[::2], y[::2])
    display = LossByClassDisplay.from_estimator(model, X, y, sample_weight=weights)
    assert list(display.losses["RandomForestClassifier"]) == list(model.classes_)
    share = np.array([weights[y == label].sum() for label in model.classes_]) / weights.sum()
    total = display.means_["RandomForestClassifier"].get_xdata() @ share
    p = model.predict_proba(X)
    assert total == pytest.approx(log_loss(y, p, sample_weight=weights), rel=1e-12)
    assert total == pytest.approx(cross_entropy_loss(y, p, sample_weight=weights), rel=1e-12)


def test_a_weight_of_2_is_a_row_twice_and_0_is_none():
    """In everything that is drawn, but for the number of points."""
    y, p, _ = predictions(80, 3, 3)
    weights = np.random.default_rng(4).integers(0, 3, 80)
    by_weight = LossByClassDisplay.from_predictions(y, p, sample_weight=weights)
    by_row = LossByClassDisplay.from_predictions(np.repeat(y, weights), np.repeat(p, weights, axis=0))
    for a, b in zip(by_weight.boxes_["model"], by_row.boxes_["model"], strict=True):
        assert_allclose(a.get_bbox().extents, b.get_bbox().extents, rtol=1e-12)
    ends = [np.array(display.whiskers_["model"].get_segments()) for display in (by_weight, by_row)]
    assert_allclose(*ends, rtol=1e-12)
    means = [display.means_["model"].get_xdata() for display in (by_weight, by_row)]
    assert_allclose(*means, rtol=1e-12)
    points = [display.points_["model"].get_xdata() for display in (by_weight, by_row)]
    assert_array_equal(np.unique(points[0]), np.unique(points[1]))
    assert_allclose(list(by_weight.baseline.values()), list(by_row.baseline.values()), rtol=1e-12)


def test_logits_and_a_single_column():
    """Logits of two classes in one column cost what the probabilities in two do."""
    y, p, _ = predictions(60, 2, 5, ["no", "yes"])
    logits = np.log(p[:, 1] / p[:, 0])
    one = LossByClassDisplay.from_predictions(y, logits, from_logits=True, name="one")
    two = LossByClassDisplay.from_predictions(y, p, name="two")
    for label in ("no", "yes"):
        assert_allclose(one.losses["one"][label], two.losses["two"][label], rtol=1e-13, atol=1e-15)


def test_several_models_side_by_side(wine):
    """Each class has a box a model, which do not overlap, in the model's colour; the legend names them."""
    X, y, _ = wine
    models = {name: model.fit(X, y) for name, model in {"bayes": GaussianNB(), "ce": CrossEntropyClassifier()}.items()}
    display = LossByClassDisplay.from_estimator(models, X, y)
    draw(display)
    for i, (above, below) in enumerate(zip(display.boxes_["bayes"], display.boxes_["ce"], strict=True)):
        assert i - 0.5 < above.get_y()
        assert below.get_y() + below.get_height() < i + 0.5
        assert above.get_y() + above.get_height() <= below.get_y()
        assert above.get_edgecolor() != below.get_edgecolor()
    assert display.means_["bayes"].get_marker() != display.means_["ce"].get_marker()
    assert legend_texts(display.ax_) == ["bayes", "ce", "class frequency"]
    assert_allclose(
        display.losses["bayes"]["Barolo"],
        cross_entropy_loss(y, models["bayes"].predict_proba(X), reduction="none")[y == "Barolo"],
        rtol=1e-12,
        atol=1e-15,
    )


def test_a_class_without_rows_has_its_place():
    """And no box, no baseline."""
    display = LossByClassDisplay.from_predictions([0, 2, 2], [[0.7, 0.1, 0.2]] * 3, labels=[0, 1, 2])
    draw(display)
    assert [text.get_text() for text in display.ax_.get_yticklabels()] == ["0", "1", "2"]
    assert_array_equal(display.means_["model"].get_ydata().round(9), [0, 2])
    assert len(display.baseline_.get_segments()) == 2


def test_only_the_largest_rows_are_points():
    """A million rows draw as fast as a thousand."""
    rows = np.random.default_rng(6).exponential(size=20_000)
    display = LossByClassDisplay({"m": {"a": rows}}).plot()
    assert_array_equal(display.points_["m"].get_xdata(), np.sort(rows)[-100:])
    assert display.baseline_ is None


def test_rows_without_weight_are_not_drawn():
    """Neither the largest of a class, nor a class of nothing else."""
    display = LossByClassDisplay(
        {"m": {"a": [1, 2, 3, 50.0], "b": [1.0]}}, sample_weight={"a": [1, 1, 2, 0], "b": [0]}
    ).plot()
    assert_array_equal(display.points_["m"].get_xdata(), [])
    assert_allclose(display.means_["m"].get_xdata(), [2.25])
    assert len(display.boxes_["m"]) == 1


def test_rows_predicted_for_certain_are_on_the_axis():
    """The axis begins at 0, which a logarithmic one has not."""
    display = LossByClassDisplay({"m": {"a": [0.0, 0.2, 0.3, 0.4, 40.0]}}).plot()
    draw(display)
    assert display.ax_.get_xlim()[0] == 0
    assert display.ax_.get_xlim()[1] > 40
    assert display.ax_.transData.transform([(0.0, 0)])[0, 0] == pytest.approx(display.ax_.bbox.x0)


def test_losses_on_given_axes(plt):
    """`ax` is drawn on."""
    figure, (left, right) = plt.subplots(1, 2)
    display = LossByClassDisplay.from_predictions([0, 1], [[0.9, 0.1], [0.2, 0.8]], ax=right)
    assert display.ax_ is right
    assert display.figure_ is figure
    assert not left.patches


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda y, p: LossByClassDisplay.from_predictions(y[:-1], p), ValueError, "as many rows"),
        (lambda y, p: LossByClassDisplay.from_predictions(p, p), ValueError, "y_true must hold labels here"),
        (lambda y, p: LossByClassDisplay.from_predictions(y, p * 2), ValueError, "y_proba must hold probabilities"),
        (
            lambda y, p: LossByClassDisplay.from_predictions(np.r_[y[:-1], 7], p, labels=[0, 1, 2]),
            ValueError,
            r"labels \[7\]",
        ),
        (
            lambda y, p: LossByClassDisplay.from_predictions(y, p, sample_weight=[1, 2]),
            ValueError,
            r"sample_weight must have shape \(50,\), got \(2,\)",
        ),
        (lambda y, p: LossByClassDisplay.from_predictions(y, {"a": p}, name="b"), ValueError, "name='b' is for one"),
        (lambda y, p: LossByClassDisplay.from_estimator(GaussianNB(), p, y), NotFittedError, "not fitted"),
        (lambda y, p: LossByClassDisplay({"m": [1, 2]}), TypeError, "losses must be a dict of models"),
        (lambda y, p: LossByClassDisplay({"m": {"a": [np.inf]}}), ValueError, "class 'a', must be finite: value 0"),
        (
            lambda y, p: LossByClassDisplay({"m": {"a": [1]}, "n": {"b": [1]}}),
            ValueError,
            r"same classes: 'm' has \['a'\], 'n' has \['b'\]",
        ),
        (
            lambda y, p: LossByClassDisplay({"m": {"a": [1, 2]}}, sample_weight={"a": [1]}),
            ValueError,
            r"class 'a' must have shape \(2,\), got \(1,\)",
        ),
    ],
)
def test_losses_that_cannot_be_drawn(make, error, match):
    """The rule, what was got, what to do."""
    y, p, _ = predictions(50, 3, 7)
    with pytest.raises(error, match=match):
        make(y, p)


def test_models_of_other_classes(wine):
    """Cannot share a picture."""
    X, y, _ = wine
    two = y != "Barbera"
    models = {"all": GaussianNB().fit(X, y), "two": GaussianNB().fit(X[two], y[two])}
    for display in (LossByClassDisplay, ReliabilityDisplay):
        with pytest.raises(ValueError, match=r"All models must have the same classes: 'all' has .*, 'two' has"):
            display.from_estimator(models, X[two], y[two])


def test_an_estimator_without_probabilities(wine):
    """Is named by the method that it lacks."""
    with pytest.raises(AttributeError, match="LinearRegression has none of the following attributes: predict_proba"):
        ReliabilityDisplay.from_estimator(LinearRegression().fit(wine[0], wine[2]), wine[0], wine[1])


def test_an_estimator_of_several_labels_a_row(wine):
    """Has no class of a row."""
    X, y, _ = wine
    model = RandomForestClassifier(5, random_state=0).fit(X, np.column_stack([y == "Barolo", y == "Barbera"]))
    with pytest.raises(ValueError, match="gives each row several labels"):
        LossByClassDisplay.from_estimator(model, X, y)


# --- reliability


def min_max(y, p, weights):
    """Isotonic regression by its formula, max over a of min over b of the mean of a..b; equal p are one group."""
    values = np.unique(p)
    mass = np.array([weights[p == value].sum() for value in values])
    total = np.array([(weights * y)[p == value].sum() for value in values])
    m = len(values)
    return values, np.array(
        [
            max(min(total[a : b + 1].sum() / mass[a : b + 1].sum() for b in range(i, m)) for a in range(i + 1))
            for i in range(m)
        ]
    )


def binary_loss(y, p, weights):
    """Cross-entropy in nats, by scikit-learn."""
    return log_loss(y, np.column_stack([1 - p, p]), sample_weight=weights, labels=[0, 1])


@pytest.mark.parametrize(("base", "unit", "divisor"), [(None, "nats", 1), (2, "bits", np.log(2))])
def test_reliability_of_each_class(base, unit, divisor):
    """Curve, histogram and numbers of one class against all others, with weights, by the formulas."""
    y, p, weights = predictions(60, 3, 8, ["cow", "owl", "ape"])
    p = (p * 20).round() / 20  # ties
    p[:, 2] = 1 - p[:, 0] - p[:, 1]
    p = p.round(2)
    labels = ["cow", "owl", "ape"]
    display = ReliabilityDisplay.from_predictions(y, p, labels=labels, sample_weight=weights, base=base, name="m")
    draw(display)
    assert list(display.lines_) == labels
    assert display.ax_.shape == (3,)
    for place, label in enumerate(labels):
        hits, column = (y == label).astype(float), p[:, place]
        values, frequencies = min_max(hits, column, weights)
        line, curve = display.lines_[label]["m"], display.curves[label]["m"]
        assert line.axes is display.ax_[place]
        assert_array_equal(line.get_xdata(), values)
        assert_allclose(line.get_ydata(), frequencies, atol=1e-12)
        recalibrated = frequencies[np.searchsorted(values, column)]
        before, after = (binary_loss(hits, q, weights) / divisor for q in (column, recalibrated))
        nothing = binary_loss(hits, np.full(60, np.average(hits, weights=weights)), weights) / divisor
        assert curve.loss == pytest.approx(before, rel=1e-10)
        assert curve.miscalibration == pytest.approx(before - after, rel=1e-9)
        assert curve.discrimination == pytest.approx(nothing - after, rel=1e-9)
        assert curve.uncertainty == pytest.approx(nothing, rel=1e-12)
        (text,) = legend_texts(display.ax_[place])
        assert text == f"MCB {before - after:.3f} DSC {nothing - after:.3f}"
        assert display.ax_[place].get_legend().get_title().get_text() == label
        heights = display.histograms_[label]["m"].get_data().values
        shares = np.histogram(column, np.linspace(0, 1, 21), weights=weights)[0]
        assert_allclose((heights - heights.min()) / np.ptp(heights), shares / shares.max(), atol=1e-12)
    (legend,) = display.figure_.legends
    assert f"({unit})" in legend.get_title().get_text()


def test_two_classes_have_one_panel():
    """That of the second, in any of the forms that predictions come in."""
    y, p, _ = predictions(80, 2, 9, ["no", "yes"])
    column = ReliabilityDisplay.from_predictions(y, p[:, 1], random_state=1)
    columns = ReliabilityDisplay.from_predictions(y, p, random_state=1)
    logit = ReliabilityDisplay.from_predictions(y, np.log(p[:, 1] / p[:, 0]), from_logits=True)
    logits = ReliabilityDisplay.from_predictions(y, np.log(p), from_logits=True)
    expected = column.lines_["yes"]["model"]
    assert column.ax_.get_xlabel() == "Predicted probability of yes"
    assert column.ax_.get_ylabel() == "Observed frequency"
    assert "(nats)" in column.ax_.get_legend().get_title().get_text()
    for display in (columns, logit, logits):
        assert list(display.lines_) == ["yes"]
        line = display.lines_["yes"]["model"]
        assert_allclose(line.get_xdata(), expected.get_xdata(), rtol=1e-10)
        assert_allclose(line.get_ydata(), expected.get_ydata(), rtol=1e-12)
    assert_array_equal(columns.curves["yes"]["model"].band, column.curves["yes"]["model"].band)


def test_the_first_of_two_classes():
    """Is the second's curve, turned around."""
    y, p, _ = predictions(80, 2, 10, ["no", "yes"])
    yes = ReliabilityDisplay.from_predictions(y, p[:, 1]).lines_["yes"]["model"]
    display = ReliabilityDisplay.from_predictions(y, p[:, 1], classes=["no"])
    no = display.lines_["no"]["model"]
    assert display.ax_.get_xlabel() == "Predicted probability of no"
    assert_allclose(no.get_xdata(), 1 - yes.get_xdata()[::-1], atol=1e-15)
    assert_allclose(no.get_ydata(), 1 - yes.get_ydata()[::-1], atol=1e-12)


def test_band_of_few_predictions_is_the_binomial_distribution():
    """Two predictions far apart are never pooled: the band has the quantiles of a binomial distribution."""
    p = np.repeat([0.3, 0.8], [200, 300])
    y = np.random.default_rng(11).integers(0, 2, 500)
    display = ReliabilityDisplay.from_predictions(y, p, confidence=0.8, n_resamples=4000)
    at, low, high = display.curves[1]["model"].band
    assert_array_equal(at, [0.3, 0.8])
    for i, n in enumerate([200, 300]):
        assert low[i] == pytest.approx(binom.ppf(0.1, n, at[i]) / n, abs=1.01 / n)
        assert high[i] == pytest.approx(binom.ppf(0.9, n, at[i]) / n, abs=1.01 / n)
    (path,) = display.bands_[1]["model"].get_paths()
    assert {(0.3, low[0]), (0.3, high[0]), (0.8, low[1]), (0.8, high[1])} <= set(map(tuple, path.vertices.tolist()))
    assert "80%" in display.ax_.get_legend().get_title().get_text()


def test_band_of_weighted_rows_by_the_formula():
    """The same draws, each recalibrated with the weights by the formula, and their percentiles."""
    _, p, weights = predictions(30, 2, 24)
    p = p[:, 1].round(1)
    display = ReliabilityDisplay.from_predictions(
        np.arange(30) % 2, p, sample_weight=weights, confidence=0.6, n_resamples=15, random_state=3
    )
    rng = np.random.RandomState(3)
    curves = [min_max((rng.uniform(size=30) < p).astype(float), p, weights)[1] for _ in range(15)]
    assert_allclose(display.curves[1]["model"].band[1:], np.quantile(curves, [0.2, 0.8], axis=0), atol=1e-12)


def test_weights_widen_the_band():
    """A row of weight w is one draw: half the rows with all the weight have the band of half as many rows."""
    p, y = np.full(400, 0.5), np.arange(400) % 2
    few = ReliabilityDisplay.from_predictions(y, p, sample_weight=np.repeat([1, 1e-9], 200), n_resamples=3000)
    _, low, high = few.curves[1]["model"].band
    assert low[0] == pytest.approx(binom.ppf(0.05, 200, 0.5) / 200, abs=1.01 / 200)
    assert high[0] == pytest.approx(binom.ppf(0.95, 200, 0.5) / 200, abs=1.01 / 200)


def test_calibrated_predictions_stay_in_the_band():
    """At nine of ten predictions, whose outcomes come with the predicted probability; overconfident ones do not."""
    rng = np.random.default_rng(12)
    inside, overconfident = [], []
    for _ in range(20):
        logits = rng.normal(0, 2, 200)
        y = rng.uniform(size=200) < expit(logits)
        for z, found in ((logits, inside), (3 * logits, overconfident)):
            curve = ReliabilityDisplay.from_predictions(y, expit(z), n_resamples=60).curves[True]["model"]
            _, low, high = curve.band
            found.append(np.mean((low <= curve.frequency) & (curve.frequency <= high)))
            mpl.pyplot.close("all")
    assert 0.87 < np.mean(inside) < 0.96  # discrete curves: a little more than 0.9
    assert np.mean(overconfident) < 0.6


def test_long_bands_are_thinned_and_the_ends_stay():
    """Curves keep every prediction, bands 500."""
    y, p, _ = predictions(2000, 2, 13)
    curve = ReliabilityDisplay.from_predictions(y, p, n_resamples=3).curves[1]["model"]
    assert len(curve.proba) > 1900
    assert curve.band.shape == (3, 500)
    assert_array_equal(curve.band[0, [0, -1]], curve.proba[[0, -1]])


def test_the_same_seed_draws_the_same_band():
    """The default too; another seed another."""
    y, p, _ = predictions(100, 2, 14)
    bands = [
        ReliabilityDisplay.from_predictions(y, p, n_resamples=20, random_state=seed).curves[1]["model"].band
        for seed in (0, 0, 1)
    ]
    assert_array_equal(bands[0], bands[1])
    assert (bands[0] != bands[2]).any()


def test_no_band():
    """`confidence=None` draws none and says nothing of it."""
    y, p, _ = predictions(50, 3, 15)
    display = ReliabilityDisplay.from_predictions(y, p, confidence=None)
    assert display.bands_ == {0: {}, 1: {}, 2: {}}
    assert not display.ax_[0].collections
    assert "band" not in display.figure_.legends[0].get_title().get_text()


def test_a_row_of_weight_0_is_none():
    """In curve, band, histogram and numbers."""
    y, p, weights = predictions(100, 3, 16)
    weights[::3] = 0
    kept = weights > 0
    all_rows = ReliabilityDisplay.from_predictions(y, p, sample_weight=weights)
    some = ReliabilityDisplay.from_predictions(y[kept], p[kept], sample_weight=weights[kept])
    for label in range(3):
        for a, b in zip(all_rows.curves[label]["model"], some.curves[label]["model"], strict=True):
            assert_allclose(a, b, rtol=1e-12, atol=1e-15)


def test_reliability_of_several_models(wine):
    """A line, a band and a histogram each, in one colour; in a grid the models' names are there once."""
    X, y, weights = wine
    models = {"bayes": GaussianNB().fit(X[::2], y[::2]), "ce": CrossEntropyClassifier().fit(X[::2], y[::2])}
    display = ReliabilityDisplay.from_estimator(models, X[1::2], y[1::2], sample_weight=weights[1::2])
    draw(display)
    assert list(display.curves) == sorted(set(y))
    for place, label in enumerate(sorted(set(y))):
        assert list(display.lines_[label]) == ["bayes", "ce"]
        column = np.sort(np.unique(models["bayes"].predict_proba(X[1::2])[:, place]))
        assert_array_equal(display.lines_[label]["bayes"].get_xdata(), column)
        colors = [line.get_color() for line in display.lines_[label].values()]
        assert len(set(colors)) == 2
        for model, color in zip(models, colors, strict=True):
            band = display.bands_[label][model]
            assert mpl.colors.to_hex(band.get_facecolor()[0]) == mpl.colors.to_hex(color)
            assert mpl.colors.to_hex(display.histograms_[label][model].get_edgecolor()) == mpl.colors.to_hex(color)
    (legend,) = display.figure_.legends
    assert [text.get_text() for text in legend.get_texts()] == ["bayes", "ce"]


def test_histograms_of_several_models_have_one_scale():
    """The fullest bin of all has the full height: equal shares are equally high."""
    y, p = [0, 1, 0, 1], {"one bin": [0.52, 0.52, 0.53, 0.54], "four": [0.12, 0.32, 0.52, 0.72]}
    display = ReliabilityDisplay.from_predictions(y, p)
    heights = {model: patch.get_data().values for model, patch in display.histograms_[1].items()}
    bottom = heights["one bin"].min()
    assert_allclose((heights["four"].max() - bottom) / (heights["one bin"].max() - bottom), 0.25, rtol=1e-12)
    assert heights["one bin"].max() < 0


def test_reliability_on_given_axes(plt):
    """One for each class, in any shape, with labels of its own; a second display goes on with other colours."""
    y, p, _ = predictions(40, 3, 17)
    figure, axes = plt.subplots(2, 2)
    display = ReliabilityDisplay.from_predictions(y, p, classes=[2, 0], ax=axes[0], name="a")
    assert list(display.ax_) == list(axes[0])
    assert display.figure_ is figure
    assert [ax.get_xlabel() for ax in axes.flat] == ["Predicted probability of 2", "Predicted probability of 0", "", ""]
    assert legend_texts(axes[0, 0])[0].startswith("a: MCB ")
    second = ReliabilityDisplay.from_predictions(y, p**0.5 / (p**0.5).sum(1, keepdims=True), classes=[2], ax=axes[0, 0])
    assert second.ax_ is axes[0, 0]
    assert second.lines_[2]["model"].get_color() != display.lines_[2]["a"].get_color()
    assert len(legend_texts(axes[0, 0])) == 2


def test_panels_of_many_classes():
    """Ten of them, in four rows, each with its class."""
    y, p, _ = predictions(300, 10, 18)
    display = ReliabilityDisplay.from_predictions(y, p, n_resamples=2)
    draw(display)
    assert display.ax_.shape == (10,)
    assert [ax.get_legend().get_title().get_text() for ax in display.ax_] == [str(label) for label in range(10)]
    assert len(display.figure_.axes) == 10


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"classes": [7]}, ValueError, r"classes has \[7\], which are not among \[0, 1, 2\]"),
        ({"classes": [1, 1]}, ValueError, "classes must not repeat a class"),
        ({"confidence": 1.0}, ValueError, r"confidence must be in \(0, 1\), got 1.0"),
        ({"n_resamples": 0}, ValueError, r"n_resamples must be in \[1, inf\), got 0"),
        ({"base": -1}, ValueError, r"base must be in \(0, inf\)"),
        ({"ax": [None]}, ValueError, "ax must hold 3 axes, one a class, got 1"),
        ({"name": "a", "labels": [0, 1]}, ValueError, "a column for each of the 2 classes"),
    ],
)
def test_reliability_that_cannot_be_drawn(options, error, match):
    """The rule, what was got, what to do."""
    y, p, _ = predictions(30, 3, 19)
    with pytest.raises(error, match=match):
        ReliabilityDisplay.from_predictions(y, p, **options)


def test_predictions_that_are_no_probabilities():
    """Are refused, whichever class is shown."""
    y, p, _ = predictions(30, 3, 20)
    with pytest.raises(ValueError, match="Rows of y_proba must sum to 1"):
        ReliabilityDisplay.from_predictions(y, p / 2, classes=[0])
    with pytest.raises(ValueError, match="y_true must hold labels here"):
        ReliabilityDisplay.from_predictions(p, p)


# --- decompositions


def parts(**models):
    """A decomposition from (miscalibration, discrimination, uncertainty) of each model."""
    frame = pd.DataFrame(models, index=["miscalibration", "discrimination", "uncertainty"]).T
    frame["loss"] = frame["miscalibration"] - frame["discrimination"] + frame["uncertainty"]
    return frame


def test_bars_of_a_decomposition():
    """Both begin at the recalibrated loss: one reaches the uncertainty, the other the loss. Numbers worked by hand."""
    display = DecompositionDisplay(parts(good=(0.02, 0.5, 0.7), bad=(0.6, 0.1, 0.7)), base=2).plot()
    draw(display)
    ends = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in display.discriminations_]
    assert_allclose(ends, [(0.2, 0.7), (0.6, 0.7)], rtol=1e-12)
    ends = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in display.miscalibrations_]
    assert_allclose(ends, [(0.2, 0.22), (0.6, 1.2)], rtol=1e-12)
    assert_allclose(display.losses_.get_xdata(), [0.22, 1.2], rtol=1e-12)
    assert_allclose([line[:, 0] for line in display.uncertainties_.get_segments()], 0.7)
    numbers = {
        "discrimination": ["−0.500", "−0.100"],
        "miscalibration": ["+0.020", "+0.600"],
        "loss": ["= 0.220", "= 1.200"],
    }
    ends = {"discrimination": [0.7, 0.7], "miscalibration": [0.22, 1.2], "loss": [0.22, 1.2]}
    for term, texts in display.texts_.items():
        assert [text.get_text() for text in texts] == numbers[term]
        assert_allclose([text.xy[0] for text in texts], ends[term], rtol=1e-12)
    for i in range(2):
        above, below = display.discriminations_[i], display.miscalibrations_[i]
        assert i - 0.5 < above.get_y() < above.get_y() + above.get_height() <= below.get_y() + 1e-12
        assert below.get_y() + below.get_height() < i + 0.5
    assert [text.get_text() for text in display.ax_.get_yticklabels()] == ["good", "bad"]
    assert display.ax_.get_xlabel() == "Cross-entropy (bits)"
    assert display.ax_.get_xlim()[0] == 0
    assert legend_texts(display.ax_) == ["discrimination", "miscalibration", "loss", "uncertainty 0.700"]


def test_parts_below_zero_are_inside_the_axis():
    """Recalibration of several classes may lose: the bar turns around, the numbers keep their signs."""
    display = DecompositionDisplay(parts(odd=(-0.05, -0.02, 0.7))).plot()
    draw(display)
    (bar,) = display.miscalibrations_
    assert_allclose(sorted([bar.get_x(), bar.get_x() + bar.get_width()]), [0.67, 0.72], rtol=1e-12)
    assert [texts[0].get_text() for texts in display.texts_.values()] == ["+0.020", "−0.050", "= 0.670"]
    assert_allclose([texts[0].xy[0] for texts in display.texts_.values()], [0.72, 0.72, 0.67], rtol=1e-12)


def test_intervals_are_at_the_ends_of_the_bars():
    """Those of the discrimination are turned around, like its bar; an interval that is not known is not drawn."""
    frame = parts(a=(0.1, 0.5, 0.7), b=(0.2, 0.3, 0.7)).assign(
        discrimination_low=[0.45, 0.2],
        discrimination_high=[0.6, 0.35],
        miscalibration_low=[0.05, 0.1],
        miscalibration_high=[0.15, 0.4],
        loss_low=[0.25, np.nan],
        loss_high=[0.4, np.nan],
    )
    display = DecompositionDisplay(frame, confidence=0.9).plot()
    draw(display)
    assert list(display.intervals_) == ["discrimination", "miscalibration", "loss"]
    lines = [sorted(line[:, 0]) for line in display.intervals_["discrimination"].get_segments()]
    assert_allclose(lines, [[0.1, 0.25], [0.35, 0.5]], rtol=1e-12)
    lines = [line[:, 0] for line in display.intervals_["miscalibration"].get_segments()]
    assert_allclose(lines, [[0.25, 0.35], [0.5, 0.8]], rtol=1e-12)
    lines = display.intervals_["loss"].get_segments()
    assert_allclose(lines[0][:, 0], [0.25, 0.4], rtol=1e-12)
    assert_allclose([text.xy[0] for text in display.texts_["loss"]], [0.4, 0.6], rtol=1e-12)
    assert legend_texts(display.ax_)[-1] == "90% interval"
    assert "interval" in legend_texts(DecompositionDisplay(frame).plot().ax_)


@pytest.mark.parametrize("k", [2, 3])
def test_a_decomposition_of_predictions_is_decompose(k):
    """With all its options, in the unit of the axis; scikit-learn's loss is the diamond."""
    y, p, weights = predictions(90, k, 21)
    models = {"given": p, "sharper": p**2 / (p**2).sum(axis=1, keepdims=True)}
    options = {"sample_weight": weights, "confidence": 0.8, "n_resamples": 20, "base": 2}
    frame = decompose(y, models, recalibration="softmax", **options)
    display = DecompositionDisplay.from_predictions(y, models, recalibration="softmax", **options)
    draw(display)
    pd.testing.assert_frame_equal(display.decomposition, frame)
    assert_allclose([bar.get_width() for bar in display.discriminations_], frame["discrimination"], rtol=1e-12)
    assert_allclose([bar.get_width() for bar in display.miscalibrations_], frame["miscalibration"], atol=1e-12)
    losses = [log_loss(y, q, sample_weight=weights) / np.log(2) for q in models.values()]
    assert_allclose(display.losses_.get_xdata(), losses, rtol=1e-12)
    assert_allclose(
        [line[:, 0] for line in display.intervals_["loss"].get_segments()], frame[["loss_low", "loss_high"]]
    )
    assert display.ax_.get_xlabel() == "Cross-entropy (bits)"
    assert [text.get_text() for text in display.ax_.get_yticklabels()] == ["given", "sharper"]


def test_a_decomposition_of_estimators(wine):
    """Their columns are paired by class; a name for one, a dict of names for several."""
    X, y, _ = wine
    model = GaussianNB().fit(X[::2], y[::2])

    class Backwards(GaussianNB):
        """With its classes in another order."""

        def predict_proba(self, X):
            return super().predict_proba(X)[:, ::-1] if self.turned else super().predict_proba(X)

        turned = False

    other = Backwards().fit(X[::2], y[::2])
    other.classes_, other.turned = model.classes_[::-1], True
    display = DecompositionDisplay.from_estimator({"a": model, "b": other}, X[1::2], y[1::2])
    rows = display.decomposition.to_numpy()
    assert_allclose(rows[0], rows[1], rtol=1e-12)
    assert rows[0, 0] == pytest.approx(log_loss(y[1::2], model.predict_proba(X[1::2])), rel=1e-9)
    named = DecompositionDisplay.from_estimator(model, X[1::2], y[1::2], name="bayes")
    assert list(named.decomposition.index) == ["bayes"]


def test_reliability_and_decompose_agree():
    """The numbers in the legend are those of the table, for two classes."""
    y, p, weights = predictions(90, 2, 22)
    (row,) = decompose(y, p[:, 1], sample_weight=weights).to_dict("records")
    curve = ReliabilityDisplay.from_predictions(y, p, sample_weight=weights).curves[1]["model"]
    for term, value in row.items():
        assert getattr(curve, term) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("display", [LossByClassDisplay, ReliabilityDisplay, DecompositionDisplay])
def test_names_of_models(display):
    """A dict's keys, a DataFrame's columns, `name`, or "model", the same for all displays."""
    y, p, _ = predictions(40, 2, 23)
    frame = pd.DataFrame({"a": p[:, 1], "b": p[:, 1] ** 2})

    def names(*args, **options):
        drawn = display.from_predictions(y, *args, **options)
        if display is DecompositionDisplay:
            return list(drawn.decomposition.index)
        return list(drawn.losses if display is LossByClassDisplay else drawn.curves[1])

    assert names(p) == ["model"]
    assert names(p, name="c") == ["c"]
    assert names({"d": p, "e": p}) == ["d", "e"]
    assert names(frame) == ["a", "b"]
    with pytest.raises(ValueError, match="name='c' is for one model"):
        names(frame, name="c")


def test_models_of_other_rows_have_their_own_uncertainty():
    """A line each, and no number in the legend."""
    display = DecompositionDisplay(parts(a=(0.1, 0.2, 0.7), b=(0.1, 0.2, 0.5))).plot()
    assert_allclose([line[0, 0] for line in display.uncertainties_.get_segments()], [0.7, 0.5])
    assert legend_texts(display.ax_)[-1] == "uncertainty"


def test_a_decomposition_on_given_axes(plt):
    """`ax` is drawn on."""
    figure, (left, right) = plt.subplots(1, 2)
    display = DecompositionDisplay(parts(a=(0.1, 0.2, 0.3))).plot(right)
    assert display.ax_ is right
    assert display.figure_ is figure
    assert not left.patches


@pytest.mark.parametrize(
    ("frame", "match"),
    [
        (parts(a=(1, 1, 1)).drop(columns="discrimination"), r"it lacks \['discrimination'\]"),
        ([[1, 2, 3, 4]], "must be a DataFrame, as decompose returns it"),
        (parts(a=(1, 1, np.inf)), "must be finite"),
        (parts(a=(1, 1, 1)).iloc[:0], "loss is empty"),
    ],
)
def test_no_decomposition(frame, match):
    """The columns it lacks are named."""
    with pytest.raises(ValueError, match=match):
        DecompositionDisplay(frame)


@pytest.mark.parametrize("display", [ReliabilityDisplay, DecompositionDisplay])
def test_long_names_leave_the_legend_in_the_figure(display):
    """They are broken into lines: the numbers behind them are not cut off."""
    p = np.random.default_rng(0).random(80)
    y = (np.random.default_rng(1).random(80) < p).astype(int)
    shown = display.from_predictions(y, {"Pipeline of a StandardScaler and a LogisticRegression": p, "short": p**2})
    shown.figure_.canvas.draw()
    assert shown.ax_.get_legend().get_window_extent().x1 <= shown.figure_.bbox.x1
    assert shown.ax_.bbox.width > 0.4 * shown.figure_.bbox.width


def test_many_models_leave_the_legend_of_a_grid_in_the_figure():
    """It has as many columns as there is room for."""
    P = np.random.default_rng(0).dirichlet(np.ones(3), 60)
    names = ["LogisticRegression", "GaussianNB", "RandomForestClassifier", "KNeighborsClassifier"]
    shown = ReliabilityDisplay.from_predictions(P.argmax(axis=1), dict.fromkeys(names, P), confidence=None)
    shown.figure_.canvas.draw()
    extent = shown.figure_.legends[0].get_window_extent()
    assert extent.x0 >= 0
    assert extent.x1 <= shown.figure_.bbox.x1


def test_infinite_logits_are_refused():
    """As everywhere else: no probability is made of them."""
    with pytest.raises(ValueError, match="Logits must be finite or -inf: row 1 has inf"):
        ReliabilityDisplay.from_predictions([0, 1, 1], [-1.0, np.inf, 0.0], labels=[0, 1], from_logits=True)
