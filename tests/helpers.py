"""What several test modules share: the losses' formulas to 60 digits, their derivatives, and random problems.

A new loss is tested once it is in `LOSSES` and its formula in `FORMULAS`: derivatives are differences of the formula.
"""

from dataclasses import fields

import mpmath
import numpy as np
from hypothesis import settings

from skce.losses import LOSSES

mp = mpmath.MPContext()
mp.dps = 60

generated = settings(deadline=None, max_examples=60)  # no deadline: a loaded machine is not a bug


def tolerance(dtype):
    """1e-14 in float64, and as many units in the last place, 45, in float32."""
    return 1e-14 * float(np.finfo(dtype).eps / np.finfo(np.float64).eps)


def _term(mass, log_p, q, gamma):
    """-mass q^gamma log p for the probability p = 1 - q; nothing expected adds nothing, 0 log 0 = 0."""
    return -mass * q**gamma * log_p if mass else mp.zero


def _softmax(y, z, *, label_smoothing=0.0, class_weight=None, gamma=0.0):
    weights = [1.0] * len(z) if class_weight is None else class_weight
    e, k = mp.mpf(label_smoothing), len(z)
    powers = [mp.exp(z_c) for z_c in z]
    total = mp.fsum(powers)
    return mp.fsum(
        _term(w * ((1 - e) * y_c + e / k), z_c - mp.log(total), mp.fsum([*powers[:c], *powers[c + 1 :]]) / total, gamma)
        for c, (w, y_c, z_c) in enumerate(zip(weights, y, z, strict=True))
    )


def _sigmoid(y, z, *, label_smoothing=0.0, class_weight=None, gamma=0.0):
    e = mp.mpf(label_smoothing)
    weights = np.broadcast_arrays(*(class_weight or (1.0, 1.0)), np.empty(len(z)))[:2]
    total = mp.zero
    for y_c, z_c, no, yes in zip(y, z, *weights, strict=True):
        if mp.isnan(y_c):  # an unknown answer
            continue
        smoothed, p, q = (1 - e) * y_c + e / 2, 1 / (1 + mp.exp(-z_c)), 1 / (1 + mp.exp(z_c))
        total += _term(float(yes) * smoothed, -mp.log1p(mp.exp(-z_c)), q, gamma)
        total += _term(float(no) * (1 - smoothed), -mp.log1p(mp.exp(z_c)), p, gamma)
    return total


FORMULAS = {
    "sigmoid_cross_entropy": _sigmoid,
    "sigmoid_focal": _sigmoid,
    "softmax_cross_entropy": _softmax,
    "softmax_focal": _softmax,
}


def rows_of(targets, logits):
    """Rows of targets, as distributions, and of logits, as lists of exact numbers."""
    logits, targets = np.asarray(logits), np.asarray(targets)
    if targets.ndim < logits.ndim:
        targets = np.eye(logits.shape[1])[targets]
    for y, z in zip(targets.reshape(len(logits), -1), logits.reshape(len(logits), -1), strict=True):
        yield [mp.mpf(float(y_c)) for y_c in y], [mp.mpf(float(z_c)) for z_c in z]


def exact_values(name, targets, logits, **options):
    """Loss of each row by its formula, as floats."""
    return np.array([float(FORMULAS[name](y, z, **options)) for y, z in rows_of(targets, logits)])


def exact_gradients(name, targets, logits, **options):
    """Derivatives by central differences with 60 digits: right to 30 digits. 0 at a logit of -inf."""
    h = mp.mpf(10) ** -25

    def derivative(y, z, c):
        if mp.isinf(z[c]):
            return 0.0
        up, down = ([*z[:c], z[c] + step, *z[c + 1 :]] for step in (h, -h))
        return float((FORMULAS[name](y, up, **options) - FORMULAS[name](y, down, **options)) / (2 * h))

    rows = [[derivative(y, z, c) for c in range(len(z))] for y, z in rows_of(targets, logits)]
    return np.array(rows).reshape(np.shape(logits))


def exact_hessians(name, targets, logits, **options):
    """Second derivatives by central differences with 60 digits: right to 20 digits."""
    h = mp.mpf(10) ** -15

    def moved(y, z, c, d, up, across):
        z = list(z)
        z[c] += up
        z[d] += across
        return FORMULAS[name](y, z, **options)

    def second(y, z, c, d):
        same = moved(y, z, c, d, h, h) + moved(y, z, c, d, -h, -h)
        return float((same - moved(y, z, c, d, h, -h) - moved(y, z, c, d, -h, h)) / (4 * h * h))

    rows = rows_of(targets, logits)
    return np.array([[[second(y, z, c, d) for d in range(len(z))] for c in range(len(z))] for y, z in rows])


LOGITS = {
    "near": lambda rng, shape: rng.normal(0, 2, shape),
    "far": lambda rng, shape: rng.normal(0, 6, shape) * 10.0 ** rng.integers(0, 3, shape),  # near and far side by side
    "thousands": lambda rng, shape: rng.uniform(-1e3, 1e3, shape),
    "high": lambda rng, shape: 1e6 + rng.normal(0, 3, shape),
    "low": lambda rng, shape: rng.normal(0, 300, shape) - 1e4,
}
"""Kinds of logits: neither size nor a shift may cost digits."""


def draw_weights(name, k, rng):
    """Class weights of a loss for k logits."""
    return tuple(rng.uniform(0.2, 3, 2 if LOSSES[name].one_question_a_column else k).tolist())


OPTIONS = {
    "plain": lambda name, k, rng: {},
    "smoothed": lambda name, k, rng: {"label_smoothing": 0.15},
    "weighted": lambda name, k, rng: {"class_weight": draw_weights(name, k, rng)},
    "weighted and smoothed": lambda name, k, rng: {
        "label_smoothing": 0.3,
        "class_weight": draw_weights(name, k, rng),
    },
}
"""Fields that every loss has."""

GAMMAS = (0.5, 2.0)  # 0 is cross-entropy, which a test compares


def gamma_of(loss):
    """The focusing exponent, 0 for a loss without one."""
    return getattr(loss, "gamma", 0.0)


def variants(name):
    """Keys of (options, gamma) that a loss may have; gamma is None where it is no field."""
    focal = any(field.name == "gamma" for field in fields(LOSSES[name]))
    return [(options, gamma) for options in OPTIONS for gamma in (GAMMAS if focal else (None,))]


FORMS = {
    True: ["answers", "table of answers", "probabilities", "table of probabilities"],
    False: ["codes", "one-hot", "distributions"],
}
"""Forms that targets may have, for losses of yes/no questions and of classes."""


def random_targets(form, n, k, rng):
    """Targets of the form, and the shape of the logits that belong to them."""
    if form == "codes":
        return rng.integers(k, size=n), (n, k)
    if form == "one-hot":
        return np.eye(k)[rng.integers(k, size=n)], (n, k)
    if form == "distributions":
        y = rng.dirichlet(np.full(k, 0.5), n)
        y[0] = np.eye(k)[-1]
        return y, (n, k)
    shape = (n, k) if form.startswith("table") else (n,)
    if form.endswith("answers"):
        return rng.integers(2, size=shape), shape
    y = rng.random(shape)
    y[0] = 1
    return y, shape


CASES = [
    (name, form, options, gamma)
    for name, loss_class in LOSSES.items()
    for form in FORMS[loss_class.one_question_a_column]
    for options, gamma in variants(name)
]
"""Every loss with every form of targets and every choice of fields."""


def random_problem(case, logits, dtype=np.float64, *, n=6, k=4):
    """(loss, its options, targets, logits), the same at each call."""
    name, form, options, gamma = case
    rng = np.random.default_rng([*map(ord, name + form + options + logits), n, k])
    targets, shape = random_targets(form, n, k, rng)
    if targets.dtype.kind == "f":
        targets = targets.astype(dtype)  # the formula gets what the loss sees
    given = OPTIONS[options](name, k, rng) | ({} if gamma is None else {"gamma": gamma})
    return LOSSES[name](**given), given, targets, LOGITS[logits](rng, shape).astype(dtype)
