"""What a metric takes: labels, distributions, the classes, and the columns that stand for them."""

from collections.abc import Hashable, KeysView, Mapping, ValuesView
from typing import Any, NoReturn

import numpy as np

from skce import _kernels as kernels
from skce import _tables, _targets
from skce._validation.arrays import (
    SUM_TOLERANCE,
    check_floats,
    check_not_empty,
    check_present,
    check_probabilities,
    check_table,
    shown,
)
from skce._validation.options import check_number, listed


def column_names(array: Any, beside: Any = None) -> np.ndarray | None:
    """Names of the columns of a DataFrame (pandas, polars), None for anything else.

    Default numbers are names where the columns `beside` them are named by the same numbers.
    """
    columns = getattr(array, "columns", None)
    if columns is None or len(columns) < 2 or (_are_default(columns) and not _are_named(columns, beside)):
        return None
    return _targets.as_labels(np.asarray(columns))


def _are_named(numbers: Any, beside: Any) -> bool:
    """Whether columns have these numbers for names."""
    columns = getattr(beside, "columns", ())
    return len(columns) == len(numbers) and not _are_default(columns) and set(columns) == set(numbers)


def _are_default(columns: Any) -> bool:
    """Whether columns have numbers and not names; other ranges, as the default numbers in reverse, were put so."""
    return type(columns).__name__ == "RangeIndex" and columns.start == 0 and columns.step == 1


def only_name(array: Any) -> Any:
    """Name of the only column of a DataFrame that has one, or of a Series, if a string; None for anything else."""
    columns = getattr(array, "columns", None)
    if columns is None and hasattr(array, "to_numpy") and isinstance(getattr(array, "name", None), str):
        return array.name
    if columns is None or len(columns) != 1 or type(columns).__name__ == "RangeIndex":
        return None
    return next(iter(columns))


def check_only_name(y_proba: Any, classes: np.ndarray) -> None:
    """A single column named after one of two classes is that of the second."""
    name, labels = only_name(y_proba), classes.tolist()
    if name is not None and len(labels) == 2 and name == labels[0]:
        raise ValueError(
            f"The only column of y_proba is named {name!r}, but is taken for the probability of {labels[1]!r}, the "
            f"positive class: pass the column of that class, or pos_label={name!r} to binary_cross_entropy_loss."
        )


def check_outputs(y_proba: Any) -> Any:
    """Probabilities or logits as floats, an array or a `Table` (n, k), or (n,) for the positive one of two classes."""
    outputs = check_table("y_proba", y_proba)
    if outputs.ndim == 2 and outputs.shape[1] == 1:
        outputs = outputs[:, 0]
    if outputs.ndim not in (1, 2):
        raise ValueError(f"y_proba must have shape (n,) or (n, k), got {outputs.shape}.")
    check_not_empty("y_proba", outputs)
    return outputs


def check_labels(y: Any, name: str = "y_true", *, shape: str = "(n,) or (n, k)", soft: bool = False) -> np.ndarray:
    """Labels of shape (n,), none of them missing or a fraction, unless it may be a `soft` target."""
    check_present(name, y)
    try:
        y = _targets.as_labels(y)
    except ValueError:
        raise ValueError(f"{name} must have shape {shape}, got rows of different lengths.") from None
    if y.ndim != 1:
        raise ValueError(f"{name} must have shape {shape}, got {y.shape}.")
    check_not_empty(name, y)
    if y.dtype.kind == "c":
        raise TypeError(f"{name} must hold labels, numbers or strings, got complex numbers.")
    if y.dtype.kind in "fmMO":
        import pandas as pd

        missing = pd.isna(y)
        if missing.any():
            raise ValueError(f"{name} must not have missing labels: row {int(np.flatnonzero(missing)[0])} is missing.")
        if y.dtype.kind == "O" and pd.api.types.infer_dtype(y).startswith("mixed"):
            bad = next((row for row, label in enumerate(y) if not isinstance(label, Hashable)), None)
            if bad is not None:
                raise TypeError(f"{name} must hold labels, numbers or strings: row {bad} is {y[bad]!r}.")
    if y.dtype.kind == "f" and not (soft and is_soft(y)):
        _check_whole_numbers(y, name, shape)
    return y


def _check_whole_numbers(y: np.ndarray, name: str, shape: str) -> None:
    """Floats that are labels have no fractions."""
    fractions = (y != np.rint(y)) | np.isinf(y)
    if not fractions.any():
        return
    row = int(np.flatnonzero(fractions)[0])
    hint = " Probabilities of the positive class go to binary_cross_entropy_loss, distributions have shape (n, k)."
    if shape == "(n,)":
        hint = " Probabilities of the positive class must be in [0, 1], and go without labels and pos_label."
    hint = hint if name == "y_true" else ""
    raise ValueError(f"{name} must hold labels, got continuous values: row {row} is {shown(y[row])}.{hint}")


def check_classes(labels: Any, name: str = "labels") -> np.ndarray:
    """The class of each column, in the caller's order, without duplicates."""
    labels = list(labels) if isinstance(labels, (KeysView, ValuesView)) else labels
    if isinstance(labels, (str, set, frozenset)):
        raise TypeError(f"{name} must be a list, the class of each column in order, got {labels!r}.")
    classes = check_labels(labels, name, shape="(k,)")
    unique, codes = sorted_classes(classes, name)
    if len(unique) < len(classes):
        twice = unique[np.bincount(codes) > 1].tolist()
        raise ValueError(f"{name} must not repeat a class, got {listed(twice)} more than once.")
    return classes


def check_length(y_true: Any, outputs: Any) -> None:
    """As many rows of targets as of outputs."""
    if len(y_true) != len(outputs):
        raise ValueError(f"y_true and y_proba must have as many rows, got shapes {y_true.shape} and {outputs.shape}.")


def find_classes(y_true: np.ndarray, n_outputs: int) -> tuple[np.ndarray, np.ndarray]:
    """Classes of `n_outputs` columns and the code of each label, where no `labels` say which class has which column."""
    classes, codes = sorted_classes(y_true, "y_true")
    if n_outputs == 2 and len(classes) == 1:
        for pair in ([0, 1], [-1, 1]):  # one class seen, but which of the usual two it is can be told
            if y_true.dtype.kind in "biuf" and classes[0] in pair:
                classes = np.array(pair).astype(y_true.dtype)
                return classes, _targets.encode(y_true, classes)
    if len(classes) != n_outputs:
        columns = "columns for 2" if n_outputs == 2 else f"{n_outputs} columns"
        raise ValueError(
            f"y_true has {len(classes)} classes, {listed(classes.tolist())}, and y_proba {columns}. "
            "Pass labels=, the class of each column in order."
        )
    return classes, codes


def sorted_classes(y: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        return _targets.find_classes(y)
    except TypeError:
        kinds = sorted({type(label).__name__ for label in y.tolist()})
        raise ValueError(f"{name} must not mix kinds of labels, got {' and '.join(kinds)}.") from None


def merge_classes(one: np.ndarray, other: np.ndarray, name: str) -> np.ndarray:
    """Sorted classes of two parts of the rows."""
    if one.dtype.kind != other.dtype.kind:  # NumPy would make strings of numbers
        one, other = one.astype(object), other.astype(object)
    return sorted_classes(check_labels(np.concatenate([one, other]), name), name)[0]


def check_target_distributions(y_true: Any, y_proba: Any, classes: np.ndarray | None, n_columns: int) -> tuple:
    """Distributions (n, k) as floats, or codes if they are one-hot integers; and the class of each column.

    A DataFrame's columns are matched to the classes by name.
    """
    names = column_names(y_true, y_proba)
    names = None if names is None else check_classes(names, "The columns of y_true")
    targets = _table(y_true)
    if targets.ndim != 2:
        raise ValueError(f"y_true must have shape (n,) or (n, k), got {targets.shape}.")
    if targets.shape[1] != n_columns:
        raise ValueError(f"y_true of shape {targets.shape} must have a column for each of the {n_columns} of y_proba.")
    check_not_empty("y_true", targets)
    if classes is None:
        classes = np.arange(n_columns) if names is None else names
    elif names is not None:
        targets = _tables.reordered(targets, match_columns(names, classes, "y_true"))
    check_probabilities(targets, "y_true")
    return (targets if targets.dtype.kind == "f" else _codes(targets)), classes


def _codes(one_hot: Any) -> np.ndarray:
    """The column of the 1 in each row; block by block, for NumPy copies a table that is not in C order."""
    codes = np.empty(len(one_hot), dtype=np.intp)
    size = kernels.block_rows(one_hot.shape[1])
    for start in range(0, len(codes), size):
        codes[start : start + size] = one_hot[start : start + size].argmax(axis=1)
    return codes


def has_columns(y_true: Any) -> bool:
    """Whether targets are distributions, in several columns, not labels."""
    shape = getattr(y_true, "shape", None)
    if shape is None:
        first = y_true[0] if isinstance(y_true, (list, tuple)) and len(y_true) else None
        return isinstance(first, (list, tuple, np.ndarray)) and len(first) > 1
    return len(shape) == 2 and shape[1] > 1


def find_models(y_true: Any, y_proba: Any, labels: Any) -> dict[Any, Any]:
    """Predictions by the name of their model: a mapping's, or the columns of a DataFrame that no class is named like.

    Such columns are the probability of the second of two classes, each by another model. Any other predictions are
    those of one model, named "model".
    """
    if isinstance(y_proba, Mapping):
        if not y_proba:
            raise ValueError("y_proba must have the predictions of at least one model, got an empty mapping.")
        return dict(y_proba)
    names = column_names(y_proba)
    if names is None or has_columns(y_true):
        return {"model": y_proba}
    known = check_labels(y_true, soft=True) if labels is None else check_classes(labels)
    classes = np.array([0, 1]) if is_soft(known) else sorted_classes(known, "y_true")[0]
    if len(classes) > 2 or (_targets.encode(names, classes) != _targets.UNKNOWN).any():
        return {"model": y_proba}
    sums = check_floats("y_proba", y_proba).sum(axis=1)
    if len(names) == 2 and np.abs(sums - 1).max(initial=0) <= SUM_TOLERANCE:
        raise ValueError(
            f"The columns of y_proba, {listed(names.tolist())}, sum to 1 as those of two classes do, but the classes "
            f"are {listed(classes.tolist())}. Pass labels= and an array, or a dict of the models' predictions."
        )
    return {name: y_proba[name] for name in check_classes(names, "The columns of y_proba").tolist()}


def check_multilabel(y_true: Any, y_proba: Any, from_logits: bool) -> tuple[Any, Any]:
    """0/1 answers of any dtype, or floats with nan for unknown, and probabilities or logits of yes, both (n, L)."""
    names, columns = column_names(y_true, y_proba), column_names(y_proba, y_true)
    label, column = only_name(y_true), only_name(y_proba)
    if isinstance(y_proba, (list, tuple)) and len(y_proba) and all(ndim(p) == 2 for p in y_proba):
        outputs = _tables.side_by_side(_yes_columns(y_proba, from_logits))
    else:
        outputs = check_table("y_proba", y_proba)
    y_true = _table(y_true)
    if y_true.ndim != 2 or y_true.shape != outputs.shape:
        raise ValueError(f"y_true and y_proba must have the same shape (n, L), got {y_true.shape} and {outputs.shape}.")
    check_not_empty("y_proba", outputs)
    if label is not None and column is not None and label != column:
        raise ValueError(f"The columns of y_true, [{label!r}], are not the classes [{column!r}].")
    if np.fmin.reduce(y_true, axis=None) < 0 or np.fmax.reduce(y_true, axis=None) > 1:
        bad = (y_true < 0) | (y_true > 1)
        row = int(np.argwhere(bad)[0][0])
        raise ValueError(f"y_true must be in [0, 1], or nan where unknown: row {row} has {y_true[bad][0]:g}.")
    if names is not None and columns is not None:
        places = match_columns(
            check_classes(names, "The columns of y_true"), check_classes(columns, "The columns of y_proba"), "y_true"
        )
        y_true = _tables.reordered(y_true, places)
    return y_true, outputs


def ndim(array: Any) -> int:
    """Number of axes; -1 for rows of different lengths, which NumPy takes for no array."""
    try:
        return np.ndim(array)
    except ValueError:
        return -1


def _yes_columns(y_proba: Any, from_logits: bool) -> list[np.ndarray]:
    """Probability (n,) of yes for each label, or its logit, from those of no and yes."""
    columns = []
    for label, answers in enumerate(y_proba):
        p = check_floats("y_proba", answers)
        if p.ndim != 2 or p.shape[1] != 2:
            raise ValueError(f"y_proba must have two columns for each label, got {p.shape} for label {label}.")
        if len(p) != len(y_proba[0]):
            raise ValueError(f"y_proba must have as many rows for label {label} as for 0, got {len(p)}.")
        if from_logits:
            with np.errstate(invalid="ignore"):
                columns.append(
                    np.nan_to_num(p[:, 1] - p[:, 0], nan=np.nan, posinf=np.finfo(p.dtype).max, neginf=-np.inf)
                )
        else:
            check_probabilities(p)
            columns.append(p[:, 1])
    return columns


def check_pos_weight(pos_weight: Any, n_labels: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights (no, yes) of each label."""
    weights = check_floats("pos_weight", pos_weight)
    if weights.ndim > 1 or weights.shape not in ((), (1,), (n_labels,)):
        raise ValueError(f"pos_weight must be a number or have shape ({n_labels},), got {weights.shape}.")
    if not (np.isfinite(weights).all() and weights.min() >= 0):
        raise ValueError(f"pos_weight must be finite and not negative, got {weights.min():g} to {weights.max():g}.")
    return np.ones(n_labels), np.broadcast_to(weights, (n_labels,))


def check_sum_average(average: str | None) -> None:
    """Averages that a sum can be taken of."""
    if average not in ("micro", None):
        raise ValueError(f"reduction='sum' has no average {average!r}; use 'micro' or None.")


def check_labels_alone(classes: Any) -> None:
    """The classes of an estimator that gives each row one label."""
    if isinstance(classes, list) and len(classes) and np.ndim(classes[0]) == 1:
        raise ValueError("The estimator gives each row several labels: score it by neg_multilabel_cross_entropy.")


def check_some_target(counts: np.ndarray) -> None:
    """At least one known label."""
    if not counts.any():
        raise ValueError("y_true has no known label: every entry is nan, or weighs zero.")
    if counts.max() > np.finfo(float).max / counts.size:
        raise ValueError("sample_weight sums to more than the largest float over all labels: divide it by its mean.")


def _table(y_true: Any) -> np.ndarray:
    """Targets in columns: integers and bools as they are, anything else as floats."""
    table = y_true.to_numpy() if hasattr(y_true, "to_numpy") else y_true
    if type(table) is np.ndarray and table.dtype.kind in "iub":
        return table
    return check_floats("y_true", y_true)


def is_soft(y_true: np.ndarray) -> bool:
    """Whether one-dimensional targets are probabilities, not labels: floats in [0, 1], some strictly between."""
    if y_true.dtype.kind != "f" or not (y_true.min() >= 0 and y_true.max() <= 1):
        return False
    return bool(((y_true > 0) & (y_true < 1)).any())


def find_pair(y_true: np.ndarray, pos_label: Any) -> np.ndarray:
    """The negative and the positive class where only the labels, and maybe `pos_label`, tell them."""
    classes, _ = sorted_classes(y_true, "y_true")
    if pos_label is None:
        return find_classes(y_true, 2)[0]
    if not _is_one_of(pos_label, classes.tolist()):
        found = np.empty(len(classes) + 1, dtype=object)
        found[:-1], found[-1] = classes.tolist(), pos_label
        classes, _ = sorted_classes(check_labels(found), "y_true and pos_label")
    if len(classes) == 1:  # nothing but positives: the other class needs no name
        return np.array([None, pos_label], dtype=object)
    if len(classes) > 2:
        raise ValueError(f"y_true must have two classes, got {listed(classes.tolist())} with pos_label={pos_label!r}.")
    return classes


def _is_one_of(label: Any, labels: list) -> bool:
    """Whether a label is in a list."""
    if ndim(label) != 0 or not isinstance(label, Hashable):
        raise TypeError(f"pos_label must be one label, got {label!r}.")
    try:
        return bool(label in labels)
    except TypeError:
        raise TypeError(f"pos_label must be one label, got {label!r}.") from None


def check_pair_of_parts(pair: np.ndarray) -> np.ndarray:
    """Both of two classes, for the parts of rows that were seen to hold them."""
    if pair[0] is None:
        raise ValueError(f"y_true holds nothing but {pair[1]!r}: pass labels=, the two classes.")
    return pair


def is_first(classes: np.ndarray, pos_label: Any) -> bool:
    """Whether the positive one of two classes is the first."""
    if not _is_one_of(pos_label, classes.tolist()):
        raise ValueError(f"pos_label {pos_label!r} is not one of the labels {listed(classes.tolist())}.")
    return bool(classes.tolist()[0] == pos_label)


def check_groups(groups: Any, n: int) -> np.ndarray:
    """Codes (n,) of the group of each row."""
    import pandas as pd

    if ndim(groups) != 1:
        raise ValueError(f"groups must have shape ({n},): one group for each row.")
    labels = _targets.as_labels(groups)
    if labels.shape != (n,):
        raise ValueError(f"groups must have shape ({n},), got {labels.shape}.")
    missing = pd.isna(labels)
    if missing.any():
        raise ValueError(f"groups must not be missing: row {int(np.flatnonzero(missing)[0])} has none.")
    return sorted_classes(labels, "groups")[1]


def check_compared(models: Mapping, reference: Any) -> None:
    """At least two models, and the reference one of them."""
    names = list(models)
    if len(names) < 2:
        raise ValueError(
            f"y_proba must have the predictions of at least two models, got {listed(names)}. Pass a dict of names to "
            "predictions, or a DataFrame whose columns are models."
        )
    if reference is not None and reference not in names:
        raise ValueError(f"reference must be one of the models {listed(names)}, got {reference!r}.")


def check_finite_losses(name: Any, losses: np.ndarray) -> None:
    """Losses that have differences."""
    if not np.isfinite(losses).all():
        row = int(np.flatnonzero(~np.isfinite(losses))[0])
        raise ValueError(f"Losses must be finite to be compared: row {row} of {name!r} is {losses[row]}; raise eps.")


def check_units(n: int, groups: Any) -> None:
    """At least two independent rows or groups, from which an error can be told."""
    if n < 2:
        what = "two rows" if groups is None else "two groups"
        raise ValueError(f"A standard error needs at least {what} of positive weight, got {n}.")


def check_fold_count(cv: Any, n: int) -> int:
    """A number of folds, none of which is empty."""
    check_number("cv", cv, 2, integer=True)
    if n < cv:
        raise ValueError(f"cv={cv} folds need at least as many rows of positive weight, got {n}; lower cv.")
    return int(cv)


def check_isotonic(n_classes: int) -> None:
    """An order of the rows, which only the probability of one of two classes gives."""
    if n_classes != 2:
        hint = "use 'softmax' or 'auto'" if n_classes > 2 else "there is nothing to recalibrate"
        raise ValueError(f"recalibration='isotonic' is for two classes, got {n_classes}: {hint}.")


def check_two_columns(outputs: np.ndarray) -> None:
    """Outputs of two classes."""
    if outputs.ndim == 2 and outputs.shape[1] != 2:
        raise ValueError(f"y_proba of two classes must have shape (n,) or (n, 2), got {outputs.shape}.")


def check_some_known(weights: np.ndarray) -> np.ndarray:
    """Weights after rows of unknown labels were dropped: not all of them."""
    if not weights.any():
        raise ValueError("No row is left: handle_unknown='ignore' drops every row of y_true.")
    return weights


def check_positive_mass(mass: float) -> float:
    """The divisor of a mean."""
    if not mass > 0:
        raise ValueError("class_weight and sample_weight give every row the weight zero: a mean needs a positive one.")
    if mass == np.inf:
        raise ValueError(
            "class_weight and sample_weight sum to more than the largest float: divide them by their mean."
        )
    return mass


def check_some_row(mass: float) -> float:
    """Total weight of all parts of the rows."""
    if not mass > 0:
        raise ValueError(
            "No row counts: none was given, sample_weight is zero in all of them, or handle_unknown='ignore' drops all."
        )
    return mass


def explain_no_labels() -> NoReturn:
    """Raise for labels in a part of the rows that does not tell which class each column stands for."""
    raise ValueError(
        "A part of the rows may lack classes. Pass labels=, the class of each column in order, or a DataFrame of "
        "predictions whose columns are named by the classes."
    )


def check_same_columns(classes: np.ndarray | None, others: np.ndarray | None) -> None:
    """Parts of the rows whose columns stand for the same classes, in the same order."""
    mine, theirs = ([] if names is None else names.tolist() for names in (classes, others))
    if mine != theirs:
        raise ValueError(
            f"Parts must have the same columns in the same order, got {listed(mine)} and {listed(theirs)}. Pass "
            "labels=, or order the columns alike."
        )


def check_as_many_labels(n_labels: int, n_others: int) -> None:
    """Parts of the rows with as many labels."""
    if n_labels != n_others:
        raise ValueError(f"Parts must have as many labels, got {n_labels} and {n_others}.")


def check_columns(classes: np.ndarray, n_outputs: int) -> None:
    """As many classes as columns."""
    if len(classes) != n_outputs:
        raise ValueError(
            f"y_proba must have a column for each of the {len(classes)} classes {listed(classes.tolist())}, "
            f"got {n_outputs}."
        )


def explain_unknown(labels: np.ndarray, classes: np.ndarray) -> NoReturn:
    """Raise for labels without a column."""
    unknown, known = list(dict.fromkeys(labels.tolist())), classes.tolist()
    hint = "Pass labels=, or to a metric handle_unknown='clip' or 'ignore'."
    if set(map(str, unknown)) <= set(map(str, known)):
        hint = "Labels are compared as they are: make both numbers, or both strings."
    raise ValueError(
        f"y_true has labels {listed(unknown)} that no column of y_proba stands for; the columns are {listed(known)}. "
        f"{hint}"
    )


def match_columns(names: np.ndarray, classes: np.ndarray, what: str) -> np.ndarray:
    """Position in `names` of each class; every class must be named, and every name be a class."""
    position = _targets.encode(classes, names)
    if (position == _targets.UNKNOWN).any() or len(names) != len(classes):
        raise ValueError(
            f"The columns of {what}, {listed(names.tolist())}, are not the classes {listed(classes.tolist())}."
        )
    return position


def check_answers(values: Any) -> None:
    """The classes of one label of several: no and yes, 0 and 1."""
    if not set(np.asarray(values).tolist()) <= {0, 1}:
        raise ValueError(f"Several labels must each have the classes 0 and 1, got {listed(list(values))}.")


def check_method_of_labels(method: str) -> None:
    """A method whose answer is a probability or a logit of each label."""
    if method == "predict_log_proba":
        raise ValueError(
            "predict_log_proba of several labels lacks those of no: use predict_proba or decision_function."
        )
