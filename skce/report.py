"""Where a loss comes from: which classes, and which rows.

Come here for the tables `cross_entropy_report` and `top_losses`. They sum and sort the losses that `_case` gives.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skce import _validation as validation
from skce._case import CROSS_ENTROPY, Case, Options, case_of

if TYPE_CHECKING:
    import pandas as pd

OUTPUTS = ("frame", "text")


def cross_entropy_report(
    y_true: ArrayLike,
    y_proba: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    from_logits: bool = False,
    output: str = "text",
    digits: int = 3,
    base: float | None = None,
    eps: float | str = "auto",
) -> "str | pd.DataFrame":
    """Cross-entropy by class: what each class costs, how well it is predicted, and whether as often as it occurs.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, k)
        Labels, a distribution over the classes for each row, or the probability of the second of two classes.
    y_proba : array-like of shape (n, k) or (n,)
        Probabilities, or logits if `from_logits`.
    labels, sample_weight, from_logits, base, eps
        As in `cross_entropy_loss`.
    output : {"text", "frame"}, default="text"
        A text to print, or a pandas DataFrame.
    digits : int, default=3
        Digits after the point in the text.

    Returns
    -------
    str or DataFrame
        A row for each class, and one for all. The columns:

        - support: rows of the class, or their weight; with soft targets what these give to the class.
        - loss: mean loss of the class's rows, in units of log(base).
        - share: the class's part of the total loss.
        - perplexity: among how many equally likely classes a guess would be as hard.
        - skill: share of the loss of the class frequencies that the predictions save, `d2_cross_entropy_score`; for a
          class, of its rows' loss, which is -log of its frequency.
        - predicted, observed: mean predicted probability of the class over all rows, and its frequency. Predictions
          that are right on average have the same in both.

        What is not defined, as for a class that does not occur, is nan, and empty in the text.

    Raises
    ------
    ValueError
        If shapes or values are not as described; the message says which row and what to do.

    See Also
    --------
    decompose : The same loss split by its causes.
    sklearn.metrics.classification_report : Precision and recall of the classes.

    Examples
    --------
    >>> from skce import cross_entropy_report
    >>> y_proba = [[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.3, 0.2, 0.5]]
    >>> print(cross_entropy_report(["cat", "cat", "dog", "fox"], y_proba, digits=2))
             support  loss  share  perplexity  skill  predicted  observed
    cat            2  0.37   0.44        1.44   0.47       0.45      0.50
    dog            1  0.22   0.14        1.25   0.84       0.35      0.25
    fox            1  0.69   0.42        2.00   0.50       0.20      0.25
    <BLANKLINE>
    overall        4  0.41   1.00        1.51   0.60
    """
    validation.check_option("output", output, OUTPUTS)
    validation.check_number("digits", digits, 0, integer=True)
    options = Options(sample_weight, from_logits, "mean", base, eps, "error")
    case = case_of(y_true, y_proba, labels, options)
    whole = case.weights is None and case.targets.dtype.kind != "f"
    frame = _by_class(case.counted())
    if whole:
        frame["support"] = frame["support"].astype(int)
    return frame if output == "frame" else _text(frame, digits)


def top_losses(
    y_true: ArrayLike,
    y_proba: ArrayLike,
    n: int = 10,
    *,
    labels: ArrayLike | None = None,
    from_logits: bool = False,
    base: float | None = None,
    eps: float | str = "auto",
) -> "pd.DataFrame":
    """Rows with the largest cross-entropy, the largest first: where to look for wrong labels and hard cases.

    Use predictions for rows that the model was not fitted to, as scikit-learn's ``cross_val_predict`` gives: a model
    may have learnt a wrong label by heart.

    Parameters
    ----------
    y_true : array-like of shape (n_rows,) or (n_rows, k)
        Labels, a distribution over the classes for each row, or the probability of the second of two classes.
    y_proba : array-like of shape (n_rows, k) or (n_rows,)
        Probabilities, or logits if `from_logits`.
    n : int, default=10
        Rows to return; all if there are fewer.
    labels, from_logits, base, eps
        As in `cross_entropy_loss`.

    Returns
    -------
    DataFrame of at most n rows
        Indexed by the pandas index of `y_true` or `y_proba` if one has any, else by position, with the columns label
        (with soft targets the most probable), p_label (the predicted probability of it), predicted (the class with the
        largest probability), p_predicted, and loss, in units of log(base). Equal losses keep the order of the rows.

    Raises
    ------
    ValueError
        If shapes or values are not as described; the message says which row and what to do.

    Examples
    --------
    >>> from skce import top_losses
    >>> y_proba = [[0.9, 0.1], [0.05, 0.95], [0.3, 0.7]]
    >>> top_losses(["ham", "ham", "spam"], y_proba, n=2).round(3)
      label  p_label predicted  p_predicted   loss
    1   ham     0.05      spam         0.95  2.996
    2  spam     0.70      spam         0.70  0.357
    """
    validation.check_number("n", n, 1, integer=True)
    case = case_of(y_true, y_proba, labels, Options(None, from_logits, "none", base, eps, "error"))
    losses = case.values(case.loss(CROSS_ENTROPY, None), None)
    rows = np.argsort(-losses, kind="stable")[:n]
    proba = np.exp(case.log_proba()[rows])
    targets = case.distributions()[rows] if case.targets.dtype.kind == "f" else None
    codes = case.targets[rows] if targets is None else targets.argmax(axis=1)
    best = proba.argmax(axis=1)
    import pandas as pd

    return pd.DataFrame(
        {
            "label": case.classes[codes],
            "p_label": proba[np.arange(len(rows)), codes],
            "predicted": case.classes[best],
            "p_predicted": proba[np.arange(len(rows)), best],
            "loss": losses[rows],
        },
        index=_index(len(losses), y_true, y_proba)[rows],
    )


def _by_class(case: Case) -> "pd.DataFrame":
    """The table of a case all of whose rows have weights."""
    import pandas as pd

    weights: Any = case.weights
    losses = case.values(case.loss(CROSS_ENTROPY, None), None)
    log_proba = case.log_proba()
    support, sums = case.class_totals(), _class_losses(case, losses, log_proba)
    total, mean = weights.sum(), case.reduce(losses, None)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        means = np.append(sums / support, mean)
        columns = {
            "support": np.append(support, total),
            "loss": means,
            "share": np.append(sums / sums.sum(), 1.0),
            "perplexity": np.exp(means * case.log_base),
            "skill": _skills(case, means * case.log_base, np.append(-np.log(support / total), case.reference(None))),
            "predicted": np.append(weights @ np.exp(log_proba) / total, np.nan),
            "observed": np.append(support / total, np.nan),
        }
    return pd.DataFrame(columns, index=pd.Index([*case.classes.tolist(), "overall"], dtype=object))


def _class_losses(case: Case, losses: NDArray[Any], log_proba: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted sum of the losses of each class, (k,): of its rows, or of what soft targets give to it."""
    weights: Any = case.weights
    if case.targets.dtype.kind != "f":
        return np.bincount(case.targets, weights * losses, minlength=case.n_columns).astype(np.float64)
    mass = case.distributions()
    terms = np.multiply(mass, -log_proba, out=np.zeros_like(mass), where=mass > 0)  # 0 * inf
    return weights @ terms / case.log_base


def _skills(case: Case, means: NDArray[np.float64], references: NDArray[np.float64]) -> list[float]:
    """What each mean saves of its reference, both in nats; nan for a class that does not occur."""
    return [case.skill(*pair) if np.isfinite(pair[1]) else np.nan for pair in zip(means, references, strict=True)]


def _text(frame: "pd.DataFrame", digits: int) -> str:
    """The table with a blank line before its last row."""
    *lines, last = frame.to_string(na_rep="", float_format=f"{{:.{digits}f}}".format).splitlines()
    return "\n".join([*lines, "", last.rstrip()])


def _index(n: int, *arrays: Any) -> "pd.Index":
    """The pandas index of the first of the arrays that has one, else positions."""
    import pandas as pd

    found = [array.index for array in arrays if isinstance(getattr(array, "index", None), pd.Index)]
    return found[0] if found else pd.RangeIndex(n)
