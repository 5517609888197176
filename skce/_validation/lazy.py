"""Dask collections at an estimator's door: what can be told without computing, and checks of a partition's features.

An empty array, `like`, stands for the form that the features of every partition will have.
"""

import warnings
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.exceptions import EfficiencyWarning
from sklearn.utils.validation import validate_data

from skce._validation.arrays import check_floats
from skce._validation.partitions import is_dask

CHEAP_LAYERS = ("array-", "astype-", "blocks-", "concatenate-", "from-value-", "getitem-", "rechunk-", "transpose-")
"""How dask begins the names of layers that move or cut chunks: no work that it would pay to keep."""

CHEAP_EXPRESSIONS = frozenset({"Projection", "RenameFrame"})
"""The same for the expressions of dask DataFrames."""


def check_in_memory(**arrays: Any) -> None:
    """Nothing lazy where rows are needed at once."""
    for name, array in arrays.items():
        if is_dask(array):
            raise TypeError(
                f"{name} must be in memory, got a dask collection: pass {name}.compute(). Partition by partition go "
                "CrossEntropyClassifier.fit, where X is lazy too, its predictions, and its score."
            )


def check_lazy_features(estimator: Any, X: Any, *, reset: bool) -> Any:
    """Number and names of the features of a dask array or DataFrame; an empty array of the form that they will have."""
    if X.ndim != 2 or np.isnan(X.shape[1]):
        raise ValueError(f"X must have shape (n, d) with a known d, got {X.shape}.")
    names = X._meta if hasattr(X, "columns") else np.empty((1, X.shape[1]))
    validate_data(estimator, names, skip_check_array=True, reset=reset)
    return floats_like(X)


def floats_like(array: Any) -> Any:
    """An empty array, dense or CSR, with the columns of another or of a collection; float64 unless all is float32."""
    single = all(dtype == np.float32 for dtype in getattr(array, "dtypes", [getattr(array, "dtype", None)]))
    empty = np.empty((0, *array.shape[1:]), np.float32 if single else np.float64)
    return sparse.csr_array(empty) if sparse.issparse(getattr(array, "_meta", array)) else empty


def check_features(X: Any, like: Any) -> Any:
    """Features of a partition in the form of an empty array. Values are not looked at."""
    if sparse.issparse(like):
        X = sparse.csr_array(X, dtype=like.dtype)
    elif sparse.issparse(X):
        raise TypeError(
            f"X has sparse chunks that dask takes for dense ones: make them by X.map_blocks(..., "
            f"meta=scipy.sparse.csr_array((0, {like.shape[1]})))."
        )
    else:
        X = check_floats("X", X).astype(like.dtype, copy=False)
    if X.shape[1:] != like.shape[1:]:
        raise ValueError(f"X must have {like.shape[1]} columns, got shape {X.shape}.")
    return X


def check_finite_features(X: Any) -> Any:
    """Features that are all finite; their sum tells it for most."""
    values = X.data if sparse.issparse(X) else X
    with np.errstate(all="ignore"):
        if np.isfinite(values.sum()):
            return X
    bad = ~np.isfinite(values)
    if bad.any():
        table = X.tocoo() if sparse.issparse(X) else None
        row, column = np.argwhere(bad)[0] if table is None else (table.row[bad][0], table.col[bad][0])
        raise ValueError(f"X must be finite: row {row} has {values[bad][0]:g} in column {column}.")
    return X


def warn_of_recomputing(X: Any, passes: str) -> None:
    """A warning of work that each pass over the rows does again; none of reads, or of what the workers hold."""
    if _does_work(X):
        warnings.warn(
            f"X is a graph of tasks, and {passes} computes it anew. Keep its chunks by X = X.persist() if they fit in "
            "the memory of the workers; else store X, as Parquet or Zarr, and read that.",
            EfficiencyWarning,
            stacklevel=5,  # the caller of `fit`, behind its decorator
        )


def _does_work(X: Any) -> bool:
    """Whether anything but cutting stands between the chunks and their source."""
    if hasattr(X, "expr"):
        nodes = X.expr.optimize(fuse=False).walk()
        return any(node.dependencies() and type(node).__name__ not in CHEAP_EXPRESSIONS for node in nodes)
    graph = X.__dask_graph__()
    return any(
        needed and not str(name).startswith(CHEAP_LAYERS) for name, needed in getattr(graph, "dependencies", {}).items()
    )
