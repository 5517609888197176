"""Scores of probabilistic predictions: labels and probabilities (or logits) in, a number out.

One plain function per score, smaller is better unless its name ends in `_score`. They share one path: targets and
outputs at the door, a loss per row, one weighted mean.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skce import _targets
from skce import _validation as validation
from skce.losses import Loss, SigmoidCrossEntropy, SoftmaxCrossEntropy


def cross_entropy_loss(
    y_true: ArrayLike,
    y_proba: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    class_weight: Any = None,
    label_smoothing: float = 0.0,
    from_logits: bool = False,
    reduction: str = "mean",
    base: float | None = None,
    eps: float | str = "auto",
    handle_unknown: str = "error",
) -> float | NDArray[Any]:
    r"""Cross-entropy of predictions for classes that exclude each other. Smaller is better, the minimum is 0.

    .. math:: \frac{\sum_i s_i \ell_i}{\sum_i s_i w(y_i)}, \quad \ell_i = -\sum_c w_c \tilde y_{ic} \log p_{ic}

    One function for labels and for distributions: other libraries call it log-loss, categorical or sparse categorical
    cross-entropy, negative log-likelihood. A strictly proper scoring rule (without smoothing).

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, k)
        Labels of any kind, or a distribution over the classes for each row (one-hot or soft).
    y_proba : array-like of shape (n, k) or (n,)
        Probability of each class, in rows that sum to 1 within 1e-4; of shape (n,) or (n, 1) that of the second of two
        classes. Logits of the same shapes if `from_logits`; log-probabilities are logits.
    labels : array-like of shape (k,), default=None
        Class of each column of `y_proba`, in any order. By default the names of its columns if it is a DataFrame, else
        the sorted labels of `y_true`.
    sample_weight : array-like of shape (n,), default=None
        Weight s of each row.
    class_weight : dict, "balanced" or sequence of shape (k,), default=None
        Weight w of each class, 1 for those that a dict leaves out; a sequence follows the columns.
    label_smoothing : float, default=0.0
        Part e in [0, 1) of each target that is spread evenly over the k classes.
    from_logits : bool, default=False
        Whether `y_proba` holds logits. The loss is computed from them, never through clipped probabilities.
    reduction : {"mean", "sum", "none"}, default="mean"
        "none" gives the weighted loss of each row, whose sum is "sum".
    base : float, default=None
        Base of the logarithm: None for e (nats), 2 for bits, 10.
    eps : float or "auto", default="auto"
        Probabilities are clipped to [eps, 1 - eps]: "auto" takes the machine epsilon of their dtype, as scikit-learn
        does; 0 gives inf where the loss is infinite.
    handle_unknown : {"error", "clip", "ignore"}, default="error"
        What a label that no column stands for does: raise, count as probability 0 (a loss of -log eps), or drop the
        row (its loss is 0 for "none").

    Returns
    -------
    float, or ndarray of shape (n,) for reduction="none"
        In units of log(base).

    Raises
    ------
    ValueError
        If shapes or values are not as described; the message says which row and what to do.

    See Also
    --------
    binary_cross_entropy_loss : The same for two classes and the probability of one of them.
    sklearn.metrics.log_loss : Equal to this where both apply.

    Examples
    --------
    >>> from skce import cross_entropy_loss
    >>> proba = [[0.228, 0.619, 0.153], [0.7, 0.2, 0.1]]
    >>> round(cross_entropy_loss(["B", "A"], proba, labels=["A", "B", "C"]), 4)
    0.4182
    >>> round(cross_entropy_loss([[0, 1, 0], [0.8, 0.2, 0]], proba), 4)
    0.5435
    >>> (
    ...     cross_entropy_loss([1], [[0.0, 9200.7]], from_logits=True),
    ...     cross_entropy_loss([0], [[0, 9200.7]], from_logits=True),
    ... )
    (0.0, 9200.7)
    """
    outputs = validation.check_outputs(y_proba)
    names = validation.column_names(y_proba) if labels is None else labels
    validation.check_option("handle_unknown", handle_unknown, validation.UNKNOWN_LABEL_POLICIES)
    targets, outputs, classes = _targets_of_columns(y_true, outputs, names, handle_unknown)
    return _weighted_loss(
        SoftmaxCrossEntropy if outputs.ndim == 2 else SigmoidCrossEntropy,
        targets,
        outputs,
        classes,
        sample_weight=sample_weight,
        class_weight=class_weight,
        label_smoothing=label_smoothing,
        from_logits=from_logits,
        reduction=reduction,
        base=base,
        eps=eps,
        handle_unknown=handle_unknown,
    )


def binary_cross_entropy_loss(
    y_true: ArrayLike,
    y_proba: ArrayLike,
    *,
    pos_label: Any = None,
    labels: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    class_weight: Any = None,
    label_smoothing: float = 0.0,
    from_logits: bool = False,
    reduction: str = "mean",
    base: float | None = None,
    eps: float | str = "auto",
    handle_unknown: str = "error",
) -> float | NDArray[Any]:
    r"""Cross-entropy of the probability of one of two classes. Smaller is better, the minimum is 0.

    .. math:: \ell_i = -w_1 \tilde y_i \log p_i - w_0 (1 - \tilde y_i) \log(1 - p_i)

    averaged as in `cross_entropy_loss`. Also called log-loss, binary log-likelihood, BCE.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        Labels of two classes, or the probability, in [0, 1], that each row is positive.
    y_proba : array-like of shape (n,), (n, 1) or (n, 2)
        Probability of the positive class, or one logit if `from_logits`. Of two columns the second is the positive one.
    pos_label : label, default=None
        The positive class. By default the second of `labels`, or of the sorted labels of `y_true`.
    labels : array-like of shape (2,), default=None
        The negative and the positive class.
    sample_weight, class_weight, label_smoothing, from_logits, reduction, base, eps, handle_unknown
        As in `cross_entropy_loss`. A sequence of class weights is that of the negative and the positive class.

    Returns
    -------
    float, or ndarray of shape (n,) for reduction="none"
        In units of log(base).

    Raises
    ------
    ValueError
        If shapes or values are not as described; the message says which row and what to do.

    Examples
    --------
    >>> from skce import binary_cross_entropy_loss
    >>> round(binary_cross_entropy_loss([1], [0.3], base=10), 4)
    0.5229
    >>> round(binary_cross_entropy_loss(["spam", "ham"], [0.9, 0.2], pos_label="spam"), 4)
    0.1643
    >>> round(binary_cross_entropy_loss([0.9, 0.2], [0.8, 0.3]), 4)
    0.4460
    """
    outputs = validation.check_outputs(y_proba)
    if outputs.ndim == 2:
        labels = validation.column_names(y_proba) if labels is None else labels
        outputs = _positive_column(outputs, labels, pos_label, from_logits)
    validation.check_option("handle_unknown", handle_unknown, validation.UNKNOWN_LABEL_POLICIES)
    y_true = validation.check_labels(y_true)
    validation.check_length(y_true, outputs)
    if pos_label is None and labels is None and validation.is_soft(y_true):
        targets, classes = y_true.astype(outputs.dtype), np.array([0, 1])
    else:
        targets, classes = _binary_codes(y_true, pos_label, labels, handle_unknown)
    return _weighted_loss(
        SigmoidCrossEntropy,
        targets,
        outputs,
        classes,
        sample_weight=sample_weight,
        class_weight=class_weight,
        label_smoothing=label_smoothing,
        from_logits=from_logits,
        reduction=reduction,
        base=base,
        eps=eps,
        handle_unknown=handle_unknown,
    )


def _targets_of_columns(
    y_true: Any, outputs: NDArray[Any], labels: Any, handle_unknown: str
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Codes (n,) or distributions of the outputs' shape; the outputs; the class of each column."""
    classes = None if labels is None else validation.check_classes(labels)
    if classes is not None and len(classes) == 1 and outputs.ndim == 1:  # an estimator that was shown one class
        outputs = outputs[:, None]
    n_columns = 2 if outputs.ndim == 1 else outputs.shape[1]
    if classes is not None:
        validation.check_columns(classes, n_columns)
    if np.ndim(y_true) == 2 and np.shape(y_true)[1] > 1:
        targets, classes = validation.check_target_distributions(y_true, classes, n_columns)
        validation.check_length(targets, outputs)
        return (targets if outputs.ndim == 2 or targets.ndim == 1 else targets[:, 1]), outputs, classes
    y_true = validation.check_labels(y_true)
    validation.check_length(y_true, outputs)
    if classes is None:
        classes, codes = validation.find_classes(y_true, n_columns)
        return codes, outputs, classes
    codes = _targets.encode(y_true, classes)
    if handle_unknown == "error":
        validation.check_known(y_true, codes, classes)
    return codes, outputs, classes


def _binary_codes(
    y_true: NDArray[Any], pos_label: Any, labels: Any, handle_unknown: str
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Codes (n,), 1 for the positive class, and the two classes."""
    if labels is not None:
        classes = validation.check_classes(labels)
        validation.check_columns(classes, 2)
    else:
        classes = validation.find_pair(y_true, pos_label)
    if pos_label is not None:
        classes = validation.put_last(classes, pos_label)
    codes = _targets.encode(y_true, classes)
    if handle_unknown == "error":
        validation.check_known(y_true, codes, classes)
    return codes, classes


def _positive_column(outputs: NDArray[Any], labels: Any, pos_label: Any, from_logits: bool) -> NDArray[Any]:
    """The positive class's probability or logit, from two columns: the second, unless `pos_label` has the first."""
    validation.check_two_columns(outputs)
    first = labels is not None and pos_label is not None and pos_label == next(iter(labels))
    positive, negative = (0, 1) if first else (1, 0)
    if from_logits:
        return outputs[:, positive] - outputs[:, negative]
    validation.explain_probabilities(outputs, hint=" Logits? Pass from_logits=True.")
    return outputs[:, positive]


def _weighted_loss(
    loss_class: type[Loss],
    targets: NDArray[Any],
    outputs: NDArray[Any],
    classes: NDArray[Any],
    *,
    sample_weight: Any,
    class_weight: Any,
    label_smoothing: float,
    from_logits: bool,
    reduction: str,
    base: float | None,
    eps: float | str,
    handle_unknown: str,
) -> float | NDArray[Any]:
    """The path that all metrics share: a loss per row, the unknown labels' share, one weighted mean."""
    validation.check_option("reduction", reduction, validation.REDUCTIONS)
    validation.check_flag("from_logits", from_logits)
    log_base = validation.check_base(base)
    least = validation.check_eps(eps, outputs.dtype)
    weights = validation.check_sample_weight(sample_weight, len(outputs))
    unknown = _unknown_rows(targets)
    if unknown is not None:
        targets = np.where(unknown, 0, targets)
        if handle_unknown == "ignore":
            weights = validation.check_some_known(np.where(unknown, 0.0, 1.0 if weights is None else weights))
    per_class = validation.check_class_weight(
        class_weight, classes, lambda: _class_totals(targets, weights, unknown, len(classes))
    )
    loss = loss_class(label_smoothing, per_class)
    values = loss.value(targets, outputs) if from_logits else loss.score(targets, outputs, eps=least)
    if unknown is not None and handle_unknown == "clip":
        values[unknown] = -np.log(least) if least else np.inf
    values /= log_base
    return _reduce(values, weights, _mass(targets, per_class, unknown), reduction)


def _unknown_rows(targets: NDArray[Any]) -> NDArray[Any] | None:
    """Rows whose code is `UNKNOWN`, None if there are none."""
    if targets.ndim == 2 or targets.dtype.kind == "f" or targets.min() >= 0:
        return None
    return targets == _targets.UNKNOWN


def _class_totals(targets: NDArray[Any], weights: Any, unknown: NDArray[Any] | None, k: int) -> NDArray[Any]:
    """Total weight of each class, (k,)."""
    weights = np.ones(len(targets)) if weights is None else weights
    if targets.ndim == 2:
        return weights @ targets
    if targets.dtype.kind == "f":
        return np.array([weights @ (1 - targets), weights @ targets])
    return np.bincount(targets, weights if unknown is None else np.where(unknown, 0, weights), minlength=k)


def _mass(
    targets: NDArray[Any], class_weight: NDArray[Any] | None, unknown: NDArray[Any] | None
) -> NDArray[Any] | None:
    """What each row counts in the mean's denominator, w(y_i); None if that is 1."""
    if class_weight is None:
        return None
    if targets.ndim == 2:
        return targets @ class_weight
    if targets.dtype.kind == "f":
        return class_weight[0] + (class_weight[1] - class_weight[0]) * targets
    mass = class_weight[targets]
    return mass if unknown is None else np.where(unknown, 1.0, mass)


def _reduce(values: NDArray[Any], weights: Any, mass: NDArray[Any] | None, reduction: str) -> float | NDArray[Any]:
    if weights is not None:
        if weights.min() == 0:  # a row that counts nothing must not turn inf into nan
            values = np.where(weights > 0, values, 0)
        values = values * weights
    if reduction == "none":
        return values
    total = float(values.sum(dtype=np.float64))
    if reduction == "sum":
        return total
    if mass is None:
        return total / (len(values) if weights is None else float(weights.sum()))
    divisor = float(mass.sum() if weights is None else weights @ mass)
    return total / validation.check_positive_mass(divisor)
