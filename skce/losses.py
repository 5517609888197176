"""Losses of a classifier as functions of its logits: value, gradient and curvature for each row.

A loss is immutable and pointwise: it knows no mean, no sample weights and no X. One class per loss; `LOSSES` at the
end is what the tests walk. Come here to train a model of your own, or to add a loss.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from skce import _kernels as kernels
from skce import _validation as validation
from skce._rows import Rows

RAREST = 1e-12
"""Least frequency that a class counts for where the best constant logits are looked for: they stay finite."""


FOR_LOGITS = {"y_proba": " For logits, pass from_logits=True.", "proba": " For logits, call value."}
"""What to do with logits that were given for probabilities, by the name of those in the function that was called."""


class Curvature(NamedTuple):
    """Second derivatives of a loss in the logits, for each row the matrix `diag(weights_i) - factor_i factor_i^T`.

    Attributes
    ----------
    weights : ndarray of shape (n, k)
    factor : ndarray of shape (n, k) or None
        None stands for zero: the logits do not interact. Otherwise they compete as those of a softmax do, so that the
        matrices' rows add up to 0.
    """

    weights: NDArray[Any]
    factor: NDArray[Any] | None

    def diagonal(self) -> NDArray[Any]:
        """The diagonals of the matrices, (n, k): what gradient boosting takes for the second derivative."""
        return self.weights if self.factor is None else self.weights - self.factor**2

    def matrices(self) -> NDArray[Any]:
        """The matrices themselves, (n, k, k).

        Examples
        --------
        >>> from skce import SoftmaxCrossEntropy
        >>> SoftmaxCrossEntropy().curvature([0], [[0.0, 0.0]]).matrices()
        array([[[ 0.25, -0.25],
                [-0.25,  0.25]]])
        """
        result = self.weights[:, :, None] * np.eye(self.weights.shape[1], dtype=self.weights.dtype)
        if self.factor is not None:
            result -= self.factor[:, :, None] * self.factor[:, None, :]
        return result


@dataclass(frozen=True, kw_only=True)
class Loss(ABC):
    """A loss of each row, as a function of its logits. The smaller the better.

    The public methods take whole arrays and check them; the `block_` methods, which a loss defines, take blocks of
    rows that were checked.

    Parameters
    ----------
    label_smoothing : float, default=0.0
        Part e in [0, 1) of each target that is spread evenly over the classes.
    class_weight : sequence of float of shape (k,), default=None
        Weight w of each class's term in the sum over the classes.
    """

    label_smoothing: float = 0.0
    class_weight: Sequence[Any] | NDArray[Any] | None = None

    shift_invariant: ClassVar[bool]
    """Whether adding a number to all logits of a row changes nothing."""

    convex: ClassVar[bool] = False
    """Whether the loss is convex in the logits and `curvature` its Hessian; else that is a model of it."""

    one_question_a_column: ClassVar[bool]
    """Whether targets have the logits' shape, each column a yes/no question; else classes exclude each other."""

    def __post_init__(self) -> None:
        validation.check_number("label_smoothing", self.label_smoothing, 0.0, 1.0)
        validation.check_number("gamma", self.focus, 0.0)
        object.__setattr__(self, "class_weight", validation.check_class_weights(self.class_weight))

    @property
    def focus(self) -> float:
        """Exponent gamma of a focal loss, 0 for a cross-entropy."""
        return 0.0

    def value(self, targets: ArrayLike, logits: ArrayLike) -> NDArray[Any]:
        """Loss of each row, in nats.

        Parameters
        ----------
        targets : array-like of shape (n,) or of the logits' shape
            Integer class codes, or what each output should be, in [0, 1]. A row that does not sum to 1 weighs as much
            as it sums to.
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
        return self.unchecked_value(*self._check(targets, logits))

    def gradient(self, targets: ArrayLike, logits: ArrayLike, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Derivative of each row's loss in its logits, of their shape. Parameters as for `value_and_gradient`."""
        return self.value_and_gradient(targets, logits, out=out)[1]

    def value_and_gradient(
        self, targets: ArrayLike, logits: ArrayLike, *, out: NDArray[Any] | None = None
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """`value` and `gradient` in one pass, for little more than the price of one.

        Parameters
        ----------
        targets, logits : array-like
            As for `value`.
        out : ndarray, default=None
            Where to write the gradient: a C-ordered array of the logits' shape and dtype. A loop that uses it again
            saves what the system takes to hand out and clear a new one, a quarter of the time of a million rows.

        Returns
        -------
        values : ndarray of shape (n,)
        gradient : ndarray of the logits' shape
            `out`, if it was given.

        Raises
        ------
        ValueError
            As for `value`; or `out` does not fit, or is the logits' or the targets' own memory.

        Examples
        --------
        >>> import numpy as np
        >>> from skce import SoftmaxCrossEntropy
        >>> logits, gradient = np.zeros((1, 2)), np.empty((1, 2))
        >>> values, _ = SoftmaxCrossEntropy().value_and_gradient([0], logits, out=gradient)
        >>> values.round(4), gradient
        (array([0.6931]), array([[-0.5,  0.5]]))
        """
        y, z = self._check(targets, logits)
        gradient = np.empty(z.shape, dtype=z.dtype) if out is None else validation.check_out(out, z, y)
        return self._values(z, y, gradient), gradient if out is None else out

    def curvature(self, targets: ArrayLike, logits: ArrayLike) -> Curvature:
        """Second derivatives of each row's loss in its logits. Parameters as for `value`.

        Exact for cross-entropies, which are convex in the logits; for focal losses, which are not, a positive
        semidefinite model: that of a cross-entropy whose targets weigh what they weigh in the gradient.
        """
        y, z = self._check(targets, logits)
        with np.errstate(all="ignore"):
            curvature = self.block_curvature(y, z.reshape(len(z), -1))
        self._checked(curvature.weights, z, z)
        return curvature

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
            If a value is not a probability, or a row does not sum to 1 within 1e-4, or 1e-3 in half precision.
        """
        y, p = self._check(targets, proba, "proba")
        return self.unchecked_score(y, p, validation.check_eps(eps, p.dtype), "proba")

    def unchecked_value(self, targets: Any, logits: Any) -> NDArray[Any]:
        """`value` of targets and logits whose shapes and types were checked; their values are checked here."""
        return self._values(logits, targets)

    def unchecked_score(self, targets: Any, proba: Any, eps: float, name: str = "y_proba") -> NDArray[Any]:
        """`score` of targets and probabilities whose shapes and types were checked; their values are checked here."""

        def scores(p: Any, y: Any) -> NDArray[Any]:
            self.check_block(p, proba, name)
            return self.block_score(y, p, eps)

        return self._rows(proba, targets).map(scores, np.empty(len(proba), dtype=proba.dtype))

    def unchecked_value_sum(self, targets: Any, logits: Any, weights: Any = None) -> float:
        """The sum of `unchecked_value` times the rows' weights, without an array of a number a row."""

        def sums(z: Any, y: Any, s: Any) -> tuple:
            values = self._checked(self.block(y, z), z, logits)  # also of rows that weigh nothing
            return (kernels.weighted(values, s).sum(dtype=np.float64),)

        (total,) = self._rows(logits, targets, weights).sum(sums)
        return float(total)

    def unchecked_score_sum(self, targets: Any, proba: Any, eps: float, weights: Any = None) -> float:
        """The sum of `unchecked_score` times the rows' weights, without an array of a number a row."""

        def sums(p: Any, y: Any, s: Any) -> tuple:
            least = self.check_block(p, proba)
            if s is None:
                return (self.block_score_sum(y, p, eps, least),)
            return (kernels.weighted(self.block_score(y, p, eps), s).sum(dtype=np.float64),)

        (total,) = self._rows(proba, targets, weights).sum(sums)
        return float(total)

    def check_block(self, block: NDArray[Any], proba: NDArray[Any], name: str = "y_proba") -> float:
        """Raise if a block of `proba`, while it is in cache, holds no probabilities; else what all are at least."""
        if self.one_question_a_column:
            least = 0.0 if kernels.are_probabilities(block) else np.nan
        else:
            least = kernels.least_of_distributions(block, validation.SUM_TOLERANCE)
        if not np.isnan(least):
            return least
        if not validation.hold_probabilities(block, exclusive=not self.one_question_a_column):
            validation.check_probabilities(proba, name, FOR_LOGITS[name], exclusive=not self.one_question_a_column)
        return 0.0

    @abstractmethod
    def block(self, targets: NDArray[Any], logits: NDArray[Any], gradient: NDArray[Any] | None = None) -> NDArray[Any]:
        """`value` of one block; fills `gradient`, of the logits' shape and C-ordered, if it is given."""

    @abstractmethod
    def block_curvature(self, targets: NDArray[Any], logits: NDArray[Any]) -> Curvature:
        """`curvature` of one block of shape (b, k)."""

    @abstractmethod
    def block_score(self, targets: NDArray[Any], proba: NDArray[Any], eps: float) -> NDArray[Any]:
        """`score` of one block."""

    def block_score_sum(self, targets: NDArray[Any], proba: NDArray[Any], eps: float, least: float) -> float:
        """Sum of `block_score`, of probabilities that are at least `least`; a loss may know a shorter way."""
        return float(self.block_score(targets, proba, eps).sum(dtype=np.float64))

    @abstractmethod
    def constant_logits(self, frequencies: NDArray[Any]) -> NDArray[Any]:
        """The logits that, given to all rows, have the least mean cross-entropy, from the mean target, both (k,)."""

    @abstractmethod
    def smoothed(self, targets: NDArray[Any], k: int) -> NDArray[Any]:
        """Targets after label smoothing, as floats: (b, k), or of the targets' shape for yes/no questions."""

    @abstractmethod
    def proba(self, logits: NDArray[Any]) -> NDArray[Any]:
        """Probabilities of logits of shape (n, k)."""

    @abstractmethod
    def log_proba(self, logits: NDArray[Any]) -> NDArray[Any]:
        """Logarithms of the probabilities of logits, not through the probabilities."""

    def _check(self, targets: ArrayLike, outputs: ArrayLike, name: str = "logits") -> tuple[Any, Any]:
        y, z = validation.check_loss_input(targets, outputs, name, one_question_a_column=self.one_question_a_column)
        validation.check_class_count(self.class_weight, z.shape[-1], self.one_question_a_column)
        if self.class_weight is not None:
            validation.check_weight_range(self.class_weight, z.dtype)
        return y, z

    def _rows(self, outputs: NDArray[Any], *others: Any) -> Rows:
        width = outputs.shape[1] if outputs.ndim == 2 else 1
        scratch = 4 if self.one_question_a_column else 1  # the kernels of questions hold more arrays at a time
        return Rows(outputs, *others, block_rows=kernels.block_rows(scratch * width, outputs.itemsize))

    def _values(self, logits: Any, targets: Any, *gradient: NDArray[Any]) -> NDArray[Any]:
        """Loss of each row; fills the gradient, if there is one."""

        def values(z: Any, y: Any, *g: Any) -> NDArray[Any]:
            return self._checked(self.block(y, z, *g), z, logits)

        return self._rows(logits, targets, *gradient).map(values, np.empty(len(logits), dtype=logits.dtype))

    def _checked(self, values: NDArray[Any], block: NDArray[Any], logits: Any) -> NDArray[Any]:
        """What was made of a block of `logits`, which is in cache, unless one of those is forbidden."""
        return validation.check_logit_losses(values, block, logits, exclusive=not self.one_question_a_column)


class SoftmaxLoss(Loss):
    """What losses of classes that exclude each other share. To define one it is enough to define `block`.

    With f what the target weighs in the gradient, that is p sum_c f_c - f. The curvature, with f held fixed, is that of
    a cross-entropy times `total_mass`, sum_c f_c: define this too where f is not the weighted target, `mass`.
    """

    shift_invariant: ClassVar[bool] = True
    one_question_a_column: ClassVar[bool] = False

    def block_curvature(self, targets: NDArray[Any], logits: NDArray[Any]) -> Curvature:
        p = self.proba(logits)
        mass = np.asarray(self.total_mass(targets, logits), logits.dtype).reshape(-1, 1)
        return Curvature(mass * p, np.sqrt(mass) * p)

    def block_score(self, targets: NDArray[Any], proba: NDArray[Any], eps: float) -> NDArray[Any]:
        return self.block(targets, np.log(np.clip(proba, eps, 1 - eps)))  # log-probabilities are logits

    def total_mass(self, targets: NDArray[Any], logits: NDArray[Any]) -> Any:
        """Sum over the classes of what the targets weigh in the curvature, (b,) or a scalar."""
        return kernels.row_sums(self.mass(targets, logits))

    def constant_logits(self, frequencies: NDArray[Any]) -> NDArray[Any]:
        mass = self.mass(frequencies[None, :], frequencies)[0]
        logits = np.log(np.maximum(mass, RAREST * mass.sum()))
        return logits - logits.mean()

    def smoothed(self, targets: NDArray[Any], k: int) -> NDArray[Any]:
        if targets.ndim == 1:
            targets = (targets[:, None] == np.arange(k)).astype(np.float64)
        if not self.label_smoothing:
            return targets
        return (1 - self.label_smoothing) * targets + self.label_smoothing / k

    def proba(self, logits: NDArray[Any]) -> NDArray[Any]:
        return kernels.softmax(logits)

    def log_proba(self, logits: NDArray[Any]) -> NDArray[Any]:
        logs = special.log_softmax(logits, axis=1)
        best = logits.argmax(axis=1)
        with np.errstate(all="ignore"):
            _, label, others, _, flat = kernels.softmax_of_codes(logits, best, np.empty_like(logits))
        logs.reshape(-1)[flat] = -np.log1p(others / label)  # where log_softmax rounds to 0
        return logs

    def mass(self, targets: NDArray[Any], outputs: NDArray[Any]) -> NDArray[Any]:
        """Weighted, smoothed target of each row, (b, k): w_c ((1 - e) y_c + e / k)."""
        if targets.ndim == 1:
            own, spread = self._code_mass(targets, outputs)
            mass = np.zeros_like(outputs) if spread is None else np.tile(spread, (len(targets), 1))
            mass[np.arange(len(targets)), targets] += own
            return mass
        mass = self.smoothed(targets.astype(outputs.dtype, copy=False), targets.shape[1])
        return mass if self.class_weight is None else mass * np.asarray(self.class_weight, dtype=outputs.dtype)

    def _code_mass(self, codes: NDArray[Any], outputs: NDArray[Any]) -> tuple[Any, NDArray[Any] | None]:
        """What a code weighs at its class, (b,) or a scalar, and at each class whatever the code, (k,) or None."""
        one, e, k = outputs.dtype.type(1), outputs.dtype.type(self.label_smoothing), outputs.shape[1]
        weights = None if self.class_weight is None else np.asarray(self.class_weight, dtype=outputs.dtype)
        own = (one - e) * (one if weights is None else weights[codes])
        if not e:
            return own, None
        return own, (e / k) * (np.ones(k, dtype=outputs.dtype) if weights is None else weights)


class _SoftmaxEntropy(SoftmaxLoss):
    """Cross-entropy, whose target mass is the weighted target, and focal loss: that times a function of p."""

    def block(self, targets: NDArray[Any], logits: NDArray[Any], gradient: NDArray[Any] | None = None) -> NDArray[Any]:
        e = np.empty(logits.shape, dtype=logits.dtype) if gradient is None else gradient
        if self._gathers(targets):
            return self._block_of_codes(targets, logits, e, gradient is not None)
        sums, values, mass = self._focused(targets, logits, e)
        if gradient is not None:
            kernels.scale_rows(gradient, kernels.row_sums(mass) / sums)
            gradient -= mass
        return values

    def _focused(
        self, targets: NDArray[Any], logits: NDArray[Any], e: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Row sums of the exponentials, with which `e` is filled; the values; the mass f."""
        mass = self.mass(targets, logits)
        if self.focus:
            return kernels.focal_softmax_of_mass(logits, mass, self.focus, e)
        return *kernels.softmax_of_mass(logits, mass, e), mass

    def _block_of_codes(
        self, codes: NDArray[Any], logits: NDArray[Any], e: NDArray[Any], with_gradient: bool
    ) -> NDArray[Any]:
        """A code is gathered, never one-hot encoded; what smoothing spreads over all classes needs one product more."""
        own, spread = self._code_mass(codes, logits)
        moderate = self.focus > 0 or spread is not None
        sums, label, others, shift, flat = kernels.softmax_of_codes(logits, codes, e, moderate)
        values = kernels.negative_log(logits, codes, label, others, shift)
        slope = own
        if self.focus:
            factor, slope = kernels.focus(values, others / sums, self.focus)
            values *= factor
            slope = own * slope
        if self.class_weight is not None or spread is not None:
            values = _times(own, values)
        if spread is not None:
            values += kernels.spread_negative_log(logits, sums, shift, spread)
        if with_gradient:
            scale = (slope if spread is None else slope + spread.sum()) / sums
            kernels.scale_rows(e, scale)
            at_label = -others * scale if spread is None else label * scale - slope
            e.reshape(-1)[flat] = at_label
            if spread is not None:
                kernels.subtract_from_rows(e, spread)
        return values

    def total_mass(self, targets: NDArray[Any], logits: NDArray[Any]) -> Any:
        if self.focus:
            return kernels.row_sums(self._focused(targets, logits, np.empty_like(logits))[2])
        if targets.ndim == 1:
            own, spread = self._code_mass(targets, logits)
            return own if spread is None else own + spread.sum()
        return super().total_mass(targets, logits)

    def block_score(self, targets: NDArray[Any], proba: NDArray[Any], eps: float) -> NDArray[Any]:
        if not self._gathers(targets):
            return kernels.row_sums(_minus_log(self.mass(targets, proba), proba, eps, self.focus))
        own, spread = self._code_mass(targets, proba)
        values = _minus_log(own, kernels.gather(proba, targets), eps, self.focus)
        return values if spread is None else values + kernels.spread_minus_log(proba, spread, eps)

    def block_score_sum(self, targets: NDArray[Any], proba: NDArray[Any], eps: float, least: float) -> float:
        smoothed = self.label_smoothing and self._gathers(targets)
        own, spread = self._code_mass(targets, proba) if smoothed else (None, None)
        if spread is None:  # also a smoothing that single precision does not see
            return super().block_score_sum(targets, proba, eps, least)
        at_label = _minus_log(own, kernels.gather(proba, targets), eps, self.focus).sum(dtype=np.float64)
        return float(at_label + kernels.total_spread_minus_log(proba, spread, eps, least))

    def _gathers(self, targets: NDArray[Any]) -> bool:
        """Whether the numbers at the labels, and what all classes have in common, are all that is needed."""
        return targets.ndim == 1 and not (self.focus and self.label_smoothing)


@dataclass(frozen=True, kw_only=True)
class SoftmaxCrossEntropy(_SoftmaxEntropy):
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
    SoftmaxFocal : The same with less weight on rows that are predicted well.

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

    convex: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True)
class SoftmaxFocal(_SoftmaxEntropy):
    r"""Focal loss of classes that exclude each other: cross-entropy that looks away from easy rows. Smaller is better.

    .. math:: \ell(y, z) = -\sum_c w_c \tilde y_c (1 - p_c)^\gamma \log p_c, \quad p = \operatorname{softmax}(z)

    Its gradient is :math:`p_k \sum_c f_c - f_k` with :math:`f_c = w_c \tilde y_c (1 - p_c)^\gamma
    (1 - \gamma p_c \log p_c / (1 - p_c))`, stable for any gamma, also in (0, 1) where :math:`p_c \to 1`. Its limit at
    gamma = 0 is `SoftmaxCrossEntropy`. Not proper for gamma > 0: the best prediction is less confident than the
    truth; do not use it to compare or calibrate models. Not convex.

    Parameters
    ----------
    gamma : float, default=2.0
        How much less easy rows weigh, at least 0.
    label_smoothing : float, default=0.0
        Part e in [0, 1) of each target that is spread evenly over the classes.
    class_weight : sequence of float of shape (k,), default=None
        Weight w of each class; the paper's alpha.

    References
    ----------
    Lin, T.-Y., P. Goyal, R. Girshick, K. He, P. Dollar, "Focal Loss for Dense Object Detection", 2017,
    doi:10.1109/ICCV.2017.324

    Examples
    --------
    >>> from skce import SoftmaxFocal
    >>> SoftmaxFocal(gamma=2).value([0, 0], [[3.0, 0.0, 0.0], [0.0, 0.0, 0.0]]).round(4)
    array([0.0008, 0.4883])
    """

    gamma: float = 2.0

    @property
    def focus(self) -> float:
        return self.gamma


class SigmoidLoss(Loss):
    """What losses of yes/no questions share. To define one it is enough to define `block_elements`."""

    shift_invariant: ClassVar[bool] = False
    one_question_a_column: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.class_weight is not None and len(self.class_weight) != 2:
            raise ValueError(f"class_weight must be the weights of no and yes, got {len(self.class_weight)} numbers.")

    def block(self, targets: NDArray[Any], logits: NDArray[Any], gradient: NDArray[Any] | None = None) -> NDArray[Any]:
        values = self.block_elements(_column(targets, logits), logits, gradient)
        return values if values.ndim == 1 else kernels.row_sums(values)

    @abstractmethod
    def block_elements(
        self, targets: NDArray[Any], logits: NDArray[Any], gradient: NDArray[Any] | None = None
    ) -> NDArray[Any]:
        """Loss of each question of a block, of the logits' shape; fills `gradient` if it is given.

        Logits may be infinite: those of a probability of 0 or 1 are.
        """

    def block_curvature(self, targets: NDArray[Any], logits: NDArray[Any]) -> Curvature:
        negative, positive = self.mass(_column(targets, logits), logits)
        return Curvature((negative + positive) * special.expit(logits) * special.expit(-logits), None)

    def block_score(self, targets: NDArray[Any], proba: NDArray[Any], eps: float) -> NDArray[Any]:
        values = self.block_score_elements(targets, proba, eps)
        return values if values.ndim == 1 else kernels.row_sums(values)

    def block_score_elements(self, targets: NDArray[Any], proba: NDArray[Any], eps: float) -> NDArray[Any]:
        """`score` of each question of a block, of the shape of `proba`."""
        return self.block_elements(targets, special.logit(np.clip(proba, eps, 1 - eps)))

    def constant_logits(self, frequencies: NDArray[Any]) -> NDArray[Any]:
        negative, positive = self.mass(frequencies, frequencies)
        least = RAREST * (negative + positive)
        return np.log(np.maximum(positive, least) / np.maximum(negative, least))

    def smoothed(self, targets: NDArray[Any], k: int) -> NDArray[Any]:
        targets = targets if targets.dtype.kind == "f" else targets.astype(np.float64)
        if not self.label_smoothing:
            return targets
        return (1 - self.label_smoothing) * targets + self.label_smoothing / 2

    def proba(self, logits: NDArray[Any]) -> NDArray[Any]:
        return special.expit(logits)

    def log_proba(self, logits: NDArray[Any]) -> NDArray[Any]:
        return special.log_expit(logits)

    def mass(self, targets: NDArray[Any], outputs: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Weighted, smoothed targets of no and yes, w_0 (1 - y~) and w_1 y~; 0 where the target is nan: unknown."""
        targets = targets.astype(outputs.dtype, copy=False)
        positive, negative = self.smoothed(targets, 2), self.smoothed(1 - targets, 2)  # 1 - positive may lose the least
        if self.class_weight is not None:
            weights = np.asarray(self.class_weight, dtype=outputs.dtype)
            negative, positive = weights[0] * negative, weights[1] * positive
        if np.isnan(targets.max()):
            unknown = np.isnan(targets)
            negative, positive = np.where(unknown, 0, negative), np.where(unknown, 0, positive)
        return negative, positive


class _SigmoidEntropy(SigmoidLoss):
    """Cross-entropy and focal loss of yes/no questions."""

    def block_elements(
        self, targets: NDArray[Any], logits: NDArray[Any], gradient: NDArray[Any] | None = None
    ) -> NDArray[Any]:
        if self._gathers(targets):
            return self._elements_of_codes(targets, logits, gradient)
        masses = self.mass(targets, logits)
        if self.focus:
            return kernels.focal_logistic_of_mass(logits, *masses, self.focus, gradient)
        return kernels.logistic_of_mass(logits, *masses, gradient)

    def _elements_of_codes(
        self, codes: NDArray[Any], logits: NDArray[Any], gradient: NDArray[Any] | None
    ) -> NDArray[Any]:
        """The other answer's probability is what the focal factor and the gradient need."""
        q = np.empty_like(logits) if self.focus and gradient is None else gradient
        values, flip = kernels.logistic_of_codes(logits, codes, q, self.label_smoothing / 2)
        slope = None
        if self.focus:
            factor, slope = kernels.focus(values, q, self.focus)
            values *= factor
        if self.class_weight is not None:
            own = self._own_weight(codes, logits)
            values, slope = _times(own, values), own if slope is None else slope * own
        if gradient is not None:
            if slope is not None:
                gradient *= slope
            kernels.flip_signs(gradient, flip)
        return values

    def _gathers(self, targets: NDArray[Any]) -> bool:
        """Whether targets are codes, and what the other answer is given is the same for both."""
        return targets.dtype.kind in "iub" and not (
            self.label_smoothing and (self.focus or self.class_weight is not None)
        )

    def _own_weight(self, codes: NDArray[Any], outputs: NDArray[Any]) -> Any:
        """Weight of each code's answer, of the codes' shape; 1 without class weights."""
        if self.class_weight is None:
            return 1
        weights = np.asarray(self.class_weight, dtype=outputs.dtype)
        if weights.ndim == 2 and (weights == weights[:, :1]).all():
            weights = weights[:, 0]
        return weights.take(codes, mode="clip") if weights.ndim == 1 else np.where(codes, weights[1], weights[0])

    def block_curvature(self, targets: NDArray[Any], logits: NDArray[Any]) -> Curvature:
        if not self.focus:
            return super().block_curvature(targets, logits)
        negative, positive = self.mass(_column(targets, logits), logits)
        yes, no = special.expit(logits), special.expit(-logits)
        negative = negative * kernels.focus(-special.log_expit(-logits), yes, self.focus)[1]
        positive = positive * kernels.focus(-special.log_expit(logits), no, self.focus)[1]
        return Curvature((negative + positive) * yes * no, None)

    def block_score_elements(self, targets: NDArray[Any], proba: NDArray[Any], eps: float) -> NDArray[Any]:
        """`score` of each question of a block, of the shape of `proba`."""
        if targets.dtype.kind in "iub" and not self.label_smoothing:  # one logarithm instead of two
            return _minus_log(self._own_weight(targets, proba), _of_answer(targets, proba), eps, self.focus)
        negative, positive = self.mass(targets, proba)
        no = _minus_log(negative, 1 - proba, eps, self.focus)
        return no + _minus_log(positive, proba, eps, self.focus)

    def block_score_sum(self, targets: NDArray[Any], proba: NDArray[Any], eps: float, least: float) -> float:
        codes = targets.dtype.kind in "iub" and self._gathers(targets)
        if not (codes and self.label_smoothing and eps and proba.ndim == 1):
            return super().block_score_sum(targets, proba, eps, least)
        own = _of_answer(targets, proba).clip(eps, 1 - eps)
        at_own = np.log(own).sum(dtype=np.float64)
        at_both = kernels.total_log_of_both(proba.clip(eps, 1 - eps), eps)  # not of own, whose small ones were rounded
        return float(0 - (1 - self.label_smoothing) * at_own - self.label_smoothing / 2 * at_both)


@dataclass(frozen=True, kw_only=True)
class SigmoidCrossEntropy(_SigmoidEntropy):
    r"""Cross-entropy of yes/no questions, as a function of the logit of each one's sigmoid. Smaller is better.

    .. math:: \ell(y, z) = -w_1 \tilde y \log p - w_0 (1 - \tilde y) \log(1 - p), \quad p = 1 / (1 + e^{-z}),
              \quad \tilde y = (1 - e) y + e / 2

    with the gradient :math:`p - y` when nothing is weighted. Also called binary cross-entropy, log-loss, logistic
    loss. For logits of shape (n, k) a row's value is the sum over its k questions; a target of nan is unknown and
    adds nothing. Strictly proper; convex in the logits. It equals `SoftmaxCrossEntropy` of the two logits (0, z).

    Parameters
    ----------
    label_smoothing : float, default=0.0
        Part e in [0, 1) by which each target moves to one half.
    class_weight : (w_0, w_1), default=None
        Weights of the answers no and yes, each a float or of shape (k,).

    See Also
    --------
    SoftmaxCrossEntropy : For classes that exclude each other.
    SigmoidFocal : The same with less weight on questions that are answered well.

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

    convex: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True)
class SigmoidFocal(_SigmoidEntropy):
    r"""Focal loss of yes/no questions: cross-entropy that looks away from easy ones. Smaller is better.

    .. math:: \ell(y, z) = -w_1 \tilde y (1 - p)^\gamma \log p - w_0 (1 - \tilde y) p^\gamma \log(1 - p),
              \quad p = 1 / (1 + e^{-z})

    computed from the logits in a form that is stable for any gamma. Its limit at gamma = 0 is `SigmoidCrossEntropy`.
    Not proper for gamma > 0, and not convex: see `SoftmaxFocal`.

    Parameters
    ----------
    gamma : float, default=2.0
        How much less easy questions weigh, at least 0.
    label_smoothing : float, default=0.0
        Part e in [0, 1) by which each target moves to one half.
    class_weight : (w_0, w_1), default=None
        Weights of the answers no and yes, each a float or of shape (k,): the paper's 1 - alpha and alpha.

    References
    ----------
    Lin, T.-Y., P. Goyal, R. Girshick, K. He, P. Dollar, "Focal Loss for Dense Object Detection", 2017,
    doi:10.1109/ICCV.2017.324

    Examples
    --------
    >>> from skce import SigmoidFocal
    >>> SigmoidFocal(gamma=2).value([1, 1], [1.0, 0.0]).round(4)
    array([0.0227, 0.1733])
    """

    gamma: float = 2.0

    @property
    def focus(self) -> float:
        return self.gamma


def _column(targets: NDArray[Any], logits: NDArray[Any]) -> NDArray[Any]:
    """Targets (b,) as a column beside logits (b, 1)."""
    return targets[:, None] if targets.ndim < logits.ndim else targets


def _of_answer(codes: NDArray[Any], proba: NDArray[Any]) -> NDArray[Any]:
    """p where the code is 1, 1 - p where it is 0."""
    own = np.subtract(1 - codes, proba, dtype=proba.dtype)
    return np.abs(own, out=own)


def _minus_log(mass: Any, p: NDArray[Any], eps: float, gamma: float) -> NDArray[Any]:
    """-mass * (1 - p)^gamma * log p of clipped p, 0 where the mass is; never -0."""
    p = p.clip(eps, 1 - eps)
    if gamma:
        mass = mass * (1 - p) ** gamma
    if eps == 0:
        logs = special.xlogy(mass, p)
    else:
        logs = np.log(p, out=p)
        if isinstance(mass, np.ndarray) or mass != 1:
            logs *= mass
    return np.abs(logs, out=logs)


def _times(weights: Any, values: NDArray[Any]) -> NDArray[Any]:
    """weights * values, in place, 0 where the weight is, also if the value is infinite; nan, of a bad logit, stays."""
    if np.min(weights) == 0:
        values[np.broadcast_to(weights == 0, values.shape) & (values == np.inf)] = 0
    values *= weights
    return values


LOSSES: dict[str, type[Loss]] = {
    "sigmoid_cross_entropy": SigmoidCrossEntropy,
    "sigmoid_focal": SigmoidFocal,
    "softmax_cross_entropy": SoftmaxCrossEntropy,
    "softmax_focal": SoftmaxFocal,
}
