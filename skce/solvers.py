"""Solvers: functions that minimise an objective, `(objective, theta, *, tol, max_iter, callback) -> Result`.

A solver knows vectors and the questions it may ask of an objective, `value_and_gradient(theta)` and
`curvature(theta)`; it imports nothing from skce. `SOLVERS` at the end is what the classifier and the tests walk.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.linalg import blas

REFRESH = frozenset({5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120})
"""Iterations after which a model of the Hessian is built anew: probabilities move most at first."""

MEMORY, MEMORY_NUMBERS = 20, 8_000_000
"""Pairs that L-BFGS keeps; fewer where they hold more numbers: reading them costs more than the steps they save."""

WINDOW = 5
"""Steps whose gain is compared with that of as many before."""

SAFETY = 3
"""Gains fall unevenly: on the tables of the benchmarks the extrapolation is at most this many times too hopeful."""

TRIALS = 60
"""Points that a line search looks at."""

SUFFICIENT_DECREASE, ENOUGH_CURVATURE = 1e-4, 0.9
"""Of the weak Wolfe conditions."""

CONVERGED = "The estimated distance to the minimum is below tol."

Callback = Callable[[int, float, float], None]
"""Called with the iteration, the value and the estimated distance to the minimum."""


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
        The value at the start and after each step.
    """

    theta: np.ndarray
    value: float
    n_iter: int
    converged: bool
    message: str
    curve: list[float] = field(default_factory=list)


def lbfgs(objective: Any, theta: np.ndarray, *, tol: float, max_iter: int, callback: Callback | None = None) -> Result:
    """L-BFGS that starts each direction from a model of the Hessian; damped Newton where the model is exact.

    Stops when the estimated distance of the objective to its minimum is at most `tol`, in the units of the objective:
    the Newton decrement g^T H^-1 g / 2, or what the last steps' falling gains add up to, whichever is more.

    References
    ----------
    J. Nocedal, S. J. Wright, "Numerical Optimization", 2nd ed., 2006, algorithms 7.4 and 3.5.
    """
    value, gradient = objective.value_and_gradient(theta)
    curve, pairs = [value], deque[tuple](maxlen=int(np.clip(MEMORY_NUMBERS // len(theta), 5, MEMORY)))
    model, fresh = objective.curvature(theta), True
    n_iter = 0
    while True:
        direction = -_inverse_times(gradient, model, pairs)
        distance = _distance(-(gradient @ direction) / 2, model, curve)
        if distance <= tol and not (fresh or model.exact):  # an old model may not have seen the curvature vanish
            model, fresh = objective.curvature(theta), True
            distance = max(distance, gradient @ model.solve(gradient) / 2)
        if callback is not None:
            callback(n_iter, value, distance)
        if distance <= tol:
            return Result(theta, value, n_iter, True, CONVERGED, curve)
        if n_iter == max_iter:
            return Result(theta, value, n_iter, False, f"Reached max_iter={max_iter} steps.", curve)
        if model.exact and not fresh:
            model, fresh = objective.curvature(theta), True
            direction = -model.solve(gradient)
        step = _line_search(objective, theta, value, gradient, direction)
        if step is None and (pairs or not fresh):
            pairs.clear()
            model = objective.curvature(theta)
            direction = -model.solve(gradient)
            step = _line_search(objective, theta, value, gradient, direction)
        if step is None:
            return _at_the_end_of_precision(theta, value, n_iter, -(gradient @ direction) / 2, curve)
        s, y = step[0] - theta, step[2] - gradient
        theta, value, gradient = step
        n_iter += 1
        fresh = False
        curve.append(value)
        if not model.exact:
            _remember(pairs, s, y)
            if n_iter in REFRESH:
                model, fresh = objective.curvature(theta), True


def gradient_descent(
    objective: Any,
    theta: np.ndarray,
    *,
    tol: float,
    max_iter: int,
    callback: Callback | None = None,
    learning_rate: float | None = None,
    momentum: float = 0.9,
) -> Result:
    """Full-batch gradient descent with momentum and a safe step: the one to read, and to teach with.

    Each step moves by `momentum` times the last move minus `learning_rate` times the gradient. A step that would raise
    the objective is not taken: the momentum is dropped and the rate halved. Without a `learning_rate` it starts at 1
    and grows by a tenth with each step that goes down, so it finds the size of the problem itself.
    """
    value, gradient = objective.value_and_gradient(theta)
    curve, move = [value], np.zeros_like(theta)
    rate, growth = (1.0, 1.1) if learning_rate is None else (learning_rate, 1.0)
    model = objective.curvature(theta)
    for n_iter in range(max_iter + 1):
        distance = _distance(gradient @ model.solve(gradient) / 2, model, curve)
        if n_iter in REFRESH or distance <= tol:
            model = objective.curvature(theta)
            distance = _distance(gradient @ model.solve(gradient) / 2, model, curve)
        if callback is not None:
            callback(n_iter, value, distance)
        if distance <= tol:
            return Result(theta, value, n_iter, True, CONVERGED, curve)
        if n_iter == max_iter:
            break
        while True:
            move = momentum * move - rate * gradient
            new_value, new_gradient = objective.value_and_gradient(theta + move)
            if new_value < value:
                break
            if np.array_equal(theta + move, theta):
                return _at_the_end_of_precision(theta, value, n_iter, distance, curve)
            move, rate = np.zeros_like(move), rate / 2
        theta, value, gradient = theta + move, new_value, new_gradient
        curve.append(value)
        rate *= growth
    return Result(theta, value, max_iter, False, f"Reached max_iter={max_iter} steps.", curve)


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


def _distance(decrement: float, model: Any, curve: list[float]) -> float:
    """Estimate of f - min f: the Newton decrement; if the model is not exact at least what is left to be gained.

    That is extrapolated: gains go on to fall as they did from the last window of steps but one to the last. The
    decrement of an inexact model, and of an exact one of the step before, may be a few times too hopeful.
    """
    decrement, steps = float(decrement), min(WINDOW, (len(curve) - 1) // 2)
    if steps == 0:
        return decrement
    if model.exact:
        return SAFETY * decrement
    last, before = curve[-1 - steps] - curve[-1], curve[-1 - 2 * steps] - curve[-1 - steps]
    if last <= 0:
        return decrement
    return max(decrement, SAFETY * last * last / (before - last)) if before > last else np.inf


def _remember(pairs: deque, s: np.ndarray, y: np.ndarray) -> None:
    """Keep a pair if it shows positive curvature."""
    sy = s @ y
    if sy > np.finfo(float).eps * np.sqrt((s @ s) * (y @ y)):
        pairs.append((s, y, sy))


def _line_search(
    objective: Any, theta: np.ndarray, value: float, gradient: np.ndarray, direction: np.ndarray
) -> tuple[np.ndarray, float, np.ndarray] | None:
    """A point lower than theta that satisfies the weak Wolfe conditions, or nearly; None if there is no lower one.

    Brackets a step length, from the full step: too long ones are shortened to where the parabola through them turns,
    but to a half at least and a thousandth at most; too short ones are lengthened to where the slope would vanish, at
    least twofold and at most tenfold.
    """
    slope = gradient @ direction
    low, high, t = 0.0, np.inf, 1.0
    best = None
    for _ in range(TRIALS):
        point = theta + t * direction
        new_value, new_gradient = objective.value_and_gradient(point)
        rise = new_value - value
        if rise < min(SUFFICIENT_DECREASE * t * slope, 0):
            best = point, new_value, new_gradient
            if new_gradient @ direction >= ENOUGH_CURVATURE * slope:
                return best
            bend = new_gradient @ direction - slope
            zero = -slope * t / bend if bend > 0 else np.inf
            low, t = t, (t + high) / 2 if high < np.inf else min(max(zero, 2 * t), 10 * t)
        else:
            high = t
            bend = rise - slope * t
            turn = -slope * t * t / (2 * bend) if 0 < bend < np.inf else 0.0
            t = low + min(max(turn - low, 1e-3 * (t - low)), (t - low) / 2)
        if (t - low) * abs(slope) <= np.finfo(float).eps * abs(value):  # what is left to gain is lost in rounding
            break
    return best


def _at_the_end_of_precision(theta: np.ndarray, value: float, n_iter: int, distance: float, curve: list) -> Result:
    """No step goes down any more: converged if what could be gained is lost in rounding."""
    converged = bool(distance <= 1e-7 * max(1.0, abs(value)))
    if converged:
        message = "The objective changes in its last digits only."
    else:
        message = f"No step goes down, at an estimated distance of {distance:.1e} to the minimum."
    return Result(theta, value, n_iter, converged, message, curve)


SOLVERS: dict[str, Callable[..., Result]] = {
    "auto": lbfgs,
    "gradient_descent": gradient_descent,
    "lbfgs": lbfgs,
}
