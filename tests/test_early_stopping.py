"""Early stopping: by which rows, by which score, with which patience, and what is given back."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse, special
from sklearn import config_context
from sklearn.metrics import f1_score, get_scorer
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skce import (
    CrossEntropyClassifier,
    cross_entropy_loss,
    make_scorer,
    neg_cross_entropy,
    neg_kl_divergence,
    neg_multilabel_cross_entropy,
)
from skce._monitor import Validation
from skce.solvers import SOLVERS, Step

all_solvers = pytest.mark.parametrize("solver", sorted(SOLVERS))


def problem(n=120, d=30, k=3, seed=0):
    """So many features that a fit without penalty learns the noise."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    y = (X[:, :2] @ rng.normal(size=(2, k)) + rng.gumbel(size=(n, k))).argmax(axis=1)
    return X, y, rng.exponential(size=n)


def halves(**options):
    """Rows to fit and rows to validate by."""
    X, y, s = problem(**options)
    half = len(X) // 2
    return (X[:half], y[:half], s[:half]), {"X_val": X[half:], "y_val": y[half:], "sample_weight_val": s[half:]}


def stopping(**options):
    """A classifier that overfits unless it is stopped."""
    return CrossEntropyClassifier(**({"alpha": 1e-6, "early_stopping": True} | options))


def loss(model, X_val, y_val, sample_weight_val=None):
    """Mean loss of the validation rows, from the probabilities."""
    proba = model.predict_proba(X_val)[np.arange(len(y_val)), y_val]
    return np.average(-np.log(proba), weights=sample_weight_val)


# The rule


def watch(losses, patience, tol=0.0):
    """Feed losses step by step; the number of steps, and the best theta."""
    validation = Validation(lambda theta: losses[int(theta[0])], patience, tol)
    for i in range(len(losses)):
        if validation(Step(i, np.array([float(i)]), 0.0, np.nan)):
            break
    return i, validation


@pytest.mark.parametrize(
    ("losses", "patience", "tol", "stop", "best"),
    [
        ([5, 4, 3, 4, 5, 6], 2, 0.0, 4, 2),
        ([5, 4, 3, 4, 2, 3, 4], 2, 0.0, 6, 4),
        ([5, 5, 5, 5], 3, 0.0, 3, 0),
        ([5, 4.9, 4.8, 4.7], 2, 0.5, 2, 2),
        ([5, 4, 3], 1, 0.0, 2, 2),
        ([1, 2, 3, 4], np.inf, 0.0, 3, 0),
    ],
)
def test_rule(losses, patience, tol, stop, best):
    """After so many steps in a row that are not better by tol than the best before; the best is kept, tol or not."""
    stopped, validation = watch(losses, patience, tol)
    assert stopped == stop
    assert validation.theta[0] == best
    assert validation.best == losses[best]
    assert validation.curve == losses[: stop + 1]


# By the loss


@all_solvers
def test_given_rows(solver):
    """The curve is the loss of the validation rows; the coefficients are those of its least."""
    train, val = halves()
    model = stopping(solver=solver).fit(*train, **val)
    curve = model.validation_loss_curve_
    assert loss(model, **val) == pytest.approx(curve.min(), rel=1e-9)
    assert len(curve) == model.n_iter_ + (solver not in ("sgd", "adam"))
    assert len(curve) - 1 - curve.argmin() == 5
    assert model.converged_
    assert curve.min() < 0.9 * loss(CrossEntropyClassifier(alpha=1e-6).fit(*train), **val)


@all_solvers
def test_coefficients_are_those_of_the_best_step(solver):
    """A fit of just so many steps has them."""
    train, val = halves(n=240)
    model = stopping(solver=solver).fit(*train, **val)
    best = int(model.validation_loss_curve_.argmin()) + (solver in ("sgd", "adam"))
    with pytest.warns(match="max_iter"):
        short = CrossEntropyClassifier(alpha=1e-6, solver=solver, max_iter=best).fit(*train)
    assert_allclose(model.coef_, short.coef_, rtol=1e-12)


@all_solvers
def test_curve_without_early_stopping(solver):
    """X_val alone is watched, and changes nothing."""
    train, val = halves()
    options = {"alpha": 0.1, "solver": solver}
    model, plain = CrossEntropyClassifier(**options).fit(*train, **val), CrossEntropyClassifier(**options).fit(*train)
    assert_array_equal(model.coef_, plain.coef_)
    assert model.validation_loss_curve_[-1] == pytest.approx(loss(model, **val), rel=1e-9)
    assert not hasattr(plain, "validation_loss_curve_")


def test_patience():
    """`n_iter_no_change` steps after the best."""
    train, val = halves()
    for patience in (1, 3, 8):
        curve = stopping(n_iter_no_change=patience).fit(*train, **val).validation_loss_curve_
        assert len(curve) - 1 - curve.argmin() == patience


def test_loss_is_the_one_that_is_minimised():
    """With smoothing, gamma and the class weights of the rows that are fitted; without penalty."""
    train, val = halves()
    options = {"label_smoothing": 0.1, "gamma": 1.5, "class_weight": "balanced"}
    model = stopping(**options).fit(*train, **val)
    w = train[2].sum() / (3 * np.bincount(train[1], train[2]))
    targets = 0.9 * np.eye(3)[val["y_val"]] + 0.1 / 3
    log_p = model.predict_log_proba(val["X_val"])
    losses = -np.sum(w * targets * (1 - np.exp(log_p)) ** 1.5 * log_p, axis=1)
    s = val["sample_weight_val"]
    assert model.validation_loss_curve_.min() == pytest.approx(s @ losses / (s @ w[val["y_val"]]), rel=1e-9)


@pytest.mark.parametrize("form", ["soft", "answers", "unknown"])
def test_other_forms_of_y(form):
    """Soft labels and several labels a row, some unknown, also all of a label's."""
    (X, y, s), val = halves()
    change = {
        "soft": lambda y: 0.7 * np.eye(3)[y] + 0.1,
        "answers": lambda y: np.eye(3)[y],
        "unknown": lambda y: np.where(np.arange(3) == 2, np.nan, np.eye(3)[y]),
    }[form]
    Y_train = change(y)
    if form == "unknown":
        Y_train[:30] = np.eye(3)[y[:30]]
    model = stopping().fit(X, Y_train, s, **(val | {"y_val": change(val["y_val"])}))
    targets, p = change(val["y_val"]), model.predict_proba(val["X_val"])
    losses = -special.xlogy(targets, p) - (0 if form == "soft" else special.xlogy(1 - targets, 1 - p))
    expected = np.average(np.nansum(losses, axis=1), weights=val["sample_weight_val"])
    assert model.validation_loss_curve_.min() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("container", [sparse.csr_array, pd.DataFrame, lambda X: X.tolist(), lambda X: X.astype("f4")])
def test_kinds_of_validation_features(container):
    """Whatever X may be."""
    (X, y, s), val = halves()
    expected = stopping().fit(X, y, s, **val).validation_loss_curve_
    X = pd.DataFrame(X) if container is pd.DataFrame else X
    found = stopping().fit(X, y, s, **(val | {"X_val": container(val["X_val"])})).validation_loss_curve_
    assert_allclose(found, expected, rtol=1e-5)


# An internal split


@all_solvers
def test_internal_split(solver):
    """A part of each class is not fitted: the fit is that of the other rows, validated by it."""
    X, y, s = problem()
    model = stopping(solver=solver, random_state=3, validation_fraction=0.25).fit(X, y, s)
    train, val = train_test_split(np.arange(len(X)), test_size=30, random_state=3, stratify=y)
    rows = {"X_val": X[val], "y_val": y[val], "sample_weight_val": s[val]}
    given = stopping(solver=solver, random_state=3).fit(X[train], y[train], s[train], **rows)
    assert_array_equal(model.coef_, given.coef_)
    assert_array_equal(model.validation_loss_curve_, given.validation_loss_curve_)


def test_internal_split_by_seed():
    """None is always the same; another seed, other rows."""
    X, y, s = problem()
    fits = [stopping(random_state=seed).fit(X, y, s).coef_ for seed in (None, None, 1)]
    assert_array_equal(fits[0], fits[1])
    assert (fits[0] != fits[2]).any()


def test_internal_split_of_rare_classes():
    """A class of one row is no error, nor is a table of few rows."""
    X, y, _ = problem(n=40)
    y[0] = 9
    assert_array_equal(stopping().fit(X, y).classes_, np.unique(y))
    assert stopping(validation_fraction=0.5).fit(X[:4], [0, 1, 0, 1]).n_iter_ >= 0


def test_internal_split_of_several_labels():
    """And of soft ones; a label whose few answers may all be held out is no error."""
    X, y, s = problem()
    Y = np.eye(3)[y]
    Y[3:, 2] = np.nan
    for seed in range(5):
        assert np.isfinite(stopping(random_state=seed).fit(X, Y, s).coef_).all()


# By a scorer


@all_solvers
@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss", "roc_auc_ovr"])
def test_scorers_by_name(solver, scoring):
    """The curve is minus the score, and the coefficients are the best."""
    train, val = halves()
    model = stopping(solver=solver, scoring=scoring).fit(*train, **val)
    best = -model.validation_loss_curve_.min()
    score = get_scorer(scoring)(model, val["X_val"], val["y_val"], sample_weight=val["sample_weight_val"])
    assert score == pytest.approx(best, rel=1e-9)
    if scoring == "accuracy":
        assert model.score(val["X_val"], val["y_val"], val["sample_weight_val"]) == pytest.approx(best)


def test_our_scorers():
    """For each form of y; a class that the fitted rows lack is no trouble."""
    (X, y, s), val = halves()
    mild = {"alpha": 1e-3}  # probabilities above eps, below which the score clips them
    by_loss = stopping(**mild).fit(X, y, s, **val)
    by_score = stopping(scoring=neg_cross_entropy, **mild).fit(X, y, s, **val)
    assert_allclose(by_score.validation_loss_curve_, by_loss.validation_loss_curve_, rtol=1e-9)
    assert_array_equal(by_score.coef_, by_loss.coef_)
    for scoring, change in (
        (neg_kl_divergence, lambda y: 0.7 * np.eye(3)[y] + 0.1),
        (neg_multilabel_cross_entropy, lambda y: np.eye(3)[y]),
    ):
        model = stopping(scoring=scoring).fit(X, change(y), s, **(val | {"y_val": change(val["y_val"])}))
        score = scoring(model, val["X_val"], change(val["y_val"]), sample_weight=val["sample_weight_val"])
        assert -model.validation_loss_curve_.min() == pytest.approx(score, rel=1e-9)


def test_callable():
    """It gets the classifier as it is at that step, and validation rows with their own labels."""
    (X, y, s), val = halves()
    names, heard = np.array(["a", "b", "c"]), []

    def scoring(estimator, X, y):
        heard.append((estimator.coef_.copy(), X.shape, set(y)))
        return f1_score(y, estimator.predict(X), average="macro")

    model = stopping(scoring=scoring).fit(X, names[y], s, **(val | {"y_val": names[val["y_val"]]}))
    assert len(heard) == len(model.validation_loss_curve_)
    assert {shape for _, shape, _ in heard} == {val["X_val"].shape}
    assert set().union(*(labels for _, _, labels in heard)) == set(names)
    assert_array_equal(model.coef_, heard[int(model.validation_loss_curve_.argmin())][0])


def test_metadata_routing_is_no_trouble():
    """Weights go to a scorer that asks for them."""
    train, val = halves()
    mild = {"alpha": 1e-3}  # probabilities above eps, below which the score clips them
    with config_context(enable_metadata_routing=True):
        asking = make_scorer(cross_entropy_loss).set_score_request(sample_weight=True)
        asks = stopping(scoring=asking, **mild).fit(*train, **val)
        curve = stopping(scoring="neg_log_loss").fit(*train, **val).validation_loss_curve_
    assert_allclose(asks.validation_loss_curve_, stopping(**mild).fit(*train, **val).validation_loss_curve_, rtol=1e-9)
    assert np.isfinite(curve).all()


# Routed metadata


def routed():
    """A classifier that asks for everything."""
    names = {"sample_weight": True, "X_val": True, "y_val": True, "sample_weight_val": True}
    return stopping().set_fit_request(**names).set_score_request(sample_weight=True)


def test_validation_rows_through_a_pipeline():
    """X_val is transformed as X is."""
    (X, y, s), val = halves()
    with config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=True)
        pipeline = make_pipeline(scaler, routed(), transform_input=["X_val"]).fit(
            X * 100, y, sample_weight=s, **(val | {"X_val": 100 * val["X_val"]})
        )
    scaler = StandardScaler().fit(100 * X, sample_weight=s)
    own = stopping().fit(scaler.transform(100 * X), y, s, **(val | {"X_val": scaler.transform(100 * val["X_val"])}))
    assert_allclose(pipeline[-1].coef_, own.coef_, rtol=1e-9)
    assert_allclose(pipeline[-1].validation_loss_curve_, own.validation_loss_curve_, rtol=1e-9)


def test_validation_rows_through_a_search():
    """Each fold is fitted with the same validation rows, and scored with its own weights."""
    (X, y, s), val = halves(n=200)
    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(routed(), {"alpha": [1e-6, 1.0]}, cv=2).fit(X, y, sample_weight=s, **val)
    plain = stopping(alpha=search.best_params_["alpha"]).fit(X, y, s, **val)
    assert_array_equal(search.best_estimator_.coef_, plain.coef_)


def test_requests_of_partial_fit():
    """Its weights and classes can be asked for too."""
    with config_context(enable_metadata_routing=True):
        model = CrossEntropyClassifier(solver="sgd").set_partial_fit_request(sample_weight=True, classes=True)
        requests = model.get_metadata_routing()
    assert requests.partial_fit.requests == {"sample_weight": True, "classes": True}
    assert set(requests.fit.requests) == {"sample_weight", "X_val", "y_val", "sample_weight_val"}
    assert set(requests.score.requests) == {"sample_weight"}


# With other features


@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_warm_start_goes_on_from_the_best(solver):
    """Not from the last step before the stop."""
    train, val = halves()
    model = stopping(solver=solver, warm_start=True, shuffle=False).fit(*train, **val)
    best = loss(model, **val)
    model.set_params(max_iter=1, early_stopping=False, learning_rate=1e-12)
    with pytest.warns(match="max_iter"):
        model.fit(*train, **val)
    if solver == "sgd":
        assert loss(model, **val) == pytest.approx(best, rel=1e-6)
    else:
        assert model.validation_loss_curve_[0] == pytest.approx(best, rel=1e-9)


# Bad input


@pytest.mark.parametrize(
    ("options", "change", "message"),
    [
        ({}, {"y_val": None}, "X_val and y_val go together"),
        ({}, {"X_val": None}, "X_val and y_val go together"),
        ({}, {"X_val": None, "y_val": None}, "sample_weight_val goes with"),
        ({}, {"y_val": np.full(60, 7)}, r"labels \[7\] that are not among the classes"),
        ({}, {"y_val": np.eye(4)[np.zeros(60, int)]}, "must have 3 columns"),
        ({}, {"X_val": np.zeros((60, 2))}, "X has 2 features"),
        ({}, {"X_val": np.zeros((10, 30))}, "inconsistent numbers of samples"),
        ({}, {"X_val": np.full((60, 30), np.nan)}, "NaN"),
        ({}, {"sample_weight_val": np.ones(3)}, r"sample_weight must have shape \(60,\)"),
        ({}, {"sample_weight_val": np.zeros(60)}, "sums to zero"),
        ({"scoring": "acuracy"}, {}, "scoring"),
        ({"scoring": ["accuracy"]}, {}, "one number"),
        ({"scoring": lambda estimator, X, y: np.nan}, {}, "scoring gave nan"),
        ({"validation_fraction": 0.0}, {}, r"validation_fraction must be in \(0, 1\)"),
        ({"validation_fraction": 1.0}, {}, "validation_fraction must be"),
        ({"n_iter_no_change": 0}, {}, "n_iter_no_change must be"),
    ],
    ids=range(16),
)
def test_bad_input_is_refused(options, change, message):
    """One ValueError, and the classifier is not half fitted."""
    train, val = halves()
    model = stopping(**options)
    with pytest.raises(ValueError, match=message):
        model.fit(*train, **(val | change))
    assert not hasattr(model, "coef_")


@pytest.mark.parametrize("solver", ["lbfgs", "gradient_descent", "sgd"])
@pytest.mark.parametrize("several", [True, False])
def test_split_is_of_the_rows_that_have_a_weight(solver, several):
    """Rows that weigh nothing are neither fitted nor validated by."""
    X, y, _ = problem(n=60)
    weights = np.tile([1.0, 1.0, 0.0], 20)
    targets, rows = np.eye(3)[y] if several else y, weights > 0
    model = stopping(solver=solver, validation_fraction=0.5).fit(X, targets, weights)
    alone = stopping(solver=solver, validation_fraction=0.5).fit(X[rows], targets[rows])
    assert_allclose(model.validation_loss_curve_, alone.validation_loss_curve_, rtol=1e-6)


def test_split_that_leaves_nothing():
    """Says which parameter."""
    with pytest.raises(ValueError, match=r"validation_fraction=0\.9 of 3 rows leaves none to fit"):
        stopping(validation_fraction=0.9).fit(np.eye(3), [0, 1, 0])
