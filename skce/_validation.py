"""The door: every check, every error about input, and every private import from scikit-learn.

A check returns the one form that the rooms behind it accept, or raises a ValueError (TypeError for the wrong kind of
thing) that names the rule, what was got, and what to do. Fast tests run inside the kernels' blocks; the `explain_`
functions here are called when one fails, find the first row at fault and say so.
"""

import contextlib
from collections.abc import Callable, Iterable, Mapping
from inspect import signature
from typing import Any, NoReturn

import numpy as np
from scipy import sparse
from sklearn.metrics import check_scoring
from sklearn.metrics._scorer import _BaseScorer as BaseScorer  # caching and routing in searches need this base
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_response_method as check_response_method,
)
from sklearn.utils.validation import (
    check_is_fitted,
    validate_data,
)

from skce import _kernels as kernels
from skce import _targets

__all__ = ["BaseScorer", "check_is_fitted", "check_random_state", "check_response_method"]

SUM_TOLERANCE = 1e-4
"""How far a row of probabilities may sum from 1: ensembles in float32 drift by 1e-6, logits by far more."""

REDUCTIONS = ("mean", "none", "sum")
AVERAGES = ("macro", "micro", "samples")
UNKNOWN_LABEL_POLICIES = ("clip", "error", "ignore")


# --- options ----------------------------------------------------------------------------------------------------------


def check_option(name: str, value: Any, valid: Iterable) -> None:
    """A value that must be one of a few names."""
    if not isinstance(value, str) or value not in valid:
        raise ValueError(f"Unknown {name} {value!r}; use one of {', '.join(repr(v) for v in sorted(valid))}.")


def check_number(
    name: str, value: Any, low: float, high: float = np.inf, *, closed: str = "left", integer: bool = False
) -> Any:
    """A real number in an interval that is closed to the left, the right, both or neither."""
    kinds = (int, np.integer) if integer else (int, float, np.integer, np.floating)
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, kinds):
        raise TypeError(f"{name} must be {'an integer' if integer else 'a number'}, got {value!r}.")
    above = value >= low if closed in ("left", "both") else value > low
    below = value <= high if closed in ("right", "both") else value < high
    if not (above and below):
        left, right = "(["[closed in ("left", "both")], ")]"[closed in ("right", "both")]
        raise ValueError(f"{name} must be in {left}{low:g}, {high:g}{right}, got {value!r}.")
    return value


def check_flag(name: str, value: Any) -> None:
    """A bool."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {value!r}.")


def check_base(base: float | None) -> float:
    """The natural logarithm of a logarithm's base: 1 for None, which stands for e."""
    if base is None:
        return 1.0
    check_number("base", base, 0.0, closed="neither")
    if base == 1:
        raise ValueError("base must not be 1: use None (nats), 2 (bits) or 10.")
    return float(np.log(base))


def check_eps(eps: Any, dtype: np.dtype) -> float:
    """The probability that smaller ones are clipped at; "auto" is the machine epsilon of their dtype."""
    if isinstance(eps, str):
        check_option("eps", eps, ("auto",))
        return float(np.finfo(dtype).eps)
    return float(check_number("eps", eps, 0.0, 0.5))


def check_options_of(function: Callable, options: Mapping) -> None:
    """Options that a function takes by name."""
    parameters = signature(function).parameters
    unknown = [name for name in options if name not in parameters]
    if unknown and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        taken = _listed(list(parameters)[2:], 20)
        raise TypeError(f"{function.__name__} takes no option {_listed(unknown)}; it takes {taken}.")


# --- arrays -----------------------------------------------------------------------------------------------------------


def check_floats(name: str, array: Any) -> np.ndarray:
    """A dense float32 or float64 array from anything array-like. Values are not looked at."""
    if type(array) is np.ndarray and array.dtype in (np.float64, np.float32):
        return array
    if sparse.issparse(array):
        raise TypeError(f"{name} must be dense, got a sparse matrix; convert it with .toarray().")
    try:
        array = np.asarray(_to_numpy(array) if hasattr(array, "to_numpy") else array)
    except ValueError:
        raise ValueError(f"{name} must be an array, got rows of different lengths.") from None
    if array.dtype.kind == "c":
        raise ValueError(f"{name} must be real. Complex data not supported.")
    try:
        return np.asarray(array, dtype=np.float32 if array.dtype in (np.float32, np.float16) else np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold numbers, got an array of dtype {array.dtype}.") from error


def _to_numpy(container: Any) -> np.ndarray:
    """A Series or DataFrame of pandas or polars as an array, nan for pandas' NA."""
    array = np.asarray(container.to_numpy())
    if array.dtype == object:
        with contextlib.suppress(TypeError, ValueError):
            return container.to_numpy(dtype=np.float64, na_value=np.nan)
    return array


def check_not_empty(name: str, array: np.ndarray) -> None:
    """At least one row and one column."""
    if array.size == 0:
        raise ValueError(f"{name} is empty: got shape {array.shape}.")


def check_sample_weight(sample_weight: Any, n: int) -> np.ndarray | None:
    """Non-negative finite weights of shape (n,) with a positive sum, or None."""
    if sample_weight is None:
        return None
    weights = np.asarray(check_floats("sample_weight", sample_weight), dtype=np.float64)
    if weights.ndim == 0:
        weights = np.full(n, weights)
    if weights.shape != (n,):
        raise ValueError(f"sample_weight must have shape ({n},), got {weights.shape}.")
    if not np.isfinite(weights).all():
        row = int(np.flatnonzero(~np.isfinite(weights))[0])
        raise ValueError(f"sample_weight must be finite: row {row} is {weights[row]}.")
    if weights.min() < 0:
        row = int(np.argmin(weights))
        raise ValueError(f"sample_weight must not be negative: row {row} is {weights[row]:g}.")
    with np.errstate(over="ignore"):
        total = weights.sum()
    if total == 0:
        raise ValueError("sample_weight sums to zero: at least one weight must be positive.")
    if total == np.inf:
        raise ValueError("sample_weight sums to more than the largest float: divide it by its mean.")
    return weights


def check_distributions(axis: int, **distributions: Any) -> list[np.ndarray]:
    """Arrays that have an `axis` and one shape, broadcast if need be, of one dtype. Values are not looked at."""
    arrays = {name: check_floats(name, array) for name, array in distributions.items()}
    for name, array in arrays.items():
        if array.ndim == 0:
            raise ValueError(f"{name} must have at least one axis, got the scalar {array}.")
        check_not_empty(name, array)
        if not isinstance(axis, (int, np.integer)) or not -array.ndim <= axis < array.ndim:
            raise ValueError(f"axis {axis!r} is out of range for {name} of shape {array.shape}.")
        if array.shape[axis] != next(iter(arrays.values())).shape[axis]:
            raise ValueError(f"{_and(arrays)} must have as many outcomes, got shapes {_shapes(arrays)}.")
    dtype = np.result_type(*arrays.values())
    try:
        broadcast = np.broadcast_arrays(*arrays.values())
    except ValueError:
        raise ValueError(f"{_and(arrays)} must have shapes that broadcast, got {_shapes(arrays)}.") from None
    return [array.astype(dtype, copy=False) for array in broadcast]


def _and(arrays: Mapping) -> str:
    return " and ".join(arrays)


def _shapes(arrays: Mapping) -> str:
    return " and ".join(str(array.shape) for array in arrays.values())


def check_probabilities(p: np.ndarray, name: str = "y_proba", hint: str = "") -> None:
    """Raise for the first row of (n, k) or (n,) that is not made of probabilities that sum to 1. Block by block."""
    size = kernels.block_rows(p.shape[1] if p.ndim == 2 else 1)
    for start in range(0, len(p), size):
        block = p[start : start + size].astype(np.float64 if p.dtype.kind != "f" else p.dtype, copy=False)
        good = kernels.are_distributions(block, SUM_TOLERANCE) if p.ndim == 2 else kernels.are_probabilities(block)
        if not good:
            _explain_probabilities(block, start, name, hint)


def _explain_probabilities(p: np.ndarray, start: int, name: str, hint: str) -> None:
    """The slow, exact check of a block that the fast one did not pass."""
    bad = ~((p >= 0) & (p <= 1))
    if bad.any():
        what = f"row {start + int(np.argwhere(bad)[0][0])} has {p[bad][0]:g}"
        if not np.isfinite(p[bad][0]):
            raise ValueError(f"{name} must be finite: {what}.")
        raise ValueError(f"{name} must hold probabilities in [0, 1]: {what}.{hint}")
    if p.ndim == 2:
        sums = p.sum(axis=1, dtype=np.float64)
        off = ~(np.abs(sums - 1) <= SUM_TOLERANCE)
        if off.any():
            row = int(np.flatnonzero(off)[0])
            raise ValueError(f"Rows of {name} must sum to 1: row {start + row} sums to {sums[row]:.6g}.{hint}")


def explain_logits(z: np.ndarray) -> None:
    """Raise for the first row of logits that holds nan or +inf, or nothing but -inf."""
    bad = np.isnan(z) | (z == np.inf)
    if bad.any():
        row = int(np.argwhere(bad)[0][0])
        raise ValueError(f"Logits must be finite or -inf: row {row} has {z[bad][0]:g}.")
    empty = np.flatnonzero(np.atleast_2d(z.T).T.max(axis=1) == -np.inf)
    if len(empty) and z.ndim == 2:
        raise ValueError(f"Logits must have a finite entry in each row: row {empty[0]} is -inf throughout.")


def check_logit_losses(losses: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Losses of a block of logits, unless one of those was nan or +inf."""
    if np.isnan(losses).any() or not logits.max() < np.inf:
        explain_logits(logits)
    return losses


# --- losses -----------------------------------------------------------------------------------------------------------


def check_loss_input(
    targets: Any, outputs: Any, name: str, *, one_question_a_column: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Targets and logits (or probabilities) of a loss: codes (n,) or, of the outputs' shape, what each should be."""
    outputs = check_floats(name, outputs)
    shapes = "(n,) or (n, k)" if one_question_a_column else "(n, k)"
    if outputs.ndim != 2 and not (one_question_a_column and outputs.ndim == 1):
        raise ValueError(f"{name} must have shape {shapes}, got {outputs.shape}.")
    check_not_empty(name, outputs)
    targets = np.asarray(targets)
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
        if targets.min() < 0 or targets.max() >= n_codes:
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


def check_class_weights(class_weight: Any) -> tuple | None:
    """Weights of a loss's classes in the order of the codes, as a tuple: (k,), or (2, k) for k yes/no questions."""
    if class_weight is None:
        return None
    weights = np.array(np.nan)
    if not isinstance(class_weight, (str, Mapping)):
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


# --- labels and outputs of a metric -----------------------------------------------------------------------------------


def column_names(array: Any) -> np.ndarray | None:
    """Names of the columns of a DataFrame (pandas, polars), None for anything else."""
    columns = getattr(array, "columns", None)
    if columns is None or len(columns) < 2 or type(columns).__name__ == "RangeIndex":  # a default: numbers, not names
        return None
    return _targets.as_labels(np.asarray(columns))


def check_outputs(y_proba: Any) -> np.ndarray:
    """Probabilities or logits as floats, (n, k), or (n,) for the positive one of two classes."""
    outputs = check_floats("y_proba", y_proba)
    if outputs.ndim == 2 and outputs.shape[1] == 1:
        outputs = outputs[:, 0]
    if outputs.ndim not in (1, 2):
        raise ValueError(f"y_proba must have shape (n,) or (n, k), got {outputs.shape}.")
    check_not_empty("y_proba", outputs)
    return outputs


def check_labels(y: Any, name: str = "y_true", *, shape: str = "(n,) or (n, k)", soft: bool = False) -> np.ndarray:
    """Labels of shape (n,), none of them missing or a fraction, unless it may be a `soft` target."""
    if sparse.issparse(y):
        raise TypeError(f"{name} must be dense, got a sparse matrix; convert it with .toarray().")
    try:
        y = _targets.as_labels(y)
    except ValueError:
        raise ValueError(f"{name} must have shape {shape}, got rows of different lengths.") from None
    if y.ndim != 1:
        raise ValueError(f"{name} must have shape {shape}, got {y.shape}.")
    check_not_empty(name, y)
    if y.dtype.kind in "fmMO":
        import pandas as pd

        missing = pd.isna(y)
        if missing.any():
            raise ValueError(f"{name} must not have missing labels: row {int(np.flatnonzero(missing)[0])} is missing.")
    if y.dtype.kind == "f" and not (soft and is_soft(y)):
        fractions = y != np.rint(y)
        if fractions.any():
            row = int(np.flatnonzero(fractions)[0])
            hint = (
                "Probabilities of the positive class go to binary_cross_entropy_loss, distributions have shape (n, k)."
            )
            if shape == "(n,)":
                hint = "Probabilities of the positive class must be in [0, 1], and go without labels and pos_label."
            raise ValueError(f"{name} must hold labels, got continuous values: row {row} is {y[row]:g}. {hint}")
    return y


def check_classes(labels: Any, name: str = "labels") -> np.ndarray:
    """The class of each column, in the caller's order, without duplicates."""
    if isinstance(labels, (str, set, frozenset)):
        raise TypeError(f"{name} must be a list, the class of each column in order, got {labels!r}.")
    classes = check_labels(labels, name, shape="(k,)")
    unique, codes = sorted_classes(classes, name)
    if len(unique) < len(classes):
        twice = unique[np.bincount(codes) > 1].tolist()
        raise ValueError(f"{name} must not repeat a class, got {_listed(twice)} more than once.")
    return classes


def check_length(y_true: np.ndarray, outputs: np.ndarray) -> None:
    """As many rows of targets as of outputs."""
    if len(y_true) != len(outputs):
        raise ValueError(f"y_true and y_proba must have as many rows, got shapes {y_true.shape} and {outputs.shape}.")


def find_classes(y_true: np.ndarray, n_outputs: int) -> tuple[np.ndarray, np.ndarray]:
    """Classes of `n_outputs` columns and the code of each label, where no `labels` say which class has which column."""
    classes, codes = sorted_classes(y_true, "y_true")
    if n_outputs == 2 and len(classes) == 1:
        for pair in ([0, 1], [-1, 1]):  # one class seen, but which of the usual two it is can be told
            if y_true.dtype.kind in "biuf" and classes[0] in pair:
                classes = np.array(pair).astype(y_true.dtype)
                return classes, _targets.encode(y_true, classes)
    if len(classes) != n_outputs:
        raise ValueError(
            f"y_true has {len(classes)} classes, {_listed(classes.tolist())}, and y_proba {n_outputs} columns. "
            "Pass labels=, the class of each column in order."
        )
    return classes, codes


def sorted_classes(y: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        return _targets.find_classes(y)
    except TypeError:
        kinds = sorted({type(label).__name__ for label in y.tolist()})
        raise ValueError(f"{name} must not mix kinds of labels, got {' and '.join(kinds)}.") from None


def check_target_distributions(y_true: Any, classes: np.ndarray | None, n_columns: int) -> tuple:
    """Distributions (n, k) as floats, or codes if they are one-hot integers; and the class of each column.

    A DataFrame's columns are matched to the classes by name.
    """
    names = column_names(y_true)
    names = None if names is None else check_classes(names, "The columns of y_true")
    targets = check_floats("y_true", y_true) if _kind(y_true) != "int" else np.asarray(y_true)
    if targets.ndim != 2:
        raise ValueError(f"y_true must have shape (n,) or (n, k), got {targets.shape}.")
    if targets.shape[1] != n_columns:
        raise ValueError(f"y_true of shape {targets.shape} must have a column for each of the {n_columns} of y_proba.")
    check_not_empty("y_true", targets)
    if classes is None:
        classes = np.arange(n_columns) if names is None else names
    elif names is not None:
        targets = targets[:, match_columns(names, classes, "y_true")]
    check_probabilities(targets, "y_true")
    return (targets if targets.dtype.kind == "f" else targets.argmax(axis=1)), classes


def has_columns(y_true: Any) -> bool:
    """Whether targets are distributions, in several columns, not labels."""
    shape = getattr(y_true, "shape", None)
    if shape is None:
        first = y_true[0] if isinstance(y_true, (list, tuple)) and len(y_true) else None
        return isinstance(first, (list, tuple, np.ndarray)) and len(first) > 1
    return len(shape) == 2 and shape[1] > 1


def check_multilabel(y_true: Any, y_proba: Any, from_logits: bool) -> tuple[np.ndarray, np.ndarray]:
    """0/1 answers of any dtype, or floats with nan for unknown, and probabilities or logits of yes, both (n, L)."""
    names, columns = column_names(y_true), column_names(y_proba)
    if isinstance(y_proba, (list, tuple)) and len(y_proba) and all(_ndim(p) == 2 for p in y_proba):
        outputs = np.column_stack(_yes_columns(y_proba, from_logits))
    else:
        outputs = check_floats("y_proba", y_proba)
    y_true = check_floats("y_true", y_true) if _kind(y_true) != "int" else np.asarray(y_true)
    if y_true.ndim != 2 or y_true.shape != outputs.shape:
        raise ValueError(f"y_true and y_proba must have the same shape (n, L), got {y_true.shape} and {outputs.shape}.")
    check_not_empty("y_proba", outputs)
    if names is not None and columns is not None:
        places = match_columns(
            check_classes(names, "The columns of y_true"), check_classes(columns, "The columns of y_proba"), "y_true"
        )
        y_true = y_true if np.array_equal(places, np.arange(len(places))) else y_true[:, places]
    if np.fmin.reduce(y_true, axis=None) < 0 or np.fmax.reduce(y_true, axis=None) > 1:
        bad = (y_true < 0) | (y_true > 1)
        row = int(np.argwhere(bad)[0][0])
        raise ValueError(f"y_true must be in [0, 1], or nan where unknown: row {row} has {y_true[bad][0]:g}.")
    return y_true, outputs


def _ndim(array: Any) -> int:
    """Number of axes; -1 for rows of different lengths, which NumPy takes for no array."""
    try:
        return np.ndim(array)
    except ValueError:
        return -1


def _yes_columns(y_proba: Any, from_logits: bool) -> list[np.ndarray]:
    """Probability (n,) of yes for each label, or its logit, from those of no and yes."""
    columns = []
    for label, answers in enumerate(y_proba):
        p = check_floats("y_proba", answers)
        if p.ndim != 2 or p.shape[1] != 2:
            raise ValueError(f"y_proba must have two columns for each label, got {p.shape} for label {label}.")
        if len(p) != len(y_proba[0]):
            raise ValueError(f"y_proba must have as many rows for label {label} as for 0, got {len(p)}.")
        if from_logits:
            with np.errstate(invalid="ignore"):
                columns.append(
                    np.nan_to_num(p[:, 1] - p[:, 0], nan=np.nan, posinf=np.finfo(p.dtype).max, neginf=-np.inf)
                )
        else:
            check_probabilities(p)
            columns.append(p[:, 1])
    return columns


def check_pos_weight(pos_weight: Any, n_labels: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights (no, yes) of each label."""
    weights = check_floats("pos_weight", pos_weight)
    if weights.ndim > 1 or weights.shape not in ((), (1,), (n_labels,)):
        raise ValueError(f"pos_weight must be a number or have shape ({n_labels},), got {weights.shape}.")
    if not (np.isfinite(weights).all() and weights.min() >= 0):
        raise ValueError(f"pos_weight must be finite and not negative, got {weights.min():g} to {weights.max():g}.")
    return np.ones(n_labels), np.broadcast_to(weights, (n_labels,))


def check_sum_average(average: str | None) -> None:
    """Averages that a sum can be taken of."""
    if average not in ("micro", None):
        raise ValueError(f"reduction='sum' has no average {average!r}; use 'micro' or None.")


def check_labels_alone(classes: Any) -> None:
    """The classes of an estimator that gives each row one label."""
    if isinstance(classes, list) and len(classes) and np.ndim(classes[0]) == 1:
        raise ValueError("The estimator gives each row several labels: score it by neg_multilabel_cross_entropy.")


def check_some_target(counts: np.ndarray) -> None:
    """At least one known label."""
    if not counts.any():
        raise ValueError("y_true has no known label: every entry is nan, or weighs zero.")


def _kind(array: Any) -> str:
    dtype = getattr(array, "dtype", None)
    return "int" if isinstance(array, np.ndarray) and dtype is not None and dtype.kind in "iub" else "float"


def is_soft(y_true: np.ndarray) -> bool:
    """Whether one-dimensional targets are probabilities, not labels: floats in [0, 1], some strictly between."""
    if y_true.dtype.kind != "f" or not (y_true.min() >= 0 and y_true.max() <= 1):
        return False
    return bool(((y_true > 0) & (y_true < 1)).any())


def find_pair(y_true: np.ndarray, pos_label: Any) -> np.ndarray:
    """The negative and the positive class where only the labels, and maybe `pos_label`, tell them."""
    classes, _ = sorted_classes(y_true, "y_true")
    if pos_label is None:
        return find_classes(y_true, 2)[0]
    if pos_label not in classes.tolist():
        classes = np.append(classes, np.array([pos_label], dtype=classes.dtype if classes.dtype.kind == "O" else None))
    if len(classes) == 1:  # nothing but positives: the other class needs no name
        return np.array([None, pos_label], dtype=object)
    if len(classes) > 2:
        raise ValueError(f"y_true must have two classes, got {_listed(classes.tolist())} with pos_label={pos_label!r}.")
    return classes


def is_first(classes: np.ndarray, pos_label: Any) -> bool:
    """Whether the positive one of two classes is the first."""
    if pos_label not in classes.tolist():
        raise ValueError(f"pos_label {pos_label!r} is not one of the labels {_listed(classes.tolist())}.")
    return bool(classes.tolist()[0] == pos_label)


def check_two_columns(outputs: np.ndarray) -> None:
    """Outputs of two classes."""
    if outputs.ndim == 2 and outputs.shape[1] != 2:
        raise ValueError(f"y_proba of two classes must have shape (n,) or (n, 2), got {outputs.shape}.")


def check_some_known(weights: np.ndarray) -> np.ndarray:
    """Weights after rows of unknown labels were dropped: not all of them."""
    if not weights.any():
        raise ValueError("No row is left: handle_unknown='ignore' drops every row of y_true.")
    return weights


def check_positive_mass(mass: float) -> float:
    """The divisor of a mean."""
    if not mass > 0:
        raise ValueError("class_weight and sample_weight give every row the weight zero: a mean needs a positive one.")
    return mass


def check_columns(classes: np.ndarray, n_outputs: int) -> None:
    """As many classes as columns."""
    if len(classes) != n_outputs:
        raise ValueError(
            f"y_proba must have a column for each of the {len(classes)} classes {_listed(classes.tolist())}, "
            f"got {n_outputs}."
        )


def explain_unknown(labels: np.ndarray, classes: np.ndarray) -> NoReturn:
    """Raise for labels without a column."""
    raise ValueError(
        f"y_true has labels {_listed(list(dict.fromkeys(labels.tolist())))} that no column of y_proba stands for; the "
        f"columns are {_listed(classes.tolist())}. Pass labels=, or handle_unknown='clip' or 'ignore'."
    )


def match_columns(names: np.ndarray, classes: np.ndarray, what: str) -> np.ndarray:
    """Position in `names` of each class; every class must be named, and every name be a class."""
    position = _targets.encode(classes, names)
    if (position == _targets.UNKNOWN).any() or len(names) != len(classes):
        raise ValueError(
            f"The columns of {what}, {_listed(names.tolist())}, are not the classes {_listed(classes.tolist())}."
        )
    return position


def check_class_weight(
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
    if hasattr(class_weight, "index") and hasattr(class_weight, "to_dict"):  # a Series names its classes
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
                f"class_weight has no class in common with {_listed(classes.tolist())}: it weighs "
                f"{_listed(list(class_weight))}."
            )
        return np.array(check_class_weights(weights))
    checked = np.array(check_class_weights(class_weight))
    if checked.shape != (n_columns,):
        raise ValueError(f"class_weight must have {n_columns} weights, one a class, got {checked.size}.")
    return np.append(checked, np.ones(len(classes) - n_columns))


def _listed(values: list, most: int = 10) -> str:
    """Values for a message, the first few of many."""
    shown = ", ".join(repr(v) for v in values[:most])
    return f"[{shown}, ... ({len(values)} in all)]" if len(values) > most else f"[{shown}]"


def check_answers(values: Any) -> None:
    """The classes of one label of several: no and yes, 0 and 1."""
    if not set(np.asarray(values).tolist()) <= {0, 1}:
        raise ValueError(f"Several labels must each have the classes 0 and 1, got {_listed(list(values))}.")


def check_method_of_labels(method: str) -> None:
    """A method whose answer is a probability or a logit of each label."""
    if method == "predict_log_proba":
        raise ValueError(
            "predict_log_proba of several labels lacks those of no: use predict_proba or decision_function."
        )


# --- estimators -------------------------------------------------------------------------------------------------------


def check_fit(estimator: Any, X: Any, y: Any, sample_weight: Any) -> tuple:
    """X (n, d) as float64 or float32, dense or CSR; the classes; the code of each label; weights or None."""
    if _is_column_of_objects(y):  # scikit-learn compares labels before it looks at their kinds
        sorted_classes(check_labels(y, "y"), "y")
    X, y = validate_data(estimator, X, y, accept_sparse="csr", dtype=(np.float64, np.float32), y_numeric=False)
    check_classification_targets(y)
    classes, codes = sorted_classes(_targets.as_labels(y), "y")
    check_two_classes(classes)
    return X, classes, codes, check_sample_weight(sample_weight, X.shape[0])


def check_two_classes(classes: np.ndarray) -> None:
    """Something to tell apart."""
    if len(classes) < 2:
        raise ValueError(f"y must have at least two classes, got one class, {classes.tolist()[0]!r}.")


def check_alphas(alphas: Any) -> np.ndarray:
    """Penalties from the largest to the least."""
    if isinstance(alphas, (int, np.integer)) and not isinstance(alphas, bool):
        check_number("alphas", alphas, 1, integer=True)
        return np.logspace(1, -6, alphas)
    values = check_floats("alphas", alphas)
    if values.ndim != 1 or values.size == 0 or not (np.isfinite(values).all() and values.min() >= 0):
        raise ValueError(f"alphas must be a number of them, or finite numbers of at least 0, got {alphas!r}.")
    return np.unique(values)[::-1].astype(np.float64)


def check_scorer(estimator: Any, scoring: Any) -> Callable:
    """A scorer from its name in scikit-learn, or itself."""
    return check_scoring(estimator, scoring=scoring)


def accepts_weights(scorer: Any) -> bool:
    """Whether a scorer takes sample weights."""
    return bool(getattr(scorer, "_accept_sample_weight", lambda: False)())


def _is_column_of_objects(y: Any) -> bool:
    if isinstance(y, (list, tuple)):
        return not any(_ndim(label) for label in y) and np.asarray(y).dtype == object
    return getattr(y, "ndim", 0) == 1 and len(y) > 0 and getattr(y, "dtype", None) == np.dtype(object)


def check_predict(estimator: Any, X: Any) -> Any:
    """X for a fitted estimator: the features it was fitted with."""
    check_is_fitted(estimator)
    return validate_data(estimator, X, accept_sparse="csr", dtype=(np.float64, np.float32), reset=False)
