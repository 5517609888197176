"""Losses of a classifier as functions of its logits: value, gradient and curvature for each row.

A loss is immutable and pointwise: it knows no mean, no sample weights and no X. One class per loss; `LOSSES` at the
end is what the tests, the metrics and the classifier walk. Come here to train a model of your own, or to add a loss.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from skce import _kernels as kernels
from skce import _validation as validation
from skce._rows import Rows

RAREST = 1e-12
"""Least frequency that a class counts for where the best constant logits are looked for: they stay finite."""


class Curvature(NamedTuple):
    """Second derivatives of a loss in the logits, for each row the matrix `diag(diagonal_i) - factor_i factor_i^T`.

    Attributes
    ----------
    diagonal : ndarray of shape (n, k)
    factor : ndarray of shape (n, k) or None
        None stands for zero: the logits do not interact.
    """

    diagonal: NDArray[Any]
    factor: NDArray[Any] | None

    def matrices(self) -> NDArray[Any]:
        """The matrices themselves, (n, k, k).

        Examples
        --------
        >>> from skce import SoftmaxCrossEntropy
        >>> SoftmaxCrossEntropy().curvature([0], [[0.0, 0.0]]).matrices()
        array([[[ 0.25, -0.25],
                [-0.25,  0.25]]])
        """
        result = self.diagonal[:, :, None] * np.eye(self.diagonal.shape[1], dtype=self.diagonal.dtype)
        if self.factor is not None:
            result -= self.factor[:, :, None] * self.factor[:, None, :]
        return result


@dataclass(frozen=True)
class Loss(ABC):
    """A loss of each row, as a function of its logits. The smaller the better.

    Parameters
    ----------
    label_smoothing : float, default=0.0
        Part e in [0, 1) of each target that is spread evenly over the classes: (1 - e) y + e / k.
    class_weight : sequence of float of shape (k,), default=None
        Weight w of each class's term in the sum over the classes.
    """

    label_smoothing: float = 0.0
    class_weight: Sequence[float] | NDArray[Any] | None = None

    shift_invariant: ClassVar[bool]
    """Whether adding a number to all logits of a row changes nothing."""

    _one_column: ClassVar[bool]
    """Whether each logit stands for a yes/no question of its own, with targets of the logits' shape."""

    def __post_init__(self) -> None:
        validation.check_number("label_smoothing", self.label_smoothing, 0.0, 1.0)
        object.__setattr__(self, "class_weight", validation.check_class_weights(self.class_weight))

    def value(self, targets: ArrayLike, logits: ArrayLike) -> NDArray[Any]:
        """Loss of each row, in nats.

        Parameters
        ----------
        targets : array-like of shape (n,) or of the logits' shape
            Integer class codes, or what each output should be, in [0, 1].
        logits : array-like of shape (n, k)
            float32 and float64 keep their type. -inf adds nothing where the target is 0.

        Returns
        -------
        ndarray of shape (n,)

        Raises
        ------
        ValueError
            If shapes do not match, codes are out of range, or logits are nan or +inf.
        """
        y, z = self._check(targets, logits)
        values = _blocks(z, y).map(lambda z, y: self.block(y, z), np.empty(len(z), dtype=z.dtype))
        self._explain(z, values)
        return values

    def gradient(self, targets: ArrayLike, logits: ArrayLike) -> NDArray[Any]:
        """Derivative of each row's loss in its logits, of the logits' shape. Parameters as for `value`."""
        return self.value_and_gradient(targets, logits)[1]

    def value_and_gradient(self, targets: ArrayLike, logits: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
        """`value` and `gradient` in one pass, for little more than the price of one."""
        y, z = self._check(targets, logits)
        gradient = np.empty(z.shape, dtype=z.dtype)
        values = _blocks(z, y, gradient).map(lambda z, y, g: self.block(y, z, g), np.empty(len(z), dtype=z.dtype))
        self._explain(z, values)
        return values, gradient

    def curvature(self, targets: ArrayLike, logits: ArrayLike) -> Curvature:
        """Second derivatives of each row's loss in its logits. Parameters as for `value`."""
        y, z = self._check(targets, logits)
        with np.errstate(all="ignore"):
            return self.block_curvature(y, z.reshape(len(z), -1))

    def score(self, targets: ArrayLike, proba: ArrayLike, *, eps: float | str = "auto") -> NDArray[Any]:
        """Loss of each row, in nats, from probabilities instead of logits.

        Parameters
        ----------
        targets : array-like
            As for `value`.
        proba : array-like of shape (n, k)
            Probabilities; rows sum to 1 where the classes exclude each other.
        eps : float or "auto", default="auto"
            Probabilities are clipped to [eps, 1 - eps]; "auto" is the machine epsilon of their dtype.

        Returns
        -------
        ndarray of shape (n,)

        Raises
        ------
        ValueError
            If a value is not a probability, or a row does not sum to 1 within 1e-4.
        """
        y, p = self._check(targets, proba, "proba")
        function = partial(self._checked_score, whole=p, eps=validation.check_eps(eps, p.dtype))
        return _blocks(p, y).map(function, np.empty(len(p), dtype=p.dtype))

    @abstractmethod
    def block(self, targets: NDArray[Any], logits: NDArray[Any], gradient: NDArray[Any] | None = None) -> NDArray[Any]:
        """`value` of one unchecked block; fills `gradient`, of the logits' shape and C-ordered, if it is given."""

    @abstractmethod
    def block_curvature(self, targets: NDArray[Any], logits: NDArray[Any]) -> Curvature:
        """`curvature` of one unchecked block of shape (b, k)."""

    @abstractmethod
    def block_score(self, targets: NDArray[Any], proba: NDArray[Any], eps: float) -> NDArray[Any]:
        """`score` of one unchecked block."""

    @abstractmethod
    def constant_logits(self, frequencies: NDArray[Any]) -> NDArray[Any]:
        """The logits that, given to all rows, have the least mean loss, from the mean target, both (k,)."""

    @abstractmethod
    def proba(self, logits: NDArray[Any]) -> NDArray[Any]:
        """Probabilities of logits of shape (n, k)."""

    @abstractmethod
    def log_proba(self, logits: NDArray[Any]) -> NDArray[Any]:
        """Logarithms of the probabilities of logits, not through the probabilities."""

    def _check(self, targets: ArrayLike, outputs: ArrayLike, name: str = "logits") -> tuple[Any, Any]:
        return validation.check_loss_input(targets, outputs, name, one_column=self._one_column)

    def _explain(self, logits: NDArray[Any], values: NDArray[Any]) -> None:
        """The kernels turn a forbidden logit into nan: only then look for it."""
        if np.isnan(values).any() or (self._one_column and logits.max() == np.inf):
            validation.explain_logits(logits, "logits")

    def _checked_score(
        self, proba: NDArray[Any], targets: NDArray[Any], *, whole: NDArray[Any], eps: float
    ) -> NDArray[Any]:
        good = kernels.is_probability(proba)
        if not self._one_column:
            good = good and kernels.sums_to_one(proba, validation.SUM_TOLERANCE)
        if not good:
            validation.explain_probabilities(whole, "proba", " Logits? They go to `value`, or from_logits=True.")
        return self.block_score(targets, proba, eps)


def _blocks(outputs: NDArray[Any], *others: Any) -> Rows:
    width = outputs.shape[1] if outputs.ndim == 2 else 1
    return Rows(outputs, *others, block_rows=kernels.block_rows(width, outputs.itemsize))


@dataclass(frozen=True)
class SoftmaxCrossEntropy(Loss):
    r"""Cross-entropy of classes that exclude each other, as a function of the logits of a softmax. Smaller is better.

    .. math:: \ell(y, z) = -\sum_c w_c \tilde y_c \log p_c, \quad p = \operatorname{softmax}(z),
              \quad \tilde y = (1 - e) y + e / k

    with the gradient :math:`p_k \sum_c w_c \tilde y_c - w_k \tilde y_k`, which is :math:`p - y` without weights.
    Also called categorical cross-entropy, multinomial log-loss, and negative log-likelihood of a softmax. Strictly
    proper; convex in the logits, which may be any finite number, or -inf where the target is 0.

    Parameters
    ----------
    label_smoothing : float, default=0.0
        Part e in [0, 1) of each target that is spread evenly over the classes.
    class_weight : sequence of float of shape (k,), default=None
        Weight w of each class.

    See Also
    --------
    SigmoidCrossEntropy : One logit for two classes, or one for each of several labels.

    Examples
    --------
    >>> from skce import SoftmaxCrossEntropy
    >>> loss = SoftmaxCrossEntropy()
    >>> value, gradient = loss.value_and_gradient([0, 2], [[2.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    >>> value.round(4)
    array([0.2395, 1.0986])
    >>> gradient.round(4)
    array([[-0.213 ,  0.1065,  0.1065],
           [ 0.3333,  0.3333, -0.6667]])
    """

    shift_invariant: ClassVar[bool] = True
    _one_column: ClassVar[bool] = False

    def block(self, targets: NDArray[Any], logits: NDArray[Any], gradient: NDArray[Any] | None = None) -> NDArray[Any]:
        if targets.ndim == 1:
            return self._block_of_codes(targets, logits, gradient)
        mass = self._mass(targets, logits)
        e = np.empty(logits.shape, dtype=logits.dtype) if gradient is None else gradient
        sums, values = kernels.softmax_of_mass(logits, mass, e)
        if gradient is not None:  # m p - mass
            kernels.scale_rows(gradient, kernels.row_sums(mass) / sums)
            gradient -= mass
        return values

    def _block_of_codes(self, codes: NDArray[Any], logits: NDArray[Any], gradient: NDArray[Any] | None) -> NDArray[Any]:
        e = np.empty(logits.shape, dtype=logits.dtype) if gradient is None else gradient
        label, others, shift = kernels.softmax_of_codes(logits, codes, e)
        values = kernels.negative_log(logits, codes, label, others, shift)
        own, spread = self._code_mass(codes, logits)
        total = own
        if spread is not None:  # the smoothed part of the target: -sum_c spread_c log p_c
            total = own + spread.sum()
            values = own * values + spread.sum() * (np.log(label + others) + shift) - logits @ spread
        elif self.class_weight is not None:
            values *= own
        if gradient is not None:
            scale = total / (label + others)
            kernels.scale_rows(gradient, scale)
            at_label = -others * scale if spread is None else label * scale - own
            gradient.reshape(-1)[kernels.positions(codes, logits.shape[1])] = at_label
            if spread is not None:
                gradient -= spread
        return values

    def block_curvature(self, targets: NDArray[Any], logits: NDArray[Any]) -> Curvature:
        p = self.proba(logits)
        if targets.ndim == 1:
            own, spread = self._code_mass(targets, logits)
            m = own if spread is None else own + spread.sum()
        else:
            m = self._mass(targets, logits).sum(axis=1)
        m = np.broadcast_to(m, len(p))
        return Curvature(m[:, None] * p, np.sqrt(m)[:, None] * p)

    def block_score(self, targets: NDArray[Any], proba: NDArray[Any], eps: float) -> NDArray[Any]:
        if targets.ndim == 2:
            return -kernels.row_sums(_weighted_log(self._mass(targets, proba), proba, eps))
        own, spread = self._code_mass(targets, proba)
        values = np.log(_clip(kernels.gather(proba, targets), eps))
        values *= -own
        if spread is not None:
            values -= np.log(_clip(proba, eps)) @ spread
        return values

    def constant_logits(self, frequencies: NDArray[Any]) -> NDArray[Any]:
        mass = self._mass(frequencies, frequencies)
        logits = np.log(np.maximum(mass, RAREST * mass.sum()))
        return logits - logits.mean()

    def proba(self, logits: NDArray[Any]) -> NDArray[Any]:
        return special.softmax(logits, axis=1)

    def log_proba(self, logits: NDArray[Any]) -> NDArray[Any]:
        return special.log_softmax(logits, axis=1)

    def _code_mass(self, codes: NDArray[Any], outputs: NDArray[Any]) -> tuple[Any, NDArray[Any] | None]:
        """What a code weighs at its class, (b,) or a scalar, and at each class whatever the code, (k,) or None."""
        one = outputs.dtype.type(1)
        e = outputs.dtype.type(self.label_smoothing)
        weights = None if self.class_weight is None else np.asarray(self.class_weight, dtype=outputs.dtype)
        own = (one - e) * (one if weights is None else weights[codes])
        if not e:
            return own, None
        k = outputs.shape[1]
        return own, np.full(k, e / k, dtype=outputs.dtype) * (one if weights is None else weights)

    def _mass(self, targets: NDArray[Any], outputs: NDArray[Any]) -> NDArray[Any]:
        """Weighted, smoothed target of each row, (b, k): w_c ((1 - e) y_c + e / k)."""
        mass = targets
        if self.label_smoothing:
            mass = (1 - self.label_smoothing) * mass + self.label_smoothing / targets.shape[-1]
        if self.class_weight is not None:
            mass = mass * np.asarray(self.class_weight)
        return mass.astype(outputs.dtype, copy=False)


@dataclass(frozen=True)
class SigmoidCrossEntropy(Loss):
    r"""Cross-entropy of yes/no questions, as a function of the logit of each one's sigmoid. Smaller is better.

    .. math:: \ell(y, z) = -w_1 \tilde y \log p - w_0 (1 - \tilde y) \log(1 - p), \quad p = 1 / (1 + e^{-z}),
              \quad \tilde y = (1 - e) y + e / 2

    with the gradient :math:`p - y` when nothing is weighted. Also called binary cross-entropy, log-loss, logistic
    loss. For logits of shape (n, k) a row's value is the sum over its k questions. Strictly proper; convex in the
    logits. It equals `SoftmaxCrossEntropy` of the two logits (0, z).

    Parameters
    ----------
    label_smoothing : float, default=0.0
        Part e in [0, 1) by which each target moves to one half.
    class_weight : (float, float), default=None
        Weights (w_0, w_1) of the answers no and yes.

    Examples
    --------
    >>> from skce import SigmoidCrossEntropy
    >>> loss = SigmoidCrossEntropy()
    >>> value, gradient = loss.value_and_gradient([0, 1], [0.0, 2.0])
    >>> value.round(4)
    array([0.6931, 0.1269])
    >>> gradient.round(4)
    array([ 0.5   , -0.1192])
    """

    shift_invariant: ClassVar[bool] = False
    _one_column: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.class_weight is not None and len(self.class_weight) != 2:
            raise ValueError(f"class_weight must be the weights of no and yes, got {len(self.class_weight)} numbers.")

    def block(self, targets: NDArray[Any], logits: NDArray[Any], gradient: NDArray[Any] | None = None) -> NDArray[Any]:
        if targets.ndim < logits.ndim:
            targets = targets[:, None]
        if targets.dtype.kind in "iub" and self.class_weight is None and not self.label_smoothing:
            values = kernels.logistic_of_codes(logits, targets, gradient)
        else:
            values = kernels.logistic_of_mass(logits, *self._mass(targets, logits)[::-1], gradient)
        return values if values.ndim == 1 else kernels.row_sums(values)

    def block_curvature(self, targets: NDArray[Any], logits: NDArray[Any]) -> Curvature:
        if targets.ndim < logits.ndim:
            targets = targets[:, None]
        negative, positive = self._mass(targets, logits)
        return Curvature((negative + positive) * special.expit(logits) * special.expit(-logits), None)

    def block_score(self, targets: NDArray[Any], proba: NDArray[Any], eps: float) -> NDArray[Any]:
        negative, positive = self._mass(targets, proba)
        if targets.dtype.kind in "iub" and not self.label_smoothing:
            own = np.log(_clip(np.where(targets, proba, 1 - proba), eps))
            own *= -(negative + positive)
            values = own
        else:
            values = -_weighted_log(positive, proba, eps) - _weighted_log(negative, 1 - proba, eps)
        return values if values.ndim == 1 else kernels.row_sums(values)

    def constant_logits(self, frequencies: NDArray[Any]) -> NDArray[Any]:
        negative, positive = self._mass(frequencies, frequencies)
        least = RAREST * (negative + positive)
        return np.log(np.maximum(positive, least) / np.maximum(negative, least))

    def proba(self, logits: NDArray[Any]) -> NDArray[Any]:
        return special.expit(logits)

    def log_proba(self, logits: NDArray[Any]) -> NDArray[Any]:
        return special.log_expit(logits)

    def _mass(self, targets: NDArray[Any], outputs: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Weighted, smoothed targets of no and yes: w_0 (1 - y~) and w_1 y~, of the outputs' shape."""
        positive = targets.astype(outputs.dtype, copy=False)
        if self.label_smoothing:
            positive = (1 - self.label_smoothing) * positive + self.label_smoothing / 2
        negative = 1 - positive
        if self.class_weight is not None:
            negative, positive = self.class_weight[0] * negative, self.class_weight[1] * positive
        return negative, positive


def _clip(p: NDArray[Any], eps: float) -> NDArray[Any]:
    return np.clip(p, eps, 1 - eps)


def _weighted_log(mass: NDArray[Any], p: NDArray[Any], eps: float) -> NDArray[Any]:
    """mass * log(clipped p), 0 where the mass is."""
    if eps == 0:
        return special.xlogy(mass, p)
    return mass * np.log(_clip(p, eps))


LOSSES: dict[str, type[Loss]] = {
    "softmax_cross_entropy": SoftmaxCrossEntropy,
    "sigmoid_cross_entropy": SigmoidCrossEntropy,
}
