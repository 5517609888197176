"""Numerical primitives on one block of rows, in plain NumPy.

All speed tricks live here, each with its measured reason, so that the losses read like their formulas. A block is a
float array (b, k) small enough to stay in cache; `e` is scratch of its shape that a kernel fills. Nothing here checks
its input or knows what a loss is. The figures are nanoseconds per element in float64 on a CPU with AVX-512.
"""

from functools import cache, lru_cache

import numpy as np
from scipy import sparse, special
from threadpoolctl import threadpool_info

BLOCK_BYTES = 1 << 20
"""Scratch per block, and as much of input beside it: within 1.1 from 1 to 4 MiB where the cache behind that of the core
is fast (AMD), up to 1.3 slower from 2 MiB where it is not (Intel); at 32 KiB the calls' fixed cost makes it 2 to 5."""

NARROW = 40
"""Up to this many columns a loop over them beats NumPy's reduction along a short axis (max, k = 10: 0.5, not 3.9)."""


def block_rows(width, itemsize=8):
    """Rows of a block whose scratch has `width` columns."""
    return max(1, BLOCK_BYTES // (max(1, width) * itemsize))


MODERATE = (1e-6, 1e6)
"""Sums of exponentials whose logarithm is of the size of a loss."""

COMPARABLE = 1000
"""Ratio of masses up to which the logarithm of a row's small probabilities outweighs the rounding of one near 1."""

SMALL_PRODUCT, FEW = 1_000_000, 64
"""Multiplications up to which OpenBLAS has kernels for small matrices, and rows that are too few to be worth a call."""


def linear(X, coef, intercept, out=None):
    """Logits X W^T + b, (n, k), of dense or sparse X, by as many threads as BLAS may use."""
    logits = X @ coef.T if sparse.issparse(X) else np.matmul(X, coef.T, out=out)
    logits += intercept
    return logits


def block_linear(X, coef, intercept, out=None):
    """`linear` for a block, by one thread; `coef` in Fortran's order takes half the time for two or three classes."""
    parts = _small_parts(X, len(coef))
    if parts is None:
        return linear(X, coef, intercept, out)
    logits = np.empty((len(X), len(coef)), np.result_type(X, coef)) if out is None else out
    rest = parts[0] * parts[1]
    np.matmul(_stacked(X, *parts), coef.T, out=_stacked(logits, *parts))
    np.matmul(X[rest:], coef.T, out=logits[rest:])
    logits += intercept
    return logits


def weight_gradient(X, gradient):
    """The derivative in W, (k, d), of a function of the logits X W^T whose derivative in those is `gradient`."""
    if sparse.issparse(X):
        return (X.T @ gradient).T
    parts = _small_parts(X, gradient.shape[1])
    if parts is None:
        return gradient.T @ X
    rest = parts[0] * parts[1]
    products = np.matmul(_stacked(gradient, *parts).transpose(0, 2, 1), _stacked(X, *parts))
    return products.sum(axis=0) + gradient[rest:].T @ X[rest:]


def _small_parts(X, k):
    """How many tables of how many rows have small products with k columns; None where that is no gain."""
    n, d = X.shape
    size = SMALL_PRODUCT // max(1, d * k)
    if n <= size or size < FEW or k == 1 or sparse.issparse(X) or not _has_small_kernels():
        return None
    return n // size, size


def _stacked(a, number, size):
    """The first rows as so many tables, whose products are one call: a view, also of Fortran's order."""
    shape, strides = (number, size, a.shape[1]), (size * a.strides[0], *a.strides)
    return np.lib.stride_tricks.as_strided(a, shape, strides)


@cache
def _has_small_kernels():
    """Whether small products are the faster ones: 48 GFLOP/s for k = 10 and not 23; by a tenth slower where not."""
    with_avx512 = {"SkylakeX", "Cooperlake", "SapphireRapids"}
    return any(library.get("architecture") in with_avx512 for library in threadpool_info())


def row_sums(a):
    """Sum of each row, (b,). As a product with ones: 0.25 at k = 10, where `a.sum(axis=1)` takes 1.9."""
    if a.shape[1] == 2:
        return a[:, 0] + a[:, 1]
    if a.shape[1] == 3:  # 0.4, not 0.8
        return a[:, 0] + a[:, 1] + a[:, 2]
    return a @ _ones(a.shape[1], a.dtype)


def row_max(a):
    """Largest entry of each row, (b,)."""
    if a.shape[1] > NARROW:
        return a.max(axis=1)
    result = a[:, 0].copy()
    for j in range(1, a.shape[1]):
        np.maximum(result, a[:, j], out=result)
    return result


def row_products(a):
    """Product of each row of few columns, (b,)."""
    result = a[:, 0].copy()
    for j in range(1, a.shape[1]):
        result *= a[:, j]
    return result


def scale_rows(a, factor):
    """Multiply row i by factor[i], in place."""
    if a.shape[1] <= 4:  # by columns 0.4 to 0.5, repeated 0.6, by broadcasting 0.9
        for j in range(a.shape[1]):
            a[:, j] *= factor
    elif a.shape[1] <= NARROW:  # k = 10: 0.42, by broadcasting 0.55
        a *= factor.repeat(a.shape[1]).reshape(a.shape)
    else:
        a *= factor[:, None]


def weighted(values, weights):
    """Losses (b,) times the rows' weights, or as they are; inf in a row that does not count makes no nan."""
    if weights is None:
        return values
    if weights.min() > 0:
        return values * weights
    out = np.zeros(len(values), np.result_type(values, weights))
    return np.multiply(values, weights, out=out, where=weights > 0)


def subtract_from_rows(a, row):
    """Subtract the same row, (k,), from each, in place. One number for all columns takes 0.2, a row 0.9 at k = 10."""
    a -= row[0] if row.min() == row.max() else row


def gather(a, codes):
    """a[i, codes[i]] for each row, (b,)."""
    if a.flags.c_contiguous:
        return a.take(positions(codes, a.shape[1]), mode="clip")  # mode="raise" copies
    return a[np.arange(len(codes)), codes]


def positions(codes, k):
    """Flat positions of the labels' entries in a C-ordered block with k columns."""
    return _row_starts(len(codes), k) + codes


@lru_cache(maxsize=4)
def _row_starts(n_rows, k):
    """Flat positions of the rows of a block: the blocks of a call have one size, and making it takes 0.5 a row."""
    starts = np.arange(0, n_rows * k, k)
    starts.flags.writeable = False
    return starts


@lru_cache(maxsize=4)
def _ones(k, dtype):
    """Ones: making them takes as long as the product with a few rows."""
    ones = np.ones(k, dtype)
    ones.flags.writeable = False
    return ones


def softmax(z):
    """Probabilities of logits (b, k). scipy.special's takes three times as long for a few hundred rows."""
    with np.errstate(invalid="ignore"):
        p = z - row_max(z)[:, None]
        np.exp(p, out=p)
        scale_rows(p, 1 / row_sums(p))
    return p


def exp_rows(z, e, low, high, reduce):
    """Fill `e` with exp(z), shifted by the row maxima only if a row's sum leaves [low, high].

    `reduce(e)` is called on the exponentials, may change them, and returns a tuple whose first item is the row sums.
    Returns that tuple and the shift, (b,) or 0.0. The maximum and the subtraction cost more than exp for small k.
    """
    np.exp(z, out=e)
    parts = reduce(e)
    if parts[0].min() >= low and parts[0].max() <= high:
        return parts, 0.0
    shift = row_max(z)
    np.exp(np.subtract(z, shift[:, None], out=e), out=e)
    return reduce(e), shift


def softmax_of_codes(z, codes, e, moderate=False):
    """Fill `e` with exponentials of each row, 0 at the label; return (row sums, label's, sum of others, shift, flat).

    Kept apart because their ratio loses nothing: log1p(others / label) is right to the last digits for confident rows,
    where log(sum) - z_y cancels to 0, and so is the gradient -others / sum at the label where p - 1 would cancel.
    `flat` are the labels' positions. `moderate` sums are within MODERATE, so that nothing cancels when the logits
    themselves are used beside them.
    """
    flat = positions(codes, z.shape[1])
    entries = e.reshape(-1)

    def split(e):
        label = entries.take(flat, mode="clip")
        entries[flat] = 0
        others = row_sums(e)
        return label + others, label, others

    limits = np.finfo(z.dtype)
    low, high = MODERATE if moderate else (limits.tiny**0.15, limits.max**0.5)  # others of tiny^0.85 keep their digits
    parts, shift = exp_rows(z, e, low, high, split)
    return *parts, shift, flat


def negative_log(z, codes, label, others, shift):
    """-log softmax(z)[codes] from the parts of `softmax_of_codes`, (b,)."""
    loss = others / label
    np.log1p(loss, out=loss)
    tiny = np.finfo(z.dtype).tiny
    if label.min() < tiny or loss.max() == np.inf:  # the label's exponential underflowed, or the ratio overflowed
        rows = np.flatnonzero((label < tiny) | (loss == np.inf))
        shift = shift[rows] if isinstance(shift, np.ndarray) else shift
        loss[rows] = np.log(label[rows] + others[rows]) - (z[rows, codes[rows]] - shift)
    return loss


def shifted(z, shift):
    """z minus what `exp_rows` shifted its rows by."""
    return z - shift[:, None] if isinstance(shift, np.ndarray) else z


def spread_negative_log(z, sums, shift, spread):
    """-sum_c spread_c log softmax(z)_c with the same `spread` (k,) for all rows, from moderate sums."""
    z = shifted(z, shift)
    if spread.min() == 0:  # 0 * -inf
        z, spread = z[:, spread > 0], spread[spread > 0]
    return spread.sum() * np.log(sums) - z @ spread


def spread_minus_log(p, spread, eps):
    """-sum_c spread_c log p_c with the same `spread` (k,) for all rows, of p clipped to [eps, 1 - eps]."""
    p = _clipped(p, p.min(), eps)
    if spread.min() == spread.max() > 0:
        return 0 - spread[0] * log_sums(p, eps)
    return 0 - np.log(_massive(p, spread)) @ spread[spread > 0]


def total_spread_minus_log(p, spread, eps, least):
    """The sum over the rows of `spread_minus_log`, in float64, of probabilities that are at least `least`.

    Logarithms of products of rows, column by column: 0.3 at k = 10, where those of the products of each row take 0.8.
    Products of numbers near 1 lose what their logarithms are made of; so others, of the same row, must weigh too.
    """
    p = _clipped(p, least, eps)
    folded = row_folds(p, max(least, eps)) if spread.min() >= spread.max() / COMPARABLE else p
    return 0 - float((np.log(_massive(folded, spread)) @ spread[spread > 0]).sum(dtype=np.float64))


def total_log_of_both(p, eps):
    """The sum of log p + log(1 - p) over the rows (b,), in float64, of both at least eps: by products of rows."""
    both = (1 - p).clip(eps)
    both *= p
    return float(np.log(row_folds(both, both.min())).sum(dtype=np.float64))


def _clipped(p, least, eps):
    """p clipped to [eps, 1 - eps]: for most blocks p as it is.

    With the machine's eps the upper end is left alone, where what changes is less than rounding of the rows' losses.
    """
    return p.clip(eps, 1 - eps) if least < eps or (eps > np.finfo(p.dtype).eps and p.max() > 1 - eps) else p


def _massive(p, spread):
    """The columns that have mass: 0 * -inf is no number."""
    return p if spread.min() > 0 else p[:, spread > 0]


def row_folds(p, least):
    """Few rows whose products, column by column, are those of all rows, of numbers in [least, 1].

    As many of them at a time as cannot underflow, up to 64: 0.2, where those of halves and their halves take 0.5.
    """
    n_rows = -(-len(p) // int(min(most_factors(p.dtype, least), 64)))
    if n_rows == len(p):
        return p
    factors = len(p) // n_rows
    folded = np.multiply.reduce(p[: factors * n_rows].reshape(factors, n_rows, -1), axis=0)
    folded[: len(p) - factors * n_rows] *= p[factors * n_rows :].reshape(-1, folded.shape[1])
    return folded


def most_factors(dtype, least):
    """How many numbers in [least, 1] have a product that cannot underflow, at least one."""
    return max(1, np.log(np.finfo(dtype).tiny) / np.log(least)) if least < 1 else np.inf


def log_sums(p, least):
    """Sum of the logarithms of each row, (b,), of numbers in [least, 1].

    Logarithms of products that cannot underflow: 0.7 at k = 10, where the logarithms of all k and their sum take 1.1.
    """
    factors = most_factors(p.dtype, least)
    while p.shape[1] % 2 == 0 and factors >= 2:
        flat, factors = p.reshape(-1), factors / 2
        p = (flat[::2] * flat[1::2]).reshape(len(p), -1)
    if p.shape[1] > NARROW or factors < 2:
        return row_sums(np.log(p))
    step = int(min(factors, p.shape[1]))
    return sum(np.log(row_products(p[:, j : j + step])) for j in range(0, p.shape[1], step))


SHARPEST = 1e30
"""A focal loss's gamma from which every power of a number below 1 is 0 already; single precision holds it."""


def focus(loss, q, gamma):
    """Focal factors of probabilities p = 1 - q with -log p = `loss`: of the value, q^gamma, and of the gradient.

    The latter is q^(gamma - 1) (q + gamma p loss). Below gamma = 1, where that power has no limit at p = 1, it is
    q^gamma (1 + gamma p loss / q), in which loss / q has the limit 1. At p = 0 the limit of p loss is 0.
    """
    slope, gamma = 1 - q, min(gamma, SHARPEST)
    slope *= loss
    slope *= gamma
    if gamma >= 1:  # without a division 0.7 of the time
        power = q if gamma == 2 else q ** (gamma - 1)
        slope += q
        slope *= power
        power = power * q
    else:
        slope /= q
        if not q.min() > 0:
            slope[q == 0] = gamma
        slope += 1
        power = q**gamma
        slope *= power
    if not loss.max() < np.inf:
        slope[loss == np.inf] = 1
    return power, slope


def softmax_of_mass(z, mass, e):
    """Fill `e` with exponentials; return (their row sums, log of the sums minus z, weighted by mass and summed).

    The second is sum_c mass_c (log S - z_c) = -sum_c mass_c log p_c. Its terms are of the size of log S, so rows are
    shifted unless S is moderate: then every term of the sum is non-negative and nothing cancels.
    """
    (sums,), shift = exp_rows(z, e, *MODERATE, lambda e: (row_sums(e),))
    product = mass * shifted(z, shift)
    dots = row_sums(product)
    if np.isnan(dots).any():  # 0 * -inf: a class without target mass adds nothing
        product[mass == 0] = 0
        dots = row_sums(product)
    return sums, row_sums(mass) * np.log(sums) - dots


def focal_softmax_of_mass(z, mass, gamma, e):
    """Fill `e` with exponentials; return (their row sums, the focal loss, what the mass comes to in its gradient)."""
    (sums,), shift = exp_rows(z, e, *MODERATE, lambda e: (row_sums(e),))
    loss = np.log(sums)[:, None] - shifted(z, shift)
    np.maximum(loss, 0, out=loss)
    factor, slope = focus(loss, -np.expm1(-loss), gamma)
    values = mass * (factor * loss)
    if np.isinf(loss).any():  # 0 * inf: a class without target mass adds nothing
        values[mass == 0] = 0
    return sums, row_sums(values), mass * slope


def logistic_of_codes(z, codes, q=None, spread=0.0):
    """-log of the logistic probability p of 0/1 codes, any shape; fills `q` with 1 - p. Returns it and `flip`.

    `flip` are the bits that change the sign where the code is 1: exclusive or takes 0.2, a product with 1 or -1 twice
    that. With m = flip(z) and t = exp(m) the loss is log1p(t), q is t / (1 + t), and flip(q) is the gradient.
    What smoothing gives to the other answer, `spread` of a mass of 1, takes spread * m off the one, spread the other.
    """
    bits = _bits(z)
    flip = codes.astype(bits.dtype, copy=False) << 8 * z.itemsize - 1
    t = (bits ^ flip).view(z.dtype)
    linear = spread * t if spread else None
    np.exp(t, out=t)
    far = None if t.max() < np.inf else t == np.inf
    if q is not None:
        np.divide(t, np.add(t, 1, out=q), out=q)
    loss = np.log1p(t, out=t)
    if linear is not None:
        loss -= linear
    if far is not None:  # log1p(exp(m)) = m
        loss[far] = (1 - spread) * np.abs(z[far])
        if q is not None:
            q[far] = 1
    if spread and q is not None:
        q -= spread
    return loss, flip


def flip_signs(a, flip):
    """Change the sign of a float array in place where the bits of `flip` say so."""
    bits = _bits(a)
    bits ^= flip


def _bits(a):
    """A float array as integers, whose sign is that of the numbers."""
    return a.view(np.int64 if a.dtype == np.float64 else np.int32)


def logistic_of_mass(z, negative, positive, gradient=None):
    """-negative log sigmoid(-z) - positive log sigmoid(z), any shape; fills `gradient` if given.

    Of the two answers the sign of z speaks against one, whose mass is `wrong`, and for the other. Without the mass of
    either apart, and with what is there written over, it takes 8 where one term after the other takes 20.
    """
    size, bits, mass = np.abs(z), _bits(z), negative + positive
    wrong = np.where(bits < 0, positive, negative)
    t = np.exp(-size)
    loss = np.log1p(t)
    loss *= mass
    if gradient is not None:
        mass -= wrong  # right, to all digits beside wrong
        mass *= t
        t += 1
        np.divide(np.subtract(wrong, mass, out=gradient), t, out=gradient)
        flip_signs(gradient, bits & np.iinfo(bits.dtype).min)
    size *= wrong
    loss += size
    if np.isnan(loss.max()):  # 0 * inf: an answer without target mass adds nothing
        loss[(wrong == 0) & np.isinf(z)] = 0
    return loss


def focal_logistic_of_mass(z, negative, positive, gamma, gradient=None):
    """The same with each term weighted by the other answer's probability to the power gamma."""
    t = np.exp(-np.abs(z))
    tail = np.log1p(t)
    near = 1 / (1 + t)
    far = t * near
    up = z >= 0
    yes, no = np.where(up, near, far), np.where(up, far, near)  # sigmoid(z), sigmoid(-z), each to the last digits
    loss_yes, loss_no = tail + np.maximum(-z, 0), tail + np.maximum(z, 0)
    factor_yes, slope_yes = focus(loss_yes, no, gamma)
    factor_no, slope_no = focus(loss_no, yes, gamma)
    loss_yes *= factor_yes
    loss_no *= factor_no
    loss = negative * loss_no + positive * loss_yes
    if np.isnan(loss.max()):  # 0 * inf: an answer without target mass adds nothing
        loss = np.where(negative > 0, negative * loss_no, 0) + np.where(positive > 0, positive * loss_yes, 0)
    if gradient is not None:
        np.subtract(negative * slope_no * yes, positive * slope_yes * no, out=gradient)
    return loss


def entropy_of_rows(p):
    """-sum p log p of each row. log(p + tiny) is exact for p > 1e-290 and finite at 0; a mask costs three passes."""
    terms = p + np.finfo(p.dtype).tiny
    np.log(terms, out=terms)
    terms *= p
    return 0 - row_sums(terms)


def cross_entropy_of_rows(p, q):
    """-sum p log q of each row; 0 where p is 0, inf where only q is."""
    if q.min() == 0:
        return 0 - row_sums(special.xlogy(p, q))
    terms = np.log(q)
    terms *= p
    return 0 - row_sums(terms)


def relative_entropy_of_rows(p, q):
    """sum p log(p / q) of each row; 0 where p is 0, inf where only q is."""
    tiny = np.finfo(p.dtype).tiny
    if q.min() <= tiny:  # 0, or so small that the ratio overflows
        return row_sums(special.xlogy(p, p) - special.xlogy(p, q))
    terms = p + tiny
    terms /= q
    np.log(terms, out=terms)
    terms *= p
    return row_sums(terms)


def are_distributions(p, tolerance):
    """Whether a block is made of probabilities in [0, 1], in rows that sum to 1 within `tolerance`."""
    return bool(least_of_distributions(p, tolerance) >= 0)


def least_of_distributions(p, tolerance):
    """The least entry of a block of probabilities in [0, 1], in rows that sum to 1 within `tolerance`; else nan.

    What a row sums to, and that all but one of its entries are at least the least, tell that this one is at most 1: so
    the least, which others want to know, takes no pass more, unless there is a 0.
    """
    least = p.min()  # first: it brings the block into cache
    sums = row_sums(p) if least >= 0 else np.full(1, np.nan)
    smallest, largest = sums.min(), sums.max()
    if not (1 - smallest <= tolerance and largest - 1 <= tolerance):
        return np.nan
    k, eps = p.shape[1], np.finfo(p.dtype).eps
    surely = largest * (1 + k * eps) - (k - 1) * least <= 1
    return least if surely or are_probabilities(p) else np.nan


def are_probabilities(p):
    """Whether every entry of a float block is in [0, 1], in one pass.

    Viewed as unsigned integers the values of [0, 1] are exactly those up to the bits of 1.0: negative numbers, those
    above 1, inf and nan are larger. So is -0.0, which the slow check that follows a failure lets pass.
    """
    bits, one = (np.uint64, 0x3FF0_0000_0000_0000) if p.dtype == np.float64 else (np.uint32, 0x3F80_0000)
    return p.view(bits).max() <= one
