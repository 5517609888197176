"""The loss of a training, step by step."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from skce import _validation as validation
from skce.display import _figure as figure


class LossCurveDisplay:
    """Training loss, and validation loss where there is one, by step.

    Lower is better. Training is drawn solid, with a marker at its last step, validation dashed, with a marker at its
    least value, which is where early stopping would stop. The legend has both numbers.

    It is made by `from_estimator`, or from curves of any origin: those of other libraries, minus the `train_score_` of
    ``HistGradientBoostingClassifier``.

    Parameters
    ----------
    loss : array-like of shape (n_steps,), or dict
        Loss of each step; several curves in a dict of names.
    validation_loss : array-like of shape (n_steps,), or dict, default=None
        Loss of each step on rows that were held out. If there are fewer values than in `loss`, they are those of the
        last steps. A dict may leave out models.
    steps : array-like of shape (n_steps,), or dict, default=None
        Number of each step. By default they count from 0, the start.
    name : str, default=None
        Name of a single curve; "model" if it has none.
    base : float, default=None
        Base of the logarithm that the losses were taken with, which names their unit: None for e (nats), 2 for bits,
        10 for hartleys.

    Attributes
    ----------
    lines_ : dict of matplotlib Line2D
        Training curve of each model.
    validation_lines_ : dict of matplotlib Line2D
        Validation curve of each model that has one.
    ax_ : matplotlib Axes
        The axes that were drawn on.
    figure_ : matplotlib Figure
        Their figure.

    See Also
    --------
    sklearn.model_selection.LearningCurveDisplay : Score by number of training rows.

    Examples
    --------
    >>> from skce import LossCurveDisplay
    >>> display = LossCurveDisplay([1.1, 0.6, 0.4], validation_loss=[1.1, 0.7, 0.8], name="net")
    >>> display.plot().lines_["net"].get_ydata()
    array([1.1, 0.6, 0.4])
    """

    def __init__(
        self,
        loss: Any,
        *,
        validation_loss: Any = None,
        steps: Any = None,
        name: str | None = None,
        base: float | None = None,
    ):
        losses = validation.check_models(loss, name, "model")
        self.loss = {model: validation.check_curve("loss", values) for model, values in losses.items()}
        self.validation_loss = validation.check_matching("validation_loss", validation_loss, self.loss, shorter=True)
        self.steps = {model: np.arange(len(curve)) for model, curve in self.loss.items()}
        self.steps |= validation.check_matching("steps", steps, self.loss)
        self.base = base
        validation.check_base(base)

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, name: str | None = None, base: float | None = None, ax: Any = None
    ) -> Self:
        """Draw the curves that a fitted estimator kept.

        Parameters
        ----------
        estimator : fitted estimator, or dict of them
            With `loss_curve_` and, maybe, `validation_loss_curve_`, in nats: a `CrossEntropyClassifier`, scikit-learn's
            ``MLPClassifier``. What is drawn is what was minimised, in both with its penalty. Several in a dict of
            names.
        name : str, default=None
            Name of a single estimator; by default that of its class.
        base : float, default=None
            Base of the logarithm to show: None for e (nats), 2 for bits, 10 for hartleys.
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure. Curves join those that another display drew there.

        Returns
        -------
        LossCurveDisplay

        Raises
        ------
        ValueError
            If an estimator has no `loss_curve_`.

        Examples
        --------
        >>> from sklearn.datasets import load_wine
        >>> from skce import CrossEntropyClassifier, LossCurveDisplay
        >>> classifier = CrossEntropyClassifier().fit(*load_wine(return_X_y=True))
        >>> LossCurveDisplay.from_estimator(classifier, base=2).ax_.get_ylabel()
        'Loss (bits)'
        """
        validation.check_matplotlib(f"{cls.__name__}.from_estimator")
        models = validation.check_models(estimator, name, type(estimator).__name__)
        log_base = validation.check_base(base)
        curves = {model: validation.check_loss_curve(fitted) for model, fitted in models.items()}
        held_out = {model: getattr(fitted, "validation_loss_curve_", None) for model, fitted in models.items()}
        return cls(
            {model: curve / log_base for model, curve in curves.items()},
            validation_loss={
                model: validation.check_curve("validation_loss_curve_", curve) / log_base
                for model, curve in held_out.items()
                if curve is not None
            },
            steps={model: _steps(models[model], len(curve)) for model, curve in curves.items()},
            base=base,
        ).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; by default in a new figure.

        Returns
        -------
        LossCurveDisplay
        """
        validation.check_matplotlib(f"{type(self).__name__}.plot")
        self.ax_ = figure.new_axes(ax)
        self.figure_ = self.ax_.figure
        self.lines_: dict[Any, Any] = {}
        self.validation_lines_: dict[Any, Any] = {}
        for model, style in zip(self.loss, figure.styles(self.ax_, len(self.loss)), strict=True):
            self.lines_[model] = self._draw(model, "training", len(self.loss[model]) - 1, style)
            if model in self.validation_loss:
                least = int(self.validation_loss[model].argmin())
                self.validation_lines_[model] = self._draw(model, "validation", least, style)
        self.ax_.set(xlabel="Step", ylabel=f"Loss ({figure.unit(self.base)})")
        figure.whole_ticks(self.ax_.xaxis)
        title = "marked: last training loss" + (", least validation loss" if self.validation_loss else "")
        handles, labels = self.ax_.get_legend_handles_labels()
        figure.legend_above(self.ax_, handles, labels, title)
        return self

    def _draw(self, model: Any, part: str, marked: int, style: figure.Style) -> Any:
        """One curve, with a marker at one of its steps."""
        curve = self.loss[model] if part == "training" else self.validation_loss[model]
        steps = self.steps[model][-len(curve) :]
        (line,) = self.ax_.plot(
            steps,
            curve,
            color=style.color,
            linestyle="-" if part == "training" else "--",
            marker=style.marker,
            markerfacecolor=style.color if part == "training" else "white",
            markevery=[marked],
            label=f"{model}, {part}: {curve[marked]:.3g}",
        )
        return line


def _steps(estimator: Any, n: int) -> NDArray[Any]:
    """Numbers of n steps: from 0 where the estimator kept the loss at the start, else from 1."""
    return np.arange(n) + (0 if getattr(estimator, "n_iter_", None) == n - 1 else 1)
