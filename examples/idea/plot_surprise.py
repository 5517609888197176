"""
What does a probability cost?
=============================

Cross-entropy charges a model for the probability p that it gave to what happened: −log p. Being sure and right is free,
half a chance costs one bit, and being sure and wrong costs without limit.
"""

import matplotlib.pyplot as plt
import numpy as np

from skce import binary_cross_entropy_loss

p = np.linspace(0.005, 1, 400)
happened = np.ones_like(p)

fig, ax = plt.subplots()
for base, unit in ((2, "bits, base 2"), (None, "nats, base e"), (10, "hartleys, base 10")):
    cost = binary_cross_entropy_loss(happened, p, pos_label=1, base=base, reduction="none")
    ax.plot(p, cost, label=unit)
ax.plot(0.5, 1, "o", color="C0")
ax.annotate("a coin: 1 bit", (0.5, 1), (8, 8), textcoords="offset points")
ax.set(xlabel="probability p given to what happened", ylabel="cost, −log p", xlim=(0, 1.01), ylim=(0, 6))
ax.legend()
plt.show()

# %%
# The three curves are one curve in three units: they differ by a factor. Nats are the unit of scikit-learn, PyTorch
# and Keras, and the default here. A change of unit moves no minimum and changes no ranking, but never compare a loss in
# bits with a loss in nats.

for p in (1.0, 0.9, 0.5, 0.1, 0.01):
    nats, bits = (binary_cross_entropy_loss([1], [p], pos_label=1, base=base) for base in (None, 2))
    print(f"p = {p:4}: {nats:.3f} nats = {bits:.3f} bits")
