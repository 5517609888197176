"""Partitions of rows, in dask: which belong together, and where an error happened."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from skce._validation.options import REDUCTIONS, check_option


@contextmanager
def in_part(kind: str, number: int) -> Iterator[None]:
    """Say in which part of the rows an input was not as it should be; the message inside counts its rows from 0."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise type(error)(f"{kind} {number}, its rows counted from 0: {error}") from error


def check_partition(names: Sequence[str], arrays: Sequence[Any]) -> int:
    """Number of rows of arrays (None for an absent one) that must share it."""
    lengths = {name: rows_in(array) for name, array in zip(names, arrays, strict=True) if array is not None}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ValueError(f"The inputs must have as many rows, got {found}.")
    return next(iter(lengths.values()))


def rows_in(array: Any) -> int:
    """Number of rows of anything array-like, sparse or not."""
    shape = getattr(array, "shape", None)
    shape = np.shape(array)[:1] if shape is None and not isinstance(array, (list, tuple)) else shape
    return len(array) if shape is None else int(shape[0]) if shape else 1


def is_dask(array: Any) -> bool:
    """Whether it is a dask collection. dask is not imported to tell."""
    return hasattr(type(array), "__dask_graph__") and hasattr(array, "to_delayed")


def check_as_many_rows(name: str, n_rows: float, reference: str, n_reference: float) -> None:
    """Lengths that are known before anything is computed."""
    if n_rows != n_reference:
        raise ValueError(f"{name} and {reference} must have as many rows, got {n_rows} and {n_reference}.")


def check_pairs(name: str, n_partitions: int | None, reference: str, n_reference: int) -> None:
    """Partitions of unknown lengths, which can only be taken in pairs; None for an array in memory."""
    if n_partitions == n_reference:
        return
    what = "is in memory" if n_partitions is None else f"has {n_partitions} partitions"
    raise ValueError(
        f"{name} {what}, and {reference} has {n_reference}; they cannot be aligned while the lengths of some are "
        "unknown. Call .compute_chunk_sizes() on the arrays, or take both from one DataFrame."
    )


def rows_of_outputs(y_proba: Any) -> int:
    """Number of rows of outputs, which may be a list of one table a label."""
    first = y_proba[0] if isinstance(y_proba, (list, tuple)) and len(y_proba) else y_proba
    return rows_in(first if getattr(first, "ndim", 0) == 2 else y_proba)


def check_part_options(options: Mapping, not_options: Sequence[str]) -> None:
    """Options that a metric can be accumulated with."""
    for name in not_options:
        if name in options:
            raise TypeError(f"{name} is not an option of an accumulator: rows and their weights go to update().")
    reduction = options.get("reduction", "mean")
    if reduction == "none":
        raise ValueError("reduction='none' cannot be accumulated: it keeps rows. Call the metric on each part.")
    check_option("reduction", reduction, REDUCTIONS)


def check_mergeable(one: tuple[str, Mapping], other: tuple[str, Mapping]) -> None:
    """The metrics and options of accumulators."""
    if one[0] != other[0] or _comparable(one[1]) != _comparable(other[1]):
        raise ValueError(f"Accumulators must have the same metric and options, got {_call(*one)} and {_call(*other)}.")


def _comparable(options: Mapping) -> dict:
    """Options in forms that compare."""
    return {name: _plain(value) for name, value in options.items()}


def _plain(value: Any) -> Any:
    if hasattr(value, "to_dict"):  # a Series of class weights
        return value.to_dict()
    if hasattr(value, "tolist"):
        return value.tolist()
    return list(value) if isinstance(value, (tuple, range)) else value


def _call(name: str, options: Mapping) -> str:
    return f"{name}({', '.join(f'{k}={v!r}' for k, v in options.items())})"


def check_fitted_mass(n_rows: int, mass: float) -> None:
    """Rows in some partition, and some weight."""
    if n_rows == 0:
        raise ValueError("X is empty: no partition has a row.")
    if mass == 0:
        raise ValueError("sample_weight sums to zero: at least one weight must be positive.")


def check_some_part(sums: Any) -> None:
    """At least one part."""
    if sums is None:
        raise ValueError("There is no result without rows: call update() or merge() first.")
