"""Entropy-based losses for scikit-learn: measures, metrics, scorers, losses with gradients, and a classifier."""

from skce.classifier import CrossEntropyClassifier
from skce.information import cross_entropy, entropy, js_divergence, kl_divergence
from skce.losses import Curvature, Loss, SigmoidCrossEntropy, SoftmaxCrossEntropy
from skce.metrics import binary_cross_entropy_loss, cross_entropy_loss
from skce.scorers import (
    get_scorer,
    get_scorer_names,
    make_scorer,
    neg_binary_cross_entropy,
    neg_cross_entropy,
)

__version__ = "0.1.0"

__all__ = [
    "CrossEntropyClassifier",
    "Curvature",
    "Loss",
    "SigmoidCrossEntropy",
    "SoftmaxCrossEntropy",
    "binary_cross_entropy_loss",
    "cross_entropy",
    "cross_entropy_loss",
    "entropy",
    "get_scorer",
    "get_scorer_names",
    "js_divergence",
    "kl_divergence",
    "make_scorer",
    "neg_binary_cross_entropy",
    "neg_cross_entropy",
]
