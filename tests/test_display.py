"""The displays: what is drawn against numbers computed some other way, labels, units, several models, errors."""

import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.metrics import log_loss
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier

from skce import CrossEntropyClassifier, LossByClassDisplay, LossCurveDisplay, cross_entropy_loss

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
        f"CrossEntropyClassifier, training (last: {classifier.loss_curve_[-1] / divisor:.3g})"
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
    assert legend_texts(display.ax_) == ["a, training (last: 0.25)", "a, validation (least: 0.75)"]


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
        assert_allclose(display.losses["Classifier"][label], -np.log2(p[rows, code]), rtol=1e-13)
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
    assert legend_texts(display.ax_) == ["m", "mean", "class frequency"]


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
    for a, b in zip(by_weight.boxes_["Classifier"], by_row.boxes_["Classifier"], strict=True):
        assert_allclose(a.get_bbox().extents, b.get_bbox().extents, rtol=1e-12)
    ends = [np.array(display.whiskers_["Classifier"].get_segments()) for display in (by_weight, by_row)]
    assert_allclose(*ends, rtol=1e-12)
    means = [display.means_["Classifier"].get_xdata() for display in (by_weight, by_row)]
    assert_allclose(*means, rtol=1e-12)
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
    for above, below in zip(display.boxes_["bayes"], display.boxes_["ce"], strict=True):
        assert above.get_y() + above.get_height() <= below.get_y()
        assert above.get_edgecolor() != below.get_edgecolor()
    assert legend_texts(display.ax_) == ["bayes", "ce", "mean", "class frequency"]
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
    assert_array_equal(display.means_["Classifier"].get_ydata().round(9), [0, 2])
    assert len(display.baseline_.get_segments()) == 2


def test_only_the_largest_rows_are_points():
    """A million rows draw as fast as a thousand."""
    rows = np.random.default_rng(6).exponential(size=20_000)
    display = LossByClassDisplay({"m": {"a": rows}}).plot()
    assert_array_equal(display.points_["m"].get_xdata(), np.sort(rows)[-100:])
    assert display.baseline_ is None


def test_rows_predicted_for_certain_are_on_the_axis():
    """The axis begins at 0, which a logarithmic one has not."""
    display = LossByClassDisplay({"m": {"a": [0.0, 0.0, 0.0, 40.0]}}).plot()
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
    with pytest.raises(ValueError, match=r"All models must have the same classes: 'all' has .*, 'two' has"):
        LossByClassDisplay.from_estimator(models, X[two], y[two])
