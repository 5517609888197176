"""
One softmax or many sigmoids?
=============================

Two losses go by the name of cross-entropy for K classes. Behind a softmax only the probability of the right class
counts. K sigmoids are K yes/no questions, and each wrong yes is charged as well.
"""

import matplotlib.pyplot as plt
import numpy as np

from skce import cross_entropy_loss, multilabel_cross_entropy_loss

# The right class, A, keeps the probability 0.6; the rest moves from C to B.
b = np.linspace(0.005, 0.395, 100)
predictions = np.column_stack([np.full_like(b, 0.6), b, 0.4 - b])
is_a = np.tile([1, 0, 0], (len(b), 1))

softmax = cross_entropy_loss(is_a, predictions, reduction="none")
sigmoids = multilabel_cross_entropy_loss(is_a, predictions, reduction="none").sum(axis=1)

fig, ax = plt.subplots()
ax.plot(b, softmax, label="softmax: −log p of A")
ax.plot(b, sigmoids, "--", label="three sigmoids: A, not B, not C")
ax.set(xlabel="probability of B (A has 0.6, C the rest)", ylabel="loss in nats", ylim=(0, 1.3))
ax.legend(loc="lower center")
plt.show()

# %%
# The sigmoids' loss is least where the wrong classes share the rest evenly, and grows where one of them stands out.
#
# The question decides which to take. Classes that exclude each other want a softmax: its outputs sum to 1, and a
# gain for one is a loss for the others. Labels that may come together want sigmoids: a drawing can be a good 8 and a
# good 9, 0.9 for each, and no distribution says that.

ambiguous = [[0.9, 0.9]]
print(
    f"both right, two sigmoids: {multilabel_cross_entropy_loss([[1, 1]], ambiguous, average='micro'):.4f} nats a label"
)
try:
    cross_entropy_loss([8], ambiguous, labels=[8, 9])
except ValueError as error:
    print(f"as a distribution: {error}")
