"""The scorers with scikit-learn's classifiers, searches and routing; the oracle is log_loss, told all the classes."""

import pickle
import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, check_scoring, d2_log_loss_score, log_loss
from sklearn.metrics import make_scorer as sklearn_make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    StratifiedKFold,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

import skce
from skce import (
    CrossEntropyClassifier,
    binary_cross_entropy_loss,
    cross_entropy_loss,
    d2_cross_entropy_score,
    focal_loss,
    get_scorer,
    get_scorer_names,
    kl_divergence_loss,
    make_scorer,
    multilabel_cross_entropy_loss,
    neg_binary_cross_entropy,
    neg_cross_entropy,
    neg_multilabel_cross_entropy,
    perplexity,
)

EXACT = 1e-13  # the same probabilities: a few roundings of logs, and another order of the sum
EPS = np.finfo(float).eps
BOTH = [neg_cross_entropy, neg_binary_cross_entropy]
SCORERS = pytest.mark.parametrize("scorer", BOTH, ids=["neg_cross_entropy", "neg_binary_cross_entropy"])
BINARY_METRICS = pytest.mark.parametrize("metric", [cross_entropy_loss, binary_cross_entropy_loss])

SPECIES = np.array(["setosa", "versicolor", "virginica"])


@pytest.fixture(scope="module")
def flowers():
    """Iris as X, names, random weights, two features only: the classes overlap, no loss is 0."""
    X, codes = load_iris(return_X_y=True)
    weights = np.random.default_rng(5).exponential(size=len(codes))
    return StandardScaler().fit_transform(X[:, :2]), SPECIES[codes], weights


@pytest.fixture(scope="module")
def answers(flowers):
    """Two of the species as "no" and "yes"."""
    X, y, weights = flowers
    rows = y != "setosa"
    return X[rows], np.where(y[rows] == "virginica", "yes", "no"), weights[rows]


def oracle(estimator, X, y, sample_weight=None):
    """Minus log_loss with every class it needs: a label that was not trained on has probability 0."""
    classes = list(estimator.classes_)
    proba = np.asarray(estimator.predict_proba(X))
    new = sorted(set(y) - set(classes))
    proba = np.column_stack([proba, np.zeros((len(proba), len(new)))])
    codes = [(classes + new).index(label) for label in y]
    own = np.clip(proba[np.arange(len(y)), codes], EPS, 1 - EPS)
    return np.average(np.log(own), weights=sample_weight)


CLASSIFIERS = {
    "LogisticRegression": LogisticRegression(),
    "RandomForest": RandomForestClassifier(10, max_depth=3, random_state=0),
    "DecisionTree": DecisionTreeClassifier(random_state=0),  # probabilities of 0
    "HistGradientBoosting": HistGradientBoostingClassifier(max_iter=5),
    "KNeighbors": KNeighborsClassifier(7),
    "GaussianNB": GaussianNB(),
    "MLP": MLPClassifier((4,), solver="lbfgs", tol=0.5, random_state=0),
    "Dummy": DummyClassifier(),
    "Calibrated SVC": CalibratedClassifierCV(SVC(), cv=3),
    "OneVsRest": OneVsRestClassifier(LogisticRegression()),
    "Pipeline": make_pipeline(StandardScaler(), LogisticRegression()),
    "CrossEntropy": CrossEntropyClassifier(),
}
EVERY_CLASSIFIER = pytest.mark.parametrize("classifier", CLASSIFIERS.values(), ids=CLASSIFIERS.keys())


# --- one number -------------------------------------------------------------------------------------------------------


@EVERY_CLASSIFIER
def test_score_of_several_classes_is_minus_log_loss(classifier, flowers):
    """Any scikit-learn classifier, with and without weights, on rows it has not seen."""
    X, y, weights = flowers
    estimator = clone(classifier).fit(X[::2], y[::2])
    score = neg_cross_entropy(estimator, X[1::2], y[1::2])
    assert type(score) is float
    assert score == pytest.approx(-log_loss(y[1::2], estimator.predict_proba(X[1::2])), rel=EXACT)
    weighted = neg_cross_entropy(estimator, X[1::2], y[1::2], sample_weight=weights[1::2])
    expected = -log_loss(y[1::2], estimator.predict_proba(X[1::2]), sample_weight=weights[1::2])
    assert weighted == pytest.approx(expected, rel=EXACT)


@SCORERS
@EVERY_CLASSIFIER
def test_score_of_two_classes_is_minus_log_loss(classifier, scorer, answers):
    """Both scorers agree on two classes."""
    X, y, weights = answers
    estimator = clone(classifier).fit(X[::2], y[::2])
    score = scorer(estimator, X[1::2], y[1::2], sample_weight=weights[1::2])
    assert type(score) is float
    expected = -log_loss(y[1::2], estimator.predict_proba(X[1::2])[:, 1], sample_weight=weights[1::2])
    assert score == pytest.approx(expected, rel=1e-10 if classifier.__class__ is GaussianNB else EXACT)  # 1 - p, tiny


@pytest.mark.parametrize("labels", [[False, True], [0, 1], [-1, 1], [7, 3], ["b", "a"]], ids=str)
@SCORERS
def test_two_classes_of_any_kind(labels, scorer, answers):
    """`classes_` says which label has which column."""
    X, y, weights = answers
    y = np.array(labels)[(y == "yes").astype(int)]
    estimator = LogisticRegression().fit(X, y)
    expected = oracle(estimator, X, y, weights)
    assert scorer(estimator, X, y, sample_weight=weights) == pytest.approx(expected, rel=EXACT)


@pytest.mark.parametrize(
    "container",
    [pd.Series, pd.Categorical, lambda y: pd.Series(y, dtype="category"), list],
    ids=["Series", "Categorical", "Series of categories", "list"],
)
def test_labels_in_pandas_containers(container, flowers):
    """y may be what users have."""
    X, y, _ = flowers
    estimator = LogisticRegression().fit(X, y)
    assert neg_cross_entropy(estimator, X, container(y)) == pytest.approx(oracle(estimator, X, y), rel=EXACT)


class FrameForest(RandomForestClassifier):
    """Gives a frame of probabilities whose columns are not in the order of `classes_`."""

    def predict_proba(self, X):
        return pd.DataFrame(super().predict_proba(X), columns=self.classes_).iloc[:, ::-1]


@pytest.mark.parametrize(
    ("scorer", "data"),
    [(neg_cross_entropy, "flowers"), (neg_cross_entropy, "answers"), (neg_binary_cross_entropy, "answers")],
)
def test_frames_of_an_estimator_are_paired_by_name(scorer, data, request):
    """A predict_proba that returns named columns is read by name, not by position."""
    X, y, _ = request.getfixturevalue(data)
    estimator = FrameForest(5, max_depth=2, random_state=0).fit(X, y)
    plain = RandomForestClassifier(5, max_depth=2, random_state=0).fit(X, y)
    assert scorer(estimator, X, y) == pytest.approx(oracle(plain, X, y), rel=EXACT)


class Certain(ClassifierMixin, BaseEstimator):
    """Logits of +-9200.7, whose probabilities are 0 and 1."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, X):
        return np.full(len(X), 9200.7)

    def predict_proba(self, X):
        return np.tile([0.0, 1.0], (len(X), 1))


@BINARY_METRICS
def test_a_loss_of_9200_is_reported_from_logits(metric, answers):
    """Probabilities clip a certain error to 36; the decision function knows how wrong it was."""
    X, y, _ = answers
    estimator = Certain().fit(X, y)
    wrong = np.full(len(X), "no")
    clipped = make_scorer(metric)
    honest = make_scorer(metric, response_method="decision_function", from_logits=True)
    assert clipped(estimator, X, wrong) == pytest.approx(np.log(EPS))
    assert honest(estimator, X, wrong) == pytest.approx(-9200.7, rel=EXACT)


# --- response methods -------------------------------------------------------------------------------------------------


@BINARY_METRICS
@pytest.mark.parametrize(
    "response_method",
    [
        "decision_function",
        "predict_log_proba",
        ["predict_log_proba"],
        ("decision_function", "predict_log_proba"),
        ["predict_log_proba", "decision_function"],
    ],
    ids=str,
)
def test_logits_of_two_classes(metric, response_method, answers):
    """The decision function and log-probabilities, named alone or in order of preference."""
    X, y, weights = answers
    estimator = LogisticRegression().fit(X, y)
    scorer = make_scorer(metric, response_method=response_method, from_logits=True)
    score = scorer(estimator, X, y, sample_weight=weights)
    assert score == pytest.approx(oracle(estimator, X, y, weights), rel=EXACT)


@pytest.mark.parametrize("response_method", ["decision_function", ["predict_log_proba"]], ids=str)
@pytest.mark.parametrize("classifier", [LogisticRegression(), CrossEntropyClassifier()], ids=["sklearn", "skce"])
def test_logits_of_several_classes(response_method, classifier, flowers):
    """The same in as many columns as classes."""
    X, y, weights = flowers
    estimator = clone(classifier).fit(X, y)
    scorer = make_scorer(cross_entropy_loss, response_method=response_method, from_logits=True)
    score = scorer(estimator, X, y, sample_weight=weights)
    assert score == pytest.approx(oracle(estimator, X, y, weights), rel=EXACT)


def test_a_classifier_without_probabilities(answers):
    """SVC has a decision function only; read as a logit it is the loss of its sigmoid."""
    X, y, weights = answers
    estimator = SVC().fit(X, y)
    scorer = make_scorer(cross_entropy_loss, response_method="decision_function", from_logits=True)
    proba = 1 / (1 + np.exp(-estimator.decision_function(X)))
    expected = -log_loss(y, proba, sample_weight=weights)
    assert scorer(estimator, X, y, sample_weight=weights) == pytest.approx(expected, rel=EXACT)


@BINARY_METRICS
def test_log_probabilities_of_a_forest(metric, answers):
    """A tree is certain, its log-probabilities are 0 and -inf: right predictions cost nothing, wrong ones inf."""
    X, y, _ = answers
    estimator = DecisionTreeClassifier(random_state=0).fit(X, y)
    scorer = make_scorer(metric, response_method=["predict_log_proba"], from_logits=True)
    with np.errstate(divide="ignore"):  # scikit-learn takes the log of 0
        right = estimator.predict(X)
        assert scorer(estimator, X, right) == pytest.approx(0, abs=1)
        assert scorer(estimator, X, np.where(right == "no", "yes", "no")) == -np.inf


@pytest.mark.parametrize("pos_label", ["no", "yes"])
@pytest.mark.parametrize(
    ("response_method", "from_logits"),
    [("predict_proba", False), ("decision_function", True), (["predict_log_proba"], True)],
    ids=["predict_proba", "decision_function", "predict_log_proba"],
)
def test_pos_label_does_not_change_the_score(pos_label, response_method, from_logits, answers):
    """The metric and the column that it is given agree on which class is positive."""
    X, y, weights = answers
    estimator = LogisticRegression().fit(X, y)
    scorer = make_scorer(
        binary_cross_entropy_loss, pos_label=pos_label, response_method=response_method, from_logits=from_logits
    )
    expected = oracle(estimator, X, y, weights)
    assert scorer(estimator, X, y, sample_weight=weights) == pytest.approx(expected, rel=EXACT)
    several = check_scoring(estimator, {"first": scorer, "second": neg_cross_entropy})
    scores = several(estimator, X, y, sample_weight=weights)
    assert_allclose([scores["first"], scores["second"]], expected, rtol=EXACT)


# --- cross-validation -------------------------------------------------------------------------------------------------


@EVERY_CLASSIFIER
def test_cross_val_score(classifier, flowers):
    """The same numbers as neg_log_loss where that can be told all classes."""
    X, y, _ = flowers
    cv = StratifiedKFold(3, shuffle=True, random_state=0)
    scores = cross_val_score(classifier, X, y, cv=cv, scoring=neg_cross_entropy)
    assert_allclose(scores, cross_val_score(classifier, X, y, cv=cv, scoring="neg_log_loss"), rtol=EXACT)


def test_cross_validate_with_several_metrics(answers):
    """Among scikit-learn's own scorers, by name or as objects."""
    X, y, _ = answers
    scoring = {
        "ours": neg_cross_entropy,
        "binary": neg_binary_cross_entropy,
        "bits": make_scorer(cross_entropy_loss, base=2),
        "theirs": "neg_log_loss",
        "accuracy": "accuracy",
        "auc": "roc_auc",
    }
    result = cross_validate(LogisticRegression(), X, y, scoring=scoring, return_train_score=True)
    for part in ("train", "test"):
        theirs = result[f"{part}_theirs"]
        assert_allclose(result[f"{part}_ours"], theirs, rtol=EXACT)
        assert_allclose(result[f"{part}_binary"], theirs, rtol=EXACT)
        assert_allclose(result[f"{part}_bits"] * np.log(2), theirs, rtol=EXACT)
        alone = cross_validate(LogisticRegression(), X, y, scoring=["roc_auc", "accuracy"], return_train_score=True)
        assert_allclose(result[f"{part}_auc"], alone[f"{part}_roc_auc"])
        assert_allclose(result[f"{part}_accuracy"], alone[f"{part}_accuracy"])


class Counting(LogisticRegression):
    """Counts what it is asked."""

    def predict_proba(self, X):
        self.asked_ = getattr(self, "asked_", 0) + 1
        return super().predict_proba(X)


@pytest.mark.parametrize(("data", "asked"), [("flowers", 1), ("answers", 2)])
def test_predict_proba_is_called_once_for_several_metrics(data, asked, request):
    """scikit-learn's cache of responses works for our scorers beside its own; of two classes it keeps one column."""
    X, y, _ = request.getfixturevalue(data)
    estimator = Counting().fit(X, y)
    scoring = {
        "ours": neg_cross_entropy,
        "bits": make_scorer(cross_entropy_loss, base=2),
        "neg_log_loss": "neg_log_loss",
        "d2": "d2_log_loss_score",
    }
    scores = check_scoring(estimator, scoring)(estimator, X, y)
    assert scores["ours"] == pytest.approx(scores["neg_log_loss"], rel=EXACT)
    assert estimator.asked_ == asked


@pytest.mark.parametrize("ours_first", [False, True])
def test_scorers_of_others_with_another_positive_class(ours_first, answers):
    """What is kept for them is theirs alone."""
    X, y, _ = answers
    first, _ = np.unique(y)
    brier = sklearn_make_scorer(brier_score_loss, pos_label=first, response_method="predict_proba")
    scoring = {"ours": neg_cross_entropy, "brier": brier} if ours_first else {"brier": brier, "ours": neg_cross_entropy}
    result = cross_validate(LogisticRegression(), X, y, scoring=scoring)
    assert_allclose(result["test_brier"], cross_validate(LogisticRegression(), X, y, scoring=brier)["test_score"])


@pytest.mark.parametrize("response_method", ["predict_proba", "predict_log_proba"])
@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]], ids=str)
def test_labels_that_a_fold_lacks(order, response_method, flowers):
    """A scorer that names all labels scores estimators that have seen some; class weights stay with their labels."""
    X, y, _ = flowers
    options = {"response_method": response_method, "from_logits": response_method == "predict_log_proba"}
    labels, weights = np.array(SPECIES)[order], np.array([1.0, 2.0, 3.0])[order]
    named = make_scorer(cross_entropy_loss, labels=labels, class_weight=weights, **options)
    plain = make_scorer(cross_entropy_loss, class_weight=dict(zip(labels, weights, strict=True)), **options)
    for seen in (SPECIES[:2], SPECIES[1:], SPECIES[2:]):
        rows = np.isin(y, seen)
        estimator = DecisionTreeClassifier(max_depth=1) if len(seen) == 1 else LogisticRegression()
        estimator.fit(X[rows], y[rows])
        assert named(estimator, X[rows], y[rows]) == pytest.approx(plain(estimator, X[rows], y[rows]))
        with pytest.warns(UserWarning, match="was fitted without the classes"):
            score = named(estimator, X, y)
        with pytest.warns(UserWarning, match="was fitted without the classes"):
            assert score == pytest.approx(plain(estimator, X, y))


@SCORERS
@pytest.mark.parametrize("ours_first", [False, True])
def test_a_neighbour_with_another_positive_class_does_not_change_the_score(ours_first, scorer, answers):
    """scikit-learn's cache holds one column, that of whichever positive class was asked for first."""
    X, y, weights = answers
    estimator = LogisticRegression().fit(X, y)
    neighbour = sklearn_make_scorer(
        brier_score_loss, greater_is_better=False, response_method="predict_proba", pos_label="no"
    )
    scoring = [("neighbour", neighbour), ("ours", scorer)]
    scores = check_scoring(estimator, dict(scoring[:: -1 if ours_first else 1]))(estimator, X, y, sample_weight=weights)
    assert scores["ours"] == pytest.approx(oracle(estimator, X, y, weights), rel=EXACT)


def test_in_two_processes(flowers):
    """The scorer travels to workers and gives the same numbers there."""
    X, y, _ = flowers
    scoring = {"ours": neg_cross_entropy, "bits": make_scorer(cross_entropy_loss, base=2)}
    here = cross_validate(LogisticRegression(), X, y, scoring=scoring, cv=2)
    there = cross_validate(LogisticRegression(), X, y, scoring=scoring, cv=2, n_jobs=2)
    for name in scoring:
        assert_allclose(there[f"test_{name}"], here[f"test_{name}"], rtol=EXACT)


def test_grid_search(flowers):
    """The best by cross-entropy is the best by neg_log_loss, and the refitted search scores by it."""
    X, y, _ = flowers
    grid = {"logisticregression__C": [1e-3, 0.1, 10.0]}
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    ours = GridSearchCV(pipeline, grid, scoring=neg_cross_entropy).fit(X, y)
    theirs = GridSearchCV(pipeline, grid, scoring="neg_log_loss").fit(X, y)
    assert_allclose(ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"], rtol=EXACT)
    assert ours.best_params_ == theirs.best_params_
    assert ours.score(X, y) == pytest.approx(-log_loss(y, ours.predict_proba(X)), rel=EXACT)


def test_grid_search_over_several_metrics(answers):
    """refit= names ours; every column of cv_results_ is there."""
    X, y, _ = answers
    search = GridSearchCV(
        CrossEntropyClassifier(),
        {"alpha": [1e-3, 1.0]},
        scoring={"ce": neg_cross_entropy, "binary": neg_binary_cross_entropy, "acc": "accuracy"},
        refit="ce",
    ).fit(X, y)
    assert search.best_params_ == {"alpha": 1e-3}
    assert_allclose(search.cv_results_["mean_test_ce"], search.cv_results_["mean_test_binary"], rtol=EXACT)
    assert search.score(X, y) == pytest.approx(-log_loss(y, search.predict_proba(X)), rel=EXACT)


def test_other_places_that_take_scoring(flowers):
    """Learning curves and permutation importances."""
    X, y, weights = flowers
    cv = StratifiedKFold(3, shuffle=True, random_state=0)
    curves = [
        learning_curve(LogisticRegression(), X, y, cv=cv, scoring=s, shuffle=True, random_state=0)[2]
        for s in (neg_cross_entropy, "neg_log_loss")
    ]
    assert_allclose(*curves, rtol=EXACT)
    estimator = LogisticRegression().fit(X, y)
    importances = [
        permutation_importance(
            estimator, X, y, scoring=s, sample_weight=weights, n_repeats=2, random_state=0
        ).importances
        for s in (neg_cross_entropy, "neg_log_loss")
    ]
    assert_allclose(*importances, rtol=1e-10)  # differences of scores


# --- classes that are missing -----------------------------------------------------------------------------------------


def fold_without(y, label, of):
    """One split of which the training or the test part has no row of a class."""
    rows = np.arange(len(y))
    halves = {"train": rows[::2], "test": rows[1::2]}
    halves[of] = halves[of][y[halves[of]] != label]
    return [(halves["train"], halves["test"])]


def recorded(function, *args, **options):
    """The result of a call and the warnings it gave."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        return function(*args, **options), [str(warning.message) for warning in caught]


@pytest.mark.parametrize("label", SPECIES)
@EVERY_CLASSIFIER
def test_a_class_missing_from_the_test_fold_is_no_problem(classifier, label, flowers):
    """A number, no warning: the columns are known from the estimator (scikit-learn gives nan)."""
    X, y, _ = flowers
    cv = fold_without(y, label, of="test")
    scores = cross_val_score(classifier, X, y, cv=cv, scoring=neg_cross_entropy)
    train, test = cv[0]
    estimator = clone(classifier).fit(X[train], y[train])
    assert_allclose(scores, [oracle(estimator, X[test], y[test])], rtol=EXACT)


@pytest.mark.parametrize("label", SPECIES)
@EVERY_CLASSIFIER
def test_a_class_missing_from_the_training_fold_counts_as_probability_0(classifier, label, flowers):
    """A finite number and one warning that names the class: its rows cost -log(eps)."""
    X, y, _ = flowers
    cv = fold_without(y, label, of="train")
    scores, messages = recorded(cross_val_score, classifier, X, y, cv=cv, scoring=neg_cross_entropy)
    train, test = cv[0]
    estimator = clone(classifier).fit(X[train], y[train])
    assert_allclose(scores, [oracle(estimator, X[test], y[test])], rtol=EXACT)
    assert len(messages) == 1
    assert repr(str(label)) in messages[0]
    assert f"{(y[test] == label).sum()} rows" in messages[0]
    assert "handle_unknown" in messages[0]


@pytest.mark.parametrize("of", ["train", "test"])
@pytest.mark.parametrize("label", ["no", "yes"])
@SCORERS
@pytest.mark.parametrize(
    "classifier",
    [
        DummyClassifier(),
        GaussianNB(),
        KNeighborsClassifier(),
        DecisionTreeClassifier(random_state=0),
        HistGradientBoostingClassifier(max_iter=5),
    ],
    ids=lambda c: type(c).__name__,
)
def test_one_of_two_classes_missing_from_a_fold(classifier, scorer, label, of, answers):
    """A training fold of one class predicts it with certainty: the score is finite, and the clipped loss."""
    X, y, _ = answers
    cv = fold_without(y, label, of=of)
    scores, messages = recorded(cross_val_score, classifier, X, y, cv=cv, scoring=scorer)
    train, test = cv[0]
    estimator = clone(classifier).fit(X[train], y[train])
    if of == "train":
        expected = np.mean(np.where(y[test] == label, np.log(EPS), np.log1p(-EPS)))
    else:
        expected = oracle(estimator, X[test], y[test])
    assert_allclose(scores, [expected], rtol=1e-12)
    assert len(messages) == (of == "train")


@SCORERS
def test_training_and_test_fold_of_the_same_one_class(scorer, answers):
    """Nothing is unknown, nothing warns, and a certain prediction is right."""
    X, y, _ = answers
    estimator = DummyClassifier().fit(X, np.full(len(y), "yes"))
    assert scorer(estimator, X, np.full(len(y), "yes")) == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("response_method", ["decision_function", ["predict_log_proba"]], ids=str)
def test_a_class_missing_from_the_training_fold_with_logits(response_method, flowers):
    """The policy is the same whatever the response."""
    X, y, _ = flowers
    scorer = make_scorer(cross_entropy_loss, response_method=response_method, from_logits=True)
    cv = fold_without(y, "virginica", of="train")
    scores, messages = recorded(cross_val_score, LogisticRegression(), X, y, cv=cv, scoring=scorer)
    train, test = cv[0]
    assert_allclose(scores, [oracle(LogisticRegression().fit(X[train], y[train]), X[test], y[test])], rtol=EXACT)
    assert len(messages) == 1


def test_handle_unknown_can_be_chosen(flowers):
    """An explicit policy replaces "clip", and silences the warning that recommends choosing one."""
    X, y, _ = flowers
    train, test = fold_without(y, "virginica", of="train")[0]
    estimator = LogisticRegression().fit(X[train], y[train])
    known = test[y[test] != "virginica"]
    ignore = make_scorer(cross_entropy_loss, handle_unknown="ignore")
    clip = make_scorer(cross_entropy_loss, handle_unknown="clip")
    error = make_scorer(cross_entropy_loss, handle_unknown="error")
    assert ignore(estimator, X[test], y[test]) == pytest.approx(oracle(estimator, X[known], y[known]), rel=EXACT)
    assert clip(estimator, X[test], y[test]) == pytest.approx(oracle(estimator, X[test], y[test]), rel=EXACT)
    with pytest.raises(ValueError, match="virginica"):
        error(estimator, X[test], y[test])


@pytest.mark.parametrize("of", ["train", "test"])
@pytest.mark.parametrize("class_weight", [{"virginica": 5.0}, {"virginica": 5.0, "setosa": 0.5}, "balanced"], ids=str)
def test_class_weights_survive_a_missing_class(class_weight, of, flowers):
    """A dict that weighs the missing class, alone or among others, is no error in that fold."""
    X, y, _ = flowers
    scorer = make_scorer(cross_entropy_loss, class_weight=class_weight)
    cv = fold_without(y, "virginica", of=of)
    scores, messages = recorded(cross_val_score, LogisticRegression(), X, y, cv=cv, scoring=scorer)
    assert np.isfinite(scores).all()
    assert len(messages) == (of == "train")


# --- sample weights ---------------------------------------------------------------------------------------------------


def weighted_scores(X, y, weights, cv, *, in_fit, in_score):
    scores = []
    for train, test in cv.split(X, y):
        estimator = LogisticRegression().fit(X[train], y[train], weights[train] if in_fit else None)
        scores.append(oracle(estimator, X[test], y[test], weights[test] if in_score else None))
    return scores


def test_sample_weights_without_metadata_routing(flowers):
    """scikit-learn gives fit parameters to fit only in cross_val_score, and to fit and score in a search."""
    X, y, weights = flowers
    cv = StratifiedKFold(3)
    params = {"sample_weight": weights}
    scores = cross_val_score(LogisticRegression(), X, y, cv=cv, scoring=neg_cross_entropy, params=params)
    assert_allclose(scores, weighted_scores(X, y, weights, cv, in_fit=True, in_score=False), rtol=EXACT)
    for scoring in (neg_cross_entropy, {"score": neg_cross_entropy, "accuracy": "accuracy"}):
        search = GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=cv, scoring=scoring, refit="score")
        ours = search.fit(X, y, sample_weight=weights).cv_results_
        search = GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=cv, scoring="neg_log_loss")
        theirs = search.fit(X, y, sample_weight=weights).cv_results_
        for split in range(3):
            assert_allclose(ours[f"split{split}_test_score"], theirs[f"split{split}_test_score"], rtol=EXACT)


@pytest.mark.parametrize(("in_fit", "in_score"), [(True, True), (False, True), (True, False)])
def test_sample_weights_with_metadata_routing(in_fit, in_score, flowers):
    """Requests decide who gets the weights."""
    X, y, weights = flowers
    cv = StratifiedKFold(3)
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = LogisticRegression().set_fit_request(sample_weight=in_fit)
        scorer = get_scorer("neg_cross_entropy").set_score_request(sample_weight=in_score)
        params = {"sample_weight": weights}
        scores = cross_val_score(estimator, X, y, cv=cv, scoring=scorer, params=params)
        expected = weighted_scores(X, y, weights, cv, in_fit=in_fit, in_score=in_score)
        assert_allclose(scores, expected, rtol=EXACT)
        several = {"score": scorer, "bits": make_scorer(cross_entropy_loss, base=2).set_score_request()}
        several["bits"].set_score_request(sample_weight=in_score)
        search = GridSearchCV(estimator, {"C": [1.0]}, cv=cv, scoring=several, refit="score")
        results = search.fit(X, y, **params).cv_results_
        assert_allclose([results[f"split{i}_test_score"][0] for i in range(3)], expected, rtol=EXACT)
        assert_allclose([results[f"split{i}_test_bits"][0] * np.log(2) for i in range(3)], expected, rtol=EXACT)


def test_routing_under_another_name(flowers):
    """The request may be an alias: other weights to score than to fit."""
    X, y, weights = flowers
    cv = StratifiedKFold(3)
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = get_scorer("neg_cross_entropy").set_score_request(sample_weight="test_weight")
        scores = cross_val_score(LogisticRegression(), X, y, cv=cv, scoring=scorer, params={"test_weight": weights})
    assert_allclose(scores, weighted_scores(X, y, weights, cv, in_fit=False, in_score=True), rtol=EXACT)


def test_weights_nobody_requested_are_an_error(flowers):
    """As for every scorer under metadata routing."""
    X, y, weights = flowers
    with sklearn.config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            LogisticRegression().set_fit_request(sample_weight=True),
            {"C": [1.0]},
            scoring=get_scorer("neg_cross_entropy"),
        )
        with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
            search.fit(X, y, sample_weight=weights)


def test_requests_of_a_copy_do_not_leak():
    """get_scorer gives a fresh scorer each time, so a request does not change everybody's."""
    with sklearn.config_context(enable_metadata_routing=True):
        get_scorer("neg_cross_entropy").set_score_request(sample_weight=True)
        for scorer in (get_scorer("neg_cross_entropy"), neg_cross_entropy):
            assert scorer.get_metadata_routing().score.requests["sample_weight"] is None


@pytest.mark.parametrize("options", [{}, {"set_score_request": True}], ids=str)
def test_pickle_keeps_options_and_requests(options, flowers):
    """A copy that went through pickle scores the same, and asks for the same metadata."""
    X, y, weights = flowers
    estimator = LogisticRegression().fit(X, y)
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = make_scorer(cross_entropy_loss, base=2, label_smoothing=0.1)
        if options:
            scorer.set_score_request(sample_weight=True)
        copy = pickle.loads(pickle.dumps(scorer))
        assert copy.get_metadata_routing().score.requests == scorer.get_metadata_routing().score.requests
        assert copy(estimator, X, y, sample_weight=weights) == scorer(estimator, X, y, sample_weight=weights)
    assert repr(copy) == repr(scorer)


# --- objects ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "scorer",
    [
        *BOTH,
        make_scorer(cross_entropy_loss, base=2, class_weight={"a": 1.5}),
        make_scorer(
            binary_cross_entropy_loss, pos_label="yes", response_method=["decision_function"], from_logits=True
        ),
        make_scorer(cross_entropy_loss, greater_is_better=True, response_method="predict_log_proba"),
    ],
    ids=repr,
)
def test_repr_evaluates_to_the_same(scorer):
    """What is printed is how to make it."""
    again = eval(repr(scorer), vars(skce).copy())
    assert vars(again) == vars(scorer)
    assert vars(pickle.loads(pickle.dumps(scorer))) == vars(scorer)


def test_scorers_inside_estimators_are_cloned(flowers):
    """A search with a scorer can be cloned, and the clone searches."""
    X, y, _ = flowers
    search = clone(GridSearchCV(LogisticRegression(), {"C": [1.0]}, scoring=make_scorer(cross_entropy_loss, base=2)))
    assert search.fit(X, y).score(X, y) == pytest.approx(oracle(search, X, y) / np.log(2), rel=EXACT)


def test_names():
    """Every name of get_scorer_names is a public scorer, and get_scorer returns its equal."""
    assert {"neg_binary_cross_entropy", "neg_cross_entropy"} <= set(get_scorer_names())
    assert get_scorer_names() == sorted(get_scorer_names())
    for name in get_scorer_names():
        assert name in skce.__all__
        assert vars(get_scorer(name)) == vars(getattr(skce, name))


def test_options_reach_the_metric(flowers):
    """make_scorer passes them on; greater_is_better=True keeps the sign."""
    X, y, weights = flowers
    estimator = LogisticRegression().fit(X, y)
    options = {"label_smoothing": 0.2, "base": 10, "class_weight": {"setosa": 3.0}, "eps": 1e-3}
    expected = cross_entropy_loss(y, estimator.predict_proba(X), labels=SPECIES, sample_weight=weights, **options)
    for sign, greater_is_better in ((-1, False), (1, True)):
        scorer = make_scorer(cross_entropy_loss, greater_is_better=greater_is_better, **options)
        assert scorer(estimator, X, y, sample_weight=weights) == pytest.approx(sign * expected, rel=EXACT)


def test_labels_among_the_options_win_over_the_estimators(flowers):
    """Whoever names the columns knows better."""
    X, y, _ = flowers
    codes = np.searchsorted(SPECIES, y)
    estimator = LogisticRegression().fit(X, codes)
    scorer = make_scorer(cross_entropy_loss, labels=SPECIES)
    assert scorer(estimator, X, y) == pytest.approx(oracle(estimator, X, codes), rel=EXACT)


@pytest.mark.parametrize("response_method", ["predict_proba", "decision_function"])
def test_labels_in_another_order_than_the_estimators(response_method, flowers):
    """They are the order that class weights follow; which class a column stands for the estimator knows."""
    X, y, weights = flowers
    estimator = LogisticRegression().fit(X, y)
    options = {"response_method": response_method, "from_logits": response_method == "decision_function"}
    order = np.array([2, 0, 1])
    plain = make_scorer(cross_entropy_loss, class_weight=[1, 2, 3], **options)
    other = make_scorer(cross_entropy_loss, class_weight=order + 1, labels=np.array(SPECIES)[order], **options)
    assert other(estimator, X, y, sample_weight=weights) == pytest.approx(plain(estimator, X, y, sample_weight=weights))


@pytest.mark.parametrize("response_method", ["predict_proba", "decision_function"])
@pytest.mark.parametrize("metric", [cross_entropy_loss, binary_cross_entropy_loss])
@pytest.mark.parametrize("labels", [["no", "yes"], ["yes", "no"]], ids=str)
@pytest.mark.parametrize("pos_label", [None, "no", "yes"])
def test_two_labels_in_either_order(labels, metric, response_method, pos_label):
    """A cross-entropy does not depend on which class is called the positive one."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 2))
    y = np.where(X[:, 0] + rng.normal(size=50) > 0, "yes", "no")
    estimator = LogisticRegression().fit(X, y)
    options = {"pos_label": pos_label} if metric is binary_cross_entropy_loss else {}
    options |= {"response_method": response_method, "from_logits": response_method == "decision_function"}
    score = make_scorer(metric, labels=labels, **options)(estimator, X, y)
    assert score == pytest.approx(-log_loss(y, estimator.predict_proba(X)))


@pytest.mark.parametrize(
    "estimator",
    [
        DecisionTreeClassifier(max_depth=2),
        OneVsRestClassifier(LogisticRegression()),
        MultiOutputClassifier(LogisticRegression()),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_several_labels_of_which_there_is_one(estimator):
    """Such targets have two axes, and estimators take them for classes: two columns, or one if they saw one class."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 2))
    Y = (X[:, :1] + rng.normal(size=(50, 1)) > 0).astype(int)
    fitted = estimator.fit(X, Y)
    proba = fitted.predict_proba(X)
    expected = -log_loss(Y, proba[0] if isinstance(proba, list) else proba)
    for method in ("predict_proba", "decision_function"):
        scorer = make_scorer(
            multilabel_cross_entropy_loss, response_method=method, from_logits=method == "decision_function"
        )
        if hasattr(fitted, method):
            assert scorer(fitted, X, Y) == pytest.approx(expected)


@pytest.mark.parametrize("answer", [0, 1])
def test_the_only_label_was_always_answered_alike(answer):
    """What one class says with certainty is its own answer."""
    X, Y = np.random.default_rng(0).normal(size=(20, 2)), np.full((20, 1), answer)
    tree = DecisionTreeClassifier().fit(X, Y)
    assert get_scorer("neg_multilabel_cross_entropy")(tree, X, Y) == pytest.approx(0)
    assert get_scorer("neg_multilabel_cross_entropy")(tree, X, 1 - Y) == pytest.approx(np.log(np.finfo(float).eps))


def test_metrics_of_others(flowers):
    """make_scorer takes any metric: without `labels` it is called as scikit-learn would call it."""
    X, y, weights = flowers
    estimator = LogisticRegression().fit(X, y)
    ours = make_scorer(log_loss)
    assert ours(estimator, X, y, sample_weight=weights) == pytest.approx(oracle(estimator, X, y, weights), rel=EXACT)

    def first_column(y_true, y_proba):
        return float(y_proba[0, 0])

    assert make_scorer(first_column)(estimator, X, y) == -estimator.predict_proba(X)[0, 0]
    half = make_scorer(partial(cross_entropy_loss, base=2))
    assert half(estimator, X, y) == pytest.approx(oracle(estimator, X, y) / np.log(2), rel=EXACT)


@pytest.mark.parametrize("data", ["flowers", "answers"])
@pytest.mark.parametrize("options", [{}, {"base": 2, "label_smoothing": 0.1}], ids=str)
def test_metrics_work_in_scikit_learns_make_scorer(data, options, request):
    """Without the classes, so complete folds only."""
    X, y, _ = request.getfixturevalue(data)
    theirs = sklearn_make_scorer(
        cross_entropy_loss, greater_is_better=False, response_method="predict_proba", **options
    )
    scores = cross_val_score(LogisticRegression(), X, y, scoring=theirs)
    ours = make_scorer(cross_entropy_loss, **options)
    assert_allclose(scores, cross_val_score(LogisticRegression(), X, y, scoring=ours), rtol=EXACT)


@pytest.mark.parametrize("options", [{}, {"pos_label": "no"}, {"pos_label": "yes"}], ids=str)
@pytest.mark.parametrize("response_method", ["predict_proba", "decision_function"])
def test_binary_metric_works_in_scikit_learns_make_scorer(options, response_method, answers):
    """scikit-learn hands over the column of pos_label, and the metric knows it by the same name."""
    X, y, _ = answers
    theirs = sklearn_make_scorer(
        binary_cross_entropy_loss,
        greater_is_better=False,
        response_method=response_method,
        from_logits=response_method == "decision_function",
        **options,
    )
    scores = cross_val_score(LogisticRegression(), X, y, scoring=theirs)
    expected = cross_val_score(LogisticRegression(), X, y, scoring="neg_log_loss")
    assert_allclose(scores, expected, rtol=EXACT)


# --- all seven --------------------------------------------------------------------------------------------------------


def focal_of(own, weights):
    return -np.average((1 - own) ** 2 * np.log(own), weights=weights)


ORACLES = {
    "neg_cross_entropy": lambda y, proba, own, s: -log_loss(y, proba, sample_weight=s),
    "neg_focal_loss": lambda y, proba, own, s: -focal_of(own, s),
    "neg_kl_divergence": lambda y, proba, own, s: -log_loss(y, proba, sample_weight=s),  # labels have entropy 0
    "neg_perplexity": lambda y, proba, own, s: -np.exp(log_loss(y, proba, sample_weight=s)),
    "d2_cross_entropy": lambda y, proba, own, s: d2_log_loss_score(y, proba, sample_weight=s),
}
NAMES = pytest.mark.parametrize("name", ORACLES)
OF_CLASSES = [cross_entropy_loss, focal_loss, kl_divergence_loss, perplexity, d2_cross_entropy_score]


def expected_score(name, estimator, X, y, weights=None):
    """scikit-learn's metric, or the formula, of the estimator's clipped probabilities."""
    proba = np.clip(np.asarray(estimator.predict_proba(X)), EPS, 1 - EPS)
    own = proba[np.arange(len(y)), np.searchsorted(estimator.classes_, y)]
    return ORACLES[name](y, proba, own, weights)


@EVERY_CLASSIFIER
def test_each_score_of_several_classes(classifier, flowers):
    """Minus the loss, or D2 itself, of every kind of classifier, with weights, on rows it has not seen."""
    X, y, weights = flowers
    estimator = clone(classifier).fit(X[::2], y[::2])
    for name in ORACLES:
        score = get_scorer(name)(estimator, X[1::2], y[1::2], sample_weight=weights[1::2])
        assert type(score) is float
        expected = expected_score(name, estimator, X[1::2], y[1::2], weights[1::2])
        assert score == pytest.approx(expected, rel=1e-11, abs=1e-13)  # D2 of the Dummy is 0


@EVERY_CLASSIFIER
def test_each_score_of_two_classes(classifier, answers):
    """The same where scikit-learn would give a scorer one column."""
    X, y, weights = answers
    estimator = clone(classifier).fit(X[::2], y[::2])
    for name in ORACLES:
        score = get_scorer(name)(estimator, X[1::2], y[1::2], sample_weight=weights[1::2])
        expected = expected_score(name, estimator, X[1::2], y[1::2], weights[1::2])
        assert score == pytest.approx(expected, rel=1e-10, abs=1e-13)  # GaussianNB: 1 - p of tiny p


@pytest.mark.parametrize("data", ["flowers", "answers"])
def test_all_of_them_in_one_search_ask_once(data, request):
    """Five metrics, six for two classes, of one answer, in two processes too."""
    X, y, _ = request.getfixturevalue(data)
    scoring = {name: get_scorer(name) for name in ORACLES}
    if data == "answers":
        scoring["neg_binary_cross_entropy"] = neg_binary_cross_entropy
    estimator = Counting().fit(X, y)
    scores = check_scoring(estimator, scoring)(estimator, X, y)
    assert estimator.asked_ == 1
    for name in ORACLES:
        assert scores[name] == pytest.approx(expected_score(name, estimator, X, y), rel=1e-11)
    here, there = (cross_validate(LogisticRegression(), X, y, scoring=scoring, n_jobs=jobs, cv=2) for jobs in (1, 2))
    for name in scoring:
        assert_allclose(there[f"test_{name}"], here[f"test_{name}"], rtol=EXACT)


@NAMES
@pytest.mark.parametrize("label", SPECIES)
def test_each_score_survives_a_class_missing_from_either_fold(name, label, flowers):
    """Finite; one warning that names the class where the training fold lacks it, none where the test fold does."""
    X, y, _ = flowers
    for of in ("train", "test"):
        cv = fold_without(y, label, of=of)
        scores, messages = recorded(cross_val_score, LogisticRegression(), X, y, cv=cv, scoring=get_scorer(name))
        assert np.isfinite(scores).all()
        assert len(messages) == (of == "train")
        train, test = cv[0]
        estimator = LogisticRegression().fit(X[train], y[train])
        if of == "test" and name != "d2_cross_entropy":
            proba = estimator.predict_proba(X[test])
            own = proba[np.arange(len(test)), np.searchsorted(SPECIES, y[test])]
            values = {"neg_focal_loss": -focal_of(own, None), "neg_perplexity": -np.exp(-np.log(own).mean())}
            assert scores[0] == pytest.approx(values.get(name, np.log(own).mean()), rel=1e-11)


@NAMES
def test_each_score_of_a_training_fold_of_one_class(name, answers):
    """A certain prediction, right or wrong; D2 of a test fold of one class is 1 or 0, and never -5e15."""
    X, y, _ = answers
    estimator = DummyClassifier().fit(X, np.full(len(y), "yes"))
    best = {"neg_perplexity": -1.0, "d2_cross_entropy": 1.0}.get(name, 0.0)
    assert get_scorer(name)(estimator, X, np.full(len(y), "yes")) == pytest.approx(best, abs=1e-15)
    score, messages = recorded(get_scorer(name), estimator, X, y)
    assert np.isfinite(score)
    assert len(messages) == 1
    assert "'no'" in messages[0]


@pytest.mark.parametrize("metric", OF_CLASSES)
@pytest.mark.parametrize("response_method", ["decision_function", ["predict_log_proba"]], ids=str)
@pytest.mark.parametrize("data", ["flowers", "answers"])
def test_each_metric_from_logits(metric, response_method, data, request):
    """Where probabilities are moderate, all responses give the same score."""
    X, y, weights = request.getfixturevalue(data)
    estimator = LogisticRegression().fit(X, y)
    scorer = make_scorer(metric, response_method=response_method, from_logits=True)
    expected = make_scorer(metric)(estimator, X, y, sample_weight=weights)
    assert scorer(estimator, X, y, sample_weight=weights) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("metric", [focal_loss, kl_divergence_loss])
def test_other_losses_of_9200_are_reported_from_logits(metric, answers):
    """As test_a_loss_of_9200_is_reported_from_logits, and a perplexity of e^9200 is inf, not e^36."""
    X, y, _ = answers
    estimator, wrong = Certain().fit(X, y), np.full(len(X), "no")
    honest = make_scorer(metric, response_method="decision_function", from_logits=True)
    assert honest(estimator, X, wrong) == pytest.approx(-9200.7, rel=EXACT)
    assert make_scorer(metric)(estimator, X, wrong) == pytest.approx(np.log(EPS))
    honest = make_scorer(perplexity, response_method="decision_function", from_logits=True)
    assert honest(estimator, X, wrong) == -np.inf


def test_options_of_other_metrics_reach_them(flowers):
    """gamma of the focal loss."""
    X, y, _ = flowers
    estimator = LogisticRegression().fit(X, y)
    scorer = make_scorer(focal_loss, gamma=0)
    assert scorer(estimator, X, y) == pytest.approx(oracle(estimator, X, y), rel=EXACT)
    assert repr(scorer) == "make_scorer(focal_loss, gamma=0)"


@NAMES
def test_groups_and_routed_weights(name, flowers):
    """groups go to the splitter and weights to the scorer that asked, each split as GroupKFold splits it."""
    X, y, weights = flowers
    groups, cv = np.arange(len(y)) // 3 % 10, GroupKFold(3)
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = get_scorer(name).set_score_request(sample_weight=True)
        params = {"sample_weight": weights, "groups": groups}
        estimator = LogisticRegression().set_fit_request(sample_weight=False)
        scores = cross_val_score(estimator, X, y, cv=cv, scoring=scorer, params=params)
    expected = [
        expected_score(name, LogisticRegression().fit(X[train], y[train]), X[test], y[test], weights[test])
        for train, test in cv.split(X, y, groups)
    ]
    assert_allclose(scores, expected, rtol=1e-11)


@pytest.mark.parametrize("label", SPECIES)
def test_labels_in_one_column_warn_too(label, flowers):
    """A frame of one column is labels, and those that training did not see are named."""
    X, y, _ = flowers
    train, test = fold_without(y, label, of="train")[0]
    estimator = LogisticRegression().fit(X[train], y[train])
    for form in (pd.DataFrame({"y": y[test]}), y[test][:, None]):
        score, messages = recorded(neg_cross_entropy, estimator, X[test], form)
        assert score == pytest.approx(oracle(estimator, X[test], y[test]), rel=EXACT)
        assert len(messages) == 1


# --- soft targets -----------------------------------------------------------------------------------------------------


class SoftRegression(ClassifierMixin, BaseEstimator):
    """Learns from distributions: each row once for each class, with its probability as weight."""

    def fit(self, X, y):
        n, k = np.shape(y)
        self.classes_ = np.asarray(y.columns) if hasattr(y, "columns") else np.arange(k)
        model = LogisticRegression()
        self.model_ = model.fit(np.tile(X, (k, 1)), np.repeat(np.arange(k), n), np.asarray(y).T.ravel() + 1e-12)
        return self

    def predict_proba(self, X):
        return self.model_.predict_proba(X)

    def decision_function(self, X):
        return self.model_.decision_function(X)


@pytest.fixture(scope="module")
def soft(flowers):
    """Iris with distributions over the species: another's with probability 0 to 1/2."""
    X, y, weights = flowers
    rng = np.random.default_rng(11)
    doubt = 0.5 * rng.uniform(size=(len(y), 1))
    targets = (1 - doubt) * (y[:, None] == SPECIES) + doubt * rng.dirichlet(np.ones(3), size=len(y))
    return X, targets, weights


SOFT_ORACLES = {
    "neg_cross_entropy": lambda t, p: (t * np.log(p)).sum(1).mean(),
    "neg_focal_loss": lambda t, p: (t * (1 - p) ** 2 * np.log(p)).sum(1).mean(),
    "neg_kl_divergence": lambda t, p: -(t * np.log(t / p)).sum(1).mean(),
    "neg_perplexity": lambda t, p: -np.exp(-(t * np.log(p)).sum(1).mean()),
    "d2_cross_entropy": lambda t, p: 1 - (t * np.log(p)).sum(1).mean() / (t.mean(0) * np.log(t.mean(0))).sum(),
}


@pytest.mark.parametrize("name", SOFT_ORACLES)
@pytest.mark.parametrize("form", ["array", "frame", "frame in another order"])
@pytest.mark.parametrize("jobs", [1, 2])
def test_soft_targets_in_cross_validation(name, form, jobs, soft):
    """Distributions with KFold; a frame's columns are paired with classes_ by name."""
    X, targets, _ = soft
    y = targets if form == "array" else pd.DataFrame(targets, columns=SPECIES)
    y = y[["virginica", "setosa", "versicolor"]] if form == "frame in another order" else y
    cv = KFold(3, shuffle=True, random_state=0)
    scores = cross_val_score(SoftRegression(), X, y, cv=cv, scoring=get_scorer(name), n_jobs=jobs)
    expected = []
    for train, test in cv.split(X):
        proba = SoftRegression().fit(X[train], targets[train]).predict_proba(X[test])
        expected.append(SOFT_ORACLES[name](targets[test], proba))
    assert_allclose(scores, expected, rtol=1e-11 if form != "frame in another order" else 1e-3)  # lbfgs, other start


@pytest.mark.parametrize("name", SOFT_ORACLES)
def test_a_frame_of_targets_in_another_order_is_paired_by_name(name, soft):
    """The same estimator, the same score to the last digits."""
    X, targets, weights = soft
    frame = pd.DataFrame(targets, columns=SPECIES)
    estimator, scorer = SoftRegression().fit(X, frame), get_scorer(name)
    expected = scorer(estimator, X, frame, sample_weight=weights)
    assert scorer(estimator, X, frame.iloc[:, ::-1], sample_weight=weights) == pytest.approx(expected, rel=EXACT)
    logits = make_scorer(
        scorer._score_func,
        greater_is_better=name == "d2_cross_entropy",
        response_method="decision_function",
        from_logits=True,
    )
    assert logits(estimator, X, frame, sample_weight=weights) == pytest.approx(expected, rel=1e-11)


# --- several labels a row ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def topics():
    """X, an indicator matrix of three labels that overlap, weights."""
    X, Y = make_multilabel_classification(120, n_features=6, n_classes=3, random_state=3)
    return StandardScaler().fit_transform(X), Y, np.random.default_rng(7).exponential(size=len(X))


def multilabel_proba(estimator, X):
    """P(1) of each label, from an array or from a list of arrays with the classes that training saw."""
    proba = estimator.predict_proba(X)
    if not isinstance(proba, list):
        return proba
    columns = [
        p[:, list(classes).index(1)] if 1 in classes else 0 * p[:, 0]
        for p, classes in zip(proba, estimator.classes_, strict=True)
    ]
    return np.column_stack(columns)


def multilabel_oracle(estimator, X, Y, weights=None):
    """The mean of scikit-learn's log_loss of the labels, whose clipping is ours."""
    proba = multilabel_proba(estimator, X)
    return -np.mean([log_loss(y, p, sample_weight=weights, labels=[0, 1]) for y, p in zip(Y.T, proba.T, strict=True)])


MULTILABEL = {
    "MLP": MLPClassifier((4,), solver="lbfgs", max_iter=500, tol=0.1, random_state=0),
    "KNeighbors": KNeighborsClassifier(7),
    "RandomForest": RandomForestClassifier(10, max_depth=3, random_state=0),
    "DecisionTree": DecisionTreeClassifier(max_depth=4, random_state=0),  # probabilities of 0
    "Dummy": DummyClassifier(),
    "OneVsRest": OneVsRestClassifier(LogisticRegression()),
    "MultiOutput": MultiOutputClassifier(LogisticRegression()),
    "ClassifierChain": ClassifierChain(LogisticRegression()),
    "Pipeline": make_pipeline(StandardScaler(), KNeighborsClassifier(7)),
}
EVERY_MULTILABEL = pytest.mark.parametrize("classifier", MULTILABEL.values(), ids=MULTILABEL)


@EVERY_MULTILABEL
def test_score_of_several_labels(classifier, topics):
    """Arrays, and the lists that neighbours, forests and MultiOutputClassifier answer with."""
    X, Y, weights = topics
    estimator = clone(classifier).fit(X[::2], Y[::2])
    score = neg_multilabel_cross_entropy(estimator, X[1::2], Y[1::2], sample_weight=weights[1::2])
    assert type(score) is float
    assert score == pytest.approx(multilabel_oracle(estimator, X[1::2], Y[1::2], weights[1::2]), rel=1e-12)


@EVERY_MULTILABEL
def test_several_labels_in_cross_validation(classifier, topics):
    """KFold over an indicator matrix, beside another scorer of the same answer, as a frame too."""
    X, Y, _ = topics
    cv = KFold(3)
    scoring = {"nats": neg_multilabel_cross_entropy, "bits": make_scorer(multilabel_cross_entropy_loss, base=2)}
    scores = cross_validate(classifier, X, Y, cv=cv, scoring=scoring)
    expected = [
        multilabel_oracle(clone(classifier).fit(X[train], Y[train]), X[test], Y[test]) for train, test in cv.split(X)
    ]
    assert_allclose(scores["test_nats"], expected, rtol=1e-12)
    assert_allclose(scores["test_bits"] * np.log(2), expected, rtol=1e-12)


def test_several_labels_in_two_processes(topics):
    """The list of a forest travels as well."""
    X, Y, _ = topics
    here, there = (
        cross_val_score(MULTILABEL["RandomForest"], X, Y, cv=2, scoring=neg_multilabel_cross_entropy, n_jobs=jobs)
        for jobs in (1, 2)
    )
    assert_allclose(there, here, rtol=EXACT)


@pytest.mark.parametrize("constant", [0, 1])
@pytest.mark.parametrize("name", ["KNeighbors", "RandomForest", "DecisionTree", "Dummy", "OneVsRest"])
def test_a_label_that_is_constant_in_a_training_fold(name, constant, topics):
    """Its column is missing from the answer: probability 0 or 1, clipped, so that the score is finite."""
    X, Y, weights = topics
    train = Y.copy()
    train[:, 1] = constant
    estimator, _ = recorded(clone(MULTILABEL[name]).fit, X, train)  # OneVsRest warns
    result, _ = recorded(neg_multilabel_cross_entropy, estimator, X, Y, sample_weight=weights)
    s = weights
    proba = multilabel_proba(estimator, X)
    certain = log_loss(Y[:, 1], np.full(len(Y), float(constant)), sample_weight=s, labels=[0, 1])
    others = [log_loss(Y[:, j], proba[:, j], sample_weight=s) for j in (0, 2)]
    assert result == pytest.approx(-np.mean([certain, *others]), rel=1e-12)
    same = neg_multilabel_cross_entropy(estimator, X, train, sample_weight=s)
    assert same == pytest.approx(-np.mean([EPS, *others]), rel=1e-12)


def test_unknown_labels_do_not_count_in_a_score(topics):
    """nan in y of the test fold: left out, for average=None's labels as for the mean."""
    X, Y, _ = topics
    estimator = MULTILABEL["KNeighbors"].fit(X, Y)
    proba, partly = multilabel_proba(estimator, X), Y.astype(float)
    partly[::3, 0] = np.nan
    partly[:, 2] = np.nan
    known = ~np.isnan(partly)
    p = np.clip(proba, EPS, 1 - EPS)
    losses = -np.where(partly == 1, np.log(p), np.log1p(-p))
    assert neg_multilabel_cross_entropy(estimator, X, partly) == pytest.approx(-losses[known].mean(), rel=1e-11)


@pytest.mark.parametrize("name", ["OneVsRest", "ClassifierChain"])
def test_logits_of_several_labels(name, topics):
    """decision_function has a sigmoid's logit for each label."""
    X, Y, weights = topics
    estimator = clone(MULTILABEL[name]).fit(X, Y)
    scorer = make_scorer(multilabel_cross_entropy_loss, response_method="decision_function", from_logits=True)
    expected = multilabel_oracle(estimator, X, Y, weights)
    assert scorer(estimator, X, Y, sample_weight=weights) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("name", ["RandomForest", "MLP"])
def test_log_probabilities_of_several_labels_are_no_logits(name, topics):
    """log P(1) alone is no logit of a sigmoid, log P(1) - log P(0) is: a list has both, of an array it is an error."""
    X, Y, weights = topics
    estimator = clone(MULTILABEL[name]).fit(X, Y)
    scorer = make_scorer(multilabel_cross_entropy_loss, response_method=["predict_log_proba"], from_logits=True)
    if name == "MLP":
        with pytest.raises(ValueError, match="predict_log_proba"):
            scorer(estimator, X, Y, sample_weight=weights)
    else:
        expected = multilabel_oracle(estimator, X, Y, weights)
        with np.errstate(divide="ignore"):  # scikit-learn takes the log of 0
            assert scorer(estimator, X, Y, sample_weight=weights) == pytest.approx(expected, rel=1e-11)


def test_weights_of_several_labels_are_routed(topics):
    """As for the other scorers."""
    X, Y, weights = topics
    cv = KFold(2)
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = get_scorer("neg_multilabel_cross_entropy").set_score_request(sample_weight=True)
        params = {"sample_weight": weights}
        scores = cross_val_score(KNeighborsClassifier(7), X, Y, cv=cv, scoring=scorer, params=params)
    expected = [
        multilabel_oracle(KNeighborsClassifier(7).fit(X[train], Y[train]), X[test], Y[test], weights[test])
        for train, test in cv.split(X)
    ]
    assert_allclose(scores, expected, rtol=1e-12)


# --- mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["neg_cross_entrpy", "neg_log_loss", "", None, 3, neg_cross_entropy], ids=repr)
def test_wrong_names_list_the_right_ones(name):
    """A typo is answered with the names there are."""
    with pytest.raises(ValueError, match=r"Unknown scorer .*'neg_binary_cross_entropy'.*'neg_cross_entropy'"):
        get_scorer(name)


def test_a_metric_that_is_not_a_function():
    """Names go to get_scorer."""
    with pytest.raises(TypeError, match=r"metric must be a function, got 'neg_log_loss'"):
        make_scorer("neg_log_loss")


def test_logits_read_as_probabilities(answers):
    """The error says what was forgotten."""
    X, y, _ = answers
    scorer = make_scorer(cross_entropy_loss, response_method="decision_function")
    with pytest.raises(ValueError, match=r"from_logits=True"):
        scorer(LogisticRegression().fit(X, y), X, y)


def test_an_estimator_without_the_method(answers):
    """scikit-learn's own words, as for its scorers."""
    X, y, _ = answers
    with pytest.raises(AttributeError, match=r"SVC has none of the following attributes: predict_proba"):
        neg_cross_entropy(SVC().fit(X, y), X, y)


def test_binary_scorer_with_three_classes(flowers):
    """Two classes, it says, and what it got."""
    X, y, _ = flowers
    with pytest.raises(ValueError, match=r"two classes"):
        neg_binary_cross_entropy(LogisticRegression().fit(X, y), X, y)


# Bad input


SIX = (np.arange(12.0).reshape(6, 2), np.array(list("aabbab")))


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ("ab", TypeError, "labels must be a list"),
        (3, ValueError, r"labels must have shape \(k,\), got \(\)"),
        (["a", "a"], ValueError, r"labels must not repeat a class, got \['a'\]"),
        ([["a"], ["a", "b"]], ValueError, "labels must have shape"),
    ],
    ids=str,
)
def test_bad_labels_of_a_scorer(labels, error, message):
    """The metric says so, before anything is counted."""
    model = LogisticRegression().fit(*SIX)
    with pytest.raises(error, match=message):
        make_scorer(cross_entropy_loss, labels=labels)(model, *SIX)


@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        ([["a"], ["a", "b"], *"abab"], ValueError, "rows of different lengths"),
        ([{}] * 6, TypeError, "y_true must hold labels, numbers or strings: row 0"),
        (sparse.csr_array(np.ones((6, 1))), TypeError, "y_true must be dense"),
        (np.full(6, np.nan), ValueError, "y_true must not have missing labels: row 0"),
        (np.arange(6) / 7, ValueError, "y_true must hold labels, got continuous values"),
    ],
    ids=["ragged", "dicts", "sparse", "missing", "continuous"],
)
def test_bad_targets_of_a_scorer(y, error, message):
    """The same, and no warning of unseen classes before it."""
    model = LogisticRegression().fit(*SIX)
    with pytest.raises(error, match=message):
        make_scorer(cross_entropy_loss)(model, SIX[0], y)


def test_no_response_method():
    """An empty list names none."""
    with pytest.raises(TypeError, match=r"response_method must be a method's name or a list of them, got \[\]"):
        make_scorer(cross_entropy_loss, response_method=[])


@pytest.mark.parametrize("metric", [cross_entropy_loss, focal_loss])
def test_balanced_weights_in_folds_of_classes_that_were_never_seen(metric):
    """A number, not nan."""
    X, y = np.random.default_rng(0).normal(size=(90, 3)), np.repeat(list("abc"), 30)
    scorer = make_scorer(metric, class_weight="balanced")
    with pytest.warns(UserWarning, match="fitted without the classes"):
        scores = cross_val_score(LogisticRegression(), X, y, cv=KFold(3), scoring=scorer)
    assert_allclose(scores, np.log(np.finfo(float).eps))


class Bare(BaseEstimator):
    """An estimator that does not say what its classes are."""

    def fit(self, X, y):
        self.inside_ = LogisticRegression().fit(X, y)
        return self

    def predict_proba(self, X):
        return self.inside_.predict_proba(X)


def test_positive_class_of_an_estimator_without_classes():
    """The metric finds the classes in the labels."""
    X = np.random.default_rng(0).normal(size=(60, 3))
    y = np.where(X[:, 0] + X[:, 1] > 0, "yes", "no")
    scorer = make_scorer(binary_cross_entropy_loss, pos_label="yes")
    model = Bare().fit(X, y)
    assert scorer(model, X, y) == pytest.approx(scorer(model.inside_, X, y), rel=1e-15)
