"""Tables of numbers of which a block is made when its rows are asked for, so that no copy of the whole is.

Come here for outputs and targets that are not one array as the losses take it: whole numbers for floats, columns in
another order or kept apart. A `Table` answers what the metrics ask of an array.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from skce import _kernels as kernels


class Table:
    """Numbers of shape (n, k).

    Parameters
    ----------
    part : callable
        Some of the rows, (b, k), of whatever type, for a slice or an array of places. They are asked for by those, or
        by a mask, and may be followed by columns.
    shape : (n, k)
    dtype : dtype
        Type of the numbers that they become.
    """

    ndim = 2

    def __init__(self, part: Callable[[Any], Any], shape: tuple[int, int], dtype: Any):
        self._part, self.shape, self.dtype = part, shape, np.dtype(dtype)
        self.itemsize = self.dtype.itemsize
        self.size = shape[0] * shape[1]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> np.ndarray:
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        rows = np.flatnonzero(rows) if isinstance(rows, np.ndarray) and rows.dtype.kind == "b" else rows
        return np.ascontiguousarray(self._part(rows), dtype=self.dtype)[:, columns]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(self.dtype if dtype is None else dtype, copy=False)


def by_blocks(part: Callable[[Any], Any], shape: tuple[int, int], dtype: Any) -> Any:
    """A `Table`; at once an array if it is no larger than a block."""
    lazy = Table(part, shape, dtype)
    return np.asarray(lazy) if lazy.size * lazy.itemsize <= kernels.BLOCK_BYTES else lazy


def as_floats(array: Any) -> Any:
    """Whole numbers, bools or half precision (n, k) as floats."""
    return by_blocks(array.__getitem__, array.shape, float_type(array.dtype))


def float_type(dtype: np.dtype) -> Any:
    """Single precision for numbers of single or half precision, double for all others."""
    return np.float32 if dtype.kind == "f" and dtype.itemsize <= 4 else np.float64


def is_polars_table(array: Any) -> bool:
    """Whether it is a DataFrame of polars that has several columns of numbers."""
    if type(array).__module__.partition(".")[0] != "polars" or type(array).__name__ != "DataFrame":
        return False
    return array.shape[1] > 1 and all(kind.is_numeric() for kind in array.dtypes)


def of_polars(frame: Any) -> Any:
    """Its columns, which are kept apart, as floats."""
    return by_blocks(lambda rows: frame[rows].to_numpy(), frame.shape, float_type(frame[:0].to_numpy().dtype))


def reordered(array: Any, places: np.ndarray) -> Any:
    """The columns at some places; the array itself if they are there."""
    if np.array_equal(places, np.arange(array.shape[1])):
        return array
    return by_blocks(lambda rows: array[rows][:, places], (len(array), len(places)), array.dtype)


def side_by_side(columns: list[np.ndarray]) -> Any:
    """Columns (n,) as a table."""
    shape, dtype = (len(columns[0]), len(columns)), np.result_type(*columns)
    return by_blocks(lambda rows: np.column_stack([column[rows] for column in columns]), shape, dtype)
