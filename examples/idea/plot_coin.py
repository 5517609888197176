"""
How uncertain is a coin?
========================

Entropy is what a fair charge would be on average: the cost −log p of each side, times how often that side comes up. A
fair coin has 1 bit, the most that two sides can have. A coin that always falls on one side has none.
"""

import matplotlib.pyplot as plt
import numpy as np

from skce import entropy

heads = np.linspace(0, 1, 201)
coins = np.column_stack([heads, 1 - heads])

fig, ax = plt.subplots()
ax.plot(heads, entropy(coins, base=2))
ax.set(xlabel="probability of heads", ylabel="entropy in bits", ylim=(0, 1.1))

# Three containers of 30 shapes, triangles and circles: how uncertain is a blind draw?
for triangles, place in ((26, (-65, -5)), (14, (0, 8)), (29, (-65, -5))):
    share = triangles / 30
    bits = entropy([share, 1 - share], base=2)
    ax.plot(share, bits, "o", color="C1")
    ax.annotate(
        f"{triangles} of 30: {bits:.4f}", (share, bits), place, textcoords="offset points", color="C1", ha="center"
    )
plt.show()

# %%
# The draw from 14 triangles and 16 circles is almost a fair coin. The one from 29 and 1 holds little surprise: it is
# nearly always a triangle, and the rare circle is not rare enough to cost much on average.
