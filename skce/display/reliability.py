"""Predicted probabilities against what came of them."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skce import _validation as validation
from skce._case import CROSS_ENTROPY, Case
from skce._recalibration import isotonic
from skce.decomposition import decompose
from skce.display import _figure as figure

BINS = np.linspace(0, 1, 21)
STRIP = (-0.28, -0.06)
"""Where the histogram stands, below the curve's 0."""

BAND_POINTS = 500
"""Predictions at which a band is computed, of more as many, evenly spread."""


class ReliabilityCurve(NamedTuple):
    """What is drawn of one model's predictions for one class."""

    proba: NDArray[Any]
    """Distinct predicted probabilities, ascending, (m,)."""
    frequency: NDArray[Any]
    """Recalibrated probability of each: the frequency of the class, isotonic in `proba`, (m,)."""
    band: NDArray[Any] | None
    """Predicted probability, lower and upper end of the consistency band, (3, at most 500)."""
    histogram: NDArray[Any]
    """Share of the rows predicted in each twentieth of [0, 1], (20,)."""
    loss: float
    """Cross-entropy of the class against all others."""
    miscalibration: float
    """How much of it recalibration saves."""
    discrimination: float
    """How much the recalibrated predictions save of the uncertainty."""
    uncertainty: float
    """Cross-entropy of predicting the class's frequency for every row: loss - miscalibration + discrimination."""


class ReliabilityDisplay:
    """Reliability diagram: frequency of a class against its predicted probability, without bins.

    On the diagonal the class comes as often as was predicted; below it the predictions are too high. The curve is the
    best non-decreasing recalibration of the predictions (isotonic regression), so there are no bins to choose. Its
    summary is in the legend: of the cross-entropy, recalibration would save the miscalibration (MCB, smaller is
    better), and the predictions, recalibrated, save the discrimination (DSC, greater is better).

    The shaded consistency band shows where the curve would be if the model *were* calibrated. The predictions stay,
    outcomes are drawn anew: each row is of the class with the probability that was predicted for it. They are
    recalibrated as the true ones are, `n_resamples` times, and the band holds the middle `confidence` of these
    curves, at each prediction by itself. It lies around the diagonal, and a curve that leaves it is evidence of
    miscalibration. A bootstrap of the rows, which this is not, lies around the curve and does not answer that question.

    The histogram below shows where the predictions are; the fullest bin has its full height.

    Two classes have one panel, that of the second; more have a panel each, one class against all others.

    It is made by `from_estimator` or `from_predictions`.

    Parameters
    ----------
    curves : dict of dict of ReliabilityCurve
        Of each class, and each model by name.
    confidence : float, default=0.9
        Level of the bands, for the legend; None if there are none.
    base : float, default=None
        Base of the logarithm of miscalibration and discrimination: None for e (nats), 2 for bits, 10 for hartleys.

    Attributes
    ----------
    lines_ : dict of dict of matplotlib Line2D
        Curves of each class and model.
    bands_ : dict of dict of matplotlib FillBetweenPolyCollection
        Bands of each class and model, if there are some.
    histograms_ : dict of dict of matplotlib StepPatch
        Histograms of each class and model.
    ax_ : matplotlib Axes, or ndarray of them
        The panel, or the panel of each class.
    figure_ : matplotlib Figure
        Their figure.

    References
    ----------
    Dimitriadis, T., T. Gneiting, A. I. Jordan, "Stable reliability diagrams for probabilistic classifiers", 2021,
    doi:10.1073/pnas.2016191118

    See Also
    --------
    sklearn.calibration.CalibrationDisplay : With bins, of two classes.

    Examples
    --------
    >>> from skce import ReliabilityDisplay
    >>> display = ReliabilityDisplay.from_predictions([0, 1, 0, 1], [0.1, 0.3, 0.5, 0.9])
    >>> display.lines_[1]["model"].get_ydata()
    array([0. , 0.5, 0.5, 1. ])
    """

    def __init__(
        self,
        curves: Mapping[Any, Mapping[Any, ReliabilityCurve]],
        *,
        confidence: float | None = 0.9,
        base: float | None = None,
    ):
        self.curves = curves
        self.confidence = confidence
        self.base = base
        validation.check_base(base)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        confidence: float | None = 0.9,
        n_resamples: int = 200,
        random_state: Any = 0,
        name: str | None = None,
        base: float | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw the reliability of a fitted classifier on some rows, which it should not have been fitted to.

        Parameters
        ----------
        estimator : fitted classifier, or dict of them
            With `predict_proba`. Several in a dict of names, fitted to the same classes.
        X : {array-like, sparse matrix} of shape (n, n_features)
            Features.
        y : array-like of shape (n,)
            Labels.
        classes, sample_weight, confidence, n_resamples, random_state, name, base, ax
            As in `from_predictions`; a single classifier has the name of its class.

        Returns
        -------
        ReliabilityDisplay

        Raises
        ------
        ValueError
            If a label is not among the classes of the classifier, or two classifiers have not the same ones.
        """
        validation.check_matplotlib(f"{cls.__name__}.from_estimator")
        models = validation.check_models(estimator, name, type(estimator).__name__)
        found = figure.cases(y, figure.predictions(models, X), sample_weight=sample_weight)
        return cls._from_cases(found, classes, confidence, n_resamples, random_state, base).plot(ax)

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_proba: Any,
        *,
        labels: ArrayLike | None = None,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        from_logits: bool = False,
        confidence: float | None = 0.9,
        n_resamples: int = 200,
        random_state: Any = 0,
        name: str | None = None,
        base: float | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw the reliability of predictions.

        Parameters
        ----------
        y_true : array-like of shape (n,)
            Labels.
        y_proba : array-like of shape (n, k) or (n,), dict of them, or DataFrame
            Probabilities, as `cross_entropy_loss` takes them; those of several models as `decompose` takes them, in a
            dict of names.
        labels : array-like of shape (k,), default=None
            Class of each column of `y_proba`; by default the names of its columns, or the sorted labels of `y_true`.
        classes : array-like, default=None
            Classes to show, a panel each; by default the second of two, or all of more.
        sample_weight : array-like of shape (n,), default=None
            Weight of each row.
        from_logits : bool, default=False
            Whether `y_proba` holds logits.
        confidence : float, default=0.9
            Part of the curves of a calibrated model that is inside the band, at each prediction; None for no band.
        n_resamples : int, default=200
            How many such curves are drawn. With a million rows 200 take half a minute.
        random_state : int, RandomState instance or None, default=0
            What they are drawn with.
        name : str, default=None
            Name of a single model.
        base : float, default=None
            Base of the logarithm of miscalibration and discrimination: None for e (nats), 2 for bits, 10 for hartleys.
        ax : matplotlib Axes or array-like of them, default=None
            Where to draw, a panel for each class; by default in a new figure.

        Returns
        -------
        ReliabilityDisplay

        Raises
        ------
        ValueError
            If shapes or values are not as described.
        """
        validation.check_matplotlib(f"{cls.__name__}.from_predictions")
        models = validation.check_predictions(y_true, y_proba, labels, name)
        answers = {model: (outputs, labels) for model, outputs in models.items()}
        found = figure.cases(y_true, answers, sample_weight=sample_weight, from_logits=from_logits)
        return cls._from_cases(found, classes, confidence, n_resamples, random_state, base).plot(ax)

    @classmethod
    def _from_cases(
        cls,
        cases: Mapping[Any, Case],
        classes: ArrayLike | None,
        confidence: float | None,
        n_resamples: int,
        random_state: Any,
        base: float | None,
    ) -> Self:
        known = next(iter(cases.values())).classes
        shown = validation.check_shown_classes(classes, known)
        if confidence is not None:
            validation.check_number("confidence", confidence, 0.0, 1.0, closed="neither")
        validation.check_number("n_resamples", n_resamples, 1, integer=True)
        resampling = _Resampling(confidence, n_resamples, validation.check_random_state(random_state))
        curves = {
            label: {model: _curve(case, label, base, resampling) for model, case in cases.items()} for label in shown
        }
        return cls(curves, confidence=confidence, base=base)

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes or array-like of them, default=None
            Where to draw, a panel for each class; by default in a new figure.

        Returns
        -------
        ReliabilityDisplay
        """
        validation.check_matplotlib(f"{type(self).__name__}.plot")
        grid = ax is None and len(self.curves) > 1
        panels = self._new_panels() if ax is None else validation.check_axes(ax, len(self.curves))
        self.figure_ = panels[0].figure
        self.ax_ = panels[0] if len(panels) == 1 else np.array(panels, dtype=object)
        self.lines_: dict[Any, dict[Any, Any]] = {}
        self.bands_: dict[Any, dict[Any, Any]] = {}
        self.histograms_: dict[Any, dict[Any, Any]] = {}
        for panel, label in zip(panels, self.curves, strict=True):
            self._draw_panel(panel, label, small=grid)
            if not grid:
                panel.set(xlabel=f"Predicted probability of {label}", ylabel="Observed frequency")
        if grid:
            self._label_grid()
        return self

    def _new_panels(self) -> list[Any]:
        """Axes of a new figure, in rows of at most three."""
        import matplotlib.pyplot as plt

        n, n_models = len(self.curves), max(map(len, self.curves.values()))
        columns = 2 if n == 4 else min(3, n)
        rows = -(-n // columns)
        size = (5.2, 5.2 + 0.2 * n_models) if n == 1 else (6.4, 1.1 + rows * (0.5 + 5 / columns + 0.18 * n_models))
        drawn, axes = plt.subplots(
            rows, columns, figsize=size, sharex=True, sharey=True, squeeze=False, layout="constrained"
        )
        for spare in axes.flat[n:]:
            drawn.delaxes(spare)
        for panel in axes.flat[max(0, n - columns) : n]:
            panel.tick_params(labelbottom=True)
        return list(axes.flat[:n])

    def _draw_panel(self, ax: Any, label: Any, *, small: bool) -> None:
        """One class, all models; in a `small` panel of a grid the legend says only what differs between panels."""
        curves = self.curves[label]
        _draw_frame(ax)
        self.lines_[label], self.bands_[label], self.histograms_[label] = {}, {}, {}
        fullest = max(curve.histogram.max() for curve in curves.values())
        for model, style in zip(curves, figure.styles(ax, len(curves)), strict=True):
            self._draw_model(ax, label, model, style, fullest)
        options: dict[str, Any] = {"title": self._explanation()}
        if small:
            options = {"title": str(label), "title_fontproperties": {"weight": "bold"}, "fontsize": "small"}
            options |= {"handlelength": 1.2, "handletextpad": 0.4, "borderaxespad": 0.0}
            for line in self.lines_[label].values():
                line.set(markersize=4, label=line.get_label().rpartition(":")[2].strip())
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), alignment="left", frameon=False, **options)

    def _draw_model(self, ax: Any, label: Any, model: Any, style: figure.Style, fullest: float) -> None:
        """Curve, band and histogram of one model, whose bins have at most the share `fullest` of the rows."""
        curve, alone = self.curves[label][model], len(self.curves[label]) == 1
        if curve.band is not None:
            shade = figure.shade(style.color, 0.25 if alone else 0.1)
            edge = figure.shade(style.color, 0.5)
            self.bands_[label][model] = ax.fill_between(*curve.band, facecolor=shade, edgecolor=edge, linewidth=0.7)
        heights = STRIP[0] + (STRIP[1] - STRIP[0]) * curve.histogram / fullest
        self.histograms_[label][model] = ax.stairs(heights, BINS, baseline=STRIP[0], color=style.color, fill=alone)
        (self.lines_[label][model],) = ax.plot(
            curve.proba,
            curve.frequency,
            color=style.color,
            marker=style.marker,
            markevery=0.15,
            label=_label(model, curve),
        )

    def _explanation(self) -> str:
        """What the legend's abbreviations and the shade mean."""
        parts = f"MCB: miscalibration, DSC: discrimination ({figure.unit(self.base)})"
        if self.confidence is None:
            return parts
        return f"{parts}\nshaded: if it were calibrated ({100 * self.confidence:g}% consistency band)"

    def _label_grid(self) -> None:
        """Labels of a figure of many panels, and a legend of the models, once for all of them."""
        from matplotlib.lines import Line2D

        lines = next(iter(self.lines_.values()))
        handles = [
            Line2D([], [], color=line.get_color(), marker=line.get_marker(), label=str(model))
            for model, line in lines.items()
        ]
        self.figure_.legend(
            handles=handles,
            loc="outside upper center",
            ncols=figure.columns_for(self.figure_, [str(model) for model in lines]),
            title=self._explanation(),
            frameon=False,
        )
        self.figure_.supxlabel("Predicted probability of the class", size="medium")
        self.figure_.supylabel("Observed frequency", size="medium")


def _label(model: Any, curve: ReliabilityCurve) -> str:
    """A model's entry in the legend; a long name has lines of its own."""
    name = figure.wrapped(model)
    end = "\n" if name != str(model) else " "
    return f"{name}:{end}MCB {curve.miscalibration:.3f} DSC {curve.discrimination:.3f}"


class _Resampling(NamedTuple):
    """How the curves of a calibrated model are drawn."""

    confidence: float | None
    times: int
    rng: Any

    def band(self, p: NDArray[Any], weights: NDArray[Any]) -> NDArray[Any] | None:
        """Predictions, and the ends of the band there, (3, m)."""
        if self.confidence is None:
            return None
        values, groups = np.unique(p, return_inverse=True)
        mass = np.bincount(groups, weights)
        shown = np.unique(np.linspace(0, len(values) - 1, BAND_POINTS).astype(np.intp))
        curves = np.empty((self.times, len(shown)))
        for curve in curves:
            outcomes = self.rng.uniform(size=len(p)) < p
            curve[:] = isotonic(np.bincount(groups, weights * outcomes) / mass, values, mass)[shown]
        tail = (1 - self.confidence) / 2
        return np.vstack([values[shown], np.quantile(curves, [tail, 1 - tail], axis=0)])


def _curve(case: Case, label: Any, base: float | None, resampling: _Resampling) -> ReliabilityCurve:
    """The curve of one class against all others, and its numbers."""
    place = case.classes.tolist().index(label)
    weights = np.ones(len(case.outputs)) if case.weights is None else case.weights
    counted = weights > 0
    y, p, weights = (case.targets == place)[counted], _column(case, place)[counted], weights[counted]
    values, rows = np.unique(p, return_index=True)
    (terms,) = decompose(
        y,
        p,
        labels=[False, True],
        sample_weight=weights,
        recalibration="isotonic",
        base=base,
        eps=case.eps,
    ).to_dict("records")
    return ReliabilityCurve(
        proba=values,
        frequency=isotonic(y, p, weights)[rows],
        band=resampling.band(p, weights),
        histogram=np.histogram(p, BINS, weights=weights)[0] / weights.sum(),
        **terms,
    )


def _column(case: Case, place: int) -> NDArray[Any]:
    """Predicted probability of one class, (n,), in float64."""
    outputs = case.outputs
    if case.from_logits:
        validation.explain_logits(outputs)
        outputs = case.loss(CROSS_ENTROPY, None).proba(outputs)
    validation.check_probabilities(outputs)
    if outputs.ndim == 2:
        return outputs[:, place].astype(np.float64)
    return (outputs if place else 1 - outputs).astype(np.float64)


def _draw_frame(ax: Any) -> None:
    """The diagonal, the axes, and a place for the histogram below 0."""
    ax.plot([0, 1], [0, 1], color=figure.GREY, linestyle=":", linewidth=1, label="_diagonal", zorder=1)
    ax.axhline(0, color=figure.GREY, linewidth=0.5, zorder=1)
    ax.set(xlim=(-0.03, 1.03), ylim=(STRIP[0], 1.03), xticks=[0, 0.5, 1])
    ax.set_yticks([sum(STRIP) / 2, 0, 0.5, 1], ["rows", "0", "0.5", "1"])
