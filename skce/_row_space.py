"""Fewer rows than features: the coordinates of the rows' span, in which a table of n rows has at most n columns.

The rows span a space of n dimensions. Coefficients W outside it change no logit and cost penalty: a minimum has none.
W = V Q^T, with Q an orthonormal basis of the span, and |W| = |V|. The basis is that of the principal components, where
features are uncorrelated; it is never formed, for it would be as large as X.

References
----------
Hastie, T., R. Tibshirani, "Efficient quadratic regularization for expression arrays", Biostatistics 5, 2004,
doi:10.1093/biostatistics/kxh010.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from scipy import linalg

from skce import _validation as validation
from skce._rows import is_sparse
from skce.solvers import SAFETY, STOPPED, Callback, Result, Step, lbfgs

LEAST_WIDTH = 100
"""Features from which it is worth its while."""

LARGEST_BASIS = 1 << 23
"""Numbers of what is n by n, 64 MB, unless a tenth of X is more."""

COLUMNS = 512
"""Of X that are centred at a time."""

NOTHING = 1e-13
"""Of the largest squared singular value: less is but rounding."""


class RowSpace:
    """The span of the rows of X about a center.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    center : ndarray of shape (d,)

    Attributes
    ----------
    features : ndarray of shape (n, r)
        The rows in these coordinates, uncorrelated columns.
    """

    def __init__(self, X: np.ndarray, center: np.ndarray):
        self.X, self.center = X, center
        gram = np.zeros((len(X), len(X)))
        for start in range(0, X.shape[1], COLUMNS):
            part = X[:, start : start + COLUMNS] - center[start : start + COLUMNS]
            gram += part @ part.T
        squares, basis = linalg.eigh(gram, overwrite_a=True, check_finite=False, driver="evd")
        felt = squares > NOTHING * squares[-1]
        scale = np.sqrt(squares[felt])
        self.features = basis[:, felt] * scale
        self._inverse = basis[:, felt] / scale  # Q = (X - center)^T times it

    def lift(self, coef: np.ndarray) -> np.ndarray:
        """V (k, r) as W (k, d)."""
        of_rows = (coef @ self._inverse.T).astype(self.X.dtype)
        return of_rows @ self.X - np.multiply.outer(of_rows.sum(axis=1), self.center)

    def lower(self, coef: np.ndarray) -> np.ndarray:
        """The part of W (k, d) in the span, as V (k, r)."""
        of_rows = coef.astype(self.X.dtype) @ self.X.T - (coef @ self.center)[:, None]
        return of_rows @ self._inverse


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
        """`lbfgs` inside, and outside if rounding has left something to gain."""
        heard = None if callback is None else lambda step: callback(step._replace(theta=self.lift(step.theta)))
        first = lbfgs(self.inside, self.lower(theta), tol=tol / SAFETY, max_iter=max_iter, callback=heard)
        lifted = replace(first, theta=self.lift(first.theta))
        if not first.converged or first.message == STOPPED:
            return lifted

        def told(step: Step) -> Any:
            return callback is not None and step.n_iter and callback(step._replace(n_iter=first.n_iter + step.n_iter))

        last = lbfgs(self, lifted.theta, tol=tol, max_iter=max_iter - first.n_iter, callback=told)
        return replace(last, n_iter=first.n_iter + last.n_iter, curve=first.curve[:-1] + last.curve)


class Lifted:
    """A model of the Hessian in the span; outside it takes no step."""

    exact = False

    def __init__(self, condensed: Condensed, model: Any):
        self._condensed, self._model = condensed, model

    def solve(self, gradient: np.ndarray) -> np.ndarray:
        """The model's inverse times the gradient."""
        return self._condensed.lift(self._model.solve(self._condensed.pull(gradient)))


def narrows(X: np.ndarray) -> bool:
    """Whether the coordinates of its rows' span make a table narrower, with no more memory than a fit may take."""
    if validation.is_dask(X) or is_sparse(X):
        return False
    n, d = X.shape
    return n <= d and d >= LEAST_WIDTH and 3 * n * n <= max(LARGEST_BASIS, n * d // 10)
