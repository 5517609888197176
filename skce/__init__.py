"""Entropy-based losses for scikit-learn: measures, metrics, scorers, losses with gradients, and a classifier."""

from skce.classifier import CrossEntropyClassifier
from skce.comparison import compare
from skce.decomposition import decompose
from skce.display import DecompositionDisplay, LossByClassDisplay, LossCurveDisplay, ReliabilityDisplay
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
from skce.report import cross_entropy_report, top_losses
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
    "DecompositionDisplay",
    "Loss",
    "LossByClassDisplay",
    "LossCurveDisplay",
    "ReliabilityDisplay",
    "SigmoidCrossEntropy",
    "SigmoidFocal",
    "SoftmaxCrossEntropy",
    "SoftmaxFocal",
    "binary_cross_entropy_loss",
    "compare",
    "cross_entropy",
    "cross_entropy_loss",
    "cross_entropy_report",
    "d2_cross_entropy",
    "d2_cross_entropy_score",
    "decompose",
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
    "top_losses",
]
