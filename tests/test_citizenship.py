"""In company: data frames, files, the tools around an estimator, SHAP, skops; what LogisticRegression is asked."""

import copy
import pickle
from email.message import Message
from importlib import metadata

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.feature_selection import RFE, SelectFromModel
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV, cross_val_score, learning_curve
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.utils import estimator_html_repr

from skce import CrossEntropyClassifier, CrossEntropyClassifierCV, neg_cross_entropy
from skce.solvers import SOLVERS
from tests.test_links import CASES, targets

all_solvers = pytest.mark.parametrize("solver", sorted(SOLVERS))
all_cases = pytest.mark.parametrize(("form", "link"), CASES)


def fitted(form="labels", link="auto", k=3, **options):
    """A fitted classifier and its data."""
    X, y, s = targets(form, k)
    return CrossEntropyClassifier(link=link, **({"alpha": 0.05} | options)).fit(X, y, s), X, y


# Data frames


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
@all_solvers
def test_features_of_a_data_frame(frame, solver):
    """The names are kept, and checked; labels may be a Series of the same library."""
    X, y, s = targets("strings", 3)
    names = ["a", "b", "c", "d"]
    table = frame(dict(zip(names, X.T, strict=True)))
    series = pd.Series(y, index=range(9, 9 + len(y))) if frame is pd.DataFrame else pl.Series(y)
    weights = pd.Series(s) if frame is pd.DataFrame else pl.Series(s)
    model = CrossEntropyClassifier(solver=solver, alpha=0.05).fit(table, series, weights)
    assert_array_equal(model.feature_names_in_, names)
    assert_allclose(model.coef_, CrossEntropyClassifier(solver=solver, alpha=0.05).fit(X, y, s).coef_, atol=1e-9)
    assert_array_equal(model.predict(table), model.predict(table[names]))
    assert model.score(table, series) > 0.5
    with pytest.raises(ValueError, match="feature names"):
        model.predict(table[["b", "a", "c", "d"]])


def test_frames_with_whole_and_missing_numbers():
    """Integers, bools and pandas' own types are numbers; a missing value is refused."""
    X, y, _ = targets("labels", 3)
    table = pd.DataFrame({"a": X[:, 0], "b": pd.array((10 * X[:, 1]).astype(int), "Int64"), "c": X[:, 2] > 0})
    model = CrossEntropyClassifier().fit(table, y)
    assert_allclose(model.coef_, CrossEntropyClassifier().fit(table.to_numpy(float), y).coef_, atol=1e-9)
    table.loc[3, "b"] = pd.NA
    with pytest.raises(ValueError, match="NaN"):
        CrossEntropyClassifier().fit(table, y)


# Copies and files


@all_cases
@all_solvers
def test_copies_answer_alike(form, link, solver, tmp_path):
    """pickle, joblib and deepcopy, for every form of y and solver; and a clone is not fitted."""
    model, X, _ = fitted(form, link, solver=solver)
    joblib.dump(model, tmp_path / "model")
    for twin in (pickle.loads(pickle.dumps(model)), joblib.load(tmp_path / "model"), copy.deepcopy(model)):
        assert_array_equal(twin.predict_proba(X), model.predict_proba(X))
        assert_array_equal(twin.predict(X), model.predict(X))
    assert not hasattr(clone(model), "coef_")
    assert clone(model).get_params() == model.get_params()


@all_cases
@pytest.mark.parametrize("solver", ["lbfgs", "sgd", "adam"])
def test_skops(form, link, solver):
    """A file that says what it holds: nothing but this library's own classes must be trusted."""
    skops = pytest.importorskip("skops.io")
    model, X, y = fitted(form, link, solver=solver)
    saved = skops.dumps(model)
    trusted = skops.get_untrusted_types(data=saved)
    assert trusted
    assert all(name.startswith("skce.") for name in trusted)
    twin = skops.loads(saved, trusted=trusted)
    assert_array_equal(twin.predict_proba(X), model.predict_proba(X))
    if solver != "lbfgs":
        assert_array_equal(twin.partial_fit(X, y).coef_, model.partial_fit(X, y).coef_)


def test_skops_of_the_usual_classifier():
    """Two names: the classifier's, and that of its link."""
    skops = pytest.importorskip("skops.io")
    saved = skops.dumps(fitted()[0])
    assert skops.get_untrusted_types(data=saved) == ["skce._link.Softmax", "skce.classifier.CrossEntropyClassifier"]


# HTML


def distribution(monkeypatch, *urls):
    """The installed distribution has these addresses."""
    message = Message()
    for url in urls:
        message["Project-URL"] = url
    monkeypatch.setattr(metadata, "metadata", lambda name: message)


@pytest.mark.parametrize("estimator", [CrossEntropyClassifier(), CrossEntropyClassifierCV()])
def test_html_links_to_the_documentation(monkeypatch, estimator):
    """Where the distribution names it; the page is that of the public class."""
    distribution(monkeypatch, "Source, https://example.org/code", "Documentation, https://example.org/docs/")
    address = f"https://example.org/docs/generated/skce.{type(estimator).__name__}.html"
    assert estimator._get_doc_link() == address
    assert f'href="{address}"' in estimator_html_repr(estimator)


def test_html_without_an_address(monkeypatch):
    """No link, and never one to scikit-learn's pages."""
    for urls in ([], ["Source, https://example.org/code"]):
        distribution(monkeypatch, *urls)
        assert CrossEntropyClassifier()._get_doc_link() == ""
        assert "href=" not in estimator_html_repr(CrossEntropyClassifier())

    def absent(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "metadata", absent)
    assert CrossEntropyClassifier()._get_doc_link() == ""


def test_html_of_a_fitted_classifier():
    """It shows the parameters that were set."""
    html = fitted()[0]._repr_html_()
    assert "CrossEntropyClassifier" in html
    assert "0.05" in html


# Tools around an estimator


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_searches_in_several_processes(n_jobs):
    """The same scores, whatever the number of workers."""
    X, y, _ = targets("strings", 3)
    grid = {"alpha": [1e-3, 0.1], "solver": ["lbfgs", "sgd"]}
    search = GridSearchCV(CrossEntropyClassifier(), grid, scoring=neg_cross_entropy, cv=3, n_jobs=n_jobs).fit(X, y)
    plain = GridSearchCV(CrossEntropyClassifier(), grid, scoring="neg_log_loss", cv=3).fit(X, y)
    assert_allclose(search.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"], rtol=1e-9)


@pytest.mark.parametrize(
    "wrapper",
    [
        lambda c: CalibratedClassifierCV(c, cv=3),
        lambda c: BaggingClassifier(c, n_estimators=3, random_state=0),
        lambda c: StackingClassifier([("a", c), ("b", clone(c).set_params(link="sigmoid"))], final_estimator=c),
        lambda c: VotingClassifier([("a", c), ("b", clone(c).set_params(link="softmax"))], voting="soft"),
        lambda c: OneVsRestClassifier(c),
        lambda c: OneVsOneClassifier(c),
        lambda c: RFE(c, n_features_to_select=2),
    ],
    ids=["calibrated", "bagging", "stacking", "voting", "one-vs-rest", "one-vs-one", "rfe"],
)
@pytest.mark.parametrize("solver", ["lbfgs", "sgd"])
def test_wrappers(wrapper, solver):
    """scikit-learn's estimators around an estimator."""
    X, y, _ = targets("strings", 3)
    model = wrapper(CrossEntropyClassifier(alpha=0.05, solver=solver)).fit(X, y)
    assert model.score(X, y) > 0.5
    assert_array_equal(model.classes_, ["a", "b", "c"])


def test_selection_by_coefficients():
    """SelectFromModel reads `coef_`: of columns that tell nothing none is kept."""
    X, y, _ = targets("labels", 3)
    wide = np.column_stack([X, np.random.default_rng(0).normal(0, 1e-3, (len(X), 2)) * [1, 1]])
    support = SelectFromModel(CrossEntropyClassifier(alpha=0.05)).fit(wide, y).get_support()
    assert not support[4:].any()
    assert support.any()


def test_threshold():
    """TunedThresholdClassifierCV, by probabilities and by logits."""
    X, y, _ = targets("labels", 2)
    for method in ("predict_proba", "decision_function"):
        model = TunedThresholdClassifierCV(CrossEntropyClassifier(), response_method=method, cv=3).fit(X, y)
        assert model.score(X, y) > 0.6


def test_learning_curve_by_partial_fit():
    """Of a solver that has it."""
    X, y, _ = targets("labels", 3)
    scores = learning_curve(
        CrossEntropyClassifier(solver="sgd"), X, y, train_sizes=[0.5, 1.0], cv=2, exploit_incremental_learning=True
    )[2]
    assert scores.min() > 0.4


@pytest.mark.parametrize("k", [2, 3])
def test_partial_dependence(k):
    """The mean probability with one feature set to a value, by hand."""
    model, X, _ = fitted(k=k)
    found = partial_dependence(model, X, [1], grid_resolution=5, percentiles=(0, 1))
    for value, average in zip(found["grid_values"][0], found["average"].T, strict=True):
        moved = X.copy()
        moved[:, 1] = value
        expected = model.predict_proba(moved).mean(axis=0)
        assert_allclose(average, expected if k > 2 else expected[1:], rtol=1e-9)


@all_cases
def test_permutation_importance(form, link):
    """Of every form of y, by `score`; a column that is not used has none."""
    X, y, s = targets(form, 3)
    X[:, 2] = 0
    model = CrossEntropyClassifier(link=link, alpha=0.05).fit(X, y)
    importances = permutation_importance(model, X, y, n_repeats=3, random_state=0, sample_weight=s).importances_mean
    assert importances[2] == 0
    assert importances.max() > 0


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("response", ["predict", "predict_proba", "decision_function"])
def test_decision_boundaries(k, response):
    """scikit-learn's display."""
    pytest.importorskip("matplotlib").use("Agg")
    from sklearn.inspection import DecisionBoundaryDisplay

    X, y, _ = targets("labels", k)
    model = CrossEntropyClassifier().fit(X[:, :2], y)
    display = DecisionBoundaryDisplay.from_estimator(model, X[:, :2], response_method=response, grid_resolution=10)
    assert display.response.shape[:2] == (10, 10)


@all_cases
@pytest.mark.parametrize("k", [2, 3])
def test_shap(form, link, k):
    """LinearExplainer's values are coef_ times the distance from the mean, and add up to the logits."""
    shap = pytest.importorskip("shap")
    model, X, _ = fitted(form, link, k=k)
    values = np.asarray(shap.LinearExplainer(model, shap.maskers.Independent(X, max_samples=len(X))).shap_values(X))
    values = values.reshape(len(X), 4, -1)
    logits = X @ model.coef_.T + model.intercept_
    assert_allclose(values, (X - X.mean(axis=0))[:, :, None] * model.coef_.T, atol=1e-6)
    assert_allclose(values.sum(axis=1), logits - logits.mean(axis=0), atol=1e-5)


# What scikit-learn's tests ask of LogisticRegression, and tests/test_classifier.py does not


@all_solvers
def test_classes_need_not_be_regular(solver):
    """Gaps, negative numbers, and long strings."""
    X, codes, _ = targets("labels", 3)
    for labels in ([-1, 5, 100], ["a", "a long one", "z"]):
        model = CrossEntropyClassifier(solver=solver, alpha=0.05).fit(X, np.array(labels)[codes])
        assert_array_equal(model.classes_, labels)
        assert model.score(X, np.array(labels)[codes]) > 0.6


@pytest.mark.parametrize("k", [2, 3])
@all_solvers
def test_decision_function_of_zero(k, solver):
    """Rows of zeros have the intercept for logits; where it is 0 the first class wins, at even odds."""
    X, y, _ = targets("labels", k)
    model = CrossEntropyClassifier(solver=solver, alpha=0.05, fit_intercept=False).fit(X, y)
    zeros = np.zeros((5, 4))
    assert_array_equal(model.decision_function(zeros), 0)
    assert_array_equal(model.predict(zeros), 0)
    assert_allclose(model.predict_proba(zeros), 1 / k)
    model = CrossEntropyClassifier(solver=solver, alpha=0.05).fit(X, y)
    assert_allclose(np.atleast_2d(model.decision_function(zeros).T).T, np.tile(model.intercept_, (5, 1)))


@all_solvers
def test_liblinear_like_edge_one_feature(solver):
    """A single column; and a single column of a sparse matrix."""
    X, y, _ = targets("labels", 2)
    dense = CrossEntropyClassifier(solver=solver, alpha=0.05).fit(X[:, :1], y)
    assert dense.coef_.shape == (1, 1)
    other = CrossEntropyClassifier(solver=solver, alpha=0.05).fit(sparse.csc_matrix(X[:, :1]), y)
    assert_allclose(other.coef_, dense.coef_, rtol=1e-6)


@pytest.mark.parametrize("container", [sparse.csr_matrix, sparse.csr_array, sparse.csc_array, sparse.coo_matrix])
@all_solvers
def test_sparse_of_every_kind(container, solver):
    """Also unsorted and with stored zeros, and nothing of it is changed."""
    X, y, s = targets("labels", 3)
    X = np.where(np.abs(X) < 0.5, 0, X)
    given = container(X)
    if given.format == "csr":
        given.data[::7] = 0
        X = given.toarray()
        for row in range(3):
            part = slice(given.indptr[row], given.indptr[row + 1])
            given.indices[part], given.data[part] = given.indices[part][::-1].copy(), given.data[part][::-1].copy()
        given.has_sorted_indices = False
    before = given.data.copy()
    model = CrossEntropyClassifier(solver=solver, alpha=0.05).fit(given, y, s)
    assert_allclose(model.coef_, CrossEntropyClassifier(solver=solver, alpha=0.05).fit(X, y, s).coef_, atol=1e-6)
    assert_allclose(model.predict_proba(given), model.predict_proba(X), rtol=1e-9)
    assert_array_equal(given.data, before)


@all_solvers
@pytest.mark.parametrize("form", ["labels", "soft", "answers"])
def test_memory_mapped_and_read_only(solver, form, tmp_path):
    """As joblib hands large arrays to its workers."""
    X, y, s = targets(form, 3)
    expected = CrossEntropyClassifier(solver=solver, alpha=0.05).fit(X, y, s)
    joblib.dump([X, y, s], tmp_path / "data")
    mapped = joblib.load(tmp_path / "data", mmap_mode="r")
    model = CrossEntropyClassifier(solver=solver, alpha=0.05).fit(*mapped)
    assert_allclose(model.coef_, expected.coef_, atol=1e-9)
    assert_allclose(model.predict_proba(mapped[0]), expected.predict_proba(X), rtol=1e-9)
    assert model.score(*mapped) == pytest.approx(expected.score(X, y, s))


@all_solvers
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@all_cases
def test_dtype_is_kept_in_every_form(solver, dtype, form, link):
    """In coefficients and all answers."""
    X, y, _ = targets(form, 3, n=60)
    y = y.astype(dtype) if y.dtype.kind == "f" else y
    model = CrossEntropyClassifier(solver=solver, alpha=0.1, link=link, tol=1e-4).fit(X.astype(dtype), y)
    names = ("predict_proba", "predict_log_proba", "decision_function")
    kinds = [model.coef_.dtype, model.intercept_.dtype, *(getattr(model, n)(X.astype(dtype)).dtype for n in names)]
    assert set(kinds) == {np.dtype(dtype)}


@pytest.mark.parametrize("k", [2, 3])
def test_scores_of_a_cross_validation_are_logistic_regressions(k):
    """Row by row the same model, so fold by fold the same accuracy and loss."""
    X, y, _ = targets("labels", k)
    n = len(y) * 4 // 5
    theirs, ours = LogisticRegression(C=1 / (0.05 * n), tol=1e-8), CrossEntropyClassifier(alpha=0.05, tol=1e-12)
    for scoring in ("accuracy", "neg_log_loss"):
        expected = cross_val_score(theirs, X, y, scoring=scoring, cv=5)
        assert_allclose(cross_val_score(ours, X, y, scoring=scoring, cv=5), expected, atol=1e-4)


def test_attributes_of_the_convention():
    """Names and shapes that tools rely on."""
    model, X, _ = fitted()
    public = {name for name in vars(model) if name.endswith("_") and not name.startswith("_")}
    expected = {"classes_", "coef_", "intercept_", "n_iter_", "converged_", "loss_curve_", "n_features_in_"}
    assert public == expected
    assert model.n_features_in_ == X.shape[1]
    assert isinstance(model.n_iter_, int)
    assert isinstance(model.converged_, bool)
