"""
Why not squared error?
======================

Behind a sigmoid the gradient of squared error carries the factor p (1 − p), which vanishes where the sigmoid is flat. A
model that is wrong and sure of it hardly learns. Cross-entropy cancels that factor: its gradient is p − y.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import expit

from skce import SigmoidCrossEntropy

loss = SigmoidCrossEntropy()


def slope_of_squared_error(logits):
    """Slope of (p - 1)^2 / 2 in the logits, for rows whose answer is yes."""
    p = expit(logits)
    return (p - 1) * p * (1 - p)


logits = np.linspace(-10, 10, 401)
yes = np.ones(len(logits), dtype=int)

fig, ax = plt.subplots()
ax.plot(logits, -loss.gradient(yes, logits), label="cross-entropy, 1 − p")
ax.plot(logits, -slope_of_squared_error(logits), "--", label="squared error, (1 − p) p (1 − p)")
ax.annotate(
    "sure and wrong:\nno slope is left", (-7.5, 0.02), (-7.5, 0.35), ha="center", arrowprops={"arrowstyle": "->"}
)
ax.set(xlabel="logit z of a row whose answer is yes", ylabel="size of the gradient")
ax.legend()
plt.show()

# %%
# What that means for training: one row, one weight, a start that is wrong by 8 logits, steps of size 1.

curves = {"cross-entropy": [], "squared error": []}
for name, curve in curves.items():
    z = np.array([-8.0])
    for _ in range(60):
        curve.append(expit(z[0]))
        z = z - (loss.gradient([1], z) if name == "cross-entropy" else slope_of_squared_error(z))

fig, ax = plt.subplots()
for (name, curve), line in zip(curves.items(), ("-", "--"), strict=True):
    ax.plot(curve, line, label=name)
ax.set(xlabel="step", ylabel="probability of the right answer", ylim=(-0.03, 1.03))
ax.legend(loc="center right")
plt.show()

# %%
# Squared error gets there too, after some thousand steps. It is a fine *score* of probabilities, known as the Brier
# score; it is its gradient through a saturated sigmoid that is of no use.

z, steps = -8.0, 0
while expit(z) < 0.5:
    z, steps = z - slope_of_squared_error(z), steps + 1
print(f"squared error needs {steps} steps to p = 0.5")
