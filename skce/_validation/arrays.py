"""Arrays of numbers: kinds, shapes, weights, probabilities, logits."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import sparse

from skce import _kernels as kernels
from skce import _tables

SUM_TOLERANCE, HALF_TOLERANCE = 1e-4, 1e-3
"""How far a row of probabilities may sum from 1: ensembles in float32 drift by 1e-6, half precision rounds it by 5e-4,
logits are off by far more."""


def check_floats(name: str, array: Any) -> np.ndarray:
    """A dense float32 or float64 array from anything array-like. Values are not looked at."""
    if type(array) is np.ndarray and array.dtype in (np.float64, np.float32):
        return array
    array = as_array(name, array)
    if array.dtype.kind == "c":
        raise ValueError(f"{name} must be real. Complex data not supported.")
    if array.dtype.kind in "mM":
        raise ValueError(f"{name} must hold numbers, got an array of dtype {array.dtype}.")
    try:
        return np.asarray(_without_na(array), dtype=_tables.float_type(array.dtype))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold numbers, got an array of dtype {array.dtype}.") from error
    except OverflowError:
        raise ValueError(f"{name} must hold numbers that are no larger than floats.") from None


def check_table(name: str, array: Any) -> Any:
    """`check_floats`, but tables of polars, of whole numbers or of half precision become floats by blocks."""
    if _tables.is_polars_table(array):
        return _tables.of_polars(array)
    numbers = array if type(array) is np.ndarray else getattr(array, "to_numpy", lambda: array)()
    if type(numbers) is not np.ndarray or numbers.dtype == object:
        return check_floats(name, array)
    if (numbers.dtype.kind in "iub" or numbers.dtype == np.float16) and numbers.ndim == 2 and numbers.shape[1] > 1:
        return _tables.as_floats(numbers)
    return check_floats(name, numbers)


def check_present(name: str, array: Any) -> None:
    """All numbers are there: neither a sparse matrix nor masked entries, whose values NumPy would use."""
    if sparse.issparse(array):
        raise TypeError(f"{name} must be dense, got a sparse matrix; convert it with .toarray().")
    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        raise ValueError(f"{name} must not have masked entries: leave those rows out, or fill them.")


def as_array(name: str, array: Any) -> np.ndarray:
    """A dense array of whatever type from anything array-like."""
    check_present(name, array)
    try:
        return np.asarray(array.to_numpy() if hasattr(array, "to_numpy") else array)
    except ValueError:
        raise ValueError(f"{name} must be an array, got rows of different lengths.") from None


def _without_na(array: np.ndarray) -> np.ndarray:
    """Objects with nan for pandas' NA."""
    if array.dtype != object:
        return array
    import pandas as pd

    return np.where(pd.isna(array), np.nan, array)


def check_not_empty(name: str, array: np.ndarray) -> None:
    """At least one row and one column."""
    if array.size == 0:
        raise ValueError(f"{name} is empty: got shape {array.shape}.")


def check_sample_weight(sample_weight: Any, n: int, *, whole: bool = True) -> np.ndarray | None:
    """Non-negative finite weights of shape (n,), or None. Those of the whole of the rows have a positive sum."""
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
    if total == 0 and whole:
        raise ValueError("sample_weight sums to zero: at least one weight must be positive.")
    if total == np.inf:
        raise ValueError("sample_weight sums to more than the largest float: divide it by its mean.")
    return weights


def check_squares(sums: np.ndarray, columns: np.ndarray | None) -> None:
    """Sums of squares of features, of all columns or a few, that are finite: curvature is made of them."""
    if not np.isfinite(sums).all():
        place = int(np.flatnonzero(~np.isfinite(sums))[0])
        column = place if columns is None else int(columns[place])
        raise ValueError(f"X has features whose squares are larger than any float, in column {column}: divide them.")


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


def check_probabilities(p: Any, name: str = "y_proba", hint: str = "", *, exclusive: bool = True) -> None:
    """Raise for the first row of (n, k) or (n,) that is not made of probabilities, block by block.

    Where they are of classes that are `exclusive`, not of several labels, a row of (n, k) sums to 1.
    """
    size = kernels.block_rows(p.shape[1] if p.ndim == 2 else 1)
    for start in range(0, len(p), size):
        block = p[start : start + size].astype(np.float64 if p.dtype.kind != "f" else p.dtype, copy=False)
        with np.errstate(over="ignore"):
            if exclusive and p.ndim == 2:
                good = kernels.are_distributions(block, SUM_TOLERANCE)
            else:
                good = kernels.are_probabilities(block)
            if not (good or hold_probabilities(block, exclusive=exclusive)):
                _explain_probabilities(block, start, name, hint)


def hold_probabilities(p: np.ndarray, *, exclusive: bool) -> bool:
    """The slow, exact check of a block that the fast one did not pass: -0.0 and half precision may have stopped it."""
    return not _no_probabilities(p).any() and not (exclusive and p.ndim == 2 and _far_from_1(_row_sums(p), p).any())


def _no_probabilities(p: np.ndarray) -> np.ndarray:
    return ~((p >= 0) & (p <= 1))


def _row_sums(p: np.ndarray) -> np.ndarray:
    return p.sum(axis=1, dtype=np.float64)


def _far_from_1(sums: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Which sums are; numbers that half precision holds were rounded to it."""
    tolerance = HALF_TOLERANCE if np.array_equal(p.astype(np.float16), p) else SUM_TOLERANCE
    return ~(np.abs(sums - 1) <= tolerance)


def shown(number: Any) -> str:
    """A number for a message, with all of its digits where it is nearly 0 or 1."""
    return f"{number:g}" if float(f"{number:g}") not in (0, 1) or number in (0, 1) else repr(number.item())


def _explain_probabilities(p: np.ndarray, start: int, name: str, hint: str) -> None:
    """Raise for a block that begins with row `start`."""
    bad = _no_probabilities(p)
    if bad.any():
        what = f"row {start + int(np.argwhere(bad)[0][0])} has {shown(p[bad][0])}"
        if not np.isfinite(p[bad][0]):
            raise ValueError(f"{name} must be finite: {what}.")
        raise ValueError(f"{name} must hold probabilities in [0, 1]: {what}.{hint}")
    sums = _row_sums(p)
    row = int(np.flatnonzero(_far_from_1(sums, p))[0])
    raise ValueError(f"Rows of {name} must sum to 1: row {start + row} sums to {sums[row]:.6g}.{hint}")


def explain_logits(z: Any) -> None:
    """Raise for the first row of logits that holds nan or +inf, or nothing but -inf."""
    z = np.asarray(z)
    bad = np.isnan(z) | (z == np.inf)
    if bad.any():
        row = int(np.argwhere(bad)[0][0])
        raise ValueError(f"Logits must be finite or -inf: row {row} has {z[bad][0]:g}.")
    empty = np.flatnonzero(np.atleast_2d(z.T).T.max(axis=1) == -np.inf)
    if len(empty) and z.ndim == 2:
        raise ValueError(f"Logits must have a finite entry in each row: row {empty[0]} is -inf throughout.")


def check_logit_losses(losses: np.ndarray, block: np.ndarray, logits: Any, *, exclusive: bool = False) -> np.ndarray:
    """Losses of a block of logits, unless one of those was nan or +inf: of classes that are `exclusive` both make nan.

    Only where something is wrong are all of the logits looked at, for the first row at fault.
    """
    if np.isnan(losses.max()) or not (exclusive or block.max() < np.inf):
        explain_logits(logits)
    return losses
