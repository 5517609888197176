"""Progress: printed lines, and the callbacks of scikit-learn."""

import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.callback import ScoringMonitor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skce import CrossEntropyClassifier, CrossEntropyClassifierCV, neg_cross_entropy, neg_multilabel_cross_entropy
from skce.solvers import MINI_BATCH, SOLVERS

all_solvers = pytest.mark.parametrize("solver", sorted(SOLVERS))


def problem(k=3, n=200):
    """Overlapping classes and weights."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 4))
    return X, (X @ rng.normal(size=(4, k)) + rng.gumbel(size=(n, k))).argmax(axis=1), rng.exponential(size=n)


class Recorder:
    """A callback that keeps what it hears, and may ask to stop."""

    def __init__(self, stop_after=np.inf):
        self.calls, self.models, self.stop_after = [], [], stop_after

    def setup(self, estimator, context):
        self.calls.append("setup")

    def teardown(self, estimator, context):
        self.calls.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None):
        self.calls.append(f"begin {context.task_name}")
        if context.task_name == "step":
            assert fitted_estimator.predict_proba(X).shape == (len(X), 3)

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None):
        self.calls.append(f"end {context.task_name}")
        if context.task_name == "step" and fitted_estimator is not None:
            self.X, self.y, self.metadata = X, y, metadata
            self.models.append(fitted_estimator)
            return len(self.models) >= self.stop_after
        return False


# Printed lines


@all_solvers
@pytest.mark.parametrize("every", [1, 3])
def test_lines(capsys, solver, every):
    """One for each step, or for each of so many and the last, with its objective in aligned columns."""
    X, y, _ = problem()
    model = CrossEntropyClassifier(solver=solver, alpha=0.05, verbose=every).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    first = solver in MINI_BATCH
    last = model.n_iter_
    steps = [step for step in range(first, last + 1) if step % every == 0 or step == last]
    assert [int(re.match(r"step +(\d+)   objective", line)[1]) for line in lines] == steps
    assert_allclose([float(line.split()[3]) for line in lines], model.loss_curve_[np.array(steps) - first], atol=1e-8)
    assert len({line.index("objective") for line in lines}) == 1
    assert all(("distance" in line) is not first for line in lines)
    assert max(map(len, lines)) < 100


def test_lines_with_validation(capsys):
    """Its loss stands beside the objective."""
    X, y, _ = problem()
    model = CrossEntropyClassifier(early_stopping=True, verbose=True).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    found = [float(line.split("validation ")[1].split()[0]) for line in lines]
    assert_allclose(found, model.validation_loss_curve_, atol=1e-8)


def test_lines_of_a_stream_and_of_a_path(capsys):
    """An epoch for each partial_fit; the steps of every fit of a path."""
    X, y, _ = problem()
    CrossEntropyClassifier(verbose=1).partial_fit(X, y, classes=[0, 1, 2])
    assert len(capsys.readouterr().out.splitlines()) == 1
    CrossEntropyClassifierCV(alphas=2, cv=2, verbose=1).fit(X, y)
    assert capsys.readouterr().out.count("step    0 ") == 2 * 2 + 1


def test_silence(capsys):
    """Nothing is printed unless it is asked for."""
    X, y, _ = problem()
    for solver in SOLVERS:
        CrossEntropyClassifier(solver=solver, alpha=0.05, early_stopping=True).fit(X, y)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("verbose", [-1, 0.5, "yes"])
def test_bad_verbose(verbose):
    """Names the parameter."""
    X, y, _ = problem()
    with pytest.raises((ValueError, TypeError), match="verbose must be"):
        CrossEntropyClassifier(verbose=verbose).fit(X, y)


# Callbacks


@all_solvers
def test_scoring_monitor(solver):
    """A score for each step, of the coefficients of that step, with the weights of the fit; the last is the fit's."""
    X, y, s = problem()
    monitor = ScoringMonitor(scoring="neg_log_loss")
    model = CrossEntropyClassifier(solver=solver, alpha=0.05).set_callbacks(monitor).fit(X, y, s)
    logs = monitor.get_logs().data
    steps = {log["task_id"]: log["neg_log_loss"] for log in logs if log["task_name"] == "step"}
    assert sorted(steps) == list(range(model.n_iter_))
    own = -log_loss(y, model.predict_proba(X), sample_weight=s)
    assert steps[model.n_iter_ - 1] == pytest.approx(own, rel=1e-9)
    assert [log["neg_log_loss"] for log in logs if log["task_name"] == "fit"] == [pytest.approx(own)]
    if solver not in MINI_BATCH:
        plain = CrossEntropyClassifier(solver=solver, alpha=0.05, max_iter=1)
        with pytest.warns(ConvergenceWarning):
            plain.fit(X, y, s)
        assert steps[0] == pytest.approx(-log_loss(y, plain.predict_proba(X), sample_weight=s))


def test_scoring_monitor_of_other_forms():
    """Soft labels and several labels a row, by our scorers."""
    X, y, s = problem()
    for scoring, form in ((neg_cross_entropy, 0.7 * np.eye(3)[y] + 0.1), (neg_multilabel_cross_entropy, np.eye(3)[y])):
        monitor = ScoringMonitor(scoring=scoring)
        model = CrossEntropyClassifier(alpha=0.05).set_callbacks(monitor).fit(X, form, s)
        last = max(monitor.get_logs().data, key=lambda log: (log["task_name"] == "step", log["task_id"]))
        assert last["score"] == pytest.approx(scoring(model, X, form, sample_weight=s), rel=1e-9)


@all_solvers
def test_progress_bar(solver, capsys):
    """It runs to its end, alone, in a pipeline and in a search."""
    pytest.importorskip("rich")
    from sklearn.callback import ProgressBar

    X, y, _ = problem()
    model = CrossEntropyClassifier(solver=solver, alpha=0.05, tol=1e-3)
    expected = model.fit(X, y).coef_
    assert_array_equal(model.set_callbacks(ProgressBar()).fit(X, y).coef_, expected)
    assert "100%" in capsys.readouterr().out
    pipeline = make_pipeline(StandardScaler(), CrossEntropyClassifier(solver=solver)).set_callbacks(ProgressBar())
    pipeline.fit(X, y)
    for depth in (0, 1):
        search = GridSearchCV(CrossEntropyClassifier(solver=solver, tol=1e-3), {"alpha": [0.1, 1.0]}, cv=2)
        search.set_callbacks(ProgressBar(max_propagation_depth=depth)).fit(X, y)
    assert "GridSearchCV" in capsys.readouterr().out


@all_solvers
def test_order_of_calls(solver):
    """Set up, begin and end of the fit and of each step, torn down; what is passed is the data of the fit."""
    X, y, s = problem()
    y = np.array(["ant", "bee", "cat"])[y]
    recorder = Recorder()
    model = CrossEntropyClassifier(solver=solver, alpha=0.05).set_callbacks(recorder).fit(X, y, s)
    steps = ["begin step", "end step"] * (model.n_iter_ + 1)  # the last was begun, and not needed
    assert recorder.calls == ["setup", "begin fit", *steps, "end fit", "teardown"]
    assert len(recorder.models) == model.n_iter_
    assert_array_equal(recorder.models[-1].coef_, model.coef_)
    assert_array_equal(recorder.X, X)
    assert_array_equal(recorder.y, y)
    assert_array_equal(recorder.metadata["sample_weight"], s)


def test_calls_are_in_the_order_of_scikit_learns():
    """The same names of tasks' ends as LogisticRegression's, where that tells of any."""
    X, y, _ = problem()
    recorder = Recorder()
    if not hasattr(LogisticRegression, "set_callbacks"):
        pytest.skip("this scikit-learn's LogisticRegression has no callbacks")
    LogisticRegression().set_callbacks(recorder).fit(X, y)
    assert recorder.calls[0] == "setup"
    assert recorder.calls[1] == "begin fit"
    assert recorder.calls[-2:] == ["end fit", "teardown"]


@all_solvers
@pytest.mark.parametrize("after", [1, 3])
def test_callback_that_stops(solver, after):
    """There and then, without a warning."""
    X, y, _ = problem()
    model = CrossEntropyClassifier(solver=solver, alpha=1e-4, tol=1e-12)
    model.set_callbacks(Recorder(stop_after=after)).fit(X, y)
    assert model.n_iter_ == after
    assert model.converged_


@all_solvers
def test_max_iter_ends_with_callbacks(solver):
    """As without."""
    X, y, _ = problem()
    recorder = Recorder()
    with pytest.warns(ConvergenceWarning, match="max_iter=2") as caught:
        CrossEntropyClassifier(solver=solver, alpha=1e-4, tol=1e-12, max_iter=2).set_callbacks(recorder).fit(X, y)
    assert caught[0].filename == __file__
    assert len(recorder.models) == 2


def test_callbacks_are_torn_down_after_an_error():
    """Of any kind, before or while it is fitted."""
    X, y, _ = problem()

    class Broken(Recorder):
        def on_fit_task_end(self, estimator, context):
            raise KeyError("broken")

    broken = Broken()
    model = CrossEntropyClassifier().set_callbacks(broken)
    with pytest.raises(KeyError, match="broken"):
        model.fit(X, y)
    assert broken.calls[-1] == "teardown"
    model.set_callbacks().fit(X, y)
    assert model.converged_


def test_path_of_penalties_tells_of_its_last_fit():
    """CrossEntropyClassifierCV calls the callbacks in the fit to all rows; warnings name the line that called."""
    X, y, _ = problem()
    recorder = Recorder()
    model = CrossEntropyClassifierCV(alphas=2, cv=2).set_callbacks(recorder).fit(X, y)
    assert recorder.calls[0] == "setup"
    assert recorder.calls[-1] == "teardown"
    assert len(recorder.models) == model.n_iter_
    with pytest.warns(ConvergenceWarning, match="max_iter=1") as caught:
        CrossEntropyClassifierCV(alphas=2, cv=2, max_iter=1).fit(X, y)
    assert [warning.filename for warning in caught] == [__file__]


def test_callbacks_and_watchers_together(capsys):
    """Printed lines, validation and callbacks hear of the same steps."""
    X, y, _ = problem()
    recorder = Recorder()
    model = CrossEntropyClassifier(early_stopping=True, verbose=1).set_callbacks(recorder).fit(X, y)
    assert len(capsys.readouterr().out.splitlines()) == len(model.validation_loss_curve_) == len(recorder.models) + 1


def test_lines_of_a_stream_count_on(capsys):
    """Calls of partial_fit are steps of one training."""
    X, y, _ = problem()
    model = CrossEntropyClassifier(verbose=2)
    for _ in range(5):
        model.partial_fit(X, y, classes=np.unique(y))
    numbers = [int(line.split()[1]) for line in capsys.readouterr().out.splitlines()]
    assert numbers == [2, 4]
