"""The classifier: validate, build the objective, solve, store."""

import warnings
from collections.abc import Callable
from functools import cache
from inspect import signature
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning

from skce import _kernels as kernels
from skce import _validation as validation
from skce._objective import Objective
from skce._rows import single_blas_thread
from skce.losses import LOSSES
from skce.solvers import SOLVERS, Result


class CrossEntropyClassifier(ClassifierMixin, BaseEstimator):
    r"""Softmax (logistic) classifier that minimises the penalised cross-entropy, on data of any scale.

    .. math:: \min_{W, b} \; \frac{1}{S} \sum_i s_i \, \ell(y_i, W x_i + b) + \frac{\alpha}{2} \|W\|^2,
              \quad S = \sum_i s_i w(y_i)

    with the library's own losses and analytic gradients: one sigmoid for two classes, a softmax for more. The minimum
    is that of ``LogisticRegression(C=1 / (alpha * S))``. Features need no scaling: the solver knows their scales and
    correlations, and `tol` is the distance to the minimum, in nats.

    Parameters
    ----------
    alpha : float, default=1e-4
        Strength of the penalty on the squared coefficients; the intercepts bear none.
    fit_intercept : bool, default=True
        Whether to fit intercepts.
    label_smoothing : float, default=0.0
        Part in [0, 1) of each target that is spread evenly over the classes.
    gamma : float, default=0.0
        More than 0 minimises the focal loss of that exponent, which looks away from rows that are predicted well. It
        is not convex: what is found is a minimum near the best constant prediction.
    class_weight : dict or "balanced", default=None
        Weight of each class, 1 for those that a dict leaves out. "balanced" makes the classes' total weights equal.
    solver : {"auto", "lbfgs", "gradient_descent"}, default="auto"
        "auto" is "lbfgs": L-BFGS on a model of the Hessian, and Newton's method where the whole of it is small.
        "gradient_descent" is plain: it shows how training lowers the loss, and does need scaled features.
    tol : float, default=1e-6
        Stop when the estimated distance of the objective to its minimum is below this, in nats.
    max_iter : int, default=1000
        Most steps of the solver.
    learning_rate : float, default=None
        First step of "gradient_descent" per unit of gradient; None finds and adapts it.
    momentum : float, default=0.9
        Part in [0, 1) of the last move that "gradient_descent" keeps.
    warm_start : bool, default=False
        Whether `fit` starts from the coefficients of the last one, if it had the same classes and features.
    random_state : int, RandomState instance or None, default=None
        Chooses the rows that a model of the Hessian looks at when there are many. None always chooses the same.
    verbose : int, default=0
        1 prints a line for each step.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes, sorted.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Coefficients W; one row for two classes.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts b.
    n_iter_ : int
        Steps taken.
    converged_ : bool
        Whether `tol` was reached.
    loss_curve_ : ndarray of shape (n_steps + 1,)
        The objective at the start and after each step.
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

    def __init__(
        self,
        *,
        alpha: float = 1e-4,
        fit_intercept: bool = True,
        label_smoothing: float = 0.0,
        gamma: float = 0.0,
        class_weight: Any = None,
        solver: str = "auto",
        tol: float = 1e-6,
        max_iter: int = 1000,
        learning_rate: float | None = None,
        momentum: float = 0.9,
        warm_start: bool = False,
        random_state: Any = None,
        verbose: int = 0,
    ):
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.label_smoothing = label_smoothing
        self.gamma = gamma
        self.class_weight = class_weight
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the coefficients.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features, dense or sparse, float32 or float64; anything else becomes float64.
        y : array-like of shape (n_samples,)
            Labels of two or more classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X, y or a parameter is not as described.
        """
        self._check_parameters()
        validation.check_number("alpha", self.alpha, 0.0)
        X, classes, codes, weights = validation.check_fit(self, X, y, sample_weight)
        with single_blas_thread:
            objective = self._objective(X, classes, codes, weights, self.alpha)
            result = SOLVERS[self.solver](objective, self._start(objective, classes), **self._solver_options())
        return self._store(classes, objective, result)

    def decision_function(self, X: ArrayLike) -> NDArray[Any]:
        """Logits: of shape (n_samples,) for two classes, those of the second; else (n_samples, n_classes)."""
        logits = self._logits(X)
        return logits[:, 0] if logits.shape[1] == 1 else logits

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The most probable class of each row, (n_samples,)."""
        scores = self.decision_function(X)
        return self.classes_[(scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)]

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Probability of each class, (n_samples, n_classes), in the order of `classes_`."""
        return self._of_both_classes(self._logits(X), "proba")

    def predict_log_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Logarithm of each class's probability, from the logits: exact where the probability rounds to 0 or 1."""
        return self._of_both_classes(self._logits(X), "log_proba")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _check_parameters(self) -> None:
        validation.check_flag("fit_intercept", self.fit_intercept)
        validation.check_number("gamma", self.gamma, 0.0)
        validation.check_option("solver", self.solver, SOLVERS)
        validation.check_number("tol", self.tol, 0.0)
        validation.check_number("max_iter", self.max_iter, 1, integer=True)
        validation.check_number("momentum", self.momentum, 0.0, 1.0)
        if self.learning_rate is not None:
            validation.check_number("learning_rate", self.learning_rate, 0.0, closed="neither")
        validation.check_flag("warm_start", self.warm_start)
        validation.check_random_state(self.random_state)

    def _objective(
        self, X: Any, classes: NDArray[Any], codes: NDArray[Any], weights: NDArray[Any] | None, alpha: float
    ) -> Objective:
        totals = np.bincount(codes, weights, minlength=len(classes)).astype(np.float64)
        class_weight = validation.resolve_class_weight(
            self.class_weight, classes, len(classes), lambda: totals, lenient=False
        )
        total = totals.sum() if class_weight is None else totals @ class_weight
        two = len(classes) == 2
        name = ("sigmoid_focal", "softmax_focal") if self.gamma else ("sigmoid_cross_entropy", "softmax_cross_entropy")
        focus = {"gamma": self.gamma} if self.gamma else {}
        kind: Any = LOSSES[name[0] if two else name[1]]
        loss = kind(label_smoothing=self.label_smoothing, class_weight=class_weight, **focus)
        return Objective(
            loss,
            X,
            codes,
            None if weights is None else weights.astype(X.dtype),
            total=validation.check_positive_mass(total),
            n_outputs=1 if two else len(classes),
            alpha=float(alpha),
            fit_intercept=self.fit_intercept,
            random_state=0 if self.random_state is None else self.random_state,
        )

    def _start(self, objective: Objective, classes: NDArray[Any]) -> NDArray[Any]:
        if self.warm_start and hasattr(self, "coef_") and np.array_equal(self.classes_, classes):
            theta = objective.pack(self.coef_, self.intercept_)
            if theta.size == np.prod(objective.shape):
                return theta
        return objective.start()

    def _solver_options(self) -> dict[str, Any]:
        """The estimator's parameters that its solver takes."""
        options = {name: getattr(self, name) for name in _options_of(SOLVERS[self.solver]) if hasattr(self, name)}
        return {**options, "callback": _print_step if self.verbose else None}

    def _store(self, classes: NDArray[Any], objective: Objective, result: Result) -> Self:
        if not result.converged:
            warnings.warn(
                f"{self.solver!r} stopped before tol={self.tol:g} was reached. {result.message} "
                "Increase max_iter, tol or alpha; plain gradient descent also needs scaled features.",
                ConvergenceWarning,
                stacklevel=3,
            )
        coef, intercept = objective.unpack(result.theta)
        dtype = objective.rows.arrays[0].dtype
        self.classes_ = classes
        self.coef_ = np.ascontiguousarray(coef, dtype=dtype)
        self.intercept_ = intercept.astype(dtype)
        self.n_iter_ = result.n_iter
        self.converged_ = result.converged
        self.loss_curve_ = np.array(result.curve)
        self._loss = objective.loss
        return self

    def _logits(self, X: ArrayLike) -> NDArray[Any]:
        X = validation.check_predict(self, X)
        return kernels.linear(X, self.coef_, self.intercept_)

    def _of_both_classes(self, logits: NDArray[Any], name: str) -> NDArray[Any]:
        """Probabilities or their logarithms, with a column for each of two classes that share one logit."""
        function = getattr(self._loss, name)
        if logits.shape[1] == 1:
            return np.hstack([function(-logits), function(logits)])
        return function(logits)


@cache
def _options_of(solver: Callable) -> tuple[str, ...]:
    return tuple(signature(solver).parameters)


def _print_step(n_iter: int, value: float, distance: float) -> None:
    print(f"step {n_iter:4d}   objective {value:.8f}   distance to the minimum about {distance:.1e}")  # noqa: T201 - what verbose is for
