"""What a loss takes: targets beside logits, and weights of the classes."""

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from skce._validation.arrays import as_array, check_floats, check_not_empty
from skce._validation.options import listed


def check_loss_input(
    targets: Any, outputs: Any, name: str, *, one_question_a_column: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Targets and logits (or probabilities) of a loss: codes (n,) or, of the outputs' shape, what each should be."""
    outputs = check_floats(name, outputs)
    shapes = "(n,) or (n, k)" if one_question_a_column else "(n, k)"
    if outputs.ndim != 2 and not (one_question_a_column and outputs.ndim == 1):
        raise ValueError(f"{name} must have shape {shapes}, got {outputs.shape}.")
    check_not_empty(name, outputs)
    targets = as_array("targets", targets)
    if targets.shape == outputs.shape:
        return check_target_values(targets, outputs, 2 if one_question_a_column else None), outputs
    if targets.shape == outputs.shape[:1] and not one_question_a_column:
        if targets.dtype.kind not in "iu":
            raise TypeError(f"targets of shape (n,) must be integer class codes, got dtype {targets.dtype}.")
        return check_target_values(targets, outputs, outputs.shape[1]), outputs
    accepted = f"{outputs.shape}" if one_question_a_column else f"{outputs.shape[:1]} or {outputs.shape}"
    raise ValueError(f"targets must have shape {accepted}, got {targets.shape}.")


def check_target_values(targets: np.ndarray, outputs: np.ndarray, n_codes: int | None) -> np.ndarray:
    """Codes below `n_codes` as positions; anything else as floats in [0, 1], nan only for yes/no questions."""
    if targets.dtype.kind in "iub" and n_codes is not None:
        if targets.view(targets.dtype.str.replace("i", "u")).max() >= n_codes:  # as unsigned, negative ones are large
            raise ValueError(f"Class codes must be in 0..{n_codes - 1}, got {targets.min()} to {targets.max()}.")
        return targets.astype(np.intp, copy=False)
    targets = check_floats("targets", targets).astype(outputs.dtype, copy=False)
    if n_codes is None:
        inside = targets.min() >= 0 and targets.max() <= 1
    else:  # fmin and fmax pass over nan
        inside = not (np.fmin.reduce(targets, axis=None) < 0 or np.fmax.reduce(targets, axis=None) > 1)
    if not inside:
        bad = ~((targets >= 0) & (targets <= 1)) & (n_codes is None or ~np.isnan(targets))
        row = int(np.argwhere(bad)[0][0])
        raise ValueError(f"targets must be in [0, 1]: row {row} has {targets[bad][0]:g}.")
    return targets


def check_out(out: Any, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """An array that a derivative in the outputs can be written to."""
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be a NumPy array, got {type(out).__name__}.")
    if out.shape != outputs.shape or out.dtype != outputs.dtype:
        raise ValueError(
            f"out must have the logits' shape {outputs.shape} and dtype {outputs.dtype}, got {out.shape} and "
            f"{out.dtype}."
        )
    if not (out.flags.c_contiguous and out.flags.writeable):
        raise ValueError("out must be C-ordered and writeable.")
    if np.may_share_memory(out, outputs) or np.may_share_memory(out, targets):
        raise ValueError("out must not share memory with the logits or the targets: they are read while it is written.")
    return np.asarray(out)  # a matrix, or an array with a mask, would take the kernels' steps in its own way


def check_class_weights(class_weight: Any) -> tuple | None:
    """Weights of a loss's classes in the order of the codes, as a tuple: (k,), or (2, k) for k yes/no questions."""
    if class_weight is None:
        return None
    weights = np.array(np.nan)
    if not isinstance(class_weight, (str, Mapping)):
        class_weight = class_weight.to_numpy() if hasattr(class_weight, "to_numpy") else class_weight
        with contextlib.suppress(TypeError, ValueError):
            weights = np.asarray(np.broadcast_arrays(*class_weight))
            weights = weights.astype(np.float64) if weights.dtype.kind in "biuf" else np.array(np.nan)
    if weights.ndim not in (1, 2) or not (np.isfinite(weights).all() and weights.min(initial=0) >= 0 and weights.any()):
        raise ValueError(
            f"class_weight must be finite, non-negative numbers, one a class, not all zero: got {class_weight!r}."
        )
    return tuple(weights.tolist()) if weights.ndim == 1 else tuple(map(tuple, weights.tolist()))


def check_class_count(class_weight: Any, k: int, one_question_a_column: bool) -> None:
    """A weight for each of k classes, or for no and yes, each one number or k."""
    if class_weight is None:
        return
    shape = np.shape(class_weight)
    if one_question_a_column:
        if shape not in ((2,), (2, 1), (2, k)):
            raise ValueError(f"class_weight must have shape (2,) or (2, {k}), got {shape}.")
    elif shape != (k,):
        raise ValueError(f"class_weight must have {k} numbers, one a class, got shape {shape}.")


def check_weight_range(class_weight: Any, dtype: np.dtype) -> None:
    """Weights that numbers of the outputs' precision can hold."""
    weights, limits = np.asarray(class_weight, dtype=np.float64), np.finfo(dtype)
    bad = (weights > limits.max) | ((weights > 0) & (weights < limits.tiny))
    if bad.any():
        raise ValueError(
            f"class_weight has {weights[bad][0]:g}, which {dtype} cannot hold: pass float64, or divide the weights by "
            "their mean."
        )


def resolve_class_weight(
    class_weight: Any,
    classes: np.ndarray,
    n_columns: int,
    totals: Callable[[], np.ndarray],
    *,
    lenient: bool,
) -> np.ndarray | None:
    """Weight of each class, from a dict, "balanced", or a sequence in the order of the first `n_columns` classes.

    Classes that are left out weigh 1. "balanced" is the total weight divided by the number of classes present and the
    weight of each; `totals()` gives the latter. A `lenient` check lets a dict have no class in common, as in a fold.
    """
    if class_weight is None:
        return None
    if isinstance(class_weight, (set, frozenset)):
        raise TypeError(f"class_weight must be a dict, 'balanced' or a sequence, got {class_weight!r}: no order.")
    if getattr(class_weight, "ndim", 0) == 1 and hasattr(class_weight, "to_dict"):  # a Series names its classes
        class_weight = class_weight.to_dict()
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise ValueError(f"class_weight is {class_weight!r}; use 'balanced', a dict or a sequence.")
        mass = totals()
        present = mass > 0
        return np.divide(mass.sum(), present.sum() * mass, out=np.zeros_like(mass), where=present)
    if isinstance(class_weight, Mapping):
        weights = [class_weight.get(label, 1.0) for label in classes.tolist()]
        if class_weight and not lenient and not set(class_weight) & set(classes.tolist()):
            raise ValueError(
                f"class_weight has no class in common with {listed(classes.tolist())}: it weighs "
                f"{listed(list(class_weight))}."
            )
        checked = np.array(check_class_weights(weights))
        if checked.ndim != 1:
            raise ValueError(f"class_weight must have one number for each class, got {class_weight!r}.")
        return checked
    checked = np.array(check_class_weights(class_weight))
    if checked.shape != (n_columns,):
        got = checked.size if checked.ndim == 1 else f"shape {checked.shape}"
        raise ValueError(f"class_weight must have {n_columns} weights, one a class, got {got}.")
    return np.append(checked, np.ones(len(classes) - n_columns))
