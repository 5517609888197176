"""Targets, and labels to class codes, once, for everybody.

A target is either a class code a row, (n,) integers, or a distribution a row, (n, k) floats. Nothing is ever one-hot
encoded just to compute: a code is gathered. Errors about labels are raised in `_validation`, which calls this room.
"""

from typing import Any, NamedTuple

import numpy as np

UNKNOWN = -1
"""Code of a label that is not among the classes."""

TABLE_LIMIT = 1 << 16
"""Integers spread over up to this many values (or one a row) go through a table: 2 ns a label, `np.unique` takes 33."""


class Targets(NamedTuple):
    """What the rows should be, in the one form that a classifier's rooms share."""

    values: np.ndarray
    """Class codes (n,); distributions (n, k); or, of several labels, answers (n, L) in [0, 1], nan where unknown."""
    classes: np.ndarray
    """The classes, or the names of the labels."""
    exclusive: bool
    """Whether a row has one label."""

    def take(self, rows: np.ndarray) -> "Targets":
        """Those of some rows, of the same classes."""
        return self._replace(values=self.values[rows])

    def fold(self, rows: np.ndarray) -> "Targets":
        """Those of some rows, of the classes that are left."""
        if self.values.ndim == 2:
            return self.take(rows)
        present, codes = find_classes(self.values[rows])
        return Targets(codes, self.classes[present], self.exclusive)

    def labels(self) -> np.ndarray:
        """The labels (n,), or the values (n, k) that have none."""
        return look_up(self.classes, self.values) if self.values.ndim == 1 else self.values


def look_up(table: np.ndarray, codes: Any) -> Any:
    """Entry of the table (k,) for each code; of a dask array of codes lazily."""
    if hasattr(codes, "map_blocks"):
        return codes.map_blocks(table.take, dtype=table.dtype, meta=table[:0])
    return table[codes]


def as_labels(y: Any) -> np.ndarray:
    """Labels as an array of a plain dtype, from lists and pandas or polars containers; a single column is flattened."""
    values = y
    y = np.asarray(_values(y) if hasattr(y, "to_numpy") else y)
    if (
        y.dtype.kind in "US"
        and isinstance(values, (list, tuple))
        and not all(isinstance(v, (str, bytes)) for v in values)
    ):
        y = np.array(values, dtype=object)  # NumPy would make strings of numbers and of nan
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.dtype.kind == "T":  # NumPy's strings of any length
        return y.astype(object).astype(str)
    return _plain(y) if y.dtype.kind == "O" and y.ndim == 1 else y.astype(y.dtype.newbyteorder("="), copy=False)


def _values(container: Any) -> np.ndarray:
    """The labels of a Series; one object for all rows of a category, or of a string that is kept in Arrow."""
    import pandas as pd

    kind = getattr(container, "dtype", None)
    library = type(container).__module__.partition(".")[0]
    if library == "polars":
        return _polars_values(container)
    if library == "pyarrow":
        return _values(container.to_pandas())
    if isinstance(kind, pd.CategoricalDtype):
        codes, labels = getattr(container, "array", container).codes, kind.categories.to_numpy()
    elif isinstance(kind, pd.StringDtype) and kind.storage != "python":
        codes, unique = pd.factorize(container)
        labels = unique.to_numpy()
    else:
        return container.to_numpy()
    return labels[codes] if codes.min(initial=0) == 0 else np.append(labels.astype(object), np.nan)[codes]


def _polars_values(series: Any) -> np.ndarray:
    """The labels of a Series of polars, one object for all rows of a string."""
    import polars as pl

    if getattr(series, "dtype", None) not in (pl.String, pl.Categorical, pl.Enum):
        return series.to_numpy()
    labels = series.unique().drop_nulls().cast(pl.String).sort()
    codes = series.cast(pl.Enum(labels)).to_physical().fill_null(len(labels)).to_numpy()
    return np.append(labels.to_numpy().astype(object), np.nan)[codes]


def _plain(y: np.ndarray) -> np.ndarray:
    """Objects that are all bools, ints or floats as an array of them; strings stay objects, which keep their hash."""
    import pandas as pd

    kinds = {"boolean": bool, "integer": np.int64, "floating": np.float64, "mixed-integer-float": np.float64}
    kind = kinds.get(pd.api.types.infer_dtype(y, skipna=False)) if y.size else None
    try:
        return y if kind is None else y.astype(kind)
    except OverflowError:  # Python's integers have no limit
        return y


def find_classes(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted classes of the labels, and the code of each label."""
    if y.dtype.kind in "biu" and len(y):
        low, high = int(y.min()), int(y.max())
        if _fits_table(low, high, len(y)):
            return _classes_from_table(y, low, high)
    if y.dtype.kind == "f" and len(y) and (whole := _whole_numbers(y)) is not None:
        classes, codes = find_classes(whole)
        return classes.astype(y.dtype), codes
    if y.dtype.kind == "O" and len(y):
        return _factorized(y)
    if y.dtype.kind in "iufmM" and y.dtype.itemsize <= 8 and len(y):
        classes, codes = _factorized(_hashable(y))
        own = classes.view(y.dtype.newbyteorder("=")) if y.dtype.kind in "mM" else classes
        return own.astype(y.dtype, copy=False), codes
    if y.dtype.kind in "US" and len(y) and (found := _hashed_classes(y)):
        return found[0].astype(y.dtype), found[1]
    return np.unique(y, return_inverse=True)


def encode(y: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Place of each label in `classes`, which may be in any order; `UNKNOWN` for a label that is not there."""
    if y.dtype.kind in "biu" and classes.dtype.kind in "biu" and len(y):
        low, high = int(classes.min()), int(classes.max())
        if _fits_table(low, high, len(y)):
            return _look_up(y, classes, low, high)
    numbers = y.dtype.kind in "biuf" and classes.dtype.kind in "biuf" and len(y)
    if numbers and y.dtype.kind == "f" and (whole := _whole_numbers(y)) is not None:
        return encode(whole, classes)
    if numbers and classes.dtype.kind == "f" and len(classes) and (whole := _whole_numbers(classes)) is not None:
        return encode(y, whole)
    if numbers and _hold_each_other(y, classes):
        return _sorted_places(y, classes)
    if y.dtype.kind in "US":
        present, codes = find_classes(y)
        return encode(present.astype(object), classes)[codes]
    return _index_of(y, classes)


def _whole_numbers(y: np.ndarray) -> np.ndarray | None:
    """Floats as integers, if they are all such and no larger than floats can tell apart."""
    if not float(np.abs(y).max()) < 2**53:  # a Python float: half precision has no such number
        return None
    whole = y.astype(np.int64)
    return whole if np.array_equal(whole, y) else None


def _hold_each_other(y: np.ndarray, classes: np.ndarray) -> bool:
    """Whether numbers of both compare in the type of one of them."""
    return np.result_type(y, classes).kind in y.dtype.kind + classes.dtype.kind


def _classes_from_table(y: np.ndarray, low: int, high: int) -> tuple[np.ndarray, np.ndarray]:
    """`find_classes` for integers whose values between `low` and `high` fit a table."""
    offset, size = _offset(y, low), high - low + 1
    present = np.zeros(size, dtype=bool)
    present[offset[:TABLE_LIMIT]] = True
    places = present.nonzero()[0]
    if len(places) < size and len(y) > TABLE_LIMIT:  # the first labels rarely leave one out
        present[offset[TABLE_LIMIT:]] = True
        places = present.nonzero()[0]
    classes = places.astype(y.dtype) + y.dtype.type(low)  # past the type's end both wrap, and the sum is right
    if len(places) == size:
        return classes, offset
    table = np.empty(size, dtype=np.intp)
    table[places] = np.arange(len(places))
    return classes, table[offset]


def _hashed_classes(y: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """`find_classes` for strings of fixed width, by a table of their hashes: 14 ns a label, `np.unique` takes 110.

    Every label is compared with the class that its hash stands for; None if two classes have the same hash.
    """
    n_words = _words(y[:1]).shape[1]
    multipliers = np.array(np.random.RandomState(0).randint(2**62, size=n_words)).astype(np.uint64) * 2 + 1
    hashes = np.empty(len(y), dtype=np.uint16)
    for rows in _slices(len(y)):
        words = _words(y[rows])
        total = words[:, 0] * multipliers[0]
        for j in range(1, words.shape[1]):
            total += words[:, j] * multipliers[j]
        hashes[rows] = total >> np.uint64(48)
    table = np.full(1 << 16, -1)
    table[hashes] = np.arange(len(y))
    present = np.flatnonzero(table >= 0)
    order = np.argsort(y[table[present]])
    first = table[present[order]]
    table[present[order]] = np.arange(len(first))
    codes = table[hashes]
    known = _words(y[first])
    for rows in _slices(len(y)):
        words = _words(y[rows])
        if not all((known[:, j][codes[rows]] == words[:, j]).all() for j in range(words.shape[1])):
            return None
    return y[first], codes


def _words(y: np.ndarray) -> np.ndarray:
    """The bits of strings of fixed width as integers, (n, words); zeros fill the last word."""
    width = -(-y.itemsize // 8) * 8
    if width != y.itemsize:
        y = y.astype(f"{y.dtype.kind}{width // (4 if y.dtype.kind == 'U' else 1)}")
    return np.ascontiguousarray(y).view(np.uint64).reshape(len(y), -1)


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


def _sorted_places(y: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """`encode` for numbers that compare, by their order."""
    order, codes = np.argsort(classes, kind="stable"), np.empty(len(y), dtype=np.intp)
    for rows in _slices(len(y)):
        place = order[np.searchsorted(classes, y[rows], sorter=order).clip(max=len(classes) - 1)]
        codes[rows] = np.where(classes[place] == y[rows], place, UNKNOWN)
    return codes


def _index_of(y: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """`encode` for labels of any kind."""
    return _places(classes.astype(object), y)


def _hashable(y: np.ndarray) -> np.ndarray:
    """Numbers or dates as numbers that pandas hashes."""
    y = y.astype(y.dtype.newbyteorder("="), copy=False)
    if y.dtype.kind in "mM":
        return y.view(np.int64)
    return y.astype(np.float32) if y.dtype == np.float16 else y


def _factorized(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`find_classes` by pandas' hash tables: 30 ns a label."""
    import pandas as pd

    codes, found = np.empty(len(y), dtype=np.intp), []
    for rows in _slices(len(y)):
        codes[rows], labels = pd.factorize(y[rows])
        found.append(labels)
    classes = np.sort(pd.unique(np.concatenate(found)))
    for rows, labels in zip(_slices(len(y)), found, strict=True):
        codes[rows] = _places(classes, labels)[codes[rows]]
    return classes, codes


def _places(classes: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Place of each label among the classes, in whose type they are compared, by pandas: 10 to 45 ns a label."""
    import pandas as pd

    def index(labels: np.ndarray) -> Any:  # of that type, not the strings that pandas sees in objects: 140 ns
        return pd.Index(labels.astype(classes.dtype, copy=False), dtype=classes.dtype, copy=False)

    known, codes = index(classes), np.empty(len(y), dtype=np.intp)
    for rows in _slices(len(y)):
        codes[rows] = known.get_indexer(index(y[rows]))
    return codes


def _slices(n: int) -> list[slice]:
    """Parts of n labels for pandas, whose hash tables are as long as what they are given."""
    return [slice(start, start + TABLE_LIMIT) for start in range(0, n, TABLE_LIMIT)]


def _fits_table(low: int, high: int, n: int) -> bool:
    return high - low < max(TABLE_LIMIT, n)


def _offset(y: np.ndarray, low: int) -> np.ndarray:
    """Integers or bools minus `low`, as array positions."""
    if y.dtype == np.uint64 and low > 0:  # may not fit a signed integer before the subtraction
        return (y - np.uint64(low)).astype(np.intp)
    y = y.astype(np.intp, copy=False)
    return y - low if low else y
