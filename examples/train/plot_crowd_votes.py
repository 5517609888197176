"""
Majority or votes: what to train on?
====================================

Several people label each row, and do not agree. The majority throws away how sure they were; the votes, as a
distribution for each row, keep it. Here the truth is known, so both can be judged by their distance to it.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import softmax

from skce import CrossEntropyClassifier, kl_divergence

rng = np.random.default_rng(0)
W = rng.normal(0, 1.2, (3, 2))


def draw(n_rows, n_votes):
    """Return features, true probabilities, and the share of votes for each class."""
    X = rng.normal(size=(n_rows, 2))
    truth = softmax(X @ W.T, axis=1)
    return X, truth, rng.multinomial(n_votes, truth) / n_votes


def fit_votes(X, votes):
    """Train on distributions."""
    return CrossEntropyClassifier(link="softmax").fit(X, votes)


def fit_majority(X, votes):
    """Train on the class with most votes; ties go to one of them by chance."""
    return CrossEntropyClassifier().fit(X, (votes + rng.uniform(0, 1e-6, votes.shape)).argmax(axis=1))


# %%
# The distance of the predictions to the true probabilities, in nats, on rows that were not trained on:

X_test, truth, _ = draw(5000, 1)
VOTES = (1, 3, 5, 9, 15, 25)
distances = {"votes": [], "majority": []}
for n_votes in VOTES:
    X, _, votes = draw(4000, n_votes)
    for name, fit in (("votes", fit_votes), ("majority", fit_majority)):
        distances[name].append(kl_divergence(truth, fit(X, votes).predict_proba(X_test)).mean())

fig, ax = plt.subplots()
for (name, values), line in zip(distances.items(), ("o-", "s--"), strict=True):
    ax.plot(VOTES, values, line, label=f"trained on the {name}")
ax.set(xlabel="votes for each row", ylabel="mean divergence from the truth, nats", yscale="log", xticks=VOTES)
ax.legend(loc="center right")
plt.show()

# %%
# With one vote to a row both are the same. More votes make the distributions better and the majority *worse*: a label
# that wins with three votes to two is handed to the model as a certainty, so the model learns to be surer than the
# people were.
