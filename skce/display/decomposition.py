"""Where a loss comes from: miscalibration, discrimination, uncertainty."""

from typing import Any, Self

import numpy as np

from skce import _validation as validation
from skce.display import _figure as figure

SAVED, LOST = figure.COLORS[0], figure.COLORS[1]
HEIGHT = 0.3
"""Of a bar; a model has two."""


class DecompositionDisplay:
    """Loss of each model as uncertainty, less what it discriminates, plus what its miscalibration costs.

    A model has two bars. Both begin where its loss would be after recalibration: the upper one reaches up to the
    uncertainty, the dotted line, which is the loss of a model that knows nothing but the frequencies; its length is
    the discrimination, and the longer, the better. The lower one reaches up to the loss, a diamond; its length is the
    miscalibration, and the shorter, the better. The numbers say the same: minus discrimination, plus miscalibration,
    = loss.

    Bars on one axis, not points in the plane of miscalibration and discrimination: there the loss must be read from
    slanted lines, and one model is a point in an empty square. Here all are lengths of the same unit from one line,
    for one model as for ten.

    Parameters
    ----------
    decomposition : DataFrame
        A row for each model, with the columns loss, miscalibration, discrimination and uncertainty.
    base : float, default=None
        Base of the logarithm that the losses were taken with, which names their unit: None for e (nats), 2 for bits,
        10 for hartleys.

    Attributes
    ----------
    discriminations_ : matplotlib BarContainer
        The upper bars, in the order of the rows.
    miscalibrations_ : matplotlib BarContainer
        The lower bars.
    losses_ : matplotlib Line2D
        The diamonds.
    uncertainties_ : matplotlib LineCollection
        The dotted lines.
    texts_ : list of matplotlib Annotation
        The numbers: minus discrimination of each model, then plus miscalibration = loss of each.
    ax_ : matplotlib Axes
        The axes that were drawn on.
    figure_ : matplotlib Figure
        Their figure.

    References
    ----------
    T. Dimitriadis, T. Gneiting, A. I. Jordan, "Stable reliability diagrams for probabilistic classifiers", 2021,
    doi:10.1073/pnas.2016191118
    """

    def __init__(self, decomposition: Any, *, base: float | None = None):
        self.decomposition = validation.check_decomposition(decomposition)
        self.base = base
        validation.check_base(base)

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
        self.ax_ = figure.new_axes(ax, figsize=(6.4, 1.6 + 0.6 * n))
        self.figure_ = self.ax_.figure
        self._draw_parts()
        self._write_numbers()
        self.ax_.set(xlabel=f"Cross-entropy ({figure.unit(self.base)})", ylim=(n - 0.5, -0.5))
        self.ax_.set_yticks(range(n), [str(model) for model in self.decomposition.index])
        self.ax_.tick_params(axis="y", length=0)
        figure.legend_above(self.ax_, [self.discriminations_, self.miscalibrations_, self.losses_, self.uncertainties_])
        return self

    def _draw_parts(self) -> None:
        """Bars, diamonds and lines, on an axis from 0."""
        loss, miscalibration, discrimination, uncertainty = self._columns()
        rows, start = np.arange(len(loss)), uncertainty - discrimination
        self.discriminations_ = self.ax_.barh(
            rows - HEIGHT / 2, discrimination, HEIGHT, start, color=SAVED, label="discrimination"
        )
        self.miscalibrations_ = self.ax_.barh(
            rows + HEIGHT / 2,
            miscalibration,
            HEIGHT,
            start,
            facecolor=figure.tint(LOST),
            edgecolor=LOST,
            hatch="////",
            label="miscalibration",
        )
        (self.losses_,) = self.ax_.plot(
            loss, rows + HEIGHT / 2, linestyle="none", marker="D", color="black", label="loss", zorder=3
        )
        self.uncertainties_ = self.ax_.vlines(
            uncertainty, rows - 0.5, rows + 0.5, color=figure.GREY, linestyle=":", label="uncertainty", zorder=1
        )
        ends = np.concatenate([[0], start, loss])
        self.ax_.set_xlim(ends.min(), max(1.15 * uncertainty.max(), 1.35 * loss.max()))

    def _write_numbers(self) -> None:
        """The numbers, at the right ends of the bars."""
        loss, miscalibration, discrimination, uncertainty = self._columns()
        rows = np.arange(len(loss))
        right = [*np.maximum(uncertainty, uncertainty - discrimination), *np.maximum(loss, loss - miscalibration)]
        texts = [_signed(-saved) for saved in discrimination]
        texts += [f"{_signed(lost)} = {value:.3f}" for lost, value in zip(miscalibration, loss, strict=True)]
        heights = [*(rows - HEIGHT / 2), *(rows + HEIGHT / 2)]
        ground = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5}
        self.texts_ = [
            self.ax_.annotate(text, (x, y), (7, 0), textcoords="offset points", va="center", size="small", bbox=ground)
            for text, x, y in zip(texts, right, heights, strict=True)
        ]

    def _columns(self) -> Any:
        """Loss, miscalibration, discrimination and uncertainty of each model, (4, n)."""
        return self.decomposition[list(validation.PARTS)].to_numpy(dtype=np.float64).T


def _signed(value: float) -> str:
    """Three digits, with a sign that is as wide as the other."""
    return f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")
