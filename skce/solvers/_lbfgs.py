"""The default solver: L-BFGS around a model of the Hessian, and Newton's method where the model is exact."""

from collections import deque
from functools import partial
from typing import Any

import numpy as np
from scipy.linalg import blas

from skce.solvers._distance import (
    EVIDENCE,
    LAGGING,
    NOISE,
    REFRESH,
    SAFETY,
    estimated_distance,
    lasts,
    left_to_newton,
    level,
    newton_decrement,
    slow,
)
from skce.solvers._line_search import ENOUGH_CURVATURE, ENOUGH_OF_NEWTON, Point, line_search
from skce.solvers._result import CONVERGED, ENDLESS, STOPPED, Callback, Result, at_the_end_of_precision, reached, tell

MEMORY, MEMORY_NUMBERS = 20, 8_000_000
"""Pairs that L-BFGS keeps; fewer where they hold more numbers: reading them costs more than the steps they save."""

FAR_OFF = 30
"""A step that is longer than the model's by this factor, or shorter, is taken where the model does not hold."""

HEAD_TOL = 10
"""How many times farther from the minimum a sample's may end, which is not that of all rows."""


def lbfgs(objective: Any, theta: np.ndarray, *, tol: float, max_iter: int, callback: Callback | None = None) -> Result:
    """L-BFGS that starts each direction from a model of the Hessian; damped Newton where the model is exact.

    Stops when the estimated distance of the objective to its minimum is at most `tol`, in the units of the objective:
    the Newton decrement g^T H^-1 g / 2, or what the last steps' falling gains add up to, whichever is more. Starts from
    the minimum over a sample of the rows where there are many.

    References
    ----------
    Nocedal, J., S. J. Wright, "Numerical Optimization", 2nd ed., 2006, algorithms 7.4 and 3.5.
    """
    at = _head_start(objective, theta, tol=tol, max_iter=max_iter)
    around, curve, n_iter = _Quadratic(objective, at, max_iter), [at.value], 0
    while True:
        if around.newton and around.left > tol:  # whatever the last Hessian says, which need not be asked then
            around.renew(at)
        direction = around.direction(at)
        distance = around.distance(at, direction, curve)
        # Newton's steps need the Hessian where they start; another model may not have seen the curvature vanish
        if around.newton == (distance > tol) and around.renew(at):
            continue
        end = partial(Result, at.theta, at.value, n_iter, curve=curve)
        if distance <= tol:
            tell(callback, n_iter, at.theta, at.value, distance)
            return end(True, ENDLESS if around.endless else CONVERGED)
        if tell(callback, n_iter, at.theta, at.value, distance):
            return end(True, STOPPED)
        if n_iter == max_iter:
            return end(False, reached(max_iter))
        while (step := line_search(objective, at, direction, around.enough)) is None:
            if not around.forget(at):
                return at_the_end_of_precision(end, at.value, -(at.gradient @ direction) / 2, tol)
            direction = around.direction(at)
        n_iter += 1
        around.learn(at, step, direction, n_iter)
        at = step
        curve.append(at.value)


class _Quadratic:
    """What `lbfgs` knows of the curvature around a point: a model of the Hessian, and pairs (s, y) that correct it."""

    def __init__(self, objective: Any, at: Point, max_iter: int):
        self._objective, self._max_iter = objective, max_iter
        self._pairs = deque[tuple](maxlen=int(np.clip(MEMORY_NUMBERS // len(at.theta), 5, MEMORY)))
        self._model: Any = None
        self._fresh = False
        self._values, self._steps = [at.value], deque[np.ndarray](maxlen=4)  # of Newton's method
        self._slow = self._hidden = False
        self.left = 0.0
        """What Newton's steps leave to be gained; those by a Hessian that was kept may fall well and not see it all."""
        self.renew(at)

    @property
    def exact(self) -> bool:
        """Whether the model is the Hessian itself, here or some steps before, and rounding hides nothing from it."""
        return bool(self._model.exact and not self._hidden)

    @property
    def newton(self) -> bool:
        """Whether steps are Newton's, since the Hessian is cheap."""
        return bool(self.exact and self._model.newton)

    @property
    def enough(self) -> float:
        """Part of the slope that may be left after a step."""
        return ENOUGH_OF_NEWTON if self.newton else ENOUGH_CURVATURE

    def direction(self, at: Point) -> np.ndarray:
        """To the minimum of the quadratic."""
        return -_inverse_times(at.gradient, self._model, self._pairs)

    def distance(self, at: Point, direction: np.ndarray, curve: list[float]) -> float:
        """Estimate of f - min f, by the decrement of the model with its pairs, and without them if it is new."""
        decrement = -(at.gradient @ direction) / 2
        if self._fresh and self._pairs:
            decrement = max(decrement, newton_decrement(self._model, at.gradient))
        if self.newton:
            return np.inf if self._may_be_endless(decrement) else self._distance_of_newton(decrement)
        if self.exact:  # a Hessian that is kept may be from where there was more of it
            decrement *= SAFETY**2
        return estimated_distance(decrement, curve, doubtful=self._model.doubtful and len(curve) <= self._max_iter)

    def _distance_of_newton(self, decrement: float) -> float:
        """The same, by that of its Hessian here or a step before, and by what its steps gained."""
        if self._fresh:
            return max(SAFETY * decrement, self.left)
        return np.inf if self._slow else max(LAGGING * decrement, self.left)

    def _may_be_endless(self, decrement: float) -> bool:
        """Whether steps, without penalty, neither square the error nor gain as if there were no minimum: go on to see.

        Newton's method may have begun where little was left to gain.
        """
        if self._objective.penalised or decrement <= NOISE * abs(self._values[-1]):
            return False
        return len(self._steps) < EVIDENCE or (self._slow and not self.endless)

    @property
    def endless(self) -> bool:
        """Whether Newton's steps gain as if there were no minimum."""
        return self.newton and lasts(self._values, self._steps)

    def renew(self, at: Point) -> bool:
        """Build the model anew, and say so, unless it is that of the point; the Hessian itself needs no pairs."""
        if self._fresh:
            return False
        last, self._model, self._fresh = self._model, self._objective.curvature(at.theta), True
        if self.exact and self._model != last:
            self._pairs.clear()
        return True

    def forget(self, at: Point) -> bool:
        """Keep nothing but the model at the point; whether there was more."""
        more = bool(self._pairs)
        self._pairs.clear()
        return self.renew(at) or more

    def learn(self, at: Point, step: Point, direction: np.ndarray, n_iter: int) -> None:
        """From a step in the direction of the quadratic."""
        self._fresh = False
        s = step.theta - at.theta
        if self.newton:
            self._values = [*(self._values if self._steps else [at.value]), step.value]
            self._steps.append(s)
            self._slow, self._hidden = slow(self._values), level(self._values)
            self.left = left_to_newton(self._values)
            return
        _remember(self._pairs, s, step.gradient - at.gradient)
        if not 1 / FAR_OFF**2 < (s @ s) / (direction @ direction) < FAR_OFF**2:
            self.forget(step)
        elif n_iter in REFRESH:
            self.renew(step)


def _head_start(objective: Any, theta: np.ndarray, *, tol: float, max_iter: int) -> Point:
    """The minimum over a sample of the rows if the objective has one, or theta if that is lower."""
    if objective.sample is not None:
        ahead = lbfgs(objective.sample, theta, tol=HEAD_TOL * tol, max_iter=max_iter)
        point = Point(ahead.theta, *objective.value_and_gradient(ahead.theta))
        if point.value < ahead.curve[0]:
            return point
    return Point(theta, *objective.value_and_gradient(theta))


def _inverse_times(gradient: np.ndarray, model: Any, pairs: deque) -> np.ndarray:
    """The inverse of the model, corrected by the pairs (s, y), times the gradient: Nocedal and Wright's algorithm 7.4.

    The model is rescaled so that it agrees with the last pair: even a fresh one that knows no correlations may be ten
    times too flat. In place: with a million parameters new arrays would cost more than a pass over the data.
    """
    q, coefficients = gradient.copy(), []
    for s, y, sy in reversed(pairs):
        coefficients.append((s @ q) / sy)
        blas.daxpy(y, q, a=-coefficients[-1])
    r = model.solve(q)
    if pairs:
        _, y, sy = pairs[-1]
        r *= sy / (y @ model.solve(y))
    for (s, y, sy), a in zip(pairs, reversed(coefficients), strict=True):
        blas.daxpy(s, r, a=a - (y @ r) / sy)
    return r


def _remember(pairs: deque, s: np.ndarray, y: np.ndarray) -> None:
    """Keep a pair if it shows positive curvature."""
    sy = s @ y
    if sy > np.finfo(float).eps * np.sqrt((s @ s) * (y @ y)):
        pairs.append((s, y, sy))
