"""Recalibration: what predictions should have been, judged by what came of them.

Come here for the curve behind a reliability diagram, and for what a decomposition calls recalibrated. It stands after
the objective and the solvers, which fit the softmax of several classes. Nothing here checks its input.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.isotonic import isotonic_regression

from skce._objective import Objective
from skce._rows import single_blas_thread
from skce.losses import SoftmaxCrossEntropy
from skce.solvers import lbfgs

LOSS = SoftmaxCrossEntropy()

PENALTIES = (10.0, 1.0, 0.1, 0.01, 0.001)
"""Of what a softmax does beside a temperature: with the first that is nothing, with the last it is free."""

HOTTEST = 50.0
"""Logits of a spread of 1 are sharpened by no more than this factor: beyond it a loss changes by rounding."""

TOL, MAX_ITER = 1e-6, 200
"""In nats. A recalibration that is not quite the best one is one all the same: no warning."""


def isotonic(y: NDArray[Any], p: NDArray[Any], sample_weight: NDArray[Any] | None = None) -> NDArray[np.float64]:
    """Frequency of the positive class as the best non-decreasing function of `p`, at each row, (n,).

    `y` (n,) holds 0 and 1, or probabilities of the positive class; `p` (n,) orders the rows, so that logits serve as
    well as probabilities. Equal `p` are one group: they get one frequency, whatever the order of their rows. A row
    without weight moves nothing and gets what lies between its neighbours. Of all non-decreasing functions of `p` this
    has the least cross-entropy, and the least mean of every other proper loss: T. Dimitriadis, T. Gneiting, A. I.
    Jordan, "Stable reliability diagrams for probabilistic classifiers", 2021, doi:10.1073/pnas.2016191118.
    """
    weights = np.ones(len(p)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    _, groups = np.unique(p, return_inverse=True)
    mass = np.bincount(groups, weights)
    totals = np.bincount(groups, weights * y)
    known = mass > 0
    means = np.divide(totals, mass, out=np.zeros_like(mass), where=known)
    means[known] = isotonic_regression(means[known], sample_weight=mass[known])
    if not known.all():
        means[~known] = np.interp(np.flatnonzero(~known), np.flatnonzero(known), means[known])
    return means[groups]


def softmax(
    targets: NDArray[Any],
    log_proba: NDArray[np.float64],
    sample_weight: NDArray[Any] | None = None,
    *,
    n_folds: int,
    random_state: np.random.RandomState,
) -> NDArray[np.float64]:
    """Logits (n, k) of each row after a softmax recalibration that was fitted without it.

    The new logits are t l + V l + b, where l are the finite logarithms of the probabilities: a temperature 1 / t, and
    a table V and intercepts b that a penalty holds near 0. The penalty is the one with the least loss on the rows left
    out. `targets` are codes (n,) or distributions (n, k).
    """
    log_proba = log_proba / _spread(log_proba)
    folds = stratified_folds(targets if targets.ndim == 1 else targets.argmax(axis=1), n_folds, random_state)
    weights = np.ones(len(targets)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    candidates = np.empty((1 + len(PENALTIES), *log_proba.shape))
    with single_blas_thread:
        for fold in range(n_folds):
            train, test = folds != fold, folds == fold
            maps = _softmax_maps(targets[train], log_proba[train], weights[train])
            for candidate, (slopes, intercepts) in zip(candidates, maps, strict=True):
                candidate[test] = log_proba[test] @ slopes.T + intercepts
    losses = [LOSS.unchecked_value(targets, candidate) @ weights for candidate in candidates]
    return candidates[int(np.argmin(losses))]


def _spread(log_proba: NDArray[np.float64]) -> float:
    """Root mean square of the logits about the mean of their row: the unit that temperatures and penalties are in."""
    spread = float(np.sqrt(np.mean((log_proba - log_proba.mean(axis=1, keepdims=True)) ** 2)))
    return spread if spread > 0 else 1.0


def stratified_folds(codes: NDArray[Any], n_folds: int, random_state: np.random.RandomState) -> NDArray[np.intp]:
    """Number of the fold of each row: each class, and with it the rows, are dealt to the folds in turn.

    scikit-learn's splitter refuses classes with fewer rows than folds, or warns of them; here there may be any.
    """
    order = np.lexsort((random_state.permutation(len(codes)), codes))
    folds = np.empty(len(codes), dtype=np.intp)
    folds[order] = np.arange(len(codes)) % n_folds
    return folds


def _softmax_maps(targets: Any, log_proba: Any, weights: Any) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Slopes (k, k) and intercepts (k,): a temperature, then with each penalty what else lowers the loss."""
    k, total = log_proba.shape[1], weights.sum()
    factor = minimize_scalar(
        lambda t: LOSS.unchecked_value(targets, t * log_proba) @ weights / total, bounds=(0, HOTTEST), method="bounded"
    ).x
    anchor = factor * np.eye(k, k + 1)
    yield anchor[:, :-1], anchor[:, -1]
    # The intercepts are slopes of a column of ones, so that the penalty holds those of absent classes too.
    objective = Objective(
        LOSS,
        np.column_stack([log_proba, np.ones(len(log_proba))]),
        targets,
        weights,
        total=total,
        n_outputs=k,
        alpha=0.0,
        fit_intercept=False,
        random_state=0,
    )
    theta = anchor.reshape(-1)
    for alpha in PENALTIES:
        theta = lbfgs(_Anchored(objective.with_alpha(alpha), anchor), theta, tol=TOL, max_iter=MAX_ITER).theta
        table = theta.reshape(anchor.shape)
        yield table[:, :-1], table[:, -1]


class _Anchored:
    """An objective whose penalty is on the distance from `anchor`: |W - A|^2 = |W|^2 - 2 A.W + |A|^2."""

    sample = None
    """It starts from the solution for another penalty."""

    def __init__(self, objective: Objective, anchor: NDArray[np.float64]):
        self._objective, self.rounding, self.penalised = objective, objective.rounding, objective.penalised
        self._pull = objective.alpha * anchor.reshape(-1)
        self._constant = float(self._pull @ anchor.reshape(-1)) / 2

    def value_and_gradient(self, theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        value, gradient = self._objective.value_and_gradient(theta)
        return value - float(self._pull @ theta) + self._constant, gradient - self._pull

    def curvature(self, theta: NDArray[np.float64]) -> Any:
        return self._objective.curvature(theta)
