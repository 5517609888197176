"""Dask collections become what a classifier is fitted to, and predicts of: lazy arrays, checked where their rows are.

One pass over the data says what the client must know: rows of each partition, classes, whether all is as it should be.
Arrays in memory go to the checks of `_validation`, which would read a collection in whole.
"""

from functools import partial, reduce
from typing import Any, NamedTuple

import numpy as np

from skce import _validation as validation
from skce._link import Link
from skce._rows import DaskRows, by_rows
from skce._targets import Targets, as_labels

NAMES = ("X", "y", "sample_weight")


class Survey(NamedTuple):
    """What a pass over partitions tells."""

    lengths: list[int]
    """Rows of each."""
    mass: float
    """Weight of the rows."""
    classes: Any = None
    """Sorted classes, None of targets of several columns and without rows."""
    unknown: bool = False
    """Of targets of several columns: whether some are nan."""
    fractions: bool = False
    """Of such targets: whether some are neither that nor 0 or 1."""
    plain: tuple[bool, bool] = (True, True)
    """Whether features and labels, which then may be codes, are in the form that they will have."""


def fit_input(estimator: Any, X: Any, y: Any, sample_weight: Any) -> validation.FitInput:
    """What a classifier is fitted to; lazy arrays if X is a dask collection."""
    if not validation.is_dask(X):
        return validation.check_fit(estimator, X, y, sample_weight)
    like = validation.check_lazy_features(estimator, X, reset=True)
    validation.warn_of_recomputing(X, "each of the fit's passes over the rows")
    rows = DaskRows(X, y, sample_weight, names=NAMES)
    survey = rows.fold(_survey, partial(reduce, _both), like).compute()
    validation.check_fitted_mass(sum(survey.lengths), survey.mass)
    targets = _targets_of(survey, y, estimator.link)
    codes_as_they_are = survey.plain[1] and np.array_equal(targets.classes, np.arange(len(targets.classes)))
    rows = rows.counted(survey.lengths)
    return validation.FitInput(
        rows.column(0) if survey.plain[0] else rows.only(0).each(_features, like, like),
        targets._replace(
            values=rows.column(1) if codes_as_they_are else rows.only(1).each(_target_values, targets.values, targets)
        ),
        None if sample_weight is None else rows.only(2).each(_weights, np.empty(0)),
    )


def predict_input(estimator: Any, X: Any) -> Any:
    """X for a fitted estimator; lazily if it is a dask collection."""
    if not validation.is_dask(X):
        return validation.check_predict(estimator, X)
    validation.check_is_fitted(estimator)
    like = validation.check_lazy_features(estimator, X, reset=False)
    return DaskRows(X, names=["X"]).each(_finite_features, like, like)


def accuracy(link: Link, logits: Any, y: Any, sample_weight: Any) -> float:
    """Weighted mean of how right predictions from lazy logits are."""
    rows = DaskRows(by_rows(link.codes, logits), y, sample_weight, names=("X", *NAMES[1:]))
    hits, mass = rows.sum(partial(_hits, link))
    return float(hits / validation.check_positive_mass(mass))


def _targets_of(survey: Survey, y: Any, link: str) -> Targets:
    """The classes, and an empty array of the form that the values of the targets will have."""
    if survey.classes is not None:
        validation.check_two_classes(survey.classes)
        return Targets(np.empty(0, np.intp), survey.classes, True)
    names = validation.column_names(y)
    classes = np.arange(y.shape[1]) if names is None else validation.check_classes(names, "The columns of y")
    exclusive = validation.means_soft_labels(link, survey.unknown, survey.fractions)
    return Targets(validation.floats_like(y), classes, exclusive)


def _survey(like: Any, X: Any, y: Any, weights: Any) -> Survey:
    """Of one partition, whose features are checked."""
    n = validation.rows_in(X)
    if n == 0:
        return Survey([0], 0.0)
    validation.check_finite_features(validation.check_features(X, like))
    plain = _is_plain(X, like)
    weights = validation.check_sample_weight(weights, n, whole=False)
    mass = float(n if weights is None else weights.sum())
    if validation.has_columns(y):
        unknown, fractions = validation.values_in(validation.target_table(y)[0])
        return Survey([n], mass, None, unknown, fractions, (plain, False))
    classes = validation.sorted_classes(validation.check_labels(y, "y"), "y")[0]
    return Survey([n], mass, classes, plain=(plain, _is_plain(y, np.empty(0, np.intp))))


def _is_plain(array: Any, like: Any) -> bool:
    """Whether an array has the kind and type of an empty one."""
    return type(array) is type(like) and array.dtype == like.dtype and array.ndim == like.ndim


def _both(one: Survey, other: Survey) -> Survey:
    classes = one.classes if other.classes is None else other.classes
    if one.classes is not None and other.classes is not None:
        classes = validation.merge_classes(one.classes, other.classes, "y")
    return Survey(
        one.lengths + other.lengths,
        one.mass + other.mass,
        classes,
        one.unknown or other.unknown,
        one.fractions or other.fractions,
        (one.plain[0] and other.plain[0], one.plain[1] and other.plain[1]),
    )


# What partitions become stands outside of any class: it travels to other machines.
def _features(like: Any, X: Any) -> Any:
    return validation.check_features(X, like)


def _finite_features(like: Any, X: Any) -> Any:
    return validation.check_finite_features(validation.check_features(X, like))


def _target_values(like: Targets, y: Any) -> np.ndarray:
    if not validation.rows_in(y):
        return like.values
    check = validation.check_target_matrix if validation.has_columns(y) else validation.check_target_labels
    return check(y, like).values.astype(like.values.dtype, copy=False)


def _weights(_: None, weights: Any) -> np.ndarray:
    return validation.check_floats("sample_weight", weights).astype(np.float64, copy=False)


def _hits(link: Link, codes: np.ndarray, y: Any, weights: Any) -> tuple:
    """Weighted sum of how right the predictions of a block are, and its weight."""
    if validation.has_columns(y):
        hits = link.hits(codes, validation.check_target_matrix(y, link).values)
    else:
        hits = link.labels(codes) == as_labels(y)
    weights = (
        np.ones(len(codes)) if weights is None else validation.check_sample_weight(weights, len(codes), whole=False)
    )
    known = ~np.isnan(hits)
    return hits[known] @ weights[known], weights[known].sum()
