"""Predictions and what they should have been, checked, in the one form that all metrics of exclusive classes share.

Come here for what a metric does between its door and its number: the loss of each row, labels that have no column,
weights, the mean and its denominator. `metrics` holds the public functions.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skce import _kernels as kernels
from skce import _targets
from skce import _validation as validation
from skce._rows import Rows
from skce.losses import Loss, SigmoidCrossEntropy, SigmoidFocal, SoftmaxCrossEntropy, SoftmaxFocal

CROSS_ENTROPY: tuple[type[Loss], type[Loss]] = (SigmoidCrossEntropy, SoftmaxCrossEntropy)
"""Of one column of outputs, and of several."""

FOCAL: tuple[type[Loss], type[Loss]] = (SigmoidFocal, SoftmaxFocal)


@dataclass(frozen=True)
class Case:
    """Predictions and what they should have been, checked, in the one form that all metrics share."""

    targets: NDArray[Any]
    """Codes (n,), or distributions of the outputs' shape."""
    outputs: NDArray[Any]
    """Probabilities or logits, (n, k), or (n,) for the second of two classes."""
    classes: NDArray[Any]
    """Class of each column."""
    weights: NDArray[Any] | None
    """Sample weights, 0 for rows that are left out."""
    unknown: NDArray[Any] | None
    """Rows whose label has no column; None if there are none. Their code is 0."""
    from_logits: bool
    reduction: str
    log_base: float
    eps: float
    clip: bool
    """Whether unknown labels count as predicted with probability `eps`."""

    def loss_value(self, kinds: tuple[type[Loss], type[Loss]], class_weight: Any, **fields: Any) -> Any:
        """The reduced loss."""
        loss = self.loss(kinds, class_weight, **fields)
        return self.reduce(self.values(loss), loss)

    def loss(self, kinds: tuple[type[Loss], type[Loss]], class_weight: Any, **fields: Any) -> Loss:
        """The loss of the outputs' form, with a weight for each class."""
        weights = validation.check_class_weight(class_weight, self.classes, self.class_totals)
        return kinds[self.outputs.ndim - 1](class_weight=weights, **fields)

    def values(self, loss: Loss) -> NDArray[Any]:
        """Loss of each row."""
        if self.from_logits:
            values = loss.unchecked_value(self.targets, self.outputs)
        else:
            values = loss.unchecked_score(self.targets, self.outputs, self.eps)
        if self.unknown is not None and self.clip:
            values[self.unknown] = -np.log(self.eps) if self.eps else np.inf
        if self.log_base != 1:
            values /= self.log_base
        return values

    def reduce(self, values: NDArray[Any], loss: Loss) -> Any:
        """Weighted rows, their sum, or their mean."""
        if self.weights is not None:
            if self.weights.min() == 0:  # inf in a row that does not count must not make a nan
                values = np.where(self.weights > 0, values, 0)
            values = values * self.weights
        if self.reduction == "none":
            return values
        total = float(values.sum(dtype=np.float64))
        return total if self.reduction == "sum" else total / self.total_mass(loss)

    def total_mass(self, loss: Loss) -> float:
        """What the sum of the losses is divided by: sum_i s_i w(y_i)."""
        if loss.class_weight is None:
            return len(self.outputs) if self.weights is None else float(self.weights.sum())
        return validation.check_positive_mass(float(self.class_totals(True) @ _with_unknown(loss.class_weight)))

    def class_totals(self, with_unknown: bool = False) -> NDArray[Any]:
        """Total weight of each class, (k,), or (k + 1,) with that of the unknown labels."""
        k, targets, weights = len(self.classes), self.targets, self.weights
        if targets.dtype.kind != "f":
            codes = targets if self.unknown is None else np.where(self.unknown, k, targets)
            totals = np.bincount(codes, weights, minlength=k + 1).astype(np.float64)
        else:
            sums = targets.sum(axis=0, dtype=np.float64) if weights is None else weights @ targets
            if targets.ndim == 1:
                sums = np.array([(len(targets) if weights is None else weights.sum()) - sums, sums])
            totals = np.append(sums, 0.0)
        return totals if with_unknown else totals[:k]

    def target_entropies(self, loss: Loss) -> NDArray[Any]:
        """What is left of each row's loss where the prediction is the target."""
        plain = type(loss)(label_smoothing=loss.label_smoothing)
        k = len(self.classes)

        def entropies(targets: NDArray[Any]) -> NDArray[Any]:
            return loss.block_score(targets, plain.smoothed(targets, k), 0.0) / self.log_base

        targets = np.arange(k) if self.targets.dtype.kind != "f" else self.targets
        rows = Rows(targets, block_rows=kernels.block_rows(k)).map(entropies, np.empty(len(targets)))
        if targets is self.targets:
            return rows
        return np.where(self.unknown, 0, rows[self.targets]) if self.unknown is not None else rows[self.targets]

    def reference(self, loss: Loss) -> float:
        """The mean loss of predicting the classes' weighted frequencies, unknown labels being one class more."""
        mass = self.class_totals(True) * _with_unknown(loss.class_weight, len(self.classes))
        p = mass / mass.sum()
        return float(kernels.entropy_of_rows(p[None, :])[0])


def _with_unknown(class_weight: Any, k: int = 0) -> NDArray[Any]:
    """Weights of the classes and, 1, of the unknown ones."""
    return np.append(np.ones(k) if class_weight is None else np.asarray(class_weight), 1.0)


def classes_case(
    y_true: Any,
    y_proba: Any,
    labels: Any,
    sample_weight: Any,
    from_logits: bool,
    reduction: str,
    base: float | None,
    eps: float | str,
    handle_unknown: str,
) -> Case:
    """The case of labels or distributions, and a column of outputs for each class."""
    outputs = validation.check_outputs(y_proba)
    names = validation.column_names(y_proba) if labels is None else labels
    classes = None if names is None else validation.check_classes(names)
    if classes is not None and len(classes) == 1 and outputs.ndim == 1:  # an estimator that was shown one class
        outputs = outputs[:, None]
    n_columns = 2 if outputs.ndim == 1 else outputs.shape[1]
    if classes is not None:
        validation.check_columns(classes, n_columns)
    if validation.has_columns(y_true):
        targets, classes = validation.check_target_distributions(y_true, classes, n_columns)
        validation.check_length(targets, outputs)
        if outputs.ndim == 1 and targets.ndim == 2:
            targets = targets[:, 1]
    else:
        y_true = validation.check_labels(y_true)
        validation.check_length(y_true, outputs)
        if classes is None:
            classes, targets = validation.find_classes(y_true, n_columns)
        else:
            targets = _known_codes(y_true, classes, handle_unknown)
    return _checked(targets, outputs, classes, sample_weight, from_logits, reduction, base, eps, handle_unknown)


def binary_case(
    y_true: Any,
    y_proba: Any,
    pos_label: Any,
    labels: Any,
    sample_weight: Any,
    from_logits: bool,
    reduction: str,
    base: float | None,
    eps: float | str,
    handle_unknown: str,
) -> Case:
    """The case of one column of outputs, that of the positive class."""
    outputs = validation.check_outputs(y_proba)
    if outputs.ndim == 2:
        labels = validation.column_names(y_proba) if labels is None else labels
        outputs = _positive_column(outputs, labels, pos_label, from_logits)
    y_true = validation.check_labels(y_true)
    validation.check_length(y_true, outputs)
    if pos_label is None and labels is None and validation.is_soft(y_true):
        targets, classes = y_true.astype(outputs.dtype), np.array([0, 1])
    else:
        classes = validation.find_pair(y_true, pos_label) if labels is None else validation.check_classes(labels)
        validation.check_columns(classes, 2)
        if pos_label is not None:
            classes = validation.put_last(classes, pos_label)
        targets = _known_codes(y_true, classes, handle_unknown)
    return _checked(targets, outputs, classes, sample_weight, from_logits, reduction, base, eps, handle_unknown)


def _checked(
    targets: NDArray[Any],
    outputs: NDArray[Any],
    classes: NDArray[Any],
    sample_weight: Any,
    from_logits: bool,
    reduction: str,
    base: float | None,
    eps: float | str,
    handle_unknown: str,
) -> Case:
    validation.check_option("handle_unknown", handle_unknown, validation.UNKNOWN_LABEL_POLICIES)
    validation.check_option("reduction", reduction, validation.REDUCTIONS)
    validation.check_flag("from_logits", from_logits)
    weights = validation.check_sample_weight(sample_weight, len(outputs))
    unknown = None
    if targets.dtype.kind != "f" and handle_unknown != "error" and targets.min() < 0:
        unknown = targets == _targets.UNKNOWN
        targets[unknown] = 0
        if handle_unknown == "ignore":
            weights = validation.check_some_known(np.where(unknown, 0.0, 1.0 if weights is None else weights))
    return Case(
        targets,
        outputs,
        classes,
        weights,
        unknown,
        from_logits,
        reduction,
        validation.check_base(base),
        validation.check_eps(eps, outputs.dtype),
        handle_unknown == "clip",
    )


def _known_codes(y_true: NDArray[Any], classes: NDArray[Any], handle_unknown: str) -> NDArray[Any]:
    """Codes of labels, among them `UNKNOWN` unless that is an error."""
    codes = _targets.encode(y_true, classes)
    if handle_unknown == "error":
        validation.check_known(y_true, codes, classes)
    return codes


def _positive_column(outputs: NDArray[Any], labels: Any, pos_label: Any, from_logits: bool) -> NDArray[Any]:
    """The positive class's probability or logit, from two columns: the second, unless `pos_label` has the first."""
    validation.check_two_columns(outputs)
    first = labels is not None and pos_label is not None and pos_label == next(iter(labels))
    positive, negative = (0, 1) if first else (1, 0)
    if from_logits:
        return outputs[:, positive] - outputs[:, negative]
    validation.check_probabilities(outputs, hint=" Logits? Pass from_logits=True.")
    return outputs[:, positive]
