"""The classifier: validate, train, store; and predict. What a training is stands in `_training`."""

import warnings
from functools import partial
from importlib import metadata
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.metaestimators import available_if

from skce import _lazy
from skce import _validation as validation
from skce._link import Link, link_of
from skce._monitor import Bridge, Validation
from skce._objective import Objective, logits_of
from skce._rows import by_rows, single_blas_thread
from skce._training import STREAMING, Training
from skce.solvers import ENDLESS, SOLVERS, Result

SEPARATED = 10
"""An unpenalised loss of up to this many times tol, for each question of a row, is one that goes to 0."""


def documentation_pages() -> str:
    """Template of the address of a class's page, from the installed distribution; empty where that names no pages."""
    try:
        addresses = metadata.metadata("skce").get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        return ""
    pages = dict(address.split(", ", 1) for address in addresses).get("Documentation")
    return f"{pages.rstrip('/')}/generated/skce.{{estimator_name}}.html" if pages else ""


class CrossEntropyClassifier(CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    r"""Softmax (logistic) classifier that minimises the penalised cross-entropy, on data of any scale.

    .. math:: \min_{W, b} \; \frac{1}{S} \sum_i s_i \, \ell(y_i, W x_i + b) + \frac{\alpha}{2} \|W\|^2,
              \quad S = \sum_i s_i w(y_i)

    with the library's own losses and analytic gradients: one sigmoid for two classes, a softmax for more, a sigmoid for
    each of several labels. Targets are labels, soft labels (a distribution a row) or several labels a row. The minimum
    is that of ``LogisticRegression(C=1 / (alpha * S))``; of several labels S is the sum of the
    sample weights. Features need no scaling: the solver knows their scales and
    correlations, and `tol` is the distance to the minimum, in nats. Of dask collections predictions are lazy.

    Parameters
    ----------
    alpha : float, default=1e-4
        Strength of the penalty on the squared coefficients; the intercepts bear none.
    fit_intercept : bool, default=True
        Whether to fit intercepts.
    link : {"auto", "softmax", "sigmoid"}, default="auto"
        "auto" is one sigmoid for two classes and a softmax for more. "softmax" has a logit for each class, also for
        two, and takes a `y` of several columns for soft labels, also where they are all 0 and 1. "sigmoid" has a
        sigmoid for each class against the rest, and takes a `y` of several columns for several labels a row.
    label_smoothing : float, default=0.0
        Part in [0, 1) of each target that is spread evenly over the classes, or over yes and no.
    gamma : float, default=0.0
        More than 0 minimises the focal loss of that exponent, which looks away from rows that are predicted well. It
        is not convex: what is found is a minimum near the best constant prediction.
    class_weight : dict or "balanced", default=None
        Weight of each class, 1 for those that a dict leaves out. "balanced" makes the classes' total weights equal. Of
        several labels a dict has the weight of a label where it is there, and "balanced" makes both answers count
        the same.
    solver : {"auto", "lbfgs", "gradient_descent", "sgd", "adam"}, default="auto"
        "auto" is "lbfgs": L-BFGS on a model of the Hessian, and Newton's method where the whole of it is small.
        "gradient_descent" is plain: it shows how training lowers the loss, and does need scaled features. "sgd" and
        "adam" go through mini-batches of rows, in coordinates where the features are scaled; "auto" is "sgd" in
        `partial_fit`.
    tol : float, default=1e-6
        Stop when the estimated distance of the objective to its minimum is below this, in nats. For "sgd" and "adam",
        and for early stopping, a loss that does not fall by this does not fall.
    max_iter : int, default=1000
        Most steps of the solver, or epochs of "sgd" and "adam".
    learning_rate : {"adaptive", "constant", "invscaling"} or float, default="adaptive"
        Schedule of "sgd" and "adam". "adaptive" divides the rate by 5 when the loss of an epoch stalls, and ends the
        fourth time; in `partial_fit`, which knows no epochs, the rate falls as the root of the step's number.
        "invscaling" divides it by that number to the power `power_t`. A number is a constant rate.
    learning_rate_init : float, default=None
        First rate of "sgd", "adam" and "gradient_descent", for features of unit variance in the former two. None finds
        it.
    power_t : float, default=0.5
        Exponent of "invscaling".
    momentum : float, default=0.9
        Part in [0, 1) of the last step that "sgd" and "gradient_descent" keep.
    nesterovs_momentum : bool, default=True
        Whether the momentum of "sgd" looks one step ahead.
    beta_1, beta_2 : float, default=0.9, 0.999
        Parts of the means of the gradients and of their squares that a step of "adam" keeps.
    average : bool, default=True
        Whether "sgd" and "adam" give the mean of their later steps, half of them or more.
    batch_size : int or "auto", default="auto"
        Rows of a mini-batch; "auto" is up to 128, and more for sparse features of which a row has few.
    shuffle : bool, default=True
        Whether each epoch takes the rows in another order.
    early_stopping : bool, default=False
        Whether `fit` stops when `n_iter_no_change` steps or epochs have not lowered the loss of validation rows, and
        gives the best coefficients. The rows are `X_val`, or else a part of X that is not fitted.
    validation_fraction : float, default=0.1
        That part, in (0, 1).
    n_iter_no_change : int, default=5
        Steps or epochs without a lower loss after which to stop, or to lower an adaptive rate.
    scoring : str or callable, default=None
        Scorer to stop by; greater is better. None for the loss that is minimised, without penalty.
    warm_start : bool, default=False
        Whether `fit` starts from where the last one ended, if it had the same classes and features.
    random_state : int, RandomState instance or None, default=None
        Chooses the validation rows, the mini-batches, and the rows that "lbfgs" starts with and models the Hessian by
        when there are many: others move the answer by no more than `tol`. None always chooses the same.
    verbose : int, default=0
        Prints a line for each step, or for each `verbose` of them and the last.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes, sorted; of a `y` of several columns their names, or 0, 1, 2, ...
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Coefficients W; one row for two classes, unless `link` is "softmax". Of float32 features they are float32,
        unless that rounding costs more than `tol`.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts b.
    n_iter_ : int
        Steps or epochs taken over all rows.
    converged_ : bool
        Whether `tol` was reached, or early stopping or a callback ended the fit; of "sgd" and "adam", whether the loss
        of an epoch no longer fell.
    loss_curve_ : ndarray of shape (n_steps + 1,)
        The objective at the start and after each step; of "sgd" and "adam", (n_epochs,), the mean over the
        mini-batches of an epoch as it went.
    validation_loss_curve_ : ndarray
        The loss of the validation rows, or minus their score, where there are such rows.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X had names that are all strings.

    See Also
    --------
    sklearn.linear_model.LogisticRegression : The same model, for scaled features.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from skce import CrossEntropyClassifier
    >>> X, y = load_wine(return_X_y=True)
    >>> classifier = CrossEntropyClassifier(alpha=0.01).fit(X, y)
    >>> classifier.predict(X[:3]), classifier.converged_
    (array([0, 0, 0]), True)
    >>> classifier.predict_proba(X[:1]).round(5)
    array([[9.9953e-01, 9.0000e-05, 3.8000e-04]])
    """

    _streaming: ClassVar[dict] = STREAMING

    def __init__(
        self,
        *,
        alpha: float = 1e-4,
        fit_intercept: bool = True,
        link: str = "auto",
        label_smoothing: float = 0.0,
        gamma: float = 0.0,
        class_weight: Any = None,
        solver: str = "auto",
        tol: float = 1e-6,
        max_iter: int = 1000,
        learning_rate: str | float = "adaptive",
        learning_rate_init: float | None = None,
        power_t: float = 0.5,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        average: bool = True,
        batch_size: int | str = "auto",
        shuffle: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        scoring: Any = None,
        warm_start: bool = False,
        random_state: Any = None,
        verbose: int = 0,
    ):
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.link = link
        self.label_smoothing = label_smoothing
        self.gamma = gamma
        self.class_weight = class_weight
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.average = average
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.scoring = scoring
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @with_callbacks
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Fit the coefficients.

        Parameters
        ----------
        X : {array-like, sparse matrix, dask array or DataFrame} of shape (n_samples, n_features)
            Features, dense or sparse, float32 or float64; anything else becomes float64. Rows of a dask collection stay
            where they are, and `y` and `sample_weight` may be such too.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels of two or more classes; or soft labels, rows of probabilities that sum to 1; or several labels a
            row, 1 for those it has, 0 for those it has not, nan for unknown ones. See `link`. The columns of a
            DataFrame name the classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row.
        X_val, y_val, sample_weight_val : array-like, default=None
            Validation rows, for early stopping and `validation_loss_curve_`.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X, y or a parameter is not as described.
        TypeError
            If `y` or weights are dask collections and X is in memory.

        Warns
        -----
        sklearn.exceptions.EfficiencyWarning
            If each pass over the rows of a dask collection would compute a graph of tasks anew.
        """
        self._check_parameters()
        data = _lazy.fit_input(self, X, y, sample_weight)
        link = link_of(self.link, data.targets)
        held_out = validation.check_validation_set(self, X_val, y_val, sample_weight_val, link)
        if self.early_stopping and held_out is None:
            data, held_out = self._split(data)
        return self._fit(link, data, held_out, alpha=self.alpha, resume=self.warm_start)

    @available_if(lambda self: self.solver in self._streaming)
    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Go once through some more rows, in mini-batches.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Targets, as in `fit`.
        classes : array-like of shape (n_classes,), default=None
            All classes that will come: the first call needs them, unless `y` has a column for each.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, beside the others of this call.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X, y or a parameter is not as described, or `y` has labels that `classes` has not.
        """
        self._check_parameters()
        validation.check_stream_parameters(self)
        link = getattr(self, "_link", None)
        data = validation.check_stream(self, X, y, sample_weight, classes, link)
        link = link or link_of(self.link, data.targets)
        return self._fit(link, data, alpha=self.alpha, resume=True, streaming=True)

    def decision_function(self, X: ArrayLike) -> NDArray[Any]:
        """Logits: of shape (n_samples,) for two classes, those of the second; else (n_samples, n_classes)."""
        logits = self._logits(X)
        return by_rows(self._link.decision, logits)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The most probable class of each row, (n_samples,); or which of several labels it has, (n_samples, n_labels).

        A row has the labels whose probability is more than one half.
        """
        logits = self._logits(X)
        return by_rows(self._link.predictions, logits)

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Probability of each class or label, (n_samples, n_classes), in the order of `classes_`."""
        logits = self._logits(X)
        return by_rows(self._link.proba, logits)

    def predict_log_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Logarithm of each probability, from the logits: exact where the probability rounds to 0 or 1."""
        logits = self._logits(X)
        return by_rows(self._link.log_proba, logits)

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Accuracy: the weighted mean of how right the predictions are, in [0, 1]. Greater is better.

        For labels that is whether the prediction is the label; for soft labels the probability that they give to the
        predicted class; for several labels whether all that are known are right.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Targets, as in `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row.

        Returns
        -------
        float
        """
        if validation.is_dask(X):
            return _lazy.accuracy(self._link, self._logits(X), y, sample_weight)
        if not validation.has_columns(y):
            return super().score(X, y, sample_weight)
        logits = self._logits(X)
        codes = self._link.codes(logits)
        targets = validation.check_target_matrix(y, self._link)
        validation.check_same_length(codes, targets.values)
        weights = validation.check_sample_weight(sample_weight, len(codes))
        weights = np.ones(len(codes)) if weights is None else weights
        hits = self._link.hits(codes, targets.values)
        known = ~np.isnan(hits)
        return float(hits[known] @ weights[known] / validation.check_positive_mass(weights[known].sum()))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.classifier_tags.multi_label = self.link != "softmax"
        return tags

    _doc_link_module = "skce"

    @property
    def _doc_link_template(self) -> str:
        """Where scikit-learn's HTML representation links to."""
        return documentation_pages()

    def _check_parameters(self) -> None:
        validation.check_parameters(self, SOLVERS)

    def _split(self, data: validation.FitInput) -> tuple[validation.FitInput, validation.FitInput]:
        """Rows to fit, and rows to validate by."""
        rows = validation.split(data, self.validation_fraction, self.random_state or 0)
        return data.take(rows[0]), data.take(rows[1])

    def _fit(
        self,
        link: Link,
        data: validation.FitInput,
        held_out: validation.FitInput | None = None,
        *,
        alpha: float,
        resume: bool,
        streaming: bool = False,
    ) -> Self:
        """What `fit` and `partial_fit` share, and the last fit of a search."""
        with single_blas_thread:
            training = Training(self, link, data, alpha, streaming=streaming)
            theta = training.start(resume=resume, streaming=streaming)
            bridge = None if streaming else self._bridge(training, theta)
            callback, watched = training.watched(held_out, bridge)
            result = training.solve(theta, callback, resume=resume, streaming=streaming)
        if watched is not None and self.early_stopping and watched.theta is not None:
            result.theta = watched.theta
        self._store(training, result, watched, streaming=streaming)
        if not streaming or not np.isfinite(result.value):
            self._warn_of(result, training.objective, stacklevel=4 if streaming else 5)
        if bridge is not None:
            bridge.close()
        return self

    def _bridge(self, training: Training, theta: NDArray[Any]) -> Bridge | None:
        """To scikit-learn's callbacks, if there are any."""
        if not getattr(self, "_skl_callbacks", None):
            return None
        bridge = training.bridge(self._init_callback_context(max_subtasks=self.max_iter + 1))
        bridge.begin(theta)
        return bridge

    def _store(
        self, training: Training, result: Result, watched: Validation | None = None, *, streaming: bool = False
    ) -> Self:
        before = [*getattr(self, "loss_curve_", [])] if streaming else []
        steps = getattr(self, "n_iter_", 0) if streaming else 0
        self.__dict__.update(training.attributes(result.theta))
        self.loss_curve_ = np.array([*before, *result.curve])
        self.n_iter_ = steps + result.n_iter
        self.converged_ = result.converged
        self._memory = result.memory
        self.__dict__.pop("validation_loss_curve_", None)
        if watched is not None:
            self.validation_loss_curve_ = np.array(watched.curve)
        return self

    def _warn_of(self, result: Result, objective: Objective, stacklevel: int) -> None:
        """One warning, which names what to change, at the line that called `fit` or `partial_fit`."""
        vanishes = result.value <= SEPARATED * self.tol * objective.n_questions
        if not np.isfinite(result.value):
            message = f"{self.solver!r} stopped. {result.message}"
        elif not result.converged:
            also = "; plain gradient descent also needs scaled features" if self.solver == "gradient_descent" else ""
            message = (
                f"{self.solver!r} stopped before tol={self.tol:g} was reached. {result.message} "
                f"Increase max_iter, tol or alpha{also}."
            )
        elif objective.alpha == 0 and (vanishes or result.message == ENDLESS):
            what = "The" if vanishes else "In some rows"
            message = (
                f"{what} classes can be told apart without error, so with alpha=0 there is no minimum: larger "
                "coefficients are always better, and where they stop is for tol to say. Set alpha to more than 0."
            )
        else:
            return
        warnings.warn(message, ConvergenceWarning, stacklevel=stacklevel)

    def _logits(self, X: ArrayLike) -> NDArray[Any]:
        X = _lazy.predict_input(self, X)
        return by_rows(partial(logits_of, coef=self.coef_, intercept=self.intercept_), X)
