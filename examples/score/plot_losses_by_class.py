"""
Which classes cost, and by how many rows?
=========================================

A mean hides where it comes from. The losses of the rows, class by class, show whether a class is hard as a whole or has
a few rows that are very wrong.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from skce import CrossEntropyClassifier, LossByClassDisplay, cross_entropy_loss

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)
models = {
    "linear": CrossEntropyClassifier(alpha=1e-2).fit(X_train, y_train),
    "10 neighbours": KNeighborsClassifier(10).fit(X_train, y_train),
}
for name, model in models.items():
    loss = cross_entropy_loss(y_test, model.predict_proba(X_test))
    print(f"{name}: {loss:.3f} nats, {model.score(X_test, y_test):.1%} right")

fig, ax = plt.subplots(figsize=(7, 7))
LossByClassDisplay.from_estimator(models, X_test, y_test, ax=ax)
plt.show()

# %%
# The neighbours are right more often, and nearly all of their rows cost next to nothing. But where none of the ten has
# the right label, the probability is 0 and the row costs 36 nats. Two rows make nearly half of the mean. Cross-entropy
# does not forgive certainty that is wrong.
