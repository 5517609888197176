"""Mini-batches: steps, schedules, the coordinates of both, `partial_fit`, and what a fit remembers."""

import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse, special
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from skce import CrossEntropyClassifier
from skce._scaling import Scaling
from skce.solvers import CUT, CUTS, MINI_BATCH, SOLVERS, STEADY, Adaptive, Average, Batching, Momentum

both_solvers = pytest.mark.parametrize("solver", sorted(MINI_BATCH))
dense_and_sparse = pytest.mark.parametrize("container", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
ALPHA = 0.01


def problem(n=1200, d=5, k=3, seed=0):
    """Classes that overlap, and weights that are all different."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    y = (X @ rng.normal(size=(d, k)) + rng.gumbel(size=(n, k))).argmax(axis=1)
    return X, y, rng.exponential(size=n)


def batched(solver="sgd", **options):
    """A classifier of mini-batches."""
    return CrossEntropyClassifier(**({"solver": solver, "alpha": ALPHA} | options))


def optimum(**options):
    """The classifier that finds the minimum to many digits."""
    return CrossEntropyClassifier(**({"alpha": ALPHA, "tol": 1e-12} | options))


def objective(model, X, y, weights=None, alpha=ALPHA):
    """The penalised weighted mean loss of a fitted model."""
    losses = -model.predict_log_proba(X)[np.arange(len(y)), np.searchsorted(model.classes_, y)]
    return np.average(losses, weights=weights) + alpha / 2 * np.sum(model.coef_.astype(float) ** 2)


def gap(model, X, y, weights=None, **options):
    """How far the objective is above its minimum."""
    alpha = options.get("alpha", ALPHA)
    best = optimum(**options).fit(X, y, weights)
    return objective(model, X, y, weights, alpha) - objective(best, X, y, weights, alpha)


def feed(model, X, y, size, weights=None, classes=None):
    """Chunk after chunk."""
    for start in range(0, len(y), size):
        rows = slice(start, start + size)
        model.partial_fit(X[rows], y[rows], classes=classes, sample_weight=None if weights is None else weights[rows])
    return model


# Steps


class Identity:
    """Coordinates that are those of theta."""

    def pull(self, gradient):
        return gradient

    def push(self, step):
        return step

    def merged(self, other):
        return other


class Bowl:
    """(x - b)^T H (x - b) / 2 for a different b in each mini-batch; or a constant slope and a value that stalls."""

    def __init__(self, size=4, n_batches=6, seed=0, slope=None):
        rng = np.random.default_rng(seed)
        root = rng.normal(size=(size, size))
        self.hessian = root @ root.T / size
        self.centers = rng.normal(size=(n_batches, size))
        self.slope = slope

    def scaling(self):
        return Identity()

    def steepness(self, scaling, batch_size):
        return float(np.linalg.eigvalsh(self.hessian)[-1])

    def value_and_gradient(self, center, x):
        if self.slope is not None:
            return 1.0, self.slope
        gradient = self.hessian @ (x - center)
        return float((x - center) @ gradient / 2), gradient

    def batches(self, size, rng):
        for center in self.centers:
            yield 1, lambda x, center=center: self.value_and_gradient(center, x)


def batching(**options):
    """Constant rate, no average, in order."""
    own = {"batch_size": 1, "shuffle": False, "learning_rate": "constant", "learning_rate_init": 0.05, "power_t": 0.5}
    own |= {"average": False, "n_iter_no_change": np.inf, "random_state": 0}
    return Batching(**(own | options))


def descend(solver, objective, n_epochs, solver_options=None, **options):
    """theta after each epoch."""
    path = []
    start = np.zeros(len(objective.hessian))
    result = SOLVERS[solver](
        objective,
        start,
        tol=0.0,
        max_iter=n_epochs,
        batching=batching(**options),
        callback=lambda step: path.append(step.theta.copy()),
        **(solver_options or {}),
    )
    assert not start.any()
    return np.array(path), result


def descend_in_torch(optimizer, bowl, n_epochs):
    """The same by an optimizer of PyTorch."""
    torch = pytest.importorskip("torch")
    x = torch.zeros(len(bowl.hessian), dtype=torch.float64, requires_grad=True)
    steps, path = optimizer(torch.optim, [x]), []
    hessian = torch.tensor(bowl.hessian)
    for _ in range(n_epochs):
        for center in torch.tensor(bowl.centers):
            steps.zero_grad()
            ((x - center) @ hessian @ (x - center) / 2).backward()
            steps.step()
        path.append(x.detach().numpy().copy())
    return np.array(path)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("nesterov", [True, False])
def test_sgd_is_that_of_pytorch(momentum, nesterov):
    """Momentum and Nesterov's form, step by step."""
    options = {"momentum": momentum, "nesterovs_momentum": nesterov}
    path, _ = descend("sgd", Bowl(), 5, options)
    theirs = {"lr": 0.05, "momentum": momentum, "nesterov": nesterov and momentum > 0}
    assert_allclose(path, descend_in_torch(lambda optim, x: optim.SGD(x, **theirs), Bowl(), 5), rtol=1e-12)


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.5, 0.7), (0.0, 0.5)])
def test_adam_is_that_of_pytorch(betas):
    """Both means and their corrections, step by step."""
    path, _ = descend("adam", Bowl(), 5, {"beta_1": betas[0], "beta_2": betas[1]})
    theirs = descend_in_torch(lambda optim, x: optim.Adam(x, lr=0.05, betas=betas, eps=1e-8), Bowl(), 5)
    assert_allclose(path, theirs, rtol=1e-10)


def test_nesterov_looks_one_step_ahead():
    """Sutskever's equations, with the gradient at theta + momentum * v; what is kept is that point ahead."""
    slopes = np.random.default_rng(0).normal(size=(6, 3))
    steps, theta = Momentum(0.8, True), np.zeros(3)
    v, ahead = np.zeros(3), np.zeros(3)
    for slope in slopes:
        theta = theta + steps(slope, 0.1)
        before, v = v, 0.8 * v - 0.1 * slope
        ahead = ahead - 0.8 * before + v + 0.8 * v
        assert_allclose(theta, ahead, rtol=1e-13)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 100, 511, 512, 1000])
def test_average_is_the_mean_of_the_later_part(n):
    """Of at least the later half, and of no more than three quarters."""
    sequence = np.random.default_rng(n).normal(size=(n, 2))
    average = Average()
    for theta in sequence:
        average.add(theta)
    candidates = [m for m in range(1, n + 1) if np.allclose(average.mean(), sequence[n - m :].mean(axis=0), atol=1e-12)]
    assert len(candidates) == 1
    assert n / 2 <= candidates[0] <= max(3 / 4 * (n + 1), 1)


def test_averaged_answer_is_the_mean_of_the_steps():
    """The same steps are taken, and their mean is given."""
    bowl = Bowl(n_batches=1)
    path, _ = descend("sgd", bowl, 8)
    averaged, _ = descend("sgd", bowl, 8, average=True)
    assert_allclose(averaged[-1], path[3:].mean(axis=0), rtol=1e-12)  # windows of 1, 2, 4 and the eighth step


# Schedules


def rates(schedule, n_epochs, n_batches=2, **options):
    """The rate of each step: without momentum, along a constant slope."""
    bowl = Bowl(size=1, n_batches=n_batches, slope=np.ones(1))
    path, result = descend("sgd", bowl, n_epochs, {"momentum": 0.0}, learning_rate=schedule, **options)
    return -np.diff(path[:, 0], prepend=0), result


def test_constant_rate():
    """Every step is as long as the first."""
    assert_allclose(rates("constant", 5)[0], 2 * 0.05, rtol=1e-12)


@pytest.mark.parametrize("power_t", [0.25, 0.5, 1.0])
def test_invscaling_rate(power_t):
    """The rate of step t is the first one over t to the power."""
    steps = 0.05 / np.arange(1, 11) ** power_t
    assert_allclose(rates("invscaling", 5, power_t=power_t)[0], steps.reshape(5, 2).sum(axis=1), rtol=1e-10)


def test_decaying_rate():
    """What an adaptive rate is in a stream: nearly constant at first, then it falls as the root of the step."""
    steps = 0.05 / np.sqrt(1 + np.arange(400) / STEADY)
    assert_allclose(rates("decaying", 200, n_iter_no_change=np.inf)[0], steps.reshape(200, 2).sum(axis=1), rtol=1e-10)


def test_adaptive_rate_is_cut_when_the_loss_stalls():
    """Divided by 5 after so many epochs without a lower loss, and the fourth time is the end."""
    steps, result = rates("adaptive", 100, n_iter_no_change=3)
    stalls = np.concatenate([[1 + 3], np.full(CUTS, 3)])  # the first epoch is better than nothing
    assert_allclose(steps, 2 * 0.05 / np.repeat(CUT ** np.arange(CUTS + 1), stalls), rtol=1e-9)
    assert result.converged
    assert result.n_iter == stalls.sum()


@pytest.mark.parametrize("schedule", ["constant", "invscaling"])
def test_other_schedules_end_when_the_loss_stalls(schedule):
    """After `n_iter_no_change` epochs, at once."""
    _, result = rates(schedule, 100, n_iter_no_change=3)
    assert (result.converged, result.n_iter) == (True, 4)


def test_tol_is_what_an_epoch_must_gain():
    """A loss that falls by less than tol does not fall."""
    bowl = Bowl(n_batches=1)
    run = SOLVERS["sgd"](bowl, np.full(4, 5.0), tol=1e3, max_iter=50, batching=batching(n_iter_no_change=2))
    assert (run.converged, run.n_iter) == (True, 3)


@both_solvers
@pytest.mark.parametrize("rate", [1e200, np.finfo(float).max])
def test_steps_that_leave_the_numbers_are_not_kept(solver, rate):
    """Coefficients stay finite, a warning names the rate, and nothing is said to have converged."""
    X, y, _ = problem(300)
    model = batched(solver, learning_rate_init=rate, learning_rate="constant")
    with pytest.warns(ConvergenceWarning, match="learning_rate_init") as caught:
        model.fit(X, y)
    assert caught[0].filename == __file__
    assert not model.converged_
    assert np.isfinite(model.coef_).all()
    with pytest.warns(ConvergenceWarning, match="learning_rate_init") as caught:
        clone(model).partial_fit(X, y, classes=[0, 1, 2])
    assert caught[0].filename == __file__


def test_steps_that_leave_single_precision_are_not_kept():
    """A penalty and a rate so large that each step is longer than the last."""
    X, y, _ = problem(300)
    options = {"alpha": 1e4, "learning_rate_init": 1e3, "learning_rate": "constant", "max_iter": 3, "batch_size": 1}
    with pytest.warns(ConvergenceWarning, match="learning_rate_init"):
        model = batched(fit_intercept=False, **options).fit(X.astype(np.float32), y)
    assert np.isfinite(model.coef_).all()


@both_solvers
def test_features_that_are_all_zero(solver):
    """Without intercepts there is nothing to learn, and nothing to divide by."""
    X, y, _ = problem(100)
    model = batched(solver, fit_intercept=False).fit(0 * X, y)
    assert_array_equal(model.coef_, 0)


# Coordinates


def scaling_of(X, weights=None, *, center=True, ridge=0.0, k=2):
    """From NumPy's own mean and variance."""
    mean = np.average(X, axis=0, weights=weights)
    spread = (
        np.average((X - mean) ** 2, axis=0, weights=weights) if center else np.average(X**2, axis=0, weights=weights)
    )
    mass = len(X) if weights is None else weights.sum()
    return Scaling((k, X.shape[1] + center), mass, mean if center else None, spread, ridge)


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_pull_and_push_are_transposes(center, ridge):
    """<push(u), g> = <u, pull(g)>: a gradient in the new coordinates is the derivative along their steps."""
    rng = np.random.default_rng(0)
    scaling = scaling_of(rng.normal(3, [1, 10, 0.1], size=(50, 3)), center=center, ridge=ridge)
    u, g = rng.normal(size=(2, 2 * (3 + center)))
    assert scaling.push(u) @ g == pytest.approx(u @ scaling.pull(g), rel=1e-12)


def test_scaled_coordinates_are_those_of_a_standard_scaler():
    """Logits of a pushed step are those that the step has on scikit-learn's scaled features."""
    rng = np.random.default_rng(0)
    X = rng.normal([0, 100, -3], [1, 10, 0.1], size=(50, 3))
    step = rng.normal(size=(2, 4))
    coef, intercept = np.split(scaling_of(X).push(step.reshape(-1)).reshape(2, 4), [3], axis=1)
    expected = StandardScaler().fit_transform(X) @ step[:, :3].T + step[:, 3]
    assert_allclose(X @ coef.T + intercept.T, expected, rtol=1e-10)


@pytest.mark.parametrize("center", [True, False])
def test_merged_scalings_are_that_of_all_rows(center):
    """Chunks of different sizes, weights and places."""
    rng = np.random.default_rng(0)
    X, s = rng.normal([0, 100, -3], [1, 10, 0.1], size=(90, 3)), rng.exponential(size=90)
    X[60:] += 5
    parts = [scaling_of(X[rows], s[rows], center=center) for rows in (slice(0, 10), slice(10, 60), slice(60, 90))]
    merged, whole = parts[0].merged(parts[1]).merged(parts[2]), scaling_of(X, s, center=center)
    assert merged.mass == pytest.approx(whole.mass)
    assert_allclose(merged.variance, whole.variance, rtol=1e-12)
    assert_allclose(merged.scale, whole.scale, rtol=1e-12)
    if center:
        assert_allclose(merged.center, whole.center, rtol=1e-12)


@dense_and_sparse
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_fitted_scaling_is_the_features_mean_and_variance(container, fit_intercept):
    """Weighted, after one call and after several; without intercepts about 0."""
    X, y, s = problem(300)
    X = np.where(np.abs(X) < 0.5, 0, X) * [1, 10, 100, 0.1, 1] + [0, 1, 0, 0, 5]
    expected = scaling_of(X, s, center=fit_intercept)
    for size in (300, 70):
        model = feed(batched(fit_intercept=fit_intercept), container(X), y, size, s, classes=[0, 1, 2])
        assert_allclose(model._memory.scaling.variance, expected.variance, rtol=1e-9)
        if fit_intercept:
            assert_allclose(model._memory.scaling.center, expected.center, rtol=1e-9)


def test_sgd_is_sgd_on_scaled_features():
    """Plain steps written out on standardised features, brought back to the units of the data."""
    X, y, s = problem(200)
    X = X * [1, 1e3, 1e-3, 1, 1] + [0, 1e4, 0, 5, 0]
    Z = StandardScaler().fit(X, sample_weight=s).transform(X)
    Z, Y, W = np.column_stack([Z, np.ones(200)]), np.eye(3)[y], np.zeros((3, 6))
    order, v = np.random.RandomState(7).permutation(200), np.zeros((3, 6))
    for rows in np.split(order, 10):
        residuals = (special.softmax(Z[rows] @ W.T, axis=1) - Y[rows]) * s[rows, None]
        v = 0.5 * v - 0.1 * residuals.T @ Z[rows] / (s.mean() * len(rows))
        W = W + 0.5 * v - 0.1 * residuals.T @ Z[rows] / (s.mean() * len(rows))
    own = batched(alpha=0.0, momentum=0.5, learning_rate=0.1, average=False, batch_size=20, random_state=7)
    own.partial_fit(X, y, classes=[0, 1, 2], sample_weight=s)
    assert_allclose(own.decision_function(X), Z @ W.T, rtol=1e-8, atol=1e-8)


@both_solvers
@pytest.mark.parametrize("alpha", [1e-4, 1.0, 1e3])
@pytest.mark.parametrize("unit", [1e-6, 1e-3, 1.0, 1e3, 1e6])
def test_penalty_does_not_throw_steps_off(solver, alpha, unit):
    """Where features are small the penalty is what bends the objective: the steps know it."""
    X, y, _ = problem(600)
    X = X * unit
    model = batched(solver, alpha=alpha).fit(X, y)
    assert 0 <= gap(model, X, y, alpha=alpha) < 2e-3


@both_solvers
def test_penalty_does_not_throw_steps_off_between_units(solver):
    """Some features small, some large; a raw table."""
    X, y = load_breast_cancer(return_X_y=True)
    model = batched(solver, alpha=1 / len(y)).fit(X, y)
    assert 0 <= gap(model, X, y, alpha=1 / len(y)) < 0.02


# Where a fit ends


@both_solvers
@dense_and_sparse
@pytest.mark.parametrize("link", ["auto", "sigmoid"])
@pytest.mark.parametrize("weighted", [True, False])
def test_fit_ends_near_the_optimum(solver, container, link, weighted):
    """Within 1e-3 nats of what lbfgs finds, of a loss of about half a nat."""
    X, y, s = problem()
    s = s if weighted else None
    model = batched(solver, link=link).fit(container(X), y, s)
    best = optimum(link=link).fit(X, y, s)
    assert model.converged_
    assert_allclose(model.predict_proba(X), best.predict_proba(X), atol=0.05)
    if link == "auto":
        assert 0 <= gap(model, X, y, s) < 1e-3


@both_solvers
@pytest.mark.parametrize(
    "options", [{"average": False}, {"learning_rate": "invscaling"}, {"learning_rate": "constant"}]
)
def test_every_schedule_ends_near_the_optimum(solver, options):
    """None is left half-way; a constant rate less near than one that falls."""
    X, y, s = problem()
    assert gap(batched(solver, **options).fit(X, y, s), X, y, s) < (1e-2 if "constant" in options.values() else 2e-3)


@both_solvers
def test_units_and_zeros_of_features_do_not_matter(solver):
    """Nor does the loss's way change where nothing is penalised."""
    X, y, s = problem()
    model = batched(solver, alpha=0.0).fit(X, y, s)
    far = batched(solver, alpha=0.0).fit(X * [1e6, 1e-6, 1, 1e3, 1e-3] + [0, 0, 1e4, 0, 0], y, s)
    assert far.n_iter_ == model.n_iter_
    assert_allclose(far.loss_curve_, model.loss_curve_, rtol=1e-6)


@both_solvers
def test_constant_columns_are_left_alone(solver):
    """Beside an intercept they get no coefficient, and harm nothing, in either precision."""
    X, y, _ = problem()
    X = np.column_stack([X, np.full(len(X), 1e6 / 3), np.zeros(len(X))])
    for dtype in (np.float64, np.float32):
        model = batched(solver).fit(X.astype(dtype), y)
        assert model.coef_.dtype == dtype
        assert_allclose(model.coef_[:, 5:] * X[0, 5:], 0, atol=1e-3)
        assert gap(model, X, y) < 1e-3


@both_solvers
def test_same_seed_same_bits(solver):
    """Another seed, other mini-batches; without shuffling, at a given rate, the seed is of no account."""
    X, y, s = problem(300)
    fits = [batched(solver, random_state=seed).fit(X, y, s).coef_ for seed in (0, 0, 1)]
    assert_array_equal(fits[0], fits[1])
    assert (fits[0] != fits[2]).any()
    plain = [
        batched(solver, shuffle=False, learning_rate=0.05, random_state=seed).fit(X, y, s).coef_ for seed in (0, 1)
    ]
    assert_array_equal(*plain)


@both_solvers
def test_sparse_chunks_are_dense_chunks(solver):
    """The same steps, to rounding."""
    X, y, s = problem(300)
    X = np.where(np.abs(X) < 0.7, 0, X)
    dense = feed(batched(solver), X, y, 60, s, classes=[0, 1, 2])
    assert_allclose(
        feed(batched(solver), sparse.csr_array(X), y, 60, s, classes=[0, 1, 2]).coef_, dense.coef_, atol=1e-9
    )


# partial_fit


def balanced_problem():
    """As many rows of each class: the best constant prediction is 0, where a stream starts too."""
    X, y, _ = problem()
    rows = np.concatenate([np.flatnonzero(y == c)[:150] for c in range(3)])
    rows = np.random.default_rng(1).permutation(rows)
    return X[rows], y[rows]


@both_solvers
def test_partial_fit_is_a_fit_of_one_epoch(solver):
    """The same start, the same mini-batches, the same steps."""
    X, y = balanced_problem()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = batched(solver, max_iter=1, learning_rate="invscaling").fit(X, y)
    streamed = batched(solver, learning_rate="invscaling").partial_fit(X, y, classes=[0, 1, 2])
    assert_allclose(streamed.coef_, fitted.coef_, atol=1e-13)
    assert_allclose(streamed.loss_curve_, fitted.loss_curve_, rtol=1e-13)
    assert streamed.n_iter_ == 1


@both_solvers
def test_partial_fit_after_partial_fit_is_an_epoch_more(solver):
    """Momentum, means and averages go on: two epochs of fit are two calls, where the order is the same."""
    X, y = balanced_problem()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = batched(solver, max_iter=2, shuffle=False, learning_rate="constant").fit(X, y)
    streamed = batched(solver, shuffle=False, learning_rate="constant").partial_fit(X, y, classes=[0, 1, 2])
    streamed.partial_fit(X, y)
    assert_allclose(streamed.coef_, fitted.coef_, atol=1e-9)
    assert_allclose(streamed.loss_curve_, fitted.loss_curve_, rtol=1e-9)
    assert streamed.n_iter_ == 2


@both_solvers
def test_partial_fit_goes_on_after_fit(solver):
    """From the coefficients of any solver: an epoch more leaves an optimum where it was."""
    X, y, _ = problem()
    for first in (solver, "lbfgs"):
        model = CrossEntropyClassifier(solver=first, alpha=ALPHA).fit(X, y)
        before = objective(model, X, y)
        model.set_params(solver=solver).partial_fit(X, y)
        assert objective(model, X, y) < before + 1e-2


@pytest.mark.parametrize(("rate", "most"), [(None, 0.02), (0.05, 0.003)])
@pytest.mark.parametrize("size", [30, 200])
def test_many_chunks_come_near_the_optimum(size, rate, most):
    """Several passes over chunks that are seen one at a time; "auto" is "sgd".

    The rate of a stream never falls: the first one, made for few epochs, leaves 0.02 nats, a fifth of it 0.003.
    """
    X, y, s = problem()
    model = batched("auto", learning_rate_init=rate)
    for _ in range(5):
        feed(model, X, y, size, s, classes=[0, 1, 2])
    assert 0 <= gap(model, X, y, s) < most
    assert len(model.loss_curve_) == model.n_iter_ == 5 * len(range(0, len(y), size))


def test_one_row_at_a_time():
    """A chunk of one row has no variance, and does no harm."""
    X, y, _ = problem(400)
    model = feed(batched(), X, y, 1, classes=[0, 1, 2])
    assert model.score(X, y) > 0.6
    assert np.isfinite(model.coef_).all()


def test_class_missing_from_the_first_chunks():
    """`classes` says that it will come; until then it is the least likely."""
    X, y, _ = problem()
    first = y != 2
    model = batched().partial_fit(X[first], y[first], classes=[2, 0, 1])
    assert_array_equal(model.classes_, [0, 1, 2])
    assert (model.predict_proba(X[first]).argmin(axis=1) == 2).mean() > 0.8
    for _ in range(4):
        model.partial_fit(X, y)
    assert gap(model, X, y) < 0.05


def test_labels_of_strings():
    """In any order of `classes`, which are sorted."""
    X, y, _ = problem(300)
    names = np.array(["ant", "bee", "cat"])
    model = batched().partial_fit(X, names[y], classes=["cat", "ant", "bee"])
    assert_array_equal(model.classes_, names)
    assert_array_equal(model.coef_, batched().partial_fit(X, y, classes=[0, 1, 2]).coef_)


def test_soft_chunks():
    """The columns are all the classes: none need be named; labels may follow."""
    X, y, _ = problem(300)
    soft = 0.7 * np.eye(3)[y] + 0.1
    model = batched().partial_fit(X, soft).partial_fit(X, soft).partial_fit(X, y)
    assert_array_equal(model.classes_, [0, 1, 2])
    assert model.score(X, y) > 0.6
    named = batched().partial_fit(X, soft, classes=["a", "b", "c"])
    assert_array_equal(named.classes_, ["a", "b", "c"])
    assert set(named.predict(X)) == {"a", "b", "c"}


def test_columns_of_a_chunk_are_paired_with_classes_by_name():
    """In whatever order `classes`, and later chunks, have them."""
    X, y, _ = problem(300)
    soft = pd.DataFrame(0.7 * np.eye(3)[y] + 0.1, columns=["a", "b", "c"])
    model = batched().partial_fit(X, soft, classes=["c", "a", "b"])
    assert_array_equal(model.classes_, ["c", "a", "b"])
    other = batched().partial_fit(X, soft[["c", "a", "b"]])
    assert_allclose(model.coef_, other.coef_, rtol=1e-9)  # columns in another memory order: other last digits
    model.partial_fit(X, soft)
    assert_allclose(model.coef_, other.partial_fit(X, soft[["b", "c", "a"]]).coef_, rtol=1e-9)
    with pytest.raises(ValueError, match="columns of y"):
        batched().partial_fit(X, soft, classes=["c", "a", "d"])


def test_label_that_a_chunk_does_not_know():
    """Several labels a row: a chunk without an answer to one teaches nothing about it."""
    X, y, _ = problem(600)
    Y = np.eye(3)[y]
    Y[:200, 1] = np.nan
    model = feed(batched(), X, Y, 200)
    assert model.predict_proba(X).shape == (600, 3)
    assert ((model.predict(X) == np.eye(3)[y]).mean(axis=0) > 0.6).all()
    assert_array_equal(batched().partial_fit(X[:200], Y[:200]).coef_[1], 0)


def test_class_weights_of_a_stream():
    """A dict weighs rows as in fit."""
    X, y, _ = problem()
    weight = {0: 5.0, 2: 0.5}
    model = batched(class_weight=weight)
    for _ in range(5):
        feed(model, X, y, 200, classes=[0, 1, 2])
    rows = np.array([5.0, 1.0, 0.5])[y]
    assert gap(model, X, y, rows) < 0.02


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m, X, y: m.partial_fit(X, y), "needs classes="),
        (lambda m, X, y: m.partial_fit(X, y, classes=[0, 1]), r"labels \[2\] that are not among the classes \[0, 1\]"),
        (lambda m, X, y: m.partial_fit(X, y, classes=[0]), "at least two classes"),
        (lambda m, X, y: m.partial_fit(X, y, classes=[0, 1, 1, 2]), "must not repeat"),
        (lambda m, X, y: m.partial_fit(X, np.eye(3)[y] / 2 + 1 / 6, classes=[0, 1]), "must name the 3 columns"),
        (lambda m, X, y: m.set_params(class_weight="balanced").partial_fit(X, y, classes=[0, 1, 2]), "balanced"),
        (lambda m, X, y: m.set_params(early_stopping=True).partial_fit(X, y, classes=[0, 1, 2]), "early_stopping"),
        (lambda m, X, y: m.partial_fit(X, y, classes=[0, 1, 2], sample_weight=y[1:]), "sample_weight must have shape"),
        (lambda m, X, y: m.fit(X, y).partial_fit(X, y, classes=[0, 1, 3]), "those of the first call"),
        (lambda m, X, y: m.fit(X, y).partial_fit(X, y + 1), r"labels \[3\]"),
        (lambda m, X, y: m.fit(X, y).partial_fit(X[:, :3], y), "X has 3 features"),
        (lambda m, X, y: m.fit(X, y).partial_fit(X, np.eye(4)[y]), "must have 3 columns"),
        (lambda m, X, y: m.fit(X, y).partial_fit(X, np.ones((len(y), 3))), "sum to 1"),
        (lambda m, X, y: m.fit(X, np.eye(3)[y]).partial_fit(X, y), "a column for each of the 3 labels"),
        (lambda m, X, y: m.set_params(batch_size=0).fit(X, y), "batch_size must be"),
        (lambda m, X, y: m.set_params(batch_size="all").fit(X, y), "Unknown batch_size 'all'"),
        (lambda m, X, y: m.set_params(beta_2=1.0).fit(X, y), "beta_2 must be"),
        (lambda m, X, y: m.set_params(power_t=-1.0).fit(X, y), "power_t must be"),
        (lambda m, X, y: m.set_params(learning_rate="fast").fit(X, y), "Unknown learning_rate 'fast'"),
        (lambda m, X, y: m.set_params(learning_rate_init=0.0).fit(X, y), "learning_rate_init must be"),
    ],
    ids=range(20),
)
def test_bad_chunk_is_refused(change, message):
    """One clear error."""
    X, y, _ = problem(90)
    with pytest.raises(ValueError, match=message):
        change(batched(), X, y)


def test_a_refused_chunk_changes_nothing():
    """The stream goes on as if it had not come."""
    X, y, _ = problem(300)
    model, other = (batched().partial_fit(X, y, classes=[0, 1, 2]) for _ in range(2))
    with pytest.raises(ValueError, match="not among the classes"):
        model.partial_fit(X, y + 1)
    assert_array_equal(model.partial_fit(X, y).coef_, other.partial_fit(X, y).coef_)


@pytest.mark.parametrize("solver", ["lbfgs", "gradient_descent"])
def test_solvers_of_all_rows_have_no_partial_fit(solver):
    """hasattr says so, as scikit-learn's tools ask."""
    assert not hasattr(CrossEntropyClassifier(solver=solver), "partial_fit")
    assert hasattr(CrossEntropyClassifier(), "partial_fit")


# What a fit remembers


@both_solvers
def test_warm_start_goes_on(solver):
    """Fits of a few epochs are one of many, where the order of rows is the same."""
    X, y, _ = problem(300)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        whole = batched(solver, max_iter=6, shuffle=False).fit(X, y)
        parts = batched(solver, max_iter=2, shuffle=False, warm_start=True)
        for _ in range(3):
            parts.fit(X, y)
    assert_allclose(parts.coef_, whole.coef_, atol=1e-9)


@both_solvers
def test_warm_start_on_other_rows_learns_them(solver):
    """A schedule that has ended begins anew: other labels are not taken for a loss that has stalled."""
    X, y, _ = problem()
    model = batched(solver, warm_start=True).fit(X, y)
    model.fit(X, (y + 1) % 3)
    assert gap(model, X, (y + 1) % 3) < 2e-3


@pytest.mark.parametrize("change", ["classes", "link", "intercept"])
def test_warm_start_forgets_what_does_not_fit(change):
    """Other classes or outputs: as if there had been nothing before."""
    X, y, _ = problem(300)
    model = batched(warm_start=True).fit(X, y)
    if change == "classes":
        y = (y + 1) % 3 + 10
    elif change == "link":
        model.set_params(link="sigmoid")
    else:
        model.set_params(fit_intercept=False)
    model.fit(X, y)
    assert_allclose(model.coef_, clone(model).fit(X, y).coef_, atol=0 if change != "intercept" else 0.05)


@pytest.mark.parametrize("solvers", [("sgd", "adam"), ("adam", "sgd")])
def test_another_solver_takes_its_own_steps(solvers):
    """It goes on from the coefficients, not from the other one's momentum and rate."""
    X, y, _ = problem(300)
    first, second = solvers
    model = batched(first).partial_fit(X, y, classes=[0, 1, 2]).set_params(solver=second).partial_fit(X, y)
    assert type(model._memory.stepper) is {"sgd": Momentum, "adam": Adaptive}[second]


def test_changed_parameters_count():
    """Without momentum the next step is the rate times the gradient, whatever came before."""
    X, y, _ = problem(100)
    options = {"learning_rate": 0.1, "average": False, "shuffle": False, "alpha": 0.0, "batch_size": 100}
    model = batched(momentum=0.9, **options).partial_fit(X, y, classes=[0, 1, 2]).partial_fit(X, y)
    before = model.intercept_
    residuals = np.eye(3)[y] - model.predict_proba(X)
    model.set_params(momentum=0.0).partial_fit(X, y)
    moved = 0.1 * residuals.mean(axis=0)
    scale = (X - X.mean(axis=0)) / X.std(axis=0) ** 2
    shift = -0.1 * (residuals.T @ scale / 100) @ X.mean(axis=0)
    assert_allclose(model.intercept_ - before, moved + shift, rtol=1e-9)


@both_solvers
def test_average_may_be_switched(solver):
    """On and off between chunks: the steps go on, and the mean is near the optimum."""
    X, y, _ = problem(600)
    model = batched(solver, average=False, learning_rate="constant").partial_fit(X, y, classes=[0, 1, 2])
    gaps = [gap(model.set_params(average=average).partial_fit(X, y), X, y) for average in (True, False, True)]
    assert max(gaps[0], gaps[2]) < 0.01


def test_coefficients_set_by_hand_are_where_it_goes_on():
    """What is remembered belongs to the coefficients that it came with."""
    X, y, _ = problem(300)
    model = batched().partial_fit(X, y, classes=[0, 1, 2])
    best = optimum().fit(X, y)
    model.coef_, model.intercept_ = best.coef_, best.intercept_
    model.set_params(learning_rate=1e-12).partial_fit(X, y)
    assert_allclose(model.coef_, best.coef_, atol=1e-6)


@both_solvers
def test_pickle_goes_on(solver):
    """In the middle of a stream, to the same bits."""
    X, y, _ = problem(300)
    model = batched(solver).partial_fit(X, y, classes=[0, 1, 2])
    twin = pickle.loads(pickle.dumps(model))
    deep = copy.deepcopy(model)
    model.partial_fit(X, y)
    assert_array_equal(twin.partial_fit(X, y).coef_, model.coef_)
    assert_array_equal(deep.partial_fit(X, y).coef_, model.coef_)


@pytest.mark.parametrize("link", ["auto", "softmax", "sigmoid"])
@pytest.mark.parametrize("size", [1, 7, 60])
def test_class_weights_do_not_depend_on_the_chunks(link, size):
    """A chunk of one class weighs what its class does, not as much as any other chunk."""
    X, y, _ = problem(300)
    y = (y > 0).astype(int)
    options = {"class_weight": {0: 1.0, 1: 50.0}, "link": link, "alpha": 1e-3}
    model = CrossEntropyClassifier(solver="sgd", **options)
    for _ in range(5):
        for start in range(0, 300, size):
            model.partial_fit(X[start : start + size], y[start : start + size], classes=[0, 1])
    expected = CrossEntropyClassifier(**options).fit(X, y).predict_proba(X)[:, 1].mean()
    plain = CrossEntropyClassifier(alpha=1e-3).fit(X, y).predict_proba(X)[:, 1].mean()
    assert abs(model.predict_proba(X)[:, 1].mean() - expected) < 0.1 * (expected - plain)


def test_order_of_the_classes_of_columns_is_that_of_the_first_call():
    """Other columns would train other labels."""
    X, y, _ = problem(60)
    model = CrossEntropyClassifier().partial_fit(X, np.eye(3)[y], classes=["a", "b", "c"])
    with pytest.raises(ValueError, match="order of the first call"):
        model.partial_fit(X, np.eye(3)[y], classes=["c", "b", "a"])
