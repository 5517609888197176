"""Options: names, numbers, flags, and what is said of them."""

from collections.abc import Callable, Iterable, Mapping
from inspect import signature
from typing import Any

import numpy as np

REDUCTIONS = ("mean", "none", "sum")
AVERAGES = ("macro", "micro", "samples")
UNKNOWN_LABEL_POLICIES = ("clip", "error", "ignore")


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
    fits = integer or not isinstance(value, int) or abs(value) <= float(np.finfo(float).max)
    if not (above and below and fits):
        left, right = "(["[closed in ("left", "both")], ")]"[closed in ("right", "both")]
        raise ValueError(f"{name} must be in {left}{low:g}, {high:g}{right}, got {value!r}.")
    return value


def check_flag(name: str, value: Any) -> None:
    """A bool."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {value!r}.")


def check_compute(compute: Any) -> None:
    """The option of dask collections, given with arrays in memory."""
    check_flag("compute", compute)
    if not compute:
        raise ValueError("compute=False is for dask collections, and y_true and y_proba are in memory: leave it out.")


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
    return float(dtype.type(check_number("eps", eps, 0.0, 0.5)))  # one that single precision rounds to 0 is 0


def check_options_of(function: Callable, options: Mapping) -> None:
    """Options that a function takes by name."""
    parameters = signature(function).parameters
    unknown = [name for name in options if name not in parameters]
    if unknown and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        taken = listed(list(parameters)[2:], 20)
        raise TypeError(f"{function.__name__} takes no option {listed(unknown)}; it takes {taken}.")


def listed(values: list, most: int = 10) -> str:
    """Values for a message, the first few of many."""
    shown = ", ".join(repr(v) for v in values[:most])
    return f"[{shown}, ... ({len(values)} in all)]" if len(values) > most else f"[{shown}]"
