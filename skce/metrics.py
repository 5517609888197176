"""Scores of probabilistic predictions: labels and probabilities (or logits) in, a number out.

One plain function per score, smaller is better unless its name ends in `_score`. They share one path: targets and
outputs at the door, which makes a `Case` of them; a loss per row; one weighted mean.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skce import _kernels as kernels
from skce import _validation as validation
from skce._case import CROSS_ENTROPY, FOCAL, Options, binary_case, classes_case
from skce._rows import Rows
from skce.losses import SigmoidCrossEntropy


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
    multilabel_cross_entropy_loss : For several labels a row.
    sklearn.metrics.log_loss : Equal to this where both apply.

    Examples
    --------
    >>> from skce import cross_entropy_loss
    >>> proba = [[0.228, 0.619, 0.153], [0.7, 0.2, 0.1]]
    >>> round(cross_entropy_loss(["B", "A"], proba, labels=["A", "B", "C"]), 4)
    0.4182
    >>> round(cross_entropy_loss([[0, 1, 0], [0.8, 0.2, 0]], proba), 4)
    0.5434
    >>> cross_entropy_loss([0], [[0.0, 9200.7]], labels=[0, 1], from_logits=True)
    9200.7
    """
    case = classes_case(
        y_true, y_proba, labels, Options(sample_weight, from_logits, reduction, base, eps, handle_unknown)
    )
    return case.loss_value(CROSS_ENTROPY, class_weight, label_smoothing=label_smoothing)


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
        Probability of the positive class, or its logit if `from_logits`; or a column for each class.
    pos_label : label, default=None
        The positive class. By default the second of `labels`, or of the sorted labels of `y_true`.
    labels : array-like of shape (2,), default=None
        The two classes, in the order of two columns. By default the columns' names or the sorted labels of `y_true`.
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
    0.444
    """
    case = binary_case(
        y_true, y_proba, pos_label, labels, Options(sample_weight, from_logits, reduction, base, eps, handle_unknown)
    )
    return case.loss_value(CROSS_ENTROPY, class_weight, label_smoothing=label_smoothing)


def multilabel_cross_entropy_loss(
    y_true: ArrayLike,
    y_proba: Any,
    *,
    average: str | None = "micro",
    pos_weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    label_smoothing: float = 0.0,
    from_logits: bool = False,
    reduction: str = "mean",
    base: float | None = None,
    eps: float | str = "auto",
) -> float | NDArray[Any]:
    r"""Cross-entropy of several labels a row, each a yes/no question of its own. Smaller is better, the minimum is 0.

    .. math:: \ell_{il} = -w_l y_{il} \log p_{il} - (1 - y_{il}) \log(1 - p_{il})

    Both terms count: a label that is not there and was predicted costs as much as one that is there and was not.

    Parameters
    ----------
    y_true : array-like of shape (n, L)
        1 where a row has the label, 0 where not, or a probability in [0, 1]; nan where it is unknown, which is left
        out of sums and counts. The columns of a DataFrame are matched to those of `y_proba` by name.
    y_proba : array-like of shape (n, L), or list of L arrays of shape (n, 2)
        Probability of each label, need not sum to 1; logits if `from_logits`. The list is what scikit-learn's
        nearest neighbours and forests predict.
    average : {"micro", "macro", "samples"} or None, default="micro"
        Mean over all known entries; over the labels' means; over the rows' means; or None: the mean of each label.
    pos_weight : float or array-like of shape (L,), default=None
        Weight w of the term of the labels that are there. Like PyTorch's it does not enter the mean's denominator.
    sample_weight : array-like of shape (n,), default=None
        Weight of each row.
    label_smoothing : float, default=0.0
        Part e in [0, 1) by which each target moves to one half.
    from_logits : bool, default=False
        Whether `y_proba` holds logits.
    reduction : {"mean", "sum", "none"}, default="mean"
        "sum" goes with the averages "micro" and None; "none" gives the weighted loss of each entry, 0 where unknown.
    base : float, default=None
        Base of the logarithm: None for e (nats), 2 for bits, 10.
    eps : float or "auto", default="auto"
        As in `cross_entropy_loss`.

    Returns
    -------
    float; ndarray of shape (L,) for average=None, nan for a label that is nowhere known; (n, L) for reduction="none"

    Raises
    ------
    ValueError
        If shapes or values are not as described; the message says which row and what to do.

    Examples
    --------
    >>> from skce import multilabel_cross_entropy_loss
    >>> y, p = [[1, 0, 1], [0, 0, 1]], [[0.9, 0.2, 0.7], [0.1, 0.4, 0.6]]
    >>> round(multilabel_cross_entropy_loss(y, p), 4)
    0.302
    >>> multilabel_cross_entropy_loss(y, p, average=None).round(3)
    array([0.105, 0.367, 0.434])
    """
    validation.check_option("reduction", reduction, validation.REDUCTIONS)
    if average is not None:
        validation.check_option("average", average, validation.AVERAGES)
    validation.check_flag("from_logits", from_logits)
    log_base = validation.check_base(base)
    targets, outputs = validation.check_multilabel(y_true, y_proba, from_logits)
    least = validation.check_eps(eps, outputs.dtype)
    weights = validation.check_sample_weight(sample_weight, len(outputs))
    answers = None if pos_weight is None else validation.check_pos_weight(pos_weight, outputs.shape[1])
    loss = SigmoidCrossEntropy(label_smoothing=label_smoothing, class_weight=answers)

    def entries(outputs: Any, targets: Any) -> Any:
        if from_logits:
            return validation.check_logit_losses(loss.block_elements(targets, outputs), outputs)
        loss.check_block(outputs, whole)
        return loss.block_score_elements(targets, outputs, least)

    whole = outputs
    rows = Rows(outputs, targets, weights, block_rows=kernels.block_rows(2 * outputs.shape[1], outputs.itemsize))
    if reduction == "none":
        return rows.map(lambda p, y, s: _weigh(entries(p, y), s) / log_base, np.empty_like(outputs))
    return _average(rows.sum(lambda p, y, s: _label_sums(entries(p, y), y, s)), average, reduction, log_base)


def focal_loss(
    y_true: ArrayLike,
    y_proba: ArrayLike,
    *,
    gamma: float = 2.0,
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
    r"""Focal loss: cross-entropy that looks away from rows that are predicted well. Smaller is better, minimum 0.

    .. math:: \ell_i = -\sum_c w_c \tilde y_{ic} (1 - p_{ic})^\gamma \log p_{ic}

    averaged as in `cross_entropy_loss`, which it is for gamma = 0. Not a proper scoring rule for gamma > 0: a model
    that is less confident than the truth scores better. Use it to watch a training, not to compare or calibrate.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, k)
        Labels, or a distribution over the classes for each row.
    y_proba : array-like of shape (n, k) or (n,)
        Probabilities, or logits if `from_logits`. For shape (n,), those of the second of two classes, the terms are
        those of a sigmoid: (1 - p)^gamma for it, p^gamma for the other.
    gamma : float, default=2.0
        How much less easy rows weigh, at least 0.
    labels, sample_weight, class_weight, label_smoothing, from_logits, reduction, base, eps, handle_unknown
        As in `cross_entropy_loss`. `class_weight` is the paper's alpha; unlike in other libraries, which divide by
        the number of rows, it also weighs in the mean's denominator.

    Returns
    -------
    float, or ndarray of shape (n,) for reduction="none"
        In units of log(base).

    Raises
    ------
    ValueError
        If shapes or values are not as described; the message says which row and what to do.

    References
    ----------
    T.-Y. Lin, P. Goyal, R. Girshick, K. He, P. Dollar, "Focal Loss for Dense Object Detection", 2017,
    doi:10.1109/ICCV.2017.324

    Examples
    --------
    >>> from skce import focal_loss
    >>> focal_loss(["a", "b"], [[0.9, 0.1], [0.6, 0.4]], reduction="none").round(4)
    array([0.0011, 0.3299])
    """
    case = classes_case(
        y_true, y_proba, labels, Options(sample_weight, from_logits, reduction, base, eps, handle_unknown)
    )
    return case.loss_value(FOCAL, class_weight, label_smoothing=label_smoothing, gamma=gamma)


def kl_divergence_loss(
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
    r"""Kullback-Leibler divergence of predictions from soft targets. Smaller is better, 0 where they are matched.

    .. math:: \ell_i = \sum_c w_c \tilde y_{ic} \log \frac{\tilde y_{ic}}{p_{ic}}

    The cross-entropy minus the entropy of the targets: the part that a better model could still save. For labels,
    whose entropy is 0, it is `cross_entropy_loss`.

    Parameters
    ----------
    y_true : array-like of shape (n, k) or (n,)
        A distribution over the classes for each row, or labels.
    y_proba : array-like of shape (n, k) or (n,)
        Probabilities, or logits if `from_logits`.
    labels, sample_weight, class_weight, label_smoothing, from_logits, reduction, base, eps, handle_unknown
        As in `cross_entropy_loss`.

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
    kl_divergence : Of any two distributions.

    Examples
    --------
    >>> from skce import kl_divergence_loss
    >>> kl_divergence_loss([[0.7, 0.2, 0.1], [0.5, 0.5, 0.0]], [[0.7, 0.2, 0.1], [0.25, 0.5, 0.25]], base=2)
    0.25
    """
    case = classes_case(
        y_true, y_proba, labels, Options(sample_weight, from_logits, reduction, base, eps, handle_unknown)
    )
    weights = case.class_weights(class_weight)
    loss = case.loss(CROSS_ENTROPY, weights, label_smoothing=label_smoothing)
    values = case.values(loss, weights)
    values -= case.target_entropies(loss)
    return case.reduce(np.maximum(values, 0) if weights is None else values, weights)


def perplexity(
    y_true: ArrayLike,
    y_proba: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    class_weight: Any = None,
    from_logits: bool = False,
    base: float | None = None,
    eps: float | str = "auto",
    handle_unknown: str = "error",
) -> float:
    r"""Perplexity: among how many equally likely classes a guess would be as hard. Smaller is better, the minimum is 1.

    The base of the logarithm raised to the cross-entropy, so that `base` changes no more than the last digits.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, k)
        Labels, or a distribution over the classes for each row.
    y_proba : array-like of shape (n, k) or (n,)
        Probabilities, or logits if `from_logits`.
    labels, sample_weight, class_weight, from_logits, base, eps, handle_unknown
        As in `cross_entropy_loss`.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If shapes or values are not as described; the message says which row and what to do.

    Examples
    --------
    >>> from skce import perplexity
    >>> round(perplexity([0, 1], [[0.25, 0.25, 0.25, 0.25], [0.25, 0.25, 0.25, 0.25]], labels=range(4)), 4)
    4.0
    """
    case = classes_case(y_true, y_proba, labels, Options(sample_weight, from_logits, "mean", base, eps, handle_unknown))
    with np.errstate(over="ignore"):
        return float(np.exp(case.loss_value(CROSS_ENTROPY, class_weight) * case.log_base))


def d2_cross_entropy_score(
    y_true: ArrayLike,
    y_proba: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    class_weight: Any = None,
    from_logits: bool = False,
    eps: float | str = "auto",
    handle_unknown: str = "error",
) -> float:
    r"""Share of the cross-entropy of the class frequencies that the predictions save. Greater is better, the best is 1.

    .. math:: D^2 = 1 - \frac{\text{cross-entropy of the predictions}}{\text{cross-entropy of the class frequencies}}

    0 is a model that always predicts the weighted frequencies of `y_true`; worse ones are negative.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, k)
        Labels, or a distribution over the classes for each row.
    y_proba : array-like of shape (n, k) or (n,)
        Probabilities, or logits if `from_logits`.
    labels, sample_weight, class_weight, from_logits, eps, handle_unknown
        As in `cross_entropy_loss`.

    Returns
    -------
    float
        If `y_true` holds one class, whose frequency predicts perfectly: 1.0 for predictions as perfect, else 0.0, as
        scikit-learn's `r2_score` does for constant targets.

    Raises
    ------
    ValueError
        If shapes or values are not as described; the message says which row and what to do.

    See Also
    --------
    sklearn.metrics.d2_log_loss_score : Equal to this where both apply.

    Examples
    --------
    >>> from skce import d2_cross_entropy_score
    >>> round(d2_cross_entropy_score([0, 1, 1], [[0.8, 0.2], [0.3, 0.7], [0.1, 0.9]]), 4)
    0.6412
    """
    case = classes_case(y_true, y_proba, labels, Options(sample_weight, from_logits, "mean", None, eps, handle_unknown))
    weights = case.class_weights(class_weight)
    loss = case.loss(CROSS_ENTROPY, weights)
    return case.skill(case.reduce(case.values(loss, weights), weights), case.reference(weights))


def _weigh(losses: NDArray[Any], weights: NDArray[Any] | None) -> NDArray[Any]:
    """Losses (b, L) times the rows' weights, 0 where the weight is."""
    if weights is None:
        return losses
    return np.where(weights[:, None] > 0, losses * weights[:, None], 0)


def _label_sums(losses: NDArray[Any], targets: NDArray[Any], weights: NDArray[Any] | None) -> tuple:
    """A block's sums of weighted losses and of weights, by label (L,), and of the rows' means and weights."""
    if weights is None:
        weights = np.ones(len(losses))
    elif weights.min() == 0:  # inf in a row that does not count must not make a nan
        losses = np.where(weights[:, None] > 0, losses, 0)
    known = (targets == targets).astype(losses.dtype)
    counts = kernels.row_sums(known)
    means = np.divide(kernels.row_sums(losses), counts, out=np.zeros_like(counts), where=counts > 0)
    return weights @ losses, weights @ known, weights @ means, weights @ (counts > 0)


def _average(sums: list, average: str | None, reduction: str, log_base: float) -> Any:
    """The multilabel mean (or sum) over entries, labels, rows, or for each label, from `_label_sums`."""
    losses, counts, row_means, row_counts = sums
    validation.check_some_target(counts)
    if reduction == "sum":
        validation.check_sum_average(average)
        return losses / log_base if average is None else float(losses.sum() / log_base)
    if average == "micro":
        return float(losses.sum() / counts.sum() / log_base)
    if average == "samples":
        return float(row_means / row_counts / log_base)
    means = np.divide(losses, counts, out=np.full_like(losses, np.nan), where=counts > 0) / log_base
    return means if average is None else float(means[counts > 0].mean())
