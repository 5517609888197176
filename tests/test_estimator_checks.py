"""scikit-learn's own checks of an estimator, dense and sparse, for every solver: no check is expected to fail."""

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from skce import CrossEntropyClassifier, CrossEntropyClassifierCV
from skce.solvers import SOLVERS

ESTIMATORS = [CrossEntropyClassifier(solver=solver) for solver in sorted(SOLVERS)]
ESTIMATORS += [CrossEntropyClassifierCV(alphas=3, cv=3), CrossEntropyClassifierCV(alphas=3, cv=3, scoring="accuracy")]
CHECKS = [pair for estimator in ESTIMATORS for pair in estimator_checks_generator(estimator)]


def name(value):
    """A check's name, or an estimator's parameters."""
    check = getattr(value, "func", value)
    return getattr(check, "__name__", repr(value))


@pytest.mark.parametrize(("estimator", "check"), CHECKS, ids=name)
@pytest.mark.filterwarnings("ignore:'gradient_descent' stopped")  # the checks' tables are not scaled, and it says so
def test_scikit_learn_check(estimator, check):
    """An estimator does what every tool of scikit-learn relies on."""
    check(estimator)
