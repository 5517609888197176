"""The solver to read."""

from functools import partial
from typing import Any

import numpy as np

from skce.solvers._distance import REFRESH, SAFETY, estimated_distance, newton_decrement
from skce.solvers._result import CONVERGED, STOPPED, Callback, Result, at_the_end_of_precision, reached, tell


def gradient_descent(
    objective: Any,
    theta: np.ndarray,
    *,
    tol: float,
    max_iter: int,
    callback: Callback | None = None,
    learning_rate_init: float | None = None,
    momentum: float = 0.9,
) -> Result:
    """Full-batch gradient descent with momentum and a safe step: the one to read, and to teach with.

    Each step moves by `momentum` times the last move minus the rate times the gradient. A step that would raise
    the objective is not taken: the momentum is dropped and the rate halved. Without a `learning_rate_init` it starts
    at 1 and grows by a tenth with each step that goes down, so it finds the size of the problem itself.
    """
    value, gradient = objective.value_and_gradient(theta)
    curve, move = [value], np.zeros_like(theta)
    rate, growth = (1.0, 1.1) if learning_rate_init is None else (learning_rate_init, 1.0)
    model = objective.curvature(theta)
    for n_iter in range(max_iter + 1):
        distance = _distance(model, gradient, curve, max_iter)
        if n_iter in REFRESH or distance <= tol:
            model = objective.curvature(theta)
            distance = _distance(model, gradient, curve, max_iter)
        if distance <= tol:
            tell(callback, n_iter, theta, value, distance)
            return Result(theta, value, n_iter, True, CONVERGED, curve)
        if tell(callback, n_iter, theta, value, distance):
            return Result(theta, value, n_iter, True, STOPPED, curve)
        if n_iter == max_iter:
            break
        while True:
            move = momentum * move - rate * gradient
            new_value, new_gradient = objective.value_and_gradient(theta + move)
            if new_value < value:
                break
            if np.array_equal(theta + move, theta) or not np.isfinite(gradient).all():
                end = partial(Result, theta, value, n_iter, curve=curve)
                return at_the_end_of_precision(end, value, newton_decrement(model, gradient), tol)
            move, rate = np.zeros_like(move), rate / 2
        theta, value, gradient = theta + move, new_value, new_gradient
        curve.append(value)
        rate *= growth
    return Result(theta, value, max_iter, False, reached(max_iter), curve)


def _distance(model: Any, gradient: np.ndarray, curve: list[float], max_iter: int) -> float:
    """Estimate of f - min f; the Hessian itself needs no witness, and small steps gain little each."""
    decrement = newton_decrement(model, gradient)
    if model.newton:
        return SAFETY * decrement
    return estimated_distance(decrement, curve, doubtful=model.doubtful and len(curve) <= max_iter)
