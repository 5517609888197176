"""How far the objective is from its minimum, by what a model of the Hessian says and by what the steps gained.

`curve` is the objective at the start and after each step.
"""

from typing import Any

import numpy as np

REFRESH = frozenset({5, 10, 20, 40, *range(80, 10_001, 80)})
"""Iterations after which a model of the Hessian is built anew: probabilities move most at first."""

WINDOWS = (2, 5)
"""Steps whose gain is compared with that of as many before: few of them are misled by one that is uneven, many by the
fast ones that went before a slow end."""

NOISE = 4 * np.finfo(float).eps
"""Of the objective: what a step gains by rounding."""

SAFETY = 3
"""Gains fall unevenly: on the tables of the benchmarks the extrapolation is at most this many times too hopeful."""

LAGGING = 6
"""Newton's decrement by the Hessian of the step before is 2e times too small where the loss falls off exponentially."""

LASTING = 0.1
"""Of what the step before gained, a step gains less near a minimum, where Newton's method squares the error; where
there is none it gains 1 / e of it, or 1 / e^2 as steps are lengthened."""


def estimated_distance(decrement: float, curve: list[float], *, doubtful: bool) -> float:
    """Estimate of f - min f by the decrement of a model that may be too hopeful.

    Once there were two steps it is as much as their gains leave to be gained, if that is more; `SAFETY` times as much
    as the decrement says before, unless the model is `doubtful`.
    """
    if len(curve) > 2:
        return max(decrement, *(left_to_gain(curve, window) for window in WINDOWS))
    return np.inf if doubtful else SAFETY * decrement


def newton_decrement(model: Any, gradient: np.ndarray) -> float:
    """What the best step lowers f by, as if the model were the Hessian."""
    return float(gradient @ model.solve(gradient) / 2)


def left_to_gain(curve: list[float], window: int) -> float:
    """What is left to be gained, if gains go on to fall as from the last `window` of steps but one to the last.

    A window of Newton's method is one step, of which the next gains next to nothing, but where there is no minimum.
    """
    steps = min(window, (len(curve) - 1) // 2)
    if steps == 0:
        return 0.0
    last, before = curve[-1 - steps] - curve[-1], curve[-1 - 2 * steps] - curve[-1 - steps]
    if last <= NOISE * abs(curve[-1]):
        return 0.0
    return SAFETY * last * last / (before - last) if before > last else np.inf


def lasts(curve: list[float]) -> bool:
    """Whether the last two steps gained `LASTING` of what those before them did."""
    gains = -np.diff(curve[-4:])
    return len(gains) == 3 and bool((gains[1:] > LASTING * gains[:-1]).all())
