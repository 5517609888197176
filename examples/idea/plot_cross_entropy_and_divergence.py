"""
Where is cross-entropy least?
=============================

Let it rain on 7 days of 10. A forecast says q every day. What it costs on average is the cross-entropy H(p, q): the
entropy H(p), which is the weather's, and the divergence KL(p, q), which is the forecaster's.
"""

import matplotlib.pyplot as plt
import numpy as np

from skce import cross_entropy, entropy, kl_divergence

rain = [0.7, 0.3]
q = np.linspace(0.02, 0.98, 193)
forecasts = np.column_stack([q, 1 - q])
truths = np.broadcast_to(rain, forecasts.shape)

cost = cross_entropy(truths, forecasts)
least = entropy(rain)

fig, ax = plt.subplots()
ax.plot(q, cost, color="C0")
ax.fill_between(q, least, cost, color="C1", alpha=0.3)
ax.fill_between(q, 0, least, color="C0", alpha=0.2)
ax.plot(0.7, least, "o", color="C0")
ax.annotate("least at q = 0.7", (0.7, least), (0, 14), textcoords="offset points", ha="center")
ax.text(0.5, least / 2, "H(p): the weather's own uncertainty", ha="center", va="center")
ax.text(0.05, 0.8, "KL(p, q):\nthe error of\nthe forecast", va="center", ha="left")
ax.set(xlabel="forecast q", ylabel="cross-entropy in nats", xlim=(0, 1), ylim=(0, 2))
plt.show()

# %%
# No forecast is cheaper than the truth, and no other is as cheap. That is why a model is trained on cross-entropy: the
# probabilities that cost least are the right ones. Which of H(p, q) and KL(p, q) is minimised does not matter, since
# they differ by H(p), and no model changes the weather.

for forecast in (0.5, 0.7, 0.9):
    divergence = kl_divergence(rain, [forecast, 1 - forecast])
    print(f"q = {forecast}: {least:.4f} + {divergence:.4f} = {least + divergence:.4f} nats")
