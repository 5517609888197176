"""The numbers that five introductions to cross-entropy work out by hand, through the public functions.

The documents and their slips (truncated digits, "log2 is ln") are explained in docs/worked_numbers.rst.
"""

from math import floor, log

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit

from skce import (
    binary_cross_entropy_loss,
    cross_entropy,
    cross_entropy_loss,
    entropy,
    js_divergence,
    kl_divergence,
)

ROUNDED_TO_4 = 0.5e-4  # what a figure of four rounded decimals leaves open


def truncate(value, decimals):
    """Cut digits off as one of the documents does: 0.5229 becomes 0.522."""
    return floor(value * 10**decimals) / 10**decimals


# Cross-entropy loss function (交叉熵损失函数): base 2.

ANIMALS = ["dog", "cat", "horse", "cheetah"]
ANIMAL_PROBA = [[0.775, 0.116, 0.039, 0.070]]


@pytest.mark.parametrize(
    ("counts", "document"), [([26, 4], 0.5665), ([14, 16], 0.9968), ([29, 1], 0.2108)], ids=["26/4", "14/16", "29/1"]
)
def test_entropy_of_containers_in_bits(counts, document):
    """Thirty shapes of two kinds in a container."""
    assert entropy(np.array(counts) / 30, base=2) == pytest.approx(document, abs=ROUNDED_TO_4)


@pytest.mark.parametrize(
    ("y_true", "labels"),
    [([[1, 0, 0, 0]], None), ([0], [0, 1, 2, 3]), (["dog"], ANIMALS)],
    ids=["one-hot", "code", "name"],
)
def test_dog_in_bits(y_true, labels):
    """Keras's categorical and sparse categorical loss are one function, and names work as well as codes."""
    assert cross_entropy_loss(y_true, ANIMAL_PROBA, labels=labels, base=2) == pytest.approx(0.3677, abs=ROUNDED_TO_4)


def test_dog_after_training():
    """A loss of 0.095 bits is a probability of 0.936."""
    proba = [[0.936, 0.032, 0.012, 0.020]]
    assert cross_entropy_loss(["dog"], proba, labels=ANIMALS, base=2) == pytest.approx(0.095, abs=0.5e-3)


def test_log2_is_not_ln():
    """The document says log2 "is the same as ln": the units differ by the factor ln 2."""
    bits = cross_entropy_loss(["dog"], ANIMAL_PROBA, labels=ANIMALS, base=2)
    nats = cross_entropy_loss(["dog"], ANIMAL_PROBA, labels=ANIMALS)
    assert nats == pytest.approx(0.2549, abs=ROUNDED_TO_4)
    assert nats == pytest.approx(bits * log(2), rel=1e-15)


def test_binary_loss_is_the_mean_over_rows():
    """Three rows, each with its own loss."""
    y_true, y_proba = [1, 0, 1], [0.9, 0.2, 0.4]
    rows = -np.log([0.9, 0.8, 0.4])
    assert_allclose(binary_cross_entropy_loss(y_true, y_proba, reduction="none"), rows, rtol=1e-15)
    assert binary_cross_entropy_loss(y_true, y_proba) == pytest.approx(rows.mean(), rel=1e-15)


# Principles of the cross-entropy loss (交叉熵损失函数原理详解): no table, one statement.


@pytest.mark.parametrize("label", [0, 1])
def test_loss_vanishes_as_the_label_becomes_certain(label):
    """-log p_y falls to 0 as p_y rises to 1, for y = 1 and for y = 0 alike."""
    p_label = 1 - 10.0 ** -np.arange(1, 13)
    y_proba = p_label if label == 1 else 1 - p_label
    losses = binary_cross_entropy_loss(np.full(12, label), y_proba, pos_label=1, reduction="none")
    assert np.all(np.diff(losses) < 0)
    assert_allclose(losses, -np.log(p_label), rtol=1e-3)  # 1 - (1 - 1e-12) keeps four digits
    assert losses[-1] < 1.1e-12


# Understanding cross-entropy as a loss (理解交叉熵作为损失函数在神经网络中的作用): base 10, truncated.


@pytest.mark.parametrize(
    ("target", "proba", "document"), [(1, 0.3, 0.522), (1, 0.6, 0.221), (0, 0.3, 0.154), (0, 0.6, 0.397)]
)
def test_one_sigmoid_node_in_base_10(target, proba, document):
    """One output node for two classes."""
    loss = binary_cross_entropy_loss([target], [proba], pos_label=1, base=10)
    assert truncate(loss, 3) == document


@pytest.mark.parametrize(
    ("target", "proba", "document"),
    [
        ([0, 1], [0.7, 0.3], 0.522),
        ([0, 1], [0.4, 0.6], 0.221),
        ([1, 0, 0], [0.8, 0.1, 0.1], 0.096),
        ([1, 0, 0], [0.5, 0.3, 0.2], 0.301),
    ],
)
def test_one_node_per_class_in_base_10(target, proba, document):
    """As many output nodes as classes, targets one-hot."""
    assert truncate(cross_entropy_loss([target], [proba], base=10), 3) == document


def test_one_node_and_two_nodes_agree():
    """A sigmoid node and its two-node form give the same loss, from probabilities and from logits."""
    logits = np.array([-3.0, -0.4, 0.0, 1.7, 12.0])
    y_true, zeros, proba = np.array([0, 1, 1, 0, 1]), np.zeros(5), expit(logits)
    one_node = binary_cross_entropy_loss(y_true, proba)
    assert cross_entropy_loss(y_true, np.column_stack([1 - proba, proba])) == pytest.approx(one_node, rel=1e-14)
    assert binary_cross_entropy_loss(y_true, logits, from_logits=True) == pytest.approx(one_node, rel=1e-14)
    two_logits = np.column_stack([zeros, logits])
    assert cross_entropy_loss(y_true, two_logits, from_logits=True) == pytest.approx(one_node, rel=1e-14)


def test_a_thousand_classes():
    """A thousand output nodes: uniform probabilities cost three digits of base 10."""
    y_true = np.arange(0, 1000, 37)
    proba = np.full((len(y_true), 1000), 1e-3)
    assert cross_entropy_loss(y_true, proba, labels=np.arange(1000), base=10) == pytest.approx(3, rel=1e-14)


# What is cross-entropy? (什么是交叉熵): nats, printed to the last digit.

QUESTION_AND_ANSWER = [
    ([0.228, 0.619, 0.153], 0.47965000629754095),
    ([0.001, 0.998, 0.001], 0.0020020026706730793),
    ([0.001, 0.001, 0.998], 6.907755278982137),
    ([0.333, 0.333, 0.334], 1.0996127890016931),
]


@pytest.mark.parametrize(("proba", "document"), QUESTION_AND_ANSWER)
def test_class_b_in_nats(proba, document):
    """The true class is B; as a metric over labels and as a measure of two distributions."""
    assert cross_entropy_loss(["B"], [proba], labels=["A", "B", "C"]) == pytest.approx(document, rel=4e-16)
    assert cross_entropy([0.0, 1.0, 0.0], proba) == pytest.approx(document, rel=4e-16)


def test_class_b_over_rows():
    """The four predictions as one data set: the mean of the four losses."""
    probas, documents = zip(*QUESTION_AND_ANSWER, strict=True)
    assert cross_entropy_loss(["B"] * 4, probas, labels=["A", "B", "C"]) == pytest.approx(np.mean(documents), rel=1e-15)


def test_soft_targets_are_not_only_one_hot():
    """Any distribution may be the target."""
    p, q = [0.2, 0.5, 0.3], [0.228, 0.619, 0.153]
    by_hand = -sum(p_k * log(q_k) for p_k, q_k in zip(p, q, strict=True))
    assert cross_entropy_loss([p], [q]) == pytest.approx(by_hand, rel=1e-15)
    assert cross_entropy(p, q) == pytest.approx(by_hand, rel=1e-15)


# Cross-entropy and negative log-likelihood (交叉熵和负对数损失): the divergence, and the two losses of K classes.


@pytest.fixture
def distributions():
    """Fifty pairs of distributions over five outcomes, some probabilities 0 in the first of a pair."""
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.full(5, 0.5), size=(2, 50))
    p[::4, 2] = 0
    return p / p.sum(axis=1, keepdims=True), q


def test_divergence_is_never_negative_and_zero_only_for_equals(distributions):
    """Gibbs' inequality."""
    p, q = distributions
    assert np.all(kl_divergence(p, q) > 0)
    assert_allclose(kl_divergence(p, p), 0, atol=1e-15)


def test_divergence_is_not_symmetric_but_jensen_shannon_is(distributions):
    """KL(P||Q) differs from KL(Q||P); JS(P, Q) equals JS(Q, P)."""
    _, q = distributions
    p = q[::-1]
    different = np.arange(50) != np.arange(50)[::-1]
    assert np.all(np.abs(kl_divergence(p, q) - kl_divergence(q, p))[different] > 0)
    assert_allclose(js_divergence(p, q), js_divergence(q, p), rtol=1e-13)


@pytest.mark.parametrize("base", [None, 2, 10])
def test_cross_entropy_is_entropy_plus_divergence(distributions, base):
    """H(P, Q) = H(P) + KL(P||Q), in every unit."""
    p, q = distributions
    assert_allclose(cross_entropy(p, q, base=base), entropy(p, base=base) + kl_divergence(p, q, base=base), rtol=1e-14)


def test_softmax_loss_reads_the_right_class_only():
    """-1/n sum_x sum_k y_k ln a_k does not see how the other probabilities are divided."""
    even, uneven = [[0.6, 0.2, 0.2]], [[0.6, 0.39, 0.01]]
    assert cross_entropy_loss([[1, 0, 0]], even) == cross_entropy_loss([[1, 0, 0]], uneven) == -log(0.6)


def test_sigmoid_loss_also_punishes_the_others():
    """-1/n sum_x sum_k [y_k ln a_k + (1 - y_k) ln(1 - a_k)], with outputs that need not sum to 1."""
    y, a = np.array([[1, 0, 0], [0, 1, 1]]), np.array([[0.6, 0.39, 0.01], [0.2, 0.9, 0.9]])
    by_hand = -(y * np.log(a) + (1 - y) * np.log(1 - a)).sum() / 2
    loss = binary_cross_entropy_loss(y.ravel(), a.ravel(), reduction="sum") / 2
    assert loss == pytest.approx(by_hand, rel=1e-15)


def test_rows_that_do_not_sum_to_1_are_no_softmax_output():
    """An 8 and a 9 with 0.9 each are sigmoid outputs; the softmax loss refuses them."""
    with pytest.raises(ValueError, match="sum"):
        cross_entropy_loss([8], [[0.9, 0.9]], labels=[8, 9])
