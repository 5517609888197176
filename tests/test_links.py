"""What a logit stands for: one sigmoid, a softmax, or a sigmoid for each class, for every form of y."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import special
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.multiclass import OneVsRestClassifier

from skce import CrossEntropyClassifier, neg_cross_entropy, neg_multilabel_cross_entropy
from skce.solvers import MINI_BATCH, SOLVERS
from tests.test_classifier import assert_same_fit, problem, tight

full_solvers = pytest.mark.parametrize("solver", sorted(SOLVERS.keys() - MINI_BATCH))
all_sizes = pytest.mark.parametrize("k", [2, 3, 5])
ALPHA = 0.05
"""That of `tight`."""


def targets(form, k, n=150, seed=0):
    """Features, a form of y, and weights."""
    X, codes, s = problem(k, n=n, seed=seed)
    rng = np.random.default_rng(seed)
    forms = {
        "labels": codes,
        "strings": np.array(list("abcde"))[codes],
        "soft": 0.5 * np.eye(k)[codes] + 0.5 * rng.dirichlet(np.ones(k), n),
        "one-hot": np.eye(k)[codes],
        "answers": (np.eye(k)[codes] + (rng.random((n, k)) < 0.3) > 0).astype(float),
    }
    return X, forms[form], s


# One sigmoid for each class


@full_solvers
@pytest.mark.parametrize("k", [3, 5])
@pytest.mark.parametrize("options", [{}, {"gamma": 2.0}, {"label_smoothing": 0.2}], ids=str)
def test_one_vs_rest_is_a_fit_for_each_class(solver, k, options):
    """K fits of two classes, with the same penalty, of any loss."""
    X, y, s = problem(k)
    model = tight(solver, link="sigmoid", **options).fit(X, y, s)
    parts = [tight(solver, **options).fit(X, y == c, s) for c in range(k)]
    assert_allclose(model.coef_, np.vstack([part.coef_ for part in parts]), atol=1e-5)
    assert_allclose(model.intercept_, np.hstack([part.intercept_ for part in parts]), atol=1e-5)


@pytest.mark.parametrize("k", [3, 5])
def test_one_vs_rest_is_scikit_learns(k):
    """Coefficients, probabilities that are scaled to sum to 1, and predictions."""
    X, y, _ = problem(k)
    binary = LogisticRegression(C=1 / (ALPHA * len(y)), solver="newton-cholesky", tol=1e-10)
    model, theirs = tight(link="sigmoid").fit(X, y), OneVsRestClassifier(binary).fit(X, y)
    assert_allclose(model.coef_, np.vstack([part.coef_ for part in theirs.estimators_]), atol=1e-6)
    assert_allclose(model.predict_proba(X), theirs.predict_proba(X), atol=1e-6)
    assert_allclose(model.decision_function(X), theirs.decision_function(X), atol=1e-5)
    assert_array_equal(model.predict(X), theirs.predict(X))


@pytest.mark.parametrize("class_weight", [{0: 0.3, 2: 2.5}, "balanced"], ids=str)
def test_class_weight_of_one_vs_rest(class_weight):
    """It is the weight of a row, in all of its questions, as for softmax."""
    X, y, s = problem(3)
    by_class = s.sum() / (3 * np.bincount(y, s)) if class_weight == "balanced" else np.array([0.3, 1.0, 2.5])
    model = tight(link="sigmoid", class_weight=class_weight).fit(X, y, s)
    assert_same_fit(model, tight(link="sigmoid").fit(X, y, s * by_class[y]))


def test_one_vs_rest_far_out():
    """Where every sigmoid rounds to 0 the probabilities still sum to 1, and their logarithms are finite."""
    X, y, _ = problem(4)
    model = tight(link="sigmoid").fit(X, y)
    model.intercept_ -= 2000
    far = 300 * X
    logs = special.log_expit(model.decision_function(far))
    assert (logs.max(axis=1) < -50).any()
    assert_allclose(model.predict_proba(far).sum(axis=1), 1, rtol=1e-12)
    assert np.isfinite(model.predict_log_proba(far)).all()
    assert_allclose(model.predict_log_proba(far), special.log_softmax(logs, axis=1), rtol=1e-12, atol=1e-12)


# A softmax of two classes


@full_solvers
@pytest.mark.parametrize("form", ["labels", "soft"])
@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_softmax_of_two_is_a_sigmoid_with_half_the_penalty(solver, form, gamma):
    """Its coefficients share the difference: half the square each way, so a quarter of it twice."""
    X, y, s = targets(form, 2)
    two = tight(solver, link="softmax", gamma=gamma, alpha=0.1).fit(X, y, s)
    one = tight(solver, gamma=gamma, alpha=0.05).fit(X, y, s)
    assert two.coef_.shape == (2, 4)
    assert_allclose(two.coef_[1] - two.coef_[0], one.coef_[0], atol=1e-5)
    assert_allclose(two.coef_.sum(axis=0), 0, atol=1e-5)
    assert_allclose(two.decision_function(X), one.decision_function(X), atol=1e-5)
    assert_allclose(two.predict_proba(X), one.predict_proba(X), atol=1e-5)
    assert_allclose(two.predict_log_proba(X), one.predict_log_proba(X), atol=1e-4)


@pytest.mark.parametrize("form", ["labels", "soft"])
def test_names_of_the_usual_links(form):
    """ "auto" is "softmax" for more than two classes; for two labels it is "sigmoid"."""
    X, y, s = targets(form, 3)
    assert_array_equal(tight().fit(X, y, s).coef_, tight(link="softmax").fit(X, y, s).coef_)
    X, y, s = targets("labels", 2)
    assert_array_equal(tight().fit(X, y, s).coef_, tight(link="sigmoid").fit(X, y, s).coef_)


# Every form with every link


CASES = [
    (form, link)
    for form in ("labels", "strings", "soft", "one-hot", "answers")
    for link in ("auto", "sigmoid", "softmax")
    if (form, link) != ("answers", "softmax")
]


def several(form, link):
    """Whether a row has several labels."""
    return form == "answers" or (form == "one-hot" and link != "softmax") or (form == "soft" and link == "sigmoid")


@pytest.mark.parametrize(("form", "link"), CASES)
@pytest.mark.parametrize("solver", ["lbfgs", "sgd", "adam"])
@all_sizes
def test_answers_of_a_link(form, link, solver, k):
    """Shapes, sums, order and dtypes of all that a fitted classifier says."""
    X, y, s = targets(form, k)
    model = CrossEntropyClassifier(link=link, alpha=0.05, solver=solver).fit(X, y, s)
    single = not several(form, link) and k == 2 and link != "softmax"
    assert model.coef_.shape == (1 if single else k, 4)
    assert model.intercept_.shape == model.coef_.shape[:1]
    proba, decision = model.predict_proba(X), model.decision_function(X)
    assert proba.shape == (150, k)
    assert_allclose(np.exp(model.predict_log_proba(X)), proba, rtol=1e-12)
    if several(form, link):
        assert decision.shape == (150, k)
        assert_array_equal(model.predict(X), (decision > 0).astype(int))
        assert_allclose(proba, special.expit(decision), rtol=1e-12)
    else:
        assert decision.shape == ((150,) if k == 2 else (150, k))
        assert_allclose(proba.sum(axis=1), 1, rtol=1e-12)
        assert_array_equal(model.predict(X), model.classes_[proba.argmax(axis=1)])
        winner = (decision > 0).astype(int) if k == 2 else decision.argmax(axis=1)
        assert_array_equal(model.predict(X), model.classes_[winner])
    assert 0 <= model.score(X, y, s) <= 1
    if form in ("labels", "strings"):
        assert model.score(X, y) > 1.2 / k


@pytest.mark.parametrize(("form", "link"), CASES)
def test_all_options_in_a_grid_search(form, link):
    """label_smoothing, gamma, class_weight and solvers, for all forms of y."""
    X, y, _ = targets(form, 3, n=90)
    scoring = neg_multilabel_cross_entropy if several(form, link) else neg_cross_entropy
    first = y.dtype.type("a") if form == "strings" else 0
    grid = {
        "label_smoothing": [0.0, 0.2],
        "gamma": [0.0, 1.5],
        "class_weight": [None, "balanced", {first: 2.0}],
        "solver": ["lbfgs", "sgd"],
    }
    search = GridSearchCV(CrossEntropyClassifier(link=link, alpha=0.05), grid, scoring=scoring, cv=KFold(2))
    assert np.isfinite(search.fit(X, y).cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize(("form", "link"), CASES)
@all_sizes
def test_weight_two_is_a_row_twice(form, link, k):
    """For every form and link."""
    X, y, _ = targets(form, k)
    often = np.random.default_rng(1).integers(0, 3, size=len(X))
    repeated = tight(link=link).fit(np.repeat(X, often, axis=0), np.repeat(y, often, axis=0))
    weighted = tight(link=link).fit(X, y, often)
    assert_allclose(weighted.coef_, repeated.coef_, atol=1e-6)
    assert_allclose(weighted.intercept_, repeated.intercept_, atol=1e-6)


@pytest.mark.parametrize(("form", "link"), [case for case in CASES if case[0] != "strings"])
@all_sizes
def test_order_of_classes_does_not_matter(form, link, k):
    """Columns in another order, or labels that sort otherwise, are the same model."""
    X, y, s = targets(form, k)
    model = tight(link=link).fit(X, y, s)
    turned = tight(link=link).fit(X, -y if y.ndim == 1 else y[:, ::-1], s)
    assert_allclose(turned.predict_proba(X), model.predict_proba(X)[:, ::-1], atol=1e-6)


def test_unknown_link():
    """The names are listed."""
    X, y, _ = problem()
    with pytest.raises(ValueError, match="Unknown link 'logit'; use one of 'auto', 'sigmoid', 'softmax'"):
        CrossEntropyClassifier(link="logit").fit(X, y)
