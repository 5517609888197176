"""A sample of rows that stands for all of them, where there are many more rows than parameters.

A minimum over m rows with q parameters is about q / (2 m) nats above that over all of them, and the Hessian there about
sqrt(q / m) away: near enough for a start and a first model of the Hessian that leave one to three passes over all rows.
"""

from functools import partial
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import check_random_state, gen_batches

from skce import _validation as validation
from skce._rows import Rows, choose

ROWS_PER_PARAMETER = 300
"""A quarter of it costs a pass more, four times as many save half a pass."""

LEAST_PART, LARGEST_PART = 25, 16
"""At least 1/25 of the rows, which costs little; 1/16 at most, which takes no more memory than a fit may."""

LARGEST_SAMPLE = 1 << 25
"""Numbers of a sample from dask, or of one that is larger than its parameters need: 256 MB."""

BLOCK = 1 << 16
"""Rows that are drawn from at a time."""

FEW, FEWER = 20, 5
"""Rows of a class that tell little about it, and rows that bear most of a feature's variance."""

NO_MASS = 1e-12
"""Of all mass: a class that has less is not asked."""


def stand_ins(rows: Any, n_parameters: int, n_classes: int, mass: float, random_state: Any) -> tuple | None:
    """X, targets and weights of rows that stand for all, with their mass; None where all are few, or none can."""
    n, d = rows.n_rows, rows.arrays[0].shape[1]
    size = max(ROWS_PER_PARAMETER * n_parameters, min(n // LEAST_PART, LARGEST_SAMPLE // d))
    lazy = validation.is_dask(rows.arrays[0])
    if size > n // LARGEST_PART or (lazy and size * d > LARGEST_SAMPLE):
        return None
    if lazy:
        index, stands_for = choose(n, size, random_state), np.ones(size)
    else:
        index, stands_for = _draw(rows.arrays[1], rows.arrays[2], size, n_classes, random_state)
    X, targets, own = next(iter(rows.part(index, len(index))))
    weights = stands_for if own is None else stands_for * own
    if lazy and (_few(weights, len(weights) / 2) or _misses_a_class(targets, n_classes)):
        return None
    if _misses_a_feature(X, weights, None if lazy else rows.arrays[0]):
        return None
    return X, targets, (weights * (mass / weights.sum())).astype(X.dtype)


def _draw(targets: np.ndarray, weights: np.ndarray | None, size: int, n_classes: int, random_state: Any) -> tuple:
    """About so many rows, and how many each stands for: neither rare classes nor heavy rows are left to luck.

    Half of the sample is drawn from all rows alike, half from all classes alike and there by weight.
    """
    n = len(targets)
    blocks = list(gen_batches(n, BLOCK))  # no array of all rows is made
    own = [1.0 if weights is None else weights[block] for block in blocks]
    masses = [_masses(targets[block], w, n_classes) for block, w in zip(blocks, own, strict=True)]
    shares = _shares(np.sum(masses, axis=0))
    rng = np.random.default_rng(check_random_state(random_state).randint(2**31 - 1))
    chosen, rates = [], []
    for block, w in zip(blocks, own, strict=True):
        rate = size / 2 * (1 / n + w * _by_class(targets[block], shares))
        drawn = np.flatnonzero(rng.random(len(rate), np.float32) < rate)
        chosen.append(drawn + block.start)
        rates.append(rate[drawn])
    return np.concatenate(chosen), 1 / np.minimum(np.concatenate(rates), 1)


def _masses(targets: np.ndarray, weights: Any, n_classes: int) -> np.ndarray:
    """Weight of each class in a block; of columns that of their answers, yes and no."""
    weights = np.broadcast_to(weights, len(targets))
    if targets.ndim == 2:
        return weights @ _yes_and_no(targets)
    if _are_codes(targets):
        return np.bincount(targets, weights, minlength=n_classes)
    return weights.sum(keepdims=True)


def _shares(masses: np.ndarray) -> np.ndarray:
    """What a unit of each class has of an equal share of all; 0 for a class that has hardly any mass."""
    known = masses > NO_MASS * masses.sum()
    return np.divide(1 / max(known.sum(), 1), masses, out=np.zeros(len(masses)), where=known)


def _by_class(targets: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The share of each row of a block by its targets."""
    if targets.ndim == 2:
        return _yes_and_no(targets) @ shares
    return shares[targets] if _are_codes(targets) else np.full(len(targets), shares[0])


def _yes_and_no(targets: np.ndarray) -> np.ndarray:
    """Both answers to each column's question, side by side; an unknown one is neither."""
    return np.nan_to_num(np.concatenate([targets, 1 - targets], axis=1))


def _are_codes(targets: np.ndarray) -> bool:
    return targets.ndim == 1 and targets.dtype.kind in "iu"


def _few(weights: np.ndarray, least: float) -> bool:
    """Whether fewer rows bear the weight."""
    return not weights.sum() ** 2 >= least * np.vdot(weights, weights)


def _misses_a_class(targets: np.ndarray, n_classes: int) -> bool:
    return bool(_are_codes(targets) and np.bincount(targets, minlength=n_classes).min() < FEW)


def _misses_a_feature(X: Any, weights: np.ndarray, whole: Any) -> bool:
    """Whether a feature varies in few rows of the sample, or in none though it does in the whole, if that is known."""
    features = Rows(X, weights, block_rows=1024)
    with np.errstate(all="ignore"):
        mass, first = features.sum(lambda x, w: (w.sum(dtype=np.float64), w @ x))
        spread, peaked = features.sum(partial(_spread, first / mass))
        varies = spread > 1e-20 * mass * (first / mass) ** 2
        few = spread[varies] ** 2 < FEWER * peaked[varies]
    if few.any() or not np.isfinite(spread).all():
        return True
    return any(whole is None or _varies(whole, int(column)) for column in np.flatnonzero(~varies))


def _spread(center: np.ndarray, X: Any, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A block's sums of w z^2 and (w z^2)^2, z from the center."""
    X = X.toarray() if sparse.issparse(X) else X
    squares = weights[:, None] * (X - center) ** 2
    return squares.sum(axis=0), np.einsum("ij,ij->j", squares, squares)


def _varies(X: Any, column: int) -> bool:
    """Whether a column of all rows has two values."""
    if sparse.issparse(X):
        values = X.data[X.indices == column]
        return bool(len(values) and (len(values) < X.shape[0] or np.ptp(values) > 0))
    return bool((X[:, column] != X[0, column]).any())
