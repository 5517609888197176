"""Solvers on small problems of vectors: they know nothing but value_and_gradient and curvature."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import linalg, optimize

from skce.solvers import MINI_BATCH, SOLVERS

all_solvers = pytest.mark.parametrize("solver", sorted(SOLVERS.keys() - MINI_BATCH))


class Inverse:
    """A model of the Hessian that multiplies by a matrix."""

    doubtful = False

    def __init__(self, inverse, exact=False):
        self.inverse = inverse
        self.exact = self.newton = exact

    def solve(self, gradient):
        return self.inverse @ gradient


class Quadratic:
    """(x - a)^T H (x - a) / 2 + c, with a model of H: itself, its diagonal, or the identity."""

    sample, rounding, penalised = None, np.finfo(float).eps, True

    def __init__(self, model="exact", condition=50.0, size=6, seed=0):
        rng = np.random.default_rng(seed)
        basis = linalg.qr(rng.normal(size=(size, size)))[0]
        self.hessian = basis * np.geomspace(1, condition, size) @ basis.T
        self.minimum = rng.normal(size=size)
        inverses = {
            "exact": np.linalg.inv(self.hessian),
            "diagonal": np.diag(1 / self.hessian.diagonal()),
            "identity": np.eye(size) * size / np.trace(self.hessian),
        }
        self.model = Inverse(inverses[model], exact=model == "exact")
        self.evaluations = self.models = 0

    def value_and_gradient(self, x):
        self.evaluations += 1
        slope = self.hessian @ (x - self.minimum)
        return float((x - self.minimum) @ slope / 2 + 3.0), slope

    def curvature(self, x):
        self.models += 1
        return self.model


class Valley:
    """A convex function with a long curved valley floor: log(cosh) across, slowly rising along a rotated axis."""

    sample, rounding, penalised = None, np.finfo(float).eps, True

    minimum = np.array([0.7, -0.3])

    def __init__(self, exact=True):
        self.exact = exact

    def value_and_gradient(self, x):
        u, v = x - self.minimum
        across, along = 30 * (u + 0.5 * v), v
        value = np.logaddexp(across, -across) - np.log(2) + 0.1 * along**2 + 0.02 * along**4
        slope_across, slope_along = 30 * np.tanh(across), 0.2 * along + 0.08 * along**3
        return float(value), np.array([slope_across, 0.5 * slope_across + slope_along])

    def curvature(self, x):
        u, v = x - self.minimum
        bend = 900 / np.cosh(np.clip(30 * (u + 0.5 * v), -300, 300)) ** 2 + 1e-9
        rise = 0.2 + 0.24 * v**2
        hessian = np.array([[bend, 0.5 * bend], [0.5 * bend, 0.25 * bend + rise]])
        return Inverse(np.linalg.inv(hessian) if self.exact else np.diag(1 / hessian.diagonal()), self.exact)


def solve(solver, objective, start, **options):
    """Run a solver by name."""
    return SOLVERS[solver](objective, np.asarray(start, dtype=float), **({"tol": 1e-12, "max_iter": 5000} | options))


@all_solvers
@pytest.mark.parametrize("model", ["exact", "diagonal", "identity"])
def test_finds_the_minimum_of_a_quadratic(solver, model):
    """Whatever the model of the Hessian, to the distance that is asked for."""
    objective = Quadratic(model)
    result = solve(solver, objective, np.zeros(6))
    assert result.converged
    assert_allclose(result.theta, objective.minimum, atol=1e-5)
    assert result.value == pytest.approx(3.0, abs=1e-10)


@pytest.mark.parametrize("helps", [True, False])
def test_starts_from_the_minimum_of_a_sample(helps):
    """If that is lower than the start is in the sample."""
    problem, sample = Quadratic(), Quadratic()
    sample.minimum = problem.minimum + 0.01 if helps else -problem.minimum
    problem.sample = sample
    result = SOLVERS["lbfgs"](problem, np.zeros(6), tol=1e-9, max_iter=50)
    start = problem.value_and_gradient(sample.minimum if helps else np.zeros(6))[0]
    assert_allclose(result.curve[0], start, rtol=1e-6)
    assert_allclose(result.theta, problem.minimum, atol=1e-4)


def test_newton_takes_one_step_on_a_quadratic():
    """With the Hessian itself the first step ends at the minimum, and no model is built again to see it."""
    objective = Quadratic("exact", condition=1e6)
    result = solve("lbfgs", objective, np.zeros(6))
    assert result.n_iter == 1
    assert objective.evaluations == 2


@pytest.mark.parametrize("model", ["diagonal", "identity"])
def test_pairs_end_a_quadratic_in_about_as_many_steps_as_dimensions(model):
    """L-BFGS learns what the model does not know: a bad model costs steps, not the solution."""
    objective = Quadratic(model, condition=1e4)
    result = solve("lbfgs", objective, np.zeros(6))
    assert result.converged
    assert result.n_iter < 60
    assert objective.evaluations < 2 * result.n_iter + 5


@all_solvers
@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("start", [[0.0, 0.0], [20.0, -8.0], [-3.0, 30.0]], ids=str)
def test_finds_the_minimum_at_the_end_of_a_valley(solver, exact, start):
    """A full Newton step overshoots where the function is linear; the line search and the safe step see to it."""
    result = solve(solver, Valley(exact), start, max_iter=50_000)
    peer = optimize.minimize(Valley().value_and_gradient, start, jac=True, method="BFGS", options={"gtol": 1e-10})
    assert result.converged
    assert result.value <= peer.fun + 1e-8
    assert_allclose(result.theta, Valley.minimum, atol=1e-3)


@all_solvers
def test_tol_bounds_the_distance_to_the_minimum(solver):
    """With the Hessian as model the estimate is exact: the value at the stop is within tol."""
    for tol in (1e-2, 1e-5, 1e-8):
        result = solve(solver, Quadratic("exact"), np.zeros(6), tol=tol)
        assert result.converged
        assert result.value - 3.0 <= tol * (1 + 1e-6)


@all_solvers
def test_starts_at_the_minimum(solver):
    """No step, and one value in the curve."""
    objective = Quadratic("exact")
    result = solve(solver, objective, objective.minimum)
    assert (result.n_iter, result.converged, result.curve) == (0, True, [3.0])


@all_solvers
@pytest.mark.parametrize("max_iter", [1, 3])
def test_max_iter_ends_it(solver, max_iter):
    """So many steps and no more; not converged, and the message names the parameter."""
    result = solve(solver, Quadratic("identity", condition=1e6), np.zeros(6), max_iter=max_iter)
    assert result.n_iter == max_iter
    assert not result.converged
    assert "max_iter" in result.message


@all_solvers
@pytest.mark.parametrize("max_iter", [4, 5000])
def test_result_is_consistent(solver, max_iter):
    """The value is that of theta and the last of the curve, which goes down and has one entry more than steps."""
    objective = Valley(exact=False)
    result = solve(solver, objective, [4.0, 5.0], max_iter=max_iter)
    assert result.value == objective.value_and_gradient(result.theta)[0] == result.curve[-1]
    assert result.curve[0] == objective.value_and_gradient(np.array([4.0, 5.0]))[0]
    assert len(result.curve) == result.n_iter + 1
    assert all(after < before for before, after in pairwise(result.curve))


@all_solvers
def test_callback_hears_every_step(solver):
    """The iteration, the value and the estimated distance, at the start and after each step; the last is below tol."""
    heard = []
    result = solve(solver, Quadratic("diagonal"), np.zeros(6), tol=1e-7, callback=heard.append)
    assert [step.n_iter for step in heard] == list(range(result.n_iter + 1))
    assert [step.value for step in heard] == result.curve
    assert heard[-1].distance <= 1e-7 < min(step.distance for step in heard[:-1])
    assert_array_equal(heard[-1].theta, result.theta)


@all_solvers
def test_callback_can_stop(solver):
    """What it returns ends the solver, there and then."""
    result = solve(solver, Quadratic("diagonal"), np.zeros(6), tol=0.0, callback=lambda step: step.n_iter == 2)
    assert result.n_iter == 2
    assert "callback" in result.message


@all_solvers
def test_start_is_not_changed(solver):
    """theta is the caller's: it may be read-only."""
    start = np.zeros(6)
    start.flags.writeable = False
    solve(solver, Quadratic("diagonal"), start)
    assert not start.any()


@all_solvers
def test_same_bits_again(solver):
    """Nothing random, nothing kept between two calls."""
    a, b = (solve(solver, Valley(exact=False), [4.0, 5.0]) for _ in range(2))
    assert_array_equal(a.theta, b.theta)
    assert a.curve == b.curve


@all_solvers
@pytest.mark.parametrize("factor", [1e-6, 1e-3, 1e3, 1e6])
def test_model_of_the_wrong_size(solver, factor):
    """Steps that are too long or too short by orders of magnitude are brought to size."""
    objective = Quadratic("diagonal")
    objective.model.inverse = objective.model.inverse * factor
    result = solve(solver, objective, np.zeros(6), tol=1e-12 * factor)
    assert result.converged
    assert_allclose(result.theta, objective.minimum, atol=1e-3)


@all_solvers
@pytest.mark.parametrize("beyond", [np.inf, np.nan])
def test_steps_out_of_the_domain_are_shortened(solver, beyond):
    """Where the objective overflows to inf or nan the step was too long."""

    class Fenced(Quadratic):
        def value_and_gradient(self, x):
            value, gradient = super().value_and_gradient(x)
            return (value, gradient) if np.abs(x).max() < 5 else (beyond, np.full_like(x, beyond))

    objective = Fenced("diagonal")
    objective.model.inverse = objective.model.inverse * 1e4
    result = solve(solver, objective, np.zeros(6), tol=1e-9)
    assert result.converged
    assert_allclose(result.theta, objective.minimum, atol=1e-3)


def test_recovers_from_a_failed_line_search():
    """A model that leads nowhere is built anew and the pairs are forgotten, before the solver gives up."""

    class Misled(Quadratic):
        """From the third model on the right one; the one before it points uphill once pairs have been collected."""

        def value_and_gradient(self, x):
            value, gradient = super().value_and_gradient(x)
            if 4 <= self.evaluations <= 40 and self.models == 1:
                value = np.nan  # as if rounding hid every descent along this direction
            return value, gradient

    objective = Misled("diagonal")
    result = solve("lbfgs", objective, np.zeros(6))
    assert objective.models >= 2
    assert result.converged
    assert_allclose(result.theta, objective.minimum, atol=1e-5)


@all_solvers
@pytest.mark.parametrize("grain", [1e-9, 1e-12])
def test_ends_where_the_objective_changes_no_more(solver, grain):
    """A value known to so many digits cannot be lowered further: that is convergence, soon, and not max_iter."""

    class Grainy(Quadratic):
        def value_and_gradient(self, x):
            value, gradient = super().value_and_gradient(x)
            return round(value / grain) * grain, gradient + 1e-7 * np.sin(1e9 * x)

    objective = Grainy("exact")
    result = solve(solver, objective, np.zeros(6), tol=0.0, max_iter=2000)
    assert result.converged
    assert result.n_iter < 500
    assert result.value == pytest.approx(3.0, abs=1e-8)
    assert "max_iter" not in result.message


@all_solvers
def test_says_so_when_nothing_goes_down_far_from_the_minimum(solver):
    """A gradient that is not the value's: the solver stops, does not claim convergence, and says how far it is."""

    class Wrong(Quadratic):
        def value_and_gradient(self, x):
            value, gradient = super().value_and_gradient(x)
            return value, -gradient

    result = solve(solver, Wrong("exact"), np.zeros(6), max_iter=100)
    assert not result.converged
    assert "distance" in result.message
    assert_array_equal(result.theta, 0)


def test_gradient_descent_ends_where_there_is_no_gradient():
    """A gradient of nan leads nowhere, however small the step: the end, not an endless loop."""

    class Lost(Quadratic):
        def value_and_gradient(self, x):
            return np.nan, np.full_like(x, np.nan)

    assert not solve("gradient_descent", Lost("exact"), np.zeros(6), max_iter=5).converged


def test_gradient_descent_is_what_its_docstring_says():
    """Without momentum and with a rate that is safe, each step is minus the rate times the gradient."""
    objective = Quadratic("exact", condition=10.0)
    theta = np.zeros(6)
    result = solve("gradient_descent", objective, theta, max_iter=5, learning_rate_init=0.05, momentum=0.0)
    for _ in range(5):
        theta = theta - 0.05 * objective.hessian @ (theta - objective.minimum)
    assert_allclose(result.theta, theta, rtol=1e-12)


def test_gradient_descent_keeps_momentum():
    """Each move is momentum times the last one minus the rate times the gradient."""
    objective = Quadratic("exact", condition=10.0)
    theta, move = np.zeros(6), np.zeros(6)
    result = solve("gradient_descent", objective, theta, max_iter=4, learning_rate_init=0.02, momentum=0.5)
    for _ in range(4):
        move = 0.5 * move - 0.02 * objective.hessian @ (theta - objective.minimum)
        theta = theta + move
    assert_allclose(result.theta, theta, rtol=1e-12)


@pytest.mark.parametrize("learning_rate", [1e3, 1e-6, None])
@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.99])
def test_gradient_descent_is_safe_at_any_rate(learning_rate, momentum):
    """A rate that is too large is halved until the objective goes down: it never goes up."""
    result = solve(
        "gradient_descent", Quadratic(), np.zeros(6), max_iter=200, learning_rate_init=learning_rate, momentum=momentum
    )
    assert all(after <= before for before, after in pairwise(result.curve))
    assert result.value < result.curve[0]
