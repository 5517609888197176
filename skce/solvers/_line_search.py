"""A point along a direction that is low enough, and not too near."""

from typing import Any, NamedTuple

import numpy as np

TRIALS = 60
"""Points that a line search looks at."""

SUFFICIENT_DECREASE, ENOUGH_CURVATURE = 1e-4, 0.9
"""Of the weak Wolfe conditions."""

ENOUGH_OF_NEWTON = 0.2
"""The same of a step whose model is exact, and dear beside a look further: where classes are nearly told apart Newton's
steps are too short by half."""


class Point(NamedTuple):
    """A point that a solver has looked at."""

    theta: np.ndarray
    value: float
    gradient: np.ndarray


def line_search(objective: Any, at: Point, direction: np.ndarray, enough: float) -> Point | None:
    """A lower point that satisfies the weak Wolfe conditions, or nearly; None if there is no lower one.

    Brackets a step length, from the full step: too long ones are shortened to between the half and where the parabola
    through them turns; too short ones are lengthened to where the slope would vanish, at least twofold and at most
    tenfold. Middles are of orders of magnitude, where a loss that is nearly flat meets one that is steep.
    """
    slope = at.gradient @ direction
    low, high, t = 0.0, np.inf, 1.0
    best = None
    for _ in range(TRIALS):
        theta = at.theta + t * direction
        point = Point(theta, *objective.value_and_gradient(theta))
        rise = point.value - at.value
        if rise < min(SUFFICIENT_DECREASE * t * slope, 0):
            best = point
            new_slope = point.gradient @ direction
            if new_slope >= enough * slope:
                return best
            bend = new_slope - slope
            zero = -slope * t / bend if bend > 0 else np.inf
            low, t = t, _between(t, high) if high < np.inf else min(max(zero, 2 * t), 10 * t)
        else:
            high = t
            bend = rise - slope * t
            turn = -slope * t * t / (2 * bend) if 0 < bend < np.inf else 0.0
            t = low + _between(min(max(turn - low, 1e-3 * (t - low)), (t - low) / 2), (t - low) / 2)
        if (t - low) * abs(slope) <= objective.rounding * abs(at.value):  # what is left to gain is lost in it
            break
    return best


def _between(low: float, high: float) -> float:
    """The middle of two step lengths; of their orders of magnitude where they are far apart."""
    return np.sqrt(low * high) if high > 4 * low else (low + high) / 2
