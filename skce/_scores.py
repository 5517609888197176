"""What the metrics are behind their doors: sums over rows, the same over any parts of them, and the number they give.

A score knows its metric's options. `whole` is the metric of arrays in memory. `part` gives the sums of some of the
rows, `merge` adds those of two parts, and `value` makes the metric's number of all of them: so an accumulator and a
cluster compute what one call does. `evaluate` is where a metric learns whether it was given dask collections.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from skce import _kernels as kernels
from skce import _validation as validation
from skce._case import CROSS_ENTROPY, FOCAL, Case, Options, binary_case, classes_case, reference, skill
from skce._rows import DaskRows, Rows, lazily
from skce.losses import Loss, SigmoidCrossEntropy


class Score(Protocol):
    """A metric with its options."""

    @property
    def reduction(self) -> str:
        """Of "mean", "sum" and "none"."""

    def whole(self, y_true: Any, y_proba: Any, sample_weight: Any, *, whole: bool = True) -> Any:
        """The metric of all rows; for reduction "none" also of a part of them, which is then not the `whole`."""

    def part(self, y_true: Any, y_proba: Any, sample_weight: Any) -> Any:
        """Sums over some of the rows."""

    def merge(self, one: Any, other: Any) -> Any:
        """Sums over two parts."""

    def value(self, sums: Any) -> Any:
        """The metric from its sums."""

    @property
    def waits(self) -> bool:
        """Whether the class weights depend on all rows."""

    def settled(self, sums: Any) -> "Score":
        """The score with the class weights that all parts together give."""

    def needs_classes(self, y_true: Any, y_proba: Any) -> bool:
        """Whether only the labels of all rows tell which class each column stands for."""

    def classes_in(self, y_true: Any) -> Any:
        """The classes of some of the labels, or `SOFT`."""

    def of_classes(self, found: Any, n_columns: int) -> "Score":
        """The score with the classes that all parts together have."""

    def losses_like(self, outputs: list) -> NDArray[Any]:
        """An array without rows, of the columns and type of the losses."""

    def value_like(self, outputs: list) -> NDArray[Any]:
        """An array of the shape and type of the value."""


SOFT = "soft"
"""What stands for the classes of targets that are probabilities of one of two."""


class Totals(NamedTuple):
    """What a mean over all rows is made of."""

    loss: float
    mass: Callable[[], float]
    """What the loss is divided by."""
    masses: Callable[[], NDArray[Any]]
    """Weight of each class in the mean."""
    eps: float
    log_base: float


def _mean(totals: Totals) -> float:
    return totals.loss / totals.mass()


def perplexity_of(totals: Totals) -> float:
    """The exponential of the mean."""
    with np.errstate(over="ignore"):
        return float(np.exp(_mean(totals) * totals.log_base))


def skill_of(totals: Totals) -> float:
    """1 minus the mean over that of predicting the classes' weighted frequencies."""
    return skill(_mean(totals), reference(totals.masses()), totals.eps)


@dataclass(frozen=True)
class ClassSums:
    """Sums of a score of exclusive classes."""

    loss: NDArray[Any]
    """Sum of the weighted losses, (1,); by column, (k,), before class weights, where those wait for all parts."""
    mass: float
    """Sum of the sample weights."""
    totals: NDArray[Any]
    """Sum of the sample weights of each column's class."""
    others: dict[Any, NDArray[Any]]
    """Loss and sample weight of each class without a column."""
    classes: NDArray[Any]
    """Class of each column."""
    eps: float


@dataclass(kw_only=True)  # not frozen: with `Case` that takes 4 of the 90 microseconds of a small call
class ClassScore:
    """A score of classes that exclude each other, or of two of them, `binary`."""

    kinds: tuple[type[Loss], type[Loss]] = CROSS_ENTROPY
    binary: bool = False
    relative: bool = False
    """Whether the entropy of the targets is taken off."""
    finish: Callable[[Totals], float] = _mean
    labels: Any = None
    pos_label: Any = None
    class_weight: Any = None
    label_smoothing: float = 0.0
    gamma: float = 0.0
    from_logits: bool = False
    reduction: str = "mean"
    base: float | None = None
    eps: float | str = "auto"
    handle_unknown: str = "error"

    def whole(self, y_true: Any, y_proba: Any, sample_weight: Any, *, whole: bool = True) -> Any:
        case = self._case(y_true, y_proba, sample_weight, whole)
        weights = case.class_weights(self.class_weight)
        if self.reduction == "none":
            values = self._values(case, weights)
            with np.errstate(over="ignore"):
                return case.weighted(values, values.dtype)
        loss = self._total(case, weights)
        if self.reduction == "sum":
            return loss
        mass, masses = partial(case.total_mass, weights), partial(case.class_masses, weights)
        return self.finish(Totals(loss, mass, masses, case.eps, case.log_base))

    def part(self, y_true: Any, y_proba: Any, sample_weight: Any) -> ClassSums:
        case = self._case(y_true, y_proba, sample_weight, False)
        k, totals, mass = case.n_columns, case.class_totals(), case.total_mass(None)
        unseen = case.classes[k:].tolist()
        if self.waits:
            losses = case.class_losses(self._loss(case, None), relative=self.relative)
        else:
            weights = case.class_weights(self.class_weight)
            losses = np.append(self._total(case, weights), np.zeros(len(unseen)))
        loss, of_unseen = losses[: len(losses) - len(unseen)], losses[len(losses) - len(unseen) :]
        others = dict(zip(unseen, np.column_stack([of_unseen, totals[k:]]), strict=True))
        return ClassSums(loss, mass, totals[:k], others, case.classes[:k], case.eps)

    def merge(self, one: ClassSums, other: ClassSums) -> ClassSums:
        validation.check_same_columns(one.classes, other.classes)
        others = dict(one.others)
        for label, sums in other.others.items():
            others[label] = others.get(label, 0) + sums
        return ClassSums(
            one.loss + other.loss,
            one.mass + other.mass,
            one.totals + other.totals,
            others,
            one.classes,
            max(one.eps, other.eps),
        )

    def value(self, sums: ClassSums) -> float:
        """The metric from its sums."""
        validation.check_some_row(sums.mass)
        weights = self._class_weights(sums)
        totals = np.append(sums.totals, [total for _, total in sums.others.values()])
        loss = float(sums.loss[0]) if weights is None or not self.waits else _weighted_sum(sums, weights)
        if self.reduction == "sum":
            return loss
        masses = totals if weights is None else totals * weights

        def mass() -> float:
            with np.errstate(over="ignore"):
                return sums.mass if weights is None else validation.check_positive_mass(float(masses.sum()))

        return self.finish(Totals(loss, mass, lambda: masses, sums.eps, validation.check_base(self.base)))

    def settled(self, sums: ClassSums) -> "ClassScore":
        weights = self._class_weights(sums)
        labels = [*sums.classes.tolist(), *sums.others]
        return self if weights is None else replace(self, class_weight=dict(zip(labels, weights, strict=True)))

    @property
    def waits(self) -> bool:
        return isinstance(self.class_weight, str)

    def needs_classes(self, y_true: Any, y_proba: Any) -> bool:
        named = validation.column_names(y_proba) is not None
        return self.labels is None and not named and not validation.has_columns(y_true)

    def classes_in(self, y_true: Any) -> Any:
        may_be_soft = self.binary and self.pos_label is None
        y = validation.check_labels(y_true, soft=may_be_soft)
        return SOFT if may_be_soft and validation.is_soft(y) else validation.sorted_classes(y, "y_true")[0]

    def of_classes(self, found: Any, n_columns: int) -> "ClassScore":
        if isinstance(found, str):
            return self
        if self.binary and self.pos_label is not None:
            return replace(self, labels=validation.check_pair_of_parts(validation.find_pair(found, self.pos_label)))
        return replace(self, labels=validation.find_classes(found, n_columns)[0])

    def losses_like(self, outputs: list) -> NDArray[Any]:
        return np.empty(0, _dtype(outputs))

    def value_like(self, outputs: list) -> NDArray[Any]:
        return np.empty(())

    def _case(self, y_true: Any, y_proba: Any, sample_weight: Any, whole: bool) -> Case:
        options = Options(
            sample_weight, self.from_logits, self.reduction, self.base, self.eps, self.handle_unknown, whole
        )
        if self.binary:
            return binary_case(y_true, y_proba, self.pos_label, self.labels, options)
        return classes_case(y_true, y_proba, self.labels, options)

    def _loss(self, case: Case, class_weights: NDArray[Any] | None) -> Loss:
        focus = {"gamma": self.gamma} if self.kinds == FOCAL else {}
        return case.loss(self.kinds, class_weights, label_smoothing=self.label_smoothing, **focus)

    def _values(self, case: Case, class_weights: NDArray[Any] | None) -> NDArray[Any]:
        """Loss of each row."""
        loss = self._loss(case, class_weights)
        values = case.values(loss, class_weights)
        if self.relative:
            values -= case.target_entropies(loss)
            if class_weights is None:  # a base below 1 changes all signs
                (np.minimum if self.base is not None and self.base < 1 else np.maximum)(values, 0, out=values)
        return values

    def _total(self, case: Case, class_weights: NDArray[Any] | None) -> float:
        """Weighted sum of the losses."""
        if self.relative:
            return case.total(self._values(case, class_weights))
        return case.sum(self._loss(case, class_weights), class_weights)

    def _class_weights(self, sums: ClassSums) -> NDArray[Any] | None:
        """Weight of each class with a column, then of the others."""
        classes = sums.classes
        if sums.others:
            classes = np.concatenate([classes.astype(object), np.array([*sums.others, None], dtype=object)[:-1]])
        totals = np.append(sums.totals, [total for _, total in sums.others.values()])
        return validation.resolve_class_weight(
            self.class_weight, classes, len(sums.classes), lambda: totals, lenient=self.handle_unknown != "error"
        )


def _weighted_sum(sums: ClassSums, class_weights: NDArray[Any]) -> float:
    """The loss of all rows from that of each class; inf where a class weighs nothing does not count."""
    losses = np.append(sums.loss, [loss for loss, _ in sums.others.values()])
    return float(losses[class_weights > 0] @ class_weights[class_weights > 0])


@dataclass(frozen=True)
class LabelSums:
    """Sums of a score of several labels a row."""

    sums: list[NDArray[Any]]
    """Of losses and of weights, by label (L,); of the rows' means and their weights."""
    names: NDArray[Any] | None
    """Of the columns, where they have some."""


@dataclass(frozen=True, kw_only=True)
class LabelsScore:
    """A score of several labels a row, each a yes/no question of its own."""

    average: str | None
    pos_weight: Any
    label_smoothing: float
    from_logits: bool
    reduction: str
    base: float | None
    eps: float | str

    def whole(self, y_true: Any, y_proba: Any, sample_weight: Any, *, whole: bool = True) -> Any:
        entries, rows = self._rows(y_true, y_proba, sample_weight, whole)
        if self.reduction == "none":
            outputs, log_base = rows.arrays[0], validation.check_base(self.base)
            return rows.map(lambda p, y, s: _weigh(entries(p, y), s) / log_base, np.empty(outputs.shape, outputs.dtype))
        return self.value(LabelSums(_label_sums(entries, rows), None))

    def part(self, y_true: Any, y_proba: Any, sample_weight: Any) -> LabelSums:
        names = None if isinstance(y_proba, (list, tuple)) else validation.column_names(y_proba)
        return LabelSums(_label_sums(*self._rows(y_true, y_proba, sample_weight, False)), names)

    def merge(self, one: LabelSums, other: LabelSums) -> LabelSums:
        validation.check_same_columns(one.names, other.names)
        validation.check_as_many_labels(len(one.sums[0]), len(other.sums[0]))
        return LabelSums([a + b for a, b in zip(one.sums, other.sums, strict=True)], one.names)

    def value(self, sums: LabelSums) -> Any:
        """The mean (or sum) over entries, labels, rows, or for each label."""
        validation.check_some_target(sums.sums[1])
        if self.reduction == "sum":
            validation.check_sum_average(self.average)
        with np.errstate(over="ignore"):
            value = self._value(*sums.sums) / validation.check_base(self.base)
        return value if self.average is None else float(value)

    def _value(self, losses: Any, counts: Any, row_means: Any, row_counts: Any) -> Any:
        """The same in nats."""
        if self.reduction == "sum":
            return losses if self.average is None else losses.sum()
        if self.average == "micro":
            return losses.sum() / counts.sum()
        if self.average == "samples":
            return row_means / row_counts
        means = np.divide(losses, counts, out=np.full_like(losses, np.nan), where=counts > 0)
        return means if self.average is None else means[counts > 0].mean()

    @property
    def waits(self) -> bool:
        return False

    def settled(self, sums: LabelSums) -> "LabelsScore":
        return self

    def needs_classes(self, y_true: Any, y_proba: Any) -> bool:
        return False

    def classes_in(self, y_true: Any) -> Any:
        return None

    def of_classes(self, found: Any, n_columns: int) -> "LabelsScore":
        return self

    def losses_like(self, outputs: list) -> NDArray[Any]:
        return np.empty((0, self._n_labels(outputs)), _dtype(outputs))

    def value_like(self, outputs: list) -> NDArray[Any]:
        return np.empty(() if self.average is not None else self._n_labels(outputs))

    def _n_labels(self, outputs: list) -> int:
        return outputs[0].shape[1] if len(outputs) == 1 else len(outputs)

    def _rows(self, y_true: Any, y_proba: Any, sample_weight: Any, whole: bool) -> tuple[Callable[..., Any], Rows]:
        """Loss of each entry of a block, and the blocks of outputs, targets and weights."""
        validation.check_option("reduction", self.reduction, validation.REDUCTIONS)
        if self.average is not None:
            validation.check_option("average", self.average, validation.AVERAGES)
        validation.check_flag("from_logits", self.from_logits)
        validation.check_base(self.base)
        targets, outputs = validation.check_multilabel(y_true, y_proba, self.from_logits)
        least = validation.check_eps(self.eps, outputs.dtype)
        weights = validation.check_sample_weight(sample_weight, len(outputs), whole=whole)
        answers = None if self.pos_weight is None else validation.check_pos_weight(self.pos_weight, outputs.shape[1])
        loss = SigmoidCrossEntropy(label_smoothing=self.label_smoothing, class_weight=answers)

        def entries(block: Any, targets: Any) -> Any:
            if self.from_logits:
                return validation.check_logit_losses(loss.block_elements(targets, block), block, outputs)
            loss.check_block(block, outputs)
            return loss.block_score_elements(targets, block, least)

        size = kernels.block_rows(2 * outputs.shape[1], outputs.itemsize)
        return entries, Rows(outputs, targets, weights, block_rows=size)


def evaluate(score: Score, y_true: Any, y_proba: Any, sample_weight: Any, compute: bool) -> Any:
    """The metric of arrays in memory or of dask collections."""
    listed = isinstance(y_proba, (list, tuple)) and any(map(validation.is_dask, y_proba))
    outputs = list(y_proba) if listed else [y_proba]
    if not any(map(validation.is_dask, [y_true, *outputs, sample_weight])):
        validation.check_compute(compute)
        return score.whole(y_true, y_proba, sample_weight)
    validation.check_flag("compute", compute)
    validation.check_option("reduction", score.reduction, validation.REDUCTIONS)
    names = [f"y_proba[{i}]" for i in range(len(outputs))] if listed else ["y_proba"]
    rows = DaskRows(*outputs, y_true, sample_weight, names=[*names, "y_true", "sample_weight"])
    informed = _informed(score, y_true, y_proba, at_once=compute and score.reduction != "none")
    sums = rows.fold(partial(_part, listed), partial(reduce, score.merge), informed)
    if score.reduction == "none":
        informed = lazily(_settled, informed, sums) if score.waits else informed
        out = score.losses_like(outputs)
        return rows.each(partial(_losses, listed, out), out, informed)
    result = lazily(_value, informed, sums, out=score.value_like(outputs))
    value = result.compute() if compute else result
    return float(value) if compute and not np.ndim(value) else value


def _informed(score: Score, y_true: Any, y_proba: Any, *, at_once: bool) -> Any:
    """The score with its classes, from a pass over the labels if nothing else tells them; delayed unless `at_once`.

    A pass of its own lets go of partitions that hold both labels and predictions; in one graph they would have to wait
    in memory until all labels are seen.
    """
    if not score.needs_classes(y_true, y_proba):
        return score
    if not validation.is_dask(y_true):
        return score.of_classes(score.classes_in(y_true), _n_columns(y_proba))
    found = DaskRows(y_true, names=["y_true"]).fold(_classes_in, partial(reduce, _merge_classes), score)
    n_columns = _n_columns(y_proba)
    return score.of_classes(found.compute(), n_columns) if at_once else lazily(_of_classes, score, found, n_columns)


def _n_columns(y_proba: Any) -> int:
    """Number of classes that outputs have columns for."""
    shape: tuple[Any, ...] = np.shape(y_proba) if isinstance(y_proba, (list, tuple)) else y_proba.shape
    return 2 if len(shape) == 1 or shape[1] == 1 else int(shape[1])


def _classes_in(score: Any, y_true: Any) -> Any:
    return score.classes_in(y_true) if validation.rows_in(y_true) else None


def _merge_classes(one: Any, other: Any) -> Any:
    """Labels of two parts; a part that holds probabilities says that all do."""
    if isinstance(one, str) or isinstance(other, str):
        return SOFT
    return validation.merge_classes(one, other, "y_true")


def _of_classes(score: Any, found: Any, n_columns: int) -> Any:
    validation.check_some_part(found)
    return score.of_classes(found, n_columns)


def _part(listed: bool, score: Any, *arrays: Any) -> Any:
    """Sums of a partition of outputs, targets and weights, None if it is empty; the outputs of some are `listed`."""
    *outputs, y_true, weights = arrays
    return score.part(y_true, outputs if listed else outputs[0], weights) if validation.rows_in(outputs[0]) else None


def _losses(listed: bool, out: NDArray[Any], score: Any, *arrays: Any) -> Any:
    """Losses of the rows of a partition."""
    *outputs, y_true, weights = arrays
    if not validation.rows_in(outputs[0]):
        return out[:0]
    return score.whole(y_true, outputs if listed else outputs[0], weights, whole=False)


def _settled(score: Any, sums: Any) -> Any:
    validation.check_some_part(sums)
    return score.settled(sums)


def _value(score: Any, sums: Any) -> Any:
    validation.check_some_part(sums)
    return score.value(sums)


def _dtype(outputs: list) -> np.dtype:
    """Type of the losses of outputs, collections or arrays."""
    kinds = [kind for p in outputs for kind in (p.dtypes if hasattr(p, "dtypes") else [getattr(p, "dtype", float)])]
    single = all(kind in (np.float32, np.float16) for kind in kinds)
    return np.dtype(np.float32 if single else np.float64)


def _weigh(losses: NDArray[Any], weights: NDArray[Any] | None) -> NDArray[Any]:
    """Losses (b, L) times the rows' weights, 0 where the weight is."""
    if weights is None:
        return losses
    return np.where(weights[:, None] > 0, losses * weights[:, None], 0)


def _label_sums(entries: Callable[..., Any], rows: Rows) -> list[NDArray[Any]]:
    """Sums of weighted losses and of weights, by label (L,), and of the rows' means and weights."""

    def sums(outputs: Any, targets: Any, weights: Any) -> tuple:
        losses = entries(outputs, targets)
        if weights is None:
            weights = np.ones(len(losses))
        elif weights.min() == 0:  # inf in a row that does not count must not make a nan
            losses = np.where(weights[:, None] > 0, losses, 0)
        known = (targets == targets).astype(losses.dtype)
        counts = kernels.row_sums(known)
        means = np.divide(kernels.row_sums(losses), counts, out=np.zeros_like(counts), where=counts > 0)
        return weights @ losses, weights @ known, weights @ means, weights @ (counts > 0)

    return rows.sum(sums)
