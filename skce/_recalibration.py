"""Recalibration: what predictions should have been, judged by what came of them.

Come here for the curve behind a reliability diagram and the second term of a decomposition. It stands after the
classifier because that of several classes is fitted by the library's own solver. Nothing here checks its input.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import isotonic_regression


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
