"""Fewer rows than features: the coordinates of the rows' span, and fits in them."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import optimize, sparse, special
from sklearn.exceptions import ConvergenceWarning

from skce import CrossEntropyClassifier, CrossEntropyClassifierCV
from skce._link import link_of
from skce._objective import Objective
from skce._row_space import narrows, row_space
from skce._training import Training
from skce._validation import check_fit


def problem(n=60, d=400, k=3, seed=0):
    """Features in many units, some far from 0, one constant, two rows alike; classes; weights."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * np.geomspace(0.1, 10, d) + rng.normal(size=d)
    X[:, 5] = 3.0
    X[1] = X[0]
    return X, rng.integers(k, size=n), rng.exponential(size=n)


@pytest.mark.parametrize("centred", [True, False])
def test_coordinates_keep_inner_products(centred):
    """Columns are uncorrelated, rows are as far from each other, and lifted coefficients give the same logits."""
    X, _, _ = problem()
    space = row_space(X, centred=centred)
    center = space.center
    assert_allclose(center, X.mean(axis=0) if centred else 0, atol=1e-14)
    assert space.features.shape == (60, 58 if centred else 59)  # two rows are alike
    assert_allclose(space.features @ space.features.T, (X - center) @ (X - center).T, atol=1e-9)
    squares = space.features.T @ space.features
    assert_allclose(squares, np.diag(np.diag(squares)), atol=1e-8)
    V = np.random.default_rng(1).normal(size=(2, space.features.shape[1]))
    W = space.lift(V)
    assert_allclose((X - center) @ W.T, space.features @ V.T, atol=1e-9)
    assert_allclose(np.linalg.norm(W), np.linalg.norm(V))
    assert_allclose(space.lower(W), V, atol=1e-9)


def test_what_is_narrowed():
    """Dense tables that are wider than long, unless n by n numbers are much beside them."""
    assert narrows(np.zeros((50, 100)))
    assert not narrows(np.zeros((50, 99)))
    assert not narrows(np.zeros((101, 100)))
    assert not narrows(sparse.csr_array((50, 100)))
    assert narrows(np.broadcast_to(0.0, (1400, 1400)))
    assert not narrows(np.broadcast_to(0.0, (2000, 50_000)))
    assert narrows(np.broadcast_to(0.0, (2000, 60_000)))


def reference(X, codes, weights, alpha, fit_intercept):
    """Coefficients by SciPy, in the coordinates of the rows themselves: W = M X."""
    n, k = len(X), codes.max() + 1
    gram, onehot, total = X @ X.T, np.eye(k)[codes], weights.sum()

    def value_and_gradient(theta):
        M, b = theta[: n * k].reshape(k, n), theta[n * k :]
        z = gram @ M.T + b * fit_intercept
        residual = weights[:, None] * (special.softmax(z, axis=1) - onehot) / total
        value = -np.sum(weights * special.log_softmax(z, axis=1)[np.arange(n), codes]) / total
        slope = (residual.T + alpha * M) @ gram
        return value + alpha / 2 * np.vdot(M @ gram, M), np.r_[slope.ravel(), residual.sum(axis=0) * fit_intercept]

    start = np.zeros(n * k + k)
    options = {"maxiter": 50_000, "maxfun": 100_000, "ftol": 1e-15, "gtol": 1e-10, "maxcor": 50}
    return optimize.minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options=options)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("alpha", [1e-3, 0.1])
def test_the_minimum_is_that_of_all_coefficients(alpha, dtype, fit_intercept):
    """Weighted rows, against SciPy."""
    X, codes, weights = problem()
    X = X.astype(dtype)
    model = CrossEntropyClassifier(alpha=alpha, fit_intercept=fit_intercept).fit(X, codes, sample_weight=weights)
    assert model.converged_
    expected = reference(X.astype(float), codes, weights, alpha, fit_intercept)
    assert_allclose(model.loss_curve_[-1], expected.fun, atol=1e-6)
    z = X.astype(float) @ model.coef_.T + model.intercept_
    loss = np.average(-special.log_softmax(z, axis=1)[np.arange(60), codes], weights=weights)
    assert_allclose(loss + alpha / 2 * np.sum(model.coef_.astype(float) ** 2), expected.fun, atol=2e-6)


@pytest.mark.parametrize("kind", ["two classes", "labels", "soft", "focal"])
def test_every_kind_of_target(kind, monkeypatch):
    """As without the coordinates."""
    X, codes, _ = problem()
    X = X / X.std(axis=0).max()
    rng = np.random.default_rng(3)
    y = {"two classes": codes % 2, "labels": rng.integers(2, size=(60, 3)), "soft": rng.dirichlet([1, 1, 1], size=60)}
    gamma = 1.5 if kind == "focal" else 0.0
    narrow = CrossEntropyClassifier(alpha=0.01, gamma=gamma, tol=1e-9).fit(X, y.get(kind, codes))
    monkeypatch.setattr("skce._objective.narrows", lambda X: False)
    wide = CrossEntropyClassifier(alpha=0.01, gamma=gamma, tol=1e-9).fit(X, y.get(kind, codes))
    assert_allclose(narrow.loss_curve_[-1], wide.loss_curve_[-1], atol=1e-8)
    assert_allclose(narrow.coef_, wide.coef_, atol=1e-4)


WIDE = {
    "a large column": lambda X: X * np.where(np.arange(400) == 7, 1e6, 1),
    "a larger column": lambda X: X * np.where(np.arange(400) == 7, 1e8, 1),
    "a large row": lambda X: X * np.where(np.arange(60) == 7, 1e7, 1)[:, None],
    "graded rows": lambda X: X * np.geomspace(1, 1e-8, 60)[:, None],
    "heavy tails": lambda X: X**9,
}


HIDDEN = pytest.mark.xfail(
    strict=True,
    reason="ends 1.06e-6 high: the large row's loss is next to nothing, and its curvature hides what is left to gain",
)


@pytest.mark.parametrize(
    "table", [pytest.param(table, marks=[HIDDEN] if table == "a large row" else []) for table in WIDE]
)
def test_what_squares_would_lose(table, monkeypatch):
    """Products of rows hold half of the digits: where that is not enough the rows themselves are asked."""
    X, codes, _ = problem()
    X = WIDE[table](X)
    narrow = CrossEntropyClassifier(alpha=1e-3).fit(X, codes)
    monkeypatch.setattr("skce._objective.narrows", lambda X: False)
    wide = CrossEntropyClassifier(alpha=1e-3, tol=1e-8).fit(X, codes)
    assert narrow.converged_
    assert narrow.loss_curve_[-1] <= wide.loss_curve_[-1] + 1e-6


@pytest.mark.parametrize("table", WIDE)
def test_no_component_is_lost(table):
    """Also of what is a hundred millionth of the largest; coefficients go in and out."""
    X = WIDE[table](problem()[0])
    space = row_space(X, centred=True)
    assert space.features.shape == (60, 59 if table == "graded rows" else 58)  # the first two rows are alike
    V = np.random.default_rng(1).normal(size=(2, space.features.shape[1]))
    assert_allclose((X - space.center) @ space.lift(V).T / X.std(), space.features @ V.T / X.std(), atol=1e-9)
    assert_allclose(np.linalg.norm(space.lift(V)), np.linalg.norm(V), rtol=1e-4)


def test_rows_that_are_alike_and_squares_that_overflow():
    """Only the latter span nothing that can be told."""
    X, _, _ = problem()
    assert row_space(X[np.arange(60) // 10], centred=True).features.shape == (60, 4)  # five rows are different
    assert row_space(X * 1e160, centred=True) is None


@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e15])
def test_single_precision_of_any_size(scale):
    """Coefficients are as large as their features are small; the last pass is in double precision."""
    X, codes, _ = problem()
    X = (X * scale).astype(np.float32)
    model = CrossEntropyClassifier(alpha=1e-3 * scale**2, tol=1e-7).fit(X, codes)
    reference = CrossEntropyClassifier(alpha=1e-3, tol=1e-7).fit(X.astype(float) / scale, codes)
    assert_allclose(model.loss_curve_[-1], reference.loss_curve_[-1], atol=1e-6)


def test_a_feature_that_is_all_there_is():
    """Rows that are all alike span nothing but their mean."""
    X = np.ones((20, 150))
    model = CrossEntropyClassifier().fit(X, np.arange(20) % 2)
    assert_allclose(model.predict_proba(X), 0.5)
    assert_array_equal(model.coef_, 0)


def test_few_passes_over_the_features(monkeypatch):
    """The steps are taken on a table of n by n; two passes over X tell that it was right."""
    shapes = []
    whole = Objective.value_and_gradient

    def counted(self, theta):
        shapes.append(self.rows.arrays[0].shape)
        return whole(self, theta)

    monkeypatch.setattr(Objective, "value_and_gradient", counted)
    X, codes, _ = problem()
    model = CrossEntropyClassifier(alpha=0.01).fit(X, codes)
    assert shapes.count(X.shape) <= 2
    assert len(shapes) > model.n_iter_ > 2
    assert len(model.loss_curve_) == model.n_iter_ + 1


@pytest.mark.parametrize("condition", [1.0, 1e-4])
def test_passes_come_before_the_span_where_it_is_dear(condition, monkeypatch):
    """A fit that takes few passes over X is done before; another goes on in the span, and its steps are counted on."""
    made, seen = [], []

    def counted(X, **options):
        made.append(len(X))
        return row_space(X, **options)

    monkeypatch.setattr("skce._objective.row_space", counted)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 300)) * np.geomspace(1, condition, 300) @ np.linalg.qr(rng.normal(size=(300, 300)))[0]
    y = (X[:, :3] + rng.gumbel(size=(200, 3))).argmax(axis=1)
    model = CrossEntropyClassifier(alpha=1e-2 if condition == 1 else 1e-7, tol=1e-9)
    data = check_fit(model, X, y, None)
    training = Training(model, link_of("auto", data.targets), data, model.alpha)
    rent = int(training.objective.rent)
    assert 25 < rent < 100
    result = training.solve(training.objective.start(), lambda step: seen.append((step.n_iter, step.value)))
    assert made == ([] if condition == 1 else [200])
    assert (result.n_iter > rent) == bool(made)
    assert result.converged
    assert [n_iter for n_iter, _ in seen] == list(range(result.n_iter + 1))
    told, curve = np.array([value for _, value in seen]), np.array(result.curve)
    there = np.arange(len(curve)) != rent
    assert_allclose(told[there], curve[there], rtol=1e-12)
    assert (told >= curve - 1e-12).all()  # what is not in the span is only penalised
    assert (np.diff(curve) < 0).all()
    assert training.with_alpha(1e-3).objective.span.sought == bool(made)
    if made:
        short = CrossEntropyClassifier(alpha=model.alpha, max_iter=rent + 2)
        with pytest.warns(UserWarning, match=f"max_iter={rent + 2}"):
            assert short.fit(X, y).n_iter_ == rent + 2
    monkeypatch.setattr("skce._objective.narrows", lambda X: False)
    direct = CrossEntropyClassifier(alpha=model.alpha, tol=1e-9, max_iter=5000).fit(X, y)
    assert_allclose(result.value, direct.loss_curve_[-1], atol=1e-8)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(("n", "alpha", "decades"), [(150, 0.0, 3), (150, 0.0, 8), (310, 1e-2, 8)])
def test_what_coefficients_of_the_features_cannot_say(n, alpha, decades, fit_intercept):
    """Components that differ by twelve orders of magnitude and more: what is found in the span may be lost outside."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(n, n)) * np.geomspace(1, 1e-4, n) @ rng.normal(size=(n, n)) / n**0.5
    y = (X[:, :3] * 3 / X[:, :3].std(axis=0) + 2 * rng.gumbel(size=(n, 3))).argmax(axis=1)
    X *= 10.0 ** rng.uniform(-decades, decades, n)
    seen = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without penalty there is no minimum
        model = CrossEntropyClassifier(alpha=alpha, fit_intercept=fit_intercept).fit(X, y)
        data = check_fit(model, X, y, None)
        training = Training(model, link_of("auto", data.targets), data, alpha)
        result = training.solve(training.objective.start(), lambda step: seen.append(step.n_iter))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("skce._objective.narrows", lambda X: False)
            direct = CrossEntropyClassifier(alpha=alpha, fit_intercept=fit_intercept).fit(X, y)
    assert model.loss_curve_[-1] < direct.loss_curve_[-1] + 2e-6
    assert len(model.loss_curve_) == model.n_iter_ + 1
    assert len(result.curve) == result.n_iter + 1
    assert seen == list(range(result.n_iter + 1))


def test_passes_of_earlier_fits_count(monkeypatch):
    """On a path, and where a fit goes on from one that was not done, the span is found once passes have paid for it."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 300)) * np.geomspace(1, 1e-4, 300) @ np.linalg.qr(rng.normal(size=(300, 300)))[0]
    y = (X[:, :3] + rng.gumbel(size=(200, 3))).argmax(axis=1)
    made = []

    def counted(X, **options):
        made.append(len(X))
        return row_space(X, **options)

    monkeypatch.setattr("skce._objective.row_space", counted)
    model = CrossEntropyClassifier(alpha=1e-7, max_iter=10, warm_start=True)
    for times in range(2):
        with pytest.warns(ConvergenceWarning, match="max_iter=10"):
            model.fit(X, y)
        assert len(made) == times
    data = check_fit(model, X, y, None)
    training = Training(model, link_of("auto", data.targets), data, 1.0)
    rent, theta = training.objective.rent, training.objective.start()
    for alpha in np.geomspace(1, 1e-4, 9):
        penalised = training.with_alpha(alpha)
        theta = penalised.solve(theta).theta
    assert training.objective.span.passes > rent
    assert training.objective.span.sought


def test_watchers_see_coefficients_of_the_features():
    """Early stopping by validation rows stops between the start and the minimum."""
    X, codes, _ = problem(n=90)
    rng = np.random.default_rng(2)
    codes = (X[:, :3].sum(axis=1) + 2 * rng.normal(size=90) > 0).astype(int)
    options = {"alpha": 1e-6, "early_stopping": True, "n_iter_no_change": 3}
    stopped = CrossEntropyClassifier(**options).fit(X[:60], codes[:60], X_val=X[60:], y_val=codes[60:])
    full = CrossEntropyClassifier(alpha=1e-6).fit(X[:60], codes[:60])
    assert stopped.n_iter_ < full.n_iter_
    best = np.argmin(stopped.validation_loss_curve_)
    proba = stopped.predict_proba(X[60:])
    assert_allclose(-np.mean(np.log(proba[np.arange(30), codes[60:]])), stopped.validation_loss_curve_[best], rtol=1e-9)


def test_max_iter_and_warm_start():
    """Steps of both calls together reach the minimum."""
    X, codes, _ = problem()
    model = CrossEntropyClassifier(alpha=0.01, max_iter=3, warm_start=True)
    with pytest.warns(UserWarning, match="max_iter=3"):
        model.fit(X, codes)
    assert model.n_iter_ == 3
    assert not model.converged_
    model.set_params(max_iter=100).fit(X, codes)
    expected = CrossEntropyClassifier(alpha=0.01).fit(X, codes)
    assert_allclose(model.loss_curve_[-1], expected.loss_curve_[-1], atol=2e-6)
    assert model.n_iter_ <= expected.n_iter_


def test_a_path_of_penalties(monkeypatch):
    """Finds the coordinates once for each fold and once for all rows, and what fits one by one find."""
    made = []

    def counted(X, **options):
        made.append(len(X))
        return row_space(X, **options)

    monkeypatch.setattr("skce._objective.row_space", counted)
    X, codes, _ = problem()
    path = CrossEntropyClassifierCV(alphas=[1e-3, 1e-2, 1e-1], cv=3).fit(X, codes)
    assert made == [40, 40, 40, 60]
    one = CrossEntropyClassifier(alpha=path.alpha_).fit(X, codes)
    assert_allclose(path.predict_proba(X), one.predict_proba(X), atol=1e-3)
