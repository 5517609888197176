"""Time and memory of metrics and losses beside scikit-learn's, PyTorch's and SciPy's, on one thread.

Each line is a workload with the medians of interleaved calls. `ratio` is the peer's time over ours, `aim` what we want
of it on a CPU with AVX-512, `difference` the largest one of the two results, beside 1 or the result if that is larger.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from tracemalloc import get_traced_memory, reset_peak, start, stop
from typing import Any

import numpy as np
from scipy import special, stats
from sklearn import metrics
from sklearn._loss.loss import HalfBinomialLoss, HalfMultinomialLoss

import skce
from tests.benchmarks.timing import interleave, print_table, seconds

THREADS = 1
SHAPES = ((1_000_000, 2), (1_000_000, 10), (100_000, 100), (20_000, 1000))
OWN = 1 / 1.4
"""Of the plain loss's time, what its variants may take."""

LIMIT_MB = 16
"""What a metric may hold beyond its inputs and one number a row."""


@dataclass
class Comparison:
    """A workload, how to do it and how a peer does it; no `theirs` and a reason if that cannot be called."""

    workload: str
    peer: str
    aim: float
    ours: Callable[[], Any]
    theirs: Callable[[], Any] | None
    reason: str = ""

    def cells(self, seconds_each: float) -> list:
        """The line of the table: as many repeats as fit the time, from 3 to 200."""
        if self.theirs is None:
            return [self.workload, self.peer, "-", "-", "-", f"{self.aim:.3g}", self.reason, "-"]
        together = seconds(self.ours) + seconds(self.theirs)
        repeats = int(np.clip(seconds_each / together, 3, 200))
        times = interleave({"ours": self.ours, "theirs": self.theirs}, repeats)
        ratio = times["theirs"] / times["ours"]
        milliseconds = [f"{1e3 * times[name]:.3g}" for name in ("ours", "theirs")]
        met = "yes" if ratio >= self.aim else "NO"
        return [self.workload, self.peer, *milliseconds, f"{ratio:.3g}", f"{self.aim:.3g}", met, self.difference()]

    def difference(self) -> str:
        """The largest difference of the results, or nothing where they are not the same thing."""
        if self.peer == "plain loss":
            return "-"
        pairs = [
            (np.asarray(a), np.asarray(b)) for a, b in zip(_parts(self.ours()), _parts(self.theirs()), strict=True)
        ]
        return f"{max(np.max(np.abs(a - b) / np.maximum(1, np.abs(b))) for a, b in pairs):.0e}"


def _parts(result: Any) -> tuple:
    return result if isinstance(result, tuple) else (result,)


def data(n: int, k: int, dtype: Any) -> tuple:
    """Labels that the logits predict somewhat, logits, and probabilities."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(n, k)).astype(dtype)
    y = (z + rng.gumbel(size=(n, k))).argmax(axis=1)
    y[:k] = np.arange(k)  # none is missing
    return y, z, special.softmax(z, axis=1)


def words(y: np.ndarray) -> np.ndarray:
    """Labels of another kind, in the same order."""
    return np.array([f"class {code:03d}" for code in range(y.max() + 1)])[y]


def probabilities(n: int, k: int, dtype: Any) -> Iterator[Comparison]:
    """The metric from probabilities, with its checks, end to end."""
    y, _, p = data(n, k, dtype)
    kinds = {"ints": (y, 12 if k == 3 else 18)}
    if (n, k) == SHAPES[1]:
        kinds |= {"strings": (words(y), 12), "objects": (words(y).astype(object), 20)}
    for kind, (y, aim) in kinds.items():
        yield Comparison(
            f"probabilities, {kind}, {describe(p)}",
            "log_loss",
            aim,
            lambda y=y: skce.cross_entropy_loss(y, p),
            lambda y=y: metrics.log_loss(y, p),
        )


def logits(n: int, k: int, dtype: Any) -> Iterator[Comparison]:
    """The metric from logits."""
    y, z, _ = data(n, k, dtype)
    yield with_torch(
        f"logits, ints, {describe(z)}",
        "torch cross_entropy",
        4,
        lambda: skce.cross_entropy_loss(y, z, from_logits=True),
        lambda torch: TorchCrossEntropy(torch, y, z).value,
    )


def gradients(n: int, k: int, dtype: Any) -> Iterator[Comparison]:
    """Values and gradients of all rows."""
    y, z, _ = data(n, k, dtype)
    workload, loss = f"value and gradient, {describe(z)}", skce.SoftmaxCrossEntropy()

    def ours():
        return loss.value_and_gradient(y, z)

    yield with_torch(
        workload, "torch forward, backward", 6, ours, lambda torch: TorchCrossEntropy(torch, y, z).value_and_gradient
    )
    half, floats = HalfMultinomialLoss(n_classes=k), y.astype(dtype)
    yield Comparison(
        workload, "HalfMultinomialLoss", 2.5, ours, lambda: half.loss_gradient(y_true=floats, raw_prediction=z)
    )
    own, values, gradient = np.empty_like(z), np.empty(n, dtype), np.empty_like(z)
    yield Comparison(
        f"{workload}, written to arrays that are there",
        "HalfMultinomialLoss",
        2.5,
        lambda: loss.value_and_gradient(y, z, out=own),
        lambda: half.loss_gradient(y_true=floats, raw_prediction=z, loss_out=values, gradient_out=gradient),
    )


def binary(n: int, dtype: Any) -> Iterator[Comparison]:
    """Values and gradients of one logit a row."""
    y, z, _ = data(n, 2, dtype)
    z = z[:, 1] - z[:, 0]
    loss, half, floats = skce.SigmoidCrossEntropy(), HalfBinomialLoss(), y.astype(dtype)
    yield Comparison(
        f"binary value and gradient, {describe(z)}",
        "HalfBinomialLoss",
        4,
        lambda: loss.value_and_gradient(y, z),
        lambda: half.loss_gradient(y_true=floats, raw_prediction=z),
    )


def variants(n: int, k: int, dtype: Any) -> Iterator[Comparison]:
    """Focal loss, smoothing and class weights beside the plain loss."""
    y, z, p = data(n, k, dtype)
    weights = np.linspace(0.5, 2, k)
    yield from beside_plain(skce.SoftmaxCrossEntropy, skce.SoftmaxFocal, skce.cross_entropy_loss, y, z, p, weights)


def binary_variants(n: int, dtype: Any) -> Iterator[Comparison]:
    """The same of one number a row."""
    y, z, p = data(n, 2, dtype)
    z, p = z[:, 1] - z[:, 0], np.ascontiguousarray(p[:, 1])
    yield from beside_plain(
        skce.SigmoidCrossEntropy, skce.SigmoidFocal, skce.binary_cross_entropy_loss, y, z, p, np.array([0.5, 2])
    )


def beside_plain(
    Plain: Any, Focal: Any, metric: Any, y: np.ndarray, z: np.ndarray, p: np.ndarray, weights: np.ndarray
) -> Iterator[Comparison]:
    """Variants of a loss, on logits, and of its metric, on probabilities."""
    binary = "binary " if z.ndim == 1 else ""
    losses = {
        "focal": Focal(gamma=2),
        "smoothed": Plain(label_smoothing=0.1),
        "class weights": Plain(class_weight=weights),
    }
    for name, loss in losses.items():
        yield Comparison(
            f"{name}, {binary}value and gradient, {describe(z)}",
            "plain loss",
            OWN,
            lambda loss=loss: loss.value_and_gradient(y, z),
            lambda: Plain().value_and_gradient(y, z),
        )
    calls = {
        "focal": lambda: skce.focal_loss(y, p),
        "smoothed": lambda: metric(y, p, label_smoothing=0.1),
        "class weights": lambda: metric(y, p, class_weight=weights),
    }
    for name, call in calls.items():
        yield Comparison(f"{name}, {binary}probabilities, {describe(p)}", "plain loss", OWN, call, lambda: metric(y, p))


def measures(n: int, k: int, dtype: Any) -> Iterator[Comparison]:
    """Entropy and divergence of each row."""
    p = data(n, k, dtype)[2]
    q = np.ascontiguousarray(p[::-1])
    peer = "scipy.stats.entropy"
    yield Comparison(f"entropy, {describe(p)}", peer, 4, lambda: skce.entropy(p), lambda: stats.entropy(p, axis=1))
    yield Comparison(
        f"KL divergence, {describe(p)}", peer, 4, lambda: skce.kl_divergence(p, q), lambda: stats.entropy(p, q, axis=1)
    )


class TorchCrossEntropy:
    """PyTorch's loss of the same data."""

    def __init__(self, torch: Any, y: np.ndarray, z: np.ndarray):
        self.y, self.z = torch.from_numpy(y), torch.from_numpy(z)
        self.cross_entropy = torch.nn.functional.cross_entropy

    def value(self) -> float:
        return float(self.cross_entropy(self.z, self.y))

    def value_and_gradient(self) -> tuple:
        z = self.z.detach().requires_grad_()
        values = self.cross_entropy(z, self.y, reduction="none")
        values.sum().backward()
        return values.detach(), z.grad


def with_torch(
    workload: str, peer: str, aim: float, ours: Callable[[], Any], make: Callable[[Any], Callable[[], Any]]
) -> Comparison:
    """A comparison with PyTorch, if that is installed."""
    if not find_spec("torch"):
        return Comparison(workload, peer, aim, ours, None, "no torch")
    import torch

    torch.set_num_threads(THREADS)
    return Comparison(workload, peer, aim, ours, make(torch))


def comparisons(dtype: Any, scale: int) -> Iterator[Comparison]:
    """Every workload of the speed table, with data of the type, and 1 / scale of the rows."""
    sizes = [(n // scale, k) for n, k in SHAPES]
    for n, k in [*sizes, (1000, 3)]:
        yield from probabilities(n, k, dtype)
    for n, k in (sizes[1], sizes[3]):
        yield from logits(n, k, dtype)
    for n, k in sizes[1:3]:
        yield from gradients(n, k, dtype)
    yield from binary(sizes[0][0], dtype)
    yield from variants(*sizes[1], dtype)
    yield from binary_variants(sizes[0][0], dtype)
    yield from measures(*sizes[1], dtype)


def describe(array: np.ndarray) -> str:
    """Shape and type, as 1e6x10 float64."""
    n = f"{array.shape[0]:.0e}".replace("e+0", "e")
    return f"{'x'.join([n, *map(str, array.shape[1:])])} {array.dtype}"


def every_metric(n: int, k: int) -> dict[str, Callable[[], Any]]:
    """Every metric and measure on n rows of k columns."""
    y, z, p = data(n, k, np.float64)
    q, n_hot, weights = np.ascontiguousarray(p[::-1]), (z > 1).astype(int), np.linspace(0.5, 2, n)
    strings = words(y)
    objects = strings.astype(object)
    return {
        "cross_entropy_loss": lambda: skce.cross_entropy_loss(y, p),
        "  strings": lambda: skce.cross_entropy_loss(strings, p),
        "  objects": lambda: skce.cross_entropy_loss(objects, p),
        "  soft targets": lambda: skce.cross_entropy_loss(q, p),
        "  logits": lambda: skce.cross_entropy_loss(y, z, from_logits=True),
        "  logits, soft targets": lambda: skce.cross_entropy_loss(q, z, from_logits=True),
        "  label_smoothing": lambda: skce.cross_entropy_loss(y, p, label_smoothing=0.1),
        "  class_weight": lambda: skce.cross_entropy_loss(y, p, class_weight="balanced"),
        "  sample_weight": lambda: skce.cross_entropy_loss(y, p, sample_weight=weights),
        "  reduction='none'": lambda: skce.cross_entropy_loss(y, p, reduction="none"),
        "binary_cross_entropy_loss": lambda: skce.binary_cross_entropy_loss(n_hot[:, 0], p[:, 0]),
        "multilabel_cross_entropy_loss": lambda: skce.multilabel_cross_entropy_loss(n_hot, p),
        "focal_loss": lambda: skce.focal_loss(y, p),
        "  logits, label_smoothing": lambda: skce.focal_loss(y, z, label_smoothing=0.1, from_logits=True),
        "kl_divergence_loss": lambda: skce.kl_divergence_loss(q, p),
        "perplexity": lambda: skce.perplexity(y, p),
        "d2_cross_entropy_score": lambda: skce.d2_cross_entropy_score(y, p),
        "entropy": lambda: skce.entropy(p),
        "cross_entropy": lambda: skce.cross_entropy(p, q),
        "kl_divergence": lambda: skce.kl_divergence(p, q),
        "js_divergence": lambda: skce.js_divergence(p, q),
    }


def peak_mb(function: Callable[[], Any]) -> float:
    """The most memory that a call holds beyond what was there, in 1e6 bytes."""
    function()  # imports and caches
    start()
    try:
        before = get_traced_memory()[0]
        reset_peak()
        function()
        return (get_traced_memory()[1] - before) / 1e6
    finally:
        stop()


def main(quick=False):
    """Print the comparisons and the memory; call it with one thread for BLAS."""
    scale, seconds_each = (20, 0.2) if quick else (1, 4.0)
    print(f"1. Time, one thread; PyTorch {torch_version()}")
    for dtype in (np.float64, np.float32):
        columns = ["workload", "peer", "ours, ms", "peer, ms", "ratio", "aim", "met", "difference"]
        print_table(columns, [c.cells(seconds_each) for c in comparisons(dtype, scale)])
    n = SHAPES[1][0] // scale
    limit = LIMIT_MB + 8e-6 * n
    peaks = {name: peak_mb(call) for name, call in every_metric(n, SHAPES[1][1]).items()}
    print(f"2. Peak memory at {n:.0e} x {SHAPES[1][1]}, float64 ({80e-6 * n:.0f} MB), beyond the inputs")
    print_table(
        ["metric", "MB", f"below {limit:.0f}"],
        [[name, f"{peak:.1f}", "yes" if peak < limit else "NO"] for name, peak in peaks.items()],
    )


def torch_version() -> str:
    """PyTorch's version, or that there is none."""
    if not find_spec("torch"):
        return "not installed"
    import torch

    return torch.__version__
