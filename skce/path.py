"""The classifier that chooses its own penalty: a path over alphas in each fold, then a fit to all rows."""

import warnings
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.callback import with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import check_cv
from sklearn.utils import check_random_state
from sklearn.utils.parallel import Parallel, delayed

from skce import _validation as validation
from skce._link import link_of
from skce._rows import single_blas_thread
from skce._training import Training
from skce.classifier import CrossEntropyClassifier
from skce.scorers import neg_cross_entropy, neg_multilabel_cross_entropy
from skce.solvers import MINI_BATCH, SOLVERS


class CrossEntropyClassifierCV(CrossEntropyClassifier):
    """`CrossEntropyClassifier` that chooses `alpha` by cross-validation, along a path in each fold.

    In each fold the alphas are fitted from the largest to the least, each from the coefficients of the last, and what
    is known of the rows is kept. Then all rows are fitted with the alpha of the best mean score. The scores are those
    of a search with scikit-learn's ``GridSearchCV``, for a fraction of its steps.

    Parameters
    ----------
    alphas : int or array-like of float, default=10
        Penalties to choose from; a number stands for as many from 1e-6 to 10, evenly spaced in their logarithm.
    cv : int, splitter or iterable, default=None
        As in scikit-learn's searches: None for 5 stratified folds.
    scoring : str or callable, default=None
        Scorer to choose by; greater is better. None for `neg_cross_entropy`, of several labels for
        `neg_multilabel_cross_entropy`.
    n_jobs : int, default=None
        Folds to work on at a time; as in joblib.
    solver : {"auto", "lbfgs", "gradient_descent"}, default="auto"
        As in `CrossEntropyClassifier`.
    fit_intercept, link, label_smoothing, gamma, class_weight, tol, max_iter, learning_rate, learning_rate_init
        As in `CrossEntropyClassifier`.
    momentum, random_state
        As in `CrossEntropyClassifier`.
    verbose : int, default=0
        1 prints a line for each step of each fit.

    Attributes
    ----------
    alpha_ : float
        The alpha of the best mean score; of several the largest.
    alphas_ : ndarray of shape (n_alphas,)
        The alphas, from the largest to the least.
    scores_ : ndarray of shape (n_alphas, n_folds)
        Score of each alpha on each fold.
    classes_, coef_, intercept_, n_iter_, converged_, loss_curve_, n_features_in_, feature_names_in_
        Of the fit to all rows, as in `CrossEntropyClassifier`.

    See Also
    --------
    sklearn.linear_model.LogisticRegressionCV : The same choice for scaled features, by accuracy.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from skce import CrossEntropyClassifierCV
    >>> X, y = load_wine(return_X_y=True)
    >>> search = CrossEntropyClassifierCV(alphas=[1e-4, 1e-2, 1.0]).fit(X, y)
    >>> search.alpha_, search.scores_.shape
    (0.01, (3, 5))
    >>> search.scores_.mean(axis=1).round(2)
    array([-0.32, -0.1 , -0.1 ])
    """

    def __init__(
        self,
        *,
        alphas: Any = 10,
        cv: Any = None,
        scoring: Any = None,
        n_jobs: int | None = None,
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
        momentum: float = 0.9,
        random_state: Any = None,
        verbose: int = 0,
    ):
        self.alphas = alphas
        self.cv = cv
        self.scoring = scoring
        self.n_jobs = n_jobs
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
        self.momentum = momentum
        self.random_state = random_state
        self.verbose = verbose

    warm_start = early_stopping = False
    _streaming: ClassVar[dict] = {}

    @with_callbacks
    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, *, groups: ArrayLike | None = None
    ) -> Self:
        """Choose alpha, and fit the coefficients to all rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Features, dense or sparse, float32 or float64; anything else becomes float64.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels, soft labels or several labels a row, as in `CrossEntropyClassifier`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, in the fits and in the scores.
        groups : array-like of shape (n_samples,), default=None
            Group of each row, for splitters that keep groups together.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X, y or a parameter is not as described.
        """
        validation.check_parameters(self, SOLVERS.keys() - MINI_BATCH)
        alphas = validation.check_alphas(self.alphas)
        data = validation.check_fit(self, X, y, sample_weight)
        validation.check_two_classes(data.targets.classes)
        default = neg_cross_entropy if data.targets.exclusive else neg_multilabel_cross_entropy
        scorer = validation.check_scorer(self, default if self.scoring is None else self.scoring)
        base = self._base()
        y = data.targets.values
        groups = None if groups is None else validation.check_groups(groups, len(y))
        folds = list(check_cv(self.cv, y, classifier=y.ndim == 1).split(data.X, y, groups))
        paths = Parallel(n_jobs=self.n_jobs)(
            delayed(_path_scores)(base, data, alphas, scorer, number, *fold) for number, fold in enumerate(folds)
        )
        scores, converged = np.transpose(paths, (2, 1, 0))
        self.alphas_, self.scores_ = alphas, scores
        self.alpha_ = float(alphas[_best(self.scores_.mean(axis=1))])
        self._fit(link_of(self.link, data.targets), data, alpha=self.alpha_, resume=False)
        if self.converged_ and not converged.all():  # else the last fit has said so
            warnings.warn(
                f"{int(np.sum(converged == 0))} of {converged.size} fits to folds stopped before tol={self.tol:g} was "
                "reached. Their scores are what they were then. Increase max_iter, tol or the least of alphas.",
                ConvergenceWarning,
                stacklevel=3,
            )
        return self

    def _base(self) -> CrossEntropyClassifier:
        """A classifier of the same parameters, with a seed instead of a random state that would move on."""
        own = self.get_params(deep=False)
        shared = {
            name: own[name] for name in CrossEntropyClassifier().get_params() if name in own and name != "scoring"
        }
        if not (self.random_state is None or isinstance(self.random_state, (int, np.integer))):
            shared["random_state"] = int(check_random_state(self.random_state).randint(2**31 - 1))
        return CrossEntropyClassifier(**shared)


def _best(scores: NDArray[Any]) -> int:
    """Place of the greatest score; a warning for those that are no numbers."""
    if not np.isfinite(scores).all():
        warnings.warn(f"One or more of the test scores are non-finite: {scores}", UserWarning, stacklevel=3)
    return int(np.argmax(np.where(np.isnan(scores), -np.inf, scores)))


def _path_scores(
    base: CrossEntropyClassifier,
    data: validation.FitInput,
    alphas: NDArray[Any],
    scorer: Any,
    number: int,
    train: NDArray[Any],
    test: NDArray[Any],
) -> list[tuple[float, bool]]:
    """Scores of a fold's path, and whether the fits converged."""
    X, targets, weights = data.take(test)
    options = {"sample_weight": weights} if weights is not None and validation.accepts_weights(scorer) else {}
    with validation.in_part("Fold", number):
        models = _path(base, data.fold(train), alphas)
        return [(float(scorer(model, X, targets.labels(), **options)), model.converged_) for model in models]


def _path(
    base: CrossEntropyClassifier, data: validation.FitInput, alphas: NDArray[Any]
) -> Iterator[CrossEntropyClassifier]:
    """Models of one fold, each started from the one before."""
    classes = data.targets.classes
    validation.check_two_classes(classes)
    if isinstance(base.class_weight, Mapping):  # a fold may lack a class
        present = {label: weight for label, weight in base.class_weight.items() if label in classes.tolist()}
        base = clone(base).set_params(class_weight=present or None)
    with single_blas_thread:
        training = Training(base, link_of(base.link, data.targets), data, alphas[0])
        theta = training.objective.start()
    for i, alpha in enumerate(alphas):
        with single_blas_thread:
            training = training.with_alpha(float(alpha)) if i else training
            result = training.solve(theta, training.watched()[0])
        theta = result.theta
        model = clone(base).set_params(alpha=float(alpha))
        model.n_features_in_ = data.X.shape[1]
        yield model._store(training, result)
