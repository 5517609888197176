"""Several labels a row: a logistic regression for each, on the rows where it is known."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse, special
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    average_precision_score,
    coverage_error,
    f1_score,
    get_scorer,
    hamming_loss,
    label_ranking_average_precision_score,
    label_ranking_loss,
    make_scorer,
    roc_auc_score,
)
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_val_score, cross_validate
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skce import (
    CrossEntropyClassifier,
    CrossEntropyClassifierCV,
    multilabel_cross_entropy_loss,
    neg_multilabel_cross_entropy,
)
from skce.solvers import MINI_BATCH, SOLVERS
from tests.test_classifier import assert_same_fit, tight

full_solvers = pytest.mark.parametrize("solver", sorted(SOLVERS.keys() - MINI_BATCH))
ALPHA = 0.05
FOLDS = KFold(3)


def problem(n=150, d=4, n_labels=3, unknown=0.0, seed=0):
    """Features, answers of which a part may be unknown, and weights."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    Y = (X @ rng.normal(size=(d, n_labels)) + rng.logistic(size=(n, n_labels)) > 0.3).astype(float)
    Y[rng.random(Y.shape) < unknown] = np.nan
    return X, Y, rng.exponential(size=n)


def binary(X, y, weights, total):
    """scikit-learn's fit of one label's known rows, in an objective divided by `total`."""
    known = ~np.isnan(y)
    model = LogisticRegression(C=1 / (ALPHA * total), solver="newton-cholesky", tol=1e-10, max_iter=1000)
    return model.fit(X[known], y[known], weights[known])


def assert_is_binaries(model, X, Y, weights, total):
    """Row after row of coefficients is the fit of one label; `weights` (n, L)."""
    for label, y in enumerate(Y.T):
        expected = binary(X, y, weights[:, label], total)
        assert_allclose(model.coef_[label], expected.coef_[0], atol=1e-6)
        assert_allclose(model.intercept_[label], expected.intercept_[0], atol=1e-6)


# What is fitted


@full_solvers
@pytest.mark.parametrize("unknown", [0.0, 0.3])
@pytest.mark.parametrize("weighted", [True, False])
def test_labels_are_logistic_regressions(solver, unknown, weighted):
    """One for each, of its known rows, divided by the weight of all."""
    X, Y, s = problem(unknown=unknown)
    s = s if weighted else np.ones(len(X))
    model = tight(solver).fit(X, Y, s if weighted else None)
    assert_is_binaries(model, X, Y, np.tile(s[:, None], 3), s.sum())
    assert model.coef_.shape == (3, 4)
    assert model.converged_


@pytest.mark.parametrize("class_weight", [{0: 3.0, 2: 0.4}, "balanced"], ids=str)
def test_class_weight(class_weight):
    """A dict weighs the rows that have a label; "balanced" makes yes and no of each label count the same."""
    X, Y, s = problem(unknown=0.2)
    model = tight(class_weight=class_weight).fit(X, Y, s)
    yes, no = s @ (Y == 1), s @ (Y == 0)
    if class_weight == "balanced":
        w_yes, w_no = (yes + no) / (2 * yes), (yes + no) / (2 * no)
    else:
        w_yes, w_no = np.array([3.0, 1.0, 0.4]), np.ones(3)
    assert_is_binaries(model, X, Y, s[:, None] * np.where(Y == 1, w_yes, w_no), s.sum())


@pytest.mark.parametrize("gamma", [0.0, 2.0])
@pytest.mark.parametrize("e", [0.0, 0.2])
def test_smoothing_and_focal_loss(gamma, e):
    """Each label is the classifier's own fit of two classes, with the penalty that belongs to its known rows."""
    X, Y, s = problem(unknown=0.2)
    model = tight(gamma=gamma, label_smoothing=e).fit(X, Y, s)
    for label, y in enumerate(Y.T):
        known = ~np.isnan(y)
        alpha = ALPHA * s.sum() / s[known].sum()
        own = tight(gamma=gamma, label_smoothing=e, alpha=alpha).fit(X[known], y[known], s[known])
        assert_allclose(model.coef_[label], own.coef_[0], atol=1e-5)
        assert_allclose(model.intercept_[label], own.intercept_[0], atol=1e-5)


def test_uncertain_answers():
    """link="sigmoid" takes numbers between no and yes: each is both, weighted."""
    X, Y, s = problem()
    soft = 0.8 * Y + 0.07
    model = tight(link="sigmoid").fit(X, soft, s)
    twice, answers = np.vstack([X, X]), np.repeat([1.0, 0.0], len(X))
    for label in range(3):
        weights = np.concatenate([s * soft[:, label], s * (1 - soft[:, label])])
        expected = binary(twice, answers, weights, s.sum())
        assert_allclose(model.coef_[label], expected.coef_[0], atol=1e-6)


@pytest.mark.parametrize("solver", sorted(MINI_BATCH))
def test_mini_batches(solver):
    """They come near what lbfgs finds, unknown answers or not."""
    X, Y, s = problem(n=900, unknown=0.2)
    model = CrossEntropyClassifier(solver=solver, alpha=ALPHA).fit(X, Y, s)
    assert_allclose(model.predict_proba(X), tight().fit(X, Y, s).predict_proba(X), atol=0.02)


def test_multi_output_classifier_is_the_same():
    """scikit-learn's wrapper around two-class fits."""
    X, Y, s = problem()
    model, wrapped = tight().fit(X, Y, s), MultiOutputClassifier(tight()).fit(X, Y, sample_weight=s)
    assert_allclose(model.coef_, np.vstack([part.coef_ for part in wrapped.estimators_]), atol=1e-6)
    assert_array_equal(model.predict(X), wrapped.predict(X))
    assert_allclose(model.predict_proba(X), np.column_stack([p[:, 1] for p in wrapped.predict_proba(X)]), atol=1e-6)


def test_row_without_any_answer_is_absent():
    """But for the weight that the mean is divided by."""
    X, Y, _ = problem()
    Y[:50] = np.nan
    model = tight(alpha=ALPHA).fit(X, Y)
    assert_same_fit(model, tight(alpha=ALPHA * 150 / 100).fit(X[50:], Y[50:]))


def test_label_that_is_always_there():
    """One answer throughout is no error: the intercept says so."""
    X, Y, _ = problem()
    Y[:, 1] = 1
    model = CrossEntropyClassifier().fit(X, Y)
    assert model.predict_proba(X)[:, 1].min() > 0.999
    assert np.isfinite(model.coef_).all()


def test_sparse_features():
    """As dense ones."""
    X, Y, s = problem(unknown=0.2)
    X = np.where(np.abs(X) < 0.5, 0, X)
    assert_same_fit(tight().fit(sparse.csr_array(X), Y, s), tight().fit(X, Y, s))


# Forms of y


@pytest.mark.parametrize("dtype", [int, bool, np.int8, np.float32])
def test_dtype_of_answers(dtype):
    """Whatever holds 0 and 1; predictions are integers."""
    X, Y, _ = problem()
    model = tight().fit(X, Y.astype(dtype))
    assert_array_equal(model.coef_, tight().fit(X, Y).coef_)
    assert model.predict(X).dtype.kind == "i"


def test_names_and_missing_values():
    """DataFrames of both kinds, with their own sorts of unknown."""
    X, Y, _ = problem(unknown=0.2)
    names = ["rain", "wind", "hail"]
    expected = tight().fit(X, Y).coef_
    integers = pd.DataFrame(Y, columns=names).astype("Int64")
    lists = {name: [None if np.isnan(v) else int(v) for v in column] for name, column in zip(names, Y.T, strict=True)}
    for table in (pd.DataFrame(Y, columns=names), integers, pl.DataFrame(lists)):
        model = tight().fit(X, table)
        assert_array_equal(model.classes_, names)
        assert_array_equal(model.coef_, expected)
    assert_array_equal(
        tight(class_weight={"wind": 2}).fit(X, integers).coef_, tight(class_weight={1: 2}).fit(X, Y).coef_
    )


# Answers


def test_answers_agree():
    """A sigmoid of each logit; a label is there if its probability is more than one half."""
    X, Y, _ = problem()
    model = tight().fit(X, Y)
    logits = model.decision_function(X)
    assert_allclose(logits, X @ model.coef_.T + model.intercept_, rtol=1e-12)
    assert_allclose(model.predict_proba(X), special.expit(logits), rtol=1e-13)
    assert_array_equal(model.predict(X), (model.predict_proba(X) > 0.5).astype(int))
    far = model.predict_log_proba(1e3 * X)
    assert np.isfinite(far).all()
    assert_allclose(far, special.log_expit(model.decision_function(1e3 * X)), rtol=1e-13)


def test_score_is_that_all_known_labels_are_right():
    """A weighted mean over rows; unknown labels are not counted, neither are rows where all are unknown."""
    X, Y, s = problem(unknown=0.3)
    model = tight().fit(X, Y, s)
    right = [all(p == t for p, t in zip(*row, strict=True) if t == t) for row in zip(model.predict(X), Y, strict=True)]
    known = ~np.isnan(Y).all(axis=1)
    assert 0 < known.sum() < len(Y)
    assert model.score(X, Y, s) == pytest.approx(np.average(np.array(right)[known], weights=s[known]))
    X, Y, s = problem()
    model = tight().fit(X, Y, s)
    assert model.score(X, Y, s) == pytest.approx(get_scorer("accuracy")(model, X, Y, sample_weight=s))


@pytest.mark.parametrize(
    "scoring", ["f1_macro", "f1_micro", "accuracy", "average_precision", "roc_auc", "jaccard_macro"]
)
def test_scorers_of_scikit_learn(scoring):
    """In cross_val_score they are what the metric gives for each fold's answers."""
    X, Y, _ = problem()
    scores = cross_val_score(tight(), X, Y, scoring=scoring, cv=FOLDS)
    wrapped = cross_val_score(MultiOutputClassifier(tight()), X, Y, scoring=scoring, cv=FOLDS)
    assert_allclose(scores, wrapped, atol=1e-6)


@pytest.mark.parametrize(
    "metric",
    [label_ranking_loss, label_ranking_average_precision_score, coverage_error, average_precision_score, roc_auc_score],
    ids=lambda metric: metric.__name__,
)
def test_ranking_metrics_of_scikit_learn(metric):
    """Probabilities and logits of the labels rank them alike, so that either scores."""
    X, Y, _ = problem()
    by_proba, by_logit = (make_scorer(metric, response_method=r) for r in ("predict_proba", "decision_function"))
    model = tight().fit(X, Y)
    assert by_proba(model, X, Y) == pytest.approx(metric(Y, special.expit(X @ model.coef_.T + model.intercept_)))
    assert by_logit(model, X, Y) == pytest.approx(by_proba(model, X, Y))


def test_several_metrics_at_once():
    """cross_validate with both sorts of answers, and ours."""
    X, Y, _ = problem()
    scoring = {"hamming": make_scorer(hamming_loss), "entropy": neg_multilabel_cross_entropy, "f1": "f1_samples"}
    scoring["f1"] = make_scorer(f1_score, average="samples", zero_division=1)
    found = cross_validate(tight(), X, Y, scoring=scoring, cv=FOLDS)
    for i, (train, test) in enumerate(FOLDS.split(X)):
        model = tight().fit(X[train], Y[train])
        proba, labels = model.predict_proba(X[test]), model.predict(X[test])
        assert found["test_hamming"][i] == pytest.approx(np.mean(labels != Y[test]))
        terms = special.xlogy(Y[test], proba) + special.xlogy(1 - Y[test], 1 - proba)
        assert found["test_entropy"][i] == pytest.approx(terms.mean(), rel=1e-6)


def test_our_scorer_leaves_unknown_answers_out():
    """In cross_val_score, and as the metric has it."""
    X, Y, _ = problem(unknown=0.3)
    scores = cross_val_score(tight(), X, Y, scoring=neg_multilabel_cross_entropy, cv=FOLDS)
    for score, (train, test) in zip(scores, FOLDS.split(X), strict=True):
        proba = tight().fit(X[train], Y[train]).predict_proba(X[test])
        assert score == pytest.approx(-multilabel_cross_entropy_loss(Y[test], proba), rel=1e-9)
        terms = special.xlogy(Y[test], proba) + special.xlogy(1 - Y[test], 1 - proba)
        assert score == pytest.approx(np.nanmean(terms), rel=1e-6)


def test_search_in_a_pipeline():
    """Over what people tune, with unknown answers."""
    X, Y, _ = problem(unknown=0.2)
    grid = {
        "crossentropyclassifier__alpha": [1e-3, 0.1],
        "crossentropyclassifier__gamma": [0.0, 1.0],
        "crossentropyclassifier__label_smoothing": [0.0, 0.1],
        "crossentropyclassifier__class_weight": [None, "balanced", {0: 2.0}],
        "crossentropyclassifier__link": ["auto", "sigmoid"],
    }
    pipeline = make_pipeline(StandardScaler(), CrossEntropyClassifier())
    search = GridSearchCV(pipeline, grid, scoring=neg_multilabel_cross_entropy, cv=FOLDS).fit(X, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.predict(X).shape == Y.shape


def test_path_of_penalties_with_unknown_answers():
    """A number of folds is enough, and the scores are those of a search."""
    X, Y, _ = problem(unknown=0.2)
    alphas = [0.01, 0.1, 1.0]
    path = CrossEntropyClassifierCV(alphas=alphas, cv=3, tol=1e-9).fit(X, Y)
    search = GridSearchCV(
        CrossEntropyClassifier(tol=1e-9), {"alpha": alphas}, cv=FOLDS, scoring=neg_multilabel_cross_entropy
    ).fit(X, Y)
    assert_allclose(path.scores_.mean(axis=1), search.cv_results_["mean_test_score"][::-1], rtol=1e-5)


def test_cross_val_predict():
    """Probabilities of rows that a fit has not seen."""
    X, Y, _ = problem()
    found = cross_val_predict(tight(), X, Y, cv=FOLDS, method="predict_proba")
    for train, test in FOLDS.split(X):
        assert_allclose(found[test], tight().fit(X[train], Y[train]).predict_proba(X[test]), rtol=1e-9)
    assert_array_equal(cross_val_predict(tight(), X, Y, cv=FOLDS), found > 0.5)


def test_chain():
    """scikit-learn's chain of two-class fits, each with the labels before it as features."""
    X, Y, _ = problem()
    chain = ClassifierChain(tight()).fit(X, Y)
    second = tight().fit(np.column_stack([X, Y[:, 0]]), Y[:, 1])
    assert_allclose(chain.estimators_[1].coef_, second.coef_, atol=1e-9)
    assert chain.predict_proba(X).shape == Y.shape


@pytest.mark.parametrize(("link", "expected"), [("auto", True), ("sigmoid", True), ("softmax", False)])
def test_tags(link, expected):
    """scikit-learn's tools ask whether several labels are understood."""
    assert CrossEntropyClassifier(link=link).__sklearn_tags__().classifier_tags.multi_label is expected


# Bad input


def changed(change):
    """Answers after a change of place."""
    Y = problem()[1]
    change(Y)
    return Y


@pytest.mark.parametrize(
    ("Y", "options", "message"),
    [
        (changed(lambda Y: Y.__setitem__((slice(None), 2), np.nan)), {}, r"no known answer for the labels \[2\]"),
        (changed(lambda Y: Y.__setitem__((7, 1), 2)), {"link": "sigmoid"}, r"in \[0, 1\].*row 7 has 2"),
        (changed(lambda Y: Y.__setitem__((7, 1), -1)), {"link": "sigmoid"}, "row 7 has -1"),
        (changed(lambda Y: Y.__setitem__((7, 1), np.inf)), {"link": "sigmoid"}, "row 7 has inf"),
        (problem()[1], {"link": "softmax"}, "sum to 1"),
        (problem()[1], {"class_weight": "balance"}, "Unknown class_weight 'balance'"),
        (problem()[1], {"class_weight": {7: 2.0}}, "no class in common"),
        (problem()[1], {"class_weight": {0: -2.0}}, "non-negative"),
        (problem()[1], {"class_weight": [{0: 1, 1: 2}] * 3}, "class_weight must be"),
        (problem()[1][1:], {}, "as many rows"),
        (np.full((150, 2), "yes"), {}, "must hold numbers"),
        (problem()[1][:, :0], {}, "empty|shape"),
    ],
    ids=range(12),
)
def test_bad_answers_are_refused(Y, options, message):
    """One ValueError that says what."""
    with pytest.raises(ValueError, match=message):
        CrossEntropyClassifier(**options).fit(problem()[0], Y)


def test_several_labels_are_not_one():
    """Labels of shape (n,) do not score a classifier of several."""
    X, Y, _ = problem()
    model = CrossEntropyClassifier().fit(X, Y)
    with pytest.raises(ValueError, match="multilabel-indicator"):
        model.score(X, Y[:, 0])
