"""What watches a fit: early stopping, printed lines, and the callbacks of scikit-learn.

A watcher is called with each `Step` of a solver, and asks it to stop by returning something true.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from skce.solvers import Step


@dataclass
class Validation:
    """Loss of rows that the solver does not see, by step; the best coefficients; when to stop.

    Parameters
    ----------
    loss : callable
        Of theta; smaller is better.
    patience : float
        Steps without a loss that is less by `tol` after which to stop; inf to watch only.
    tol : float
    """

    loss: Callable[[np.ndarray], float]
    patience: float
    tol: float
    curve: list[float] = field(default_factory=list)
    theta: np.ndarray | None = None
    best: float = np.inf
    stalled: int = 0

    def __call__(self, step: Step) -> bool:
        value = self.loss(step.theta)
        self.curve.append(value)
        self.stalled = 0 if value < self.best - self.tol else self.stalled + 1
        if value < self.best or self.theta is None:
            self.best, self.theta = value, step.theta.copy()
        return self.stalled >= self.patience


@dataclass
class Printer:
    """A line for every step, or for every `every` of them and the last; steps count on from `before`."""

    every: int
    validation: Validation | None = None
    before: int = 0
    unsaid: str = ""

    def __call__(self, step: Step) -> bool:
        number = self.before + step.n_iter
        parts = [f"step {number:4d}   objective {step.value:.8f}"]
        if self.validation is not None:
            parts.append(f"validation {self.validation.curve[-1]:.8f}")
        if np.isfinite(step.distance):
            parts.append(f"distance to the minimum about {step.distance:.1e}")
        self.unsaid = "   ".join(parts)
        if number % self.every == 0:
            self.close()
        return False

    def close(self) -> None:
        """Print the line of the last step, if it was not."""
        if self.unsaid:
            print(self.unsaid)  # noqa: T201 - what verbose is for
            self.unsaid = ""


class Bridge:
    """Calls scikit-learn's callbacks at the beginning and the end of each step.

    Parameters
    ----------
    context : sklearn.callback.CallbackContext
        Of the fit.
    arguments : dict
        The estimator, X, y and metadata, as the callbacks get them.
    attributes : callable
        Fitted attributes for theta.
    """

    def __init__(self, context: Any, arguments: dict[str, Any], attributes: Callable[[np.ndarray], dict]):
        self._context, self._arguments, self._attributes = context, arguments, attributes

    def begin(self, theta: np.ndarray) -> None:
        """Begin the fit, and its first step."""
        self._context.call_on_fit_task_begin(**self._arguments)
        self._begin(theta)

    def __call__(self, step: Step) -> bool:
        if step.n_iter == 0:
            return False
        stop = self._step.call_on_fit_task_end(
            **self._arguments, reconstruction_attributes=lambda: self._attributes(step.theta)
        )
        self._begin(step.theta)
        return bool(stop)

    def close(self) -> None:
        """End the step that was begun and never made, and the fit."""
        self._step.call_on_fit_task_end(estimator=self._arguments["estimator"])
        self._context.call_on_fit_task_end(**self._arguments, reconstruction_attributes={})

    def _begin(self, theta: np.ndarray) -> None:
        self._step = self._context.subcontext(task_name="step")
        self._step.call_on_fit_task_begin(**self._arguments, reconstruction_attributes=lambda: self._attributes(theta))


def watch(watchers: Iterable[Callable[[Step], bool]]) -> Callable[[Step], bool] | None:
    """One callback of several; every one hears of every step."""
    watchers = list(watchers)
    return (lambda step: sum(bool(watcher(step)) for watcher in watchers) > 0) if watchers else None
