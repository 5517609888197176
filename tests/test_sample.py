"""Rows that stand for all: what they weigh, which are taken, and fits that start from their minimum."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse, special
from sklearn.linear_model import LogisticRegression

from skce import CrossEntropyClassifier
from skce._objective import Objective, rows_of
from skce._sample import stand_ins

N = 60_000


def problem(n=N, d=5, k=3, seed=0):
    """Features, and classes that they predict somewhat."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    return X, (X @ rng.normal(size=(d, k)) + rng.gumbel(size=(n, k))).argmax(axis=1)


def drawn(X, targets, weights=None, n_parameters=5, seed=0):
    """The stand-ins of some rows."""
    mass = float(X.shape[0] if weights is None else weights.sum())
    return stand_ins(rows_of(X, targets, weights, 3), n_parameters, 3, mass, seed)


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("targets", ["codes", "soft", "one number"])
def test_weighted_sums_are_those_of_all_rows(targets, weighted):
    """Up to chance, for every kind of target; the mass is that of all rows."""
    X, codes = problem()
    kinds = {"codes": codes, "soft": special.softmax(X[:, :3], axis=1), "one number": special.expit(X[:, 0])}
    y = kinds[targets]
    weights = np.random.default_rng(1).exponential(size=N) if weighted else None
    own = np.ones(N) if weights is None else weights
    few, few_y, few_weights = drawn(X, y, weights)
    assert 2000 < len(few) < 3000
    assert_allclose(few_weights.sum(), own.sum(), rtol=1e-10)
    assert_allclose(few_weights @ few / own.sum(), own @ X / own.sum(), atol=0.1)
    assert_allclose(few_weights @ few**2 / own.sum(), own @ X**2 / own.sum(), atol=0.2)
    outputs, few_outputs = (np.eye(3)[y], np.eye(3)[few_y]) if targets == "codes" else (y, few_y)
    assert_allclose(few_weights @ few_outputs / own.sum(), own @ outputs / own.sum(), atol=0.05)


def test_all_rows_of_a_rare_class_are_taken():
    """They weigh what they weigh among all rows, and the others the more."""
    X, codes = problem()
    codes[:] = codes > 0
    codes[np.arange(50) * 1000] = 2
    X[:, 0] = np.arange(N)
    few, few_codes, weights = drawn(X, codes)
    assert_array_equal(few[few_codes == 2, 0], np.arange(50) * 1000)
    assert_allclose(weights[few_codes == 2], weights[few_codes == 2][0])
    assert_allclose(weights[few_codes == 2][0], 1, rtol=0.1)


def test_the_rows_that_bear_the_weight_are_taken():
    """Of rows that nearly all weigh nothing, the others are there."""
    X, codes = problem()
    weights = np.zeros(N)
    weights[::1000] = 1.0
    X[:, 0] = np.arange(N)
    few, _, few_weights = drawn(X, codes, weights)
    assert_array_equal(few[few_weights > 0, 0], np.arange(0, N, 1000))


@pytest.mark.parametrize("answer", [0.0, 1.0])
def test_rare_answers_are_taken(answer):
    """Yes or no, also beside answers that are unknown."""
    X, _ = problem()
    Y = (X[:, :3] > 0).astype(float)
    Y[:, 0] = 1 - answer
    Y[::2000, 0] = answer
    Y[::7, 1] = np.nan
    Y[3::7, 0] = np.nan
    rare = np.flatnonzero(Y[:, 0] == answer)
    X[:, 0] = np.arange(N)
    few, few_Y, weights = drawn(X, Y)
    assert_array_equal(few[few_Y[:, 0] == answer, 0], rare)
    assert np.isfinite(weights).all()


def test_a_class_of_hardly_any_weight_is_not_asked():
    """Its rows are drawn like any others, and no arithmetic overflows."""
    X, codes = problem()
    few, few_codes, _ = drawn(X, codes % 2, np.where(codes % 2, 1e-320, 1.0))
    assert 1000 < len(few) < 3000
    assert few_codes.any()


UNLIKE = {
    "seen in no row": lambda n: np.arange(n) == 77,
    "seen in a few": lambda n: -999.0 * (np.arange(n) % (n // 40) == 5),
    "heavy tails": lambda n: np.random.default_rng(0).standard_cauchy(n) ** 3,
    "too large for squares": lambda n: 1e200 * np.random.default_rng(0).normal(size=n),
}


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("column", UNLIKE)
def test_no_sample_of_features_that_it_would_not_show(column, container):
    """A feature that varies in few rows of all, or none of the sample."""
    X, codes = problem()
    X[:, 1] = UNLIKE[column](N)
    assert drawn(container(X), codes) is None


def test_a_constant_feature_is_no_harm():
    """It is constant in the sample, and in all rows."""
    X, codes = problem()
    X[:, 1] = 1e6 / 3
    assert drawn(X, codes) is not None
    X[:, 1] = 0
    assert drawn(sparse.csr_array(X), codes) is not None


def test_no_sample_where_rows_are_few():
    """A sixteenth of the rows would be less than 300 for each parameter."""
    X, codes = problem()
    assert drawn(X, codes, n_parameters=13) is None
    assert drawn(X, codes, n_parameters=12) is not None


def test_another_seed_draws_other_rows():
    """The same seed draws the same."""
    X, codes = problem()
    assert_array_equal(drawn(X, codes, seed=1)[0], drawn(X, codes, seed=1)[0])
    assert not np.array_equal(drawn(X, codes, seed=1)[0][:100], drawn(X, codes, seed=2)[0][:100])


def over_dask(codes, weights=None):
    """The stand-ins of rows in a dask array."""
    da = pytest.importorskip("dask.array")
    X, _ = problem()
    chunk = N // 6
    lazily = [None if a is None else da.from_array(a, chunks=(chunk, *a.shape[1:])) for a in (X, codes, weights)]
    mass = float(N if weights is None else weights.sum())
    return stand_ins(rows_of(*lazily, 3), 5, 3, mass, 0)


def test_dask_draws_evenly_or_not_at_all():
    """Nobody has seen the classes and weights of all rows: a sample that has hardly one of a class is of no use."""
    codes = problem()[1]
    few, few_codes, weights = over_dask(codes)
    assert few.shape == (2400, 5)
    assert_allclose(weights.sum(), N)
    assert_allclose(np.bincount(few_codes) / 2400, np.bincount(codes) / N, atol=0.04)
    assert over_dask(np.where(np.arange(N) % 6000, codes % 2, 2)) is None
    assert over_dask(codes, np.where(np.arange(N) % 100, 0.0, 1.0)) is None


# Fits.


@pytest.fixture
def passes(monkeypatch):
    """Counts the rows of every evaluation."""
    rows = []
    whole = Objective.value_and_gradient

    def counted(self, theta):
        rows.append(self.rows.n_rows)
        return whole(self, theta)

    monkeypatch.setattr(Objective, "value_and_gradient", counted)
    return rows


def objective(model, X, codes, weights, alpha):
    """Mean loss and penalty of fitted coefficients."""
    own = special.log_softmax(model.decision_function(X), axis=1)[np.arange(len(X)), codes]
    return np.average(-own, weights=weights) + alpha / 2 * np.sum(model.coef_**2)


FORMS = {
    "dense": lambda X: X,
    "single precision": lambda X: X.astype(np.float32),
    "sparse": sparse.csr_array,
    "weights": lambda X: X,
    "soft": lambda X: X,
    "dask": lambda X: pytest.importorskip("dask.array").from_array(X, chunks=(10_000, 3)),
}


@pytest.mark.parametrize("form", FORMS)
def test_three_passes_over_all_rows(form, passes):
    """The others are over a sixteenth of them, or little more; the minimum is scikit-learn's."""
    X, codes = problem(d=3)
    weights = np.random.default_rng(1).pareto(1.5, size=N) if form == "weights" else None
    total = N if weights is None else weights.sum()
    y = np.eye(3)[codes] if form == "soft" else codes
    model = CrossEntropyClassifier(alpha=1e-4, link="softmax").fit(FORMS[form](X), y, sample_weight=weights)
    assert passes.count(N) <= 3
    assert all(n == N or n < N / 14 for n in passes)
    assert model.n_iter_ <= 2
    theirs = LogisticRegression(C=1e4 / total, tol=1e-8, max_iter=1000).fit(X, codes, sample_weight=weights)
    least = objective(theirs, X, codes, weights, 1e-4)
    assert abs(objective(model, X, codes, weights, 1e-4) - least) <= 1e-6


def test_units_change_nothing(passes):
    """A column in other units, another far from 0: as many passes."""
    X, codes = problem(d=3)
    scale, shift = np.array([1e6, 1, 1e-3]), np.array([0, 1e3, 0])
    near = CrossEntropyClassifier(alpha=0).fit(X, codes)
    far = CrossEntropyClassifier(alpha=0).fit(X * scale + shift, codes)
    assert passes.count(N) <= 6
    assert_allclose(far.coef_ * scale, near.coef_, rtol=1e-2, atol=1e-3)


def test_a_start_that_is_known_is_kept(passes):
    """With warm_start nobody looks at a sample again."""
    X, codes = problem(d=3)
    model = CrossEntropyClassifier(warm_start=True).fit(X, codes)
    passes.clear()
    model.fit(X, codes)
    assert passes == [N]


def test_a_cell_that_no_sample_shows():
    """After some passes the rows are asked anew: the minimum is reached, without a warning."""
    X, codes = problem(d=3)
    X[7, 1] = 1e6
    model = CrossEntropyClassifier(alpha=1e-4).fit(X, codes)
    theirs = LogisticRegression(C=1e4 / N, tol=1e-8, max_iter=10_000).fit(X / [1, 1e3, 1], codes)
    theirs.coef_ /= [1, 1e3, 1]
    assert objective(model, X, codes, None, 1e-4) <= objective(theirs, X, codes, None, 1e-4) + 1e-6


@pytest.mark.parametrize("k", [2, 3])
def test_rare_features_are_moved(k):
    """A category of ten rows has its say, where it is in no row of a sample; also without penalty, and with sgd."""
    X, codes = problem(n=40_000, d=8, k=k)
    rare = np.arange(40_000) % 4000 == 5
    codes[rare] = [1, 1, 1, 0, 1, 1, 0, 1, 1, k - 1]  # of every class, or there is no minimum
    X = np.column_stack([X, rare])
    model = CrossEntropyClassifier(alpha=0).fit(X, codes)
    theirs = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-8).fit(X, codes)
    own, expected = (m.coef_[-1, -1] if k == 2 else m.coef_[1, -1] - m.coef_[0, -1] for m in (model, theirs))
    assert_allclose(own, expected, atol=0.1)
    stochastic = CrossEntropyClassifier(alpha=0, solver="sgd", random_state=0).fit(X, codes)
    assert np.abs(stochastic.coef_[:, -1]).max() > 0.1
