"""Soft labels: a distribution a row is each class's row, weighted by its probability."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse, special
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skce import CrossEntropyClassifier, CrossEntropyClassifierCV, neg_cross_entropy, neg_kl_divergence
from skce.solvers import MINI_BATCH, SOLVERS
from tests.test_classifier import assert_same_fit, tight

all_sizes = pytest.mark.parametrize("k", [2, 3, 5])
full_solvers = pytest.mark.parametrize("solver", sorted(SOLVERS.keys() - MINI_BATCH))
ALPHA = 0.05


def problem(k=3, n=120, d=4, seed=0):
    """Standardised features, soft labels that depend on them, some of them certain, and weights."""
    rng = np.random.default_rng(seed)
    X = StandardScaler().fit_transform(rng.normal(size=(n, d)))
    concentrations = 0.3 + special.softmax(X @ rng.normal(size=(d, k)), axis=1)
    y = np.array([rng.dirichlet(row) for row in concentrations])
    y[:5] = np.eye(k)[rng.integers(k, size=5)]
    return X, y, rng.exponential(size=n)


def repeated(X, y, weights=None):
    """Each row once for each class, with its probability as a weight."""
    n, k = y.shape
    weights = np.ones(n) if weights is None else weights
    return np.repeat(X, k, axis=0), np.tile(np.arange(k), n), (weights[:, None] * y).ravel()


def peer(X, y, weights, total):
    """scikit-learn's optimum for repeated rows."""
    model = LogisticRegression(C=1 / (ALPHA * total), solver="newton-cholesky", tol=1e-10, max_iter=1000)
    return model.fit(*repeated(X, y, weights))


# What is fitted


@full_solvers
@all_sizes
@pytest.mark.parametrize("weighted", [True, False])
def test_soft_rows_are_repeated_rows(solver, k, weighted):
    """The optimum of LogisticRegression, and of our own fit, to K rows for each, weighted by y."""
    X, y, s = problem(k)
    s = s if weighted else None
    model = tight(solver).fit(X, y, s)
    assert_same_fit(model, peer(X, y, s, len(X) if s is None else s.sum()))
    assert_same_fit(model, tight(solver).fit(*repeated(X, y, s)))
    assert model.converged_


@all_sizes
@pytest.mark.parametrize("class_weight", [{0: 0.3, 1: 2.5}, "balanced"], ids=str)
@pytest.mark.parametrize("e", [0.0, 0.2])
def test_class_weight_and_smoothing(k, class_weight, e):
    """Weights multiply the terms of the smoothed target; S counts the target that was given."""
    X, y, s = problem(k)
    model = tight(class_weight=class_weight, label_smoothing=e).fit(X, y, s)
    if class_weight == "balanced":
        w = s.sum() / (k * (s @ y))
    else:
        w = np.array([class_weight.get(c, 1.0) for c in range(k)])
    assert_same_fit(model, peer(X, ((1 - e) * y + e / k) * w, s, s @ y @ w))


@all_sizes
@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_loss_of_soft_rows(k, gamma):
    """The same minimum as from repeated rows."""
    X, y, s = problem(k)
    assert_same_fit(tight(gamma=gamma).fit(X, y, s), tight(gamma=gamma).fit(*repeated(X, y, s)), 1e-5)


@pytest.mark.parametrize("solver", sorted(MINI_BATCH))
@all_sizes
def test_mini_batches_of_soft_rows(solver, k):
    """They come near what lbfgs finds."""
    X, y, s = problem(k, n=600)
    model = CrossEntropyClassifier(solver=solver, alpha=ALPHA).fit(X, y, s)
    assert_allclose(model.predict_proba(X), tight().fit(X, y, s).predict_proba(X), atol=0.02)


@all_sizes
def test_sparse_features(k):
    """As dense ones."""
    X, y, s = problem(k)
    X = np.where(np.abs(X) < 0.5, 0, X)
    assert_same_fit(tight().fit(sparse.csr_array(X), y, s), tight().fit(X, y, s))


@all_sizes
@pytest.mark.parametrize("dtype", [float, np.float32, int, bool])
def test_one_hot_rows_are_labels(k, dtype):
    """With link="softmax", which says that they are not several labels a row. Rounding decides about steps of 1e-15."""
    X, y, s = problem(k)
    codes = y.argmax(axis=1)
    one_hot = tight(link="softmax", tol=1e-9).fit(X, np.eye(k)[codes].astype(dtype), s)
    assert_same_fit(one_hot, tight(link="softmax", tol=1e-9).fit(X, codes, s), 1e-9)
    assert_array_equal(one_hot.predict(X), tight(link="softmax").fit(X, codes, s).predict(X))


def test_rows_need_not_sum_to_one_to_the_last_digit():
    """Ensembles in single precision drift by 1e-6: the fit is that of what was given."""
    X, y, s = problem()
    assert_same_fit(tight().fit(X, y.astype(np.float32), s), tight().fit(X, y, s), 1e-4)
    tight().fit(X, y * (1 - 5e-5), s)


def test_class_of_no_mass():
    """A column of zeros is a class that has not been seen: next to no probability, and no trouble."""
    X, y, s = problem()
    model = tight().fit(X, np.column_stack([y, np.zeros(len(y))]), s)
    assert model.converged_
    assert model.predict_proba(X)[:, 3].max() < 1e-3


def test_path_of_penalties():
    """CrossEntropyClassifierCV scores soft labels by their cross-entropy, as a search does."""
    X, y, _ = problem()
    alphas, folds = [0.01, 0.1, 1.0], KFold(3)
    path = CrossEntropyClassifierCV(alphas=alphas, cv=folds, tol=1e-9).fit(X, y)
    search = GridSearchCV(CrossEntropyClassifier(tol=1e-9), {"alpha": alphas}, cv=folds, scoring=neg_cross_entropy)
    scores = search.fit(X, y).cv_results_["mean_test_score"][::-1]
    assert_allclose(path.scores_.mean(axis=1), scores, rtol=1e-5)
    assert path.alpha_ == search.best_params_["alpha"]


# Names


NAMES = ["cat", "dog", "ant"]
TABLES = {"pandas": lambda y: pd.DataFrame(y, columns=NAMES), "polars": lambda y: pl.DataFrame(y, schema=NAMES)}


@pytest.mark.parametrize("table", TABLES)
def test_columns_name_the_classes(table):
    """In the order of the columns: they are what predict answers with, and what class_weight refers to."""
    X, y, s = problem()
    model = tight(class_weight={"dog": 3.0}).fit(X, TABLES[table](y), s)
    plain = tight(class_weight={1: 3.0}).fit(X, y, s)
    assert_array_equal(model.classes_, NAMES)
    assert_array_equal(model.predict(X), np.array(NAMES)[plain.predict(X)])
    assert_allclose(model.coef_, plain.coef_, rtol=1e-12)


def test_default_columns_are_numbers():
    """A DataFrame without names of its own."""
    X, y, s = problem()
    assert_array_equal(tight().fit(X, pd.DataFrame(y), s).classes_, [0, 1, 2])
    assert_array_equal(tight().fit(X, pd.DataFrame(y, columns=[5, 3, 9]), s).classes_, [5, 3, 9])


def test_lists_of_rows():
    """Plain lists, and a list of arrays."""
    X, y, s = problem()
    expected = tight().fit(X, y, s).coef_
    assert_array_equal(tight().fit(X.tolist(), y.tolist(), s.tolist()).coef_, expected)
    assert_array_equal(tight().fit(X, list(y), s).coef_, expected)


# Scores


@all_sizes
def test_score_is_the_probability_of_what_is_predicted(k):
    """The weighted mean of what the soft labels give to the predicted class: the expected accuracy."""
    X, y, s = problem(k)
    model = tight().fit(X, y, s)
    expected = np.average(y[np.arange(len(y)), model.predict(X)], weights=s)
    assert model.score(X, y, s) == pytest.approx(expected, rel=1e-12)
    rng = np.random.default_rng(0)
    drawn = [model.score(X, [rng.choice(k, p=row) for row in y], s) for _ in range(200)]
    assert np.mean(drawn) == pytest.approx(expected, abs=4 * np.std(drawn) / 200**0.5)


def test_score_of_labels_and_one_hot_rows():
    """Both are accuracy, whatever the classifier was fitted to."""
    X, y, s = problem()
    codes = y.argmax(axis=1)
    for model in (tight().fit(X, y, s), tight().fit(X, codes, s)):
        accuracy = np.average(model.predict(X) == codes, weights=s)
        assert model.score(X, codes, s) == pytest.approx(accuracy)
        assert model.score(X, np.eye(3)[codes], s) == pytest.approx(accuracy)


def test_score_pairs_columns_by_name():
    """In whatever order they come; others are refused."""
    X, y, s = problem()
    table = TABLES["pandas"](y)
    model = tight().fit(X, table, s)
    assert model.score(X, table[["ant", "cat", "dog"]], s) == pytest.approx(model.score(X, table, s))
    with pytest.raises(ValueError, match="columns of y"):
        model.score(X, table.rename(columns={"ant": "bee"}))
    with pytest.raises(ValueError, match="must have 3 columns"):
        model.score(X, np.full((len(X), 2), 0.5))
    with pytest.raises(ValueError, match="as many rows"):
        model.score(X[1:], y)


@all_sizes
def test_cross_validation(k):
    """Each fold's score is the formula, for cross-entropy and divergence; they differ by the entropy of y."""
    X, y, _ = problem(k)
    folds = KFold(4)
    scores = cross_val_score(tight(), X, y, scoring=neg_cross_entropy, cv=folds)
    for score, (train, test) in zip(scores, folds.split(X), strict=True):
        proba = peer(X[train], y[train], None, len(train)).predict_proba(X[test])
        assert score == pytest.approx(np.mean(np.sum(special.xlogy(y[test], proba), axis=1)), rel=1e-6)
    entropies = [np.mean(special.entr(y[test]).sum(axis=1)) for _, test in folds.split(X)]
    divergences = cross_val_score(tight(), X, y, scoring=neg_kl_divergence, cv=folds)
    assert_allclose(divergences, scores + entropies, rtol=1e-9)


@pytest.mark.parametrize("scoring", [neg_cross_entropy, neg_kl_divergence, None], ids=["cross-entropy", "kl", "score"])
def test_grid_search(scoring):
    """Over what people tune, behind a scaler, with numbers as folds and named columns."""
    X, y, _ = problem()
    grid = {
        "crossentropyclassifier__alpha": [1e-3, 1e-1],
        "crossentropyclassifier__label_smoothing": [0.0, 0.1],
        "crossentropyclassifier__gamma": [0.0, 1.0],
        "crossentropyclassifier__class_weight": [None, "balanced"],
    }
    pipeline = make_pipeline(StandardScaler(), CrossEntropyClassifier())
    search = GridSearchCV(pipeline, grid, scoring=scoring, cv=3).fit(X, TABLES["pandas"](y))
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert set(search.predict(X)) <= set(NAMES)


# Bad input


def spoiled(row, *values):
    """Soft labels with one bad row."""
    _, y, _ = problem()
    y[row] = values
    return y


@pytest.mark.parametrize(
    ("y", "options", "message"),
    [
        (spoiled(7, 0.5, 0.4, 0.2), {}, "must sum to 1: row 7 sums to 1.1"),
        (spoiled(7, 1.5, -0.25, -0.25), {}, r"probabilities in \[0, 1\]: row 7 has 1.5"),
        (spoiled(7, np.nan, 0.5, 0.5), {"link": "softmax"}, "must be finite: row 7 has nan"),
        (spoiled(7, np.inf, 0.5, 0.5), {}, "must be finite: row 7 has inf"),
        (2 * problem()[1], {}, "several labels a row"),
        (problem()[1][1:], {}, "as many rows"),
        (problem()[1][:, :, None], {}, "dim"),
        (pd.DataFrame(problem()[1], columns=["a", "b", "a"]), {}, "must not repeat"),
        (problem()[1].astype(str).astype(object)[:, :2] + "x", {}, "must hold numbers"),
        (problem()[1], {"class_weight": {"cat": 2.0}}, "no class in common"),
        (problem()[1], {"class_weight": [1.0, 2.0]}, "3 weights"),
    ],
    ids=range(11),
)
def test_bad_soft_labels_are_refused(y, options, message):
    """One ValueError that says which row."""
    with pytest.raises(ValueError, match=message):
        CrossEntropyClassifier(**options).fit(problem()[0], y)


def test_sparse_soft_labels_are_refused():
    """As all sparse targets."""
    X, y, _ = problem()
    with pytest.raises(TypeError, match="y must be dense"):
        CrossEntropyClassifier().fit(X, sparse.csr_array(y))
