"""Solvers: functions that minimise an objective, `(objective, theta, *, tol, max_iter, callback) -> Result`.

A solver knows vectors and the questions it may ask of an objective, `value_and_gradient(theta)`, `curvature(theta)` and
`sample`; it imports nothing from skce. `SOLVERS` at the end is what the classifier and the tests walk.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
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

CONFIRMED = 2
"""What of that safety is not needed where Newton's decrement at the same point says the same."""

TRIALS = 60
"""Points that a line search looks at."""

SUFFICIENT_DECREASE, ENOUGH_CURVATURE = 1e-4, 0.9
"""Of the weak Wolfe conditions."""

ENOUGH_OF_NEWTON = 0.2
"""The same of a step whose model is exact, and dear beside a look further: where classes are nearly told apart Newton's
steps are too short by half."""

PATIENCE = 20
"""Hessians after which Newton's method is no longer believed to arrive, since rounding hides curvature from it."""

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
    at = _head_start(objective, theta, tol=tol, max_iter=max_iter)
    around, curve, n_iter = _Quadratic(objective, at), [at.value], 0
    while True:
        if around.newton and around.left(curve) > tol:  # whatever the last Hessian says, which need not be asked then
            around.renew(at)
        direction = around.direction(at)
        distance = around.distance(at, direction, curve)
        # Newton's steps need the Hessian where they start; another model may not have seen the curvature vanish
        if around.newton == (distance > tol) and around.renew(at):
            continue
        end = partial(Result, at.theta, at.value, n_iter, curve=curve)
        if distance <= tol:
            _tell(callback, n_iter, at.theta, at.value, distance)
            return end(True, ENDLESS if around.endless(curve) else CONVERGED)
        if _tell(callback, n_iter, at.theta, at.value, distance):
            return end(True, STOPPED)
        if n_iter == max_iter:
            return end(False, f"Reached max_iter={max_iter} steps.")
        while (step := _line_search(objective, at, direction, around.enough)) is None:
            if not around.forget(at):
                return _at_the_end_of_precision(end, at.value, -(at.gradient @ direction) / 2)
            direction = around.direction(at)
        n_iter += 1
        around.learn(at, step, direction, n_iter)
        at = step
        curve.append(at.value)


class _Point(NamedTuple):
    """A point that a solver has looked at."""

    theta: np.ndarray
    value: float
    gradient: np.ndarray


class _Quadratic:
    """What `lbfgs` knows of the curvature around a point: a model of the Hessian, and pairs (s, y) that correct it."""

    def __init__(self, objective: Any, at: _Point):
        self._objective = objective
        self._pairs = deque[tuple](maxlen=int(np.clip(MEMORY_NUMBERS // len(at.theta), 5, MEMORY)))
        self._model: Any = None
        self._fresh = False
        self._hessians = self._newton_steps = 0
        self.renew(at)

    @property
    def exact(self) -> bool:
        """Whether the model is the Hessian itself, here or some steps before, and these get anywhere."""
        return bool(self._model.exact and self._hessians <= PATIENCE)

    @property
    def newton(self) -> bool:
        """Whether steps are Newton's, since the Hessian is cheap."""
        return bool(self.exact and self._model.newton)

    @property
    def enough(self) -> float:
        """Part of the slope that may be left after a step."""
        return ENOUGH_OF_NEWTON if self.newton else ENOUGH_CURVATURE

    def direction(self, at: _Point) -> np.ndarray:
        """To the minimum of the quadratic."""
        return -_inverse_times(at.gradient, self._model, self._pairs)

    def distance(self, at: _Point, direction: np.ndarray, curve: list[float]) -> float:
        """Estimate of f - min f, by the decrement of the model with its pairs, and without them if it is new."""
        decrement = -(at.gradient @ direction) / 2
        if self._fresh and self._pairs:
            decrement = max(decrement, _decrement(self._model, at.gradient))
        if not self.exact:
            return _distance(decrement, curve)
        if not self.newton:  # a Hessian that is kept may be from where there was more of it
            return max(SAFETY**2 * decrement, self.left(curve))
        left = self.left(curve) / CONFIRMED if self._fresh else self.left(curve)
        return max(SAFETY * decrement, left)

    def left(self, curve: list[float]) -> float:
        """What steps leave to be gained; those with a Hessian that is kept may fall well, and still not see it all."""
        return _left(curve[-1 - self._newton_steps :], window=1) if self.newton else _left(curve, WINDOW)

    def endless(self, curve: list[float]) -> bool:
        """Whether Newton's steps gain as if there were no minimum."""
        return self.newton and _lasts(curve[-1 - self._newton_steps :])

    def renew(self, at: _Point) -> bool:
        """Build the model anew, and say so, unless it is that of the point; the Hessian itself needs no pairs."""
        if self._fresh:
            return False
        last, self._model, self._fresh = self._model, self._objective.curvature(at.theta), True
        if self._model.exact and self._model != last:
            self._hessians += self._model.newton
            if self.exact:
                self._pairs.clear()
        return True

    def forget(self, at: _Point) -> bool:
        """Keep nothing but the model at the point; whether there was more."""
        more = bool(self._pairs)
        self._pairs.clear()
        return self.renew(at) or more

    def learn(self, at: _Point, step: _Point, direction: np.ndarray, n_iter: int) -> None:
        """From a step in the direction of the quadratic."""
        self._fresh = False
        if self.newton:
            self._newton_steps += 1
            return
        s = step.theta - at.theta
        _remember(self._pairs, s, step.gradient - at.gradient)
        if not 1 / FAR_OFF**2 < (s @ s) / (direction @ direction) < FAR_OFF**2:
            self.forget(step)
        elif n_iter in REFRESH:
            self.renew(step)


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
        distance = _distance(_decrement(model, gradient), [] if model.newton else curve)
        if n_iter in REFRESH or distance <= tol:
            model = objective.curvature(theta)
            distance = _distance(_decrement(model, gradient), [] if model.newton else curve)
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
                return _at_the_end_of_precision(partial(Result, theta, value, n_iter, curve=curve), value, distance)
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


def _head_start(objective: Any, theta: np.ndarray, *, tol: float, max_iter: int) -> _Point:
    """The minimum over a sample of the rows if the objective has one, or theta if that is lower."""
    if objective.sample is not None:
        ahead = lbfgs(objective.sample, theta, tol=HEAD_TOL * tol, max_iter=max_iter)
        point = _Point(ahead.theta, *objective.value_and_gradient(ahead.theta))
        if point.value < ahead.curve[0]:
            return point
    return _Point(theta, *objective.value_and_gradient(theta))


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


def _distance(decrement: float, curve: list[float]) -> float:
    """Estimate of f - min f: the Newton decrement, which may be a few times too hopeful, and what steps still gain."""
    return max(decrement, _left(curve, WINDOW)) if len(curve) > 2 else SAFETY * decrement


def _decrement(model: Any, gradient: np.ndarray) -> float:
    """Newton's, as if the model were the Hessian."""
    return float(gradient @ model.solve(gradient) / 2)


def _left(curve: list[float], window: int) -> float:
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


def _lasts(curve: list[float]) -> bool:
    """Whether the last two steps gained `LASTING` of what those before them did."""
    gains = -np.diff(curve[-4:])
    return len(gains) == 3 and bool((gains[1:] > LASTING * gains[:-1]).all())


def _remember(pairs: deque, s: np.ndarray, y: np.ndarray) -> None:
    """Keep a pair if it shows positive curvature."""
    sy = s @ y
    if sy > np.finfo(float).eps * np.sqrt((s @ s) * (y @ y)):
        pairs.append((s, y, sy))


def _line_search(objective: Any, at: _Point, direction: np.ndarray, enough: float) -> _Point | None:
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
        point = _Point(theta, *objective.value_and_gradient(theta))
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
        if (t - low) * abs(slope) <= np.finfo(float).eps * abs(at.value):  # what is left to gain is lost in rounding
            break
    return best


def _between(low: float, high: float) -> float:
    """The middle of two step lengths; of their orders of magnitude where they are far apart."""
    return np.sqrt(low * high) if high > 4 * low else (low + high) / 2


def _at_the_end_of_precision(end: Callable[..., Result], value: float, distance: float) -> Result:
    """No step goes down any more: converged if what could be gained is lost in rounding."""
    if distance <= 1e-7 * max(1.0, abs(value)):
        return end(True, "The objective changes in its last digits only.")
    return end(False, f"No step goes down, at an estimated distance of {distance:.1e} to the minimum.")


SOLVERS: dict[str, Callable[..., Result]] = {
    "adam": adam,
    "auto": lbfgs,
    "gradient_descent": gradient_descent,
    "lbfgs": lbfgs,
    "sgd": sgd,
}

MINI_BATCH = frozenset({"adam", "sgd"})
"""Those that take rows as they come, and end near the minimum."""
