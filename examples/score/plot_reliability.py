"""
Which model is calibrated, and which tells rows apart?
======================================================

A cross-entropy has two parts that can be had separately: what a recalibration would save, and how well the rows are
told apart. ``decompose`` computes both, and the displays draw them. Three classifiers on the same rows:
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import expit
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB

from skce import CrossEntropyClassifier, DecompositionDisplay, ReliabilityDisplay, decompose

# Four causes, and for each of them three columns that measure it with some noise.
rng = np.random.default_rng(0)
causes = rng.normal(size=(6000, 4))
y = (rng.random(6000) < expit(causes @ [2.0, -1.5, 1.0, 0.5])).astype(int)
X = np.repeat(causes, 3, axis=1) + rng.normal(0, 0.4, (6000, 12))
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)

models = {
    "linear": CrossEntropyClassifier(),
    "naive Bayes": GaussianNB(),
    "forest": RandomForestClassifier(max_features=1, random_state=0),
}
proba = {name: model.fit(X_train, y_train).predict_proba(X_test)[:, 1] for name, model in models.items()}
print(decompose(y_test, proba).round(3).to_string())

# %%
# Each loss is the uncertainty of the labels, less what the model discriminates, plus what its miscalibration costs:

DecompositionDisplay.from_predictions(y_test, proba)
plt.show()

# %%
# All three tell the rows apart nearly as well. But naive Bayes takes three measurements of a cause for three causes,
# and is too sure; the forest is a vote of trees that disagree, and is not sure enough. Where a curve leaves its band,
# the probabilities are not those of the data:

ReliabilityDisplay.from_predictions(y_test, proba)
plt.show()
