"""Entropy-based losses for scikit-learn: measures, metrics, scorers, losses with gradients, and a classifier."""

from skce.accumulate import MetricAccumulator
from skce.classifier import CrossEntropyClassifier
from skce.information import cross_entropy, entropy, js_divergence, kl_divergence
from skce.losses import Curvature, Loss, SigmoidCrossEntropy, SigmoidFocal, SoftmaxCrossEntropy, SoftmaxFocal
from skce.metrics import (
    binary_cross_entropy_loss,
    cross_entropy_loss,
    d2_cross_entropy_score,
    focal_loss,
    kl_divergence_loss,
    multilabel_cross_entropy_loss,
    perplexity,
)
from skce.path import CrossEntropyClassifierCV
from skce.scorers import (
    d2_cross_entropy,
    get_scorer,
    get_scorer_names,
    make_scorer,
    neg_binary_cross_entropy,
    neg_cross_entropy,
    neg_focal_loss,
    neg_kl_divergence,
    neg_multilabel_cross_entropy,
    neg_perplexity,
)

__version__ = "0.1.0"

__all__ = [
    "CrossEntropyClassifier",
    "CrossEntropyClassifierCV",
    "Curvature",
    "Loss",
    "MetricAccumulator",
    "SigmoidCrossEntropy",
    "SigmoidFocal",
    "SoftmaxCrossEntropy",
    "SoftmaxFocal",
    "binary_cross_entropy_loss",
    "cross_entropy",
    "cross_entropy_loss",
    "d2_cross_entropy",
    "d2_cross_entropy_score",
    "entropy",
    "focal_loss",
    "get_scorer",
    "get_scorer_names",
    "js_divergence",
    "kl_divergence",
    "kl_divergence_loss",
    "make_scorer",
    "multilabel_cross_entropy_loss",
    "neg_binary_cross_entropy",
    "neg_cross_entropy",
    "neg_focal_loss",
    "neg_kl_divergence",
    "neg_multilabel_cross_entropy",
    "neg_perplexity",
    "perplexity",
]
