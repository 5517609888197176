"""Models of the Hessian of an objective, cheap to solve with, that know the scales and correlations of the features.

The Hessian of the weighted mean loss plus (alpha/2) |W|^2, in theta = (W, b), is the mean over the rows of the
Kronecker product of A_i, the curvature of the loss in the logits, and (x_i, 1)(x_i, 1)^T, plus alpha on W. Each model
answers one question, `solve(gradient) -> direction`, for arrays of shape (k, p): W's row, then its intercept if there
are any. `Exact` builds all of it; `Factored` takes the mean of the products for a product of means.

With intercepts both work in the coordinates of centred features, where x and b hardly interact:
b' = b + W mu, gradient_W' = gradient_W - gradient_b mu^T. `Hessian` is what an objective asks for models.
"""

from collections.abc import Callable
from copy import copy
from functools import partial
from itertools import combinations
from typing import Any, Protocol

import numpy as np
from scipy import linalg, sparse

from skce import _kernels as kernels
from skce import _validation as validation
from skce._prices import NEWTON_STEPS, ON_TRUST, Prices, factors_pay, pairs_pay
from skce._rows import DaskRows, Rows, choose, is_sparse
from skce._sample import LARGEST_SAMPLE
from skce.losses import Curvature, Loss

JITTER = 1e-12
"""Added to a diagonal of ones before it is factorised: collinear columns then do no harm."""

STEEPEST = 0.25
"""Curvature of a cross-entropy in a logit where it is steepest, at p = 1/2."""


FLAT = 1e-12
"""Part of its mean square that a feature without intercepts varies by at least, to a factored model: a column of ones
is an intercept, along which it may go."""

LONG_FIT = 30
"""Passes of a fit that the sample of a factored model may be to blame for."""


SUPPOSED = 0.05
"""Part of the numbers of sparse rows that is stored where nobody has counted them, in dask."""


class Model(Protocol):
    """What a solver may ask of a model."""

    exact: bool
    """Whether it is the Hessian itself where it was built."""

    newton: bool
    """Whether it pays to build it anew at every point."""

    def solve(self, gradient: np.ndarray) -> np.ndarray:
        """The model's inverse times the gradient, of its shape."""


class Exact:
    """The Hessian itself, factorised by Cholesky after scaling to a unit diagonal.

    It has (k p)^2 numbers; k blocks of p^2 where the logits do not interact.
    """

    def __init__(
        self,
        blocks: np.ndarray,
        center: np.ndarray | None,
        penalty: np.ndarray | float = 0.0,
        *,
        exact: bool = True,
        newton: bool = True,
    ):
        """Blocks (1, k p, k p) or (k, p, p) in centred coordinates, and what is added to their diagonals.

        A direction whose diagonal is 0 is not taken.
        """
        self.exact = exact  # not of a focal loss, whose curvature is itself a model
        self.newton = newton
        self.center = center
        diagonal = np.einsum("baa->ba", blocks) + penalty
        self.scale = np.divide(1, np.sqrt(np.abs(diagonal)), out=np.zeros(diagonal.shape), where=diagonal > 0)
        scaled = blocks * self.scale[:, None, :]
        scaled *= self.scale[:, :, None]
        np.einsum("baa->ba", scaled)[:] = diagonal > 0
        self.factors = [_with_jitter(_cholesky, block) for block in scaled]

    def solve(self, gradient: np.ndarray) -> np.ndarray:
        scaled = self.scale * _to_centred(gradient, self.center).reshape(self.scale.shape)
        for factor, row in zip(self.factors, scaled, strict=True):
            row[:] = linalg.lapack.dpotrs(factor, row, lower=True)[0]
        return _from_centred((self.scale * scaled).reshape(gradient.shape), self.center)


class Factored:
    """mean(A) (x) C + alpha I, with C the covariance of the features or only its diagonal.

    mean(A) is diagonalised, and s C + alpha I divided by for each of its eigenvalues s. Without intercepts m m^T is
    added to C: far from 0 the mean m is all that the features' products show.
    """

    exact = newton = False

    def __init__(
        self,
        outputs: np.ndarray,
        covariance: np.ndarray,
        mean: np.ndarray,
        alpha: float,
        floor: float = 1e-10,
        *,
        fit_intercept: bool = True,
    ):
        """Mean of A (k, k); covariance (d, d) or variances (d,) about the mean (d,).

        `floor` is the least curvature, relative to the greatest, that the model sees in any direction.
        """
        self.center = mean if fit_intercept else None
        class_scale, self.class_basis = linalg.eigh(outputs)
        self.class_scale = np.maximum(class_scale, floor * max(class_scale[-1], STEEPEST))
        k, d = len(outputs), len(covariance)
        if covariance.ndim == 1:
            self._divided = _by_variance(covariance, self.class_scale, alpha, floor)
        elif factors_pay(k, d):
            self._divided = _by_factors(covariance, self.class_scale, alpha, floor)
        else:
            self._divided = _by_basis(covariance, self.class_scale, alpha, floor)
        if not fit_intercept:
            self._divided = _with_mean(self._divided, mean, self.class_scale)

    def solve(self, gradient: np.ndarray) -> np.ndarray:
        rotated = self.class_basis.T @ _to_centred(gradient, self.center)
        if self.center is None:
            return self.class_basis @ self._divided(rotated)
        result = np.empty_like(rotated)
        result[:, :-1] = self._divided(rotated[:, :-1])
        result[:, -1] = rotated[:, -1] / self.class_scale
        return _from_centred(self.class_basis @ result, self.center)


class Hessian:
    """Models of the Hessian of one objective: what they share, and the choice between them.

    Parameters
    ----------
    loss : Loss
    rows : Rows or DaskRows
        Blocks of X, targets and weights.
    stand_ins : Rows or None
        Fewer of them that stand for all, of the same weight.
    shape : (k, p)
        Shape of theta.
    total : float
        What the sum over the rows is divided by.
    weight : float
        Sum of the weights of the rows.
    alpha : float
    fit_intercept : bool
    correlated : bool
        Whether a factored model should know the correlations of the features from the start.
    random_state : int or RandomState
        Chooses the rows that a factored model looks at.
    """

    def __init__(
        self,
        loss: Loss,
        rows: Any,
        stand_ins: Any = None,
        *,
        shape: tuple[int, int],
        total: float,
        weight: float,
        alpha: float,
        fit_intercept: bool,
        correlated: bool = True,
        random_state: Any,
    ):
        self.loss, self.rows, self.shape = loss, rows, shape
        self.total, self.weight, self.alpha, self.fit_intercept = total, weight, alpha, fit_intercept
        X = rows.arrays[0]
        self.sparse = is_sparse(X)
        self.independent = loss.one_question_a_column
        self.sampled = stand_ins is not None
        looked_at = self.looked_at = rows if stand_ins is None else stand_ins
        self.prices = Prices(shape, self.independent, stored_a_row(X))
        self.newton = self._newton_at_once = self.prices.favour_newton(rows.n_rows, looked_at.n_rows)
        self.sample = looked_at if self.newton or self.sampled else self._sample(random_state)
        self._known: tuple[np.ndarray, np.ndarray] | None = None
        self._pass = self.prices.of_pass(rows.n_rows)
        self._kept: Exact | None = None
        self._of_loss: Any = None
        self._paid = -ON_TRUST * self._pass if correlated and not self.sampled else 0.0
        self._paid_hessian = 0.0
        self.rare: np.ndarray = np.zeros(0, np.intp)
        self._moments()

    def _sample(self, random_state: Any) -> Any:
        """The rows that a factored model looks at, in small blocks: it makes copies of them in double precision."""
        n, d = self.rows.n_rows, self.rows.arrays[0].shape[1]
        size = self.prices.sample_size(n)
        if isinstance(self.rows, DaskRows):
            if self.sparse and not self.prices.allow_covariance:  # sums over all rows are d numbers; a sample is large
                return self.rows
            size = min(size, max(2 * d, LARGEST_SAMPLE // d))
        rows = self.rows.in_memory(choose(n, size, random_state) if size < n // 2 else None)
        X = rows.arrays[0]
        width = 4 * (X.nnz // X.shape[0] + 1) if self.sparse else 2 * d
        return rows.part(rows.index, max(min(d, 512), kernels.block_rows(width)))  # each block adds d^2 numbers

    def model(self, coef: np.ndarray, intercept: np.ndarray, passes: float) -> Model:
        """The chosen model at W and b, or one that was dear and is kept, after so many passes over the rows."""
        curvature, spent = partial(block_curvature, self.loss, coef, intercept), passes * self._pass
        eps = float(np.finfo(coef.dtype).eps)
        buys = not self.newton and self._hessian_pays(spent)
        if buys:
            self.newton, self._paid_hessian = self._newton_pays(spent), spent
        if self.newton or buys:
            self._kept = self._exact(curvature, eps)
        if self._kept is not None:
            return self._kept
        if passes >= LONG_FIT and self._sample_misleads(spent):
            self.sample, self.rare = self._all_rows(), self.rare[:0]
        return self._factored(curvature, eps, self._covariance_pays(spent))

    def with_alpha(self, alpha: float, passes: float) -> "Hessian":
        """The same for the next fit, with another penalty: what is known of the rows is shared.

        The passes of this fit tell how many that one will take: towards a Hessian they count as if they were its own.
        """
        other, spent = copy(self), passes * self._pass
        other.alpha, other.newton = alpha, self._newton_at_once
        other._paid, other._paid_hessian = 0.0, max(self._paid_hessian, 0) - spent
        if self._kept is not None:
            other._kept = other._penalised()
        return other

    def _hessian_pays(self, spent: float) -> bool:
        """Whether to build the whole Hessian and keep it: it saves steps, and it alone tells where the minimum is.

        If as much was spent on passes since the last one as it costs; or half as much with several outputs, of which
        factored models know less than of one. That of a focal loss is a model as well, but knows all correlations.
        """
        if self.sampled or isinstance(self.rows, DaskRows) or not self.prices.allow_hessian:
            return False  # dask would send one from each partition
        share = 1 if self.shape[0] == 1 else 0.5
        return spent - self._paid_hessian >= share * self.prices.of_hessian(self.rows.n_rows)

    def _newton_pays(self, spent: float) -> bool:
        """Whether to build it anew at every step from now on: if as much was spent as that would have cost.

        Or if one that was kept did not lead to the minimum for as much as it cost. Without penalty at once: on the way
        to a minimum that is far away, or nowhere, the curvature vanishes, and models of points before do not see how
        far there is to go.
        """
        in_vain = self._paid_hessian > 0
        return not self.alpha or in_vain or spent >= NEWTON_STEPS * self.prices.of_hessian(self.rows.n_rows)

    def _covariance_pays(self, spent: float) -> bool:
        """Whether to look at the covariance anew: if as much was spent on passes since it was last looked at."""
        first = self.sampled and self._known is None
        price = self.prices.of_covariance(self.sample.n_rows)
        if not self.prices.allow_covariance or (spent - self._paid < price and not first):
            return False
        self._paid = spent
        return True

    def _sample_misleads(self, spent: float) -> bool:
        """Whether a factored model may see too few rows, and as much was spent on passes as to look at all costs.

        Columns that add up to a constant in the sample, but not in all rows, are not seen to vary together.
        """
        n = self.rows.n_rows
        if self.sampled or isinstance(self.rows, DaskRows) or self.sample.n_rows == n:
            return False
        return self.prices.allow_covariance and spent >= self.prices.of_covariance(n)

    def _all_rows(self) -> Any:
        """All rows, in blocks of which dense copies are small."""
        return self.rows.part(None, small_rows(self.shape[1]))

    @property
    def center(self) -> np.ndarray | None:
        """Of the coordinates, where there are intercepts."""
        return self.mean if self.fit_intercept else None

    def offset(self) -> float:
        """How many standard deviations the mean of a feature is from 0, at most."""
        if self.center is None:
            return 0.0
        felt = self.variance > 0
        return float(np.max(np.abs(self.center[felt]) / np.sqrt(self.variance[felt]), initial=0.0))

    def _moments(self) -> None:
        """Weighted mean of the features, and variance, 0 where it is but rounding noise; without intercepts about 0."""
        self.mean, self.variance = self._moments_of(self.sample, None)
        self.rare = np.flatnonzero(self.variance == 0)  # or constant
        if self.sampled or self.sample.n_rows == self.rows.n_rows:
            self.rare = self.rare[:0]
        if len(self.rare):
            self.mean[self.rare], self.variance[self.rare] = self._moments_of(self.rows, self.rare)

    def _moments_of(self, rows: Any, columns: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Of some rows, of all columns or a few."""
        mass, first, second = rows.sum(partial(block_moments, None, columns))
        validation.check_squares(second, columns)
        center = first / mass
        if not self.fit_intercept:
            return center, second / mass
        if self.sparse:
            variance = np.maximum(second / mass - center**2, 0)
            noise = 1e-13 * center**2
        else:
            variance = rows.sum(partial(block_moments, center, columns))[2] / mass
            noise = (np.finfo(float).eps * (8 + np.sqrt(self.rows.n_rows)) * center) ** 2
        variance[variance <= noise] = 0
        return center, variance

    def _exact(self, curvature: Callable[..., Curvature], eps: float) -> Exact:
        """The Hessian itself, of products with that `eps`; what the loss adds to it is kept for other penalties."""
        self._kept = self._of_loss = None  # the last one's memory
        (hessian,) = self.looked_at.sum(partial(block_hessian, curvature, self.center))
        hessian /= self.total
        k, p = self.shape
        d = len(self.variance)
        constant = np.flatnonzero(self.variance == 0)
        if len(constant):
            hessian[:, constant] = 0
            hessian[..., constant] = 0
        if self.loss.shift_invariant:
            hessian = pin(hessian)
        diagonal = np.einsum("abb->ab" if self.independent else "abab->ab", hessian)  # a view
        np.maximum(diagonal, 0, out=diagonal)  # a saturated p - p^2 may round to less
        diagonal[:, :d] += eps * STEEPEST * self.variance
        diagonal[:, d:] += eps * STEEPEST
        self._of_loss = hessian if self.independent else hessian.reshape(1, k * p, k * p)
        return self._penalised()

    def _penalised(self) -> Exact:
        """What the loss adds to the Hessian, and what the penalty does."""
        penalty = np.zeros(self.shape)
        penalty[:, : len(self.variance)] = self.alpha
        exact = self.loss.convex and not self.sampled
        penalty = penalty.reshape(self._of_loss.shape[:2])
        return Exact(self._of_loss, self.center, penalty, exact=exact, newton=exact and self.newton)

    def _factored(self, curvature: Callable[..., Curvature], eps: float, anew: bool) -> Factored:
        """With the covariance as it is here if that is looked at anew, or as it was, or its diagonal."""
        center = None if self.sparse else self.mean
        sums = partial(block_factors, curvature, center, anew)
        weight, outputs, trace, first, second = self.sample.sum(sums)
        outputs *= self.weight / (weight * self.total)
        if self.loss.shift_invariant:
            outputs = pin(outputs[:, None, :, None])[:, 0, :, 0]
        if anew or self._known is None:
            mean, covariance = self._covariance(trace / weight, trace, first, second, eps)
            mean = mean if center is None else mean + center
            if anew:
                self._known = mean, covariance
        else:
            mean, covariance = self._known
        return Factored(outputs, covariance, mean, self.alpha, eps ** (2 / 3), fit_intercept=self.fit_intercept)

    def _covariance(
        self, curvature: float, trace: float, first: np.ndarray, second: np.ndarray, eps: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean and covariance of the features, or their variances, weighted by each row's curvature.

        Features that vary in no row of the sample have their own variance and no correlations.
        """
        if not curvature > 1e-200:  # every row is saturated: nothing but rounding is left of the weights
            mean = np.zeros(len(first)) if not (self.sparse and self.fit_intercept) else self.mean
            return mean, np.diag(self.variance) if second.ndim == 2 else self.variance
        mean, covariance = first / trace, second / trace
        covariance -= np.multiply.outer(mean, mean) if second.ndim == 2 else mean**2
        alone = np.union1d(np.flatnonzero(self.variance == 0), self.rare)
        if second.ndim == 2:
            covariance[alone] = 0
            covariance[:, alone] = 0
        variance = np.einsum("aa->a", covariance) if second.ndim == 2 else covariance  # a view
        variance[alone] = self.variance[alone]
        np.maximum(variance, (eps if self.fit_intercept else max(eps, FLAT)) * self.variance, out=variance)
        return mean, covariance


def stored_a_row(X: Any) -> float | None:
    """Numbers that a row of X stores, None where X is dense."""
    if not is_sparse(X):
        return None
    return float(X.nnz / X.shape[0] if sparse.issparse(X) else SUPPOSED * X.shape[1])


# The functions of blocks stand outside the class: dask sends them to other machines, with no rows hanging from them.
def block_curvature(loss: Loss, coef: np.ndarray, intercept: np.ndarray, X: Any, targets: Any) -> Curvature:
    """Curvature of the loss of a block in its logits."""
    return loss.block_curvature(targets, kernels.block_linear(X, coef, intercept))


def block_moments(center: np.ndarray | None, columns: np.ndarray | None, X: Any, targets: Any, weights: Any) -> tuple:
    """A block's sums of w, w x and w x^2, of all columns or a few."""
    return _power_sums(X if columns is None else X[:, columns], weights, center)


def block_hessian(curvature: Callable[..., Curvature], center: Any, X: Any, targets: Any, weights: Any) -> tuple:
    """A block's part of the Hessian, by parts of which dense copies are small."""

    def of_part(X: Any, targets: Any, weights: Any) -> tuple:
        return exact_sums(X, weights, curvature(X, targets), center)

    size = small_rows(X.shape[1])
    if X.shape[0] <= size:
        return of_part(X, targets, weights)
    return tuple(Rows(X, targets, weights, block_rows=size).sum(of_part))


def small_rows(d: int) -> int:
    """Rows of d features of which a copy in double precision takes half a megabyte."""
    return max(256, (1 << 16) // max(d, 1))


def block_factors(
    curvature: Callable[..., Curvature], center: Any, full: bool, X: Any, targets: Any, weights: Any
) -> tuple:
    """A block's weight, and its part of the factors."""
    weight = len(targets) if weights is None else weights.sum(dtype=np.float64)
    return weight, *factored_sums(X, weights, curvature(X, targets), center, full)


def exact_sums(X: Any, weights: np.ndarray | None, curvature: Curvature, center: np.ndarray | None) -> tuple:
    """A block's part of the Hessian, (k, p, k, p), in centred coordinates; (k, p, p) of logits that do not interact."""
    features = X.toarray() if sparse.issparse(X) else X
    if center is not None:
        extended = np.ones((len(features), len(center) + 1))
        np.subtract(features, center, out=extended[:, :-1])
        features = extended
    diagonal, factor = _weighted(curvature, weights)
    if factor is None:
        return (np.array([_gram(features, w) for w in diagonal.T]),)
    if pairs_pay(factor.shape[1], features.shape[1]):
        return (_by_pairs(features, factor),)
    return (_by_products(features, diagonal, factor),)


def _by_pairs(features: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Of each pair of outputs its block, which is symmetric, and no more: blocks of a row add up to 0."""
    k, p = factor.shape[1], features.shape[1]
    hessian = np.zeros((k, p, k, p))
    for a, b in combinations(range(k), 2):
        shared = _gram(features, factor[:, a] * factor[:, b])
        hessian[a, :, a] += shared
        hessian[b, :, b] += shared
        hessian[a, :, b] = hessian[b, :, a] = -shared
    return hessian


def _by_products(features: np.ndarray, diagonal: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Of all pairs of outputs at once, with two to four times the multiplications, but in one product."""
    k, p = factor.shape[1], features.shape[1]
    products = (factor[:, :, None] * features[:, None, :]).reshape(len(features), k * p)
    hessian = -(products.T @ products).reshape(k, p, k, p)
    for c, w in enumerate(diagonal.T):
        hessian[c, :, c] += _gram(features, w)
    return hessian


def _gram(features: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """X^T diag(w) X: A^T A takes half the multiplications of A^T B."""
    rooted = np.sqrt(weights)[:, None] * features
    return rooted.T @ rooted


def factored_sums(
    X: Any, weights: np.ndarray | None, curvature: Curvature, center: np.ndarray | None, full: bool
) -> tuple:
    """A block's sums: A (k, k), trace(A), trace(A) x, and trace(A) x x^T or its diagonal, x from the center."""
    diagonal, factor = _weighted(curvature, weights)
    outputs = np.diag(diagonal.sum(axis=0)) - (0 if factor is None else factor.T @ factor)
    trace = diagonal.sum(axis=1) - (0 if factor is None else np.einsum("ij,ij->i", factor, factor))
    return outputs, *_power_sums(X, np.maximum(trace, 0), center, full)  # a saturated p - p^2 may round to less


def _power_sums(X: Any, weights: np.ndarray | None, center: np.ndarray | None, full: bool = False) -> tuple:
    """Sums of w, w x and w x x^T or its diagonal over a block, in float64, x from the center."""
    if sparse.issparse(X):
        w = np.ones(X.shape[0]) if weights is None else weights.astype(np.float64, copy=False)
        scaled = np.repeat(w, np.diff(X.indptr)) * X.data
        first = np.bincount(X.indices, scaled, minlength=X.shape[1])
        if full:
            weighted = type(X)((scaled, X.indices, X.indptr), shape=X.shape)
            return w.sum(), first, (X.T @ weighted).toarray()
        return w.sum(), first, np.bincount(X.indices, scaled * X.data, minlength=X.shape[1])
    features = X.astype(np.float64) if center is None else X - center  # the one copy: the system may clear each anew
    w = np.ones(len(features)) if weights is None else weights
    first = w @ features
    if full:  # A^T A takes half the multiplications of A^T B
        features *= np.sqrt(w)[:, None]
        return w.sum(dtype=np.float64), first, features.T @ features
    features *= features
    return w.sum(dtype=np.float64), first, w @ features


def _weighted(curvature: Curvature, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    diagonal, factor = curvature.weights, curvature.factor
    diagonal = diagonal.astype(np.float64, copy=False)
    factor = None if factor is None else factor.astype(np.float64, copy=False)
    if weights is None:
        return diagonal, factor
    return weights[:, None] * diagonal, None if factor is None else np.sqrt(weights)[:, None] * factor


def _by_variance(variance: np.ndarray, class_scale: np.ndarray, alpha: float, floor: float) -> Callable:
    """Division of (k, d) by s C + alpha for each scale s of an output, with C diagonal."""
    scales = np.maximum(np.multiply.outer(class_scale, variance) + alpha, floor * variance * class_scale[-1])
    inverse = np.divide(1, scales, out=np.zeros_like(scales), where=scales > 0)
    return lambda weights: weights * inverse


def _by_factors(covariance: np.ndarray, class_scale: np.ndarray, alpha: float, floor: float) -> Callable:
    """The same for a full C, which is factorised for each output: a thirtieth of the work of a basis."""
    models = []
    for scale in class_scale:
        block = scale * covariance
        np.einsum("aa->a", block)[:] += alpha + floor * class_scale[-1] * covariance.diagonal()
        models.append(Exact(block[None], None))
    return lambda weights: np.concatenate([m.solve(row[None]) for m, row in zip(models, weights, strict=True)])


def _with_mean(divided: Callable, mean: np.ndarray, class_scale: np.ndarray) -> Callable:
    """Division by s (C + m m^T) + alpha, where `divided` is that by s C + alpha: Sherman and Morrison's formula."""
    of_mean = divided(np.tile(mean, (len(class_scale), 1)))
    share = of_mean / (1 / class_scale + of_mean @ mean)[:, None]

    def solution(weights: np.ndarray) -> np.ndarray:
        result: np.ndarray = divided(weights)
        return result - (result @ mean)[:, None] * share

    return solution


def _by_basis(covariance: np.ndarray, class_scale: np.ndarray, alpha: float, floor: float) -> Callable:
    """The same in a basis in which both terms are diagonal, for many outputs."""
    basis, curvature, penalty = _diagonalise(covariance, alpha, class_scale[-1])
    scales = np.maximum(np.multiply.outer(class_scale, curvature) + penalty, floor * class_scale[-1])
    return lambda weights: ((weights @ basis) / scales) @ basis.T


def _diagonalise(covariance: np.ndarray, alpha: float, largest: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """T, lambda, pi with T^T C T = diag(lambda) and T^T (alpha I) T = diag(pi).

    In units where C has a unit diagonal the penalty is graded over as many orders of magnitude as the features. The
    pencil (penalty, C + gamma penalty) has a well-scaled right-hand side and eigenvalues in [0, 1/gamma]; gamma makes
    both ends of them accurate where they matter.
    """
    gamma = alpha / largest
    diagonal = covariance.diagonal() + gamma
    scale = np.divide(1, np.sqrt(diagonal), out=np.zeros(len(diagonal)), where=diagonal > 0)
    penalty = scale**2
    right = covariance * scale * scale[:, None]
    np.einsum("aa->a", right)[:] += gamma * penalty
    values, basis = _with_jitter(lambda b: linalg.eigh(np.diag(penalty), b, driver="gvd", check_finite=False), right)
    return scale[:, None] * basis, np.clip(1 - gamma * values, 0, 1), alpha * values


def _cholesky(matrix: np.ndarray) -> np.ndarray:
    """The lower factor, by LAPACK itself: SciPy's door takes longer than a small matrix.

    Of the transpose, which is the same in LAPACK's order: no copy is made.
    """
    factor, info = linalg.lapack.dpotrf(matrix.T, lower=True, overwrite_a=True)
    if info:
        raise linalg.LinAlgError(f"The matrix is not positive definite: its leading minor {info} is not.")
    return factor


def _with_jitter(factorise: Callable[[np.ndarray], Any], matrix: np.ndarray) -> Any:
    """Factorise a matrix of unit diagonal that rounding may have left slightly indefinite: a little is added to it."""
    jitter = JITTER
    while True:
        raised = matrix.copy()
        np.einsum("aa->a", raised)[:] += jitter
        try:
            return factorise(raised)
        except linalg.LinAlgError:
            jitter *= 100


def pin(hessian: np.ndarray) -> np.ndarray:
    """Add curvature along the shifts common to all k outputs, which a softmax does not feel, to a (k, p, k, p) Hessian.

    The gradient has no part there, so directions stay as they are but for rounding noise, and the matrix is regular.
    """
    k, p = hessian.shape[:2]
    feature = np.arange(p)
    hessian[:, feature, :, feature] += (np.einsum("abab->b", hessian) / k**2)[:, None, None]
    return hessian


def _to_centred(gradient: np.ndarray, center: np.ndarray | None) -> np.ndarray:
    if center is None:
        return gradient
    centred = gradient.copy()
    centred[:, :-1] -= np.multiply.outer(gradient[:, -1], center)
    return centred


def _from_centred(direction: np.ndarray, center: np.ndarray | None) -> np.ndarray:
    if center is not None:
        direction[:, -1] -= direction[:, :-1] @ center
    return direction
