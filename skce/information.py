"""Entropy, cross-entropy and divergences of discrete distributions, in nats, bits or base 10.

p and q are arrays of probabilities, distributions along `axis`. They are checked, never renormalised. Zeros follow
the limits: 0 log 0 = 0, and p > 0 where q = 0 is infinitely surprising. Metrics of classifiers are in `metrics`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skce import _kernels as kernels
from skce import _validation as validation
from skce._rows import Rows


def entropy(p: ArrayLike, *, axis: int = -1, base: float | None = None) -> float | NDArray[Any]:
    r"""Entropy of a distribution: the mean surprise of its outcomes, 0 for a certain one, log k for k even ones.

    .. math:: H(p) = -\sum_c p_c \log p_c

    Parameters
    ----------
    p : array-like of shape (..., k, ...)
        Probabilities that sum to 1 along `axis`, within 1e-4, or 1e-3 in half precision.
    axis : int, default=-1
        Axis of the outcomes.
    base : float, default=None
        Base of the logarithm: None for e (nats), 2 for bits, 10.

    Returns
    -------
    float or ndarray
        A float for one distribution, else an array without `axis`.

    Raises
    ------
    ValueError
        If `p` is not made of distributions, or `base` is not positive or is 1.

    References
    ----------
    Shannon, C. E., "A Mathematical Theory of Communication", 1948, doi:10.1002/j.1538-7305.1948.tb01338.x

    Examples
    --------
    >>> from skce import entropy
    >>> entropy([0.5, 0.5], base=2)
    1.0
    >>> round(entropy([26 / 30, 4 / 30], base=2), 4)
    0.5665
    """
    return _measure(kernels.entropy_of_rows, axis, base, p=p)


def cross_entropy(p: ArrayLike, q: ArrayLike, *, axis: int = -1, base: float | None = None) -> float | NDArray[Any]:
    r"""Cross-entropy of q under p: the mean surprise of someone who expects q where p is true. Least, H(p), at q = p.

    .. math:: H(p, q) = -\sum_c p_c \log q_c = H(p) + D_{KL}(p \| q)

    Parameters
    ----------
    p, q : array-like of shape (..., k, ...)
        The true and the expected distributions, of shapes that broadcast. Infinite where p > 0 and q = 0.
    axis : int, default=-1
        Axis of the outcomes.
    base : float, default=None
        Base of the logarithm: None for e (nats), 2 for bits, 10.

    Returns
    -------
    float or ndarray
        A float for one pair of distributions, else an array without `axis`.

    Raises
    ------
    ValueError
        If `p` or `q` is not made of distributions, their shapes differ, or `base` is not positive or is 1.

    Examples
    --------
    >>> from skce import cross_entropy
    >>> round(cross_entropy([1, 0, 0, 0], [0.775, 0.116, 0.039, 0.070], base=2), 4)
    0.3677
    """
    return _measure(kernels.cross_entropy_of_rows, axis, base, p=p, q=q)


def kl_divergence(p: ArrayLike, q: ArrayLike, *, axis: int = -1, base: float | None = None) -> float | NDArray[Any]:
    r"""Kullback-Leibler divergence of q from p: what expecting q costs beyond H(p). Never negative, 0 only at q = p.

    .. math:: D_{KL}(p \| q) = \sum_c p_c \log \frac{p_c}{q_c}

    It is not symmetric. Also called relative entropy. A sum that is negative, by rounding or because `p` and `q` do
    not sum to 1 exactly, counts as 0.

    Parameters
    ----------
    p, q : array-like of shape (..., k, ...)
        The true and the expected distributions, of shapes that broadcast. Infinite where p > 0 and q = 0.
    axis : int, default=-1
        Axis of the outcomes.
    base : float, default=None
        Base of the logarithm: None for e (nats), 2 for bits, 10.

    Returns
    -------
    float or ndarray
        A float for one pair of distributions, else an array without `axis`.

    Raises
    ------
    ValueError
        If `p` or `q` is not made of distributions, their shapes differ, or `base` is not positive or is 1.

    References
    ----------
    Kullback, S., R. A. Leibler, "On Information and Sufficiency", 1951, doi:10.1214/aoms/1177729694

    Examples
    --------
    >>> from skce import kl_divergence
    >>> round(kl_divergence([0.5, 0.5], [0.25, 0.75]), 4), round(kl_divergence([0.25, 0.75], [0.5, 0.5]), 4)
    (0.1438, 0.1308)
    """
    return _measure(_kullback_leibler, axis, base, p=p, q=q)


def js_divergence(p: ArrayLike, q: ArrayLike, *, axis: int = -1, base: float | None = None) -> float | NDArray[Any]:
    r"""Jensen-Shannon divergence: symmetric, always finite, 0 only at p = q and at most log 2 (1 bit).

    .. math:: D_{JS}(p, q) = \tfrac12 D_{KL}(p \| m) + \tfrac12 D_{KL}(q \| m), \quad m = \tfrac12 (p + q)

    Its square root is the Jensen-Shannon distance, which `scipy.spatial.distance.jensenshannon` returns.

    Parameters
    ----------
    p, q : array-like of shape (..., k, ...)
        Distributions, of shapes that broadcast.
    axis : int, default=-1
        Axis of the outcomes.
    base : float, default=None
        Base of the logarithm: None for e (nats), 2 for bits, 10.

    Returns
    -------
    float or ndarray
        A float for one pair of distributions, else an array without `axis`.

    Raises
    ------
    ValueError
        If `p` or `q` is not made of distributions, their shapes differ, or `base` is not positive or is 1.

    References
    ----------
    Lin, J., "Divergence Measures Based on the Shannon Entropy", 1991, doi:10.1109/18.61115

    Examples
    --------
    >>> from skce import js_divergence
    >>> js_divergence([1, 0], [0, 1], base=2)
    1.0
    """
    return _measure(_jensen_shannon, axis, base, p=p, q=q)


def _measure(
    kernel: Callable[..., NDArray[Any]], axis: int, base: float | None, **distributions: ArrayLike
) -> float | NDArray[Any]:
    """What `kernel` makes of the rows of distributions along `axis`, in units of log(base)."""
    log_base = validation.check_base(base)
    arrays = validation.check_distributions(axis, **distributions)
    shape = np.moveaxis(arrays[0], axis, -1).shape
    rows = [np.moveaxis(a, axis, -1).reshape(-1, shape[-1]) for a in arrays]

    def checked(*blocks: Any) -> Any:
        for name, block, whole in zip(distributions, blocks, rows, strict=True):
            good = kernels.are_distributions(block, validation.SUM_TOLERANCE)
            if not (good or validation.hold_probabilities(block, exclusive=True)):
                validation.check_probabilities(whole, name)
        return kernel(*map(np.ascontiguousarray, blocks))  # sums along a long stride are less accurate

    out = np.empty(len(rows[0]), dtype=rows[0].dtype)
    result = Rows(*rows, block_rows=kernels.block_rows(shape[-1], out.itemsize)).map(checked, out)
    result /= log_base
    return float(result[0]) if len(shape) == 1 else result.reshape(shape[:-1])


def _kullback_leibler(p: NDArray[Any], q: NDArray[Any]) -> NDArray[Any]:
    """A divergence is never negative; its rounded sum may be, in the last digits, and then is 0."""
    return np.maximum(kernels.relative_entropy_of_rows(p, q), 0)


def _jensen_shannon(p: NDArray[Any], q: NDArray[Any]) -> NDArray[Any]:
    middle = np.maximum(p + (q - p) / 2, np.finfo(p.dtype).smallest_subnormal)  # half of the least number is 0
    sums = kernels.relative_entropy_of_rows(p, middle) + kernels.relative_entropy_of_rows(q, middle)
    return np.maximum(sums / 2, 0)
