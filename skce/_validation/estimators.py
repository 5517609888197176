"""What an estimator takes, and all that is private in scikit-learn."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from inspect import signature
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.metrics import check_scoring
from sklearn.metrics._scorer import _BaseScorer as BaseScorer  # caching and routing in searches need this base
from sklearn.model_selection import train_test_split
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
from skce._targets import Targets
from skce._validation.arrays import check_floats, check_not_empty, check_probabilities, check_sample_weight
from skce._validation.labels import (
    check_classes,
    check_labels,
    column_names,
    has_columns,
    match_columns,
    ndim,
    sorted_classes,
)
from skce._validation.lazy import check_in_memory
from skce._validation.options import check_flag, check_number, check_option, listed
from skce._validation.partitions import is_dask

__all__ = ["BaseScorer", "check_is_fitted", "check_random_state", "check_response_method"]


LINKS = ("auto", "sigmoid", "softmax")
SCHEDULES = ("adaptive", "constant", "invscaling")


class FitInput(NamedTuple):
    """What a classifier is fitted to."""

    X: Any
    """(n, d), float64 or float32, dense or CSR."""
    targets: Targets
    weights: np.ndarray | None

    def take(self, rows: np.ndarray) -> "FitInput":
        """Some of the rows."""
        weights = None if self.weights is None else self.weights[rows]
        return FitInput(self.X[rows], self.targets.take(rows), weights)

    def fold(self, rows: np.ndarray) -> "FitInput":
        """Some of the rows, and the classes that are left."""
        return self.take(rows)._replace(targets=self.targets.fold(rows))


def check_fit(estimator: Any, X: Any, y: Any, sample_weight: Any) -> FitInput:
    """What a classifier is fitted to: all the rows there are."""
    data = check_rows(estimator, X, y, sample_weight)
    if not data.targets.exclusive:
        check_known_labels(data)
    return data


def check_rows(
    estimator: Any, X: Any, y: Any, sample_weight: Any, *, known: Any = None, reset: bool = True
) -> FitInput:
    """Some rows; `known` has the classes of rows before these, and whether they are exclusive."""
    check_in_memory(X=X, y=y, sample_weight=sample_weight)
    if _is_column_of_objects(y):  # scikit-learn compares labels before it looks at their kinds
        sorted_classes(check_labels(y, "y"), "y")
    formats = {"accept_sparse": "csr", "dtype": (np.float64, np.float32), "reset": reset}
    if has_columns(y):
        X = validate_data(estimator, X, **formats)
        targets = check_target_matrix(y, estimator.link if known is None else known)
        check_same_length(X, targets.values)
    else:
        X, y = validate_data(estimator, X, y, y_numeric=False, **formats)
        if y.dtype.kind not in "biuUS":  # those are labels, and to find out takes long
            check_classification_targets(y)
        targets = check_target_labels(y, known)
    return FitInput(X, targets, check_sample_weight(sample_weight, X.shape[0]))


def check_target_labels(y: Any, known: Any) -> Targets:
    """Targets of labels of shape (n,)."""
    labels = _targets.as_labels(y)
    if labels.dtype.kind in "mM":  # scikit-learn takes a date that is missing for a class
        check_labels(labels, "y")
    if known is None:
        classes, codes = sorted_classes(labels, "y")
        check_two_classes(classes)
        return Targets(codes, classes, True)
    if not known.exclusive:
        raise ValueError(f"y must have a column for each of the {len(known.classes)} labels, got shape {labels.shape}.")
    codes = _targets.encode(labels, known.classes)
    if (codes == _targets.UNKNOWN).any():
        unseen = list(dict.fromkeys(labels[codes == _targets.UNKNOWN].tolist()))
        raise ValueError(
            f"y has labels {listed(unseen)} that are not among the classes {listed(known.classes.tolist())}."
        )
    return Targets(codes, known.classes, True)


def check_target_matrix(y: Any, like: Any) -> Targets:
    """Targets of several columns, by the option `link` or like other targets.

    "auto" takes 0, 1 and nan for several labels a row, and rows that sum to 1 for soft labels; "softmax" takes any for
    soft labels, "sigmoid" for several labels.
    """
    values, names = target_table(y)
    classes = np.arange(values.shape[1]) if names is None else check_classes(names, "The columns of y")
    if isinstance(like, str):
        exclusive = means_soft_labels(like, *values_in(values))
    else:
        exclusive = like.exclusive
        values = _columns_like(values, names, like.classes)
        classes = like.classes
    if exclusive:
        check_soft_labels(values)
    else:
        check_answer_values(values)
    return Targets(values, classes, exclusive)


def target_table(y: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Targets of several columns as floats, and the names of the columns. Values are not looked at."""
    if sparse.issparse(y):
        raise TypeError("y must be dense, got a sparse matrix; convert it with .toarray().")
    names = column_names(y)
    values = check_floats("y", y)
    if values.ndim != 2:
        raise ValueError(f"y must have shape (n,) or (n, k), got {values.shape}.")
    check_not_empty("y", values)
    return values, names


def values_in(values: np.ndarray) -> tuple[bool, bool]:
    """Whether some targets are unknown, and whether some are neither that nor 0 or 1."""
    unknown = np.isnan(values)
    return bool(unknown.any()), bool(((values != 0) & (values != 1) & ~unknown).any())


def means_soft_labels(link: str, unknown: bool, fractions: bool) -> bool:
    """Whether targets of several columns with such values are soft labels, by the option `link`."""
    return link != "sigmoid" and (link == "softmax" or (fractions and not unknown))


def _columns_like(values: np.ndarray, names: np.ndarray | None, classes: np.ndarray) -> np.ndarray:
    if values.shape[1] != len(classes):
        raise ValueError(f"y must have {len(classes)} columns, got shape {values.shape}.")
    return values if names is None else values[:, match_columns(names, classes, "y")]


def check_soft_labels(values: np.ndarray) -> None:
    """Rows that are distributions."""
    hint = " y of several columns has rows that sum to 1 (soft labels), or 0, 1 and nan (several labels a row)."
    check_probabilities(values, "y", hint)


def check_answer_values(values: np.ndarray) -> None:
    """Numbers in [0, 1], or nan."""
    bad = (values < 0) | (values > 1)
    if bad.any():
        row = int(np.argwhere(bad)[0][0])
        raise ValueError(f"y must be in [0, 1], or nan where unknown: row {row} has {values[bad][0]:g}.")


def check_known_labels(data: FitInput) -> None:
    """A known answer for each label, in a row that has a weight."""
    rows = slice(None) if data.weights is None else data.weights > 0
    unknown = np.isnan(data.targets.values[rows]).all(axis=0)
    if unknown.any():
        names = listed(data.targets.classes[unknown].tolist())
        raise ValueError(f"y has no known answer for the labels {names}: drop them.")


def check_same_length(X: Any, y: np.ndarray) -> None:
    """As many rows of X as of y."""
    if X.shape[0] != len(y):
        raise ValueError(f"X and y must have as many rows, got inconsistent shapes {X.shape} and {y.shape}.")


def check_stream(estimator: Any, X: Any, y: Any, sample_weight: Any, classes: Any, known: Any) -> FitInput:
    """What `partial_fit` adds to a classifier, which has not been fitted if nothing is `known`."""
    if classes is not None:
        classes = check_classes(classes, "classes")
        if known is not None and set(classes.tolist()) != set(known.classes.tolist()):
            raise ValueError(f"classes must be those of the first call, {listed(known.classes.tolist())}.")
        if known is not None and has_columns(y) and column_names(y) is None and (classes != known.classes).any():
            raise ValueError(f"classes must be in the order of the first call, {listed(known.classes.tolist())}.")
    if known is not None:
        return check_rows(estimator, X, y, sample_weight, known=known, reset=False)
    if not has_columns(y):
        if classes is None:
            raise ValueError("The first call of partial_fit needs classes=, all those that will come.")
        check_two_classes(classes)
        return check_rows(estimator, X, y, sample_weight, known=Targets(np.empty(0), np.sort(classes), True))
    data = check_rows(estimator, X, y, sample_weight)
    if classes is None:
        return data
    if len(classes) != len(data.targets.classes):
        raise ValueError(
            f"classes must name the {len(data.targets.classes)} columns of y, got {listed(classes.tolist())}."
        )
    values, names = data.targets.values, column_names(y)
    values = values if names is None else values[:, match_columns(names, classes, "y")]
    return data._replace(targets=Targets(values, classes, data.targets.exclusive))


def split(data: FitInput, fraction: float, random_state: Any) -> tuple[np.ndarray, np.ndarray]:
    """Rows to fit and rows to validate, of those that have a weight, and of each class alike where that can be."""
    if is_dask(data.targets.values):
        raise ValueError("early_stopping on dask collections needs validation rows in memory: pass X_val and y_val.")
    rows = np.arange(len(data.targets.values)) if data.weights is None else np.flatnonzero(data.weights > 0)
    targets, n = data.targets.take(rows), len(rows)
    n_out = int(np.ceil(fraction * n))
    if n_out >= n:
        raise ValueError(f"validation_fraction={fraction:g} of {n} rows leaves none to fit.")
    alike = targets.values.ndim == 1 and min(n_out, n - n_out) >= len(targets.classes)
    if alike:
        counts = np.bincount(targets.values)
        alike = counts[counts > 0].min() > 1
    return tuple(
        train_test_split(rows, test_size=n_out, random_state=random_state, stratify=targets.values if alike else None)
    )


def check_validation_set(estimator: Any, X: Any, y: Any, sample_weight: Any, known: Any) -> FitInput | None:
    """Rows that the caller keeps for validation."""
    if X is None and y is None:
        if sample_weight is not None:
            raise ValueError("sample_weight_val goes with X_val and y_val, which are None.")
        return None
    if X is None or y is None:
        raise ValueError("X_val and y_val go together: one of them is None.")
    data = check_rows(estimator, X, y, sample_weight, known=known, reset=False)
    if not data.targets.exclusive and np.isnan(data.targets.values).all():
        raise ValueError("y_val has no known answer: every entry is nan.")
    return data


NUMBERS: dict[str, tuple] = {
    "alpha": (0.0,),
    "gamma": (0.0,),
    "tol": (0.0,),
    "power_t": (0.0,),
    "momentum": (0.0, 1.0),
    "beta_1": (0.0, 1.0),
    "beta_2": (0.0, 1.0),
}
"""Parameters that are numbers from the first bound to below the second."""

COUNTS = ("max_iter", "n_iter_no_change")
FLAGS = ("fit_intercept", "nesterovs_momentum", "average", "shuffle", "early_stopping", "warm_start")


@cache
def _parameter_names(kind: Any) -> tuple[str, ...]:
    """Names of an estimator's parameters: to look at a signature takes longer than to check what it names."""
    return tuple(signature(kind).parameters)


def check_parameters(estimator: Any, solvers: Iterable[str]) -> None:
    """The parameters of a classifier that need no data to be checked."""
    own = {name: getattr(estimator, name) for name in _parameter_names(estimator.__class__)}
    check_option("solver", own["solver"], solvers)
    check_option("link", own["link"], LINKS)
    for name in [name for name in NUMBERS if name in own]:
        check_number(name, own[name], *NUMBERS[name])
    for name in [name for name in COUNTS if name in own]:
        check_number(name, own[name], 1, integer=True)
    for name in [name for name in FLAGS if name in own]:
        check_flag(name, own[name])
    check_learning_rate(own["learning_rate"], own["learning_rate_init"])
    if "batch_size" in own:
        check_batch_size(own["batch_size"], 1)
        check_number("validation_fraction", own["validation_fraction"], 0.0, 1.0, closed="neither")
    check_number(
        "verbose", int(own["verbose"]) if isinstance(own["verbose"], bool) else own["verbose"], 0, integer=True
    )
    check_random_state(own["random_state"])


def check_stream_parameters(estimator: Any) -> None:
    """Parameters that need not see all rows."""
    if isinstance(estimator.class_weight, str):
        raise ValueError(
            "class_weight='balanced' is unknown in partial_fit, which does not see all rows: pass a dict, or "
            "sample_weight."
        )
    if estimator.early_stopping:
        raise ValueError("early_stopping=True is for fit: who calls partial_fit decides when to stop.")


def check_learning_rate(learning_rate: Any, learning_rate_init: Any) -> tuple[str, float | None]:
    """A schedule and its first rate; a number is a constant rate."""
    if not isinstance(learning_rate, str):
        if learning_rate_init is not None:
            raise ValueError("learning_rate is a number, the rate itself: leave learning_rate_init None.")
        return "constant", float(check_number("learning_rate", learning_rate, 0.0, closed="neither"))
    check_option("learning_rate", learning_rate, SCHEDULES)
    if learning_rate_init is not None:
        check_number("learning_rate_init", learning_rate_init, 0.0, closed="neither")
    return learning_rate, learning_rate_init


def check_batch_size(batch_size: Any, best: int) -> int:
    """Rows of a mini-batch; "auto" takes the best."""
    if isinstance(batch_size, str):
        check_option("batch_size", batch_size, ("auto",))
        return best
    return int(check_number("batch_size", batch_size, 1, integer=True))


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
        raise ValueError(f"alphas must be an int, how many, or a list of finite numbers of at least 0, got {alphas!r}.")
    return np.unique(values)[::-1].astype(np.float64)


def check_scorer(estimator: Any, scoring: Any) -> Callable:
    """A scorer from its name in scikit-learn, or itself."""
    return check_scoring(estimator, scoring=scoring)


def check_score(score: Any) -> float:
    """The one number that a scorer must give to stop by."""
    if isinstance(score, Mapping):
        raise ValueError(f"scoring must give one number, got {listed(list(score))}.")
    if np.isnan(score):
        raise ValueError("scoring gave nan for the validation rows: fits cannot be compared by it.")
    return float(score)


def accepts_weights(scorer: Any) -> bool:
    """Whether a scorer takes sample weights."""
    return bool(getattr(scorer, "_accept_sample_weight", lambda: False)())


def check_onnx_classes(classes: np.ndarray) -> np.ndarray:
    """Classes that an ONNX graph can answer with: int64 or strings."""
    if classes.dtype.kind in "US" or all(isinstance(label, str) for label in classes.tolist()):
        return classes.astype(str)
    if classes.dtype.kind in "biuf" and np.array_equal(classes, classes.astype(np.int64)):
        return classes.astype(np.int64)
    raise ValueError(f"ONNX has integers and strings for classes, got {listed(classes.tolist())}.")


def _is_column_of_objects(y: Any) -> bool:
    if isinstance(y, (list, tuple)):
        return not any(ndim(label) for label in y) and np.asarray(y).dtype == object
    return getattr(y, "ndim", 0) == 1 and len(y) > 0 and getattr(y, "dtype", None) == np.dtype(object)


def check_predict(estimator: Any, X: Any) -> Any:
    """X for a fitted estimator: the features it was fitted with."""
    check_is_fitted(estimator)
    return validate_data(estimator, X, accept_sparse="csr", dtype=(np.float64, np.float32), reset=False)
