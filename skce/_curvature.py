"""Models of the Hessian of an objective, cheap to solve with, that know the scales and correlations of the features.

The Hessian of the weighted mean loss plus (alpha/2) |W|^2, in theta = (W, b), is the mean over the rows of the
Kronecker product of A_i, the curvature of the loss in the logits, and (x_i, 1)(x_i, 1)^T, plus alpha on W. Each model
answers one question, `solve(gradient) -> direction`, for arrays of shape (k, d + 1), the last column the intercepts,
or (k, d) without them. Exact builds all of it; Factored takes the mean of the products as a product of means.

With intercepts both work in the coordinates of centred features, where x and b do not interact:
b' = b + W mu, gradient_W' = gradient_W - gradient_b mu^T.
"""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from scipy import linalg, sparse

from skce.losses import Curvature

JITTER = 1e-12
"""Added to a diagonal of ones: collinear columns and saturated rows then do no harm."""


FLOOR = 1e-10
"""Least curvature of a factored model, relative to its largest."""


class Model(Protocol):
    """What a solver may ask of a model."""

    exact: bool
    """Whether it is the Hessian itself, so that it pays to build it anew at every point."""

    def solve(self, gradient: np.ndarray) -> np.ndarray:
        """The model's inverse times the gradient, of its shape."""


class Exact:
    """The Hessian itself, (k p)^2 numbers for p = d + 1, factored by Cholesky after scaling to a unit diagonal."""

    exact = True

    def __init__(self, hessian: np.ndarray, center: np.ndarray | None):
        """`hessian` (q, q) in centred coordinates."""
        self.center = center
        self.scale = 1 / np.sqrt(np.where(hessian.diagonal() > 0, hessian.diagonal(), 1))
        scaled = hessian * self.scale * self.scale[:, None]
        self.factor = _with_jitter(lambda matrix: linalg.cholesky(matrix, lower=True, check_finite=False), scaled)

    def solve(self, gradient: np.ndarray) -> np.ndarray:
        centred = _to_centred(gradient, self.center)
        solution, _ = linalg.lapack.dpotrs(self.factor, self.scale * centred.reshape(-1), lower=True)
        return _from_centred((self.scale * solution).reshape(gradient.shape), self.center)


class Factored:
    """mean(A) (x) C + alpha I, with C the covariance of the features or only its diagonal.

    Both factors are diagonalised once; a solve then costs two products with their bases. C and the identity of the
    penalty are diagonalised together, in features scaled to unit variance, so that no scale is too small or too large.
    """

    exact = False

    def __init__(self, outputs: np.ndarray, covariance: np.ndarray, mean: np.ndarray | None, alpha: float):
        """Mean of A (k, k); covariance (d, d) or variances (d,) about the mean, which is None without intercepts."""
        self.center = mean
        self.class_scale, self.class_basis = linalg.eigh(outputs)
        self.class_scale = np.maximum(self.class_scale, JITTER * self.class_scale[-1])
        variance = covariance if covariance.ndim == 1 else covariance.diagonal()
        if covariance.ndim == 1:
            self.basis = None
            self.curvature, self.penalty = variance, np.full(len(variance), alpha)
        else:
            self.basis, self.curvature, self.penalty = _diagonalise(covariance, alpha, self.class_scale[-1])
        scales = np.multiply.outer(self.class_scale, self.curvature) + self.penalty
        if self.basis is not None:  # in units of unit variance: the least curvature that rounding cannot fake
            np.maximum(scales, FLOOR * self.class_scale[-1], out=scales)
        self.inverse = np.divide(1, scales, out=np.zeros_like(scales), where=scales > 0)

    def solve(self, gradient: np.ndarray) -> np.ndarray:
        rotated = self.class_basis.T @ _to_centred(gradient, self.center)
        d = self.inverse.shape[1]
        result = np.empty_like(rotated)
        weights = rotated[:, :d] if self.basis is None else rotated[:, :d] @ self.basis
        weights = weights * self.inverse
        result[:, :d] = weights if self.basis is None else weights @ self.basis.T
        if self.center is not None:
            result[:, d] = rotated[:, d] / self.class_scale
        return _from_centred(self.class_basis @ result, self.center)


def _diagonalise(covariance: np.ndarray, alpha: float, largest: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """T, lambda, pi with T^T C T = diag(lambda), T^T (alpha I) T = diag(pi).

    In units where C has a unit diagonal the penalty is graded over as many orders of magnitude as the features. The
    pencil (penalty, C + gamma penalty) has a well-scaled right-hand side and eigenvalues in [0, 1/gamma]; gamma makes
    both ends of them accurate where they matter.
    """
    variance = covariance.diagonal()
    floor = alpha / largest
    scale = 1 / np.sqrt(np.where(variance + floor > 0, variance + floor, 1))
    penalty = scale**2
    right = covariance * scale * scale[:, None]
    right[np.diag_indices_from(right)] += floor * penalty
    values, basis = _with_jitter(lambda b: linalg.eigh(np.diag(penalty), b, driver="gvd", check_finite=False), right)
    return scale[:, None] * basis, np.clip(1 - floor * values, 0, 1), alpha * values


def _with_jitter(factorise: Callable[[np.ndarray], Any], matrix: np.ndarray) -> Any:
    """Factorise a matrix of unit diagonal that rounding may have left slightly indefinite: a little is added to it."""
    jitter = JITTER
    while True:
        try:
            return factorise(matrix + jitter * np.eye(len(matrix)))
        except linalg.LinAlgError:
            jitter *= 100


def exact_sums(X: Any, weights: np.ndarray | None, curvature: Curvature, center: np.ndarray | None) -> tuple:
    """A block's part of the Hessian, (k, p, k, p), in centred coordinates."""
    features = X.toarray() if sparse.issparse(X) else X
    if center is not None:
        features = np.column_stack([features - center, np.ones(len(features))])
    features = np.asarray(features, dtype=np.float64)
    diagonal, factor = _weighted(curvature, weights)
    k, p = diagonal.shape[1], features.shape[1]
    hessian = np.zeros((k, p, k, p))
    for c in range(k):
        hessian[c, :, c, :] = features.T @ (diagonal[:, c, None] * features)
    if factor is not None:
        products = (factor[:, :, None] * features[:, None, :]).reshape(len(features), k * p)
        hessian -= (products.T @ products).reshape(k, p, k, p)
    return (hessian,)


def factored_sums(
    X: Any, weights: np.ndarray | None, curvature: Curvature, center: np.ndarray | None, full: bool
) -> tuple:
    """A block's sums: A (k, k), trace(A), trace(A) x, and trace(A) x x^T or its diagonal, x from the center."""
    diagonal, factor = _weighted(curvature, weights)
    outputs = np.diag(diagonal.sum(axis=0)) - (0 if factor is None else factor.T @ factor)
    trace = diagonal.sum(axis=1) - (0 if factor is None else np.einsum("ij,ij->i", factor, factor))
    if sparse.issparse(X):
        scaled = X.multiply(trace[:, None]).tocsr()
        first = np.asarray(scaled.sum(axis=0)).ravel()
        second = (X.T @ scaled).toarray() if full else np.asarray(X.multiply(scaled).sum(axis=0)).ravel()
    else:
        features = X if center is None else X - center
        scaled = features * trace[:, None]
        first = scaled.sum(axis=0)
        second = features.T @ scaled if full else np.einsum("ij,ij->j", features, scaled)
    return outputs, trace.sum(), first, second


def _weighted(curvature: Curvature, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    diagonal, factor = curvature
    if weights is None:
        return diagonal, factor
    return weights[:, None] * diagonal, None if factor is None else np.sqrt(weights)[:, None] * factor


def pin(hessian: np.ndarray) -> np.ndarray:
    """Add curvature along the shifts common to all k outputs, which a softmax does not feel, to a (k, p, k, p) Hessian.

    The gradient has no part there, so directions stay as they are but for rounding noise, and the matrix is regular.
    """
    k, p = hessian.shape[:2]
    feature = np.arange(p)
    mean_curvature = hessian[np.arange(k)[:, None], feature, np.arange(k)[:, None], feature].mean(axis=0)
    hessian[:, feature, :, feature] += (mean_curvature / k)[:, None, None]
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
