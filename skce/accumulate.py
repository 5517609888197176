"""Metrics of rows that never stand in one place: in parts of a file, on a stream, on the machines of a cluster."""

from collections.abc import Callable
from inspect import signature
from typing import Any, Self

from numpy.typing import ArrayLike

from skce import _validation as validation
from skce import metrics

NOT_OPTIONS = ("y_true", "y_proba", "sample_weight", "compute")
"""What a metric takes that an accumulator is not made with."""


class MetricAccumulator:
    """A metric that is given the rows part by part, in any order. Its result is that of all rows at once.

    It holds sums, a few numbers for each class, never means and never rows. Accumulators with the same options merge,
    so each worker of a cluster fills its own; they are small, and pickle. The result is the metric's of the
    concatenated parts, but for the last digits; "balanced" class weights and skill scores too wait for all rows.

    Parameters
    ----------
    metric : str or callable
        A metric of this library, such as `cross_entropy_loss`, or its name.
    **options
        The metric's own. Labels need `labels`, the class of each column, because a part may lack some; a DataFrame of
        predictions whose columns are named by the classes, and targets that are distributions, do without.

    Raises
    ------
    ValueError
        If there is no such metric, or an option cannot be had part by part: `reduction` must be "mean" or "sum".
    TypeError
        If the metric does not take an option.

    See Also
    --------
    cross_entropy_loss : Takes dask collections itself.

    Examples
    --------
    >>> from skce import MetricAccumulator, cross_entropy_loss
    >>> first, second = (MetricAccumulator(cross_entropy_loss, labels=["a", "b"]) for _ in range(2))
    >>> first.update(["a"], [[0.5, 0.5]]).update(["a"], [[0.25, 0.75]])
    MetricAccumulator(cross_entropy_loss, labels=['a', 'b'])
    >>> result = first.merge(second.update(["b"], [[0.875, 0.125]])).result()
    >>> result == cross_entropy_loss(["a", "a", "b"], [[0.5, 0.5], [0.25, 0.75], [0.875, 0.125]])
    True
    """

    def __init__(self, metric: str | Callable, **options: Any):
        self._name = metric if isinstance(metric, str) else getattr(metric, "__name__", repr(metric))
        validation.check_option("metric", self._name, metrics.SCORES)
        function = getattr(metrics, self._name)
        validation.check_options_of(function, options)
        validation.check_part_options(options, NOT_OPTIONS)
        defaults = {name: p.default for name, p in signature(function).parameters.items() if name not in NOT_OPTIONS}
        self._options = options
        self._score = metrics.SCORES[self._name](**{**defaults, **options})
        self._sums: Any = None

    def update(self, y_true: ArrayLike, y_proba: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Add rows, as the metric takes them; none at all are allowed. Input that raises adds nothing.

        Parameters
        ----------
        y_true : array-like
            Targets of the rows.
        y_proba : array-like
            Probabilities, or logits if `from_logits`.
        sample_weight : array-like of shape (n,), default=None
            Weight of each row. Those of a part may all be zero.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If shapes or values are not as described; the message says which row of the part and what to do.
        """
        if validation.rows_in(y_true) or validation.rows_of_outputs(y_proba):
            self._add(self._score.part(y_true, y_proba, sample_weight))
        return self

    def merge(self, other: "MetricAccumulator") -> Self:
        """Add what another accumulator of the same metric and options was given; it stays as it is.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the metrics, the options or the columns differ.
        """
        validation.check_mergeable((self._name, self._options), (other._name, other._options))
        if other._sums is not None:
            self._add(other._sums)
        return self

    def result(self) -> Any:
        """The metric of all rows so far, of its own type. More may follow.

        Raises
        ------
        ValueError
            If no row counts yet.
        """
        validation.check_some_part(self._sums)
        return self._score.value(self._sums)

    def __repr__(self) -> str:
        return f"MetricAccumulator({', '.join([self._name, *(f'{k}={v!r}' for k, v in self._options.items())])})"

    def _add(self, sums: Any) -> None:
        self._sums = sums if self._sums is None else self._score.merge(self._sums, sums)
