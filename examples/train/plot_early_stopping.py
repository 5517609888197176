"""
When should training stop?
==========================

Without a penalty the loss of the rows that are trained on goes to 0, and that of other rows first falls and then rises:
the model becomes sure of what it learned by heart. Early stopping watches rows that are not trained on, and keeps the
coefficients that were best on them.
"""

import warnings

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from skce import CrossEntropyClassifier, CrossEntropyClassifierCV, LossCurveDisplay, cross_entropy_loss

X, y = load_digits(return_X_y=True)
X_train, X_rest, y_train, y_rest = train_test_split(X, y, test_size=0.6, stratify=y, random_state=0)
X_val, X_test, y_val, y_test = train_test_split(X_rest, y_rest, test_size=0.5, stratify=y_rest, random_state=0)

with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)  # without a penalty there is no minimum
    full = CrossEntropyClassifier(alpha=0).fit(X_train, y_train, X_val=X_val, y_val=y_val)
stopped = CrossEntropyClassifier(alpha=0, early_stopping=True).fit(X_train, y_train, X_val=X_val, y_val=y_val)

LossCurveDisplay.from_estimator(full, name="to the end")
plt.show()

# %%
# A penalty does the same, and mostly better: it says what is wrong with large coefficients instead of hoping not to get
# that far. On test rows:

penalised = CrossEntropyClassifierCV().fit(X_train, y_train)
for name, model in (("to the end", full), ("stopped early", stopped), ("penalised", penalised)):
    print(f"{name:<14} {cross_entropy_loss(y_test, model.predict_proba(X_test)):.3f} nats")
