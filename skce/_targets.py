"""Labels to class codes, once, for everybody.

A target is either a class code a row, (n,) integers, or a distribution a row, (n, k) floats. Nothing is ever one-hot
encoded just to compute: a code is gathered. Errors about labels are raised in `_validation`, which calls this room.
"""

from typing import Any

import numpy as np

UNKNOWN = -1
"""Code of a label that is not among the classes."""

TABLE_LIMIT = 1 << 16
"""Integers spread over up to this many values (or ten a row) go through a table: 2 ns a label, `np.unique` takes 33."""


def as_labels(y: Any) -> np.ndarray:
    """Labels as an array of a plain dtype, from lists and pandas or polars containers; a single column is flattened."""
    y = np.asarray(y.to_numpy() if hasattr(y, "to_numpy") else y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.dtype.kind == "O":
        return _plain(y)
    return y.astype(str) if y.dtype.kind == "T" else y


def _plain(y: np.ndarray) -> np.ndarray:
    """Objects that are all bools, ints or floats as an array of them; strings stay objects, which keep their hash."""
    import pandas as pd

    kinds = {"boolean": bool, "integer": np.int64, "floating": np.float64, "mixed-integer-float": np.float64}
    kind = kinds.get(pd.api.types.infer_dtype(y, skipna=False)) if y.size else None
    return y if kind is None else y.astype(kind)


def find_classes(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted classes of the labels, and the code of each label."""
    if y.dtype.kind in "biu" and len(y):
        low, high = int(y.min()), int(y.max())
        if _fits_table(low, high, len(y)):
            present = np.zeros(high - low + 1, dtype=bool)
            present[_offset(y, low)] = True
            classes = (np.flatnonzero(present) + low).astype(y.dtype)
            return classes, encode(y, classes)
    if y.dtype.kind in "OUS":
        import pandas as pd

        codes, classes = pd.factorize(y.astype(object, copy=False), sort=True)
        return classes.astype(y.dtype), codes
    return np.unique(y, return_inverse=True)


def encode(y: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Place of each label in `classes`, which may be in any order; `UNKNOWN` for a label that is not there."""
    if y.dtype.kind in "biu" and classes.dtype.kind in "biu" and len(y):
        low, high = int(classes.min()), int(classes.max())
        if _fits_table(low, high, len(y)):
            return _look_up(y, classes, low, high)
    if y.dtype.kind in "biuf" and classes.dtype.kind in "biuf":
        order = np.argsort(classes, kind="stable")
        place = order[np.searchsorted(classes, y, sorter=order).clip(max=len(classes) - 1)]
        return np.where(classes[place] == y, place, UNKNOWN)
    import pandas as pd

    return pd.Index(classes.astype(object)).get_indexer(y.astype(object, copy=False))


def _look_up(y: np.ndarray, classes: np.ndarray, low: int, high: int) -> np.ndarray:
    """`encode` for integers: an offset where the classes are low, low + 1, ..., high, else a table."""
    inside = low <= int(y.min()) and int(y.max()) <= high
    if inside and high - low == len(classes) - 1 and np.all(classes[1:] > classes[:-1]):
        return _offset(y, low)
    table = np.full(high - low + 1, UNKNOWN, dtype=np.intp)
    table[_offset(classes, low)] = np.arange(len(classes))
    if inside:
        return table[_offset(y, low)]
    known = (y >= low) & (y <= high)
    codes = np.full(len(y), UNKNOWN, dtype=np.intp)
    codes[known] = table[_offset(y[known], low)]
    return codes


def _fits_table(low: int, high: int, n: int) -> bool:
    return high - low < max(TABLE_LIMIT, 10 * n)


def _offset(y: np.ndarray, low: int) -> np.ndarray:
    """Integers or bools minus `low`, as array positions."""
    if y.dtype == np.uint64:  # may not fit a signed integer before the subtraction
        return (y - np.uint64(low)).astype(np.intp)
    y = y.astype(np.intp, copy=False)
    return y - low if low else y
