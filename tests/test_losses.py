"""Losses against their formulas to 60 digits, against PyTorch and scikit-learn, and against themselves."""

import pickle
from dataclasses import FrozenInstanceError
from itertools import product

import numpy as np
import pandas as pd
import pytest
from helpers import (
    CASES,
    FORMULAS,
    LOGITS,
    draw_weights,
    exact_gradients,
    exact_hessians,
    exact_values,
    gamma_of,
    generated,
    mp,
    random_problem,
    tolerance,
)
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.metrics import log_loss

from skce import (
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    _kernels,
    cross_entropy_loss,
    multilabel_cross_entropy_loss,
)
from skce.losses import LOSSES, Curvature

DTYPES = [np.float64, np.float32]
QUESTIONS = [name for name, loss in LOSSES.items() if loss.one_question_a_column]
CLASSES = [name for name, loss in LOSSES.items() if not loss.one_question_a_column]

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)))
every_loss = pytest.mark.parametrize("name", LOSSES)
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


def assert_close_to_loss(actual, desired, units=1.0, message=""):
    """To 1e-14 of max(1, loss), in float32 as many units in the last place."""
    bound = units * tolerance(actual.dtype) * np.maximum(1, np.abs(desired))
    same = np.isinf(desired) & (actual == desired)
    error = np.where(same, 0, np.abs(np.where(same, 0, actual - desired)))
    assert (error <= bound).all(), (
        f"off by {np.max(error / bound):.3g} times the bound: {actual}, not {desired}; {message}"
    )


# --- against the formulas ---------------------------------------------------------------------------------------------


def test_every_loss_has_its_formula():
    """A loss that is not compared with an independent formula is not tested."""
    assert set(FORMULAS) == set(LOSSES)


@every_dtype
@every_case
def test_value_is_the_formula(case, dtype):
    """To 1e-14, whatever the targets' form, the fields, and the size and the shift of the logits."""
    for kind in LOGITS:
        loss, options, targets, logits = random_problem(case, kind, dtype)
        values = loss.value(targets, logits)
        assert values.dtype == dtype
        assert values.shape == (len(logits),)
        assert_close_to_loss(values, exact_values(case[0], targets, logits, **options), message=kind)


@every_dtype
@every_case
def test_gradient_is_the_derivative_of_the_formula(case, dtype):
    """To 1e-14 in each entry: an error of 1e-7 would pass for a slow solver, not for a wrong formula."""
    for kind in LOGITS:
        loss, options, targets, logits = random_problem(case, kind, dtype)
        gradient = loss.gradient(targets, logits)
        assert gradient.dtype == dtype
        exact = exact_gradients(case[0], targets, logits, **options)
        # Entries are at most about the class weight, 3; a focal one moves by gamma times that.
        assert_allclose(gradient, exact, rtol=0, atol=8 * tolerance(dtype), err_msg=kind)


@every_dtype
@pytest.mark.parametrize("case", [c for c in CASES if not c[3]], ids=lambda case: "-".join(map(str, case[:3])))
def test_curvature_is_the_second_derivative_of_the_formula(case, dtype):
    """Exact for losses that are convex in the logits: all without focusing."""
    for kind in LOGITS:
        loss, options, targets, logits = random_problem(case, kind, dtype, n=3, k=3)
        matrices = loss.curvature(targets, logits).matrices()
        assert matrices.dtype == dtype
        exact = exact_hessians(case[0], targets, logits, **options)
        # Entries are at most the sum of the class weights, 9, over 4.
        assert_allclose(matrices, exact, rtol=0, atol=2 * tolerance(dtype), err_msg=kind)


@every_case
def test_curvature_is_positive_semidefinite(case):
    """A solver takes Newton steps with it, also where the loss is not convex."""
    for kind in LOGITS:
        loss, _, targets, logits = random_problem(case, kind, n=50)
        eigenvalues = np.linalg.eigvalsh(loss.curvature(targets, logits).matrices())
        assert np.isfinite(eigenvalues).all()
        assert eigenvalues.min() >= -1e-14  # rounding of entries of size 1


@pytest.mark.parametrize("mass", [2, 2.0, np.float64(2), np.full(3, 2.0)], ids=lambda mass: type(mass).__name__)
def test_curvature_is_of_the_logits_type(mass):
    """Whatever the kind of number that a loss of one's own says the targets weigh."""

    class Twice(SoftmaxCrossEntropy):
        def total_mass(self, targets, logits):
            return mass

    logits = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    curvature, plain = (loss.curvature([0, 1, 2], logits) for loss in (Twice(), SoftmaxCrossEntropy()))
    assert curvature.weights.dtype == curvature.factor.dtype == np.float32
    assert_allclose(curvature.matrices(), 2 * plain.matrices(), rtol=1e-5)


@pytest.mark.parametrize("factor", [None, np.array([[1.0, 2.0]])])
def test_curvature_matrices_are_diagonal_minus_outer_product(factor):
    """diag(d) - f f^T, and diag(d) alone without a factor."""
    matrices = Curvature(np.array([[3.0, 5.0]]), factor).matrices()
    assert_array_equal(matrices, [[[3, 0], [0, 5]]] if factor is None else [[[2, -2], [-2, 1]]])


@every_case
def test_value_and_gradient_are_value_and_gradient(case):
    """One pass gives the same bits as two."""
    loss, _, targets, logits = random_problem(case, "far")
    values, gradient = loss.value_and_gradient(targets, logits)
    assert_array_equal(values, loss.value(targets, logits))
    assert_array_equal(gradient, loss.gradient(targets, logits))


@every_case
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_gradient_is_written_where_it_is_asked_for(case, dtype):
    """The same bits in the caller's array, whatever was there."""
    loss, _, targets, logits = random_problem(case, "far", dtype)
    values, gradient = loss.value_and_gradient(targets, logits)
    out = np.full(logits.shape, np.nan, dtype)
    same_values, same = loss.value_and_gradient(targets, logits, out=out)
    assert same is out
    assert_array_equal(out, gradient)
    assert_array_equal(same_values, values)
    assert loss.gradient(targets, logits, out=out) is out
    assert_array_equal(out, gradient)


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize("form", [np.matrix, np.ma.array])
def test_gradient_is_written_to_arrays_of_other_kinds(form):
    """What is special about them is left as it is."""
    targets, logits = [0, 2], np.array([[2.0, 0.0, 1.0], [0.5, -1.0, 3.0]])
    out = form(np.empty((2, 3)))
    assert SoftmaxCrossEntropy().gradient(targets, logits, out=out) is out
    assert_array_equal(np.asarray(out), SoftmaxCrossEntropy().gradient(targets, logits))


@pytest.mark.parametrize(("out", "error", "message"), [
    ([[0.0, 0.0]], TypeError, "out must be a NumPy array, got list"),
    (np.empty((1, 3)), ValueError, r"out must have the logits' shape \(3, 2\) and dtype float64, got \(1, 3\)"),
    (np.empty((3, 2), "f4"), ValueError, "dtype float64, got .* and float32"),
    (np.empty((2, 3)).T, ValueError, "out must be C-ordered and writeable"),
    (np.broadcast_to(0.0, (3, 2)), ValueError, "out must be C-ordered and writeable"),
])  # fmt: skip
def test_arrays_that_cannot_hold_a_gradient(out, error, message):
    """They are named before anything is written."""
    with pytest.raises(error, match=message):
        SoftmaxCrossEntropy().value_and_gradient([0, 1, 0], np.zeros((3, 2)), out=out)


def test_gradient_is_not_written_over_what_it_is_computed_from():
    """Blocks of rows are read after others were written."""
    logits, targets = np.zeros((3, 2)), np.full((3, 2), 0.5)
    for own in (logits, targets):
        with pytest.raises(ValueError, match="out must not share memory with the logits or the targets"):
            SoftmaxCrossEntropy().gradient(targets, logits, out=own)


# --- confident rows ---------------------------------------------------------------------------------------------------


def exact_confident_row(z, code, gamma):
    """Value and gradient of softmax losses of a code, in a form that loses nothing where p is near 1."""
    z = [mp.mpf(float(z_c)) for z_c in z]
    powers = [mp.exp(z_c - z[code]) for z_c in z]
    others = mp.fsum([*powers[:code], *powers[code + 1 :]])
    loss, q = mp.log1p(others), others / (1 + others)
    slope = q**gamma * (1 + gamma * (1 - q) * loss / q)
    gradient = [slope * power / (1 + others) for power in powers]
    gradient[code] = -slope * q
    return float(q**gamma * loss), [float(g) for g in gradient]


def test_confident_row_loses_no_digits():
    """log(sum) - z_y cancels to 0 here, as it does in PyTorch and SciPy."""
    loss = SoftmaxCrossEntropy()
    value, gradient = loss.value_and_gradient([0], [[40.0, 0.0, 0.0]])
    assert_allclose(value, 2 * np.exp(-40), rtol=1e-15)
    assert value[0] == pytest.approx(8.4967e-18, rel=1e-5)
    assert_allclose(gradient, [[-2 * np.exp(-40), np.exp(-40), np.exp(-40)]], rtol=1e-15)


@every_dtype
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize(
    ("shift", "margin"), list(product([0, -60, -100, 60, -650, -730, 650, 1e3, -1e5], [5, 40, 60, 85]))
)
def test_confident_row_keeps_its_digits(shift, margin, gamma, dtype):
    """Value and gradient are right relative to themselves, wherever the logits lie: no exponential is subnormal."""
    z = np.array([[shift + margin, shift, shift + 1.5]], dtype=dtype)
    loss = LOSSES["softmax_focal"](gamma=gamma) if gamma else SoftmaxCrossEntropy()
    value, gradient = loss.value_and_gradient([0], z)
    exact_value, exact_gradient = exact_confident_row(z[0], 0, gamma)
    if abs(exact_value) < 1e3 * np.finfo(dtype).tiny:
        pytest.skip("the loss itself has no normal number")
    # exp turns half a unit in the last place of its argument, 85, into 85 eps / 2, and gamma + 1 times that.
    assert_allclose(value, exact_value, rtol=200 * np.finfo(dtype).eps)
    assert_allclose(gradient, [exact_gradient], rtol=200 * np.finfo(dtype).eps)


@every_dtype
@pytest.mark.parametrize("name", QUESTIONS)
@pytest.mark.parametrize("form", [np.int64, float])
@pytest.mark.parametrize("margin", [5, 30, 60, 85])
def test_confident_answer_keeps_its_digits(margin, form, name, dtype):
    """The same for yes/no questions, for codes and for probabilities of 0 and 1."""
    z = np.array([margin, -margin], dtype=dtype)
    loss = LOSSES[name]()
    gamma = gamma_of(loss)
    value, gradient = loss.value_and_gradient(np.array([1, 0], dtype=form), z)
    exact_value, (exact_gradient, _) = exact_confident_row([margin, 0], 0, gamma)
    if abs(exact_value) < 1e3 * np.finfo(dtype).tiny:
        pytest.skip("the loss itself has no normal number")
    assert_allclose(value, [exact_value, exact_value], rtol=200 * np.finfo(dtype).eps)
    assert_allclose(gradient, [exact_gradient, -exact_gradient], rtol=200 * np.finfo(dtype).eps)


@every_dtype
@pytest.mark.parametrize("name", QUESTIONS)
@pytest.mark.parametrize("form", [bool, np.int8, np.uint8, np.int32, np.uint64])
def test_answers_are_integers_of_any_type(form, name, dtype):
    """0 and 1 are the same to the last bit, whatever holds them, in values, gradients and scores."""
    rng = np.random.default_rng(0)
    codes, logits = rng.integers(2, size=(40, 3)), rng.normal(0, 3, (40, 3)).astype(dtype)
    for options in (
        {},
        {"class_weight": (0.5, 2)},
        {"class_weight": (np.ones(3), np.arange(3))},
        {"label_smoothing": 0.1},
    ):
        loss = LOSSES[name](**options)
        for ours, same in zip(
            loss.value_and_gradient(codes.astype(form), logits), loss.value_and_gradient(codes, logits), strict=True
        ):
            assert_array_equal(ours, same)
        proba = loss.proba(logits)
        assert_array_equal(loss.score(codes.astype(form), proba), loss.score(codes, proba))


@pytest.mark.parametrize("smoothing", [1e-9, 1e-20])
@pytest.mark.parametrize("name", QUESTIONS)
def test_a_little_smoothing_is_not_lost(name, smoothing):
    """The mass of the other answer has all its digits, for codes and for floats, weighted or not."""
    for weights, form in product((None, (1.0, 1.0)), (int, float)):
        loss = LOSSES[name](label_smoothing=smoothing, class_weight=weights)
        targets, logits = np.array([1, 0], dtype=form), np.array([600.0, -600.0])
        options = {"label_smoothing": smoothing, "gamma": gamma_of(loss)}
        value, gradient = loss.value_and_gradient(targets, logits)
        assert_allclose(value, exact_values(name, targets, logits, **options), rtol=1e-13)
        assert_allclose(gradient, exact_gradients(name, targets, logits, **options), rtol=1e-10)


@every_dtype
@every_case
def test_zero_has_no_sign(case, dtype):
    """A logit of -0.0 is one of 0.0."""
    loss, _, targets, logits = random_problem(case, "near", dtype)
    logits[...] = np.where(logits > 0, logits, 0.0)
    negative = np.where(logits > 0, logits, -0.0).astype(dtype)
    for ours, same in zip(
        loss.value_and_gradient(targets, negative), loss.value_and_gradient(targets, logits), strict=True
    ):
        assert_allclose(ours, same, rtol=0, atol=tolerance(dtype))


# --- the largest and the infinite -------------------------------------------------------------------------------------


@every_dtype
@every_case
def test_largest_logits_give_no_nan(case, dtype):
    """Any finite logit will do: the loss may round to infinity, the gradient and the curvature stay finite."""
    loss, _, targets, logits = random_problem(case, "near", dtype)
    largest = np.finfo(dtype).max * np.sign(logits)
    with np.errstate(all="raise"):  # and no warning leaves the library
        values, gradient = loss.value_and_gradient(targets, largest)
        matrices = loss.curvature(targets, largest).matrices()
    assert not np.isnan(values).any()
    assert (values >= 0).all()
    assert np.isfinite(gradient).all()
    assert np.isfinite(matrices).all()


@every_dtype
@pytest.mark.parametrize("case", [c for c in CASES if "smoothed" not in c[2]], ids=lambda c: "-".join(map(str, c)))
def test_logit_of_minus_infinity_adds_nothing_where_the_target_is_0(case, dtype):
    """0 log 0 = 0 in the value, 0 in the gradient and in the curvature."""
    loss, options, targets, logits = random_problem(case, "far", dtype)
    spread = targets if targets.ndim == logits.ndim else np.eye(logits.shape[1])[targets]
    zero = spread == 0
    zero &= np.random.default_rng(1).random(logits.shape) < 0.6
    logits[zero] = -np.inf
    values, gradient = loss.value_and_gradient(targets, logits)
    assert_close_to_loss(values, exact_values(case[0], targets, logits, **options))
    exact = exact_gradients(case[0], targets, logits, **options)
    assert_allclose(gradient, exact, rtol=0, atol=8 * tolerance(dtype))
    assert_array_equal(gradient[zero], 0)
    curvature = loss.curvature(targets, logits)
    assert np.isfinite(curvature.matrices()).all()
    assert_array_equal(curvature.weights.reshape(logits.shape)[zero], 0)


@every_case
def test_logit_of_minus_infinity_costs_infinity_where_the_target_is_not_0(case):
    """What is called impossible happens: inf, with a gradient that is finite and no warning."""
    loss, _, targets, logits = random_problem(case, "near")
    spread = targets if targets.ndim == logits.ndim else np.eye(logits.shape[1])[targets]
    where = (spread > 0) if logits.ndim == 1 else (spread > 0) & (np.cumsum(spread > 0, axis=1) == 1)
    logits[where] = -np.inf
    values, gradient = loss.value_and_gradient(targets, logits)
    hit = where if logits.ndim == 1 else where.any(axis=1)
    assert hit.any()
    assert np.isposinf(values[hit]).all()
    assert np.isfinite(values[~hit]).all()
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("form", ["codes", "one-hot"])
@pytest.mark.parametrize("name", CLASSES)
def test_class_of_weight_0_adds_nothing_at_minus_infinity(name, form, smoothing):
    """A weight of 0 is a target of 0: neither a label of that class nor the smoothing's share makes the row nan."""
    loss = LOSSES[name](class_weight=[0, 1, 2], label_smoothing=smoothing)
    logits = np.array([[-np.inf, 0.3, 1], [-np.inf, 2, -1]])
    targets = np.array([0, 2]) if form == "codes" else np.eye(3)[[0, 2]]
    values, gradient = loss.value_and_gradient(targets, logits)
    options = {"class_weight": (0, 1, 2), "label_smoothing": smoothing, "gamma": gamma_of(loss)}
    assert_allclose(values, exact_values(name, targets, logits, **options), rtol=1e-14, atol=1e-14)
    assert_allclose(gradient, exact_gradients(name, targets, logits, **options), rtol=0, atol=1e-14)


@pytest.mark.parametrize("form", [int, float])
@pytest.mark.parametrize("name", QUESTIONS)
def test_answer_of_weight_0_adds_nothing_at_minus_infinity(name, form):
    """The same for the weight of yes."""
    loss = LOSSES[name](class_weight=(1, 0))
    values, gradient = loss.value_and_gradient(np.array([1, 0], dtype=form), [-np.inf, -np.inf])
    assert_array_equal(values, 0)
    assert_array_equal(gradient, 0)


@pytest.mark.parametrize("name", QUESTIONS)
def test_unknown_answer_adds_nothing(name):
    """A target of nan has no loss, no gradient and no curvature, and leaves its row's other questions alone."""
    rng = np.random.default_rng(0)
    targets, logits = rng.random((6, 3)), rng.normal(0, 3, (6, 3))
    unknown = rng.random((6, 3)) < 0.4
    loss = LOSSES[name](label_smoothing=0.1, class_weight=(0.5, 2))
    targets[unknown] = np.nan
    values, gradient = loss.value_and_gradient(targets, logits)
    options = {"label_smoothing": 0.1, "class_weight": (0.5, 2), "gamma": gamma_of(loss)}
    assert_close_to_loss(values, exact_values(name, targets, logits, **options))
    assert_array_equal(gradient[unknown], 0)
    assert_allclose(gradient, exact_gradients(name, targets, logits, **options), rtol=0, atol=1e-14)
    assert_array_equal(loss.curvature(targets, logits).weights[unknown], 0)


@pytest.mark.parametrize("name", QUESTIONS)
def test_each_question_may_have_weights_of_its_own(name):
    """Weights of no and yes of shape (k,)."""
    rng = np.random.default_rng(3)
    targets, logits = rng.integers(2, size=(8, 3)), rng.normal(0, 20, (8, 3))
    weights = (tuple(rng.uniform(0.2, 3, 3)), tuple(rng.uniform(0.2, 3, 3)))
    loss = LOSSES[name](class_weight=weights)
    values, gradient = loss.value_and_gradient(targets, logits)
    assert_close_to_loss(values, exact_values(name, targets, logits, class_weight=weights, gamma=gamma_of(loss)))
    exact = exact_gradients(name, targets, logits, class_weight=weights, gamma=gamma_of(loss))
    assert_allclose(gradient, exact, rtol=0, atol=8e-14)


# --- against PyTorch and scikit-learn ---------------------------------------------------------------------------------


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch is an oracle of the tests, never a dependency")


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("form", ["codes", "distributions"])
def test_softmax_cross_entropy_is_pytorchs(torch, form, smoothing, weighted):
    """Class weights and smoothing mean what they mean in PyTorch's cross_entropy, row by row, gradient included."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 10, (50, 5))
    targets = rng.integers(5, size=50) if form == "codes" else rng.dirichlet(np.ones(5), 50)
    weights = rng.uniform(0.2, 3, 5) if weighted else None
    z = torch.tensor(logits, requires_grad=True)
    expected = torch.nn.functional.cross_entropy(
        z,
        torch.tensor(targets),
        weight=None if weights is None else torch.tensor(weights),
        label_smoothing=smoothing,
        reduction="none",
    )
    expected.sum().backward()
    loss = SoftmaxCrossEntropy(label_smoothing=smoothing, class_weight=weights)
    values, gradient = loss.value_and_gradient(targets, logits)
    assert_allclose(values, expected.detach().numpy(), rtol=1e-13, atol=1e-13)  # PyTorch's own rounding
    assert_allclose(gradient, z.grad.numpy(), rtol=0, atol=1e-13)


@pytest.mark.parametrize("form", ["answers", "probabilities"])
def test_sigmoid_cross_entropy_is_pytorchs(torch, form):
    """The weights (1, w) of no and yes are PyTorch's pos_weight w, here one for each question."""
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 10, (50, 4))
    targets = rng.integers(2, size=(50, 4)) if form == "answers" else rng.random((50, 4))
    weights = rng.uniform(0.2, 3, 4)
    z = torch.tensor(logits, requires_grad=True)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        z, torch.tensor(targets, dtype=torch.float64), pos_weight=torch.tensor(weights), reduction="none"
    ).sum(dim=1)
    expected.sum().backward()
    values, gradient = SigmoidCrossEntropy(class_weight=(1, weights)).value_and_gradient(targets, logits)
    assert_allclose(values, expected.detach().numpy(), rtol=1e-13)
    assert_allclose(gradient, z.grad.numpy(), rtol=0, atol=1e-13)


@every_dtype
def test_score_is_scikit_learns_log_loss(dtype):
    """Row by row, clipped at the same place: a certain and wrong row costs -log(eps)."""
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.full(4, 0.3), 40).astype(dtype)
    proba[:4] = np.eye(4, dtype=dtype)[[0, 1, 2, 3]]
    codes = rng.integers(4, size=40)
    expected = [log_loss([c], p[None], labels=range(4)) for c, p in zip(codes, proba, strict=True)]
    scores = SoftmaxCrossEntropy().score(codes, proba)
    assert scores.dtype == dtype
    assert_allclose(scores, expected, rtol=1e-6 if dtype == np.float32 else 1e-15)
    assert_allclose(SoftmaxCrossEntropy().score(np.eye(4)[codes], proba), expected, rtol=2e-6, atol=4e-7)


# --- from probabilities -----------------------------------------------------------------------------------------------


@every_dtype
@every_case
def test_score_of_probabilities_is_value_of_logits(case, dtype):
    """Two ways to the same number while no probability is near 0 or 1."""
    loss, options, targets, logits = random_problem(case, "near", dtype)
    logits /= 2
    proba = loss.proba(logits)
    scores = loss.score(targets, proba)
    assert scores.dtype == dtype
    # p rounds by eps, log p by eps / p, and p is above 1e-3.
    exact = exact_values(case[0], targets, logits, **options)
    assert_allclose(scores, exact, rtol=0, atol=1e4 * np.finfo(dtype).eps)


@every_dtype
@every_case
@pytest.mark.parametrize("eps", [0.0, 1e-12, 0.01])
def test_sums_are_the_sums_of_the_rows(eps, case, dtype, monkeypatch):
    """The shorter ways to a total, of blocks of any size, in double precision; of clipped rows too."""
    loss, _, targets, logits = random_problem(case, "near", dtype, n=37)
    proba = loss.proba(logits)
    eps = max(eps, 0 if proba.min() > 0 else np.finfo(dtype).eps)
    scores, values = loss.score(targets, proba, eps=eps), loss.value(targets, logits)
    rtol = 40 * np.finfo(dtype).eps  # a smoothed row's own value is of products of its probabilities, not the rows'
    for scratch in (1 << 21, 10 * 8 * logits.size // len(logits)):
        monkeypatch.setattr(_kernels, "BLOCK_BYTES", scratch)
        score_sum = loss.unchecked_score_sum(targets, proba, eps)
        assert isinstance(score_sum, float)
        assert_allclose(score_sum, scores.sum(dtype=np.float64), rtol=rtol)
        assert_allclose(loss.unchecked_value_sum(targets, logits), values.sum(dtype=np.float64), rtol=rtol)


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_smoothing_that_single_precision_does_not_see(reduction):
    """It rounds to none."""
    y, p = [0, 1], np.array([[0.7, 0.3], [0.2, 0.8]], np.float32)
    smoothed = cross_entropy_loss(y, p, label_smoothing=1e-50, reduction=reduction)
    assert_array_equal(smoothed, cross_entropy_loss(y, p, reduction=reduction))


def test_eps_that_single_precision_does_not_see():
    """It is 0: infinity where that is true, and nothing where a class weighs nothing."""
    p = np.array([[0, 1], [0, 1]], np.float32)
    for options in ({"class_weight": [0, 1]}, {"handle_unknown": "clip"}):
        options = {"labels": [0, 1], "eps": 1e-300} | options
        assert cross_entropy_loss([0, 1], p, **options) == (0 if "class_weight" in options else np.inf)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name", CLASSES)
def test_a_bad_logit_is_an_error_whatever_its_row_weighs(name, bad):
    """A class of weight 0 hides none."""
    with pytest.raises(ValueError, match="Logits must be finite or -inf: row 0"):
        LOSSES[name](class_weight=[0, 1]).value([0, 1], [[bad, 0], [0, 1]])


@pytest.mark.parametrize("name", QUESTIONS)
def test_probabilities_of_several_questions_do_not_sum_to_1(name):
    """Neither with a zero that has a sign, nor in the message about a bad one, deep in the table."""
    loss = LOSSES[name]()
    assert_allclose(loss.score([[0, 1]], [[-0.0, 0.3]]), loss.score([[0, 1]], [[0.0, 0.3]]))
    proba = np.full((80_000, 4), 0.3)
    proba[70_000, 1] = 1.5
    with pytest.raises(ValueError, match=r"in \[0, 1\]: row 70000 has 1.5"):
        loss.score(np.zeros((80_000, 4), int), proba)
    with pytest.raises(ValueError, match=r"in \[0, 1\]: row 70000 has 1.5"):
        multilabel_cross_entropy_loss(np.zeros((80_000, 4), int), proba)
    proba[70_000, 1] = np.nan
    with pytest.raises(ValueError, match="row 70000 has nan"):
        multilabel_cross_entropy_loss(np.zeros((80_000, 4), int), proba, from_logits=True)


@pytest.mark.parametrize("case", [c for c in CASES if c[2] == "plain"], ids=lambda case: "-".join(map(str, case)))
def test_score_of_certain_and_right_rows_is_0_without_a_sign(case):
    """-0.0 would print as a loss below the least."""
    loss, _, targets, logits = random_problem(case, "near")
    proba = np.asarray(targets == 1, dtype=float) if targets.ndim == logits.ndim else np.eye(logits.shape[1])[targets]
    rows = (targets == proba) if targets.ndim == logits.ndim else np.ones(logits.shape, dtype=bool)
    rows = rows if logits.ndim == 1 else rows.all(axis=1)
    if not rows.any():
        pytest.skip("no certain row")
    scores = loss.score(targets[rows], proba[rows], eps=0)
    assert_array_equal(scores, 0)
    assert not np.signbit(scores).any()
    assert not np.signbit(loss.score(targets[rows], proba[rows])).any()


@every_case
def test_impossible_event_scores_infinity_without_clipping(case):
    """eps = 0 tells the truth; the weight and the form do not matter."""
    loss, _, targets, logits = random_problem(case, "near")
    spread = targets if targets.ndim == logits.ndim else np.eye(logits.shape[1])[targets]
    if logits.ndim == 1 or loss.one_question_a_column:
        proba = np.where(spread > 0, 0.0, 1.0)
    else:
        proba = np.roll(np.eye(logits.shape[1])[spread.argmax(axis=1)], 1, axis=1)
    assert np.isposinf(loss.score(targets, proba, eps=0)).all()
    assert np.isfinite(loss.score(targets, proba)).all()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("form", ["codes", "one-hot"])
@pytest.mark.parametrize("name", CLASSES)
def test_class_of_weight_0_scores_nothing_at_probability_0(name, form, smoothing):
    """0 times infinity is 0 here, with and without smoothing."""
    loss = LOSSES[name](class_weight=[0, 1, 1], label_smoothing=smoothing)
    targets = np.array([0, 2]) if form == "codes" else np.eye(3)[[0, 2]]
    scores = loss.score(targets, [[0, 0.5, 0.5], [0, 0.5, 0.5]], eps=0)
    share = smoothing / 3
    expected = np.log(2) * 0.5 ** gamma_of(loss) * np.array([2 * share, 1 - smoothing + 2 * share])
    assert_allclose(scores, expected, rtol=1e-14, atol=1e-16)


@pytest.mark.parametrize("form", [int, float])
@pytest.mark.parametrize("name", QUESTIONS)
def test_answer_of_weight_0_scores_nothing_at_probability_0(name, form):
    """The same for the weight of yes."""
    assert_array_equal(LOSSES[name](class_weight=(1, 0)).score(np.array([1], dtype=form), [0.0], eps=0), 0)


@pytest.mark.parametrize("eps", [1e-3, 0.1])
@every_loss
def test_probabilities_are_clipped_at_eps(name, eps):
    """A certain and wrong row costs what a probability of eps costs."""
    loss = LOSSES[name]()
    targets, proba = ([1], [0.0]) if loss.one_question_a_column else ([1], [[1.0, 0.0]])
    least = loss.score(targets, [eps] if loss.one_question_a_column else [[1 - eps, eps]], eps=0)
    assert_allclose(loss.score(targets, proba, eps=eps), least, rtol=1e-15)


@pytest.mark.parametrize(
    ("proba", "message"),
    [
        ([[0.5, 0.5], [0.5, 0.6]], r"must sum to 1: row 1 sums to 1\.1\b.*logits"),
        ([[0.5, 0.5], [1.5, -0.5]], r"in \[0, 1\]: row 1 has 1\.5.*logits"),
        ([[0.5, 0.5], [-0.1, 1.1]], r"in \[0, 1\]: row 1 has -0\.1"),
        ([[0.5, 0.5], [np.nan, 0.5]], "must be finite: row 1 has nan"),
        ([[0.5, 0.5], [np.inf, 0.5]], "must be finite: row 1 has inf"),
        ([[0.5, 0.5, 0.0]], r"targets must have shape \(1,\) or \(1, 3\), got \(2,\)"),
        ([0.5, 0.5], r"proba must have shape \(n, k\), got \(2,\)"),
    ],
)
def test_score_wants_distributions(proba, message):
    """The message gives the row and the number, and says where logits go."""
    with pytest.raises(ValueError, match=message):
        SoftmaxCrossEntropy().score([0, 1], proba)


def test_negative_zero_is_a_probability():
    """The fast check calls it suspect, the exact one lets it pass."""
    assert_allclose(SoftmaxCrossEntropy().score([0], [[1.0, -0.0]]), 0, atol=1e-15)


@pytest.mark.parametrize("eps", [-0.1, 0.5, np.nan])
def test_eps_must_be_below_one_half(eps):
    """Clipping to [eps, 1 - eps] must leave something."""
    with pytest.raises(ValueError, match=r"eps must be in \[0, 0\.5\), got"):
        SoftmaxCrossEntropy().score([0], [[0.5, 0.5]], eps=eps)


# --- equal forms ------------------------------------------------------------------------------------------------------

eighths = st.integers(-8000, 8000).map(lambda i: i / 8)  # up to +-1e3; adding multiples of 1/8 rounds nothing


def logits_of(n_columns, max_rows=6):
    """Matrices of logits up to +-1e3."""
    shape = st.tuples(st.integers(1, max_rows), n_columns)
    return shape.flatmap(lambda s: arrays(np.float64, s, elements=eighths))


def drawn_loss(data, name, k):
    """A loss with random fields."""
    seed = data.draw(st.integers(0, 1000))
    weights = draw_weights(name, k, np.random.default_rng(seed)) if data.draw(st.booleans()) else None
    options = {"label_smoothing": data.draw(st.sampled_from([0.0, 0.1, 0.9])), "class_weight": weights}
    return LOSSES[name](**options), np.random.default_rng(seed)


def drawn_targets(data, loss, logits, rng):
    """Targets in one of the forms that the loss takes."""
    n, k = logits.shape
    if loss.one_question_a_column:
        return rng.integers(2, size=(n, k)) if data.draw(st.booleans()) else rng.random((n, k))
    return rng.integers(k, size=n) if data.draw(st.booleans()) else rng.dirichlet(np.ones(k), n)


@pytest.mark.parametrize("name", [name for name in LOSSES if LOSSES[name].shift_invariant])
@generated
@given(data=st.data())
def test_adding_a_number_to_a_row_changes_nothing(name, data):
    """A softmax does not see a shift, however large."""
    logits = data.draw(logits_of(st.integers(1, 5)))
    loss, rng = drawn_loss(data, name, logits.shape[1])
    targets = drawn_targets(data, loss, logits, rng)
    shifts = data.draw(arrays(np.float64, (len(logits), 1), elements=st.integers(-(2**40), 2**40).map(float)))
    values, gradient = loss.value_and_gradient(targets, logits)
    shifted_values, shifted_gradient = loss.value_and_gradient(targets, logits + shifts)
    assert_close_to_loss(shifted_values, values, 2)
    assert_allclose(shifted_gradient, gradient, rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", [name for name in LOSSES if LOSSES[name].shift_invariant])
@pytest.mark.parametrize("kind", LOGITS)
def test_gradient_of_a_shift_is_0(name, kind):
    """So each row of the gradient sums to 0, class weights and smoothing included."""
    for case in [case for case in CASES if case[0] == name]:
        loss, _, targets, logits = random_problem(case, kind)
        assert_allclose(loss.gradient(targets, logits).sum(axis=1), 0, atol=1e-13)


@every_loss
@generated
@given(data=st.data())
def test_order_of_the_classes_does_not_matter(name, data):
    """Classes in another order: the same values, the gradient's columns in that order."""
    logits = data.draw(logits_of(st.integers(2, 6)))
    k = logits.shape[1]
    loss, rng = drawn_loss(data, name, k)
    targets = drawn_targets(data, loss, logits, rng)
    order = rng.permutation(k)
    other_loss = loss
    if loss.class_weight is not None and not loss.one_question_a_column:
        weights = [loss.class_weight[c] for c in order]
        other_loss = type(loss)(label_smoothing=loss.label_smoothing, class_weight=weights)
    other_targets = targets[:, order] if targets.ndim == 2 else np.argsort(order)[targets]
    values, gradient = loss.value_and_gradient(targets, logits)
    other_values, other_gradient = other_loss.value_and_gradient(other_targets, logits[:, order])
    assert_close_to_loss(other_values, values, 2)
    assert_allclose(other_gradient, gradient[:, order], rtol=0, atol=1e-13)


@every_loss
@generated
@given(data=st.data())
def test_a_row_does_not_see_its_neighbours(name, data):
    """Alone or beside rows of any size, a row has the same loss and gradient to rounding."""
    logits = data.draw(logits_of(st.integers(1, 5)))
    loss, rng = drawn_loss(data, name, logits.shape[1])
    targets = drawn_targets(data, loss, logits, rng)
    values, gradient = loss.value_and_gradient(targets, logits)
    for i in range(len(logits)):
        value, row = loss.value_and_gradient(targets[i : i + 1], logits[i : i + 1])
        assert_close_to_loss(value, values[i : i + 1], 2)
        assert_allclose(row[0], gradient[i], rtol=0, atol=1e-13)


@every_dtype
@every_case
def test_blocks_of_rows_are_the_whole(case, dtype, monkeypatch):
    """However many rows fit a block: value, gradient and score do not depend on it."""
    loss, _, targets, logits = random_problem(case, "far", dtype, n=37)
    proba = loss.proba(logits)
    whole = *loss.value_and_gradient(targets, logits), loss.value(targets, logits), loss.score(targets, proba)
    for block_bytes in (1, 100, 300):
        monkeypatch.setattr(_kernels, "BLOCK_BYTES", block_bytes)
        parts = *loss.value_and_gradient(targets, logits), loss.value(targets, logits), loss.score(targets, proba)
        for part, expected in zip(parts, whole, strict=True):
            assert_allclose(part, expected, rtol=2 * tolerance(dtype), atol=2 * tolerance(dtype))


@pytest.mark.parametrize("name", CLASSES)
@generated
@given(data=st.data())
def test_codes_are_one_hot_distributions(name, data):
    """Keras's sparse categorical and categorical losses are one."""
    logits = data.draw(logits_of(st.integers(1, 5)))
    n, k = logits.shape
    loss, rng = drawn_loss(data, name, k)
    codes = rng.integers(k, size=n)
    values, gradient = loss.value_and_gradient(codes, logits)
    for one_hot in (np.eye(k)[codes], np.eye(k, dtype=int)[codes], np.eye(k, dtype=bool)[codes]):
        dense_values, dense_gradient = loss.value_and_gradient(one_hot, logits)
        assert_close_to_loss(dense_values, values, 2)
        assert_allclose(dense_gradient, gradient, rtol=0, atol=1e-13)
    curvatures = [loss.curvature(targets, logits).matrices() for targets in (codes, np.eye(k)[codes])]
    assert_allclose(*curvatures, rtol=0, atol=1e-13)
    proba = loss.proba(logits)
    assert_allclose(loss.score(np.eye(k)[codes], proba), loss.score(codes, proba), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", QUESTIONS)
@generated
@given(data=st.data())
def test_answers_are_probabilities_of_0_and_1(name, data):
    """Whole numbers, bools and floats mean the same."""
    logits = data.draw(logits_of(st.integers(1, 5)))
    loss, rng = drawn_loss(data, name, logits.shape[1])
    answers = rng.integers(2, size=logits.shape)
    values, gradient = loss.value_and_gradient(answers, logits)
    for same in (answers.astype(float), answers.astype(bool), answers.astype(np.uint8), answers.tolist()):
        same_values, same_gradient = loss.value_and_gradient(same, logits)
        assert_close_to_loss(same_values, values, 2)
        assert_allclose(same_gradient, gradient, rtol=0, atol=1e-13)
    proba = loss.proba(logits)
    assert_allclose(loss.score(answers.astype(float), proba), loss.score(answers, proba), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", [name for name in CLASSES if name.replace("softmax", "sigmoid") in QUESTIONS])
@generated
@given(data=st.data())
def test_two_classes_are_one_question(name, data):
    """A softmax of the logits (0, z) is a sigmoid of z: values, gradients and curvatures, smoothed and weighted."""
    z = data.draw(arrays(np.float64, st.integers(1, 6), elements=eighths))
    softmax, rng = drawn_loss(data, name, 2)
    sigmoid = LOSSES[name.replace("softmax", "sigmoid")](
        label_smoothing=softmax.label_smoothing, class_weight=softmax.class_weight
    )
    logits = np.column_stack([np.zeros_like(z), z])
    codes = rng.integers(2, size=len(z))
    positive = rng.random(len(z))
    for of_classes, of_questions in ((codes, codes), (np.column_stack([1 - positive, positive]), positive)):
        values, gradient = softmax.value_and_gradient(of_classes, logits)
        one_value, one_gradient = sigmoid.value_and_gradient(of_questions, z)
        assert_close_to_loss(one_value, values, 2)
        assert_allclose(one_gradient, gradient[:, 1], rtol=0, atol=1e-13)
        if not gamma_of(softmax):
            matrices = softmax.curvature(of_classes, logits).matrices()
            assert_allclose(sigmoid.curvature(of_questions, z).weights[:, 0], matrices[:, 1, 1], rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", [name for name in LOSSES if name.endswith("_focal")])
def test_focal_loss_without_focusing_is_cross_entropy(name):
    """gamma = 0 is the limit."""
    for case in [case for case in CASES if case[0] == name]:
        _, options, targets, logits = random_problem(case, "thousands")
        loss = LOSSES[name](**options | {"gamma": 0.0})
        del options["gamma"]
        plain = LOSSES[name.replace("focal", "cross_entropy")](**options)
        for one, other in zip(
            loss.value_and_gradient(targets, logits), plain.value_and_gradient(targets, logits), strict=True
        ):
            assert_array_equal(one, other)


# --- what goes in and what comes out ----------------------------------------------------------------------------------

LAYOUTS = {
    "Fortran order": np.asfortranarray,
    "every other row": lambda a: np.repeat(a, 2, axis=0)[::2],
    "every other column": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "backwards": lambda a: a[::-1].copy()[::-1],
    "read-only": lambda a: np.frombuffer(a.tobytes(), dtype=a.dtype).reshape(a.shape),
    "other byte order": lambda a: a.astype(a.dtype.newbyteorder()),
    "list": lambda a: a.tolist(),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "case", [c for c in CASES if c[3] != 0.5 and c[2].startswith("weighted")], ids=lambda case: "-".join(map(str, case))
)
def test_layout_of_the_arrays_does_not_matter(case, layout):
    """Targets, logits and probabilities in any memory order, with the same bits to rounding."""
    loss, _, targets, logits = random_problem(case, "far", n=30)
    change = LAYOUTS[layout]
    proba = loss.proba(logits)
    expected = *loss.value_and_gradient(targets, logits), loss.value(targets, logits), loss.score(targets, proba)
    targets, logits, proba = change(targets), change(logits), change(proba)
    actual = *loss.value_and_gradient(targets, logits), loss.value(targets, logits), loss.score(targets, proba)
    for a, e in zip(actual, expected, strict=True):
        assert_allclose(a, e, rtol=1e-14, atol=1e-14)
    matrices = loss.curvature(targets, logits).matrices()
    assert np.isfinite(matrices).all()


@every_case
def test_arguments_are_left_alone(case):
    """Nothing is written into what the caller owns."""
    loss, _, targets, logits = random_problem(case, "thousands")
    proba = loss.proba(logits)
    copies = targets.copy(), logits.copy(), proba.copy()
    loss.value_and_gradient(targets, logits)
    loss.curvature(targets, logits)
    loss.score(targets, proba)
    for mine, copy in zip((targets, logits, proba), copies, strict=True):
        assert_array_equal(mine, copy)


@every_loss
def test_whole_numbers_are_logits_too(name):
    """Any real dtype becomes float64, float16 becomes float32."""
    targets = [1, 0] if LOSSES[name].one_question_a_column else [[0, 1], [1, 0]]
    logits = [3, -1] if LOSSES[name].one_question_a_column else [[3, 0], [-1, 2]]
    expected = LOSSES[name]().value(targets, np.array(logits, dtype=float))
    assert_array_equal(LOSSES[name]().value(targets, logits), expected)
    assert LOSSES[name]().value(targets, np.array(logits, dtype=np.float16)).dtype == np.float32


@every_dtype
@every_case
def test_blocks_keep_their_type(case, dtype):
    """float32 in stays float32 inside: a loop of the caller's own over blocks does not pay for float64."""
    loss, _, targets, logits = random_problem(case, "near", dtype)
    gradient = np.empty_like(logits)
    assert loss.block(targets, logits, gradient).dtype == dtype
    assert_allclose(gradient, loss.gradient(targets, logits), rtol=0, atol=tolerance(dtype))
    assert loss.block_score(targets, loss.proba(logits), 1e-6).dtype == dtype


@pytest.mark.parametrize("name", CLASSES)
def test_one_class_costs_nothing(name):
    """Where there is no choice there is no loss, no gradient and no curvature."""
    loss = LOSSES[name]()
    values, gradient = loss.value_and_gradient([0, 0], [[5.0], [-1e3]])
    assert_array_equal(values, 0)
    assert_array_equal(gradient, 0)
    assert_array_equal(loss.curvature([0, 0], [[5.0], [-1e3]]).matrices(), 0)


@pytest.mark.parametrize("k", [2, 3, 39, 40, 41, 300])
@pytest.mark.parametrize("name", CLASSES)
def test_any_number_of_classes(name, k):
    """Few and many columns take different paths through the kernels."""
    rng = np.random.default_rng(k)
    logits, codes = rng.normal(0, 300, (5, k)), rng.integers(k, size=5)
    loss = LOSSES[name]()
    assert_close_to_loss(loss.value(codes, logits), exact_values(name, codes, logits, gamma=gamma_of(loss)))
    assert_allclose(loss.gradient(codes, logits).sum(axis=1), 0, atol=1e-14)


@pytest.mark.parametrize("kind", LOGITS)
@every_dtype
@every_loss
def test_proba_and_log_proba_are_the_formulas(name, dtype, kind):
    """Softmax and sigmoid to the last digits; the logarithm does not go through the probability."""
    loss = LOSSES[name]()
    logits = LOGITS[kind](np.random.default_rng(0), (8, 3)).astype(dtype)
    proba, log_proba = loss.proba(logits), loss.log_proba(logits)
    assert proba.dtype == log_proba.dtype == dtype
    exact = []
    for row in logits:
        z = [mp.mpf(float(value)) for value in row]
        total = [1 + mp.exp(value) for value in z] if loss.one_question_a_column else [mp.fsum(map(mp.exp, z))] * 3
        exact.append([value - mp.log(t) for value, t in zip(z, total, strict=True)])
    assert_close_to_loss(log_proba, np.array([[float(value) for value in row] for row in exact]))
    expected = np.array([[float(mp.exp(value)) for value in row] for row in exact])
    assert_allclose(proba, expected, rtol=0, atol=tolerance(dtype))
    assert np.isfinite(log_proba).all()


@pytest.mark.parametrize("case", [case for case in CASES if not case[3]], ids=lambda c: "-".join(map(str, c)))
def test_constant_logits_have_the_least_mean_loss(case):
    """Given to all rows, the mean gradient vanishes: where a fit may start."""
    loss, _, targets, logits = random_problem(case, "near", n=200, k=3)
    spread = targets if targets.ndim == logits.ndim else np.eye(3)[targets]
    best = loss.constant_logits(np.atleast_1d(spread.mean(axis=0)))
    constant = np.broadcast_to(best if logits.ndim == 2 else best[0], logits.shape)
    assert_allclose(loss.gradient(targets, constant).mean(axis=0), 0, atol=1e-14)


@every_loss
def test_constant_logits_of_an_absent_class_are_finite(name):
    """A class of weight zero, or that no row has, does not send the start of a fit to minus infinity."""
    best = LOSSES[name]().constant_logits(np.array([0.0, 0.25, 0.75]))
    assert np.isfinite(best).all()
    assert best[0] < -10


# --- fields -----------------------------------------------------------------------------------------------------------


@every_loss
def test_loss_is_immutable_and_comparable(name):
    """Two with equal fields are equal, hash alike, and survive pickling; lists and arrays become tuples."""
    loss = LOSSES[name](label_smoothing=0.1, class_weight=[1.0, 2.0])
    same = LOSSES[name](label_smoothing=0.1, class_weight=np.array([1, 2]))
    assert loss == same
    assert hash(loss) == hash(same)
    assert loss != LOSSES[name]()
    assert pickle.loads(pickle.dumps(loss)) == loss
    assert repr(loss).startswith(f"{LOSSES[name].__name__}(label_smoothing=0.1, class_weight=(1.0, 2.0)")
    with pytest.raises(FrozenInstanceError):
        loss.label_smoothing = 0.5


@every_loss
def test_name_is_the_class_in_snake_case(name):
    """One grep finds both."""
    assert LOSSES[name].__name__ == "".join(word.capitalize() for word in name.split("_"))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"label_smoothing": 1.0}, ValueError, r"label_smoothing must be in \[0, 1\), got 1\.0"),
        ({"label_smoothing": -0.1}, ValueError, r"label_smoothing must be in \[0, 1\), got -0\.1"),
        ({"label_smoothing": np.nan}, ValueError, r"label_smoothing must be in \[0, 1\), got nan"),
        ({"label_smoothing": "0.1"}, TypeError, "label_smoothing must be a number, got '0.1'"),
        ({"label_smoothing": True}, TypeError, "label_smoothing must be a number, got True"),
        ({"label_smoothing": None}, TypeError, "label_smoothing must be a number, got None"),
        ({"class_weight": [1, -1]}, ValueError, r"class_weight must be .*got \[1, -1\]"),
        ({"class_weight": [0, 0]}, ValueError, r"class_weight must be .*not all zero: got \[0, 0\]"),
        ({"class_weight": [1, np.nan]}, ValueError, r"class_weight must be finite.*got \[1, nan\]"),
        ({"class_weight": [1, np.inf]}, ValueError, r"class_weight must be finite.*got \[1, inf\]"),
        ({"class_weight": []}, ValueError, r"class_weight must be .*got \[\]"),
        ({"class_weight": 2.0}, ValueError, "class_weight must be .*got 2.0"),
        ({"class_weight": {0: 1.0, 1: 2.0}}, ValueError, "class_weight must be .*got {0: 1.0, 1: 2.0}"),
        ({"class_weight": "balanced"}, ValueError, "class_weight must be .*got 'balanced'"),
    ],
)
@every_loss
def test_bad_fields_raise(name, options, error, message):
    """At once, not at the first row."""
    with pytest.raises(error, match=message):
        LOSSES[name](**options)


@pytest.mark.parametrize(("gamma", "error"), [(-1, ValueError), (np.nan, ValueError), ("2", TypeError)])
@pytest.mark.parametrize("name", [name for name in LOSSES if name.endswith("_focal")])
def test_bad_gamma_raises(name, gamma, error):
    """A negative one would focus on what is easy and let the loss explode."""
    with pytest.raises(error, match="gamma must be"):
        LOSSES[name](gamma=gamma)


@pytest.mark.parametrize("class_weight", [(1.0,), (1.0, 2.0, 3.0)])
@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_has_two_weights(name, class_weight):
    """Those of no and yes."""
    with pytest.raises(ValueError, match="class_weight must be the weights of no and yes"):
        LOSSES[name](class_weight=class_weight)


@pytest.mark.parametrize("class_weight", [(2.0,), (1.0, 2.0), (1.0, 2.0, 3.0, 4.0), ((1, 2, 3), (1, 2, 3))])
@pytest.mark.parametrize("targets", [[2, 0], np.eye(3)[[2, 0]]], ids=["codes", "distributions"])
@pytest.mark.parametrize("method", ["value", "gradient", "curvature", "score"])
@pytest.mark.parametrize("name", CLASSES)
def test_as_many_class_weights_as_classes(name, method, targets, class_weight):
    """Never one too many in silence, never an IndexError or a broadcast error."""
    for smoothing in (0.0, 0.1):
        with pytest.raises(ValueError, match=r"class_weight must (have|be)"):  # at once, or when k is known
            getattr(LOSSES[name](class_weight=class_weight, label_smoothing=smoothing), method)(targets, np.eye(3)[:2])


# --- bad input --------------------------------------------------------------------------------------------------------

INF, NAN = np.inf, np.nan
BAD_INPUT = [
    ([0, 1, 0], np.zeros((2, 3)), ValueError, r"targets must have shape \(2,\) or \(2, 3\), got \(3,\)"),
    (np.zeros((2, 2)), np.zeros((2, 3)), ValueError, r"targets must have shape \(2,\) or \(2, 3\), got \(2, 2\)"),
    ([[0], [1]], np.zeros((2, 3)), ValueError, r"targets must have shape \(2,\) or \(2, 3\), got \(2, 1\)"),
    (0, np.zeros((2, 3)), ValueError, r"targets must have shape \(2,\) or \(2, 3\), got \(\)"),
    ([0, 1], np.zeros(2), ValueError, r"logits must have shape \(n, k\), got \(2,\)"),
    ([0, 1], np.zeros((2, 3, 1)), ValueError, r"logits must have shape \(n, k\), got \(2, 3, 1\)"),
    ([0], 1.0, ValueError, r"logits must have shape \(n, k\), got \(\)"),
    ([], np.zeros((0, 3)), ValueError, r"logits is empty: got shape \(0, 3\)"),
    ([0, 1], np.zeros((2, 0)), ValueError, r"logits is empty: got shape \(2, 0\)"),
    ([0, 3], np.zeros((2, 3)), ValueError, r"Class codes must be in 0\.\.2, got .*3"),
    ([-1, 1], np.zeros((2, 3)), ValueError, r"Class codes must be in 0\.\.2, got .*-1"),
    ([0.0, 1.0], np.zeros((2, 3)), TypeError, "must be integer class codes, got dtype float64"),
    ([True, False], np.zeros((2, 3)), TypeError, "must be integer class codes, got dtype bool"),
    (["a", "b"], np.zeros((2, 3)), TypeError, "must be integer class codes, got dtype <U1"),
    ([[0.5, 0.6], [-0.5, 1]], np.zeros((2, 2)), ValueError, r"targets must be in \[0, 1\].*-0\.5"),
    ([[0.5, 0.5], [0.5, 2]], np.zeros((2, 2)), ValueError, r"targets must be in \[0, 1\].*2"),
    ([[0.5, 0.5], [0.5, NAN]], np.zeros((2, 2)), ValueError, r"targets must be in \[0, 1\].*nan"),
    ([0, 1], [[0, 0], [0, NAN]], ValueError, "finite or -inf: row 1 has nan"),
    ([0, 1], [[0, 0], [0, INF]], ValueError, "finite or -inf: row 1 has inf"),
    ([0, 0], [[0, 0], [INF, 0]], ValueError, "finite or -inf: row 1 has inf"),
    ([0, 1], [[0, 0], [-INF, -INF]], ValueError, "a finite entry in each row: row 1 is -inf"),
    (np.eye(2), [[0, 0], [-INF, -INF]], ValueError, "a finite entry in each row: row 1 is -inf"),
    (np.eye(2), [[NAN, 0], [0, 0]], ValueError, "finite or -inf: row 0 has nan"),
    (np.eye(2), [[0, 0], [INF, 0]], ValueError, "finite or -inf: row 1 has inf"),
    ([0, 1], [["a", "b"], ["c", "d"]], ValueError, "logits must hold numbers, got an array of dtype <U1"),
    ([0, 1], np.zeros((2, 2), dtype=complex), ValueError, "logits must be real"),
    ([[1, 0], [1]], np.zeros((2, 2)), ValueError, "targets must be an array, got rows of different lengths"),
    (np.ma.masked_array([0, 1], [False, True]), np.zeros((2, 2)), ValueError, "targets must not have masked entries"),
    (pd.DataFrame({"a": [1, 0], "b": [None, 1]}, dtype="Int64"), np.zeros((2, 2)), ValueError, "row 0 has nan"),
    (sparse.eye_array(2), np.zeros((2, 2)), TypeError, r"targets must be dense.*toarray"),
]


@pytest.mark.parametrize("method", ["value", "gradient", "curvature"])
@pytest.mark.parametrize(("targets", "logits", "error", "message"), BAD_INPUT)
@pytest.mark.parametrize("name", CLASSES)
def test_bad_input_of_classes_raises(name, method, targets, logits, error, message):
    """One clear error that gives both shapes, or the row, or the codes; from every method."""
    for smoothing in (0.0, 0.1):
        with pytest.raises(error, match=message):
            getattr(LOSSES[name](label_smoothing=smoothing), method)(targets, logits)


@pytest.mark.parametrize("dtype", ["i1", "u1", ">i4", "<i8", ">u8"])
def test_codes_of_any_integer_type(dtype):
    """The same loss, and the same error for a code that no logit belongs to, in any size and byte order."""
    loss, logits = SoftmaxCrossEntropy(), np.arange(9.0).reshape(3, 3)
    codes = np.zeros((3, 2), dtype=dtype)
    codes[:, 0] = 2, 0, 1
    assert_array_equal(loss.value(codes[:, 0], logits), loss.value([2, 0, 1], logits))
    for bad in (3, 100) if "u" in dtype else (3, 100, -1):
        codes[1, 0] = bad
        with pytest.raises(ValueError, match=rf"Class codes must be in 0\.\.2, got .*{bad}"):
            loss.value(codes[:, 0], logits)


@pytest.mark.parametrize("method", ["value", "gradient", "curvature"])
@pytest.mark.parametrize(
    ("targets", "logits", "error", "message"),
    [
        ([0, 1, 0], np.zeros(2), ValueError, r"targets must have shape \(2,\), got \(3,\)"),
        ([0, 1], np.zeros((2, 3)), ValueError, r"targets must have shape \(2, 3\), got \(2,\)"),
        ([0, 1], np.zeros((2, 1, 1)), ValueError, r"logits must have shape \(n,\) or \(n, k\), got \(2, 1, 1\)"),
        (0, 1.0, ValueError, r"logits must have shape \(n,\) or \(n, k\), got \(\)"),
        ([], [], ValueError, r"logits is empty: got shape \(0,\)"),
        ([0, 2], np.zeros(2), ValueError, r"Class codes must be in 0\.\.1, got .*2"),
        ([0, -1], np.zeros(2), ValueError, r"Class codes must be in 0\.\.1, got .*-1"),
        ([0.5, 1.5], np.zeros(2), ValueError, r"targets must be in \[0, 1\].*1\.5"),
        ([0.5, -INF], np.zeros(2), ValueError, r"targets must be in \[0, 1\].*-inf"),
        (["a", "b"], np.zeros(2), ValueError, "targets must hold numbers"),
        ([0, 1], [0, NAN], ValueError, "finite or -inf: row 1 has nan"),
        ([0, 1], [0, INF], ValueError, "finite or -inf: row 1 has inf"),
        ([0, 0], [0, INF], ValueError, "finite or -inf: row 1 has inf"),
        ([0.5, 0.5], [0, INF], ValueError, "finite or -inf: row 1 has inf"),
        ([0.0, 1.0], [0, INF], ValueError, "finite or -inf: row 1 has inf"),
        ([[0, 1], [0, 1]], [[0, 0], [0, NAN]], ValueError, "finite or -inf: row 1 has nan"),
        ([[0, 1], [0, 1]], [[0, 0], [0, INF]], ValueError, "finite or -inf: row 1 has inf"),
        ([NAN, 1], [NAN, 0], ValueError, "finite or -inf: row 0 has nan"),
        ([[1, 0], [1]], np.zeros((2, 2)), ValueError, "targets must be an array, got rows of different lengths"),
        (np.ma.masked_array([0, 1], [False, True]), np.zeros(2), ValueError, "targets must not have masked entries"),
    ],
)
@pytest.mark.parametrize("name", QUESTIONS)
def test_bad_input_of_questions_raises(name, method, targets, logits, error, message):
    """The same for yes/no questions, also where +inf is what the target wants."""
    for smoothing in (0.0, 0.1):
        with pytest.raises(error, match=message):
            getattr(LOSSES[name](label_smoothing=smoothing), method)(targets, logits)


@pytest.mark.parametrize("name", QUESTIONS)
def test_answers_that_pandas_knows_to_be_missing_are_unknown(name):
    """As nan is."""
    answers = pd.DataFrame({"a": [1, 0], "b": [None, 1]}, dtype="Int64")
    expected = LOSSES[name]().value([[1, NAN], [0, 1]], np.eye(2))
    assert_array_equal(LOSSES[name]().value(answers, np.eye(2)), expected)
    assert_array_equal(LOSSES[name]().value(answers.astype(object), np.eye(2)), expected)


@pytest.mark.parametrize("gamma", [1e30, 1e39, 1e308])
@pytest.mark.parametrize("name", [name for name in LOSSES if name.endswith("_focal")])
@every_dtype
def test_a_gamma_that_the_precision_cannot_hold_is_as_good_as_infinite(name, gamma, dtype):
    """Only rows whose loss is infinite, or nearly, count."""
    loss, logits = LOSSES[name](gamma=gamma), np.array([[0, 1], [800, -800]], dtype=dtype)
    targets = np.array([[0, 1], [0, 1]]) if name in QUESTIONS else np.array([0, 1])
    values, gradient = loss.value_and_gradient(targets, logits)
    assert values[0] == 0
    assert values[1] >= 800
    assert np.isfinite(gradient).all()
    assert np.isfinite(loss.curvature(targets, logits).weights).all()


@pytest.mark.parametrize("name", CLASSES)
def test_logits_for_probabilities(name):
    """The message names the argument, and what takes logits."""
    with pytest.raises(ValueError, match=r"proba must hold probabilities.* has -1\. For logits, call value\."):
        LOSSES[name]().score([0], [[-1.0, 2.0]])


def test_sparse_logits_raise():
    """Say what to do."""
    with pytest.raises(TypeError, match=r"logits must be dense.*toarray"):
        SoftmaxCrossEntropy().value([0], sparse.csr_array([[0.0, 1.0]]))
