"""Links: what the logits of a row stand for, from the loss that trains them to the labels that they predict.

One class for each case that a classifier knows: `Softmax` for classes that exclude each other, `Sigmoid` where there
are two of them, `OneVsRest` for a sigmoid a class, `Labels` for several labels a row. All that differs between the
cases is here; `link_of` chooses.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from skce import _kernels as kernels
from skce import _validation as validation
from skce._rows import DaskRows, Rows
from skce._targets import Targets, look_up
from skce.losses import LOSSES, Loss


class Sums(NamedTuple):
    """Weighted sums over the rows of targets."""

    totals: NDArray[Any]
    """Of the targets, (k,), unknown ones as 0."""
    known: NDArray[Any]
    """Of the rows whose target is known, (k,)."""
    mass: float
    """Of the rows."""


class Weighted(NamedTuple):
    """What class weights and sample weights come to in an objective."""

    class_weight: Any
    """Of the loss: (k,), or those of no and yes."""
    row_weight: NDArray[Any] | None
    """Of the rows."""
    total: float
    """What the sum over the rows is divided by."""
    mass: float
    """Weight of the rows."""
    frequencies: NDArray[Any]
    """Weighted mean of the targets, (n_outputs,)."""


@dataclass(frozen=True)
class Link(ABC):
    """Meaning of the logits of a row."""

    classes: NDArray[Any]

    name: ClassVar[str]
    """Of the option `link` that forces it."""

    exclusive: ClassVar[bool] = True
    """Whether a row has one label."""

    @property
    def n_outputs(self) -> int:
        """Number of logits."""
        return len(self.classes)

    def loss(self, gamma: float, label_smoothing: float, class_weight: Any) -> Loss:
        """The cross-entropy, or for `gamma` the focal loss, that trains the logits."""
        focus = {"gamma": gamma} if gamma else {}
        kind: Any = LOSSES[f"{self.name}_focal" if gamma else f"{self.name}_cross_entropy"]
        return kind(label_smoothing=label_smoothing, class_weight=class_weight, **focus)

    def outputs_of(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values of targets as the loss takes them."""
        return values

    @abstractmethod
    def class_weights(self, class_weight: Any, sums: Sums) -> Any:
        """The option `class_weight` as numbers, or None."""

    @abstractmethod
    def weigh(self, class_weights: Any, values: Any, row_weight: Any, sums: Sums) -> Weighted:
        """Class weights, as numbers, and sample weights as an objective takes them."""

    @abstractmethod
    def hits(self, codes: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
        """How right each row's prediction is, (n,) in [0, 1]; nan where nothing is known of the row."""

    def decision(self, logits: NDArray[Any]) -> NDArray[Any]:
        """What `decision_function` returns."""
        return logits

    def codes(self, logits: NDArray[Any]) -> NDArray[Any]:
        """Codes (n,) of the most probable classes, or (n, L) of 0 and 1."""
        return logits.argmax(axis=1)

    @abstractmethod
    def proba(self, logits: NDArray[Any]) -> NDArray[Any]:
        """Probability of each class or label, (n, n_classes)."""

    @abstractmethod
    def log_proba(self, logits: NDArray[Any]) -> NDArray[Any]:
        """Its logarithm, not through the probability."""

    def labels(self, codes: NDArray[Any]) -> NDArray[Any]:
        """The labels of codes."""
        return self.classes[codes]

    def predictions(self, logits: NDArray[Any]) -> NDArray[Any]:
        """What `predict` returns."""
        return self.labels(self.codes(logits))


class _Exclusive(Link):
    """What links of classes that exclude each other share."""

    def class_weights(self, class_weight: Any, sums: Sums) -> Any:
        return validation.resolve_class_weight(
            class_weight, self.classes, len(self.classes), lambda: sums.totals, lenient=False
        )

    def weigh(self, class_weights: Any, values: Any, row_weight: Any, sums: Sums) -> Weighted:
        total = sums.totals.sum() if class_weights is None else sums.totals @ class_weights
        return Weighted(class_weights, row_weight, float(total), sums.mass, sums.totals / sums.totals.sum())

    def hits(self, codes: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
        return values == codes if values.ndim == 1 else values[np.arange(len(codes)), codes]


class Softmax(_Exclusive):
    """A logit for each class."""

    name = "softmax"

    def decision(self, logits: NDArray[Any]) -> NDArray[Any]:
        return logits[:, 1] - logits[:, 0] if len(self.classes) == 2 else logits

    def proba(self, logits: NDArray[Any]) -> NDArray[Any]:
        return self.loss(0, 0, None).proba(logits)

    def log_proba(self, logits: NDArray[Any]) -> NDArray[Any]:
        return self.loss(0, 0, None).log_proba(logits)


class Sigmoid(_Exclusive):
    """One logit, that of the second of two classes."""

    name = "sigmoid"

    @property
    def n_outputs(self) -> int:
        return 1

    def outputs_of(self, values: NDArray[Any]) -> NDArray[Any]:
        return values if values.ndim == 1 else values[:, 1:]

    def weigh(self, class_weights: Any, values: Any, row_weight: Any, sums: Sums) -> Weighted:
        weighted = super().weigh(class_weights, values, row_weight, sums)
        return weighted._replace(frequencies=weighted.frequencies[1:])

    def decision(self, logits: NDArray[Any]) -> NDArray[Any]:
        return logits[:, 0]

    def codes(self, logits: NDArray[Any]) -> NDArray[Any]:
        return (logits[:, 0] > 0).astype(np.intp)

    def proba(self, logits: NDArray[Any]) -> NDArray[Any]:
        return special.expit(np.hstack([-logits, logits]))

    def log_proba(self, logits: NDArray[Any]) -> NDArray[Any]:
        return special.log_expit(np.hstack([-logits, logits]))


class OneVsRest(_Exclusive):
    """A sigmoid for each class against the rest; their probabilities are scaled to sum to 1."""

    name = "sigmoid"

    def outputs_of(self, values: NDArray[Any]) -> NDArray[Any]:
        return values if values.ndim == 2 else (values[:, None] == np.arange(self.n_outputs)).astype(np.int8)

    def weigh(self, class_weights: Any, values: Any, row_weight: Any, sums: Sums) -> Weighted:
        """The weights of the classes become those of rows: all the questions of a row are about one label."""
        weighted = super().weigh(class_weights, values, row_weight, sums)
        if class_weights is None:
            return weighted
        own = look_up(class_weights, values) if values.ndim == 1 else values @ class_weights
        row_weight = own if row_weight is None else own * row_weight
        frequencies = target_sums(self.classes, values, row_weight).totals / weighted.total
        return Weighted(None, row_weight, weighted.total, weighted.total, frequencies)

    def proba(self, logits: NDArray[Any]) -> NDArray[Any]:
        return np.exp(self.log_proba(logits))

    def log_proba(self, logits: NDArray[Any]) -> NDArray[Any]:
        logs = special.log_expit(logits)
        return logs - special.logsumexp(logs, axis=1, keepdims=True)


class Labels(Link):
    """A sigmoid for each of several labels, which do not exclude each other."""

    name = "sigmoid"
    exclusive = False

    def class_weights(self, class_weight: Any, sums: Sums) -> Any:
        """Weights of no and yes, (2, L): "balanced" makes both count the same, a dict weighs a label's yes."""
        if class_weight is None:
            return None
        yes, known = sums.totals, sums.known
        if isinstance(class_weight, str):
            validation.check_option("class_weight", class_weight, ("balanced",))
            counts = np.stack([known - yes, yes])
            return np.divide(known, 2 * counts, out=np.ones_like(counts), where=counts > 0)
        weights: Any = validation.resolve_class_weight(
            class_weight, self.classes, len(self.classes), lambda: yes, lenient=False
        )
        return np.stack([np.ones(len(self.classes)), weights])

    def weigh(self, class_weights: Any, values: Any, row_weight: Any, sums: Sums) -> Weighted:
        validation.check_positive_mass(sums.mass)
        no_idea = np.full_like(sums.known, 0.5)
        frequencies = np.divide(sums.totals, sums.known, out=no_idea, where=sums.known > 0)
        return Weighted(class_weights, row_weight, sums.mass, sums.mass, frequencies)

    def hits(self, codes: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
        unknown = np.isnan(values)
        right = ((codes == (values > 0.5)) | unknown).all(axis=1)
        return np.where(unknown.all(axis=1), np.nan, right)

    def codes(self, logits: NDArray[Any]) -> NDArray[Any]:
        return (logits > 0).astype(np.int64)

    def labels(self, codes: NDArray[Any]) -> NDArray[Any]:
        return codes

    def proba(self, logits: NDArray[Any]) -> NDArray[Any]:
        return special.expit(logits)

    def log_proba(self, logits: NDArray[Any]) -> NDArray[Any]:
        return special.log_expit(logits)


def target_sums(classes: NDArray[Any], values: Any, weights: Any) -> Sums:
    """Sums over the rows of the values of targets."""
    if validation.is_dask(values):
        rows: Any = DaskRows(values, weights, names=("y", "sample_weight"))
    else:
        width = values.shape[1] if values.ndim == 2 else 1
        rows = Rows(values, weights, block_rows=kernels.block_rows(width))
    totals, known, mass = rows.sum(partial(_block_sums, len(classes)))
    return Sums(totals, known, float(mass))


def _block_sums(n_classes: int, values: Any, weights: Any) -> tuple:
    if values.ndim == 1:
        totals = np.bincount(values, weights, minlength=n_classes).astype(np.float64)
        return totals, totals, totals.sum()
    weights = np.ones(len(values)) if weights is None else weights
    return weights @ np.nan_to_num(values), weights @ ~np.isnan(values), weights.sum(dtype=np.float64)


def link_of(option: str, targets: Targets) -> Link:
    """The link of targets: "auto" takes one sigmoid for two classes, and a softmax for more."""
    if not targets.exclusive:
        return Labels(targets.classes)
    two = len(targets.classes) == 2
    if option == "softmax" or (option == "auto" and not two):
        return Softmax(targets.classes)
    return Sigmoid(targets.classes) if two else OneVsRest(targets.classes)
