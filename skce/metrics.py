"""Scores of probabilistic predictions: labels and probabilities (or logits) in, a number out.

One plain function per score, smaller is better unless its name ends in `_score`. They share one path, in `_scores`:
targets and outputs at the door, which makes a `Case` of them; a loss per row; one weighted mean. `SCORES` at the end.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from numpy.typing import ArrayLike, NDArray

from skce._case import FOCAL
from skce._scores import ClassScore, LabelsScore, Score, evaluate, perplexity_of, skill_of


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
    compute: bool = True,
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
        Probability of each class, in rows that sum to 1 within 1e-4, or 1e-3 in half precision; of shape (n,) or (n, 1)
        that of the second of two classes. Logits of the same shapes if `from_logits`; log-probabilities are logits.
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
        does, of half precision that of single; 0 gives inf where the loss is infinite.
    handle_unknown : {"error", "clip", "ignore"}, default="error"
        What a label that no column stands for does: raise, count as probability 0 (a loss of -log eps), or drop the
        row (its loss is 0 for "none").
    compute : bool, default=True
        For dask collections, see :doc:`/larger`: False gives a lazy dask scalar. "none" is always lazy.

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
    score = SCORES["cross_entropy_loss"](
        labels=labels,
        class_weight=class_weight,
        label_smoothing=label_smoothing,
        from_logits=from_logits,
        reduction=reduction,
        base=base,
        eps=eps,
        handle_unknown=handle_unknown,
    )
    return evaluate(score, y_true, y_proba, sample_weight, compute)


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
    compute: bool = True,
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
    sample_weight, class_weight, label_smoothing, from_logits, reduction, base, eps, handle_unknown, compute
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
    score = SCORES["binary_cross_entropy_loss"](
        pos_label=pos_label,
        labels=labels,
        class_weight=class_weight,
        label_smoothing=label_smoothing,
        from_logits=from_logits,
        reduction=reduction,
        base=base,
        eps=eps,
        handle_unknown=handle_unknown,
    )
    return evaluate(score, y_true, y_proba, sample_weight, compute)


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
    compute: bool = True,
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
    compute : bool, default=True
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
    score = SCORES["multilabel_cross_entropy_loss"](
        average=average,
        pos_weight=pos_weight,
        label_smoothing=label_smoothing,
        from_logits=from_logits,
        reduction=reduction,
        base=base,
        eps=eps,
    )
    return evaluate(score, y_true, y_proba, sample_weight, compute)


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
    compute: bool = True,
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
    labels, sample_weight, class_weight, label_smoothing, from_logits, reduction, base, eps, handle_unknown, compute
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
    Lin, T.-Y., P. Goyal, R. Girshick, K. He, P. Dollar, "Focal Loss for Dense Object Detection", 2017,
    doi:10.1109/ICCV.2017.324

    Examples
    --------
    >>> from skce import focal_loss
    >>> focal_loss(["a", "b"], [[0.9, 0.1], [0.6, 0.4]], reduction="none").round(4)
    array([0.0011, 0.3299])
    """
    score = SCORES["focal_loss"](
        gamma=gamma,
        labels=labels,
        class_weight=class_weight,
        label_smoothing=label_smoothing,
        from_logits=from_logits,
        reduction=reduction,
        base=base,
        eps=eps,
        handle_unknown=handle_unknown,
    )
    return evaluate(score, y_true, y_proba, sample_weight, compute)


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
    compute: bool = True,
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
    labels, sample_weight, class_weight, label_smoothing, from_logits, reduction, base, eps, handle_unknown, compute
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
    score = SCORES["kl_divergence_loss"](
        labels=labels,
        class_weight=class_weight,
        label_smoothing=label_smoothing,
        from_logits=from_logits,
        reduction=reduction,
        base=base,
        eps=eps,
        handle_unknown=handle_unknown,
    )
    return evaluate(score, y_true, y_proba, sample_weight, compute)


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
    compute: bool = True,
) -> float:
    r"""Perplexity: among how many equally likely classes a guess would be as hard. Smaller is better, the minimum is 1.

    The base of the logarithm raised to the cross-entropy, so that `base` changes no more than the last digits.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, k)
        Labels, or a distribution over the classes for each row.
    y_proba : array-like of shape (n, k) or (n,)
        Probabilities, or logits if `from_logits`.
    labels, sample_weight, class_weight, from_logits, base, eps, handle_unknown, compute
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
    score = SCORES["perplexity"](
        labels=labels,
        class_weight=class_weight,
        from_logits=from_logits,
        base=base,
        eps=eps,
        handle_unknown=handle_unknown,
    )
    return evaluate(score, y_true, y_proba, sample_weight, compute)


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
    compute: bool = True,
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
    labels, sample_weight, class_weight, from_logits, eps, handle_unknown, compute
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
    score = SCORES["d2_cross_entropy_score"](
        labels=labels,
        class_weight=class_weight,
        from_logits=from_logits,
        eps=eps,
        handle_unknown=handle_unknown,
    )
    return evaluate(score, y_true, y_proba, sample_weight, compute)


SCORES: dict[str, Callable[..., Score]] = {
    "cross_entropy_loss": ClassScore,
    "binary_cross_entropy_loss": partial(ClassScore, binary=True),
    "multilabel_cross_entropy_loss": LabelsScore,
    "focal_loss": partial(ClassScore, kinds=FOCAL),
    "kl_divergence_loss": partial(ClassScore, relative=True),
    "perplexity": partial(ClassScore, finish=perplexity_of),
    "d2_cross_entropy_score": partial(ClassScore, finish=skill_of),
}
"""What each metric is as sums over rows, made from its options."""
