"""The losses of the rows, class by class."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skce import _validation as validation
from skce._case import CROSS_ENTROPY, Case
from skce.display import _figure as figure

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Whiskers, box and line."""

MOST_POINTS = 100
"""Rows drawn beyond a whisker, the largest ones."""


class LossByClassDisplay:
    """Cross-entropy of the single rows, by their class: which classes cost, and whether by many rows or by a few.

    Lower is better. For each class and model: a box around the middle half of the rows with a line at the median,
    whiskers from the 5th to the 95th percentile, the rows beyond as points (at most the largest 100), a white marker at
    the mean. Where it stands far to the right of the box, a few rows make the loss. A grey bar, class frequency, marks
    what the class would cost if its share of the rows were predicted for every row.

    Losses have heavy tails, so the axis is logarithmic, but for its first part, which is linear and begins at 0.

    It is made by `from_estimator` or `from_predictions`, or from losses of any origin.

    Parameters
    ----------
    losses : dict of dict of array-like
        Of each model by name, and each class, the losses of its rows.
    sample_weight : dict of array-like, default=None
        Weights of the rows of each class.
    baseline : dict of float, default=None
        What each class costs without a model.
    base : float, default=None
        Base of the logarithm that the losses were taken with, which names their unit: None for e (nats), 2 for bits,
        10 for hartleys.

    Attributes
    ----------
    boxes_ : dict of matplotlib BarContainer
        The boxes of each model, in the order of the classes.
    whiskers_ : dict of matplotlib LineCollection
        The whiskers of each model.
    medians_ : dict of matplotlib LineCollection
        The medians of each model.
    means_ : dict of matplotlib Line2D
        The means of each model.
    points_ : dict of matplotlib Line2D
        The rows beyond the whiskers of each model.
    baseline_ : matplotlib LineCollection or None
        What each class costs without a model.
    ax_ : matplotlib Axes
        The axes that were drawn on.
    figure_ : matplotlib Figure
        Their figure.

    See Also
    --------
    cross_entropy_loss : The same losses with ``reduction="none"``, or their mean.

    Examples
    --------
    >>> from skce import LossByClassDisplay
    >>> y_true, y_proba = ["a", "a", "b"], [[0.5, 0.5], [0.9, 0.1], [0.25, 0.75]]
    >>> display = LossByClassDisplay.from_predictions(y_true, y_proba, base=2)
    >>> display.losses["model"]["a"].round(3)
    array([1.   , 0.152])
    """

    def __init__(
        self,
        losses: Any,
        *,
        sample_weight: Mapping | None = None,
        baseline: Mapping | None = None,
        base: float | None = None,
    ):
        self.losses = validation.check_row_losses(losses)
        self.sample_weight = validation.check_row_weights(sample_weight, self.losses)
        self.baseline = {} if baseline is None else dict(baseline)
        self.base = base
        validation.check_base(base)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        name: str | None = None,
        base: float | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw the losses of a fitted classifier on some rows.

        Parameters
        ----------
        estimator : fitted classifier, or dict of them
            With `predict_proba`. Several in a dict of names, fitted to the same classes.
        X : {array-like, sparse matrix} of shape (n, n_features)
            Features.
        y : array-like of shape (n,)
            Labels.
        sample_weight : array-like of shape (n,), default=None
            Weight of each row in means and percentiles.
        name : str, default=None
            Name of a single classifier; by default that of its class.
        base : float, default=None
            Base of the logarithm: None for e (nats), 2 for bits, 10 for hartleys.
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.

        Returns
        -------
        LossByClassDisplay

        Raises
        ------
        ValueError
            If a label is not among the classes of the classifier, or two classifiers have not the same ones.
        """
        validation.check_matplotlib(f"{cls.__name__}.from_estimator")
        models = validation.check_models(estimator, name, type(estimator).__name__)
        answers = figure.predictions(models, X)
        return cls._from_cases(figure.cases(y, answers, sample_weight=sample_weight, base=base), base).plot(ax)

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_proba: Any,
        *,
        labels: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        from_logits: bool = False,
        name: str | None = None,
        base: float | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw the losses of predictions.

        Parameters
        ----------
        y_true : array-like of shape (n,)
            Labels.
        y_proba : array-like of shape (n, k) or (n,), dict of them, or DataFrame
            Probabilities, as `cross_entropy_loss` takes them; those of several models as `decompose` takes them, in a
            dict of names.
        labels : array-like of shape (k,), default=None
            Class of each column of `y_proba`; by default the names of its columns, or the sorted labels of `y_true`.
        sample_weight : array-like of shape (n,), default=None
            Weight of each row in means and percentiles.
        from_logits : bool, default=False
            Whether `y_proba` holds logits.
        name : str, default=None
            Name of a single model.
        base : float, default=None
            Base of the logarithm: None for e (nats), 2 for bits, 10 for hartleys.
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.

        Returns
        -------
        LossByClassDisplay

        Raises
        ------
        ValueError
            If shapes or values are not as described.
        """
        validation.check_matplotlib(f"{cls.__name__}.from_predictions")
        models = validation.check_predictions(y_true, y_proba, labels, name)
        answers = {model: (outputs, labels) for model, outputs in models.items()}
        found = figure.cases(y_true, answers, sample_weight=sample_weight, from_logits=from_logits, base=base)
        return cls._from_cases(found, base).plot(ax)

    @classmethod
    def _from_cases(cls, cases: Mapping[Any, Case], base: float | None) -> Self:
        first = next(iter(cases.values()))
        with np.errstate(divide="ignore"):
            baseline = -np.log(figure.share_of_rows(first)) / first.log_base
        return cls(
            {
                model: _by_class(case, case.values(case.loss(CROSS_ENTROPY, None), None))
                for model, case in cases.items()
            },
            sample_weight=None if first.weights is None else _by_class(first, first.weights),
            baseline=dict(zip(first.classes.tolist(), baseline.tolist(), strict=True)),
            base=base,
        )

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.

        Returns
        -------
        LossByClassDisplay
        """
        validation.check_matplotlib(f"{type(self).__name__}.plot")
        classes = list(next(iter(self.losses.values())))
        n_boxes = len(classes) * len(self.losses)
        self.ax_ = figure.new_axes(ax, figsize=(6.4, max(4.8, 1 + 0.15 * n_boxes)))
        self.figure_ = self.ax_.figure
        self.baseline_ = self._draw_baseline(classes)
        self.boxes_: dict[Any, Any] = {}
        self.whiskers_: dict[Any, Any] = {}
        self.medians_: dict[Any, Any] = {}
        self.means_: dict[Any, Any] = {}
        self.points_: dict[Any, Any] = {}
        height = 0.8 / len(self.losses)
        for i, (model, style) in enumerate(zip(self.losses, figure.styles(self.ax_, len(self.losses)), strict=True)):
            self._draw_model(model, style, height, first=-0.4 + (i + 0.5) * height)
        self._scale()
        self.ax_.set(xlabel=f"Cross-entropy of a row ({figure.unit(self.base)})", ylabel="Class")
        self.ax_.set_yticks(range(len(classes)), [str(label) for label in classes])
        self.ax_.set_ylim(len(classes) - 0.5, -0.5)
        handles: list[Any] = [(self.boxes_[model], self.means_[model]) for model in self.losses]
        labels = [str(model) for model in self.losses]
        if self.baseline_ is not None:
            handles, labels = [*handles, self.baseline_], [*labels, "class frequency"]
        figure.legend_above(self.ax_, handles, labels, "box: half of the rows, whiskers: 90%, white marker: mean")
        return self

    def _draw_baseline(self, classes: list) -> Any:
        """What each class costs without a model, behind everything."""
        known = [(place, self.baseline[label]) for place, label in enumerate(classes) if label in self.baseline]
        known = [(place, value) for place, value in known if np.isfinite(value)]
        if not known:
            return None
        places, values = np.array(known).T
        return self.ax_.vlines(
            values,
            places - 0.45,
            places + 0.45,
            color=figure.GREY,
            linewidth=4,
            alpha=0.5,
            zorder=0.5,
        )

    def _draw_model(self, model: Any, style: figure.Style, height: float, *, first: float) -> None:
        """The boxes of one model; `first` is the place of the first class's."""
        found = [self._summary(model, label) for label in self.losses[model]]
        places = np.array([first + i for i, summary in enumerate(found) if summary is not None])
        summaries = [summary for summary in found if summary is not None]
        low, left, middle, right, high = np.array([summary.quantiles for summary in summaries]).T
        half = 0.4 * height
        self.whiskers_[model] = self.ax_.hlines(places, low, high, color=style.color)
        self.boxes_[model] = self.ax_.barh(
            places,
            right - left,
            left=left,
            height=2 * half,
            facecolor=figure.tint(style.color),
            edgecolor=style.color,
            zorder=2.5,
        )
        self.medians_[model] = self.ax_.vlines(middle, places - half, places + half, color=style.color, lw=2, zorder=3)
        marks: dict[str, Any] = {"linestyle": "none", "marker": style.marker, "clip_on": False}
        (self.points_[model],) = self.ax_.plot(
            np.concatenate([summary.beyond for summary in summaries]),
            np.repeat(places, [len(summary.beyond) for summary in summaries]),
            markersize=3,
            color=style.color,
            alpha=0.5,
            **marks,
        )
        (self.means_[model],) = self.ax_.plot(
            [summary.mean for summary in summaries],
            places,
            markersize=6,
            color="black",
            markerfacecolor="white",
            zorder=4,
            **marks,
        )

    def _summary(self, model: Any, label: Any) -> "_Summary | None":
        """What is drawn of one model's rows of one class; None if there is no row."""
        losses, weights = self.losses[model][label], self.sample_weight.get(label)
        if weights is not None:
            losses, weights = losses[weights > 0], weights[weights > 0]
        if not len(losses):
            return None
        quantiles = np.quantile(losses, QUANTILES, weights=weights, method="inverted_cdf")
        beyond = np.sort(losses[losses > quantiles[-1]])[-MOST_POINTS:]
        return _Summary(quantiles, float(np.average(losses, weights=weights)), beyond)

    def _scale(self) -> None:
        """A logarithmic axis from the decade in which the boxes begin; linear below, down to 0."""
        left = min(box.get_x() for boxes in self.boxes_.values() for box in boxes)
        decade = 10.0 ** np.floor(np.log10(np.clip(left, 1e-3, 0.1)))
        self.ax_.set_xscale("symlog", linthresh=decade)
        self.ax_.xaxis.set_major_formatter("{x:g}")
        self.ax_.set_xlim(left=0)


class _Summary(NamedTuple):
    """A box, its whiskers and what is beyond."""

    quantiles: NDArray[Any]
    mean: float
    beyond: NDArray[Any]


def _by_class(case: Case, values: NDArray[Any]) -> dict[Any, NDArray[Any]]:
    """Values of the rows of each class."""
    return {label: values[case.targets == code] for code, label in enumerate(case.classes.tolist())}
