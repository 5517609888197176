"""Scorers: ask an estimator, call a metric with the estimator's classes, apply the sign. Greater is better.

A scorer is what `scoring=` of scikit-learn's searches takes. Unlike scikit-learn's own it tells the metric which class
each column stands for, so a class that is missing from a fold, on either side of the split, is no problem.
"""

import copy
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial, reduce
from inspect import signature
from operator import add
from typing import Any

import numpy as np

from skce import _targets
from skce import _validation as validation
from skce._rows import DaskRows
from skce.metrics import (
    binary_cross_entropy_loss,
    cross_entropy_loss,
    d2_cross_entropy_score,
    focal_loss,
    kl_divergence_loss,
    multilabel_cross_entropy_loss,
    perplexity,
)


class Scorer(validation.BaseScorer):
    """A metric as `scorer(estimator, X, y, sample_weight=None) -> float`. Made by `make_scorer`.

    Works wherever scikit-learn takes `scoring`, alone or among several metrics, with sample weights and metadata
    routing; picklable.
    """

    def __init__(self, metric: Callable, sign: int, options: dict, response_method: Any):
        super().__init__(metric, sign, options, response_method)

    def __repr__(self) -> str:
        parts = [getattr(self._score_func, "__name__", repr(self._score_func))]
        parts += ["greater_is_better=True"] if self._sign > 0 else []
        parts += [] if self._response_method == "predict_proba" else [f"response_method={self._response_method!r}"]
        parts += [f"{name}={value!r}" for name, value in self._kwargs.items()]
        return f"make_scorer({', '.join(parts)})"

    def _score(self, method_caller: Callable, estimator: Any, X: Any, y_true: Any, **kwargs: Any) -> float:
        """The hook that scikit-learn's base class, and its search over several metrics, calls."""
        self._warn_overlap("Metadata overrides options that make_scorer was given.", kwargs)
        options = {**self._kwargs, **kwargs}
        accepted = signature(self._score_func).parameters
        classes = getattr(estimator, "classes_", None)
        if "labels" in accepted and classes is not None:
            validation.check_labels_alone(classes)
            options = _of_seen_classes(options, classes)
        clipped = "handle_unknown" in accepted and "handle_unknown" not in options
        if clipped:
            options["handle_unknown"] = "clip"
        response = _in_order(self._ask(method_caller, estimator, X, y_true, classes), classes, options)
        score = self._sign * self._score_func(y_true, response, **options)
        if clipped:
            _warn_of_unseen(y_true, options.get("labels"))
        return score

    def _ask(self, method_caller: Callable, estimator: Any, X: Any, y_true: Any, classes: Any) -> Any:
        """What the estimator answers; an answer is kept for the other scorers of a search over several metrics.

        scikit-learn's own cache serves more than two classes. Of two it keeps one column, of whichever positive class
        was asked for first, so there ours is another entry of it. One class has probability 1, whatever its estimator
        makes of it.
        """
        method = validation.check_response_method(estimator, self._response_method)
        of_labels = self._score_func is multilabel_cross_entropy_loss
        exclusive = _one_label_a_row(y_true) and classes is not None and np.ndim(classes) == 1
        if exclusive and len(classes) == 1:
            certain = self._certain(y_true)
            return self._of_labels([certain], [classes]) if of_labels else certain
        if exclusive and len(classes) > 2:
            return method_caller(estimator, method.__name__, X)
        cache = next(iter(getattr(method_caller, "args", ())), None)
        cache = {} if cache is None else cache
        key = f"{method.__name__}, all columns"
        if key not in cache:
            cache[key] = method(X)
        if isinstance(cache[key], list):
            return self._of_labels(cache[key], classes)
        if of_labels and exclusive:  # one column of answers, which the estimator took for classes
            return cache[key][:, None] if np.ndim(cache[key]) == 1 else self._of_labels([cache[key]], [classes])
        if of_labels:
            validation.check_method_of_labels(method.__name__)
        return cache[key]

    def _certain(self, y_true: Any) -> Any:
        """What is said of a class without alternative, for each row."""
        certain = partial(_constant, 0.0 if self._kwargs.get("from_logits") else 1.0)
        if validation.is_dask(y_true):
            return DaskRows(y_true, names=["y_true"]).map(certain, np.empty((0, 1)))
        return certain(y_true)

    def _of_labels(self, answers: list, classes: Any) -> Any:
        """Answers of an estimator label by label: P(1) of each, or pairs of log-probabilities if they are logits.

        A label that was always or never there in training has but one column.
        """
        logits = bool(self._kwargs.get("from_logits"))
        never = -np.inf if logits else 0.0
        pairs = []
        for answer, values in zip(answers, classes, strict=True):
            validation.check_answers(values)
            pair = np.full((len(answer), 2), never)
            pair[:, np.asarray(values, dtype=np.intp)] = answer
            pairs.append(pair)
        return pairs if logits else np.column_stack([pair[:, 1] for pair in pairs])


def _of_seen_classes(options: dict, classes: Any) -> dict:
    """Options whose `labels` are those that an estimator has seen, as in a fold; by default its classes.

    A sequence of class weights becomes that of all the labels that were named.
    """
    if options.get("labels") is None:
        return {**options, "labels": classes}
    wanted = validation.check_classes(options["labels"])
    options = {**options, "labels": wanted}
    places = _targets.encode(_targets.as_labels(classes), wanted)
    if places.min() == _targets.UNKNOWN or len(wanted) <= len(classes):
        return options
    weights = options.get("class_weight")
    if weights is not None and not isinstance(weights, (str, Mapping)) and len(weights) == len(wanted):
        options = {**options, "class_weight": dict(zip(wanted.tolist(), weights, strict=True))}
    return {**options, "labels": wanted[np.sort(places)]}


def _in_order(response: Any, classes: Any, options: dict) -> Any:
    """A column for each of the estimator's classes in the order of the option `labels`, which may be another.

    One column is the logit of the positive class: `pos_label`, or the last. Whoever names other labels knows better.
    """
    labels = options.get("labels")
    if classes is None or isinstance(response, list) or (labels is classes and options.get("pos_label") is None):
        return response
    wanted = classes if labels is None else labels
    if np.ndim(response) == 1:
        positive = wanted[-1] if options.get("pos_label") is None else options["pos_label"]
        return -response if positive == classes[0] else response
    if labels is None or len(wanted) != len(classes) or hasattr(response, "columns"):
        return response
    places = _targets.encode(wanted, _targets.as_labels(classes))
    return response if places.min() == _targets.UNKNOWN else response[:, places]


def _one_label_a_row(y_true: Any) -> bool:
    try:
        shape = np.shape(y_true)
    except ValueError:  # rows of different lengths, of which the metric will say so
        return False
    return len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)


def _warn_of_unseen(y_true: Any, classes: Any) -> None:
    """One warning where labels were not among the estimator's classes, and so count as predicted with probability 0."""
    if classes is None or not _one_label_a_row(y_true):
        return
    if validation.is_dask(y_true):
        unseen = DaskRows(y_true, names=["y_true"]).fold(_unseen_in, partial(reduce, add), classes).compute()
    else:
        unseen = _unseen_in(classes, y_true)
    if unseen:
        labels, n = list(unseen), unseen.total()
        warnings.warn(
            f"The estimator was fitted without the classes {labels}: {n} row{'s count' if n > 1 else ' counts'} as "
            "predicted with probability 0, clipped at eps. Choose with handle_unknown in make_scorer.",
            UserWarning,
            stacklevel=2,
        )


def _unseen_in(classes: Any, y_true: Any) -> Counter:
    """How many of the labels are of each class that is not among `classes`."""
    y_true = _targets.as_labels(y_true)
    return Counter(y_true[_targets.encode(y_true, _targets.as_labels(classes)) == _targets.UNKNOWN].tolist())


def _constant(value: float, y_true: Any) -> np.ndarray:
    """A column of one number for each row."""
    return np.full((validation.rows_in(y_true), 1), value)


def make_scorer(
    metric: Callable,
    *,
    greater_is_better: bool = False,
    response_method: str | list[str] | tuple[str, ...] = "predict_proba",
    **options: Any,
) -> Scorer:
    """Scorer of a metric, for `scoring=` in cross-validation and searches.

    Parameters
    ----------
    metric : callable
        `metric(y_true, response, **options) -> float`. If it takes `labels` it is given the estimator's `classes_`; if
        it takes `handle_unknown`, "clip".
    greater_is_better : bool, default=False
        Whether greater values of the metric are better; if not the scorer changes its sign.
    response_method : str or list of str, default="predict_proba"
        Method of the estimator that the metric judges, or several in order of preference. For "decision_function" and
        "predict_log_proba" pass `from_logits=True` among the options.
    **options
        Further arguments of the metric.

    Returns
    -------
    Scorer

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import cross_val_score
    >>> from skce import cross_entropy_loss, make_scorer
    >>> X, y = load_iris(return_X_y=True)
    >>> bits = make_scorer(cross_entropy_loss, base=2)
    >>> cross_val_score(LogisticRegression(max_iter=1000), X, y, scoring=bits).mean().round(2).item()
    -0.2
    >>> bits
    make_scorer(cross_entropy_loss, base=2)
    """
    if not callable(metric):
        raise TypeError(f"metric must be a function, got {metric!r}.")
    validation.check_options_of(metric, options)
    names = (response_method,) if isinstance(response_method, str) else response_method
    if not isinstance(names, (list, tuple)) or not names or not all(isinstance(name, str) for name in names):
        raise TypeError(f"response_method must be a method's name or a list of them, got {response_method!r}.")
    return Scorer(metric, 1 if greater_is_better else -1, options, response_method)


def get_scorer(name: str) -> Scorer:
    """A copy of the scorer of that name.

    Raises
    ------
    ValueError
        If there is none; the message lists the names.

    Examples
    --------
    >>> from skce import get_scorer
    >>> get_scorer("neg_cross_entropy")
    make_scorer(cross_entropy_loss)
    """
    validation.check_option("scorer", name, SCORERS)
    return copy.deepcopy(SCORERS[name])


def get_scorer_names() -> list[str]:
    """Names that `get_scorer` takes.

    Examples
    --------
    >>> from skce import get_scorer_names
    >>> get_scorer_names()  # doctest: +NORMALIZE_WHITESPACE
    ['d2_cross_entropy', 'neg_binary_cross_entropy', 'neg_cross_entropy', 'neg_focal_loss', 'neg_kl_divergence',
     'neg_multilabel_cross_entropy', 'neg_perplexity']
    """
    return sorted(SCORERS)


SCORERS: dict[str, Scorer] = {
    "d2_cross_entropy": make_scorer(d2_cross_entropy_score, greater_is_better=True),
    "neg_binary_cross_entropy": make_scorer(binary_cross_entropy_loss),
    "neg_cross_entropy": make_scorer(cross_entropy_loss),
    "neg_focal_loss": make_scorer(focal_loss),
    "neg_kl_divergence": make_scorer(kl_divergence_loss),
    "neg_multilabel_cross_entropy": make_scorer(multilabel_cross_entropy_loss),
    "neg_perplexity": make_scorer(perplexity),
}

d2_cross_entropy = SCORERS["d2_cross_entropy"]
"""Share of the cross-entropy of the class frequencies that the predictions save: `d2_cross_entropy_score`."""

neg_binary_cross_entropy = SCORERS["neg_binary_cross_entropy"]
"""Minus the `binary_cross_entropy_loss` of the positive class's probability."""

neg_cross_entropy = SCORERS["neg_cross_entropy"]
"""Minus the `cross_entropy_loss` of the predicted probabilities."""

neg_focal_loss = SCORERS["neg_focal_loss"]
"""Minus the `focal_loss` of the predicted probabilities. Not proper: do not choose models by it."""

neg_kl_divergence = SCORERS["neg_kl_divergence"]
"""Minus the `kl_divergence_loss` of the predicted probabilities from soft targets."""

neg_multilabel_cross_entropy = SCORERS["neg_multilabel_cross_entropy"]
"""Minus the `multilabel_cross_entropy_loss` of the predicted probability of each label."""

neg_perplexity = SCORERS["neg_perplexity"]
"""Minus the `perplexity` of the predicted probabilities."""
