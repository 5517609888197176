"""A sample of rows that stands for all of them, where there are many more rows than parameters.

A minimum over m rows with q parameters is about q / (2 m) nats above that over all of them, and the Hessian there about
q / m away: near enough for a start and a model of the Hessian that leave one to three passes over all rows.
"""

from typing import Any

import numpy as np
from sklearn.utils import check_random_state, gen_batches

from skce import _validation as validation
from skce._rows import choose

ROWS_PER_PARAMETER = 300
"""A quarter of it costs a pass more, four times as many save half a pass."""

LEAST_PART, LARGEST_PART = 25, 12
"""At least 1/25 of the rows, which costs little; 1/12 at most, which takes no more memory than a fit may."""

LARGEST_SAMPLE = 1 << 25
"""Numbers of a sample from dask, or of one that is larger than its parameters need: 256 MB."""

BLOCK = 1 << 16
"""Rows that are drawn from at a time."""

FEW = 20
"""Rows of a class that tell little about it."""


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
        index, stands_for = _draw(rows.arrays[1], rows.arrays[2], size, random_state)
    X, targets, own = next(iter(rows.part(index, len(index))))
    weights = stands_for if own is None else stands_for * own
    if lazy and _too_rough(targets, weights, n_classes):
        return None
    return X, targets, (weights * (mass / weights.sum())).astype(X.dtype)


def _draw(targets: np.ndarray, weights: np.ndarray | None, size: int, random_state: Any) -> tuple:
    """About so many rows, and how many each stands for: neither rare classes nor heavy rows are left to luck.

    Half of the sample is drawn from all rows alike, half from all classes alike and there by weight.
    """
    n = len(targets)
    shares = _shares(targets, weights)
    rng = np.random.default_rng(check_random_state(random_state).randint(2**31 - 1))
    chosen, rates = [], []
    for part in gen_batches(n, BLOCK):  # no array of all rows is made
        rate = _by_class(targets[part], shares)
        if weights is not None:
            rate = rate * weights[part]
        rate = size / 2 * (1 / n + np.nan_to_num(rate))
        drawn = np.flatnonzero(rng.random(len(rate), np.float32) < rate)
        chosen.append(drawn + part.start)
        rates.append(rate[drawn])
    return np.concatenate(chosen), 1 / np.minimum(np.concatenate(rates), 1)


def _shares(targets: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """What a unit of each class has of an equal share; 0 for a class that has no mass, or an unknown one."""
    if targets.ndim == 2:
        masses = (np.ones(len(targets)) if weights is None else weights) @ targets
    elif _are_codes(targets):
        masses = np.bincount(targets, weights)
    else:
        masses = np.array([len(targets) if weights is None else weights.sum()])
    known = masses > 0
    return np.divide(1 / max(known.sum(), 1), masses, out=np.zeros(len(masses)), where=known)


def _by_class(targets: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The share of each row by its targets."""
    if targets.ndim == 2:
        return targets @ shares
    return shares[targets] if _are_codes(targets) else np.full(len(targets), shares[0])


def _are_codes(targets: np.ndarray) -> bool:
    return targets.ndim == 1 and targets.dtype.kind in "iu"


def _too_rough(targets: np.ndarray, weights: np.ndarray, n_classes: int) -> bool:
    """Whether few rows bear most of the weight, or a class has hardly any."""
    few_rows = weights.sum() ** 2 < len(weights) / 2 * np.vdot(weights, weights)
    return bool(few_rows or (_are_codes(targets) and np.bincount(targets, minlength=n_classes).min() < FEW))
