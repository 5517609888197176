"""Coordinates in which features have mean 0 and, penalty included, variance 1: one learning rate suits all of them.

The mini-batch solvers take their steps in them; the coefficients stay in the units of the features. Come here also for
how large a rate may be.
"""

from typing import Any

import numpy as np
from scipy import sparse

POWER_STEPS = 20
"""Enough for the first digit of the greatest eigenvalue, which is all that a learning rate needs."""


class Scaling:
    """Mean and variance of the features of some rows, and steps in the coordinates that they define.

    Parameters
    ----------
    shape : (k, p)
        Shape of theta.
    mass : float
        Weight of the rows.
    center : ndarray of shape (d,) or None
        Mean of the features; None without intercepts.
    variance : ndarray of shape (d,)
        About the center, or about 0. A feature of variance 0 is left alone.
    ridge : float, default=0.0
        Variance that the penalty is worth: where it is more than that of a feature, it is the penalty that bends the
        objective.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        mass: float,
        center: np.ndarray | None,
        variance: np.ndarray,
        ridge: float = 0.0,
    ):
        self.shape, self.mass, self.center, self.variance, self.ridge = shape, mass, center, variance, ridge
        self.scale = np.divide(1, np.sqrt(variance + ridge), out=np.zeros_like(variance), where=variance > 0)

    def merged(self, other: "Scaling") -> "Scaling":
        """Of the rows of both."""
        mass = self.mass + other.mass
        part = other.mass / mass
        variance = self.variance + part * (other.variance - self.variance)
        if self.center is None or other.center is None:
            return Scaling(self.shape, mass, None, variance, other.ridge)
        shift = other.center - self.center
        spread = part * (1 - part) * shift**2
        return Scaling(self.shape, mass, self.center + part * shift, variance + spread, other.ridge)

    def pull(self, gradient: np.ndarray) -> np.ndarray:
        """A flat gradient in the scaled coordinates."""
        own = gradient.reshape(self.shape)
        if self.center is None:
            return (own * self.scale).reshape(-1)
        pulled = np.empty_like(own)
        np.multiply.outer(own[:, -1], -self.center, out=pulled[:, :-1])
        pulled[:, :-1] += own[:, :-1]
        pulled[:, :-1] *= self.scale
        pulled[:, -1] = own[:, -1]
        return pulled.reshape(-1)

    def push(self, step: np.ndarray) -> np.ndarray:
        """A flat step in the scaled coordinates as one of theta."""
        scaled = step.reshape(self.shape)
        if self.center is None:
            return (scaled * self.scale).reshape(-1)
        pushed = np.empty_like(scaled)
        np.multiply(scaled[:, :-1], self.scale, out=pushed[:, :-1])
        pushed[:, -1] = scaled[:, -1] - pushed[:, :-1] @ self.center
        return pushed.reshape(-1)

    def steepness(self, X: Any, batch_size: int) -> float:
        """Greatest eigenvalue of the second moments that a mini-batch of rows like X has in the scaled coordinates.

        At most: that of all rows, what chance adds to it, the mean squared norm of a row over the size of the batch,
        and what the penalty is worth.
        """
        X = X.toarray() if sparse.issparse(X) else X
        scaled = (X if self.center is None else X - self.center) * self.scale
        if self.center is not None:
            scaled = np.column_stack([scaled, np.ones(len(scaled))])
        vector = np.ones(scaled.shape[1])
        for _ in range(POWER_STEPS):
            vector = scaled.T @ (scaled @ vector) / len(scaled)
            norm = float(np.linalg.norm(vector))
            vector /= max(norm, np.finfo(float).tiny)
        chance = float(np.vdot(scaled, scaled)) / (len(scaled) * batch_size)
        return norm + chance + self.ridge * float(np.max(self.scale, initial=0.0)) ** 2
