"""Whether one model's loss is lower than another's, or only seems so on these rows.

Come here for `compare`: differences of losses row by row, and the standard error of their mean.
"""

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from skce import _validation as validation
from skce._case import CROSS_ENTROPY, Options, case_of

if TYPE_CHECKING:
    import pandas as pd


def compare(
    y_true: ArrayLike,
    y_proba: Any,
    *,
    labels: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    reference: Any = None,
    confidence: float = 0.95,
    from_logits: bool = False,
    base: float | None = None,
    eps: float | str = "auto",
) -> "pd.DataFrame":
    r"""Difference of models' mean cross-entropy on the same rows, with its standard error. Negative favours the model.

    The losses of a row are alike for all models, so their difference is known far better than either mean. With
    :math:`d_i` the difference of row i, :math:`\bar d` its mean with weights :math:`s_i`, and G groups,

    .. math:: \mathrm{se}^2 = \frac{G}{G - 1} \sum_g \Bigl(\sum_{i \in g} \frac{s_i (d_i - \bar d)}{\sum_j s_j}\Bigr)^2

    and the interval is :math:`\bar d` plus and minus se times the quantile of Student's t with G - 1 degrees of
    freedom. Without `groups` each row is its own, and without weights that is the paired t-test.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, k)
        Labels, a distribution over the classes for each row, or the probability of the second of two classes.
    y_proba : mapping or DataFrame
        Predictions of each model by its name, each as in `cross_entropy_loss`; or, for two classes, a DataFrame whose
        columns are the models' probabilities of the second class.
    labels, sample_weight, from_logits, base, eps
        As in `cross_entropy_loss`.
    groups : array-like of shape (n,), default=None
        Group of each row. Rows of a group, such as those of one patient, may depend on each other; groups may not.
    reference : default=None
        Name of the model that all others are compared with; None for every pair.
    confidence : float, default=0.95
        Confidence of the intervals.
    from_logits : bool, default=False
        Whether the predictions are logits.

    Returns
    -------
    DataFrame
        Indexed by model and reference, with the columns difference (loss of the model minus that of the reference, in
        units of log(base)), standard_error, low, high, and p_value (two-sided, of no difference).

    Raises
    ------
    ValueError
        If shapes or values are not as described; the message says which row and what to do.

    Notes
    -----
    It is about these models, on new rows or groups like these. That the models would differ if they were fitted to
    other data is not in it: predictions of cross-validation, whose folds share their training rows, give intervals
    that are too short for that question. Losses are skewed, so few groups give intervals that are too short in any
    case: with 40 in a simulation, those of 90% covered the truth in 83%, with 200 in 88%. With many models some
    differences are large by chance: p values are not corrected for their number.

    References
    ----------
    Liang, K.-Y., S. L. Zeger, "Longitudinal data analysis using generalized linear models", 1986,
    doi:10.1093/biomet/73.1.13

    Diebold, F. X., R. S. Mariano, "Comparing predictive accuracy", 1995, doi:10.1080/07350015.1995.10524599

    Examples
    --------
    >>> from skce import compare
    >>> y = [0, 0, 1, 1, 1, 0]
    >>> models = {"new": [0.2, 0.1, 0.7, 0.9, 0.6, 0.3], "old": [0.3, 0.3, 0.7, 0.8, 0.5, 0.5]}
    >>> compare(y, models).round(3)
                     difference  standard_error    low   high  p_value
    model reference
    new   old             -0.17           0.047 -0.292 -0.048    0.016
    """
    validation.check_number("confidence", confidence, 0.0, 1.0, closed="neither")
    models = validation.find_models(y_true, y_proba, labels)
    validation.check_compared(models, reference)
    options = Options(sample_weight, from_logits, "none", base, eps, "error")
    losses, weights = _losses(y_true, models, labels, options)
    units = np.arange(len(weights)) if groups is None else validation.check_groups(groups, len(weights))
    _, units = np.unique(units[weights > 0], return_inverse=True)
    validation.check_units(int(units.max()) + 1, groups)
    pairs = list(combinations(models, 2)) if reference is None else [(m, reference) for m in models if m != reference]
    weights, counted = weights[weights > 0], weights > 0
    rows = [_difference((losses[a] - losses[b])[counted], weights, units, confidence) for a, b in pairs]
    import pandas as pd

    return pd.DataFrame(rows, index=pd.MultiIndex.from_tuples(pairs, names=["model", "reference"]))


def _losses(y_true: Any, models: dict, labels: Any, options: Options) -> tuple[dict, NDArray[np.float64]]:
    """Losses of each model's rows in float64, 0 where the weight is, and the weights."""
    losses = {}
    for name, predictions in models.items():
        case = case_of(y_true, predictions, labels, options)
        weights = np.ones(len(case.outputs)) if case.weights is None else case.weights
        values = case.values(case.loss(CROSS_ENTROPY, None), None).astype(np.float64)
        losses[name] = np.where(weights > 0, values, 0)
        validation.check_finite_losses(name, losses[name])
    return losses, weights


def _difference(
    differences: NDArray[np.float64], weights: NDArray[np.float64], units: NDArray[np.intp], confidence: float
) -> dict[str, float]:
    """Weighted mean, its error from the sums over independent units, and what Student's t makes of them."""
    total = weights.sum()
    mean = weights @ differences / total
    sums = np.bincount(units, weights * (differences - mean) / total)
    n = len(sums)
    error = np.sqrt(n / (n - 1) * (sums @ sums))
    reach = stats.t.ppf((1 + confidence) / 2, n - 1) * error
    with np.errstate(divide="ignore"):
        statistic = np.abs(mean) / error if mean else 0.0  # the same predictions twice do not differ
    return {
        "difference": mean,
        "standard_error": error,
        "low": mean - reach,
        "high": mean + reach,
        "p_value": 2 * stats.t.sf(statistic, n - 1),
    }
