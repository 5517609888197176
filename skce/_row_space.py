"""Fewer rows than features: the coordinates of the rows' span, in which a table of n rows has at most n columns.

The rows span a space of n dimensions. Coefficients W outside it change no logit and cost penalty: a minimum has none.
W = V Q^T, with Q an orthonormal basis of the span, and |W| = |V|. The basis is that of the principal components, where
features are uncorrelated; it is never formed, for it would be as large as X.

References
----------
Hastie, T., R. Tibshirani, "Efficient quadratic regularization for expression arrays", Biostatistics 5, 2004,
doi:10.1093/biostatistics/kxh010.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from scipy import linalg

from skce import _validation as validation
from skce._rows import is_sparse
from skce.solvers import SAFETY, STOPPED, Callback, Result, Step, lbfgs, reached

LEAST_WIDTH = 100
"""Features from which it is worth its while."""

LARGEST_BASIS = 1 << 23
"""Numbers of the three arrays of n by n that it takes, 64 MB, unless a tenth of X is more."""

COLUMNS = 512
"""Of X that are centred at a time."""

GRADED = 1e4
"""Ratio of the largest and the least component from which a lift takes two rounds."""

SAME = 1e-9
"""Of the objective, by what it may differ inside and outside."""

NOTHING, ROUNDING = 3e-7, 1e-13
"""Of the largest component: less may be but rounding, by products of rows and by the rows themselves."""


class RowSpace:
    """The span of the rows of X about a center.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    center : ndarray of shape (d,)
    basis : ndarray of shape (n, r)
        Orthonormal columns: the rows' components, each divided by its size. Overwritten.
    scale : ndarray of shape (r,)
        Sizes.

    Attributes
    ----------
    features : ndarray of shape (n, r)
        The rows in these coordinates, uncorrelated columns.
    """

    def __init__(self, X: np.ndarray, center: np.ndarray, basis: np.ndarray, scale: np.ndarray):
        self.X, self.center = X, center
        self.features = np.multiply(basis, scale, out=basis)
        self._squares = scale**2  # Q = (X - center)^T times the features over these
        self._graded = scale.size > 0 and scale.max() > GRADED * scale.min()

    def lift(self, coef: np.ndarray) -> np.ndarray:
        """V (k, r) as W (k, d)."""
        lifted = self._times_basis(coef)
        if self._graded:  # Q is orthonormal to few digits: once more for what the logits lack
            lifted += self._times_basis(self._coordinates(coef @ self.features.T - self._logits(lifted)))
        return lifted

    def lower(self, coef: np.ndarray) -> np.ndarray:
        """The part of W (k, d) in the span, as V (k, r)."""
        if not coef.any():  # the start of a fit
            return np.zeros((len(coef), len(self._squares)))
        return self._coordinates(self._logits(coef))

    def _coordinates(self, logits: np.ndarray) -> np.ndarray:
        """V (k, r) of the logits (k, n) of the rows about the center."""
        return logits @ self.features / self._squares

    def _times_basis(self, coef: np.ndarray) -> np.ndarray:
        of_rows = coef / self._squares @ self.features.T
        return np.concatenate([of_rows @ part for part in _centred(self.X, self.center)], axis=1)

    def _logits(self, coef: np.ndarray) -> np.ndarray:
        """W (X - center)^T."""
        own = np.split(coef, range(COLUMNS, coef.shape[1], COLUMNS), axis=1)
        parts = zip(own, _centred(self.X, self.center), strict=True)
        return np.sum([w @ part.T for w, part in parts], axis=0)


def row_space(X: np.ndarray, *, centred: bool) -> RowSpace | None:
    """The span of the rows of X about their mean or about 0; None if their squares overflow."""
    with np.errstate(all="ignore"):
        center = X.mean(axis=0, dtype=np.float64) if centred else np.zeros(X.shape[1])
        gram = np.zeros((len(X), len(X)))
        for part in _centred(X, center):
            gram += part @ part.T
    if not np.isfinite(gram).all():
        return None
    size = np.sqrt(np.trace(gram))
    basis, scale = _from_products(gram)
    felt = scale > NOTHING * scale[-1]
    if np.sum(~felt) > centred:  # the mean takes one component away
        left = sum(np.sum((basis[:, ~felt].T @ part) ** 2) for part in _centred(X, center))
        if np.sqrt(left) > ROUNDING * size:
            basis, scale = _from_rows(X, center)
            felt = scale > ROUNDING * scale[0]
    return RowSpace(X, center, basis[:, felt], scale[felt])


def _from_products(gram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Components and their sizes, by the products of rows, which lack what is a ten millionth of the largest."""
    # Of the transpose, which is the same in LAPACK's order: no copy is made.
    squares, basis = linalg.eigh(gram.T, overwrite_a=True, check_finite=False, driver="evd")
    return basis, np.sqrt(np.maximum(squares, 0))


def _from_rows(X: np.ndarray, center: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same to all digits and for three times the work: by a triangle that has the products of the rows."""
    triangle: np.ndarray = np.zeros((0, len(X)))
    for part in _centred(X, center):
        triangle = np.asarray(np.linalg.qr(np.concatenate([triangle, part.T]), mode="r"))
    _, scale, components = linalg.svd(triangle, full_matrices=False, check_finite=False)
    return components.T, scale


def _centred(X: np.ndarray, center: np.ndarray) -> Iterator[np.ndarray]:
    """Some columns at a time, in double precision."""
    for start in range(0, X.shape[1], COLUMNS):
        yield X[:, start : start + COLUMNS] - center[start : start + COLUMNS]


class Condensed:
    """An objective whose Hessian is seen in the span of its rows.

    Parameters
    ----------
    whole : Objective
    inside : Objective
        The same in the coordinates of the span.
    space : RowSpace
    """

    sample = None

    def __init__(self, whole: Any, inside: Any, space: RowSpace):
        self.whole, self.inside, self.space = whole, inside, space
        whole.dtype = inside.dtype  # double precision, to compare with the value inside

    @property
    def penalised(self) -> bool:
        """Whether the whole is."""
        return bool(self.whole.penalised)

    @property
    def rounding(self) -> float:
        """That of the whole."""
        return float(self.whole.rounding)

    def with_alpha(self, whole: Any) -> "Condensed":
        """The same for an objective that differs in its penalty."""
        return Condensed(whole, self.inside.with_alpha(whole.alpha), self.space)

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Those of the whole."""
        return self.whole.value_and_gradient(theta)

    def curvature(self, theta: np.ndarray) -> "Lifted":
        """A model of the Hessian at theta in the span."""
        return Lifted(self, self.inside.curvature(self.lower(theta)))

    def lift(self, theta: np.ndarray) -> np.ndarray:
        """Parameters of the inside as those of the whole; steps as well."""
        coef, intercept = self.inside.unpack(theta)
        lifted = self.space.lift(coef)
        return self.inside.pack(lifted, intercept - lifted @ self.space.center)

    def lower(self, theta: np.ndarray) -> np.ndarray:
        """Parameters of the whole as those of the inside."""
        coef, intercept = self.whole.unpack(theta)
        return self.inside.pack(self.space.lower(coef), intercept + coef @ self.space.center)

    def pull(self, gradient: np.ndarray) -> np.ndarray:
        """A gradient of the whole as one of the inside."""
        coef, intercept = self.whole.unpack(gradient)
        return self.inside.pack(self.space.lower(coef - np.multiply.outer(intercept, self.space.center)), intercept)

    def minimise(self, theta: np.ndarray, *, tol: float, max_iter: int, callback: Callback | None = None) -> Result:
        """`lbfgs` inside, and outside if rounding has left something to gain; on X alone if that loses what was found.

        It does where the rows' components differ by more orders of magnitude than numbers have digits.
        """
        heard = None if callback is None else lambda step: callback(step._replace(theta=self.lift(step.theta)))
        first = lbfgs(self.inside, self.lower(theta), tol=tol / SAFETY, max_iter=max_iter, callback=heard)
        lifted = replace(first, theta=self.lift(first.theta))
        if first.message == STOPPED or first.n_iter == max_iter:
            return lifted
        options: dict[str, Any] = {"tol": tol, "max_iter": max_iter, "callback": callback}
        last = _go_on(lifted, partial(lbfgs, self), **options)
        kept = last.curve[first.n_iter] <= first.value + max(tol, SAME * abs(first.value))
        if kept or last.message == STOPPED:
            return last
        self.whole.forget_span()
        return _go_on(replace(last, theta=theta), partial(lbfgs, self.whole), **options)


class Lifted:
    """A model of the Hessian in the span; outside it takes no step."""

    exact = newton = doubtful = False  # that of the inside has been tried

    def __init__(self, condensed: Condensed, model: Any):
        self._condensed, self._model = condensed, model

    def solve(self, gradient: np.ndarray) -> np.ndarray:
        """The model's inverse times the gradient."""
        return self._condensed.lift(self._model.solve(self._condensed.pull(gradient)))


def minimise(
    objective: Any, theta: np.ndarray, *, tol: float, max_iter: int, callback: Callback | None = None
) -> Result:
    """`lbfgs` on X, and in the span of the rows once passes over X have cost as much as it does to find that."""
    options: dict[str, Any] = {"tol": tol, "max_iter": max_iter, "callback": callback}
    rent = objective.rent
    if rent == np.inf:
        return lbfgs(objective, theta, **options)
    if rent == 0:
        return _inside(objective)(theta, **options)
    steps = min(int(rent), max_iter)
    first = lbfgs(objective, theta, **options | {"max_iter": steps})
    if first.converged or first.n_iter < steps or steps == max_iter:
        return first
    return _go_on(first, _inside(objective), **options)


def _inside(objective: Any) -> Callable[..., Result]:
    """The solver in the span, or that on X if the span is not found."""
    return partial(lbfgs, objective) if objective.condensed is None else objective.condensed.minimise


def _go_on(
    first: Result, solve: Callable[..., Result], *, tol: float, max_iter: int, callback: Callback | None
) -> Result:
    """Both results as one; the callback has been told where the first ends."""

    def told(step: Step) -> Any:
        return callback is not None and step.n_iter and callback(step._replace(n_iter=first.n_iter + step.n_iter))

    rest = max_iter - first.n_iter
    last = solve(first.theta, tol=tol, max_iter=rest, callback=told)
    message = reached(max_iter) if last.message == reached(rest) else last.message
    curve = first.curve[:-1] + last.curve
    return replace(last, n_iter=first.n_iter + last.n_iter, curve=curve, message=message)


def narrows(X: np.ndarray) -> bool:
    """Whether the coordinates of its rows' span make a table narrower, with no more memory than a fit may take."""
    if validation.is_dask(X) or is_sparse(X):
        return False
    n, d = X.shape
    return n <= d and d >= LEAST_WIDTH and 3 * n * n <= max(LARGEST_BASIS, n * d // 10)
