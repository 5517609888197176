"""Which classifier predicts best, how long does it take, and does it warn?

Three tables that ship with scikit-learn, as they come: columns of very different sizes, no scaler. Each model is
judged by its cross-entropy on rows that it has not seen, the mean surprise at the true class in nats: 0 is perfect,
log(number of classes) is what guessing costs. Deterministic but for the times.
"""

import time
import warnings

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from skce import CrossEntropyClassifier, neg_cross_entropy

TABLES = {"wine": load_wine, "breast cancer": load_breast_cancer, "digits": load_digits}
FOLDS = StratifiedKFold(5, shuffle=True, random_state=0)
ALPHAS = np.logspace(-5, 0, 6)

INTRODUCTION = """\
Cross-entropy on held-out rows, the mean of 5 folds: the lower, the better. And what it took to get there:

  seconds     for all fits and predictions together, on one thread
  iterations  of the solver, the mean of all fits
  warnings    fits that ended before they converged

The first three models of each table have the same penalty, so they are one model, fitted three times."""

CLOSING = f"""
LogisticRegression() stops after 100 iterations, and its warnings say that the optimum was not reached. With
max_iter=10000 it has time enough, and stops where its gradient is small. What is small depends on the units of the
columns: it ends near the optimum, not at it, so the last decimals of the cross-entropy differ.
CrossEntropyClassifier knows the scales of the columns, and stops at an estimated distance to the minimum.

The search tries {len(ALPHAS)} strengths of the penalty on each fold and shows the best, which flatters it a little.
It does scale the columns, for the penalty and not for the solver: one alpha for all coefficients suits columns that
are alike."""


def iterations(model, X, y):
    """Count the iterations, as a scorer, so that cross-validation reports them beside the cross-entropy."""
    return np.max(getattr(model, "steps", [("model", model)])[-1][1].n_iter_)


SCORING = {"cross_entropy": neg_cross_entropy, "iterations": iterations}


def same_penalty(n_rows):
    """Return models with one penalty between them: alpha is 1 / (C * rows), and C is 1 by default."""
    return {
        "LogisticRegression()": LogisticRegression(),
        "LogisticRegression(max_iter=10000)": LogisticRegression(max_iter=10000),
        "CrossEntropyClassifier(alpha=1/rows)": CrossEntropyClassifier(alpha=1 / n_rows),
    }


def cross_validated(model, X, y):
    """Cross-validate one model and return its mean cross-entropy and iterations."""
    scores = cross_validate(model, X, y, cv=FOLDS, scoring=SCORING, error_score="raise")
    return -scores["test_cross_entropy"].mean(), scores["test_iterations"].mean()


def searched(X, y):
    """Search for the best alpha and return it, its mean cross-entropy, and the mean iterations of all fits."""
    pipeline = make_pipeline(StandardScaler(), CrossEntropyClassifier())
    grid = {"crossentropyclassifier__alpha": ALPHAS}
    search = GridSearchCV(pipeline, grid, scoring=SCORING, refit="cross_entropy", cv=FOLDS, error_score="raise").fit(
        X, y
    )
    alpha = search.best_params_["crossentropyclassifier__alpha"]
    return alpha, -search.best_score_, search.cv_results_["mean_test_iterations"].mean()


def watched(function, *args):
    """Call a function and return its result, the seconds it took, and the number of its convergence warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        start = time.perf_counter()
        result = function(*args)
        seconds = time.perf_counter() - start
    return result, seconds, sum(issubclass(warning.category, ConvergenceWarning) for warning in caught)


def print_row(name, loss, seconds, n_iter, n_warnings):
    print(f"  {name:<36} {loss:>13.4f} {seconds:>9.2f} {n_iter:>11.0f} {n_warnings:>9}")


def compare(name, load):
    """Print the part of the table that belongs to one data set."""
    X, y = load(return_X_y=True)
    (n_rows, n_columns), n_classes = X.shape, len(np.unique(y))
    print(f"\n{name}: {n_rows} rows, {n_columns} columns, {n_classes} classes; guessing costs {np.log(n_classes):.2f}")
    for label, model in same_penalty(0.8 * n_rows).items():  # four folds of five are trained on
        (loss, n_iter), seconds, n_warnings = watched(cross_validated, model, X, y)
        print_row(label, loss, seconds, n_iter, n_warnings)
    (alpha, loss, n_iter), seconds, n_warnings = watched(searched, X, y)
    print_row(f"search over alpha, best {alpha:g}", loss, seconds, n_iter, n_warnings)


def main():
    print(INTRODUCTION)
    print(f"\n  {'':<36} {'cross-entropy':>13} {'seconds':>9} {'iterations':>11} {'warnings':>9}")
    with threadpool_limits(limits=1):  # such small matrices are slower on several threads
        for name, load in TABLES.items():
            compare(name, load)
    print(CLOSING)


if __name__ == "__main__":
    main()
