"""What a display takes: several models by name, loss curves, axes."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skce._validation.arrays import check_floats, check_not_empty
from skce._validation.labels import check_classes, find_models
from skce._validation.options import listed


def check_matplotlib(display: str) -> None:
    """The package that draws, before anything is computed."""
    if find_spec("matplotlib") is None:
        raise ImportError(f"{display} needs matplotlib: install it, or skce[plot].")


def check_models(models: Any, name: str | None, default: str) -> dict[Any, Any]:
    """Models, or what belongs to them, by name: a dict of several, or one."""
    if not isinstance(models, Mapping):
        return {default if name is None else name: models}
    if name is not None:
        raise ValueError(f"name={name!r} is for one model: those of a dict are named by its keys.")
    if not models:
        raise ValueError("A dict of models must not be empty.")
    return dict(models)


def check_predictions(y_true: Any, y_proba: Any, labels: Any, name: str | None) -> dict[Any, Any]:
    """Predictions by the name of their model."""
    models = find_models(y_true, y_proba, labels)
    several = isinstance(y_proba, Mapping) or len(models) > 1
    return models if name is None else check_models(models if several else y_proba, name, "")


def check_curve(what: str, values: Any) -> np.ndarray:
    """Finite numbers, (n,), as float64."""
    curve = check_floats(what, values).astype(np.float64)
    if curve.ndim != 1:
        raise ValueError(f"{what} must have shape (n,), got {curve.shape}.")
    check_not_empty(what, curve)
    if not np.isfinite(curve).all():
        step = int(np.flatnonzero(~np.isfinite(curve))[0])
        raise ValueError(f"{what} must be finite: value {step} is {curve[step]}.")
    return curve


def check_matching(what: str, given: Any, losses: Mapping, *, shorter: bool = False) -> dict[Any, np.ndarray]:
    """Curves that go with some of the losses, by model: as long, or not longer."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        if len(losses) > 1:
            raise ValueError(f"{what} must be a dict of the names of loss, {listed(list(losses))}.")
        given = dict.fromkeys(losses, given)
    unknown = [name for name in given if name not in losses]
    if unknown:
        raise ValueError(f"{what} has the names {listed(unknown)}, which are not among {listed(list(losses))}.")
    curves = {name: check_curve(what, values) for name, values in given.items()}
    for name, curve in curves.items():
        n = len(losses[name])
        if len(curve) > n or (len(curve) < n and not shorter):
            raise ValueError(
                f"{what} must have {'at most ' if shorter else ''}{n} values, as loss has, got {len(curve)}."
            )
    return curves


def check_loss_curve(estimator: Any) -> np.ndarray:
    """The loss curve that an estimator kept when it was fitted."""
    check_is_fitted(estimator)
    curve = getattr(estimator, "loss_curve_", None)
    if curve is None:
        raise ValueError(
            f"{type(estimator).__name__} has no loss_curve_. Fit a model that keeps one, or give the curve itself to "
            "LossCurveDisplay. Of a pipeline, take the last step."
        )
    return check_curve("loss_curve_", curve)


def check_row_losses(losses: Any) -> dict[Any, dict[Any, np.ndarray]]:
    """Losses of the rows of each class, by model."""
    if not (isinstance(losses, Mapping) and all(isinstance(rows, Mapping) for rows in losses.values())):
        raise TypeError("losses must be a dict of models, each a dict of classes with the losses of their rows.")
    models = check_models(losses, None, "")
    check_same_classes({name: list(by_class) for name, by_class in models.items()})
    return {
        name: {label: _check_rows(f"losses of {name!r}, class {label!r},", rows) for label, rows in by_class.items()}
        for name, by_class in models.items()
    }


def check_row_weights(weights: Mapping | None, losses: Mapping[Any, Mapping]) -> dict[Any, np.ndarray]:
    """Weights of the rows of each class, as many as the losses that every model has there."""
    checked = {} if weights is None else {label: _check_rows("sample_weight", rows) for label, rows in weights.items()}
    for by_class in losses.values():
        for label, rows in by_class.items():
            if label in checked and len(checked[label]) != len(rows):
                raise ValueError(
                    f"sample_weight of class {label!r} must have shape ({len(rows)},), got ({len(checked[label])},)."
                )
    return checked


def _check_rows(what: str, values: Any) -> np.ndarray:
    """One number a row, maybe of no row at all."""
    return check_curve(what, values) if np.size(values) else np.empty(0)


def check_codes(targets: np.ndarray) -> None:
    """Labels, which can be told apart by class, not distributions."""
    if targets.dtype.kind == "f":
        raise ValueError("y_true must hold labels here, got distributions over the classes.")


def check_same_classes(classes: Mapping[Any, list]) -> None:
    """The same classes for each model, in any order."""
    first, expected = next(iter(classes.items()))
    for name, found in classes.items():
        if set(found) != set(expected):
            both = f"{first!r} has {listed(expected)}, {name!r} has {listed(found)}"
            raise ValueError(f"All models must have the same classes: {both}.")


def check_decomposition(decomposition: Any, terms: Sequence[str]) -> Any:
    """A DataFrame with a row for each model and a column for each term of its loss."""
    columns = list(getattr(decomposition, "columns", []))
    missing = [term for term in terms if term not in columns]
    if missing:
        raise ValueError(f"decomposition must be a DataFrame, as decompose returns it: it lacks {listed(missing)}.")
    for term in terms:
        check_curve(term, decomposition[term])
    return decomposition


def check_shown_classes(shown: Any, classes: np.ndarray) -> list:
    """The classes that get a panel: those asked for, the second of two, or all."""
    known = classes.tolist()
    if shown is None:
        return known[1:] if len(known) == 2 else known
    asked = check_classes(shown, "classes").tolist()
    unknown = [label for label in asked if label not in known]
    if unknown:
        raise ValueError(f"classes has {listed(unknown)}, which are not among {listed(known)}.")
    return asked


def check_axes(ax: Any, n: int) -> list:
    """Axes for each of n panels."""
    axes = np.asarray(ax, dtype=object).ravel().tolist()
    if len(axes) != n:
        raise ValueError(f"ax must hold {n} axes, one a class, got {len(axes)}. Choose classes, or leave ax out.")
    return axes
