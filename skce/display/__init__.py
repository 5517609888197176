"""Pictures of losses: curves of a training, rows by class, reliability, decompositions.

Come here to draw. Each display computes in `from_estimator` or `from_predictions`, keeps what it draws as attributes,
and draws in `plot`, the only place that needs matplotlib.
"""

from skce.display.decomposition import DecompositionDisplay
from skce.display.loss_by_class import LossByClassDisplay
from skce.display.loss_curve import LossCurveDisplay
from skce.display.reliability import ReliabilityCurve, ReliabilityDisplay

__all__ = ["DecompositionDisplay", "LossByClassDisplay", "LossCurveDisplay", "ReliabilityCurve", "ReliabilityDisplay"]
