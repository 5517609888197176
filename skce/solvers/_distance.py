"""How far the objective is from its minimum, by what a model of the Hessian says and by what the steps gained.

`curve` is the objective at the start and after each step.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

REFRESH = frozenset({5, 10, 20, 40, *range(80, 10_001, 80)})
"""Iterations after which a model of the Hessian is built anew: probabilities move most at first."""

WINDOWS = (2, 5)
"""Steps whose gain is compared with that of as many before: few of them are misled by one that is uneven, many by the
fast ones that went before a slow end."""

NEWTON_WINDOWS = (1, 2, 3, 5, 8)
"""The same of Newton's method where it is slow."""

NOISE = 4 * np.finfo(float).eps
"""Of the objective: what a step gains by rounding."""

SAFETY = 3
"""Gains fall unevenly: on the tables of the benchmarks the extrapolation is at most this many times too hopeful."""

HOPEFUL = 1.25
"""The decrement of a model with pairs of steps is too small by up to a tenth on most tables, a fifth on some."""

LAGGING = 6
"""Newton's decrement by the Hessian of the step before is 2e times too small where the loss falls off exponentially."""

ALIKE, LEVEL = 1.25, 6
"""Steps of Newton's method gain more or less than the one before by less than this factor, as many in succession, only
where rounding hides curvature from it: heavy tails make them uneven, and near a minimum they fall."""

SQUARED, FASTER = 0.03, 2
"""Of what the step before gained, a step of Newton's method gains less where the method squares the error; there what
is left falls so much faster than a geometric series that it is less than half of one."""

EVIDENCE = 3
"""Steps of Newton's method that show whether it goes on for ever."""

LASTING, AS_LONG = (0.1, 0.5), 0.5
"""Where there is no minimum, a step of Newton's method gains 1 / e of what the one before gained, or 1 / e^2 as steps
are lengthened, and is as long. Where rounding hides curvature from it and a step gains r of what the one before did,
steps get shorter: two by r."""


def estimated_distance(decrement: float, curve: list[float], *, doubtful: bool) -> float:
    """Estimate of f - min f by the decrement of a model that may be too hopeful.

    Once there were two steps it is `HOPEFUL` times as much, or what their gains leave to be gained, if that is more;
    `SAFETY` times as much as the decrement says before, unless the model is `doubtful`.
    """
    if len(curve) > 2:
        return max(HOPEFUL * decrement, *(left_to_gain(curve, window) for window in WINDOWS))
    return np.inf if doubtful else SAFETY * decrement


def newton_decrement(model: Any, gradient: np.ndarray) -> float:
    """What the best step lowers f by, as if the model were the Hessian."""
    return float(gradient @ model.solve(gradient) / 2)


def left_to_gain(curve: list[float], window: int) -> float:
    """What is left to be gained, if gains go on to fall as from the last `window` of steps but one to the last."""
    steps = min(window, (len(curve) - 1) // 2)
    if steps == 0:
        return 0.0
    last, before = curve[-1 - steps] - curve[-1], curve[-1 - 2 * steps] - curve[-1 - steps]
    if last <= NOISE * abs(curve[-1]):
        return 0.0
    return SAFETY * last * last / (before - last) if before > last else np.inf


def left_to_newton(curve: list[float]) -> float:
    """The same of steps of Newton's method, of which the last tells enough where the next gains next to nothing.

    Elsewhere, as where few rows are not yet told apart, gains fall slowly and unevenly, and after one that is small
    there may be larger ones.
    """
    if slow(curve):
        return max(left_to_gain(curve, window) for window in NEWTON_WINDOWS)
    return left_to_gain(curve, 1) / FASTER


def slow(curve: list[float]) -> bool:
    """Whether Newton's method does not square the error yet: what a Hessian of before says counts for nothing then."""
    return any(ratio > SQUARED for ratio in _ratios(curve[-3:]))


def level(curve: list[float]) -> bool:
    """Whether Newton's method gets nowhere: `LEVEL` steps gained about as much as those before."""
    ratios = _ratios(curve[-2 - LEVEL :])
    return len(ratios) == LEVEL and max(max(ratios), 1 / min(ratios)) < ALIKE


def lasts(curve: list[float], steps: Sequence[np.ndarray]) -> bool:
    """Whether the last two steps gained what they do where there is no minimum, and were as long as those before.

    One of two is often lengthened by a line search, and the other is not. Each parameter is measured by the longest of
    these steps, so that the units of the features do not count.
    """
    ratios = _ratios(curve[-4:])
    if len(ratios) < 2 or min(ratios) <= LASTING[0] or max(ratios) >= LASTING[1]:
        return False
    moved = np.abs(steps)
    longest = moved.max(axis=0)
    lengths = np.linalg.norm(np.divide(moved, longest, out=np.zeros_like(moved), where=longest > 0), axis=1)
    return bool(lengths[-2:].max() > AS_LONG * lengths[:-2].max())


def _ratios(curve: list[float]) -> list[float]:
    """What steps gain beside those before them; nothing where one does not lower the objective."""
    gains = [before - after for before, after in pairwise(curve)]
    return [after / before for before, after in pairwise(gains)] if min(gains, default=0) > 0 else []
