"""The one place where X, targets, weights and a loss meet: a function of the coefficients.

    f(W, b) = (1/S) sum_i s_i loss(y_i, W x_i + b) + (alpha/2) |W|^2,    S = sum_i s_i w(y_i)

theta is (W, b) as a flat vector in float64, W (k, d) row by row, each row followed by its intercept if there are any.
"""

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from scipy import sparse

from skce import _kernels as kernels
from skce import _validation as validation
from skce._curvature import STEEPEST, Hessian, Model
from skce._prices import Prices
from skce._row_space import Condensed, narrows, row_space
from skce._rows import SHARDS, DaskRows, Rows, blas_threads, choose, in_turn, single_blas_thread
from skce._sample import stand_ins
from skce._scaling import Scaling
from skce.losses import Loss

BLOCK_BYTES, LOGITS_BYTES = 3 << 20, 1 << 21
"""Of X in a block, which stays in a cache between the products, and of its logits and their gradient: the calls are few
and long, so that two threads seldom wait for the interpreter."""

SMALL = 1 << 21
"""Up to this many multiplications a pass, single precision saves nothing that is felt."""

QUIET = 1 << 13
"""Up to this many multiplications BLAS uses one thread, and need not be held to it: that takes 40 microseconds."""

STEEPNESS_ROWS = 500
"""Rows that tell how large a learning rate may be."""

ROUNDED_ROWS = 100
"""Rows that tell what rounded coefficients cost."""

SPAN_AT_ONCE = 25
"""Passes over X that the span of its rows may cost before any has been made."""

TRUSTED = 4
"""Passes over all rows in which a sample leads to the minimum, unless it lacks something."""

FAR = 100.0
"""Standard deviations from 0 beyond which the mean of a feature costs single precision too many of its 7 digits."""


@dataclass
class Span:
    """What is known of the span of the rows."""

    passes: float = 0
    """Over the rows, for any penalty; infinitely many make it worth its price."""
    sought: bool = False
    condensed: Condensed | None = None


class Objective:
    """Penalised weighted mean of a loss over rows, with its gradient and models of its Hessian.

    Parameters
    ----------
    loss : Loss
    X : ndarray, CSR array or dask array of either, of shape (n, d), float32 or float64
    targets : ndarray or dask array of shape (n,) or (n, k)
        Class codes or distributions.
    weights : ndarray or dask array of shape (n,), or None
        Sample weights s.
    total : float
        S, what the sum over the rows is divided by.
    n_outputs : int
        k, the number of logits.
    alpha : float
        Penalty; the intercepts bear none.
    fit_intercept : bool
    frequencies : ndarray of shape (k,), default=None
        Weighted mean of the targets; the start with the best intercepts needs it.
    mass : float, default=None
        Weight of all rows, if it is known.
    random_state : int or RandomState
        Chooses the rows that stand for all of them.

    Attributes
    ----------
    correlated : bool
        Whether the features are; where they are not, a model of the Hessian is a good one without.
    passes : int
        Over the rows, so far.
    span : Span
        What is known of the span of the rows, shared by the objectives of all penalties.
    resumed : bool
        Whether a fit goes on from coefficients that another left.
    sample : Objective or None
        The same over few of the rows, to start from their minimum; None where all are few, or a start is known.
    """

    def __init__(
        self,
        loss: Loss,
        X: Any,
        targets: Any,
        weights: Any,
        *,
        total: float,
        n_outputs: int,
        alpha: float,
        fit_intercept: bool,
        frequencies: Any = None,
        mass: float | None = None,
        random_state: Any = 0,
    ):
        self.loss = loss
        self.total = total
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.frequencies = frequencies
        self.random_state = random_state
        self.correlated = True
        self.passes = 0
        self.span = Span()
        self.resumed = False
        self.shape = (n_outputs, X.shape[1] + fit_intercept)
        self.rows = rows_of(X, targets, weights, n_outputs)
        self._mass = mass

    @property
    def mass(self) -> float:
        """Weight of all rows."""
        weights = self.rows.arrays[2]
        if self._mass is None:
            self._mass = float(self.rows.n_rows if weights is None else weights.sum(dtype=np.float64))
        return self._mass

    @property
    def n_questions(self) -> int:
        """Yes/no questions of a row, whose losses are added; or one, which class it is."""
        return self.shape[0] if self.loss.one_question_a_column else 1

    @property
    def theta_size(self) -> int:
        """Number of parameters."""
        return self.shape[0] * self.shape[1]

    @cached_property
    def hessian(self) -> Hessian:
        """Maker of models of the Hessian that look at any row."""
        return self._hessian(None)

    @cached_property
    def _sampled_hessian(self) -> Hessian | None:
        """One that looks at the rows that stand for all."""
        return None if self._stand_ins is None else self._hessian(self._stand_ins.rows)

    def _hessian(self, stand_ins: Rows | None) -> Hessian:
        return Hessian(
            self.loss,
            self.rows,
            stand_ins,
            shape=self.shape,
            total=self.total,
            weight=self.mass,
            alpha=self.alpha,
            fit_intercept=self.fit_intercept,
            correlated=self.correlated,
            random_state=self.random_state,
        )

    @cached_property
    def sample(self) -> "Objective | None":
        return self._stand_ins

    @cached_property
    def _stand_ins(self) -> "Objective | None":
        k, p = self.shape
        n_parameters = p if self.loss.one_question_a_column else k * p
        arrays = stand_ins(self.rows, n_parameters, max(k, 2), self.mass, self.random_state)
        if arrays is None:
            return None
        return self._over(*arrays)

    @property
    def rent(self) -> float:
        """Passes over X that cost as much as to find the span of the rows.

        0 where that is cheap, or found; inf where it is no narrower than X.
        """
        X = self.rows.arrays[0]
        if vars(self).get("condensed", X) is None or not narrows(X):  # None: sought in vain, or not to be sought
            return np.inf
        prices = Prices(self.shape, self.loss.one_question_a_column)
        passes = prices.of_row_space(X.shape[0]) / prices.of_pass(X.shape[0])
        return 0 if self.span.sought or passes < SPAN_AT_ONCE else max(0, passes - self.span.passes)

    @cached_property
    def condensed(self) -> Condensed | None:
        """The same in the coordinates of the rows' span, None where rounding hides it; one span for all penalties."""
        if not self.span.sought:
            self.span.sought, self.span.condensed = True, self._condensed()
        last = self.span.condensed
        if last is not None and last.whole is not self:
            last = self.span.condensed = last.with_alpha(self)
        return last

    def forget_span(self) -> None:
        """Not to be used again, for any penalty."""
        self.span.condensed = self.condensed = None

    def _condensed(self) -> Condensed | None:
        X, targets, weights = self.rows.arrays
        space = row_space(X, centred=self.fit_intercept)
        if space is None:
            return None
        inside = self._over(space.features, targets, weights)
        inside.correlated, inside.resumed = False, True  # from where steps on X have come to
        return Condensed(self, inside, space)

    def _over(self, X: Any, targets: Any, weights: Any) -> "Objective":
        """The same over another table, which is small."""
        other = Objective(
            self.loss,
            X,
            targets,
            weights,
            total=self.total,
            n_outputs=self.shape[0],
            alpha=self.alpha,
            fit_intercept=self.fit_intercept,
            frequencies=self.frequencies,
            mass=self.mass,
            random_state=self.random_state,
        )
        other.sample = other._stand_ins = other.condensed = None
        return other

    @cached_property
    def dtype(self) -> np.dtype:
        """Of the products: float32 if that of X is, unless little is saved by it, or the features are far from 0."""
        X = self.rows.arrays[0]
        large = self.rows.n_rows * self.theta_size > SMALL
        single = X.dtype == np.float32 and large and (self._sampled_hessian or self.hessian).offset() < FAR
        return np.dtype(np.float32 if single else np.float64)

    @property
    def penalised(self) -> bool:
        """Whether there is a minimum for sure."""
        return self.alpha > 0

    @property
    def rounding(self) -> float:
        """Relative error of the objective; that of a mean of many rows is less than that of one."""
        return max(np.finfo(float).eps, float(np.finfo(self.dtype).eps) / self.rows.n_rows**0.5)

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """The objective and its gradient, in one pass over the rows."""
        self.passes += 1
        self.span.passes += 1
        coef, intercept = self.unpack(theta)
        sums = self.rows.sum(partial(block_sums, self.loss, *self._cast(coef, intercept)))
        return self._penalised(coef, self.total, *sums)

    def curvature(self, theta: np.ndarray) -> "FlatModel":
        """A model of the Hessian at theta, or one that is kept since it was dear."""
        models = self._models
        model = models.model(*self._cast(*self.unpack(theta)), self.passes)
        return FlatModel(model, self.shape, doubtful=self.resumed and not models.newton)

    @property
    def _models(self) -> Hessian:
        """Models of the Hessian of few rows, unless they have shown to be misleading."""
        return (self._sampled_hessian if self.passes <= TRUSTED else None) or self.hessian

    def _cast(self, coef: np.ndarray, intercept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """W and b in the precision and the order of the products."""
        return coef.astype(self.dtype, order="F"), intercept.astype(self.dtype)

    def resume(self) -> None:
        """A fit is going to start from coefficients that another left, and not from a sample's."""
        self.sample, self.resumed = None, True

    def with_alpha(self, alpha: float) -> "Objective":
        """The same with another penalty; what is known of the rows is shared, and so is a start."""
        other = copy(self)
        other.alpha, other.passes = alpha, 0
        other.resume()
        for name in ("hessian", "_sampled_hessian"):
            known = getattr(self, name)
            setattr(other, name, None if known is None else known.with_alpha(alpha, self.passes))
        vars(other).pop("condensed", None)
        return other

    def start(self) -> np.ndarray:
        """W = 0 and its best intercepts: there the factored model is the Hessian, and the first step Newton's."""
        theta = np.zeros(self.shape)
        if self.fit_intercept:
            theta[:, -1] = self.loss.constant_logits(self.frequencies)
        return theta.reshape(-1)

    def pack(self, coef: np.ndarray, intercept: np.ndarray) -> np.ndarray:
        """theta of W (k, d) and b (k,)."""
        parts = [coef, intercept[:, None]] if self.fit_intercept else [coef]
        return np.concatenate(parts, axis=1, dtype=np.float64).reshape(-1)

    def unpack(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """W (k, d) and b (k,), zeros without intercepts."""
        table = theta.reshape(self.shape[0], -1)
        if self.fit_intercept:
            return table[:, :-1], table[:, -1]
        return table, np.zeros(len(table))

    def price_of_rounding(self, theta: np.ndarray, dtype: np.dtype) -> float:
        """What the objective rises by, about, where coefficients near its minimum are rounded to a type.

        Those of columns that nearly add up to 0 are large, and so is an intercept where features are far from it: what
        they lose is not small beside what they predict. 0 of dask arrays, of which nobody has asked that.
        """
        X = self.rows.arrays[0]
        if validation.is_dask(X):
            return 0.0
        with np.errstate(over="ignore", invalid="ignore"):
            coef, intercept = (part - part.astype(dtype) for part in self.unpack(theta))
            moved = X[:: 1 + X.shape[0] // ROUNDED_ROWS] @ coef.T + intercept
        return float(STEEPEST / 2 * np.square(moved).sum(axis=1).mean())

    def batches(self, size: int, rng: np.random.RandomState | None) -> Iterator[tuple[int, Callable]]:
        """The rows in mini-batches, shuffled unless `rng` is None: the size of each, and its `value_and_gradient`."""
        for block in self.rows.batches(size, rng):
            yield block[0].shape[0], partial(self._of_batch, block)

    def _of_batch(self, block: tuple, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """An unbiased estimate of `value_and_gradient`."""
        total = self.total * block[0].shape[0] / self.rows.n_rows
        coef, intercept = self.unpack(theta)
        return self._penalised(coef, total, *block_sums(self.loss, *self._cast(coef, intercept), *block))

    def _penalised(
        self, coef: np.ndarray, total: float, value: float, weight_gradient: np.ndarray, intercept_gradient: np.ndarray
    ) -> tuple[float, np.ndarray]:
        """The objective and its gradient from the sums over rows."""
        gradient = np.empty(self.shape)
        gradient[:, : coef.shape[1]] = weight_gradient / total + self.alpha * coef
        if self.fit_intercept:
            gradient[:, -1] = intercept_gradient / total
        return float(value / total + self.alpha / 2 * np.vdot(coef, coef)), gradient.reshape(-1)

    def scaling(self) -> Scaling:
        """The features' mean and variance."""
        known = self.hessian
        return Scaling(self.shape, self.mass, known.center, known.variance, ridge=self.alpha / STEEPEST)

    def steepness(self, scaling: Scaling, batch_size: int) -> float:
        """The curvature of mini-batches of the loss, in scaled coordinates, at most."""
        chosen = choose(self.rows.n_rows, STEEPNESS_ROWS, self.random_state)
        X = next(iter(self.rows.part(chosen, len(chosen))))[0]
        bend = 2 * STEEPEST if self.loss.shift_invariant else STEEPEST
        return bend * scaling.steepness(X, batch_size)


# The functions of blocks stand outside the classes: dask sends them to other machines, with no rows hanging from them.
def block_sums(loss: Loss, coef: np.ndarray, intercept: np.ndarray, X: Any, targets: Any, weights: Any) -> tuple:
    """A block's weighted loss and its derivatives in W and b, in the coefficients' precision."""
    X = X.astype(coef.dtype, copy=False)
    logits, gradient = np.empty((2, X.shape[0], len(coef)), coef.dtype)  # two arrays glibc gives back again and again
    logits = kernels.block_linear(X, coef, intercept, logits)
    with in_turn(logits.size):
        values = loss.block(targets, logits, gradient)
        if weights is not None:
            values = values * weights
            gradient *= weights[:, None]
        value, intercept_gradient = values.sum(dtype=np.float64), np.ones(len(values), gradient.dtype) @ gradient
    return value, kernels.weight_gradient(X, gradient), intercept_gradient


@dataclass(frozen=True)
class FlatModel:
    """A model of the Hessian for flat vectors; of the same model, the same."""

    model: Model
    shape: tuple[int, int]
    doubtful: bool
    """Whether it may be far too steep: factors, or a Hessian from elsewhere, of a fit that goes on from another's end.
    There nearly all rows may be sure, and nothing has told yet that it holds."""

    @property
    def exact(self) -> bool:
        """Whether it is the Hessian itself where it was built."""
        return self.model.exact

    @property
    def newton(self) -> bool:
        """Whether it pays to build it anew at every point."""
        return self.model.newton

    def solve(self, gradient: np.ndarray) -> np.ndarray:
        """The model's inverse times the gradient."""
        return self.model.solve(gradient.reshape(self.shape)).reshape(-1)


def logits_of(X: Any, coef: np.ndarray, intercept: np.ndarray) -> np.ndarray:
    """X W^T + b, (n, k): of the same bits for any number of threads, of which as many are used as pay."""
    if X.shape[0] * coef.size <= QUIET:
        return kernels.linear(X, coef, intercept)
    out = np.empty((X.shape[0], len(coef)), np.result_type(X.dtype, coef))
    with single_blas_thread:
        return rows_of(X, None, None, len(coef)).map(partial(_logits_of_block, coef, intercept), out)


def _logits_of_block(coef: np.ndarray, intercept: np.ndarray, X: Any, targets: None, weights: None) -> np.ndarray:
    return kernels.block_linear(X, coef, intercept)


def rows_of(X: Any, targets: Any, weights: Any, n_outputs: int, n_threads: int | None = None) -> Any:
    """X, targets and weights as blocks, shards and threads that suit a pass over X; as many threads as pay by default.

    The partitions of dask arrays are cut in the same way where they are, by one thread: dask has others for the rest.
    """
    if validation.is_dask(X):
        cut = partial(rows_of, n_outputs=n_outputs, n_threads=1)
        return DaskRows(X, targets, weights, names=("X", "y", "sample_weight"), cut=cut)
    n, d = X.shape
    if sparse.issparse(X):  # a block's gradient is dense, so blocks are as few as the shards
        size, result = X.nnz * 12, d * n_outputs * 8
        n_shards = int(np.clip(min(size // (4 * result + 1), X.nnz // 50_000), 1, SHARDS))
        block_rows = -(-n // n_shards)
    else:
        n_shards = SHARDS
        most = min(BLOCK_BYTES // max(d, 1), LOGITS_BYTES // (2 * n_outputs)) // X.dtype.itemsize
        block_rows = int(np.clip(most, 256, 1 << 14))
        if n > n_shards * block_rows:  # all shards alike, of blocks alike, so that no thread waits for another
            block_rows = -(-n // (n_shards * max(1, round(n / (n_shards * block_rows)))))
    n_threads = threads_that_pay(X, n_outputs) if n_threads is None else n_threads
    return Rows(X, targets, weights, block_rows=block_rows, n_shards=n_shards, n_threads=n_threads)


def threads_that_pay(X: Any, n_outputs: int) -> int:
    """Threads for a pass over X: more than one where products of matrices dominate it.

    Two bring 1.3 to 1.8 there, and 0.8 to 1.1 where a pass is short, or reads X for few outputs.
    """
    n, d = X.shape
    work = n * d * n_outputs
    heavy = work >= 1 << 24 if n_outputs >= 100 else work >= 1 << 25 and d >= 100 and n_outputs > 1
    return blas_threads() if heavy and not sparse.issparse(X) else 1


def batch_size_that_pays(X: Any) -> int:
    """Rows of a mini-batch: many steps an epoch for few rows, and no steps that cost more than their gradients."""
    n, d = X.shape
    least = d * n // max(X.nnz, 1) if sparse.issparse(X) else 1
    return int(np.clip(n // 50, 16, np.clip(least, 128, 1024)))
