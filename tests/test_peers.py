"""Agreement with the libraries that people come from, and where we differ from them, said as numbers.

scikit-learn and PyTorch are called; torchvision's and Keras's formulas are written out in NumPy from their
sources. test_metrics.py compares the two cross-entropies with PyTorch's functions on logits up to 1e3.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit, log_softmax, softmax
from sklearn.metrics import d2_log_loss_score, log_loss

from skce import (
    binary_cross_entropy_loss,
    cross_entropy_loss,
    d2_cross_entropy_score,
    focal_loss,
    kl_divergence_loss,
    multilabel_cross_entropy_loss,
)

EXACT = 1e-12  # float64 twice: their rounding and ours
N, K = 37, 4
WEIGHTS = [0.2, 3.0, 1.0, 0.7]
DTYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32])
REDUCTIONS = pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
SMOOTHING = pytest.mark.parametrize("label_smoothing", [0.0, 0.15])
GAMMAS = pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])


def rtol(dtype):
    """float32 rounds at 1e-7, and sums of tens of rows in it at ten times that."""
    return EXACT if dtype is np.float64 else 2e-6


@pytest.fixture
def rng():
    return np.random.default_rng(20250318)


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch is the oracle here; it is not among the test requirements")


def random_classes(rng, dtype=np.float64, k=K):
    """Codes, soft targets, logits, sample weights."""
    codes = rng.permutation(np.arange(N) % k)
    targets = rng.dirichlet(np.ones(k), size=N).astype(dtype)
    return codes, targets, rng.normal(0, 4, (N, k)).astype(dtype), rng.exponential(size=N)


def random_labels(rng, dtype=np.float64):
    """0/1 indicators, soft ones, logits, of several labels a row."""
    soft = rng.uniform(size=(N, K)).astype(dtype)
    return (soft > 0.6).astype(dtype), soft, rng.normal(0, 4, (N, K)).astype(dtype)


# --- scikit-learn -----------------------------------------------------------------------------------------------------


@DTYPES
@pytest.mark.parametrize("k", [2, 3, 20])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_is_log_loss(dtype, k, weighted, rng):
    """normalize=True is "mean", False is "sum"; both clip at the dtype's eps."""
    codes, _, logits, weights = random_classes(rng, dtype, k)
    proba = softmax(20 * logits, axis=1)  # some below eps
    weights = weights if weighted else None
    for normalize, reduction in ((True, "mean"), (False, "sum")):
        expected = log_loss(codes, proba, sample_weight=weights, normalize=normalize)
        result = cross_entropy_loss(codes, proba, sample_weight=weights, reduction=reduction)
        assert result == pytest.approx(expected, rel=rtol(dtype))


def test_log_loss_sorts_labels_and_we_do_not(rng):
    """log_loss reads columns in sorted order whatever `labels` says, and warns; for us `labels` is the columns."""
    codes, _, logits, _ = random_classes(rng, k=3)
    proba, names = softmax(logits, axis=1), np.array(["a", "b", "c"])
    order = [2, 0, 1]
    with pytest.warns(UserWarning, match="[Ll]abels passed were"):
        misread = log_loss(names[codes], proba[:, order], labels=names[order])
    right = log_loss(names[codes], proba)
    result = cross_entropy_loss(names[codes], proba[:, order], labels=names[order])
    assert result == pytest.approx(right, rel=EXACT)
    assert result != pytest.approx(misread, rel=1e-2)


@DTYPES
@pytest.mark.parametrize("k", [2, 3])
def test_d2_is_d2_log_loss_score(dtype, k, rng):
    """With weights, whose frequencies are the reference."""
    codes, _, logits, weights = random_classes(rng, dtype, k)
    proba = softmax(logits / 4, axis=1)
    expected = d2_log_loss_score(codes, proba, sample_weight=weights, labels=range(k))
    result = d2_cross_entropy_score(codes, proba, sample_weight=weights)
    assert result == pytest.approx(expected, rel=10 * rtol(dtype), abs=rtol(dtype))


def test_d2_of_one_class_is_not_minus_five_quadrillion():
    """scikit-learn divides by the clipped loss of the only class; ours is 0, as its r2_score is."""
    y_true, proba = [1, 1], [[0.3, 0.7], [0.2, 0.8]]
    assert d2_log_loss_score(y_true, proba, labels=[0, 1]) < -1e15
    assert d2_cross_entropy_score(y_true, proba) == 0.0


# --- PyTorch ----------------------------------------------------------------------------------------------------------


@DTYPES
@REDUCTIONS
@SMOOTHING
@pytest.mark.parametrize("weight", [None, WEIGHTS], ids=["", "weight"])
def test_cross_entropy_loss_module_of_indices(dtype, reduction, label_smoothing, weight, rng, torch):
    """CrossEntropyLoss(weight, label_smoothing): weight is class_weight, the mean divides by it in both."""
    codes, _, logits, _ = random_classes(rng, dtype)
    tensor = torch.tensor(logits)
    module = torch.nn.CrossEntropyLoss(
        weight=None if weight is None else torch.tensor(weight, dtype=tensor.dtype),
        label_smoothing=label_smoothing,
        reduction=reduction,
    )
    result = cross_entropy_loss(
        codes,
        logits,
        from_logits=True,
        class_weight=weight,
        label_smoothing=label_smoothing,
        reduction=reduction,
    )
    # atol: PyTorch's loss is a difference of numbers of the size of the logits, 10
    assert_allclose(result, module(tensor, torch.tensor(codes)), rtol=rtol(dtype), atol=10 * np.finfo(dtype).eps)


def test_ignore_index_is_handle_unknown(rng, torch):
    """CrossEntropyLoss(ignore_index=-100) is handle_unknown="ignore" for labels that are not among the classes."""
    codes, _, logits, _ = random_classes(rng)
    codes[::5] = -100
    options = {"from_logits": True, "labels": range(K), "handle_unknown": "ignore", "class_weight": WEIGHTS}
    for reduction in ("mean", "sum", "none"):
        module = torch.nn.CrossEntropyLoss(weight=torch.tensor(WEIGHTS, dtype=torch.float64), reduction=reduction)
        expected = module(torch.tensor(logits), torch.tensor(codes))
        result = cross_entropy_loss(codes, logits, reduction=reduction, **options)
        assert_allclose(result, expected, rtol=EXACT, atol=1e-14)  # atol: as above


def test_all_ignored_is_an_error_and_not_nan(rng, torch):
    """PyTorch divides 0 by 0."""
    logits = rng.normal(size=(2, K))
    theirs = torch.nn.CrossEntropyLoss()(torch.tensor(logits), torch.tensor([-100, -100]))
    assert np.isnan(theirs.item())
    with pytest.raises(ValueError, match="No row is left"):
        cross_entropy_loss([-100] * 2, logits, from_logits=True, labels=range(K), handle_unknown="ignore")


@DTYPES
@SMOOTHING
@pytest.mark.parametrize("weight", [None, WEIGHTS], ids=["", "weight"])
@pytest.mark.parametrize("reduction", ["sum", "none"])
def test_cross_entropy_loss_module_of_soft_targets(dtype, reduction, label_smoothing, weight, rng, torch):
    """Rows and their sum are PyTorch's with every option."""
    _, targets, logits, _ = random_classes(rng, dtype)
    tensor = torch.tensor(logits)
    module = torch.nn.CrossEntropyLoss(
        weight=None if weight is None else torch.tensor(weight, dtype=tensor.dtype),
        label_smoothing=label_smoothing,
        reduction=reduction,
    )
    result = cross_entropy_loss(
        targets,
        logits,
        from_logits=True,
        class_weight=weight,
        label_smoothing=label_smoothing,
        reduction=reduction,
    )
    assert_allclose(result, module(tensor, torch.tensor(targets)), rtol=rtol(dtype), atol=10 * np.finfo(dtype).eps)


@SMOOTHING
def test_the_mean_of_soft_targets_differs_from_pytorch_where_weights_do(label_smoothing, rng, torch):
    """PyTorch divides it by n, so its indices and the same indices one-hot have two means; ours have one."""
    codes, targets, logits, _ = random_classes(rng)
    one_hot = np.eye(K)[codes]
    module = torch.nn.CrossEntropyLoss(
        weight=torch.tensor(WEIGHTS, dtype=torch.float64), label_smoothing=label_smoothing
    )
    theirs = {
        name: module(torch.tensor(logits), torch.tensor(y)).item()
        for name, y in {"indices": codes, "one-hot": one_hot, "soft": targets}.items()
    }
    options = {"from_logits": True, "class_weight": WEIGHTS, "label_smoothing": label_smoothing}
    ours = cross_entropy_loss(codes, logits, **options)
    assert ours == pytest.approx(theirs["indices"], rel=EXACT)
    assert cross_entropy_loss(one_hot, logits, **options) == pytest.approx(theirs["indices"], rel=EXACT)
    assert theirs["one-hot"] != pytest.approx(theirs["indices"], rel=1e-2)
    factor = N / (targets @ WEIGHTS).sum()
    assert cross_entropy_loss(targets, logits, **options) == pytest.approx(theirs["soft"] * factor, rel=EXACT)


@DTYPES
@REDUCTIONS
@pytest.mark.parametrize("soft", [False, True])
def test_bce_loss_module(dtype, reduction, soft, rng, torch):
    """BCELoss of probabilities: binary for (n,), multilabel with average="micro" for (n, L)."""
    hard, fractions, logits = random_labels(rng, dtype)
    y_true, proba = fractions if soft else hard, expit(logits / 4)  # far from 0 and 1: its clamp and ours differ
    module = torch.nn.BCELoss(reduction=reduction)
    expected = module(torch.tensor(proba), torch.tensor(y_true))
    result = multilabel_cross_entropy_loss(y_true, proba, reduction=reduction)
    assert_allclose(result, expected, rtol=rtol(dtype))
    expected = module(torch.tensor(proba[:, 0]), torch.tensor(y_true[:, 0]))
    result = binary_cross_entropy_loss(y_true[:, 0], proba[:, 0], reduction=reduction)
    assert_allclose(result, expected, rtol=rtol(dtype))


@DTYPES
@REDUCTIONS
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("pos_weight", [None, WEIGHTS], ids=["", "pos_weight"])
def test_bce_with_logits_loss_module(dtype, reduction, soft, pos_weight, rng, torch):
    """BCEWithLogitsLoss(pos_weight): the multilabel loss with pos_weight, its mean over the entries included."""
    hard, fractions, logits = random_labels(rng, dtype)
    y_true, tensor = fractions if soft else hard, torch.tensor(10 * logits)
    module = torch.nn.BCEWithLogitsLoss(
        pos_weight=None if pos_weight is None else torch.tensor(pos_weight, dtype=tensor.dtype), reduction=reduction
    )
    result = multilabel_cross_entropy_loss(
        y_true, 10 * logits, from_logits=True, pos_weight=pos_weight, reduction=reduction
    )
    # atol: PyTorch subtracts numbers of the size of the logit, 100
    atol = 500 * np.finfo(dtype).eps
    assert_allclose(result, module(tensor, torch.tensor(y_true)), rtol=rtol(dtype), atol=atol)


def test_a_weight_of_rows_divides_the_mean_and_pytorchs_does_not(rng, torch):
    """BCELoss(weight) divides by the number of entries; sample_weight divides by its sum, as scikit-learn's does."""
    hard, _, logits = random_labels(rng)
    proba, s = expit(logits), rng.exponential(size=N)
    module = torch.nn.BCELoss(weight=torch.tensor(s[:, None]))
    theirs = module(torch.tensor(proba), torch.tensor(hard)).item()
    ours = multilabel_cross_entropy_loss(hard, proba, sample_weight=s)
    assert ours == pytest.approx(theirs * N / s.sum(), rel=EXACT)


@REDUCTIONS
@pytest.mark.parametrize("weight", [None, WEIGHTS], ids=["", "weight"])
def test_nll_loss_module(reduction, weight, rng, torch):
    """NLLLoss takes log-probabilities, which are logits."""
    codes, _, logits, _ = random_classes(rng)
    log_proba = log_softmax(logits, axis=1)
    module = torch.nn.NLLLoss(
        weight=None if weight is None else torch.tensor(weight, dtype=torch.float64), reduction=reduction
    )
    expected = module(torch.tensor(log_proba), torch.tensor(codes))
    options = {"from_logits": True, "class_weight": weight, "reduction": reduction}
    # atol: a log-probability rounded at its size, 10
    assert_allclose(cross_entropy_loss(codes, log_proba, **options), expected, rtol=1e-11, atol=1e-14)


def test_kl_div_loss_module(rng, torch):
    """KLDivLoss("batchmean") of (log q, p) is kl_divergence_loss(p, q); its "none" is per entry."""
    _, targets, logits, _ = random_classes(rng)
    log_proba = log_softmax(logits, axis=1)
    pair = torch.tensor(log_proba), torch.tensor(targets)
    ours = kl_divergence_loss(targets, log_proba, from_logits=True)
    assert ours == pytest.approx(torch.nn.KLDivLoss(reduction="batchmean")(*pair).item(), rel=EXACT)
    assert kl_divergence_loss(targets, np.exp(log_proba)) == pytest.approx(ours, rel=EXACT)
    rows = kl_divergence_loss(targets, log_proba, from_logits=True, reduction="none")
    assert_allclose(rows, torch.nn.KLDivLoss(reduction="none")(*pair).sum(dim=1), rtol=EXACT)
    total = kl_divergence_loss(targets, log_proba, from_logits=True, reduction="sum")
    assert total == pytest.approx(torch.nn.KLDivLoss(reduction="sum")(*pair).item(), rel=EXACT)


# --- focal losses of others, written out ------------------------------------------------------------------------------


def torchvision_sigmoid_focal_loss(inputs, targets, alpha=0.25, gamma=2.0):
    """torchvision.ops.sigmoid_focal_loss, reduction="none"."""
    p = expit(inputs)
    ce = np.logaddexp(0, inputs) - targets * inputs
    p_t = p * targets + (1 - p) * (1 - targets)
    loss = ce * (1 - p_t) ** gamma
    return loss if alpha < 0 else (alpha * targets + (1 - alpha) * (1 - targets)) * loss


def keras_binary_focal_crossentropy(y_true, y_pred, alpha=0.25, gamma=2.0, *, apply_class_balancing=False):
    """keras.ops of BinaryFocalCrossentropy before its mean over the last axis; nothing is near its clip of 1e-7."""
    bce = -(y_true * np.log(y_pred) + (1 - y_true) * np.log(1 - y_pred))
    p_t = y_true * y_pred + (1 - y_true) * (1 - y_pred)
    loss = (1 - p_t) ** gamma * bce
    return (y_true * alpha + (1 - y_true) * (1 - alpha)) * loss if apply_class_balancing else loss


def keras_categorical_focal_crossentropy(y_true, y_pred, alpha=0.25, gamma=2.0):
    """Of CategoricalFocalCrossentropy, for each row."""
    y_pred = y_pred / y_pred.sum(axis=-1, keepdims=True)
    return (alpha * (1 - y_pred) ** gamma * -y_true * np.log(y_pred)).sum(axis=-1)


@GAMMAS
@pytest.mark.parametrize("alpha", [-1, 0.25, 0.8])
def test_torchvision_focal_loss_of_labels(alpha, gamma, rng):
    """alpha is class_weight (1 - alpha, alpha), -1 none; rows and the sum agree."""
    hard, _, logits = random_labels(rng)
    y_true, z = hard[:, 0], logits[:, 0]
    theirs = torchvision_sigmoid_focal_loss(z, y_true, alpha, gamma)
    options = {"gamma": gamma, "from_logits": True, "class_weight": None if alpha < 0 else [1 - alpha, alpha]}
    codes = y_true.astype(int)
    assert_allclose(focal_loss(codes, z, reduction="none", **options), theirs, rtol=1e-11, atol=1e-15)  # 1 - p_t
    assert focal_loss(codes, z, reduction="sum", **options) == pytest.approx(theirs.sum(), rel=EXACT)


def test_the_mean_of_a_focal_loss_differs_where_alpha_does(rng):
    """torchvision's "mean" divides by n; ours by the weights too, so that alpha (c, c) is no alpha."""
    hard, _, logits = random_labels(rng)
    y_true, z, alpha = hard[:, 0], logits[:, 0], 0.25
    theirs = torchvision_sigmoid_focal_loss(z, y_true, alpha).mean()
    mass = np.where(y_true == 1, alpha, 1 - alpha).sum()
    ours = focal_loss(y_true.astype(int), z, from_logits=True, class_weight=[1 - alpha, alpha])
    assert ours == pytest.approx(theirs * N / mass, rel=EXACT)
    plain = focal_loss(y_true.astype(int), z, from_logits=True)
    assert focal_loss(y_true.astype(int), z, from_logits=True, class_weight=[0.3, 0.3]) == pytest.approx(plain)


def test_focal_loss_of_soft_targets_differs(rng):
    """Others mix the probability, p_t = y p + (1 - y)(1 - p), we the losses: linear in y, as a loss of a draw is."""
    _, soft, logits = random_labels(rng)
    y, z = soft[:, 0], logits[:, 0]
    targets = np.column_stack([1 - y, y])
    ours = focal_loss(targets, z, from_logits=True, reduction="none")
    yes, no = (torchvision_sigmoid_focal_loss(z, np.full(N, v), -1) for v in (1.0, 0.0))
    assert_allclose(ours, y * yes + (1 - y) * no, rtol=1e-11)
    assert (ours > torchvision_sigmoid_focal_loss(z, y, -1) * (1 - 1e-9)).any()
    assert not np.allclose(ours, torchvision_sigmoid_focal_loss(z, y, -1), rtol=0.1)


@GAMMAS
@pytest.mark.parametrize("balancing", [False, True])
def test_keras_binary_focal_loss_of_labels(gamma, balancing, rng):
    """alpha applies only with apply_class_balancing, and then is class_weight (1 - alpha, alpha)."""
    hard, _, logits = random_labels(rng)
    y_true, proba = hard[:, 0], expit(logits[:, 0] / 2)
    theirs = keras_binary_focal_crossentropy(y_true, proba, gamma=gamma, apply_class_balancing=balancing)
    options = {"gamma": gamma, "class_weight": [0.75, 0.25] if balancing else None}
    ours = focal_loss(y_true.astype(int), proba, reduction="none", **options)
    assert_allclose(ours, theirs, rtol=1e-11)
    total = focal_loss(y_true.astype(int), proba, reduction="sum", **options)
    assert total == pytest.approx(theirs.sum(), rel=EXACT)


@GAMMAS
@pytest.mark.parametrize("alpha", [0.25, WEIGHTS], ids=["scalar", "list"])
@pytest.mark.parametrize("soft", [False, True])
def test_keras_categorical_focal_loss(gamma, alpha, soft, rng):
    """A list alpha is class_weight; a scalar multiplies everything, which our mean takes out again."""
    codes, targets, logits, _ = random_classes(rng)
    proba, one_hot = softmax(logits, axis=1), targets if soft else np.eye(K)[codes]
    theirs = keras_categorical_focal_crossentropy(one_hot, proba, np.array(alpha), gamma)
    class_weight = np.broadcast_to(alpha, K)
    y_true = targets if soft else codes
    ours = focal_loss(y_true, proba, gamma=gamma, class_weight=class_weight, reduction="none")
    assert_allclose(ours, theirs, rtol=1e-11)
    mean = focal_loss(y_true, proba, gamma=gamma, class_weight=class_weight)
    assert mean == pytest.approx(theirs.sum() / (one_hot @ class_weight).sum(), rel=EXACT)
    if np.ndim(alpha) == 0:
        assert mean == pytest.approx(focal_loss(y_true, proba, gamma=gamma), rel=EXACT)
        assert mean == pytest.approx(theirs.mean() / alpha, rel=EXACT)


# --- Keras's cross-entropies, written out -----------------------------------------------------------------------------


@SMOOTHING
def test_keras_mean_with_sample_weight_differs(label_smoothing, rng):
    """sum_over_batch_size divides by n, whatever the weights; ours is its "mean_with_sample_weight"."""
    codes, _, logits, s = random_classes(rng)
    smoothed = (1 - label_smoothing) * np.eye(K)[codes] + label_smoothing / K
    rows = -(smoothed * log_softmax(logits, axis=1)).sum(axis=1)
    sum_over_batch_size, mean_with_sample_weight = (s * rows).sum() / N, (s * rows).sum() / s.sum()
    ours = cross_entropy_loss(codes, logits, from_logits=True, sample_weight=s, label_smoothing=label_smoothing)
    assert ours == pytest.approx(mean_with_sample_weight, rel=EXACT)
    assert ours == pytest.approx(sum_over_batch_size * N / s.sum(), rel=EXACT)


@SMOOTHING
def test_keras_binary_crossentropy_of_several_labels(label_smoothing, rng):
    """Smoothing to one half, mean over the last axis, then over rows: average="micro" and "samples" alike."""
    hard, _, logits = random_labels(rng)
    proba = expit(logits)
    smoothed = hard * (1 - label_smoothing) + 0.5 * label_smoothing
    rows = -(smoothed * np.log(proba) + (1 - smoothed) * np.log(1 - proba)).mean(axis=-1)
    for average in ("micro", "samples"):
        ours = multilabel_cross_entropy_loss(hard, proba, average=average, label_smoothing=label_smoothing)
        assert ours == pytest.approx(rows.mean(), rel=EXACT)


def test_keras_renormalises_probabilities_and_we_do_not():
    """Rows that do not sum to 1 are an error, not something to repair."""
    with pytest.raises(ValueError, match=r"row 0 sums to 0\.5"):
        cross_entropy_loss([0], [[0.25, 0.25]], labels=[0, 1])


def test_keras_kl_divergence(rng):
    """KLDivergence sums y log(y / p) over the last axis; clips of 1e-7 do not matter here."""
    _, targets, logits, _ = random_classes(rng)
    proba = softmax(logits / 4, axis=1)
    rows = (targets * np.log(targets / proba)).sum(axis=-1)
    assert kl_divergence_loss(targets, proba) == pytest.approx(rows.mean(), rel=EXACT)
    assert_allclose(kl_divergence_loss(targets, proba, reduction="none"), rows, rtol=1e-11)  # a difference
