"""The models of the Hessian, apart from any data: what they add up, and that they solve with what they are given."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import linalg, sparse

from skce import _curvature, _prices
from skce._objective import rows_of
from skce._prices import Prices
from skce.losses import SigmoidCrossEntropy, SoftmaxCrossEntropy


@pytest.fixture(params=["a factor an output", "a basis for all"])
def solution(request, monkeypatch):
    """Both ways to solve with a full covariance."""
    monkeypatch.setattr(_prices, "LEAST_FACTOR", 0 if request.param == "a factor an output" else np.inf)


containers = pytest.mark.parametrize("container", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
losses = pytest.mark.parametrize("loss", [SoftmaxCrossEntropy(), SigmoidCrossEntropy()], ids=["softmax", "sigmoid"])


def positive_definite(size, rng, condition=1e3):
    """A random symmetric matrix with eigenvalues in [1, condition]."""
    basis = linalg.qr(rng.normal(size=(size, size)))[0]
    return basis * np.geomspace(1, condition, size) @ basis.T


def block(loss, seed=0, n=30, d=4, k=3):
    """X, targets, weights and the loss's curvature at random logits."""
    rng = np.random.default_rng(seed)
    X = np.where(rng.random((n, d)) < 0.3, 0, rng.normal(size=(n, d)) + 1)
    targets = rng.integers(2, size=(n, k)) if isinstance(loss, SigmoidCrossEntropy) else rng.integers(k, size=n)
    return X, rng.exponential(size=n), loss.block_curvature(targets, rng.normal(size=(n, k)))


@containers
@losses
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("k", [3, 6])  # outputs pair by pair, and all at once
def test_exact_sums_are_kronecker_products(k, loss, container, weighted, centred):
    """Sum over the rows of weight * A (x) x x^T, with a column of ones behind centred features."""
    X, weights, curvature = block(loss, k=k)
    weights = weights if weighted else None
    center = np.array([0.5, 1.0, -2.0, 0.0]) if centred else None
    (hessian,) = _curvature.exact_sums(container(X), weights, curvature, center)
    features = np.column_stack([X - center, np.ones(len(X))]) if centred else X
    products = [np.kron(A, np.outer(x, x)) for A, x in zip(curvature.matrices(), features, strict=True)]
    expected = np.average(products, axis=0, weights=weights) * (len(X) if weights is None else weights.sum())
    q = k * features.shape[1]
    if curvature.factor is None:  # outputs that do not interact: a block of each
        hessian = linalg.block_diag(*hessian)
    assert_allclose(np.reshape(hessian, (q, q)), expected, rtol=1e-12, atol=1e-12)


@containers
@losses
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("full", [True, False])
def test_factored_sums_are_moments(loss, container, weighted, full):
    """Sums of A, trace(A), trace(A) x and trace(A) x x^T, or of the latter's diagonal."""
    X, weights, curvature = block(loss)
    s = weights if weighted else np.ones(len(X))
    outputs, trace, first, second = _curvature.factored_sums(
        container(X), weights if weighted else None, curvature, None, full
    )
    matrices = curvature.matrices()
    c = s * np.trace(matrices, axis1=1, axis2=2)
    assert_allclose(outputs, np.einsum("i,ijk->jk", s, matrices), rtol=1e-12, atol=1e-13)
    assert_allclose(trace, c.sum(), rtol=1e-12)
    assert_allclose(first, c @ X, rtol=1e-12)
    assert_allclose(second, X.T * c @ X if full else c @ X**2, rtol=1e-12)


@losses
@pytest.mark.parametrize("full", [True, False])
def test_factored_sums_about_a_center(loss, full):
    """Dense features are centred before they are multiplied: digits are not lost far from zero."""
    X, weights, curvature = block(loss)
    center = X.mean(axis=0)
    near = _curvature.factored_sums(X, weights, curvature, center, full)
    far = _curvature.factored_sums(X + 1e6, weights, curvature, center + 1e6, full)
    for a, b in zip(near, far, strict=True):
        assert_allclose(b, a, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("scales", [[1, 1, 1], [1e8, 1, 1e-8]])
@pytest.mark.parametrize("centred", [True, False])
def test_exact_solves_with_the_hessian(scales, centred):
    """solve(H v) is v, whatever the units of the features, in the coordinates of features that are not centred."""
    rng = np.random.default_rng(1)
    k, p = 2, 3
    units = np.tile(scales, k)
    hessian = positive_definite(k * p, rng) * units * units[:, None]
    v = rng.normal(size=(k, p)) / scales
    if centred:  # H = M^T H_centred M, where M takes (W, b) to (W, b + W mu)
        mu = np.array([3.0, -2.0]) * scales[:2]
        move = np.eye(p)
        move[2, :2] = mu
        M = np.kron(np.eye(k), move)
        gradient = (M.T @ hessian @ M @ v.ravel()).reshape(k, p)
        model = _curvature.Exact(hessian[None], mu)
    else:
        gradient = (hessian @ v.ravel()).reshape(k, p)
        model = _curvature.Exact(hessian[None], None)
    assert_allclose(model.solve(gradient) * scales, v * scales, rtol=1e-6, atol=1e-6 * np.abs(v * scales).max())


@pytest.mark.usefixtures("solution")
@pytest.mark.parametrize("alpha", [0.0, 1e-3, 1e3])
@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("scales", [[1, 1, 1], [1e6, 1, 1e-6]])
def test_factored_solves_with_the_kronecker_product(alpha, full, scales):
    """solve((A (x) C + alpha I) v) is v, intercepts apart."""
    rng = np.random.default_rng(2)
    outputs, covariance = positive_definite(2, rng, 10), positive_definite(3, rng, 100)
    covariance *= np.multiply.outer(scales, scales)
    if not full:
        covariance = covariance.diagonal()
    matrix = np.kron(outputs, covariance if full else np.diag(covariance)) + alpha * np.eye(6)
    v = rng.normal(size=(2, 3)) / scales
    model = _curvature.Factored(outputs.copy(), covariance.copy(), np.zeros(3), alpha, fit_intercept=False)
    solution = model.solve((matrix @ v.ravel()).reshape(2, 3))
    assert_allclose(solution * scales, v * scales, rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("solution")
def test_factored_takes_intercepts_apart():
    """With a mean the intercepts have the curvature of the outputs alone, in centred coordinates."""
    rng = np.random.default_rng(3)
    outputs, covariance, mu = positive_definite(2, rng, 10), positive_definite(3, rng, 10), rng.normal(size=3)
    second = covariance + np.multiply.outer(mu, mu)
    moments = np.block([[second, mu[:, None]], [mu[None, :], np.ones((1, 1))]])
    v = rng.normal(size=(2, 4))
    gradient = (np.kron(outputs, moments) @ v.ravel()).reshape(2, 4)
    assert_allclose(_curvature.Factored(outputs, covariance, mu, 0.0).solve(gradient), v, rtol=1e-8)


@pytest.mark.usefixtures("solution")
@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("alpha", [0.0, 0.1])
@pytest.mark.parametrize("distance", [1.0, 1e4])
def test_factored_without_intercepts_knows_the_mean(distance, alpha, full):
    """It is all that the products of features far from 0 show."""
    rng = np.random.default_rng(3)
    outputs, covariance = positive_definite(2, rng, 10), positive_definite(3, rng, 10)
    covariance = covariance if full else np.diag(covariance.diagonal())
    mu = distance * rng.normal(size=3)
    matrix = np.kron(outputs, covariance + np.multiply.outer(mu, mu)) + alpha * np.eye(6)
    v = rng.normal(size=(2, 3))
    known = covariance.copy() if full else covariance.diagonal().copy()
    model = _curvature.Factored(outputs.copy(), known, mu, alpha, fit_intercept=False)
    assert_allclose(model.solve((matrix @ v.ravel()).reshape(2, 3)), v, rtol=1e-14 * max(1e3, distance**2), atol=1e-6)


@pytest.mark.usefixtures("solution")
@pytest.mark.parametrize("rank", [0, 1, 3])
@pytest.mark.parametrize("model", ["exact", "factored", "factored diagonal"])
def test_singular_matrices_give_finite_solutions(model, rank):
    """Collinear and constant columns leave a matrix without full rank: solutions are finite and go downhill."""
    rng = np.random.default_rng(4)
    root = rng.normal(size=(4, rank))
    covariance = root @ root.T
    gradient = (covariance @ rng.normal(size=(4, 2))).T.copy()
    if model == "exact":
        built = _curvature.Exact(np.kron(np.eye(2), covariance)[None], None)
    else:
        known = covariance if model == "factored" else covariance.diagonal().copy()
        built = _curvature.Factored(np.eye(2), known, np.zeros(4), 0.0, fit_intercept=False)
    solution = built.solve(gradient)
    assert np.isfinite(solution).all()
    assert np.vdot(solution, gradient) >= 0
    if rank and model != "factored diagonal":
        assert_allclose(solution @ covariance, gradient, rtol=1e-5, atol=1e-6)


def test_exact_survives_a_slightly_indefinite_hessian():
    """Rounding may leave an eigenvalue just below zero."""
    rng = np.random.default_rng(5)
    basis = linalg.qr(rng.normal(size=(6, 6)))[0]
    values = np.array([-1e-10, 1e-13, 1, 2, 3, 4])
    model = _curvature.Exact((basis * values @ basis.T)[None], None)
    gradient = (basis[:, 2:] @ rng.normal(size=4)).reshape(2, 3)
    assert np.vdot(model.solve(gradient), gradient) > 0


def test_pin_gives_common_shifts_a_curvature_and_changes_nothing_else():
    """A softmax does not feel a shift common to all outputs; pinned, its Hessian is regular."""
    X, weights, curvature = block(SoftmaxCrossEntropy())
    (hessian,) = _curvature.exact_sums(X, weights, curvature, None)
    q = hessian.shape[0] * hessian.shape[1]
    before = hessian.reshape(q, q).copy()
    after = _curvature.pin(hessian.copy()).reshape(q, q)
    contrast = np.random.default_rng(6).normal(size=(3, 4))
    contrast -= contrast.mean(axis=0)
    assert linalg.eigvalsh(before)[3] < 1e-10
    assert linalg.eigvalsh(after)[0] > 1e-3
    assert_allclose(after @ contrast.ravel(), before @ contrast.ravel(), atol=1e-12)


def test_correlations_cost_no_more_than_the_passes_before(monkeypatch):
    """A covariance that is dear is first done without, then bought, and kept until as much was spent again."""
    monkeypatch.setattr(_prices, "LARGEST_HESSIAN", 0)
    rng = np.random.default_rng(0)
    X, codes = rng.normal(size=(500, 300)) @ rng.normal(size=(300, 300)), rng.integers(2, size=500)
    hessian = _curvature.Hessian(
        SigmoidCrossEntropy(),
        rows_of(X, codes, None, 1),
        shape=(1, 301),
        total=500.0,
        weight=500.0,
        alpha=0.1,
        fit_intercept=True,
        random_state=0,
    )
    assert not hessian.newton
    price = hessian.prices.of_covariance(500) / hessian.prices.of_pass(500)
    assert price > _prices.ON_TRUST + 2
    seen = []

    def factored(outputs, covariance, mean, *options, fit_intercept):
        seen.append(covariance)
        return None

    monkeypatch.setattr(_curvature, "Factored", factored)
    bought = price - _prices.ON_TRUST
    for passes in (1, bought + 1, bought + 2, bought + 2 + price):
        hessian.model(np.full((1, 300), 0.01 * passes), np.zeros(1), passes)
    variance, first, kept, second = seen
    assert variance.shape == (300,)
    assert first.shape == (300, 300)
    assert kept is first
    assert second is not first
    assert not np.allclose(second, first)


def test_price_of_correlations():
    """Nothing beside a pass over many rows, many passes over few; the sample is smaller where it would be dear."""
    tall, wide = Prices((10, 101), independent=False), Prices((1, 2001), independent=True)
    assert tall.of_covariance(tall.sample_size(100_000)) < 0.1 * tall.of_pass(100_000)
    assert wide.of_covariance(wide.sample_size(3000)) > 100 * wide.of_pass(3000)
    square = Prices((5, 601), independent=False)  # 26 steps of a pass and 100 us each, or as many solutions of 1.8 ms
    assert square.of_covariance(500) > 30 * square.of_pass(500)
    assert square.of_row_space(500) > 50 * square.of_pass(500)
    assert Prices((5, 5001), independent=False).of_row_space(500) < 25 * Prices((5, 5001), False).of_pass(500)
    filled = Prices((1, 281), independent=True, stored=48)  # 27 passes where a pass took 0.76 ms; dense rows would be 7
    assert filled.of_covariance(4000) > 20 * filled.of_pass(4000)
    assert Prices((1, 501), independent=True).sample_size(1_000_000) == 20 * 501
    assert Prices((1, 1001), independent=True).sample_size(10_000) == 8 * 1001
