"""CrossEntropyClassifierCV: the choice that GridSearchCV makes, along a path in each fold, and what surrounds it."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneOut,
    PredefinedSplit,
    ShuffleSplit,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skce import (
    CrossEntropyClassifier,
    CrossEntropyClassifierCV,
    cross_entropy_loss,
    focal_loss,
    make_scorer,
    neg_cross_entropy,
)
from skce.solvers import MINI_BATCH, SOLVERS

ALPHAS = [10.0, 1.0, 0.1, 0.01, 0.001]
TIGHT = {"tol": 1e-14, "max_iter": 20_000}
"""An error of 1e-14 in the objective is one of about 1e-6 in coefficients where the penalty is 1e-2."""

all_sizes = pytest.mark.parametrize("k", [2, 3, 5])
FITTED = {
    "alpha_",
    "alphas_",
    "classes_",
    "coef_",
    "converged_",
    "intercept_",
    "loss_curve_",
    "n_features_in_",
    "n_iter_",
    "scores_",
}


def problem(k=3, n=150, d=8, seed=0):
    """Overlapping classes, some features but noise, so that an alpha in the middle is the best; and weights."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    y = (X[:, :3] @ rng.normal(size=(3, k)) + rng.gumbel(size=(n, k))).argmax(axis=1)
    assert len(np.unique(y)) == k
    return X, y, rng.exponential(size=n)


def path(**options):
    """A path over ALPHAS that stops close to each optimum."""
    return CrossEntropyClassifierCV(**({"alphas": ALPHAS} | TIGHT | options))


def grid(X, y, scoring=neg_cross_entropy, cv=5, alphas=ALPHAS, fit_options=None, **options):
    """scikit-learn's search over the same alphas, from the largest, as it breaks ties by their order."""
    search = GridSearchCV(
        CrossEntropyClassifier(**(TIGHT | options)), {"alpha": alphas}, scoring=scoring, cv=cv, error_score="raise"
    )
    return search.fit(X, y, **(fit_options or {}))


def scores_of(search):
    """(n_alphas, n_folds) of a GridSearchCV."""
    return np.column_stack([search.cv_results_[f"split{i}_test_score"] for i in range(search.n_splits_)])


def assert_same_choice(model, search, atol=1e-6):
    """The same scores, alpha and coefficients."""
    assert_allclose(model.scores_, scores_of(search), rtol=0, atol=atol)
    assert model.alpha_ == search.best_params_["alpha"]
    assert_allclose(model.coef_, search.best_estimator_.coef_, rtol=0, atol=atol)
    assert_allclose(model.intercept_, search.best_estimator_.intercept_, rtol=0, atol=atol)


# Against GridSearchCV


@all_sizes
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_choice_is_that_of_a_grid_search(k, fit_intercept):
    """The same folds, alphas and scorer: the same scores, and the same final fit."""
    X, y, _ = problem(k)
    model = path(fit_intercept=fit_intercept).fit(X, y)
    search = grid(X, y, fit_intercept=fit_intercept)
    assert_same_choice(model, search)
    assert model.alpha_ not in (ALPHAS[0], ALPHAS[-1])  # a choice, not an end of the path
    assert model.scores_.shape == (5, 5)


@pytest.mark.parametrize("solver", sorted(SOLVERS.keys() - MINI_BATCH))
@pytest.mark.parametrize(
    "options",
    [{"label_smoothing": 0.1}, {"class_weight": "balanced"}, {"class_weight": {0: 3.0}}, {"gamma": 1.0}],
    ids=str,
)
def test_parameters_are_the_classifiers(solver, options):
    """What else the classifier takes means the same in each fold and in the final fit."""
    X, y, _ = problem()
    options = {"solver": solver, "tol": 1e-12, "alphas": [1.0, 0.1, 0.01]} | options
    assert_same_choice(path(**options).fit(X, y), grid(X, y, **options), atol=1e-5)


@pytest.mark.parametrize("load", [load_wine, load_breast_cancer], ids=["wine", "breast_cancer"])
def test_raw_tables(load):
    """Unscaled features: no warning, and at the default tol the scores of cold fits, nearly, and their choice."""
    X, y = load(return_X_y=True)
    alphas = [1.0, 0.1, 0.01, 0.001]
    model, search = CrossEntropyClassifierCV(alphas=alphas).fit(X, y), grid(X, y, alphas=alphas, tol=1e-6)
    assert_allclose(model.scores_, scores_of(search), rtol=0, atol=5e-3)
    assert model.alpha_ == search.best_params_["alpha"]


@pytest.mark.parametrize(
    "scoring",
    ["neg_log_loss", "accuracy", "roc_auc_ovr", neg_cross_entropy, make_scorer(focal_loss, gamma=1.0)],
    ids=lambda scoring: scoring if isinstance(scoring, str) else repr(scoring),
)
def test_scoring_is_any_scorer(scoring):
    """A name of scikit-learn's, a scorer of this library, on the rows that a fold left out."""
    X, y, _ = problem()
    assert_same_choice(path(scoring=scoring).fit(X, y), grid(X, y, scoring))


def test_scoring_is_a_function():
    """Anything that can be called with an estimator, X and y."""
    X, y, _ = problem()

    def right(estimator, X, y):
        return np.mean(estimator.predict(X) == y)

    assert_array_equal(path(scoring=right).fit(X, y).scores_, path(scoring="accuracy").fit(X, y).scores_)


def test_default_scorer_is_neg_cross_entropy():
    """None is the library's own scorer, not accuracy."""
    X, y, _ = problem()
    assert_array_equal(path().fit(X, y).scores_, path(scoring=neg_cross_entropy).fit(X, y).scores_)
    assert (path().fit(X, y).scores_ < 0).all()


def test_scores_are_of_models_with_the_classes():
    """The scorer is given a fitted classifier of each alpha: its alpha's coefficients, classes and answers."""
    X, y, _ = problem()
    names = np.array(["c", "a", "b"])[y]
    seen = []

    def look(estimator, X, y):
        seen.append((estimator.coef_.copy(), X))
        assert_array_equal(estimator.classes_, ["a", "b", "c"])
        assert estimator.predict_proba(X).shape == (len(X), 3)
        assert set(y) <= {"a", "b", "c"}
        return -cross_entropy_loss(y, estimator.predict_proba(X), labels=estimator.classes_)

    folds = list(KFold(3).split(X))
    model = path(scoring=look, cv=folds).fit(X, names)
    assert len(seen) == 15
    assert_allclose(
        seen[3][0], CrossEntropyClassifier(alpha=0.01, **TIGHT).fit(X[folds[0][0]], names[folds[0][0]]).coef_, atol=1e-6
    )
    assert_array_equal(seen[-1][1], X[folds[-1][1]])
    assert_array_equal(model.classes_, ["a", "b", "c"])


# Alphas


@pytest.mark.parametrize(
    ("alphas", "expected"),
    [
        ([1.0, 10.0, 0.1], [10.0, 1.0, 0.1]),
        ((0.1, 1.0, 0.1, 1.0), [1.0, 0.1]),
        (np.array([0.0, 1.0]), [1.0, 0.0]),
        (np.array([1, 2], dtype=np.float32), [2.0, 1.0]),
        (range(1, 3), [2.0, 1.0]),
        (pd.Series([1.0, 2.0], index=[5, 6]), [2.0, 1.0]),
        ([0.3], [0.3]),
        (3, np.logspace(1, -6, 3)),
        (np.int64(3), np.logspace(1, -6, 3)),
    ],
    ids=repr,
)
def test_alphas_are_a_number_or_values(alphas, expected):
    """Sorted from the largest, each once; a number is as many from 10 to 1e-6."""
    X, y, _ = problem()
    model = CrossEntropyClassifierCV(alphas=alphas, cv=2).fit(X, y)
    assert_allclose(model.alphas_, expected, rtol=1e-12)
    assert model.alphas_.dtype == np.float64
    assert model.scores_.shape == (len(expected), 2)
    assert model.alpha_ in model.alphas_
    assert type(model.alpha_) is float


def test_order_of_alphas_does_not_matter():
    """Whatever their order, the path is the same to the last bit; what was given is left alone."""
    X, y, _ = problem()
    given = np.array([0.01, 10.0, 0.1, 0.1, 1.0])
    kept = given.copy()
    a, b = path(alphas=given).fit(X, y), path(alphas=[10.0, 1.0, 0.1, 0.01]).fit(X, y)
    assert_array_equal(a.scores_, b.scores_)
    assert_array_equal(a.coef_, b.coef_)
    assert_array_equal(given, kept)


def test_default_is_ten_alphas_and_five_folds():
    """No choice to be made before the first fit."""
    X, y = load_wine(return_X_y=True)
    model = CrossEntropyClassifierCV().fit(X, y)
    assert_allclose(model.alphas_, np.logspace(1, -6, 10))
    assert model.scores_.shape == (10, 5)
    assert model.score(X, y) > 0.95


@pytest.mark.parametrize(
    ("alphas", "error", "message"),
    [
        (0, ValueError, r"alphas must be in \[1, inf\), got 0"),
        (-3, ValueError, r"alphas must be in \[1, inf\), got -3"),
        (True, (TypeError, ValueError), "alphas must be an int, how many, or a list of .* got True"),
        (1.5, ValueError, "alphas must be an int, how many, or a list of .* got 1.5"),
        (None, ValueError, "alphas must be an int, how many, or a list of .* got None"),
        ([], ValueError, r"alphas must be an int, how many, or a list of .* got \[\]"),
        ([[1.0, 2.0]], ValueError, r"alphas must be an int, how many, or a list of .* got \[\[1.0, 2.0\]\]"),
        ([1.0, -0.1], ValueError, r"finite numbers of at least 0, got \[1.0, -0.1\]"),
        ([1.0, np.nan], ValueError, "finite numbers of at least 0"),
        ([1.0, np.inf], ValueError, "finite numbers of at least 0"),
        (["a"], (TypeError, ValueError), "alphas must hold numbers"),
        ("auto", (TypeError, ValueError), "alphas must hold numbers"),
    ],
    ids=repr,
)
def test_bad_alphas_are_named(alphas, error, message):
    """The rule, and what was got; nothing is half fitted."""
    X, y, _ = problem()
    model = CrossEntropyClassifierCV(alphas=alphas)
    with pytest.raises(error, match=message):
        model.fit(X, y)
    assert not hasattr(model, "coef_")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"solver": "lbgfs"}, "Unknown solver 'lbgfs'"),
        ({"tol": -1.0}, "tol must be"),
        ({"label_smoothing": 1.0}, "label_smoothing must be"),
        ({"scoring": "accurracy"}, "scoring"),
        ({"cv": 1}, "at least one train/test split|n_splits"),
    ],
    ids=str,
)
def test_bad_parameters_are_named(options, message):
    """The other parameters are checked as the classifier checks them."""
    X, y, _ = problem()
    with pytest.raises(ValueError, match=message):
        CrossEntropyClassifierCV(**options).fit(X, y)


def test_of_several_best_alphas_the_largest():
    """Ties go to the stronger penalty."""
    X, y, _ = problem()
    assert path(scoring=lambda estimator, X, y: 1.0).fit(X, y).alpha_ == 10.0


def test_a_score_of_nan_is_not_the_best():
    """As in GridSearchCV an alpha that could not be scored on a fold is not chosen."""
    X, y, _ = problem()

    def undefined_where_weak(estimator, X, y):
        size = np.abs(estimator.coef_).max()
        return np.nan if size < 0.1 else -size

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "One or more of the test scores are non-finite")
        search = grid(X, y, undefined_where_weak)
        model = path(scoring=undefined_where_weak).fit(X, y)
    assert_array_equal(np.isnan(model.scores_), np.isnan(scores_of(search)))
    assert model.alpha_ == search.best_params_["alpha"]


# Folds


@pytest.mark.parametrize(
    "cv",
    [
        2,
        KFold(4),
        StratifiedKFold(3, shuffle=True, random_state=1),
        ShuffleSplit(3, test_size=0.3, random_state=0),
        PredefinedSplit(np.arange(150) % 3 - 1),
        [(np.arange(75), np.arange(75, 150)), (np.arange(100) + 50, np.arange(50))],
        [(np.arange(150) % 2 == 0, np.arange(150) % 2 == 1)],
    ],
    ids=["number", "KFold", "StratifiedKFold", "ShuffleSplit", "PredefinedSplit", "indices", "masks"],
)
def test_folds_are_scikit_learns(cv):
    """A number, a splitter, or pairs of rows to fit and to score."""
    X, y, _ = problem()
    model = path(cv=cv).fit(X, y)
    assert_same_choice(model, grid(X, y, cv=cv))


@pytest.mark.parametrize("names", [False, True])
def test_groups_are_kept_together(names):
    """The scores are those of the folds that the splitter makes of the groups, whatever these are called."""
    X, y, _ = problem()
    groups = np.random.default_rng(0).integers(7, size=len(y))
    given = np.array(list("abcdefg"))[groups] if names else groups
    model = CrossEntropyClassifierCV(alphas=ALPHAS, cv=GroupKFold(3)).fit(X, y, groups=given)
    folds = list(GroupKFold(3).split(X, y, groups))
    same = CrossEntropyClassifierCV(alphas=ALPHAS, cv=folds).fit(X, y)
    assert_array_equal(model.scores_, same.scores_)
    with pytest.raises(ValueError, match=r"groups must have shape \(150,\), got \(149,\)"):
        model.fit(X, y, groups=given[1:])


def test_folds_may_come_from_a_generator():
    """What `split` returns, which can be read once and not be copied."""
    X, y, _ = problem()
    model = path(cv=StratifiedKFold(3).split(X, y)).fit(X, y)
    assert_same_choice(model, grid(X, y, cv=StratifiedKFold(3).split(X, y)))


def test_default_folds_are_five_and_stratified():
    """As in scikit-learn's searches, on the classes and not on their names."""
    X, y, _ = problem()
    y = np.sort(y)  # not stratified, a fold would lack a class
    model = path().fit(X, y)
    assert_array_equal(model.scores_, path(cv=StratifiedKFold(5)).fit(X, y).scores_)
    assert_array_equal(model.scores_, path().fit(X, np.array(["x", "y", "z"])[y]).scores_)


def test_leave_one_out():
    """Folds of one row: its class alone is scored, of all that are known."""
    X, y, _ = problem(n=40)
    assert_same_choice(
        path(cv=LeaveOneOut(), alphas=[1.0, 0.1]).fit(X, y), grid(X, y, cv=LeaveOneOut(), alphas=[1.0, 0.1])
    )


@pytest.mark.parametrize("k", [3, 5])
def test_class_missing_from_a_training_fold(k):
    """A class of one row: where it is left out it counts as predicted with probability 0, with a warning."""
    X, y, _ = problem(k)
    y = np.where(y == k - 1, 0, y)
    y[7] = k - 1
    with pytest.warns(UserWarning, match="fitted without the classes"):
        model = path(cv=KFold(3)).fit(X, y)
    with pytest.warns(UserWarning, match="fitted without the classes"):
        search = grid(X, y, cv=KFold(3))
    assert_same_choice(model, search)
    assert np.isfinite(model.scores_).all()
    assert_array_equal(model.classes_, np.arange(k))
    assert model.predict_proba(X).shape == (150, k)


@pytest.mark.parametrize("class_weight", ["balanced", {0: 1.0, 2: 5.0}, {2: 5.0}], ids=str)
def test_class_weights_of_a_class_missing_from_a_training_fold(class_weight):
    """They are no error where the class is: the others have their weights."""
    X, y, _ = problem(3)
    y = np.where(y == 2, 0, y)
    y[7] = 2
    with pytest.warns(UserWarning, match="fitted without the classes"):
        model = path(cv=KFold(3), class_weight=class_weight).fit(X, y)
    first = [i for i in range(150) if i >= 50]
    present = {0: 1.0} if isinstance(class_weight, dict) else "balanced"
    alone = CrossEntropyClassifier(alpha=10.0, class_weight=present, **TIGHT).fit(X[first], y[first])
    test = np.array([i for i in range(50) if i != 7])
    expected = neg_cross_entropy(alone, X[test], y[test]) * 49 / 50 + np.log(np.finfo(float).eps) / 50
    assert model.scores_[0, 0] == pytest.approx(expected, abs=1e-6)


def test_rows_of_a_fold_with_one_class():
    """One clear error: there is nothing to tell apart."""
    X, y, _ = problem(2)
    with pytest.raises(ValueError, match=r"Fold 0, .*at least two classes, got one class, 0"):
        path(cv=[(np.flatnonzero(y == 0), np.flatnonzero(y == 1))]).fit(X, y)


# Weights


@all_sizes
def test_weight_is_repetition(k):
    """With fixed folds a row of weight 3 is three rows, in the fits and in the scores."""
    X, y, _ = problem(k)
    rng = np.random.default_rng(1)
    often, fold = rng.integers(1, 4, size=len(y)), np.arange(len(y)) % 3
    weighted = path(cv=PredefinedSplit(fold)).fit(X, y, often)
    repeated = path(cv=PredefinedSplit(np.repeat(fold, often))).fit(np.repeat(X, often, axis=0), np.repeat(y, often))
    assert_allclose(weighted.scores_, repeated.scores_, rtol=0, atol=1e-6)
    assert weighted.alpha_ == repeated.alpha_
    assert_allclose(weighted.coef_, repeated.coef_, rtol=0, atol=1e-6)


@pytest.mark.parametrize("scoring", [neg_cross_entropy, "neg_log_loss", "accuracy"], ids=str)
def test_weights_are_those_of_a_routed_grid_search(scoring):
    """GridSearchCV, told to hand the weights on to fit and to score."""
    X, y, s = problem()
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = sklearn.metrics.get_scorer(scoring) if isinstance(scoring, str) else scoring
        search = GridSearchCV(
            CrossEntropyClassifier(**TIGHT).set_fit_request(sample_weight=True),
            {"alpha": ALPHAS},
            scoring=clone(scorer, safe=False).set_score_request(sample_weight=True),
        ).fit(X, y, sample_weight=s)
    assert_same_choice(path(scoring=scoring).fit(X, y, s), search)


def test_zero_weight_is_absence():
    """A row of weight zero is not there, in fits and in scores, whatever it holds."""
    X, y, s = problem()
    gone = np.random.default_rng(2).random(len(y)) < 0.2
    fold = np.arange(len(y)) % 3
    wild = np.where(gone[:, None], 1e3, X)
    a = path(cv=PredefinedSplit(fold)).fit(wild, y, np.where(gone, 0, s))
    b = path(cv=PredefinedSplit(fold[~gone])).fit(X[~gone], y[~gone], s[~gone])
    assert_allclose(a.scores_, b.scores_, rtol=0, atol=1e-6)
    assert_allclose(a.coef_, b.coef_, rtol=0, atol=1e-6)


def test_a_scorer_without_weights_is_called_without():
    """A function of three arguments still serves."""
    X, y, s = problem()
    model = path(scoring=lambda estimator, X, y: neg_cross_entropy(estimator, X, y)).fit(X, y, s)
    weighted = path().fit(X, y, s)
    assert_allclose(model.coef_.shape, weighted.coef_.shape)
    assert np.abs(model.scores_ - weighted.scores_).max() > 1e-4


# Data of any kind


@pytest.mark.parametrize("form", [sparse.csr_array, sparse.csr_matrix, sparse.csc_array, sparse.coo_array])
@pytest.mark.parametrize("k", [2, 3])
def test_sparse_is_dense(form, k):
    """Any sparse format: the scores and the coefficients of the dense table."""
    X, y, s = problem(k)
    X = np.where(np.abs(X) < 0.7, 0, X)
    a, b = path().fit(form(X), y, s), path().fit(X, y, s)
    assert_allclose(a.scores_, b.scores_, rtol=0, atol=1e-6)
    assert a.alpha_ == b.alpha_
    assert_allclose(a.coef_, b.coef_, rtol=0, atol=1e-6)


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
def test_float32_stays_float32(container):
    """Coefficients and answers of the table's precision, scores close to those in float64."""
    X, y, s = problem()
    double = CrossEntropyClassifierCV(alphas=ALPHAS).fit(container(X), y, s)
    single = CrossEntropyClassifierCV(alphas=ALPHAS).fit(container(X.astype(np.float32)), y, s)
    assert single.coef_.dtype == single.intercept_.dtype == np.float32
    assert single.predict_proba(container(X.astype(np.float32))).dtype == np.float32
    assert single.scores_.dtype == double.scores_.dtype == np.float64
    assert_allclose(single.scores_, double.scores_, rtol=0, atol=1e-4)
    assert single.alpha_ == double.alpha_


def test_pandas():
    """A DataFrame and a Series with an index of their own; names of the features are kept and checked."""
    X, y, s = problem()
    index = np.arange(150)[::-1] + 10
    table = pd.DataFrame(X, columns=list("abcdefgh"), index=index)
    labels = pd.Series(np.array(["no", "maybe", "yes"])[y], dtype="category", index=index)
    model = path().fit(table, labels, pd.Series(s, index=index))
    plain = path().fit(table.to_numpy(), np.asarray(labels), s)  # in the order in which pandas hands over columns
    assert_allclose(model.scores_, plain.scores_, rtol=1e-9)
    assert_allclose(model.coef_, plain.coef_, rtol=0, atol=1e-9)
    assert_array_equal(model.feature_names_in_, list("abcdefgh"))
    assert_array_equal(model.predict(table), plain.predict(X))
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(table[list("bacdefgh")])


def test_nothing_given_is_changed():
    """X, y and weights may be read-only, as joblib's are."""
    X, y, s = problem()
    given, kept = [X, y, s], [X.copy(), y.copy(), s.copy()]
    for array in given:
        array.flags.writeable = False
    path().fit(X, y, s)
    for array, before in zip(given, kept, strict=True):
        assert_array_equal(array, before)


# The fit to all rows


@all_sizes
@pytest.mark.parametrize("weighted", [True, False])
def test_final_fit_is_the_classifiers(k, weighted):
    """Everything it answers is what CrossEntropyClassifier with the chosen alpha answers, to the last bit."""
    X, y, s = problem(k)
    s = s if weighted else None
    model = CrossEntropyClassifierCV(alphas=ALPHAS).fit(X, y, s)
    single = CrossEntropyClassifier(alpha=model.alpha_).fit(X, y, s)
    for name in ("classes_", "coef_", "intercept_", "loss_curve_"):
        assert_array_equal(getattr(model, name), getattr(single, name), err_msg=name)
    assert (model.n_iter_, model.converged_) == (single.n_iter_, single.converged_)
    for name in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        assert_array_equal(getattr(model, name)(X), getattr(single, name)(X), err_msg=name)


def test_fitted_attributes():
    """What the docstring lists, and nothing that should not outlive a fit: no rows, no objective."""
    X, y, _ = problem(n=3000)
    model = CrossEntropyClassifierCV(alphas=3).fit(X, y)
    assert {name for name in vars(model) if name.endswith("_")} == FITTED
    assert len(pickle.dumps(model)) < 20_000


def test_fit_again_starts_anew():
    """A second fit knows nothing of the first: other rows, other classes, other alphas."""
    X, y, _ = problem()
    model = path().fit(X, y + 1)
    other = problem(2, d=4, seed=5)
    model.set_params(alphas=[1.0, 0.1]).fit(*other)
    fresh = path(alphas=[1.0, 0.1]).fit(*other)
    assert_array_equal(model.scores_, fresh.scores_)
    assert_array_equal(model.coef_, fresh.coef_)
    assert_array_equal(model.classes_, [0, 1])


def test_a_failed_fit_leaves_the_last_one():
    """A second fit that is refused does not spoil the first."""
    X, y, _ = problem()
    model = path().fit(X, y)
    before = model.predict_proba(X)
    with pytest.raises(ValueError, match=r"^y must have at least two classes, got one class, 0"):
        model.fit(X, np.zeros(len(y)))
    assert_array_equal(model.predict_proba(X), before)


def test_max_iter_warns():
    """A path that does not converge says so, with what to change, and still has scores."""
    X, y = load_wine(return_X_y=True)
    with pytest.warns(ConvergenceWarning, match="max_iter") as caught:
        model = CrossEntropyClassifierCV(alphas=3, max_iter=1).fit(X, y)
    assert [warning.filename for warning in caught] == [__file__]
    assert not model.converged_
    assert np.isfinite(model.scores_).all()


def test_folds_that_do_not_converge_are_counted():
    """One warning, at the line that called, where the fit to all rows has none to give."""
    X, y = load_wine(return_X_y=True)
    largest = CrossEntropyClassifierCV(alphas=[10.0, 1e-3, 1e-6], max_iter=6, scoring=lambda model, X, y: model.alpha)
    with pytest.warns(ConvergenceWarning, match=r"\d of 15 fits to folds stopped .* Increase max_iter") as caught:
        model = largest.fit(X, y)
    assert [warning.filename for warning in caught] == [__file__]
    assert model.converged_


# The path


class Counting:
    """A solver that counts its steps and its questions."""

    def __init__(self):
        self.steps, self.fits = 0, 0

    def __call__(self, objective, theta, *, tol, max_iter, callback=None):
        result = SOLVERS["lbfgs"](objective, theta, tol=tol, max_iter=max_iter, callback=callback)
        self.steps += result.n_iter
        self.fits += 1
        return result


@pytest.mark.parametrize("table", ["digits", "wine", "random"])
def test_path_takes_fewer_steps_than_cold_fits(table, monkeypatch):
    """Each alpha starts from the one before, so the path's steps are fewer in total.

    On digits by far: there a Hessian that was dear serves the alphas after it.
    """
    if table == "random":
        X, y, _ = problem(5, n=2000, d=20)
    else:
        X, y = {"digits": load_digits, "wine": load_wine}[table](return_X_y=True)
    alphas, cv = np.logspace(0, -4, 9), 3
    warm, cold = Counting(), Counting()
    monkeypatch.setitem(SOLVERS, "warm", warm)
    monkeypatch.setitem(SOLVERS, "cold", cold)
    model = CrossEntropyClassifierCV(alphas=alphas, cv=cv, solver="warm").fit(X, y)
    for alpha in alphas:
        cross_val_score(CrossEntropyClassifier(alpha=alpha, solver="cold"), X, y, cv=cv)
    CrossEntropyClassifier(alpha=model.alpha_, solver="cold").fit(X, y)
    assert warm.fits == cold.fits == 9 * 3 + 1
    assert warm.steps < (0.5 if table == "digits" else 0.9) * cold.steps


# In scikit-learn's company


@all_sizes
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
def test_number_of_jobs_changes_no_bit(k, container):
    """Folds in two processes: the same scores and coefficients, to the last bit."""
    X, y, s = problem(k, n=300)
    one, two = (CrossEntropyClassifierCV(alphas=4, n_jobs=jobs).fit(container(X), y, s) for jobs in (1, 2))
    assert_array_equal(one.scores_, two.scores_)
    assert_array_equal(one.coef_, two.coef_)
    assert_array_equal(one.loss_curve_, two.loss_curve_)


@pytest.mark.parametrize(
    "make", [lambda: None, lambda: 3, lambda: np.random.RandomState(3)], ids=["None", "int", "RandomState"]
)
def test_number_of_jobs_changes_no_bit_of_a_sampled_model(make):
    """Many rows and outputs: the model looks at a sample of each fold's rows, which `random_state` chooses."""
    X, y, _ = problem(8, n=9000, d=60)
    one, two = (
        CrossEntropyClassifierCV(alphas=[0.1, 0.01], cv=2, n_jobs=jobs, random_state=make()).fit(X, y)
        for jobs in (1, 2)
    )
    assert_array_equal(two.scores_, one.scores_)
    assert_array_equal(two.coef_, one.coef_)


def test_same_call_same_bits():
    """A fit repeated."""
    X, y, s = problem()
    a, b = path().fit(X, y, s), path().fit(X, y, s)
    assert_array_equal(a.scores_, b.scores_)
    assert_array_equal(a.coef_, b.coef_)


def test_clone_and_pickle():
    """Parameters are carried by clone, answers by pickle."""
    X, y, _ = problem()
    model = path(cv=StratifiedKFold(3), scoring=neg_cross_entropy, class_weight={0: 2.0}).fit(X, y)
    copy = clone(model)
    assert repr(copy) == repr(model)
    assert not hasattr(copy, "coef_")
    assert_array_equal(copy.fit(X, y).coef_, model.coef_)
    copy = pickle.loads(pickle.dumps(model))
    assert_array_equal(copy.predict_proba(X), model.predict_proba(X))
    assert_array_equal(copy.scores_, model.scores_)
    assert (copy.alpha_, copy.get_params()["alphas"]) == (model.alpha_, ALPHAS)


def test_parameters_are_those_of_the_classifier():
    """Those of CrossEntropyClassifier's but of mini-batches and early stopping, with the same defaults, and its own."""
    ours, classifiers = CrossEntropyClassifierCV().get_params(), CrossEntropyClassifier().get_params()
    assert ours.keys() - classifiers.keys() == {"alphas", "cv", "n_jobs"}
    batches = {"average", "batch_size", "beta_1", "beta_2", "nesterovs_momentum", "power_t", "shuffle"}
    stopping = {"early_stopping", "n_iter_no_change", "validation_fraction"}
    assert classifiers.keys() - ours.keys() == {"alpha", "warm_start"} | batches | stopping
    assert all(ours[name] == classifiers[name] for name in ours.keys() & classifiers.keys())


def test_pipeline_and_search_around_it():
    """Behind a scaler, inside a cross-validation, and under a search over its other parameters."""
    X, y = load_wine(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), CrossEntropyClassifierCV(alphas=[1.0, 0.1, 0.01], cv=3))
    direct = CrossEntropyClassifierCV(alphas=[1.0, 0.1, 0.01], cv=3).fit(StandardScaler().fit_transform(X), y)
    assert_array_equal(pipeline.fit(X, y).predict_proba(X), direct.predict_proba(StandardScaler().fit_transform(X)))
    assert cross_val_score(pipeline, X, y, cv=3, scoring=neg_cross_entropy).mean() > -0.15
    name = "crossentropyclassifiercv__label_smoothing"
    search = GridSearchCV(pipeline, {name: [0.0, 0.1]}, scoring="neg_log_loss", cv=3).fit(X, y)
    assert search.best_params_[name] in (0.0, 0.1)


def test_verbose_prints_a_line_for_each_step(capsys):
    """Silent by default."""
    X, y, _ = problem()
    CrossEntropyClassifierCV(alphas=2).fit(X, y)
    assert capsys.readouterr().out == ""
    CrossEntropyClassifierCV(alphas=2, verbose=1).fit(X, y)
    assert "objective" in capsys.readouterr().out
