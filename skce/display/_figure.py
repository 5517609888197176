"""What the displays share: axes, colours that everybody can tell apart, names of units, predictions by model."""

from collections.abc import Iterator, Mapping
from itertools import islice
from textwrap import fill
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skce import _validation as validation
from skce._case import Case, Options, classes_case

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's, which the colour-blind tell apart, but for yellow, which is faint on white."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
"""One more than colours, so that a colour that comes again has another marker."""

GREY = "#767676"

LETTERS_A_LINE = 24
"""Of a model's name."""

LETTERS_AN_INCH = 15
"""Of the default size; a legend's entry takes ten more for its handle."""


class Style(NamedTuple):
    """How one model looks."""

    color: str
    marker: str


def new_axes(ax: Any, **options: Any) -> Any:
    """The axes to draw on: the caller's, or those of a new figure."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(layout="constrained", **options)[1]


def styles(ax: Any, n: int) -> Iterator[Style]:
    """Styles of n models; what earlier displays drew on these axes has used the first ones."""
    from matplotlib.colors import to_hex

    used = {to_hex(line.get_color()).upper() for line in ax.lines}
    first = sum(color in used for color in COLORS)
    return islice((Style(COLORS[i % len(COLORS)], MARKERS[i % len(MARKERS)]) for i in range(first, first + n)), n)


def tint(color: str) -> tuple[float, ...]:
    """A light, opaque shade of a colour."""
    from matplotlib.colors import to_rgb

    return tuple(1 - 0.3 * (1 - part) for part in to_rgb(color))


def shade(color: str, alpha: float) -> tuple[float, ...]:
    """A colour that others are seen through."""
    from matplotlib.colors import to_rgba

    return tuple(to_rgba(color, alpha))


def legend_above(ax: Any, handles: list[Any], labels: list[str], title: str | None = None) -> None:
    """A legend that covers nothing, in as many columns as its words leave room for."""
    ax.legend(
        handles,
        labels,
        title=title,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=columns_for(ax, labels),
        alignment="left",
        frameon=False,
    )


def columns_for(place: Any, labels: list[str]) -> int:
    """Columns of a legend of these labels on axes or a figure."""
    inches = place.bbox.width / (place.dpi if hasattr(place, "dpi") else place.figure.dpi)
    return min(len(labels), max(1, int(LETTERS_AN_INCH * inches / (max(map(len, labels)) + 10))))


def wrapped(name: Any) -> str:
    """A name in lines that leave room beside them."""
    return fill(str(name), LETTERS_A_LINE)


def whole_ticks(axis: Any) -> None:
    """Ticks at whole numbers, unless the caller's axis has a scale or ticks of its own."""
    from matplotlib.ticker import AutoLocator

    locator = axis.get_major_locator()
    if isinstance(locator, AutoLocator):
        locator.set_params(integer=True)


def unit(base: float | None) -> str:
    """Name of the unit of information that goes with a logarithm's base."""
    validation.check_base(base)
    names: dict[float | None, str] = {None: "nats", 2: "bits", 10: "hartleys"}
    return names.get(base) or f"units of log {base:g}"


def predictions(estimators: Mapping[str, Any], X: Any) -> dict[str, tuple[Any, Any]]:
    """Probabilities and the classes of their columns, of each fitted estimator."""
    answers = {}
    for name, estimator in estimators.items():
        validation.check_is_fitted(estimator)
        predict_proba = validation.check_response_method(estimator, "predict_proba")
        validation.check_labels_alone(estimator.classes_)
        answers[name] = predict_proba(X), estimator.classes_
    return answers


def cases(
    y_true: Any,
    answers: Mapping[str, tuple[Any, Any]],
    *,
    sample_weight: Any = None,
    from_logits: bool = False,
    base: float | None = None,
) -> dict[str, Case]:
    """Checked labels and predictions of each model, from predictions and the classes of their columns."""
    options = Options(sample_weight, from_logits, "none", base, "auto", "error")
    found = {name: classes_case(y_true, y_proba, labels, options) for name, (y_proba, labels) in answers.items()}
    for case in found.values():
        validation.check_codes(case.targets)
    validation.check_same_classes({name: case.classes.tolist() for name, case in found.items()})
    return found


def share_of_rows(case: Case) -> NDArray[Any]:
    """Part of the rows' weight that each class has."""
    totals = case.class_totals()
    return np.asarray(totals / totals.sum())
