"""The one place where X, targets, weights and a loss meet: a function of the coefficients.

    f(W, b) = (1/S) sum_i s_i loss(y_i, W x_i + b) + (alpha/2) |W|^2,    S = sum_i s_i w(y_i)

theta is (W, b) as a flat vector in float64, W (k, d) row by row, each row followed by its intercept if there are any.
"""

from functools import partial
from typing import Any

import numpy as np
from scipy import sparse

from skce import _curvature
from skce._rows import SHARDS, Rows, blas_threads
from skce.losses import Loss

BLOCK_BYTES = 1 << 20
"""Of X and the logits in a block: they stay in the second-level cache between the products that read them."""

SAMPLE_ROWS = (2000, 20)
"""A factored model looks at this many rows, or this many a feature: more do not change how many steps are taken."""


class Objective:
    """Penalised weighted mean of a loss over rows, with its gradient and models of its Hessian.

    Parameters
    ----------
    loss : Loss
    X : ndarray or CSR array of shape (n, d), float32 or float64
    targets : ndarray of shape (n,) or (n, k)
        Class codes or distributions.
    weights : ndarray of shape (n,) or None
        Sample weights s.
    total : float
        S, what the sum over the rows is divided by.
    n_outputs : int
        k, the number of logits.
    alpha : float
        Penalty; the intercepts bear none.
    fit_intercept : bool
    """

    def __init__(
        self,
        loss: Loss,
        X: Any,
        targets: np.ndarray,
        weights: np.ndarray | None,
        *,
        total: float,
        n_outputs: int,
        alpha: float,
        fit_intercept: bool,
        random_state: np.random.RandomState,
    ):
        self.loss = loss
        self.total = total
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.shape = (n_outputs, X.shape[1] + fit_intercept)
        self.dtype = X.dtype
        self.sparse = sparse.issparse(X)
        self.rows = rows_of(X, targets, weights, n_outputs)
        self.exact = exact_pays(X.shape[0], self.shape, self.sparse)
        self.sample = self.rows if self.exact else _sample(self.rows, X.shape[1], random_state)
        self.center = self._center()

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """The objective and its gradient, in one pass over the rows."""
        coef, intercept = self.unpack(theta)
        value, weight_gradient, intercept_gradient = self.rows.sum(
            partial(self._block_sums, coef.astype(self.dtype), intercept.astype(self.dtype))
        )
        gradient = np.empty(self.shape)
        gradient[:, : coef.shape[1]] = weight_gradient / self.total + self.alpha * coef
        if self.fit_intercept:
            gradient[:, -1] = intercept_gradient / self.total
        return float(value / self.total + self.alpha / 2 * np.vdot(coef, coef)), gradient.reshape(-1)

    def curvature(self, theta: np.ndarray) -> "FlatModel":
        """A model of the Hessian at theta: of all of it if that is small, else factored, from a sample of the rows."""
        coef, intercept = self.unpack(theta)
        coef, intercept = coef.astype(self.dtype), intercept.astype(self.dtype)
        model = self._exact(coef, intercept) if self.exact else self._factored(coef, intercept)
        return FlatModel(model, self.shape)

    def start(self) -> np.ndarray:
        """W = 0 and its best intercepts: there the factored model is the Hessian, and the first step Newton's."""
        theta = np.zeros(self.shape)
        if self.fit_intercept:
            theta[:, -1] = self.loss.constant_logits(self._frequencies())
        return theta.reshape(-1)

    def pack(self, coef: np.ndarray, intercept: np.ndarray) -> np.ndarray:
        """theta of W (k, d) and b (k,)."""
        parts = [coef, intercept[:, None]] if self.fit_intercept else [coef]
        return np.concatenate(parts, axis=1, dtype=np.float64).reshape(-1)

    def unpack(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """W (k, d) and b (k,), zeros without intercepts."""
        table = theta.reshape(self.shape)
        if self.fit_intercept:
            return table[:, :-1], table[:, -1]
        return table, np.zeros(len(table))

    def _block_sums(self, coef: np.ndarray, intercept: np.ndarray, X: Any, targets: Any, weights: Any) -> tuple:
        logits = linear(X, coef, intercept)
        gradient = np.empty_like(logits)
        values = self.loss.block(targets, logits, gradient)
        if weights is not None:
            values = values * weights
            gradient *= weights[:, None]
        ones = np.ones(len(values), dtype=gradient.dtype)
        weight_gradient = (X.T @ gradient).T if self.sparse else gradient.T @ X
        return values.sum(dtype=np.float64), weight_gradient, ones @ gradient

    def _exact(self, coef: np.ndarray, intercept: np.ndarray) -> _curvature.Exact:
        def sums(X: Any, targets: Any, weights: Any) -> tuple:
            curvature = self.loss.block_curvature(targets, linear(X, coef, intercept))
            return _curvature.exact_sums(X, weights, curvature, self.center)

        (hessian,) = self.rows.sum(sums)
        hessian /= self.total
        k, p = self.shape
        penalised = np.arange(p - self.fit_intercept)
        hessian[np.arange(k)[:, None], penalised, np.arange(k)[:, None], penalised] += self.alpha
        if self.loss.shift_invariant:
            hessian = _curvature.pin(hessian)
        return _curvature.Exact(hessian.reshape(k * p, k * p), self.center)

    def _factored(self, coef: np.ndarray, intercept: np.ndarray) -> _curvature.Factored:
        center = None if self.sparse else self.center
        full = covariance_pays(self.shape[1], self.sparse)

        def sums(X: Any, targets: Any, weights: Any) -> tuple:
            curvature = self.loss.block_curvature(targets, linear(X, coef, intercept))
            total = len(targets) if weights is None else weights.sum()
            return *_curvature.factored_sums(X, weights, curvature, center, full), total

        outputs, trace, first, second, total = self.sample.sum(sums)
        outputs *= 1 / total
        if self.loss.shift_invariant:
            outputs = _curvature.pin(outputs[:, None, :, None])[:, 0, :, 0]
        mean = first / trace
        covariance = second / trace
        if not self.fit_intercept:
            return _curvature.Factored(outputs, covariance, None, self.alpha)
        covariance -= np.multiply.outer(mean, mean) if full else mean**2
        if not full:
            covariance = np.maximum(covariance, 0)
        return _curvature.Factored(outputs, covariance, mean if center is None else mean + center, self.alpha)

    def _center(self) -> np.ndarray | None:
        """Weighted mean of the features; None without intercepts."""
        if not self.fit_intercept:
            return None

        def sums(X: Any, targets: Any, weights: Any) -> tuple:
            w = np.ones(X.shape[0], dtype=X.dtype) if weights is None else weights
            return X.T @ w, w.sum()

        first, total = self.sample.sum(sums)
        return first / total

    def _frequencies(self) -> np.ndarray:
        """Weighted mean of the targets, (k,)."""
        k = self.shape[0]

        def sums(X: Any, targets: Any, weights: Any) -> tuple:
            if targets.ndim == 2:
                return (targets.sum(axis=0) if weights is None else weights @ targets,)
            return (np.bincount(targets, weights, minlength=max(2, k)),)

        (totals,) = self.rows.sum(sums)
        frequencies = totals / totals.sum() if self.rows.arrays[1].ndim == 1 else totals / len(self.rows.arrays[1])
        return frequencies[1:] if k == 1 else frequencies


class FlatModel:
    """A model of the Hessian for flat vectors."""

    def __init__(self, model: _curvature.Model, shape: tuple[int, int]):
        self.exact = model.exact
        self._model = model
        self._shape = shape

    def solve(self, gradient: np.ndarray) -> np.ndarray:
        """The model's inverse times the gradient."""
        return self._model.solve(gradient.reshape(self._shape)).reshape(-1)


def linear(X: Any, coef: np.ndarray, intercept: np.ndarray) -> np.ndarray:
    """Logits X W^T + b, (n, k)."""
    logits = X @ coef.T
    logits += intercept
    return logits


def rows_of(X: Any, targets: np.ndarray, weights: np.ndarray | None, n_outputs: int) -> Rows:
    """X, targets and weights as blocks, shards and threads that suit a pass over X."""
    n, d = X.shape
    if sparse.issparse(X):  # a block's gradient is dense, so blocks are as few as the shards
        size, result = X.nnz * 12, d * n_outputs * 8
        n_shards = int(np.clip(min(size // (4 * result + 1), X.nnz // 50_000), 1, SHARDS))
        block_rows = -(-n // n_shards)
    else:
        n_shards = SHARDS
        block_rows = int(np.clip(BLOCK_BYTES // ((d + 2 * n_outputs) * X.dtype.itemsize), 256, 1 << 14))
    heavy = n * d * n_outputs >= 1 << 24 and not sparse.issparse(X) and (d >= 100 or n_outputs >= 100)
    return Rows(X, targets, weights, block_rows=block_rows, n_shards=n_shards, n_threads=blas_threads() if heavy else 1)


def exact_pays(n: int, shape: tuple[int, int], is_sparse: bool) -> bool:
    """Whether Newton steps with the whole Hessian cost less than the more numerous steps with a factored model."""
    k, p = shape
    q = k * p
    call = 1e6  # multiplications in the time that a step's calls take when nothing is large
    exact = 8 * (call + n * q * (q + 2 * p) / 2 + q**3 / 3)
    factored = 40 * (call + 4 * n * q) + 3 * (10 * p**3 + p * p * min(n, 20 * p))
    return q <= 1000 and exact <= factored


def covariance_pays(p: int, is_sparse: bool) -> bool:
    """Whether to know the correlations of the features, not their scales alone."""
    return p <= (500 if is_sparse else 3000)


def _sample(rows: Rows, d: int, random_state: np.random.RandomState) -> Rows:
    """A random part of the rows, enough for a factored model."""
    size = max(SAMPLE_ROWS[0], SAMPLE_ROWS[1] * d)
    if size >= rows.n_rows // 2:
        return rows
    return rows.take(np.sort(random_state.choice(rows.n_rows, size, replace=False)))
