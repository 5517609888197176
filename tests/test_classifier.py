"""CrossEntropyClassifier: the optimum it finds, the data it takes, and what people do with it."""

import pickle
import warnings
from itertools import pairwise

import mpmath
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse, special
from scipy.optimize import linprog
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.class_weight import compute_class_weight
from threadpoolctl import threadpool_limits

from skce import CrossEntropyClassifier, cross_entropy_loss, neg_cross_entropy
from skce.solvers import MINI_BATCH, SOLVERS

all_solvers = pytest.mark.parametrize("solver", sorted(SOLVERS.keys() - MINI_BATCH))
all_sizes = pytest.mark.parametrize("k", [2, 3, 5])
TABLES = {"breast_cancer": load_breast_cancer, "digits": load_digits, "iris": load_iris, "wine": load_wine}
TIGHT = {"tol": 1e-15, "max_iter": 20_000}
"""An error of 1e-15 in the objective is one of about 1e-7 in coefficients of unit curvature."""


def problem(k=3, n=150, d=4, seed=0):
    """Overlapping classes, so that the optimum is finite without a penalty; and weights that are all different."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    y = (X @ rng.normal(size=(d, k)) + rng.gumbel(size=(n, k))).argmax(axis=1)
    assert len(np.unique(y)) == k
    return X, y, rng.exponential(size=n)


def tight(solver="lbfgs", alpha=0.05, **options):
    """A classifier that stops close to the optimum."""
    return CrossEntropyClassifier(solver=solver, alpha=alpha, **(TIGHT | options))


def reference(X, y, weights=None, alpha=0.05, fit_intercept=True, tol=1e-10):
    """scikit-learn's optimum of the same objective: class weights are part of `weights`."""
    weights = np.ones(len(y)) if weights is None else weights
    C = np.inf if alpha == 0 else 1 / (alpha * weights.sum())
    model = LogisticRegression(C=C, solver="newton-cholesky", tol=tol, max_iter=1000, fit_intercept=fit_intercept)
    return model.fit(X, y, weights)


def objective(model, X, y, alpha, weights=None):
    """The penalised weighted mean loss of a fitted model, from its logits."""
    z = model.decision_function(X)
    z = np.column_stack([np.zeros(len(z)), z]) if z.ndim == 1 else z
    codes = np.searchsorted(model.classes_, y)
    losses = -special.log_softmax(z, axis=1)[np.arange(len(y)), codes]
    return np.average(losses, weights=weights) + alpha / 2 * np.sum(model.coef_**2)


def exact_log_proba(logits):
    """Logarithms of the probabilities of logits, (n,) or (n, k), with 300 digits."""
    both = np.column_stack([np.zeros_like(logits), logits]) if logits.ndim == 1 else logits
    with mpmath.workdps(300):  # so many that a term of e^-600 beside 1 is not lost
        rows = [[mpmath.mpf(z) for z in row] for row in both.tolist()]
        log_sums = [mpmath.log(mpmath.fsum(map(mpmath.exp, row))) for row in rows]
        return np.array([[float(z - log_sum) for z in row] for row, log_sum in zip(rows, log_sums, strict=True)])


def assert_same_fit(a, b, atol=1e-6):
    """The same classes, coefficients and intercepts."""
    assert_array_equal(a.classes_, b.classes_)
    assert_allclose(a.coef_, b.coef_, rtol=0, atol=atol)
    assert_allclose(a.intercept_, b.intercept_, rtol=0, atol=atol)


# What is fitted


@all_solvers
@all_sizes
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_optimum_is_that_of_logistic_regression(solver, k, fit_intercept, weighted):
    """The same objective as LogisticRegression(C=1 / (alpha * S)), so the same coefficients."""
    X, y, s = problem(k)
    s = s if weighted else None
    model = tight(solver, fit_intercept=fit_intercept).fit(X, y, s)
    assert_same_fit(model, reference(X, y, s, fit_intercept=fit_intercept))
    assert model.coef_.shape == ((1, 4) if k == 2 else (k, 4))
    assert model.intercept_.shape == model.coef_.shape[:1]
    assert model.converged_


@all_solvers
@all_sizes
@pytest.mark.parametrize("class_weight", [{0: 0.3, 1: 2.5}, {0: 40.0, 1: 40.0, 2: 70.0}, "balanced"], ids=str)
def test_class_weight_is_a_weight_of_rows(solver, k, class_weight):
    """A class's weight multiplies its rows' weights, and counts in S; "balanced" is scikit-learn's."""
    X, y, s = problem(k)
    model = tight(solver, class_weight=class_weight).fit(X, y, s)
    if class_weight == "balanced":
        by_class = s.sum() / (k * np.bincount(y, s))
    else:
        by_class = np.array([class_weight.get(c, 1.0) for c in range(k)])
    assert_same_fit(model, reference(X, y, s * by_class[y]))
    assert_same_fit(model, tight(solver).fit(X, y, s * by_class[y]))


@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_scale_of_class_weights_does_not_matter(scale):
    """They count in the divisor too: all of them times a number is the same problem, ended at the same tol."""
    X, y, s = problem(20, n=3000, d=30)
    plain = CrossEntropyClassifier(alpha=1e-3).fit(X, y, s)
    scaled = CrossEntropyClassifier(alpha=1e-3, class_weight=dict.fromkeys(range(20), scale)).fit(X, y, s)
    assert scaled.n_iter_ == plain.n_iter_
    assert_same_fit(scaled, plain, 1e-4)


def test_balanced_is_scikit_learns():
    """Without sample weights, scikit-learn's function gives the weights."""
    X, y, _ = problem()
    by_class = dict(enumerate(compute_class_weight("balanced", classes=np.arange(3), y=y)))
    assert_same_fit(tight(class_weight="balanced").fit(X, y), tight(class_weight=by_class).fit(X, y), 1e-9)


@all_solvers
@all_sizes
def test_weight_is_repetition(solver, k):
    """A row of weight 3 is three rows."""
    X, y, _ = problem(k)
    often = np.random.default_rng(1).integers(1, 5, size=len(y))
    repeated = tight(solver).fit(np.repeat(X, often, axis=0), np.repeat(y, often))
    assert_same_fit(tight(solver).fit(X, y, often), repeated)


@all_solvers
def test_zero_weight_is_absence(solver):
    """A row of weight zero is not there, whatever it holds."""
    X, y, s = problem()
    gone = np.random.default_rng(2).random(len(y)) < 0.3
    wild = np.where(gone[:, None], 1e6, X)
    assert_same_fit(tight(solver).fit(wild, y, np.where(gone, 0, s)), tight(solver).fit(X[~gone], y[~gone], s[~gone]))


@all_solvers
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_scale_of_weights_does_not_matter(solver, scale):
    """The objective is a mean: all weights times a number is the same problem."""
    X, y, s = problem()
    assert_same_fit(tight(solver).fit(X, y, scale * s), tight(solver).fit(X, y, s))


@all_solvers
@all_sizes
@pytest.mark.parametrize("e", [0.1, 0.6])
def test_label_smoothing_is_a_fit_to_soft_targets(solver, k, e):
    """Smoothing is each row repeated with every class, weighted by its smoothed target."""
    X, y, s = problem(k)
    model = tight(solver, label_smoothing=e).fit(X, y, s)
    soft = (1 - e) * np.eye(k)[y] + e / k
    oracle = reference(np.repeat(X, k, axis=0), np.tile(np.arange(k), len(y)), (s[:, None] * soft).ravel())
    assert_same_fit(model, oracle)


@all_solvers
@all_sizes
def test_order_of_classes_permutes_rows(solver, k):
    """Renaming the classes so that they sort otherwise permutes the coefficients."""
    X, y, s = problem(k)
    model, reverse = tight(solver).fit(X, y, s), tight(solver).fit(X, -y, s)
    if k == 2:
        assert_allclose(reverse.coef_, -model.coef_, atol=1e-6)
    else:
        assert_allclose(reverse.coef_, model.coef_[::-1], atol=1e-6)
    assert_array_equal(reverse.predict(X), -model.predict(X))


@all_sizes
def test_intercepts_and_coefficients_are_centred(k):
    """Of the solutions that differ by a shift common to all classes, the one that sums to zero, penalty or not."""
    X, y, s = problem(k)
    for alpha in (0.0, 0.05):
        model = tight(alpha=alpha).fit(X, y, s)
        if k > 2:
            assert_allclose(model.intercept_.sum(), 0, atol=1e-9)
            assert_allclose(model.coef_.sum(axis=0), 0, atol=1e-9)


# Data of any kind


@all_solvers
@all_sizes
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sparse_is_dense(solver, k, dtype):
    """The same fit for CSR, other sparse formats and dense, with many columns of zeros."""
    X, y, s = problem(k, d=6)
    X = np.where(np.abs(X) < 0.7, 0, X).astype(dtype)
    options = {} if dtype == np.float64 else {"tol": 1e-7}
    dense = tight(solver, **options).fit(X, y, s)
    for form in (sparse.csr_array, sparse.csr_matrix, sparse.csc_array, sparse.coo_array):
        model = tight(solver, **options).fit(form(X), y, s)
        assert model.coef_.dtype == dtype
        assert_same_fit(model, dense, 1e-6 if dtype == np.float64 else 2e-3)
        assert_allclose(
            model.predict_proba(form(X)), model.predict_proba(X), rtol=1e-5 if dtype == np.float32 else 1e-12
        )


def test_sparse_with_long_indices():
    """CSR with 64-bit indices, as SciPy makes them for large tables."""
    X, y, _ = problem()
    long = sparse.csr_array(X)
    long.indices, long.indptr = long.indices.astype(np.int64), long.indptr.astype(np.int64)
    assert_same_fit(tight().fit(long, y), tight().fit(X, y))


@all_solvers
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_memory_layout_does_not_matter(solver, dtype):
    """C and Fortran order, strides and read-only memory; and nothing given is changed."""
    X, y, s = problem()
    X = X.astype(dtype)
    expected = CrossEntropyClassifier(solver=solver).fit(X, y, s)
    wide = np.zeros((2 * len(X), 12), dtype)
    wide[::2, ::3] = X
    for layout in (np.ascontiguousarray(X), np.asfortranarray(X), wide[::2, ::3], X[::-1][::-1]):
        given = [layout, y.copy(), s.copy()]
        kept = [a.copy() for a in given]
        for array in given:
            array.flags.writeable = False
        model = CrossEntropyClassifier(solver=solver).fit(*given)
        assert_same_fit(model, expected, 1e-3 if dtype == np.float32 else 1e-9)
        assert_allclose(model.predict_proba(layout), expected.predict_proba(X), atol=1e-4)
        for array, before in zip(given, kept, strict=True):
            assert_array_equal(array, before)


@all_solvers
@all_sizes
def test_dtype_is_kept(solver, k):
    """float32 in, float32 out, close to float64; everything else is float64."""
    X, y, s = problem(k)
    double = CrossEntropyClassifier(solver=solver, alpha=0.05).fit(X, y, s)
    single = clone(double).fit(X.astype(np.float32), y, s.astype(np.float32))
    for name in ("decision_function", "predict_proba", "predict_log_proba"):
        assert getattr(single, name)(X.astype(np.float32)).dtype == np.float32
        assert getattr(double, name)(X).dtype == np.float64
    assert single.coef_.dtype == single.intercept_.dtype == np.float32
    assert double.coef_.dtype == double.intercept_.dtype == np.float64
    assert_allclose(single.predict_proba(X.astype(np.float32)), double.predict_proba(X), atol=3e-3)
    assert clone(double).fit((10 * X).astype(int), y).coef_.dtype == np.float64


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize(
    "labels",
    [
        np.array(["b", "a", "long name"]),
        np.array(["b", "a", "c"], dtype=object),
        np.array([-7, 0, 3]),
        np.array([2.0, 1.0, 0.0]),
        np.array([250, 0, 9], dtype=np.uint8),
        np.array([True, False]),
    ],
    ids=lambda labels: f"{labels.dtype}",
)
def test_labels_of_any_kind(labels, k):
    """Classes are found, sorted and given back in the labels' own type."""
    if k > len(labels):
        pytest.skip("bools are two")
    X, codes, s = problem(k)
    y = labels[codes]
    model = CrossEntropyClassifier().fit(X, y, s)
    assert_array_equal(model.classes_, np.unique(y))
    assert model.predict(X).dtype == y.dtype
    assert_array_equal(model.coef_, CrossEntropyClassifier().fit(X, np.unique(y, return_inverse=True)[1], s).coef_)
    assert np.mean(model.predict(X) == y) > 1.2 / k
    assert model.score(X, y, s) == pytest.approx(np.average(model.predict(X) == y, weights=s))


@pytest.mark.parametrize("dtype", ["category", "string", "object", "Int64", "boolean"])
def test_labels_from_pandas(dtype):
    """Series of pandas' own types, with an index that is not 0, 1, 2."""
    X, codes, _ = problem(2)
    values = codes if dtype == "Int64" else codes.astype(bool) if dtype == "boolean" else np.array(["no", "yes"])[codes]
    y = pd.Series(values, dtype=dtype, index=np.arange(len(codes))[::-1] + 10)
    model = CrossEntropyClassifier().fit(X, y)
    assert_array_equal(model.classes_, np.unique(values))
    assert_array_equal(model.coef_, CrossEntropyClassifier().fit(X, codes).coef_)


def test_lists_are_arrays():
    """Plain lists of numbers and labels."""
    X, y, s = problem()
    model = CrossEntropyClassifier().fit(X.tolist(), y.tolist(), s.tolist())
    assert_array_equal(model.coef_, CrossEntropyClassifier().fit(X, y, s).coef_)


# What a fitted classifier answers


@all_sizes
def test_answers_agree(k):
    """predict, predict_proba, predict_log_proba and decision_function are one model."""
    X, y, s = problem(k)
    model = CrossEntropyClassifier().fit(X, y, s)
    z = model.decision_function(X)
    assert z.shape == ((len(X),) if k == 2 else (len(X), k))
    assert_allclose(z, np.squeeze(X @ model.coef_.T + model.intercept_), rtol=1e-12, atol=1e-12)
    both = np.column_stack([np.zeros_like(z), z]) if k == 2 else z
    assert_allclose(model.predict_proba(X), special.softmax(both, axis=1), rtol=1e-13)
    assert_allclose(model.predict_log_proba(X), special.log_softmax(both, axis=1), rtol=1e-12, atol=1e-15)
    assert_allclose(model.predict_proba(X).sum(axis=1), 1, rtol=1e-14)
    assert_array_equal(model.predict(X), model.classes_[model.predict_proba(X).argmax(axis=1)])


@all_sizes
def test_answers_equal_logistic_regressions(k):
    """Given the same coefficients, the answers are those of LogisticRegression."""
    X, y, s = problem(k)
    oracle = reference(X, y, s)
    model = CrossEntropyClassifier().fit(X, y, s)
    model.coef_, model.intercept_ = oracle.coef_, oracle.intercept_
    for name in ("decision_function", "predict_proba", "predict_log_proba", "predict"):
        assert_allclose(getattr(model, name)(X), getattr(oracle, name)(X), rtol=1e-12, atol=1e-14, err_msg=name)


@all_sizes
def test_log_proba_is_exact_where_proba_rounds_to_zero(k):
    """Far out the probability is 0 or 1 in floating point; its logarithm comes from the logits and is finite."""
    X, y, _ = problem(k)
    model = CrossEntropyClassifier().fit(X, y)
    proba, log_proba = model.predict_proba(2000 * X[:20]), model.predict_log_proba(2000 * X[:20])
    assert (proba == 0).any()
    assert np.isfinite(log_proba).all()
    exact = exact_log_proba(model.decision_function(2000 * X[:20]))
    assert_allclose(log_proba[proba < 0.5], exact[proba < 0.5], rtol=1e-14)


@all_sizes
def test_log_proba_is_exact_where_proba_rounds_to_one(k):
    """The logarithm of a probability that rounds to 1 is the small number that it is, not 0."""
    X, y, _ = problem(k)
    model = CrossEntropyClassifier().fit(X, y)
    proba, log_proba = model.predict_proba(20 * X[:20]), model.predict_log_proba(20 * X[:20])
    assert (proba == 1).any()
    exact = exact_log_proba(model.decision_function(20 * X[:20]))
    assert_allclose(log_proba[proba > 0.5], exact[proba > 0.5], rtol=1e-12)


def test_feature_names_are_kept_and_checked():
    """Names come from a DataFrame; other names, or as many columns but fewer, are refused."""
    X, y, _ = problem()
    table = pd.DataFrame(X, columns=list("abcd"))
    model = CrossEntropyClassifier().fit(table, y)
    assert_array_equal(model.feature_names_in_, list("abcd"))
    assert model.n_features_in_ == 4
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(table[list("badc")])
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(table[list("abc")])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(X)


# How a fit goes


@all_solvers
@all_sizes
def test_loss_curve_goes_down(solver, k):
    """The objective at the start and after each step, ending at the objective of the coefficients."""
    X, y, s = problem(k)
    model = CrossEntropyClassifier(solver=solver, alpha=0.05).fit(X, y, s)
    assert len(model.loss_curve_) == model.n_iter_ + 1
    assert all(after < before for before, after in pairwise(model.loss_curve_))
    priors = np.bincount(y, s) / s.sum()
    assert model.loss_curve_[0] == pytest.approx(special.entr(priors).sum(), rel=1e-12)
    assert model.loss_curve_[-1] == pytest.approx(objective(model, X, y, 0.05, s), rel=1e-12)


def test_newton_ends_where_the_hessian_at_hand_says_so():
    """The last two gains leave more to be feared than tol, the Hessian at that point little: no step more is taken."""
    X, y = load_breast_cancer(return_X_y=True)
    model = CrossEntropyClassifier(alpha=100 / len(X)).fit(X, y)
    exact = CrossEntropyClassifier(alpha=100 / len(X), tol=1e-12).fit(X, y)
    before, last = -np.diff(model.loss_curve_)[-2:]
    assert 1e-6 < 3 * last**2 / (before - last) < 2e-6
    assert model.loss_curve_[-1] - exact.loss_curve_[-1] < 1e-7


@all_solvers
@pytest.mark.parametrize("tol", [1e-3, 1e-6, 1e-9])
def test_tol_is_the_distance_to_the_minimum(solver, tol):
    """The objective at the stop is above its minimum by about tol, in nats, and not by more than a few times that."""
    X, y, s = problem(5, n=400, d=8)
    model = CrossEntropyClassifier(solver=solver, alpha=0.01, tol=tol).fit(X, y, s)
    minimum = objective(reference(X, y, s, alpha=0.01), X, y, 0.01, s)
    assert objective(model, X, y, 0.01, s) - minimum < 20 * tol


@all_solvers
@all_sizes
def test_tol_below_rounding_ends_all_the_same(solver, k):
    """When the objective cannot change any more a fit is over, and converged, even for tol=0."""
    X, y, s = problem(k)
    model = CrossEntropyClassifier(solver=solver, alpha=0.05, tol=0.0, max_iter=300).fit(X, y, s)
    assert model.converged_
    assert model.n_iter_ < 300


@all_solvers
@all_sizes
def test_warm_start_continues(solver, k):
    """A second fit starts where the first one ended: no step or one more is left to do."""
    X, y, s = problem(k)
    model = CrossEntropyClassifier(solver=solver, alpha=0.05, warm_start=True).fit(X, y, s)
    assert model.n_iter_ > 1
    coef = model.coef_
    model.fit(X, y, s)
    assert model.n_iter_ <= 1
    assert_allclose(model.coef_, coef, atol=1e-2)
    cold = clone(model).set_params(warm_start=False).fit(X, y, s)
    assert cold.n_iter_ > 1


def test_warm_start_continues_an_unfinished_fit():
    """Many fits of one step come to the same optimum."""
    X, y, s = problem()
    model = tight(max_iter=1, warm_start=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for _ in range(12):
            model.fit(X, y, s)
    assert_same_fit(model, reference(X, y, s))


@pytest.mark.parametrize("other", ["classes", "features", "intercept"])
def test_warm_start_begins_anew_where_it_must(other):
    """With other classes, features or without intercepts the last coefficients do not fit: they are not used."""
    X, y, _ = problem()
    model = CrossEntropyClassifier(warm_start=True).fit(X, y)
    if other == "classes":
        y = y + 1
    elif other == "features":
        X = X[:, :3]
    else:
        model.set_params(fit_intercept=False)
    model.fit(X, y)
    cold = CrossEntropyClassifier(fit_intercept=other != "intercept").fit(X, y)
    assert_allclose(model.coef_, cold.coef_, atol=2e-2)


@all_solvers
def test_warns_once_when_max_iter_ends_it(solver):
    """One ConvergenceWarning that names what to change; a fit that converges says nothing."""
    X, y, _ = problem()
    model = CrossEntropyClassifier(solver=solver, max_iter=2)
    with pytest.warns(ConvergenceWarning, match="max_iter") as caught:
        model.fit(X, y)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert not model.converged_
    assert model.n_iter_ == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert model.set_params(max_iter=10_000).fit(X, y).converged_


@all_sizes
@pytest.mark.parametrize("alpha", [0.0, 1e-6])
def test_warm_start_far_from_the_optimum(k, alpha):
    """Coefficients that are sure of the wrong classes, where the curvature is next to nothing, are left behind."""
    X, y, s = problem(k)
    model = CrossEntropyClassifier(alpha=alpha, warm_start=True).fit(X, y, s)
    cold = clone(model).fit(X, -y, s)
    for size in (10, 1000):
        model.coef_, model.classes_ = size * model.coef_, np.unique(-y)
        model.fit(X, -y, s)
        assert objective(model, X, -y, alpha, s) == pytest.approx(objective(cold, X, -y, alpha, s), abs=2e-5)


@pytest.mark.parametrize(("seed", "k", "noise", "alphas"), [
    (0, 8, 3.0, (1e-8, 1e-9)), (3, 8, 3.0, (1e-8, 1e-9)), (1, 2, 0.3, (1e-6, 1e-7))
])  # fmt: skip
def test_warm_start_from_a_larger_penalty(seed, k, noise, alphas):
    """Where the last fit ended nearly all rows are sure, and a model may be far too steep: no claim without a step."""
    rng = np.random.default_rng(seed)
    n, d = (500, 60) if k > 2 else (200, 20)
    X = rng.normal(size=(n, d))
    y = (X @ rng.normal(size=(d, k)) + noise * rng.gumbel(size=(n, k))).argmax(axis=1)
    model = CrossEntropyClassifier(warm_start=True)
    for alpha in (1e-2, 1e-4, 1e-5, 1e-6, 1e-7, *alphas):
        model.set_params(alpha=alpha).fit(X, y)
    least = CrossEntropyClassifier(alpha=alpha, tol=1e-12).fit(X, y).loss_curve_[-1]
    assert model.loss_curve_[-1] - least < 1e-6


def test_verbose_prints_a_line_for_each_step(capsys):
    """Silent by default."""
    X, y, _ = problem()
    CrossEntropyClassifier().fit(X, y)
    assert capsys.readouterr().out == ""
    model = CrossEntropyClassifier(verbose=1).fit(X, y)
    assert len(capsys.readouterr().out.splitlines()) == model.n_iter_ + 1


# Data that solvers choke on


@pytest.mark.parametrize("table", sorted(TABLES))
def test_unscaled_tables_converge(table):
    """Raw tables, alpha = 1/n: no warning, and no solver of scikit-learn finds an objective lower by more than 1e-6."""
    X, y = TABLES[table](return_X_y=True)
    alpha = 1 / len(y)
    model = CrossEntropyClassifier(alpha=alpha).fit(X, y)
    peer = reference(X, y, alpha=alpha, tol=1e-8)  # the best of scikit-learn's solvers on each of these tables
    assert model.converged_
    assert objective(model, X, y, alpha) <= objective(peer, X, y, alpha) + 1e-6


@pytest.mark.parametrize("seed", [0, 3, 5])
def test_focal_losses_of_heavy_tails_converge(seed):
    """Not convex, and yet as the others: factored models of such columns would take a thousand steps, or give up."""
    rng = np.random.default_rng(seed)
    logs = rng.normal(size=(800, 40)) @ rng.normal(size=(40, 40))
    y = (logs @ rng.normal(size=(40, 6)) / 10 + rng.gumbel(size=(800, 6))).argmax(axis=1)
    X = np.exp(logs / 2)
    model = CrossEntropyClassifier(alpha=1e-4, gamma=2.0, warm_start=True).fit(X, y)
    assert model.converged_
    assert model.n_iter_ < 200
    value = model.loss_curve_[-1]
    assert value - model.set_params(tol=1e-12).fit(X, y).loss_curve_[-1] < 1e-6


@pytest.mark.parametrize("seed", [3, 4, 8])
def test_many_classes_of_correlated_features_converge(seed):
    """Too many coefficients for a Hessian. The last steps gain little, right after some that gained much."""
    rng = np.random.default_rng(seed)
    n, d, k = 3000, 100, 12
    basis = np.linalg.qr(rng.normal(size=(d, d)))[0]
    X = rng.normal(size=(n, d)) * np.geomspace(1, 1e-2, d) @ basis
    y = (X / X.std(axis=0) @ rng.normal(size=(d, k)) / d**0.5 * 6 + rng.gumbel(size=(n, k))).argmax(axis=1)
    model, least = (CrossEntropyClassifier(alpha=0.01 / n, tol=tol).fit(X, y) for tol in (1e-6, 1e-10))
    assert model.loss_curve_[-1] - least.loss_curve_[-1] < 1e-6


@all_sizes
@pytest.mark.parametrize("columns", ["one 1e6", "one 1e-6", "all mixed"])
def test_units_do_not_matter_without_penalty(k, columns):
    """A feature in other units has a coefficient in other units, and nothing else changes."""
    X, y, s = problem(k)
    scale = {"one 1e6": [1, 1e6, 1, 1], "one 1e-6": [1, 1, 1e-6, 1], "all mixed": [1e6, 1e-6, 1e3, 1e-3]}[columns]
    model = tight(alpha=0.0).fit(X, y, s)
    rescaled = tight(alpha=0.0).fit(X * scale, y, s)
    assert rescaled.n_iter_ <= model.n_iter_ + 1
    assert_allclose(rescaled.coef_ * scale, model.coef_, atol=1e-6)
    assert_allclose(rescaled.intercept_, model.intercept_, atol=1e-6)


@all_sizes
@pytest.mark.parametrize("alpha", [0.0, 0.05])
def test_shifts_do_not_matter(k, alpha):
    """A feature with another zero, a million standard deviations away, has the same coefficient."""
    X, y, s = problem(k)
    model = tight(alpha=alpha).fit(X, y, s)
    shift = np.array([0, 1e6, -1e6, 1e3])
    shifted = CrossEntropyClassifier(alpha=alpha, tol=1e-12).fit(X + shift, y, s)
    assert shifted.n_iter_ <= model.n_iter_ + 2
    assert_allclose(shifted.coef_, model.coef_, atol=1e-5)
    assert_allclose(shifted.decision_function(X + shift), model.decision_function(X), atol=1e-4)


@all_sizes
def test_single_precision_data_far_from_zero(k):
    """float32 years, temperatures in kelvin: converges without a warning to what float64 finds."""
    X, y, s = problem(k)
    X = (X * [1, 10, 0.1, 1] + [300, 2000, 10, -40]).astype(np.float32)
    model = CrossEntropyClassifier(alpha=1e-3).fit(X, y, s)
    double = clone(model).fit(X.astype(np.float64), y, s)
    assert objective(model, X.astype(np.float64), y, 1e-3, s) == pytest.approx(double.loss_curve_[-1], abs=2e-6)


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("table", ["collinear", "far"])
def test_coefficients_that_single_precision_cannot_hold(table, container):
    """Those of columns that add up to next to nothing, and an intercept far away: they had lost 2e-3 to 0.2 nats."""
    rng = np.random.default_rng(0)
    if table == "collinear":
        X = rng.normal(size=(300, 3)) @ rng.normal(size=(3, 14))
        y = (0.3 * X @ rng.normal(size=(14, 3)) + rng.gumbel(size=(300, 3))).argmax(axis=1)
    else:
        X = 1e6 + rng.normal(size=(500, 8))
        y = ((X - 1e6) @ rng.normal(size=(8, 3)) + rng.gumbel(size=(500, 3))).argmax(axis=1)
    X = container(X.astype(np.float32))
    model = CrossEntropyClassifier(alpha=0).fit(X, y)
    assert model.coef_.dtype == model.intercept_.dtype == np.float64
    assert cross_entropy_loss(y, model.predict_proba(X)) == pytest.approx(model.loss_curve_[-1], abs=1e-6)


@all_sizes
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_constant_column(k, fit_intercept):
    """A constant column is what the penalty makes of it: nothing beside an intercept."""
    X, y, s = problem(k)
    X = np.column_stack([X, np.full(len(X), 3.0), np.zeros(len(X))])
    model = tight(fit_intercept=fit_intercept).fit(X, y, s)
    assert_same_fit(model, reference(X, y, s, fit_intercept=fit_intercept))
    if fit_intercept:
        assert_allclose(model.coef_[:, 4], 0, atol=1e-7)
    assert_array_equal(model.coef_[:, 5], 0)


@all_sizes
@pytest.mark.parametrize("alpha", [0.0, 1e-9, 0.05])
@pytest.mark.parametrize("extra", ["constant", "duplicate", "collinear", "nearly collinear"])
def test_redundant_columns_change_no_prediction_without_penalty(k, extra, alpha):
    """Columns that add nothing do no harm, and with a penalty the optimum is still scikit-learn's."""
    X, y, s = problem(k)
    column = {
        "constant": np.full(len(X), 5.0),
        "duplicate": X[:, 1],
        "collinear": X @ [1.0, -2.0, 0.5, 0.0],
        "nearly collinear": X[:, 1] * (1 + 1e-13 * (np.arange(len(X)) % 3)),
    }[extra]
    wide = np.column_stack([X, column])
    model = tight(alpha=alpha, tol=1e-13).fit(wide, y, s)
    if alpha == 0.05:
        assert_same_fit(model, reference(wide, y, s))
    else:
        narrow = tight(alpha=0.0).fit(X, y, s)
        assert objective(model, wide, y, alpha, s) <= objective(narrow, X, y, 0.0, s) + 1e-7
        if extra != "nearly collinear":  # such a column, multiplied by 1e12, may explain something
            assert_allclose(model.predict_proba(wide), narrow.predict_proba(X), atol=1e-5)


@all_sizes
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("alpha", [0.0, 1e-6])
def test_redundant_columns_in_single_precision(k, container, alpha):
    """float32, wide enough for the factored model: equal, constant and large columns raise and warn nothing."""
    X, y, s = problem(k, n=1000, d=60)
    X[:, 1], X[:, 2], X[:, 3], X[:, 4] = X[:, 0], 7, 1e4 * (X[:, 5] > 1), 0
    model = CrossEntropyClassifier(alpha=alpha).fit(container(X.astype(np.float32)), y, s)
    double = CrossEntropyClassifier(alpha=alpha).fit(X, y, s)
    assert objective(model, X, y, alpha, s) == pytest.approx(objective(double, X, y, alpha, s), abs=1e-4)


def test_columns_that_are_nearly_equal():
    """Rounding hides their difference, 3e-8, from the Hessian, but not from the gradient: other steps take over."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 8))
    y = (X @ rng.normal(size=(8, 7)) + rng.gumbel(size=(1000, 7))).argmax(axis=1)
    model = CrossEntropyClassifier(alpha=0).fit(np.hstack([X, X + 3e-8 * rng.normal(size=X.shape)]), y)
    apart = CrossEntropyClassifier(alpha=0).fit(np.hstack([X, rng.normal(size=X.shape)]), y)  # as far as rounding goes
    assert model.n_iter_ < 100
    assert model.loss_curve_[-1] < CrossEntropyClassifier(alpha=0).fit(X, y).loss_curve_[-1] - 0.02
    assert model.loss_curve_[-1] == pytest.approx(apart.loss_curve_[-1], abs=0.01)


@pytest.mark.parametrize("seed", range(4))
def test_columns_that_are_nearly_equal_are_not_taken_for_classes_that_can_be_told_apart(seed):
    """Newton's gains fall slowly there as well, since rounding hides curvature; but its steps get shorter."""
    rng = np.random.default_rng(seed)
    X, difference = rng.normal(size=(2, 3000, 3))
    y = (X @ rng.normal(size=(3, 3)) + rng.gumbel(size=(3000, 3))).argmax(axis=1)
    apart = CrossEntropyClassifier(alpha=0).fit(np.hstack([X, difference]), y)
    for size in (1e-6, 3e-7, 1e-7):
        model = CrossEntropyClassifier(alpha=0).fit(np.hstack([X, X + size * difference]), y)  # warnings are errors
        assert model.loss_curve_[-1] <= apart.loss_curve_[-1] + 1e-5  # what is hidden is not seen to the last of tol


@pytest.mark.parametrize("units", [1, 10, 0.01, [1, 1e5, 1e-3, 1]], ids=repr)
def test_whether_classes_can_be_told_apart_does_not_depend_on_units(units):
    """A linear program says that iris has no minimum without penalty."""
    X, y = load_iris(return_X_y=True)
    with pytest.warns(ConvergenceWarning, match="In some rows classes can be told apart"):
        CrossEntropyClassifier(alpha=0).fit(X * units, y)


def gaps(tables):
    """How far fits end above strict ones, and the steps that they take in all."""
    found, steps = [], 0
    for X, y in tables:
        model = CrossEntropyClassifier(alpha=1e-6).fit(X, y)
        strict = CrossEntropyClassifier(alpha=1e-6, tol=1e-12, max_iter=5000).fit(X, y)
        found.append(model.loss_curve_[-1] - strict.loss_curve_[-1])
        steps += model.n_iter_
    return np.array(found), steps


def test_newtons_method_goes_on_where_heavy_tails_slow_it_down():
    """It needs up to 120 Hessians; L-BFGS, which took over after twenty, took three times as many steps."""

    def table(seed):
        rng = np.random.default_rng(seed)
        X = rng.lognormal(0, 3, (100, 17))
        scores = ((X - X.mean(axis=0)) / X.std(axis=0)) @ rng.normal(size=(17, 9)) + rng.gumbel(size=(100, 9))
        return X, scores.argmax(axis=1)

    found, steps = gaps(map(table, range(10)))
    assert found.max() < 1e-5
    assert steps < 1000


def test_newtons_method_is_not_believed_while_its_gains_fall_slowly():
    """Replicates of eight items, some not yet told apart: a third of the fits ended too high, by up to 2e-5."""

    def table(seed):
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((8, 33))[rng.integers(0, 8, 45)] + 3e-3 * rng.standard_normal((45, 33))
        X *= np.logspace(-4, 6, 33)
        score = ((X - X.mean(axis=0)) / X.std(axis=0)) @ rng.standard_normal(33)
        return X, (3 * score + rng.logistic(size=45) > 0).astype(int)

    found, _ = gaps(map(table, range(40)))
    assert found.max() < 1e-5
    assert (found > 1e-6).sum() <= 4


@pytest.mark.parametrize("seed", range(3))
def test_columns_that_are_nearly_equal_in_single_precision(seed):
    """Few float32 rows are multiplied in double precision: then the Hessian is not padded as for single precision."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(5000, 16))
    X = np.hstack([X, X + 1e-6 * rng.normal(size=X.shape)]).astype(np.float32)
    y = special.softmax(X @ rng.standard_t(3, (32, 3)) * 2, axis=1) * 0.99 + 0.01 * rng.dirichlet(np.ones(3), len(X))
    single = CrossEntropyClassifier(alpha=0, link="softmax").fit(X, y)
    double = CrossEntropyClassifier(alpha=0, link="softmax", tol=1e-12).fit(X.astype(float), y)
    assert single.loss_curve_[-1] <= double.loss_curve_[-1] + single.tol


@pytest.mark.parametrize("seed", range(10))
def test_tol_is_the_distance_where_factored_models_know_little(seed):
    """Of indicators that are rare, in many units, which no factored model knows: the Hessian itself says so."""
    rng = np.random.default_rng(seed)
    n, d, k = rng.integers([500, 20, 3], [3000, 60, 8])
    indicators = rng.random((n, d)) < rng.random(d) ** 4
    y = (indicators @ rng.normal(size=(d, k)) * 2 + rng.gumbel(size=(n, k))).argmax(axis=1)
    X = indicators * 10.0 ** rng.integers(-1, 3, d)
    alpha = 10 ** rng.uniform(-6, -2)
    model = CrossEntropyClassifier(alpha=alpha).fit(X, y)
    peer = reference(X, y, alpha=alpha)
    assert objective(model, X, y, alpha) <= objective(peer, X, y, alpha) + model.tol


@all_sizes
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("alpha", [0.0, 0.01])
def test_one_hot_tables(k, container, alpha):
    """Indicators of every category beside an intercept: each group of columns sums to one."""
    rng = np.random.default_rng(4)
    categories = rng.integers(0, [3, 5, 8], size=(500, 3))
    effects = rng.normal(size=(3, 8, k))
    y = (effects[np.arange(3), categories].sum(axis=1) + rng.gumbel(size=(500, k))).argmax(axis=1)
    X = OneHotEncoder(sparse_output=False).fit_transform(categories)
    model = tight(alpha=alpha).fit(container(X), y)
    if alpha:
        assert_same_fit(model, reference(X, y, alpha=alpha))
    else:
        regular = OneHotEncoder(sparse_output=False, drop="first").fit_transform(categories)
        oracle = reference(regular, y, alpha=0)
        assert_allclose(model.predict_proba(X), oracle.predict_proba(regular), atol=1e-5)
        assert np.abs(model.coef_).max() < 100


@all_solvers
@all_sizes
def test_separable_data_without_penalty_end_finite(solver, k):
    """The coefficients would grow for ever; tol is reached before, and the classes are told apart."""
    rng = np.random.default_rng(5)
    y = np.arange(60) % k
    X = rng.normal(size=(60, 3)) + 20 * np.eye(max(3, k))[y][:, :3]
    X += 20 * (y == 3)[:, None] - 20 * (y == 4)[:, None]
    with pytest.warns(ConvergenceWarning, match="Set alpha to more than 0"):
        model = CrossEntropyClassifier(solver=solver, alpha=0.0).fit(X, y)
    assert model.converged_
    assert np.isfinite(model.coef_).all()
    assert np.isfinite(model.intercept_).all()
    assert objective(model, X, y, 0.0) < 2e-5
    assert_array_equal(model.predict(X), y)


ONE_HOT = {  # rows, classes, categories of each feature, seed: where models of the Hessian ended 4e-6 to 5e-4 too high
    "four features": (300, 3, [50, 2, 2, 20], 1),
    "rare categories": (150, 4, [50, 2, 3, 3], 12),
    "few rows": (60, 3, [5, 5], 36),
    "one pair": (150, 5, [5, 50], 20),
    "many classes": (1000, 5, [20, 3, 9, 50], 96),
    "two classes": (3000, 2, [2, 50, 50, 3], 79),
}


@pytest.mark.parametrize("table", ONE_HOT)
def test_partly_separable_one_hot_tables_without_penalty(table):
    """Some coefficients would grow for ever, and the loss does not go to 0: it ends within tol, and says so."""
    n, k, sizes, seed = ONE_HOT[table]
    rng = np.random.default_rng(seed)
    X = np.concatenate([np.eye(size)[rng.integers(size, size=n)] for size in sizes], axis=1)
    y = (X @ rng.normal(size=(X.shape[1], k)) * 2 + rng.gumbel(size=(n, k))).argmax(axis=1)
    with pytest.warns(ConvergenceWarning, match="In some rows classes can be told apart.*Set alpha to more than 0"):
        model = CrossEntropyClassifier(alpha=0.0).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        oracle = LogisticRegression(C=1e10, solver="newton-cholesky", tol=1e-12, max_iter=500).fit(X, y)
    assert model.converged_
    assert np.isfinite(model.coef_).all()
    assert objective(model, X, y, 0.0) < objective(oracle, X, y, 0.0) + 1e-6


@pytest.mark.parametrize("of", [np.asarray, sparse.csr_array], ids=["dense", "CSR"])
@pytest.mark.parametrize(("offset", "n", "d", "k"), [(1e4, 210, 166, 8), (1e4, 1025, 137, 2), (1e5, 1019, 145, 2)])
def test_features_far_from_0_without_intercepts(offset, n, d, k, of):
    """The mean is all that their products show: models that did not take it apart ended 0.4 to 2 nats too high."""
    rng = np.random.default_rng(6)
    X = rng.normal(size=(n, d))
    y = (X @ rng.normal(size=(d, k)) / 3 + rng.gumbel(size=(n, k))).argmax(axis=1)
    X += offset
    model = CrossEntropyClassifier(alpha=1e-5, fit_intercept=False).fit(of(X), y)
    oracle = CrossEntropyClassifier(alpha=1e-5, fit_intercept=False, tol=1e-10, max_iter=5000).fit(X, y)
    assert objective(model, X, y, 1e-5) < objective(oracle, X, y, 1e-5) + 1e-6
    assert objective(oracle, X, y, 1e-5) < 0.5


def test_many_classes_that_hardly_overlap():
    """Of a thousand coefficients factored models know too little: the whole Hessian is bought, and Newton's method.

    With more coefficients, or a smaller penalty, fits had given up 2e-2 nats too high.
    """
    rng = np.random.default_rng(0)
    X, k = rng.normal(size=(500, 40)), 26
    y = (X @ rng.normal(size=(40, k)) * 1.5 / 40**0.5 + rng.gumbel(size=(500, k))).argmax(axis=1)
    model = CrossEntropyClassifier(alpha=1e-8).fit(X, y)
    oracle = LogisticRegression(C=1e8 / 500, solver="newton-cholesky", tol=1e-8).fit(X, y)
    assert model.n_iter_ < 500
    assert objective(model, X, y, 1e-8) < objective(oracle, X, y, 1e-8) + 1e-7


@pytest.mark.parametrize(("sizes", "seed", "scale", "strength"), [((60, 40, 20), 4, 2, 100), ((110, 10), 1, 2, 100)])
def test_indicators_in_sparse_form(sizes, seed, scale, strength):
    """Two classes: a model that did not know their correlations claimed to be there up to 1.2e-6 too high."""
    rng = np.random.default_rng(seed)
    codes, score = [], 0.0
    for size in sizes:
        codes.append(rng.choice(size, 1000, p=rng.dirichlet(np.ones(size))))
        score = score + scale * rng.normal(size=(size, 2))[codes[-1]]
    y = (special.softmax(score, axis=1).cumsum(axis=1) > rng.random((1000, 1))).argmax(axis=1)
    X, alpha = np.hstack([np.eye(size)[code] for size, code in zip(sizes, codes, strict=True)]), strength / 1000
    model = CrossEntropyClassifier(alpha=alpha).fit(sparse.csr_array(X), y)
    oracle = LogisticRegression(C=1 / strength, solver="newton-cholesky", tol=1e-10).fit(X, y)
    assert objective(model, X, y, alpha) < objective(oracle, X, y, alpha) + 1e-6


@pytest.mark.parametrize("seed", [4475, 5477])
def test_few_rows_of_wild_weights(seed):
    """A gain of a twentieth of the one before is no proof that Newton's method squares the error: up to 2.4e-6 high."""
    rng = np.random.default_rng(seed)
    n, d, k = (int(rng.integers(*limits)) for limits in ((10, 60), (2, 8), (2, 7)))
    X = rng.normal(size=(n, d)) * 10.0 ** rng.uniform(-3, 3, size=d)
    y, weights, alpha = rng.integers(k, size=n), 10.0 ** rng.uniform(-3, 3, n), 10.0 ** rng.uniform(-9, -3)
    model, oracle = (CrossEntropyClassifier(alpha=alpha, tol=tol).fit(X, y, weights) for tol in (1e-6, 1e-12))
    assert objective(model, X, y, alpha, weights) < objective(oracle, X, y, alpha, weights) + 1e-6


def has_no_minimum(X, y):
    """Whether some coefficients, grown for ever, do no row harm and some row good: by a linear program."""
    margins = np.column_stack([X, np.ones(len(X))]) * (2 * y - 1)[:, None]
    (n, d), rows = margins.shape, sparse.csr_array(-margins)
    gains = linprog(
        np.repeat([0.0, -1.0], [d, n]),
        A_ub=sparse.hstack([rows, sparse.eye_array(n)]).tocsr(),
        b_ub=np.zeros(n),
        bounds=[(None, None)] * d + [(0, 1)] * n,
    )
    return -gains.fun > 1e-6


@pytest.mark.parametrize("seed", range(24))
def test_whether_there_is_a_minimum(seed):
    """One-hot tables of two classes: a factored model of the Hessian leads to where little is left to gain, or nothing.

    Newton's method goes on from there until it can tell.
    """
    rng = np.random.default_rng(seed)
    n = int(rng.integers(300, 3000))
    X = np.concatenate([np.eye(size)[rng.integers(size, size=n)] for size in rng.integers(2, 50, size=4)], axis=1)
    y = (2 * X @ rng.normal(size=X.shape[1]) + rng.logistic(size=n) > 0).astype(int)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        CrossEntropyClassifier(alpha=0.0).fit(X, y)
    assert bool(caught) == has_no_minimum(X, y)


@pytest.mark.parametrize("alpha", [0.0, 1e-8, 1e-6])
def test_rare_categories_that_a_sample_lacks(alpha):
    """Columns that add up to 1 in all rows, but for rare ones also in those by which the Hessian is modelled."""
    rng = np.random.default_rng(0)
    n, levels, features, k = 20_000, 60, 6, 3
    frequency = 1 / np.arange(1, levels + 1) ** 2.2
    codes = rng.choice(levels, (n, features), p=frequency / frequency.sum()) + levels * np.arange(features)
    shape = (n, levels * features)
    X = sparse.csr_array((np.ones(n * features), codes.ravel(), np.arange(0, n * features + 1, features)), shape=shape)
    y = (X @ (rng.standard_normal((levels * features, k)) * 2) + rng.gumbel(size=(n, k))).argmax(axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # without penalty some rows are told apart
        model = CrossEntropyClassifier(alpha=alpha, max_iter=200).fit(X, y)
    assert model.converged_
    lowest = {0.0: 0.245763, 1e-8: 0.245804, 1e-6: 0.247676}  # of SciPy's method "trust-krylov", to all digits shown
    assert objective(model, X, y, alpha) < lowest[alpha] + 2e-6  # tol is an estimate


@all_sizes
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
def test_more_features_than_rows(k, container):
    """A penalty makes the optimum unique where the rows do not."""
    X, y, s = problem(k, n=50, d=150)
    model = tight(alpha=0.02).fit(container(X), y, s)
    assert_same_fit(model, reference(X, y, s, alpha=0.02))


@all_sizes
def test_more_features_than_rows_without_penalty(k):
    """As for separable data: finite, converged, and right about every row."""
    X, y, s = problem(k, n=50, d=150)
    with pytest.warns(ConvergenceWarning, match="Set alpha to more than 0"):
        model = CrossEntropyClassifier(alpha=0.0).fit(X, y, s)
    assert np.isfinite(model.coef_).all()
    assert_array_equal(model.predict(X), y)


@pytest.mark.parametrize("alpha", [0.0, 1e-5, 1e-2])
def test_rare_class(alpha):
    """One row in a thousand of the positive class."""
    rng = np.random.default_rng(6)
    X = rng.normal(size=(20_000, 3)) * [1, 100, 0.01]
    y = rng.random(20_000) < special.expit(X @ [1.5, 0.005, 50] - 9)
    assert 5 < y.sum() < 100
    model = tight(alpha=alpha, tol=1e-13).fit(X, y)
    oracle = reference(X, y, alpha=alpha)
    assert objective(model, X, y, alpha) <= objective(oracle, X, y, alpha) + 1e-12


def test_class_in_name_only():
    """A class whose rows all weigh nothing gets no probability to speak of, and breaks nothing."""
    X, y, s = problem(3)
    weights = np.where(y == 1, 0, s)
    model = CrossEntropyClassifier(alpha=0.05).fit(X, y, weights)
    present = tight().fit(X[y != 1], y[y != 1], s[y != 1])
    assert np.isfinite(model.coef_).all()
    assert model.predict_proba(X)[:, 1].max() < 1e-3
    assert_allclose(model.predict_proba(X)[:, [0, 2]], present.predict_proba(X), atol=0.1)


@all_sizes
def test_strong_penalty_gives_the_priors(k):
    """As alpha grows the coefficients vanish and the intercepts give the weighted class frequencies."""
    X, y, s = problem(k)
    model = CrossEntropyClassifier(alpha=1e9).fit(X, y, s)
    priors = np.bincount(y, s) / s.sum()
    assert_allclose(model.predict_proba(X), np.tile(priors, (len(X), 1)), atol=1e-6)


def test_many_classes():
    """More classes than the exact model takes: the factored one finds where the gradient vanishes."""
    X, y, s = problem(30, n=3000, d=40)
    model = tight(alpha=0.01).fit(X, y, s)
    residuals = (model.predict_proba(X) - np.eye(30)[y]) * s[:, None] / s.sum()
    assert_allclose(residuals.T @ X + 0.01 * model.coef_, 0, atol=1e-8)
    assert_allclose(residuals.sum(axis=0), 0, atol=1e-8)


# In scikit-learn's company


def mixed_table():
    """A DataFrame with numbers of odd scales and a column of words."""
    rng = np.random.default_rng(7)
    n = 200
    table = pd.DataFrame(
        {
            "salary": rng.lognormal(11, 1, n),
            "year": rng.integers(1950, 2020, n),
            "colour": rng.choice(["red", "green", "blue"], n),
        }
    )
    score = np.log(table["salary"]) - 11 + (table["colour"] == "red") + rng.logistic(size=n)
    return table, np.where(score > 0, "buys", "leaves")


def test_pipeline_on_a_data_frame():
    """Scaler and encoder in front; the names of their columns arrive at the classifier."""
    table, y = mixed_table()
    columns = ColumnTransformer(
        [("numbers", StandardScaler(), ["salary", "year"]), ("words", OneHotEncoder(sparse_output=False), ["colour"])]
    ).set_output(transform="pandas")
    pipeline = make_pipeline(columns, CrossEntropyClassifier(alpha=1e-3)).fit(table, y)
    names = ["numbers__salary", "numbers__year", "words__colour_blue", "words__colour_green", "words__colour_red"]
    assert_array_equal(pipeline[-1].feature_names_in_, names)
    assert_array_equal(pipeline.classes_, ["buys", "leaves"])
    oracle = reference(columns.transform(table), y, alpha=1e-3)
    assert_allclose(pipeline.predict_proba(table), oracle.predict_proba(columns.transform(table)), atol=1e-3)


def test_scaler_in_front_changes_little_but_the_units():
    """The pipeline with a scaler and the bare classifier fit the same model when nothing is penalised."""
    X, y = load_iris(return_X_y=True)
    X, y = X[y > 0, :2], y[y > 0]  # the first class is told apart without error
    scaled = make_pipeline(StandardScaler(), tight(alpha=0.0)).fit(X, y)
    assert_allclose(scaled.predict_proba(X), tight(alpha=0.0).fit(X, y).predict_proba(X), atol=1e-6)


def test_grid_search_over_alpha():
    """scikit-learn's search, with its scorer and with ours, agrees with itself."""
    X, y = load_wine(return_X_y=True)
    grid = {"alpha": [1e-4, 1e-2, 1.0]}
    search = GridSearchCV(CrossEntropyClassifier(), grid, scoring=neg_cross_entropy, cv=3).fit(X, y)
    other = GridSearchCV(CrossEntropyClassifier(), grid, scoring="neg_log_loss", cv=3).fit(X, y)
    assert_allclose(search.cv_results_["mean_test_score"], other.cv_results_["mean_test_score"], rtol=1e-10)
    assert search.best_params_ == other.best_params_
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_clone_copies_the_parameters():
    """clone, get_params and set_params carry every parameter, and nothing fitted."""
    model = CrossEntropyClassifier(alpha=0.3, class_weight={0: 2.0}, solver="gradient_descent", learning_rate=0.1)
    X, y, _ = problem(2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        copy = clone(model.fit(X, y))
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "coef_")
    assert repr(copy) == repr(model)


@all_solvers
@all_sizes
def test_pickle_keeps_the_answers(solver, k):
    """A fitted classifier goes through pickle, to other processes and to disk."""
    X, y, s = problem(k)
    model = CrossEntropyClassifier(solver=solver, alpha=0.05, warm_start=True).fit(X, y, s)
    copy = pickle.loads(pickle.dumps(model))
    assert_array_equal(copy.predict_proba(X), model.predict_proba(X))
    assert copy.fit(X, y, s).n_iter_ <= 1


# The same bits


@all_solvers
def test_same_call_same_bits(solver):
    """Without a random_state as with one, a fit repeated gives the same bits."""
    X, y, s = problem(5)
    for random_state in (None, 3):
        make = lambda: CrossEntropyClassifier(solver=solver, alpha=0.05, random_state=random_state)  # noqa: B023, E731
        assert_array_equal(make().fit(X, y, s).coef_, make().fit(X, y, s).coef_)


@pytest.mark.parametrize("size", [(20_000, 100, 10), (3000, 20, 4)], ids=["threads pay", "threads do not pay"])
def test_number_of_threads_does_not_change_a_bit(size):
    """Sums are taken in an order that the data alone decides; BLAS works with one thread inside."""
    n, d, k = size
    X, y, s = problem(k, n, d)
    fits = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            fits.append(CrossEntropyClassifier().fit(X, y, s))
    assert_array_equal(fits[0].coef_, fits[1].coef_)
    assert_array_equal(fits[0].loss_curve_, fits[1].loss_curve_)


def test_random_state_chooses_rows_not_results():
    """The rows that a model of the Hessian looks at change the path, not the optimum."""
    X, y, _ = problem(8, n=12_000, d=60)
    fits = [CrossEntropyClassifier(alpha=1e-3, tol=1e-12, random_state=seed).fit(X, y) for seed in (0, 1)]
    assert_same_fit(*fits, 1e-4)


# Bad input


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"solver": "lbgfs"}, ValueError, "Unknown solver 'lbgfs'; use one of 'adam', 'auto'"),
        ({"alpha": -1.0}, ValueError, r"alpha must be in \[0, inf\), got -1.0"),
        ({"alpha": np.nan}, ValueError, "alpha must be"),
        ({"alpha": np.inf}, ValueError, "alpha must be"),
        ({"alpha": "1"}, TypeError, "alpha must be a number"),
        ({"alpha": True}, TypeError, "alpha must be a number"),
        ({"label_smoothing": 1.0}, ValueError, r"label_smoothing must be in \[0, 1\), got 1.0"),
        ({"label_smoothing": -0.1}, ValueError, "label_smoothing must be"),
        ({"gamma": -1.0}, ValueError, r"gamma must be in \[0, inf\), got -1.0"),
        ({"tol": -1e-6}, ValueError, "tol must be"),
        ({"tol": np.nan}, ValueError, "tol must be"),
        ({"max_iter": 0}, ValueError, "max_iter must be"),
        ({"max_iter": 10.0}, TypeError, "max_iter must be an integer"),
        ({"momentum": 1.0}, ValueError, "momentum must be"),
        ({"learning_rate": 0.0}, ValueError, "learning_rate must be"),
        ({"fit_intercept": "yes"}, TypeError, "fit_intercept must be True or False"),
        ({"warm_start": 1}, TypeError, "warm_start must be True or False"),
        ({"class_weight": "balance"}, ValueError, "class_weight is 'balance'"),
        ({"class_weight": {"a": 1.0}}, ValueError, "class_weight has no class in common"),
        ({"class_weight": {0: -1.0}}, ValueError, "class_weight must be finite, non-negative"),
        ({"class_weight": {0: 0.0, 1: 0.0, 2: 0.0}}, ValueError, "class_weight"),
        ({"class_weight": [1.0, 2.0]}, ValueError, "class_weight must have 3 weights"),
    ],
    ids=str,
)
def test_bad_parameter_is_named(options, error, message):
    """A parameter out of its range is an error at fit that says which range, and what was got."""
    X, y, _ = problem()
    with pytest.raises(error, match=message):
        CrossEntropyClassifier(**options).fit(X, y)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda X, y, s: (X[:-1], y, s), ValueError, "inconsistent numbers of samples"),
        (lambda X, y, s: (X[:, 0], y, s), ValueError, "Expected 2D array"),
        (lambda X, y, s: (X[:0], y[:0], None), ValueError, "minimum of 1 is required"),
        (lambda X, y, s: (np.where(X > 2, np.nan, X), y, s), ValueError, "NaN"),
        (lambda X, y, s: (np.where(X > 2, np.inf, X), y, s), ValueError, "infinity"),
        (lambda X, y, s: (X, np.ones_like(y), s), ValueError, "at least two classes, got one class, 1"),
        (lambda X, y, s: (X, X[:, 0], s), ValueError, "continuous"),
        (lambda X, y, s: (X, np.where(y > 1, np.nan, y), s), ValueError, "NaN"),
        (lambda X, y, s: (X, sparse.csr_array(y[:, None]), s), TypeError, "sparse|Sparse"),
        (lambda X, y, s: (X, y, s[:-1]), ValueError, r"sample_weight must have shape \(150,\), got \(149,\)"),
        (lambda X, y, s: (X, y, s - s.max()), ValueError, "sample_weight must not be negative"),
        (lambda X, y, s: (X * [1, 1e160, 1, 1], y, s), ValueError, "squares are larger than any float, in column 1"),
        (lambda X, y, s: (X, y, 0 * s), ValueError, "sample_weight sums to zero"),
        (lambda X, y, s: (X, y, s * np.nan), ValueError, "sample_weight must be finite"),
        (lambda X, y, s: (X.astype(complex), y, s), ValueError, "Complex data not supported"),
    ],
    ids=range(15),
)
def test_bad_data_is_refused(change, error, message):
    """One clear error, and the estimator is not half fitted."""
    model = CrossEntropyClassifier()
    with pytest.raises(error, match=message):
        model.fit(*change(*problem()))
    assert not hasattr(model, "coef_")


def test_weights_that_cancel_are_refused():
    """Class weights and sample weights that leave no row."""
    X, y, _ = problem(2)
    with pytest.raises(ValueError, match="every row the weight zero"):
        CrossEntropyClassifier(class_weight={0: 0.0}).fit(X, y, sample_weight=(y == 0).astype(float))


def test_a_failed_fit_leaves_the_last_one():
    """A second fit that is refused does not spoil the first."""
    X, y, _ = problem()
    model = CrossEntropyClassifier().fit(X, y)
    before = model.predict_proba(X)
    with pytest.raises(ValueError, match="one class"):
        model.fit(X, np.zeros(len(y)))
    assert_array_equal(model.predict_proba(X), before)
