"""Predictions and what they should have been, checked, in the one form that all metrics of exclusive classes share.

Come here for the loss of each row, labels that have no column, weights, sums and the mean's denominator. `_scores`
makes numbers of them, and `metrics` holds the public functions.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from skce import _kernels as kernels
from skce import _tables, _targets
from skce import _validation as validation
from skce._rows import Rows
from skce.losses import Loss, SigmoidCrossEntropy, SigmoidFocal, SoftmaxCrossEntropy, SoftmaxFocal

CROSS_ENTROPY: tuple[type[Loss], type[Loss]] = (SigmoidCrossEntropy, SoftmaxCrossEntropy)
"""Of one column of outputs, and of several."""

FOCAL: tuple[type[Loss], type[Loss]] = (SigmoidFocal, SoftmaxFocal)


class Options(NamedTuple):
    """What the metrics of exclusive classes have in common beside targets and outputs, as the caller gave it."""

    sample_weight: Any
    from_logits: bool
    reduction: str
    base: float | None
    eps: float | str
    handle_unknown: str
    whole: bool = True
    """Whether these are all the rows: a part may weigh nothing, and cannot tell which classes there are."""


@dataclass
class Case:
    """Predictions and what they should have been, checked, in the one form that all metrics share."""

    targets: Any
    """Codes (n,), or distributions of the outputs' shape; those and outputs of several columns may be a `Table`."""
    outputs: Any
    """Probabilities or logits, (n, k), or (n,) for the second of two classes."""
    classes: NDArray[Any]
    """Class of each column, then the classes in `targets` that have none and count as predicted with probability 0."""
    weights: NDArray[Any] | None
    """Sample weights, 0 for rows that are left out."""
    from_logits: bool
    log_base: float
    eps: float
    lenient: bool
    """Whether class weights may name classes that are not there, as in a fold."""

    def class_weights(self, class_weight: Any) -> NDArray[Any] | None:
        """Weight of each class."""
        return validation.resolve_class_weight(
            class_weight, self.classes, self.n_columns, self.class_totals, lenient=self.lenient
        )

    def loss(self, kinds: tuple[type[Loss], type[Loss]], class_weights: NDArray[Any] | None, **fields: Any) -> Loss:
        """The loss of the outputs' form."""
        weights = None if class_weights is None else class_weights[: self.n_columns]
        if weights is not None and not weights.any():  # "balanced", where no row is of a class that has a column
            weights = None
        if weights is not None:
            validation.check_weight_range(weights, self.outputs.dtype)
        return kinds[self.outputs.ndim - 1](class_weight=weights, **fields)

    @property
    def n_columns(self) -> int:
        """Number of classes that have a column, two of which may share one."""
        return 2 if self.outputs.ndim == 1 else self.outputs.shape[1]

    def values(self, loss: Loss, class_weights: NDArray[Any] | None) -> NDArray[Any]:
        """Loss of each row."""
        rows = () if len(self.classes) == self.n_columns else np.flatnonzero(self.targets >= self.n_columns)
        unknown = self.targets[rows] if len(rows) else None
        if unknown is not None:  # for a moment any class that has a column will do
            self.targets[rows] = 0
        if self.from_logits:
            values = loss.unchecked_value(self.targets, self.outputs)
        else:
            values = loss.unchecked_score(self.targets, self.outputs, self.eps)
        if self.log_base != 1:
            with np.errstate(over="ignore"):
                values /= self.log_base
        if unknown is not None:
            self.targets[rows] = unknown
            weights = np.ones(len(rows)) if class_weights is None else class_weights[unknown]
            values[rows] = np.multiply(self._worst(), weights, out=np.zeros(len(rows)), where=weights > 0)
        return values

    def sum(self, loss: Loss, class_weights: NDArray[Any] | None) -> float:
        """Weighted sum of the losses."""
        if len(self.classes) > self.n_columns:
            return self.total(self.values(loss, class_weights))
        if self.from_logits:
            return loss.unchecked_value_sum(self.targets, self.outputs, self.weights) / self.log_base
        return loss.unchecked_score_sum(self.targets, self.outputs, self.eps, self.weights) / self.log_base

    def weighted(self, values: NDArray[Any], dtype: Any = None) -> NDArray[Any]:
        """Losses times the rows' weights, which are first made numbers of `dtype`."""
        weights = self.weights
        if weights is not None and dtype is not None:
            weights = weights.astype(dtype, copy=False)
        return kernels.weighted(values, weights)

    def total(self, values: NDArray[Any]) -> float:
        """Weighted sum of losses."""
        with np.errstate(over="ignore"):
            return float(self.weighted(values).sum(dtype=np.float64))

    def total_mass(self, class_weights: NDArray[Any] | None) -> float:
        """What the sum of the losses is divided by: sum_i s_i w(y_i)."""
        if class_weights is None:
            return len(self.outputs) if self.weights is None else float(self.weights.sum())
        with np.errstate(over="ignore"):
            return validation.check_positive_mass(float(self.class_totals() @ class_weights))

    def log_proba(self) -> NDArray[np.float64]:
        """Logarithm of the probability of each class that has a column, clipped as the loss clips it, (n, k)."""
        outputs = np.asarray(self.outputs, dtype=np.float64)
        if self.from_logits:
            loss = self.loss(CROSS_ENTROPY, None)
            if outputs.ndim == 1:
                return np.column_stack([loss.log_proba(-outputs), loss.log_proba(outputs)])
            return loss.log_proba(outputs)
        proba = np.column_stack([1 - outputs, outputs]) if outputs.ndim == 1 else outputs
        with np.errstate(divide="ignore"):
            return np.log(proba.clip(self.eps, 1 - self.eps))

    def distributions(self) -> NDArray[np.float64]:
        """The targets as distributions over the classes that have a column, (n, k)."""
        if self.targets.ndim == 2:
            return np.asarray(self.targets, dtype=np.float64)
        if self.targets.dtype.kind == "f":
            return np.column_stack([1 - self.targets, self.targets])
        return (self.targets[:, None] == np.arange(self.n_columns)).astype(np.float64)

    def class_totals(self) -> NDArray[Any]:
        """Total weight of each class."""
        targets, weights = self.targets, self.weights
        if targets.dtype.kind != "f" and weights is None and len(self.classes) == 2:  # 0.2 a row, not 1.5
            second = np.count_nonzero(targets)
            return np.array([len(targets) - second, second], np.float64)
        if targets.dtype.kind != "f":
            return np.bincount(targets, weights, minlength=len(self.classes)).astype(np.float64)
        rows = Rows(targets, weights, block_rows=kernels.block_rows(len(self.classes)))
        (sums,) = rows.sum(lambda y, s: (y.sum(axis=0, dtype=np.float64) if s is None else s @ y,))
        if targets.ndim == 2:
            return sums
        return np.array([(len(targets) if weights is None else weights.sum()) - sums, sums])

    def class_masses(self, class_weights: NDArray[Any] | None) -> NDArray[Any]:
        """Total weight of each class in the mean."""
        return self.class_totals() * (1 if class_weights is None else class_weights)

    def class_losses(self, loss: Loss, *, relative: bool) -> NDArray[Any]:
        """Weighted sum of each class's terms of a loss without class weights; the loss is linear in those.

        `relative` ones have the targets' entropies taken off.
        """
        if self.targets.dtype.kind != "f" and not loss.label_smoothing:
            values = self.weighted(self.values(loss, None))
            return np.bincount(self.targets, values, minlength=len(self.classes))
        k = self.n_columns
        known = self.targets < k if len(self.classes) > k else None
        weights = np.ones(len(self.outputs)) if self.weights is None else self.weights
        targets = self.targets if known is None else np.where(known, self.targets, 0)
        weights = weights if known is None else np.where(known, weights, 0)
        rows = Rows(self.outputs, targets, weights, block_rows=kernels.block_rows(2 * k))
        (sums,) = rows.sum(lambda p, y, s: (self._class_terms(loss, p, y, s, relative),))
        others = self.class_totals()[k:]
        return np.append(sums / self.log_base, np.where(others > 0, self._worst(), 0) * others)

    def _class_terms(self, loss: Loss, outputs: Any, targets: Any, weights: Any, relative: bool) -> NDArray[Any]:
        """`class_losses` of a block: for each class, what its rows cost times how much of each row is of that class."""
        plain = replace(loss, label_smoothing=0.0)
        shares = loss.smoothed(targets, self.n_columns)
        shares = np.column_stack([1 - shares, shares]) if shares.ndim == 1 else shares
        sums = np.empty(self.n_columns)
        for c in range(self.n_columns):
            codes, share = np.full(len(outputs), c), shares[:, c]
            if self.from_logits:
                losses = validation.check_logit_losses(plain.block(codes, outputs), outputs, self.outputs)
            else:
                plain.check_block(outputs, self.outputs)
                losses = plain.block_score(codes, outputs, self.eps)
            terms = share * losses + (special.xlogy(share, share) if relative else 0)
            sums[c] = weights @ np.where((share > 0) & (weights > 0), terms, 0)
        return sums

    def _worst(self) -> float:
        """Loss of a label without a column."""
        return float(-np.log(self.eps) / self.log_base) if self.eps else np.inf

    def target_entropies(self, loss: Loss) -> NDArray[Any] | float:
        """What is left of each row's loss where the prediction is the target."""
        plain = type(loss)(label_smoothing=loss.label_smoothing)
        k = self.n_columns

        def entropies(targets: Any) -> Any:
            return loss.block_score(targets, plain.smoothed(targets, k), 0.0) / self.log_base

        targets = self.targets if self.targets.dtype.kind == "f" else np.arange(k)
        rows = Rows(targets, block_rows=kernels.block_rows(k)).map(entropies, np.empty(len(targets)))
        if targets is self.targets:
            return rows
        return np.append(rows, np.zeros(len(self.classes) - k))[self.targets] if rows.any() else 0.0

    def counted(self) -> "Case":
        """The rows that have a weight, all of them with one."""
        if self.weights is None:
            return replace(self, weights=np.ones(len(self.outputs)))
        rows = self.weights > 0
        if rows.all():
            return self
        return replace(self, targets=self.targets[rows], outputs=self.outputs[rows], weights=self.weights[rows])

    def mean(self, values: NDArray[Any]) -> float:
        """Weighted mean of the losses, without class weights."""
        return self.total(values) / self.total_mass(None)


def reference(masses: NDArray[Any]) -> float:
    """The mean loss of predicting the frequencies of classes of these weights, in nats."""
    return float(kernels.entropy_of_rows(masses[None, :] / masses.sum())[0])


def skill(value: float, reference: float, eps: float) -> float:
    """Share of the reference's loss, in nats, that is saved; of nothing all for a loss of 0, else none."""
    if reference > 0:
        return float(1 - value / reference)
    return 1.0 if value <= -np.log1p(-eps) * (1 + 1e-6) else 0.0


def case_of(y_true: Any, y_proba: Any, labels: Any, options: Options) -> Case:
    """The case of labels, of distributions, or of the probability that a row is of the second of two classes."""
    if labels is None and not validation.has_columns(y_true):
        y_true = validation.check_labels(y_true, soft=True)
        if validation.is_soft(y_true):
            return binary_case(y_true, y_proba, None, None, options)
    return classes_case(y_true, y_proba, labels, options)


def classes_case(y_true: Any, y_proba: Any, labels: Any, options: Options) -> Case:
    """The case of labels or distributions, and a column of outputs for each class."""
    _check_names(options)
    outputs, classes = _columns(y_proba, labels, y_true)
    n_columns = 2 if outputs.ndim == 1 else outputs.shape[1]
    if classes is not None:
        validation.check_columns(classes, n_columns)
    if validation.has_columns(y_true):
        targets, classes = validation.check_target_distributions(y_true, y_proba, classes, n_columns)
        validation.check_length(targets, outputs)
        if outputs.ndim == 1 and targets.ndim == 2:
            targets = targets[:, 1]
    else:
        y_true = validation.check_labels(y_true)
        validation.check_length(y_true, outputs)
        if classes is None:
            classes, targets = _found_codes(y_true, n_columns, options)
        else:
            targets, classes = _known_codes(y_true, classes, options.handle_unknown)
    validation.check_only_name(y_proba, classes)
    return _checked(targets, outputs, classes, options)


def binary_case(y_true: Any, y_proba: Any, pos_label: Any, labels: Any, options: Options) -> Case:
    """The case of one column of outputs, that of the positive class, or of a column for either class."""
    _check_names(options)
    outputs, classes = _columns(y_proba, labels)
    if classes is not None and len(classes) == 1 and outputs.ndim == 2:
        return classes_case(y_true, y_proba, labels, options)
    validation.check_two_columns(outputs)
    y_true = validation.check_labels(y_true, shape="(n,)", soft=classes is None and pos_label is None)
    validation.check_length(y_true, outputs)
    if classes is None and pos_label is None and _is_soft(y_true, options.whole):
        targets = y_true if outputs.ndim == 1 else np.column_stack([1 - y_true, y_true])
        return _checked(targets, outputs, np.array([0, 1]), options)
    if classes is None:
        classes = validation.find_pair(y_true, pos_label) if options.whole else validation.explain_no_labels()
    validation.check_columns(classes, 2)
    if pos_label is not None and validation.is_first(classes, pos_label):
        classes = classes[::-1]
        outputs = _tables.reordered(outputs, np.array([1, 0])) if outputs.ndim == 2 else outputs
    validation.check_only_name(y_proba, classes)
    targets, classes = _known_codes(y_true, classes, options.handle_unknown)
    return _checked(targets, outputs, classes, options)


def _check_names(options: Options) -> None:
    """Options that are one of a few."""
    validation.check_option("handle_unknown", options.handle_unknown, validation.UNKNOWN_LABEL_POLICIES)
    validation.check_option("reduction", options.reduction, validation.REDUCTIONS)
    validation.check_flag("from_logits", options.from_logits)


def _columns(y_proba: Any, labels: Any, y_true: Any = None) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Outputs, and the class of each column where `labels` or the columns' names tell; names go before places."""
    outputs = validation.check_outputs(y_proba)
    classes = None if labels is None else validation.check_classes(labels)
    names = validation.column_names(y_proba, y_true if labels is None else None) if outputs.ndim == 2 else None
    names = None if names is None else validation.check_classes(names, "The columns of y_proba")
    if classes is None:
        classes = names
    elif names is not None:
        outputs = _tables.reordered(outputs, validation.match_columns(names, classes, "y_proba"))
    if classes is not None and len(classes) == 1 and outputs.ndim == 1:  # an estimator that was shown one class
        outputs = outputs[:, None]
    return outputs, classes


def _found_codes(y_true: NDArray[Any], n_columns: int, options: Options) -> tuple[NDArray[Any], NDArray[Any]]:
    """Classes and codes of labels where nothing else tells which classes there are."""
    return validation.find_classes(y_true, n_columns) if options.whole else validation.explain_no_labels()


def _is_soft(y_true: NDArray[Any], whole: bool) -> bool:
    """Whether they are probabilities, not labels; a part of them may happen to be all 0 and 1."""
    if whole or y_true.dtype.kind != "f":
        return validation.is_soft(y_true)
    return bool(y_true.min() >= 0 and y_true.max() <= 1)


def _known_codes(y_true: NDArray[Any], classes: NDArray[Any], handle_unknown: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Codes of the labels, and the classes with those labels behind that were not among them and are to be clipped."""
    codes = _targets.encode(y_true, classes)
    unknown = codes == _targets.UNKNOWN if codes.min() < 0 else None
    if unknown is None or handle_unknown not in ("error", "clip"):
        return codes, classes
    if handle_unknown == "error":
        validation.explain_unknown(y_true[unknown], classes)
    others, codes_of_others = validation.sorted_classes(y_true[unknown], "y_true")
    codes[unknown] = len(classes) + codes_of_others
    return codes, np.concatenate([classes.astype(object), others.astype(object)])


def _checked(targets: NDArray[Any], outputs: NDArray[Any], classes: NDArray[Any], options: Options) -> Case:
    weights = validation.check_sample_weight(options.sample_weight, len(outputs), whole=options.whole)
    if options.handle_unknown == "ignore" and targets.dtype.kind != "f" and targets.min() < 0:
        unknown = targets == _targets.UNKNOWN
        targets[unknown] = 0
        weights = np.where(unknown, 0.0, 1.0 if weights is None else weights)
        weights = validation.check_some_known(weights) if options.whole else weights
    return Case(
        targets,
        outputs,
        classes,
        weights,
        options.from_logits,
        validation.check_base(options.base),
        validation.check_eps(options.eps, outputs.dtype),
        options.handle_unknown != "error",
    )
