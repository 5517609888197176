"""Solvers: functions that minimise an objective, `(objective, theta, *, tol, max_iter, callback) -> Result`.

A solver knows vectors and the questions it may ask of an objective, `value_and_gradient(theta)`, `curvature(theta)` and
`sample`; it imports nothing from skce. `SOLVERS` at the end is what the classifier and the tests walk.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import blas
from sklearn.utils import check_random_state

REFRESH = frozenset({5, 10, 20, 40, *range(80, 10_001, 80)})
"""Iterations after which a model of the Hessian is built anew: probabilities move most at first."""

MEMORY, MEMORY_NUMBERS = 20, 8_000_000
"""Pairs that L-BFGS keeps; fewer where they hold more numbers: reading them costs more than the steps they save."""

FAR_OFF = 30
"""A step that is longer than the model's by this factor, or shorter, is taken where the model does not hold."""

HEAD_TOL = 10
"""How many times farther from the minimum a sample's may end, which is not that of all rows."""

WINDOW = 5
"""Steps whose gain is compared with that of as many before."""

NOISE = 4 * np.finfo(float).eps
"""Of the objective: what a step gains by rounding."""

SAFETY = 3
"""Gains fall unevenly: on the tables of the benchmarks the extrapolation is at most this many times too hopeful."""

TRIALS = 60
"""Points that a line search looks at."""

SUFFICIENT_DECREASE, ENOUGH_CURVATURE = 1e-4, 0.9
"""Of the weak Wolfe conditions."""

ENOUGH_OF_NEWTON = 0.2
"""The same of a step whose model is exact, and dear beside a look further: where classes are nearly told apart Newton's
steps are too short by half."""

CONVERGED = "The estimated distance to the minimum is below tol."

ENDLESS = "The estimated distance to the least value is below tol, but steps still gain nearly as much as those before."

LASTING = 0.1
"""Of what the step before gained, a step gains less near a minimum, where Newton's method squares the error; where
there is none it gains 1 / e of it, or 1 / e^2 as steps are lengthened."""

STOPPED = "Stopped by a callback."

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


def lbfgs(objective: Any, theta: np.ndarray, *, tol: float, max_iter: int, callback: Callback | None = None) -> Result:
    """L-BFGS that starts each direction from a model of the Hessian; damped Newton where the model is exact.

    Stops when the estimated distance of the objective to its minimum is at most `tol`, in the units of the objective:
    the Newton decrement g^T H^-1 g / 2, or what the last steps' falling gains add up to, whichever is more. Starts from
    the minimum over a sample of the rows where there are many.

    References
    ----------
    Nocedal, J., S. J. Wright, "Numerical Optimization", 2nd ed., 2006, algorithms 7.4 and 3.5.
    """
    theta, value, gradient = _head_start(objective, theta, tol=tol, max_iter=max_iter)
    around, curve, n_iter = _Quadratic(objective, theta), [value], 0
    while True:
        direction = around.newton_step(gradient)
        distance = _distance(-(gradient @ direction) / 2, around.exact, curve, window=1 if around.exact else WINDOW)
        if distance <= tol and not around.exact:  # an old model, or a pair, may not have seen the curvature vanish
            around.renew(theta)
            if around.model.exact:  # it is now
                continue
            distance = max(distance, gradient @ around.model.solve(gradient) / 2)
        if distance <= tol:
            _tell(callback, n_iter, theta, value, distance)
            return Result(theta, value, n_iter, True, ENDLESS if around.exact and _lasts(curve) else CONVERGED, curve)
        if _tell(callback, n_iter, theta, value, distance):
            return Result(theta, value, n_iter, True, STOPPED, curve)
        if n_iter == max_iter:
            return Result(theta, value, n_iter, False, f"Reached max_iter={max_iter} steps.", curve)
        if around.exact and around.renew(theta):
            direction = around.newton_step(gradient)
        step = _line_search(objective, theta, value, gradient, direction, around.enough)
        if step is None and around.forget(theta):
            direction = around.newton_step(gradient)
            step = _line_search(objective, theta, value, gradient, direction, around.enough)
        if step is None:
            return _at_the_end_of_precision(theta, value, n_iter, -(gradient @ direction) / 2, curve)
        n_iter += 1
        around.learn(step[0], step[0] - theta, step[2] - gradient, direction, n_iter)
        theta, value, gradient = step
        curve.append(value)


class _Quadratic:
    """What `lbfgs` knows of the curvature around a point: a model of the Hessian, and pairs (s, y) that correct it."""

    def __init__(self, objective: Any, theta: np.ndarray):
        self._objective = objective
        self._pairs = deque[tuple](maxlen=int(np.clip(MEMORY_NUMBERS // len(theta), 5, MEMORY)))
        self._fresh = False
        self.renew(theta)

    @property
    def exact(self) -> bool:
        """Whether the model is the Hessian itself, so that steps are Newton's."""
        return bool(self.model.exact)

    @property
    def enough(self) -> float:
        """Part of the slope that may be left after a step."""
        return ENOUGH_OF_NEWTON if self.exact else ENOUGH_CURVATURE

    def newton_step(self, gradient: np.ndarray) -> np.ndarray:
        """To the minimum of the quadratic."""
        return -_inverse_times(gradient, self.model, self._pairs)

    def renew(self, theta: np.ndarray) -> bool:
        """Build the model anew, and say so, unless it is that of theta; the Hessian itself needs no pairs."""
        if self._fresh:
            return False
        self.model, self._fresh = self._objective.curvature(theta), True
        if self.exact:
            self._pairs.clear()
        return True

    def forget(self, theta: np.ndarray) -> bool:
        """Keep nothing but the model at theta; whether there was more."""
        more = bool(self._pairs)
        self._pairs.clear()
        return self.renew(theta) or more

    def learn(self, theta: np.ndarray, s: np.ndarray, y: np.ndarray, direction: np.ndarray, n_iter: int) -> None:
        """From a step s to theta, where the gradient differs by y, in the direction of the model's."""
        self._fresh = False
        if self.exact:
            return
        _remember(self._pairs, s, y)
        if not 1 / FAR_OFF**2 < (s @ s) / (direction @ direction) < FAR_OFF**2:
            self.forget(theta)
        elif n_iter in REFRESH:
            self.renew(theta)


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
        window = 0 if model.exact else WINDOW
        distance = _distance(gradient @ model.solve(gradient) / 2, model.exact, curve, window)
        if n_iter in REFRESH or distance <= tol:
            model = objective.curvature(theta)
            distance = _distance(gradient @ model.solve(gradient) / 2, model.exact, curve, window)
        if distance <= tol:
            _tell(callback, n_iter, theta, value, distance)
            return Result(theta, value, n_iter, True, CONVERGED, curve)
        if _tell(callback, n_iter, theta, value, distance):
            return Result(theta, value, n_iter, True, STOPPED, curve)
        if n_iter == max_iter:
            break
        while True:
            move = momentum * move - rate * gradient
            new_value, new_gradient = objective.value_and_gradient(theta + move)
            if new_value < value:
                break
            if np.array_equal(theta + move, theta) or not np.isfinite(gradient).all():
                return _at_the_end_of_precision(theta, value, n_iter, distance, curve)
            move, rate = np.zeros_like(move), rate / 2
        theta, value, gradient = theta + move, new_value, new_gradient
        curve.append(value)
        rate *= growth
    return Result(theta, value, max_iter, False, f"Reached max_iter={max_iter} steps.", curve)


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
        if _tell(callback, len(curve), memory.answer(batching), curve[-1]):
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


def _head_start(
    objective: Any, theta: np.ndarray, *, tol: float, max_iter: int
) -> tuple[np.ndarray, float, np.ndarray]:
    """The minimum over a sample of the rows if the objective has one, or theta if that is lower; with its value."""
    if objective.sample is not None:
        ahead = lbfgs(objective.sample, theta, tol=HEAD_TOL * tol, max_iter=max_iter)
        value, gradient = objective.value_and_gradient(ahead.theta)
        if value < ahead.curve[0]:
            return ahead.theta, value, gradient
    return theta, *objective.value_and_gradient(theta)


def _tell(callback: Callback | None, n_iter: int, theta: np.ndarray, value: float, distance: float = np.nan) -> bool:
    """Whether the callback asks to stop."""
    return callback is not None and bool(callback(Step(n_iter, theta, value, distance)))


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


def _distance(decrement: float, exact: bool, curve: list[float], window: int) -> float:
    """Estimate of f - min f: the Newton decrement, and at least what is left to be gained.

    That is extrapolated: gains go on to fall as they did from the last `window` of steps but one to the last. The
    decrement of an inexact model, and of an exact one of the step before, may be a few times too hopeful. A window of
    Newton's method is one step, of which the next gains next to nothing, but where there is no minimum: then a third.
    """
    steps = min(window, (len(curve) - 1) // 2)
    decrement = float(decrement) * (SAFETY if steps == 0 or exact else 1)
    if steps == 0:
        return decrement
    last, before = curve[-1 - steps] - curve[-1], curve[-1 - 2 * steps] - curve[-1 - steps]
    if last <= NOISE * abs(curve[-1]):
        return decrement
    return max(decrement, SAFETY * last * last / (before - last)) if before > last else np.inf


def _lasts(curve: list[float]) -> bool:
    """Whether the last two steps gained `LASTING` of what those before them did."""
    gains = -np.diff(curve[-4:])
    return len(gains) == 3 and bool((gains[1:] > LASTING * gains[:-1]).all())


def _remember(pairs: deque, s: np.ndarray, y: np.ndarray) -> None:
    """Keep a pair if it shows positive curvature."""
    sy = s @ y
    if sy > np.finfo(float).eps * np.sqrt((s @ s) * (y @ y)):
        pairs.append((s, y, sy))


def _line_search(
    objective: Any, theta: np.ndarray, value: float, gradient: np.ndarray, direction: np.ndarray, enough: float
) -> tuple[np.ndarray, float, np.ndarray] | None:
    """A point lower than theta that satisfies the weak Wolfe conditions, or nearly; None if there is no lower one.

    Brackets a step length, from the full step: too long ones are shortened to between the half and where the parabola
    through them turns; too short ones are lengthened to where the slope would vanish, at least twofold and at most
    tenfold. Middles are of orders of magnitude, where a loss that is nearly flat meets one that is steep.
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
            if new_gradient @ direction >= enough * slope:
                return best
            bend = new_gradient @ direction - slope
            zero = -slope * t / bend if bend > 0 else np.inf
            low, t = t, _between(t, high) if high < np.inf else min(max(zero, 2 * t), 10 * t)
        else:
            high = t
            bend = rise - slope * t
            turn = -slope * t * t / (2 * bend) if 0 < bend < np.inf else 0.0
            t = low + _between(min(max(turn - low, 1e-3 * (t - low)), (t - low) / 2), (t - low) / 2)
        if (t - low) * abs(slope) <= np.finfo(float).eps * abs(value):  # what is left to gain is lost in rounding
            break
    return best


def _between(low: float, high: float) -> float:
    """The middle of two step lengths; of their orders of magnitude where they are far apart."""
    return np.sqrt(low * high) if high > 4 * low else (low + high) / 2


def _at_the_end_of_precision(theta: np.ndarray, value: float, n_iter: int, distance: float, curve: list) -> Result:
    """No step goes down any more: converged if what could be gained is lost in rounding."""
    converged = bool(distance <= 1e-7 * max(1.0, abs(value)))
    if converged:
        message = "The objective changes in its last digits only."
    else:
        message = f"No step goes down, at an estimated distance of {distance:.1e} to the minimum."
    return Result(theta, value, n_iter, converged, message, curve)


SOLVERS: dict[str, Callable[..., Result]] = {
    "adam": adam,
    "auto": lbfgs,
    "gradient_descent": gradient_descent,
    "lbfgs": lbfgs,
    "sgd": sgd,
}

MINI_BATCH = frozenset({"adam", "sgd"})
"""Those that take rows as they come, and end near the minimum."""
