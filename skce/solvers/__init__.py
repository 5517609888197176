"""Solvers: functions that minimise an objective, `(objective, theta, *, tol, max_iter, callback) -> Result`.

A solver knows vectors and the questions it may ask of an objective, `value_and_gradient(theta)`, `curvature(theta)`,
`sample`, `penalised` and `rounding`; it imports nothing from the rest of skce. `SOLVERS` at the end is what the
classifier and the tests walk.
"""

from collections.abc import Callable

from skce.solvers._distance import SAFETY
from skce.solvers._gradient_descent import gradient_descent
from skce.solvers._lbfgs import lbfgs
from skce.solvers._mini_batches import CUT, CUTS, STEADY, Adaptive, Average, Batching, Memory, Momentum, adam, sgd
from skce.solvers._result import ENDLESS, STOPPED, Callback, Result, Step, reached

__all__ = [
    "CUT",
    "CUTS",
    "ENDLESS",
    "MINI_BATCH",
    "SAFETY",
    "SOLVERS",
    "STEADY",
    "STOPPED",
    "Adaptive",
    "Average",
    "Batching",
    "Callback",
    "Memory",
    "Momentum",
    "Result",
    "Step",
    "adam",
    "gradient_descent",
    "lbfgs",
    "reached",
    "sgd",
]

SOLVERS: dict[str, Callable[..., Result]] = {
    "adam": adam,
    "auto": lbfgs,
    "gradient_descent": gradient_descent,
    "lbfgs": lbfgs,
    "sgd": sgd,
}

MINI_BATCH = frozenset({"adam", "sgd"})
"""Those that take rows as they come, and end near the minimum."""
