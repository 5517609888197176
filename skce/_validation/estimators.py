"""What an estimator takes, and all that is private in scikit-learn."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.metrics import check_scoring
from sklearn.metrics._scorer import _BaseScorer as BaseScorer  # caching and routing in searches need this base
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_response_method as check_response_method,
)
from sklearn.utils.validation import (
    check_is_fitted,
    validate_data,
)

from skce import _targets
from skce._validation.arrays import check_floats, check_sample_weight
from skce._validation.labels import check_labels, ndim, sorted_classes
from skce._validation.options import check_number

__all__ = ["BaseScorer", "check_is_fitted", "check_random_state", "check_response_method"]


def check_fit(estimator: Any, X: Any, y: Any, sample_weight: Any) -> tuple:
    """X (n, d) as float64 or float32, dense or CSR; the classes; the code of each label; weights or None."""
    if _is_column_of_objects(y):  # scikit-learn compares labels before it looks at their kinds
        sorted_classes(check_labels(y, "y"), "y")
    X, y = validate_data(estimator, X, y, accept_sparse="csr", dtype=(np.float64, np.float32), y_numeric=False)
    check_classification_targets(y)
    classes, codes = sorted_classes(_targets.as_labels(y), "y")
    check_two_classes(classes)
    return X, classes, codes, check_sample_weight(sample_weight, X.shape[0])


def check_two_classes(classes: np.ndarray) -> None:
    """Something to tell apart."""
    if len(classes) < 2:
        raise ValueError(f"y must have at least two classes, got one class, {classes.tolist()[0]!r}.")


def check_alphas(alphas: Any) -> np.ndarray:
    """Penalties from the largest to the least."""
    if isinstance(alphas, (int, np.integer)) and not isinstance(alphas, bool):
        check_number("alphas", alphas, 1, integer=True)
        return np.logspace(1, -6, alphas)
    values = check_floats("alphas", alphas)
    if values.ndim != 1 or values.size == 0 or not (np.isfinite(values).all() and values.min() >= 0):
        raise ValueError(f"alphas must be a number of them, or finite numbers of at least 0, got {alphas!r}.")
    return np.unique(values)[::-1].astype(np.float64)


def check_scorer(estimator: Any, scoring: Any) -> Callable:
    """A scorer from its name in scikit-learn, or itself."""
    return check_scoring(estimator, scoring=scoring)


def accepts_weights(scorer: Any) -> bool:
    """Whether a scorer takes sample weights."""
    return bool(getattr(scorer, "_accept_sample_weight", lambda: False)())


def _is_column_of_objects(y: Any) -> bool:
    if isinstance(y, (list, tuple)):
        return not any(ndim(label) for label in y) and np.asarray(y).dtype == object
    return getattr(y, "ndim", 0) == 1 and len(y) > 0 and getattr(y, "dtype", None) == np.dtype(object)


def check_predict(estimator: Any, X: Any) -> Any:
    """X for a fitted estimator: the features it was fitted with."""
    check_is_fitted(estimator)
    return validate_data(estimator, X, accept_sparse="csr", dtype=(np.float64, np.float32), reset=False)
