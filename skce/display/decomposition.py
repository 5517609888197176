"""Where a loss comes from: miscalibration, discrimination, uncertainty."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skce import _validation as validation
from skce.decomposition import TERMS, decompose
from skce.display import _figure as figure

SAVED, LOST = figure.COLORS[0], figure.COLORS[1]

LANES = {"discrimination": -0.27, "miscalibration": 0.0, "loss": 0.27}
"""Where a model has what, around its place."""

HEIGHT = 0.24


class DecompositionDisplay:
    """Loss of each model as the uncertainty, less what it discriminates, plus what its miscalibration costs.

    A model has three lanes, to be read as a sum. The first bar goes from the uncertainty, the dotted line, which is the
    loss of predicting the frequencies alone, down to what the loss would be after recalibration: its length is the
    discrimination, the longer the better. The second goes up from there: its length is the miscalibration, the shorter
    the better. It ends at the loss, the diamond. Black lines are the bootstrap intervals of the lengths and of the
    loss, if there are some.

    Bars on one axis, not points in the plane of miscalibration and discrimination: there the loss is read from slanted
    lines, and one model is a point in an empty square. Here all are lengths in the same unit, for one model as for ten.

    It is made by `from_estimator` or `from_predictions`, or from what `decompose` returns.

    Parameters
    ----------
    decomposition : DataFrame
        What `decompose` returns: a row for each model, with the columns loss, miscalibration, discrimination and
        uncertainty, and maybe loss_low, loss_high and so on.
    confidence : float, default=None
        Confidence of the intervals, for the legend.
    base : float, default=None
        Base of the logarithm that the losses were taken with, which names their unit: None for e (nats), 2 for bits,
        10 for hartleys.

    Attributes
    ----------
    discriminations_ : matplotlib BarContainer
        The first bars, in the order of the rows.
    miscalibrations_ : matplotlib BarContainer
        The second bars.
    losses_ : matplotlib Line2D
        The diamonds.
    uncertainties_ : matplotlib LineCollection
        The dotted lines.
    intervals_ : dict of matplotlib LineCollection
        The intervals of discrimination, miscalibration and loss, where there are some.
    texts_ : dict of list of matplotlib Annotation
        The numbers: discrimination with a minus, miscalibration with a plus, loss.
    ax_ : matplotlib Axes
        The axes that were drawn on.
    figure_ : matplotlib Figure
        Their figure.

    See Also
    --------
    decompose : The numbers, and what they mean.
    ReliabilityDisplay : Which predictions are miscalibrated.

    References
    ----------
    Dimitriadis, T., T. Gneiting, A. I. Jordan, "Stable reliability diagrams for probabilistic classifiers", 2021,
    doi:10.1073/pnas.2016191118

    Examples
    --------
    >>> from skce import DecompositionDisplay
    >>> y = ["ham", "ham", "spam", "ham", "spam", "spam"]
    >>> models = {"timid": [0.4, 0.4, 0.4, 0.6, 0.6, 0.6], "bold": [0.01, 0.1, 0.1, 0.9, 0.9, 0.99]}
    >>> display = DecompositionDisplay.from_predictions(y, models)
    >>> display.losses_.get_xdata().round(3)
    array([0.646, 0.806])
    """

    def __init__(self, decomposition: Any, *, confidence: float | None = None, base: float | None = None):
        self.decomposition = validation.check_decomposition(decomposition, TERMS)
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
        confidence: float | None = None,
        name: str | None = None,
        base: float | None = None,
        ax: Any = None,
        **options: Any,
    ) -> Self:
        """Draw the decomposed loss of a fitted classifier on some rows, which it should not have been fitted to.

        Parameters
        ----------
        estimator : fitted classifier, or dict of them
            With `predict_proba`. Several in a dict of names, fitted to the same classes.
        X : {array-like, sparse matrix} of shape (n, n_features)
            Features.
        y : array-like of shape (n,)
            Labels.
        confidence : float, default=None
            Confidence of bootstrap intervals, such as 0.9; None for no intervals.
        name : str, default=None
            Name of a single classifier; by default that of its class.
        base : float, default=None
            Base of the logarithm: None for e (nats), 2 for bits, 10 for hartleys.
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        **options
            More options of `decompose`, such as `sample_weight`.

        Returns
        -------
        DecompositionDisplay

        Raises
        ------
        ValueError
            If a label is not among the classes of the classifier, or two classifiers have not the same ones.
        """
        validation.check_matplotlib(f"{cls.__name__}.from_estimator")
        models = validation.check_models(estimator, name, type(estimator).__name__)
        answers = figure.predictions(models, X)
        _, labels = next(iter(answers.values()))
        y_proba = {
            model: proba[:, validation.match_columns(classes, labels, repr(model))]
            for model, (proba, classes) in answers.items()
        }
        frame = decompose(y, y_proba, labels=labels, confidence=confidence, base=base, **options)
        return cls(frame, confidence=confidence, base=base).plot(ax)

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_proba: Any,
        *,
        labels: ArrayLike | None = None,
        confidence: float | None = None,
        name: str | None = None,
        base: float | None = None,
        ax: Any = None,
        **options: Any,
    ) -> Self:
        """Draw the decomposed loss of predictions.

        Parameters
        ----------
        y_true : array-like of shape (n,) or (n, k)
            Labels, or a distribution over the classes for each row.
        y_proba : array-like of shape (n, k) or (n,), dict of them, or DataFrame
            Predictions of one model or of several, as `decompose` takes them.
        labels : array-like of shape (k,), default=None
            Class of each column of `y_proba`; by default the names of its columns, or the sorted labels of `y_true`.
        confidence : float, default=None
            Confidence of bootstrap intervals, such as 0.9; None for no intervals.
        name : str, default=None
            Name of a single model.
        base : float, default=None
            Base of the logarithm: None for e (nats), 2 for bits, 10 for hartleys.
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.
        **options
            More options of `decompose`, such as `sample_weight`.

        Returns
        -------
        DecompositionDisplay

        Raises
        ------
        ValueError
            If shapes or values are not as described.
        """
        validation.check_matplotlib(f"{cls.__name__}.from_predictions")
        models = validation.check_predictions(y_true, y_proba, labels, name)
        frame = decompose(y_true, models, labels=labels, confidence=confidence, base=base, **options)
        return cls(frame, confidence=confidence, base=base).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.

        Returns
        -------
        DecompositionDisplay
        """
        validation.check_matplotlib(f"{type(self).__name__}.plot")
        n = len(self.decomposition)
        self.ax_ = figure.new_axes(ax, figsize=(6.4, 1.5 + 0.75 * n))
        self.figure_ = self.ax_.figure
        self._draw_terms()
        self._draw_intervals()
        self._write_numbers()
        self.ax_.set(xlabel=f"Cross-entropy ({figure.unit(self.base)})", ylim=(n - 0.5, -0.5))
        self.ax_.set_yticks(range(n), [figure.wrapped(model) for model in self.decomposition.index])
        self.ax_.tick_params(axis="y", length=0)
        handles = [self.discriminations_, self.miscalibrations_, self.losses_, self.uncertainties_]
        handles += list(self.intervals_.values())[:1]
        figure.legend_above(self.ax_, handles, [handle.get_label() for handle in handles])
        return self

    def _draw_terms(self) -> None:
        """Bars, diamonds and lines, on an axis that begins at 0 or before."""
        loss, uncertainty, start = self._column("loss"), self._column("uncertainty"), self._start()
        bars = {"discrimination": {"color": SAVED}, "miscalibration": {"color": LOST, "hatch": "////"}}
        drawn = {
            term: self.ax_.barh(
                self._lane(term),
                self._column(term),
                HEIGHT,
                start,
                facecolor=figure.tint(look["color"]),
                edgecolor=look["color"],
                hatch=look.get("hatch"),
                label=term,
            )
            for term, look in bars.items()
        }
        self.discriminations_, self.miscalibrations_ = drawn["discrimination"], drawn["miscalibration"]
        (self.losses_,) = self.ax_.plot(
            loss, self._lane("loss"), linestyle="none", marker="D", color="black", label="loss", zorder=3
        )
        rows = np.arange(len(loss))
        shared = f" {uncertainty[0]:.3f}" if np.ptp(uncertainty) < 5e-4 else ""
        self.uncertainties_ = self.ax_.vlines(
            uncertainty,
            rows - 0.5,
            rows + 0.5,
            color=figure.GREY,
            linestyle=":",
            label=f"uncertainty{shared}",
            zorder=1,
        )
        left = [start, loss, *(left for left, _ in self._intervals().values())]
        self.ax_.set_xlim(left=min(0, np.nanmin(left)))

    def _draw_intervals(self) -> None:
        """Black lines around the ends of the bars and the losses."""
        share = "" if self.confidence is None else f"{100 * self.confidence:g}% "
        look = {"color": "black", "linewidth": 1.5, "zorder": 2.5, "label": f"{share}interval"}
        self.intervals_ = {
            term: self.ax_.hlines(self._lane(term), left, right, **look)
            for term, (left, right) in self._intervals().items()
        }

    def _write_numbers(self) -> None:
        """The numbers, to the right of the bars, their intervals and the diamonds."""
        ends = {
            "discrimination": np.maximum(self._column("uncertainty"), self._start()),
            "miscalibration": np.maximum(self._column("loss"), self._start()),
            "loss": self._column("loss"),
        }
        for term, (_, right) in self._intervals().items():
            ends[term] = np.fmax(ends[term], right)
        self.ax_.set_xlim(right=1.25 * np.max(list(ends.values())))
        ground = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5}
        self.texts_ = {
            term: [
                self.ax_.annotate(
                    _text(term, value), place, (7, 0), textcoords="offset points", va="center", bbox=ground
                )
                for value, place in zip(self._column(term), zip(right, self._lane(term), strict=True), strict=True)
            ]
            for term, right in ends.items()
        }

    def _intervals(self) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
        """Left and right ends of the intervals that are known; that of a bar is where the bar may end."""
        known = {
            term: (self._column(f"{term}_low"), self._column(f"{term}_high"))
            for term in LANES
            if f"{term}_low" in self.decomposition
        }
        if "discrimination" in known:
            low, high = known["discrimination"]
            known["discrimination"] = self._column("uncertainty") - high, self._column("uncertainty") - low
        if "miscalibration" in known:
            low, high = known["miscalibration"]
            known["miscalibration"] = self._start() + low, self._start() + high
        return known

    def _column(self, name: str) -> NDArray[Any]:
        """A column of the decomposition."""
        return np.asarray(self.decomposition[name], dtype=np.float64)

    def _start(self) -> NDArray[Any]:
        """Where both bars meet: the loss after recalibration."""
        return self._column("uncertainty") - self._column("discrimination")

    def _lane(self, term: str) -> NDArray[Any]:
        """Height of a term of each model."""
        return np.arange(len(self.decomposition)) + LANES[term]


def _text(term: str, value: float) -> str:
    """A number as part of the sum, with signs that are as wide as each other."""
    text = {"discrimination": f"{-value:+.3f}", "miscalibration": f"{value:+.3f}", "loss": f"= {value:.3f}"}[term]
    return text.replace("-", "\N{MINUS SIGN}")
