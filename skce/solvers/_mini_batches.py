"""Solvers that take rows a few at a time, as they come, and end near the minimum."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from skce.solvers._result import STOPPED, Callback, Result, tell

STALLED = "The loss of an epoch no longer falls."

DIVERGED = "The loss is not finite any more: set a lower learning_rate_init, or learning_rate if it is a number."

LARGEST = 1e30
"""Coefficients beyond are on their way to infinity, which is near in single precision."""

SGD_RATE, ADAM_RATE = 2.0, 0.02
"""First rates, where the features have unit variance and the curvature is 1: the best of factors of 4 on the tables."""

STEADY = 100
"""Steps in which a stream gets near the minimum; then smaller ones average better."""

CUT, CUTS = 5.0, 3
"""By what an adaptive rate is divided when the loss stalls, and how many times."""


def sgd(
    objective: Any,
    theta: np.ndarray,
    *,
    tol: float,
    max_iter: int,
    batching: "Batching",
    callback: Callback | None = None,
    momentum: float = 0.9,
    nesterovs_momentum: bool = True,
    memory: "Memory | None" = None,
) -> Result:
    """Stochastic gradient descent on mini-batches of rows, in coordinates where the features have unit variance.

    A step is `momentum` times the last one minus the rate times the gradient; Nesterov's form looks one step of
    momentum ahead. The first rate suits the curvature of a mini-batch.

    References
    ----------
    Sutskever, I., J. Martens, G. Dahl, G. Hinton, "On the importance of initialization and momentum in deep learning",
    2013.
    """
    memory = Memory.of(memory, theta, objective, Momentum(momentum, nesterovs_momentum))
    steepness = objective.steepness(memory.scaling, batching.batch_size) or 1.0  # 0: nothing to learn at any rate
    memory.rate = SGD_RATE * (1 - momentum) / steepness
    return _descend(objective, memory, batching, tol=tol, max_iter=max_iter, callback=callback)


def adam(
    objective: Any,
    theta: np.ndarray,
    *,
    tol: float,
    max_iter: int,
    batching: "Batching",
    callback: Callback | None = None,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    memory: "Memory | None" = None,
) -> Result:
    """Adam on mini-batches of rows: the step of each parameter is scaled by the size of its own last gradients.

    References
    ----------
    Kingma, D. P., J. Ba, "Adam: A Method for Stochastic Optimization", 2015, arXiv:1412.6980.
    """
    memory = Memory.of(memory, theta, objective, Adaptive(beta_1, beta_2))
    return _descend(objective, memory, batching, tol=tol, max_iter=max_iter, callback=callback)


@dataclass(frozen=True, kw_only=True)
class Batching:
    """How a solver goes through mini-batches; the names are those of scikit-learn's `MLPClassifier`.

    Attributes
    ----------
    batch_size : int
    shuffle : bool
        Whether each epoch takes the rows in another order.
    learning_rate : {"adaptive", "constant", "invscaling", "decaying"}
        "adaptive" divides the rate by `CUT` when an epoch's loss has not fallen by `tol` for `n_iter_no_change` epochs,
        and ends after `CUTS` of them; "invscaling" divides it by the number of the step to the power `power_t`;
        "decaying" by the root of it, from about the step `STEADY` on.
    learning_rate_init : float or None
        First rate; None lets the solver choose.
    power_t : float
    average : bool
        Whether the answer is the mean of the later steps, half of them or more.
    n_iter_no_change : float
    random_state : int, RandomState or None
    """

    batch_size: int
    shuffle: bool
    learning_rate: str
    learning_rate_init: float | None
    power_t: float
    average: bool
    n_iter_no_change: float
    random_state: Any


@dataclass
class Momentum:
    """Steps of `sgd`."""

    momentum: float
    nesterov: bool
    last: Any = 0.0

    def resumed(self, before: "Momentum") -> "Momentum":
        """One that goes on from the steps of another."""
        return replace(self, last=before.last)

    def __call__(self, gradient: np.ndarray, rate: float) -> np.ndarray:
        self.last *= self.momentum
        self.last -= rate * gradient
        return self.momentum * self.last - rate * gradient if self.nesterov else self.last


@dataclass
class Adaptive:
    """Steps of `adam`."""

    beta_1: float
    beta_2: float
    first: Any = 0.0
    second: Any = 0.0
    n_steps: int = 0

    def resumed(self, before: "Adaptive") -> "Adaptive":
        """One that goes on from the steps of another."""
        return replace(self, first=before.first, second=before.second, n_steps=before.n_steps)

    def __call__(self, gradient: np.ndarray, rate: float) -> np.ndarray:
        self.n_steps += 1
        self.first += (1 - self.beta_1) * (gradient - self.first)
        self.second += (1 - self.beta_2) * (gradient * gradient - self.second)
        size = np.sqrt(self.second / (1 - self.beta_2**self.n_steps))
        size += 1e-8
        return -rate / (1 - self.beta_1**self.n_steps) * self.first / size


@dataclass
class Average:
    """Mean of the later half, to three quarters, of a sequence whose length nobody knows.

    Of two windows, each twice as long as the one before.
    """

    window: int = 1
    n_before: int = 0
    n_now: int = 0
    before: Any = 0.0
    now: Any = 0.0

    def add(self, theta: np.ndarray) -> None:
        """The next of the sequence."""
        if self.n_now == self.window:
            self.before, self.n_before = self.now, self.n_now
            self.now, self.n_now, self.window = np.zeros_like(theta), 0, 2 * self.window
        self.n_now += 1
        self.now = self.now + (theta - self.now) / self.n_now

    def mean(self) -> np.ndarray:
        """The mean."""
        return self.now + self.n_before / (self.n_before + self.n_now) * (self.before - self.now)


@dataclass
class Memory:
    """What a solver of mini-batches must know to go on."""

    stepper: Any
    theta: np.ndarray
    scaling: Any
    rate: float = ADAM_RATE
    average: Average = field(default_factory=Average)
    n_steps: int = 0
    best: float = np.inf
    stalled: int = 0
    cuts: int = 0

    @classmethod
    def of(cls, memory: "Memory | None", theta: np.ndarray, objective: Any, stepper: Any) -> "Memory":
        """A new memory; or one that goes on with steps of the same kind, and has learnt how the rows are scaled."""
        if memory is None or type(memory.stepper) is not type(stepper):
            return cls(stepper, theta, objective.scaling())
        scaling = memory.scaling.merged(objective.scaling())
        return replace(memory, stepper=stepper.resumed(memory.stepper), scaling=scaling)

    def answer(self, batching: Batching) -> np.ndarray:
        """The best theta that is known."""
        return self.average.mean() if batching.average and self.average.n_now else self.theta

    def rest(self, batching: Batching) -> None:
        """Begin another sequence of steps, at the answer of the last one."""
        self.theta, self.average, self.stalled = self.answer(batching), Average(), 0
        self.average.add(self.theta)

    def finish(self, batching: Batching) -> None:
        """End the schedule: who goes on, with these rows or others, has all of it ahead."""
        self.rest(batching)
        self.best, self.cuts = np.inf, 0


def _descend(
    objective: Any, memory: Memory, batching: Batching, *, tol: float, max_iter: int, callback: Callback | None
) -> Result:
    """Epochs of mini-batches, until their loss stalls or the callback asks to stop."""
    rng = check_random_state(batching.random_state) if batching.shuffle else None
    curve: list[float] = []
    message, converged = f"Reached max_iter={max_iter} epochs.", False
    while len(curve) < max_iter and not converged:
        before = memory.answer(batching)
        with np.errstate(all="ignore"):
            value = _epoch(objective, memory, batching, rng)
        if not (np.isfinite(value) and np.abs(memory.theta).max() < LARGEST):
            return Result(before, value, len(curve), False, DIVERGED, curve)
        curve.append(value)
        if tell(callback, len(curve), memory.answer(batching), curve[-1]):
            message, converged = STOPPED, True
        elif _ends(memory, batching, curve[-1], tol):
            message, converged = STALLED, True
            memory.finish(batching)
    return Result(memory.answer(batching), curve[-1], len(curve), converged, message, curve, memory)


def _epoch(objective: Any, memory: Memory, batching: Batching, rng: Any) -> float:
    """One pass over the rows; the mean of the mini-batches' values as it went."""
    total, n_rows = 0.0, 0
    for size, value_and_gradient in objective.batches(batching.batch_size, rng):
        value, gradient = value_and_gradient(memory.theta)
        step = memory.stepper(memory.scaling.pull(gradient), _rate(memory, batching))
        memory.theta = memory.theta + memory.scaling.push(step)
        memory.n_steps += 1
        if batching.average:
            memory.average.add(memory.theta)
        total, n_rows = total + size * value, n_rows + size
    return total / n_rows


def _rate(memory: Memory, batching: Batching) -> float:
    """The learning rate of the next step."""
    rate = memory.rate if batching.learning_rate_init is None else batching.learning_rate_init
    if batching.learning_rate == "invscaling":
        return rate / (memory.n_steps + 1) ** batching.power_t
    if batching.learning_rate == "decaying":
        return rate / (1 + memory.n_steps / STEADY) ** 0.5
    return rate / CUT**memory.cuts


def _ends(memory: Memory, batching: Batching, value: float, tol: float) -> bool:
    """Whether the loss has stalled for good; an adaptive rate is cut first, and goes on from the mean."""
    memory.stalled = 0 if value < memory.best - tol else memory.stalled + 1
    memory.best = min(memory.best, value)
    if memory.stalled < batching.n_iter_no_change:
        return False
    if batching.learning_rate != "adaptive" or memory.cuts == CUTS:
        return True
    memory.rest(batching)
    memory.cuts += 1
    return False
