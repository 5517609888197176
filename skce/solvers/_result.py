"""What a solver found, and what it tells whoever watches it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

CONVERGED = "The estimated distance to the minimum is below tol."

ENDLESS = "The estimated distance to the least value is below tol, but steps still gain nearly as much as those before."

STOPPED = "Stopped by a callback."

LOST = 1e-7
"""Of the objective, what may be left to gain where no step goes down: steps so small are lost in rounding."""


class Step(NamedTuple):
    """Where a solver is."""

    n_iter: int
    theta: np.ndarray
    value: float
    distance: float
    """Estimated distance of the value to the minimum; nan where a solver has none."""


Callback = Callable[[Step], Any]
"""Called with the start and after each step; the solver stops if it returns something true."""


@dataclass
class Result:
    """What a solver found.

    Attributes
    ----------
    theta : ndarray
        The parameters.
    value : float
        The objective there.
    n_iter : int
        Steps taken.
    converged : bool
        Whether the estimated distance of the value to the minimum is below `tol`, or as small as rounding allows.
    message : str
        Why it stopped.
    curve : list of float
        The value at the start and after each step; of mini-batches the mean of an epoch's, as it went.
    memory : object
        What a solver of mini-batches knows beside theta, for the call that continues this one.
    """

    theta: np.ndarray
    value: float
    n_iter: int
    converged: bool
    message: str
    curve: list[float] = field(default_factory=list)
    memory: Any = None


def tell(callback: Callback | None, n_iter: int, theta: np.ndarray, value: float, distance: float = np.nan) -> bool:
    """Whether the callback asks to stop."""
    return callback is not None and bool(callback(Step(n_iter, theta, value, distance)))


def reached(max_iter: int) -> str:
    """Why a solver stops that may take no step more."""
    return f"Reached max_iter={max_iter} steps."


def at_the_end_of_precision(end: Callable[..., Result], value: float, distance: float, tol: float) -> Result:
    """No step goes down any more: converged if what could be gained is within `tol`, or lost in rounding."""
    if distance <= max(tol, LOST * max(1.0, abs(value))):
        return end(True, "The objective changes in its last digits only.")
    return end(False, f"No step goes down, at an estimated distance of {distance:.1e} to the minimum.")
