"""
Can the probabilities be trusted?
=================================

A naive Bayes classifier counts the same evidence many times, and is much too sure. Dividing all its logits by one
number, the temperature, repairs that. It is the number with the least cross-entropy on rows held back.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn.calibration import calibration_curve
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import MultinomialNB

from skce import cross_entropy_loss

X, y = load_digits(return_X_y=True)
X_train, X_rest, y_train, y_rest = train_test_split(X, y, train_size=0.4, stratify=y, random_state=0)
X_held, X_test, y_held, y_test = train_test_split(X_rest, y_rest, test_size=0.5, stratify=y_rest, random_state=0)
model = MultinomialNB().fit(X_train, y_train)
held = model.predict_log_proba(X_held)  # logarithms of probabilities are logits


def cost(temperature):
    return cross_entropy_loss(y_held, held / temperature, labels=model.classes_, from_logits=True)


best = minimize_scalar(cost, bounds=(0.5, 100), method="bounded").x
print(f"temperature {best:.1f}")

temperatures = np.geomspace(0.7, 60, 60)
fig, ax = plt.subplots()
ax.plot(temperatures, [cost(temperature) for temperature in temperatures])
ax.plot(best, cost(best), "o", color="C1")
ax.annotate(f"{best:.0f}", (best, cost(best)), (0, 10), textcoords="offset points", ha="center", color="C1")
ax.set(xlabel="temperature", ylabel="cross-entropy on held-back rows, nats", xscale="log", ylim=(0, None))
plt.show()

# %%
# On test rows: of the predictions with about this confidence, how many are right?

logits = model.predict_log_proba(X_test)
right = logits.argmax(axis=1) == np.searchsorted(model.classes_, y_test)
fig, ax = plt.subplots(figsize=(4.8, 4.4))
ax.axline((0, 0), slope=1, color="gray", linestyle=":", linewidth=1)
for name, scale, line in (("as it comes", 1.0, "s--"), (f"temperature {best:.0f}", best, "o-")):
    proba = softmax(logits / scale, axis=1)
    share_right, confidence = calibration_curve(right, proba.max(axis=1), n_bins=8, strategy="quantile")
    ax.plot(confidence, share_right, line, label=name)
    print(f"{name}: {cross_entropy_loss(y_test, proba, labels=model.classes_):.3f} nats, {right.mean():.1%} right")
ax.set(xlabel="confidence", ylabel="share that is right", xlim=(0.3, 1.02), ylim=(0.3, 1.02), aspect="equal")
ax.legend(loc="lower right")
plt.show()

# %%
# One number changes no ranking within a row, so the accuracy is the same. The cross-entropy tells the two apart.
