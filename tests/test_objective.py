"""The objective: its value and gradient, the same for any blocks and threads, and the models of its Hessian."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import linalg, sparse

from skce import SigmoidCrossEntropy, SoftmaxCrossEntropy
from skce._kernels import linear
from skce._objective import Objective
from skce._rows import Rows

WEIGHTS = {2: (0.3, 1.7), 3: (0.3, 1.7, 4.0), 5: (0.3, 1.7, 4.0, 1.0, 0.05)}
DTYPES = [np.float32, np.float64]
all_sizes = pytest.mark.parametrize("k", [2, 3, 5])
intercepts = pytest.mark.parametrize("fit_intercept", [True, False])
containers = pytest.mark.parametrize("container", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])


def data(k=3, n=40, d=4, seed=0):
    """X, class codes and weights that are all different."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * [1, 10, 0.1, 1][:d] + [0, 3, 1, -1][:d] if d <= 4 else rng.normal(size=(n, d))
    codes = np.concatenate([np.arange(k), rng.integers(k, size=n - k)])
    return X, codes, rng.exponential(size=n)


def build(
    k=3, *, X=None, fit_intercept=True, alpha=0.05, weighted=True, e=0.0, class_weight=None, container=None, **sizes
):
    """An objective as the classifier builds it: one sigmoid for two classes, a softmax for more."""
    table, codes, s = data(k, **sizes)
    X = (container or np.asarray)(table) if X is None else X
    loss = (SigmoidCrossEntropy if k == 2 else SoftmaxCrossEntropy)(label_smoothing=e, class_weight=class_weight)
    s = s if weighted else np.ones(len(codes))
    total = s.sum() if class_weight is None else s @ np.array(class_weight)[codes]
    return Objective(
        loss,
        X,
        codes,
        s.astype(X.dtype) if weighted else None,
        total=total,
        n_outputs=1 if k == 2 else k,
        alpha=alpha,
        fit_intercept=fit_intercept,
        frequencies=mean_target(codes, s, k),
        random_state=np.random.RandomState(0),
    )


def mean_target(codes, weights, k):
    """Weighted mean of the targets: of the second of two classes, of each of several."""
    means = np.array([weights[codes == c].sum() for c in range(k)]) / weights.sum()
    return means[1:] if k == 2 else means


def random_theta(objective, scale=0.3, seed=1):
    """Coefficients that tell no symmetry, in the units of the features."""
    return scale * np.random.default_rng(seed).normal(size=objective.shape).reshape(-1)


def recut(objective, block_rows, n_shards=16, n_threads=1):
    """The same objective with its rows cut otherwise."""
    objective.rows = Rows(*objective.rows.arrays, block_rows=block_rows, n_shards=n_shards, n_threads=n_threads)
    return objective


def formula(theta, X, codes, s, k, alpha, e, class_weight, fit_intercept):
    """The objective as it is written down, in mpmath."""
    width = X.shape[1] + fit_intercept
    rows = [theta[i * width : (i + 1) * width] for i in range(1 if k == 2 else k)]
    total = value = mpmath.mpf(0)
    for x, code, weight in zip(X.tolist(), codes.tolist(), s.tolist(), strict=True):
        x = [*x, 1] if fit_intercept else x
        z = [mpmath.fdot(row, x) for row in rows]
        z = [mpmath.mpf(0), *z] if k == 2 else z
        log_sum = mpmath.log(mpmath.fsum(map(mpmath.exp, z)))
        for c in range(k):
            y = (1 - mpmath.mpf(e)) * (c == code) + mpmath.mpf(e) / k
            value -= weight * class_weight[c] * y * (z[c] - log_sum)
        total += weight * class_weight[code]
    return value / total + mpmath.mpf(alpha) / 2 * mpmath.fsum(w**2 for row in rows for w in row[: X.shape[1]])


@all_sizes
@intercepts
@pytest.mark.parametrize("scale", [0.3, 30.0, 300.0], ids=["logits of 1", "logits of 100", "logits of 1000"])
@pytest.mark.parametrize("options", ["plain", "weighted and smoothed"])
def test_value_and_gradient_are_the_formulas(k, fit_intercept, scale, options):
    """Against the formula with 40 digits and its differences: 1e-12 of the value, 1e-11 of the gradient."""
    e, class_weight = (0.0, None) if options == "plain" else (0.2, WEIGHTS[k])
    objective = build(k, n=9, d=2, alpha=0.05, e=e, class_weight=class_weight, fit_intercept=fit_intercept)
    X, codes, s = data(k, n=9, d=2)
    theta = random_theta(objective, scale)
    value, gradient = objective.value_and_gradient(theta)
    with mpmath.workdps(40):

        def f(t):
            return formula(t, X, codes, s, k, 0.05, e, class_weight or [1] * k, fit_intercept)

        exact = [mpmath.mpf(t) for t in theta.tolist()]
        h = mpmath.mpf(10) ** -13
        differences = [
            float((f([*exact[:i], t + h, *exact[i + 1 :]]) - f([*exact[:i], t - h, *exact[i + 1 :]])) / (2 * h))
            for i, t in enumerate(exact)
        ]
        assert value == pytest.approx(float(f(exact)), rel=1e-12)
    assert_allclose(gradient, differences, rtol=1e-11, atol=1e-12 * np.abs(differences).max())


@all_sizes
@intercepts
@containers
def test_single_precision_is_close_to_double(k, fit_intercept, container):
    """float32 rows, sums in float64: value and gradient to about 1e-6, and of type float64 for the solvers."""
    double = build(k, fit_intercept=fit_intercept, n=500)
    X = container(data(k, n=500)[0].astype(np.float32))
    single = build(k, X=X, fit_intercept=fit_intercept, n=500)
    theta = random_theta(double)
    (value, gradient), (value_32, gradient_32) = double.value_and_gradient(theta), single.value_and_gradient(theta)
    assert isinstance(value_32, float)
    assert gradient_32.dtype == np.float64
    assert value_32 == pytest.approx(value, rel=1e-5)
    assert_allclose(gradient_32, gradient, rtol=1e-4, atol=1e-5 * np.abs(gradient).max())


@all_sizes
@intercepts
def test_sparse_is_dense(k, fit_intercept):
    """CSR and dense rows give the same value, gradient and, from start(), the same best intercepts."""
    dense, csr = (build(k, container=c, fit_intercept=fit_intercept) for c in (np.asarray, sparse.csr_array))
    theta = random_theta(dense)
    assert csr.value_and_gradient(theta)[0] == pytest.approx(dense.value_and_gradient(theta)[0], rel=1e-14)
    assert_allclose(csr.value_and_gradient(theta)[1], dense.value_and_gradient(theta)[1], rtol=1e-11, atol=1e-14)
    assert_allclose(csr.start(), dense.start(), rtol=1e-12)


@all_sizes
def test_fortran_order_and_read_only_rows(k):
    """The layout of X costs no copy and changes nothing."""
    X = np.asfortranarray(data(k)[0])
    X.flags.writeable = False
    objective = build(k, X=X)
    assert objective.rows.arrays[0] is X
    theta = random_theta(objective)
    assert_allclose(
        objective.value_and_gradient(theta)[1], build(k).value_and_gradient(theta)[1], rtol=1e-12, atol=1e-14
    )


@containers
@pytest.mark.parametrize("dtype", DTYPES)
@settings(deadline=None, max_examples=40)
@given(block_rows=st.integers(1, 101), n_shards=st.integers(1, 40), k=st.sampled_from([2, 3]), weighted=st.booleans())
def test_any_partition_of_the_rows_gives_the_same_objective(container, dtype, block_rows, n_shards, k, weighted):
    """Blocks of one row, of all rows, and shards that are not full: sums, never means of means."""
    X = container(data(k, n=101)[0].astype(dtype))
    whole = recut(build(k, X=X, n=101, weighted=weighted), 101, 1)
    parts = recut(build(k, X=X, n=101, weighted=weighted), block_rows, n_shards)
    theta = random_theta(whole)
    (value, gradient), (value_p, gradient_p) = whole.value_and_gradient(theta), parts.value_and_gradient(theta)
    eps = float(np.finfo(dtype).eps)
    assert value_p == pytest.approx(value, rel=50 * eps)
    assert_allclose(gradient_p, gradient, rtol=0, atol=200 * eps * max(1, np.abs(gradient).max()))


@all_sizes
@containers
@pytest.mark.parametrize("dtype", DTYPES)
def test_number_of_threads_does_not_change_a_bit(k, container, dtype):
    """Shards are added in the same order by 1, 2 or 3 threads, for values, gradients and models of the Hessian."""
    X = container(data(k, n=3000)[0].astype(dtype))
    results = []
    for n_threads in (1, 2, 3):
        objective = recut(build(k, X=X, n=3000), 37, n_threads=n_threads)
        theta = random_theta(objective)
        value, gradient = objective.value_and_gradient(theta)
        results.append((value, gradient, objective.curvature(theta).solve(gradient)))
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert_array_equal(a, b)


@all_sizes
@intercepts
@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1000))
def test_order_of_rows_does_not_matter(k, fit_intercept, seed):
    """A permutation of the rows changes the last digits only."""
    objective = build(k, fit_intercept=fit_intercept)
    theta = random_theta(objective)
    value, gradient = objective.value_and_gradient(theta)
    order = np.random.default_rng(seed).permutation(len(data(k)[1]))
    shuffled = build(k, fit_intercept=fit_intercept)
    shuffled.rows = shuffled.rows.part(order, len(order))
    assert shuffled.value_and_gradient(theta)[0] == pytest.approx(value, rel=1e-13)
    assert_allclose(shuffled.value_and_gradient(theta)[1], gradient, rtol=1e-11, atol=1e-13)


@all_sizes
@intercepts
def test_pack_and_unpack_are_inverse(k, fit_intercept):
    """theta is (W, b) row by row; without intercepts b is zero."""
    objective = build(k, fit_intercept=fit_intercept)
    theta = random_theta(objective)
    coef, intercept = objective.unpack(theta)
    assert coef.shape == (objective.shape[0], 4)
    assert intercept.shape == objective.shape[:1]
    assert_array_equal(objective.pack(coef, intercept), theta)
    assert fit_intercept or not intercept.any()


@all_sizes
@containers
@pytest.mark.parametrize("e", [0.0, 0.2])
@pytest.mark.parametrize("class_weight", [None, "given"])
def test_start_has_the_best_intercepts(k, container, e, class_weight):
    """At W = 0 the gradient in the intercepts vanishes, with weights, class weights and smoothing."""
    weights = WEIGHTS[k] if class_weight else None
    objective = build(k, container=container, e=e, class_weight=weights)
    coef, intercept = objective.unpack(objective.start())
    assert not coef.any()
    gradient = objective.value_and_gradient(objective.start())[1].reshape(objective.shape)
    assert_allclose(gradient[:, -1], 0, atol=1e-15)
    if k > 2:
        assert_allclose(intercept.sum(), 0, atol=1e-14)


def test_questions_of_a_row():
    """One, which of several classes or of two; or whether each of several labels."""
    X, _, _ = data()
    answers = np.zeros((len(X), 5))
    labels = Objective(SigmoidCrossEntropy(), X, answers, None, total=40, n_outputs=5, alpha=0, fit_intercept=False)
    assert [build(3).n_questions, build(2).n_questions, labels.n_questions] == [1, 1, 5]


def test_start_without_intercepts_is_zero():
    """Nothing to begin from but equal probabilities."""
    objective = build(fit_intercept=False)
    assert not objective.start().any()
    assert objective.value_and_gradient(objective.start())[0] == pytest.approx(np.log(3))


def hessian_by_differences(objective, theta, h=1e-4):
    """Central differences of the gradient, to fourth order: right to about 1e-10."""
    columns = []
    for unit in np.eye(len(theta)):
        at = [objective.value_and_gradient(theta + step * h * unit)[1] for step in (-2, -1, 1, 2)]
        columns.append((at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * h))
    return np.array(columns)


def contrasts(objective, seed=2):
    """A direction without a part that is common to all outputs: a softmax feels no such part."""
    v = np.random.default_rng(seed).normal(size=objective.shape)
    return (v if len(v) == 1 else v - v.mean(axis=0)).reshape(-1)


@all_sizes
@intercepts
@containers
@pytest.mark.parametrize("alpha", [0.0, 0.05])
@pytest.mark.parametrize("options", ["plain", "weighted and smoothed"])
def test_exact_model_is_the_differentiated_gradient(k, fit_intercept, container, alpha, options):
    """solve() undoes the Hessian, at any theta."""
    e, class_weight = (0.0, None) if options == "plain" else (0.2, WEIGHTS[k])
    objective = build(k, fit_intercept=fit_intercept, container=container, alpha=alpha, e=e, class_weight=class_weight)
    objective.hessian.newton = True
    theta, v = random_theta(objective), contrasts(objective)
    model = objective.curvature(theta)
    assert model.exact
    assert_allclose(model.solve(hessian_by_differences(objective, theta) @ v), v, rtol=1e-5, atol=1e-6)


@all_sizes
@intercepts
@pytest.mark.parametrize("alpha", [0.0, 0.05])
def test_a_hessian_that_is_kept_serves_other_penalties(k, fit_intercept, alpha):
    """It is that of the objective with the other penalty, at the point where it was built."""
    first, other = (build(k, fit_intercept=fit_intercept, alpha=a) for a in (2.0, alpha))
    theta, v = random_theta(first), contrasts(first)
    for objective in (first, other):
        objective.hessian.newton = True
        model = objective.curvature(theta)
    next_one = first.with_alpha(alpha)
    next_one.hessian.newton = False
    kept = next_one.curvature(next_one.start())
    assert kept.exact
    assert_allclose(kept.solve(v), model.solve(v), rtol=1e-9)


@all_sizes
@intercepts
@containers
@pytest.mark.parametrize("alpha", [0.0, 0.05])
@pytest.mark.parametrize("options", ["plain", "weighted", "heavily weighted", "smoothed", "not weighted"])
def test_factored_model_is_the_hessian_at_the_start(k, fit_intercept, container, alpha, options):
    """There every row has the same curvature in the logits, so the mean of the products is the product of the means."""
    given = {
        "weighted": {"class_weight": WEIGHTS[k]},
        "heavily weighted": {"class_weight": (100.0,) * k},
        "smoothed": {"e": 0.2},
        "not weighted": {"weighted": False},
    }.get(options, {})
    objective = build(k, fit_intercept=fit_intercept, container=container, alpha=alpha, **given)
    objective.hessian.newton = False
    v = contrasts(objective)
    model = objective.curvature(objective.start())
    assert not model.exact
    assert_allclose(model.solve(hessian_by_differences(objective, objective.start()) @ v), v, rtol=1e-5, atol=1e-6)


@all_sizes
@intercepts
@containers
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("alpha", [0.0, 1e-8, 0.05])
@pytest.mark.parametrize("exact", [True, False], ids=["exact", "factored"])
@pytest.mark.parametrize("theta", ["start", "random", "saturated"])
@pytest.mark.parametrize("table", ["regular", "degenerate"])
def test_solve_is_symmetric_and_positive(k, fit_intercept, container, dtype, alpha, exact, theta, table):
    """A direction -solve(gradient) always goes down: also for constant and equal columns, and far from the optimum."""
    X = data(k)[0]
    if table == "degenerate":
        X = np.column_stack([X, X[:, 0], np.full(len(X), 7.0), np.zeros(len(X)), 1e5 * (np.arange(len(X)) == 3)])
    objective = build(k, X=container(X.astype(dtype)), fit_intercept=fit_intercept, alpha=alpha)
    objective.hessian.newton = exact
    at = {"start": objective.start(), "random": random_theta(objective), "saturated": random_theta(objective, 100)}
    model = objective.curvature(at[theta])
    inverse = np.array([model.solve(unit) for unit in np.eye(objective.start().size)])
    assert np.isfinite(inverse).all()
    scale = np.sqrt(np.maximum(inverse.diagonal(), np.finfo(float).tiny))
    scaled = inverse / scale / scale[:, None]
    assert_allclose(scaled, scaled.T, atol=1e-5)
    assert linalg.eigvalsh((scaled + scaled.T) / 2)[0] > -1e-5
    gradient = objective.value_and_gradient(at[theta])[1]
    assert gradient @ model.solve(gradient) > 0


@containers
def test_weight_zero_is_no_row_for_the_models(container):
    """The models of the Hessian leave out what the objective leaves out."""
    X, codes, s = data(3)
    kept = np.random.default_rng(3).random(len(s)) < 0.6
    kept[:3] = True
    wild = np.where(kept[:, None], X, 1e3)
    common = {"n_outputs": 3, "alpha": 0.05, "fit_intercept": True, "total": s[kept].sum()}
    for exact in (True, False):
        models = []
        for rows in (slice(None), kept):
            weights = np.where(kept, s, 0)[rows]
            objective = Objective(
                SoftmaxCrossEntropy(),
                container(wild[rows]),
                codes[rows],
                weights,
                frequencies=mean_target(codes, np.where(kept, s, 0), 3),
                random_state=np.random.RandomState(0),
                **common,
            )
            objective.hessian.newton = exact
            models.append(objective.curvature(random_theta(objective)).solve(np.arange(15.0) - 7))
        assert_allclose(models[0], models[1], rtol=1e-6, atol=1e-9)


def test_factored_model_from_a_sample_is_close():
    """Many rows: the model looks at some of them, and is about that of all."""
    n, d = 20_000, 30
    objective = build(5, n=n, d=d)
    objective.hessian.newton = False
    everything = build(5, n=n, d=d)
    everything.hessian.newton = False
    everything.hessian.sample = everything.rows
    sampled = build(5, n=n, d=d)
    sampled.hessian.newton = False
    sampled.hessian.sample = sampled.rows.part(np.sort(np.random.RandomState(0).choice(n, 2000, replace=False)), 500)
    v = contrasts(objective)
    theta = random_theta(objective, 0.1)
    a, b = (o.curvature(theta).solve(v) for o in (everything, sampled))
    assert np.linalg.norm(a - b) < 0.3 * np.linalg.norm(a)


@pytest.mark.parametrize("dtype", DTYPES)
@containers
def test_linear_is_the_logits(dtype, container):
    """X W^T + b in the type of X."""
    X = data()[0].astype(dtype)
    W, b = random_theta(build()).reshape(3, 5)[:, :4].astype(dtype), np.array([1, 2, 3], dtype)
    logits = linear(container(X), W, b)
    assert logits.dtype == dtype
    assert_allclose(logits, X.astype(float) @ W.T.astype(float) + b, rtol=1e-5, atol=1e-5)
