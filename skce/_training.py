"""One training: an estimator's parameters and checked data become an objective, a start, a solver's call, attributes.

What `fit`, `partial_fit` and the path of penalties share. The estimator is read for its parameters and never changed.
"""

import copy
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skce import _validation as validation
from skce._link import Link, Sums, target_sums
from skce._monitor import Bridge, Printer, Validation, watch
from skce._objective import Objective, batch_size_that_pays
from skce._row_space import minimise
from skce.solvers import SOLVERS, Batching, Callback, Memory, Result, lbfgs

STREAMING = {"adam": "adam", "auto": "sgd", "sgd": "sgd"}
"""Solver of `partial_fit` for each option that has one."""


class Training:
    """The training of one estimator on some rows.

    Parameters
    ----------
    estimator : CrossEntropyClassifier
        Read for its parameters.
    link : Link
    data : FitInput
    alpha : float
    streaming : bool, default=False
        Whether the rows go on with those of earlier calls: what they weigh is then judged by all of them.
    """

    def __init__(self, estimator: Any, link: Link, data: validation.FitInput, alpha: float, *, streaming: bool = False):
        self.estimator, self.link, self.data = estimator, link, data
        self.seen = getattr(estimator, "_seen", (0.0, 0.0)) if streaming else None
        self.printer: Printer | None = None
        self.seed = 0 if estimator.random_state is None else estimator.random_state
        sums = target_sums(link.classes, data.targets.values, data.weights)
        self.class_weights = link.class_weights(estimator.class_weight, sums)
        self.objective = self._objective(data, sums, alpha)

    def with_alpha(self, alpha: float) -> "Training":
        """The same with another penalty; what is known of the rows is shared."""
        other = copy.copy(self)
        other.objective = self.objective.with_alpha(alpha)
        return other

    def start(self, *, resume: bool, streaming: bool) -> NDArray[Any]:
        """The estimator's coefficients, the best constant prediction, or 0 where a stream does not tell it yet."""
        if resume and self._fits():
            self.objective.resume()
            self.objective.span.passes = self.estimator.n_iter_ if self.estimator.converged_ else np.inf
            return self.objective.pack(self.estimator.coef_, self.estimator.intercept_)
        return np.zeros(self.objective.theta_size) if streaming else self.objective.start()

    def solve(
        self, theta: NDArray[Any], callback: Callback | None = None, *, resume: bool = False, streaming: bool = False
    ) -> Result:
        """Minimise the objective by the estimator's solver, with those of its parameters that the solver takes."""
        solver = SOLVERS[STREAMING[self.estimator.solver] if streaming else self.estimator.solver]
        options = self._options(solver)
        if "batching" in options:
            options["batching"] = self._batching(np.inf if streaming else self.estimator.n_iter_no_change)
            options["memory"] = self._memory(options["batching"]) if resume else None
        if streaming:
            options["max_iter"] = 1
        options["callback"] = callback
        result = (minimise if solver is lbfgs else solver)(self.objective, theta, **options)
        if self.printer is not None and self.seen is None:
            self.printer.close()
        return result

    def watched(
        self, held_out: validation.FitInput | None = None, bridge: Bridge | None = None
    ) -> tuple[Callback | None, Validation | None]:
        """What the estimator's parameters, validation rows and scikit-learn's callbacks make of the steps."""
        validation_ = None if held_out is None else self._validation(held_out)
        watchers: list[Any] = [] if validation_ is None else [validation_]
        if self.estimator.verbose:
            before = getattr(self.estimator, "n_iter_", 0) if self.seen is not None else 0
            self.printer = Printer(int(self.estimator.verbose), validation_, before)
            watchers.append(self.printer)
        if bridge is not None:
            watchers.append(bridge)
        return watch(watchers), validation_

    def attributes(self, theta: NDArray[Any]) -> dict[str, Any]:
        """What an estimator needs to predict."""
        coef, intercept = self.objective.unpack(theta)
        dtype = self.data.X.dtype
        if dtype != np.float64 and not self.objective.price_of_rounding(theta, dtype) <= self.estimator.tol:
            dtype = np.dtype(np.float64)
        return {
            "classes_": self.link.classes,
            "coef_": np.array(coef, dtype=dtype, order="C"),
            "intercept_": np.array(intercept, dtype=dtype),
            "_link": self.link,
            "_seen": self.seen or (self.objective.total, self.objective.mass),
        }

    def _objective(self, data: validation.FitInput, sums: Sums, alpha: float) -> Objective:
        """The objective of some rows, with the class weights of those that are fitted."""
        estimator = self.estimator
        weighted = self.link.weigh(self.class_weights, data.targets.values, data.weights, sums)
        total = (
            validation.check_positive_mass(weighted.total)
            if self.seen is None
            else self._part(weighted.total, sums.mass)
        )
        return Objective(
            self.link.loss(estimator.gamma, estimator.label_smoothing, weighted.class_weight),
            data.X,
            self.link.outputs_of(data.targets.values),
            None if weighted.row_weight is None else weighted.row_weight.astype(data.X.dtype),
            total=total,
            n_outputs=self.link.n_outputs,
            alpha=float(alpha),
            fit_intercept=estimator.fit_intercept,
            frequencies=weighted.frequencies,
            mass=weighted.mass,
            random_state=self.seed,
        )

    def _part(self, total: float, mass: float) -> float:
        """What the sum over some rows of a stream is divided by: their weight times a class weight's mean so far."""
        before = self.seen or (0.0, 0.0)
        self.seen = before[0] + total, before[1] + mass
        return mass * (self.seen[0] / self.seen[1] if self.seen[0] > 0 else 1.0)

    def _fits(self) -> bool:
        """Whether the estimator's coefficients are of the same classes, outputs and features."""
        fitted, (k, p) = self.estimator, self.objective.shape
        return (
            hasattr(fitted, "coef_")
            and type(fitted._link) is type(self.link)
            and np.array_equal(fitted.classes_, self.link.classes)
            and fitted.coef_.shape == (k, p - fitted.fit_intercept)
        )

    def _options(self, solver: Callable) -> dict[str, Any]:
        """The parameters that a solver takes."""
        names = _parameters_of(solver)
        options = {name: getattr(self.estimator, name, None) for name in names[2:]}
        if "learning_rate_init" in options:
            options["learning_rate_init"] = self._learning_rate()[1]
        return options

    def _learning_rate(self) -> tuple[str, float | None]:
        return validation.check_learning_rate(self.estimator.learning_rate, self.estimator.learning_rate_init)

    def _batching(self, patience: float) -> Batching:
        """The parameters of mini-batches; a stream has endless patience."""
        own = {field.name: getattr(self.estimator, field.name) for field in fields(Batching)}
        own["learning_rate"], own["learning_rate_init"] = self._learning_rate()
        if patience == np.inf and own["learning_rate"] == "adaptive":  # a stream has no epochs to adapt to
            own["learning_rate"] = "decaying"
        own["batch_size"] = validation.check_batch_size(self.estimator.batch_size, batch_size_that_pays(self.data.X))
        return Batching(**{**own, "n_iter_no_change": patience, "random_state": self.seed})

    def _memory(self, batching: Batching) -> Memory | None:
        """What the last mini-batches left, if it belongs to the coefficients that the estimator has now."""
        fitted = self.estimator
        memory = getattr(fitted, "_memory", None)
        if memory is None or not self._fits() or memory.theta.size != self.objective.theta_size:
            return None
        pairs = zip(self.objective.unpack(memory.answer(batching)), (fitted.coef_, fitted.intercept_), strict=True)
        return memory if all(np.array_equal(own.astype(now.dtype), now) for own, now in pairs) else None

    def _validation(self, data: validation.FitInput) -> Validation:
        """Early stopping by the loss of validation rows without penalty, or by a scorer."""
        estimator = self.estimator
        patience = estimator.n_iter_no_change if estimator.early_stopping else np.inf
        if estimator.scoring is None:
            sums = target_sums(self.link.classes, data.targets.values, data.weights)
            objective = self._objective(data, sums, 0.0)
            return Validation(lambda theta: objective.value_and_gradient(theta)[0], patience, estimator.tol)
        scorer = validation.check_scorer(estimator, estimator.scoring)
        options = {"sample_weight": data.weights} if validation.accepts_weights(scorer) else {}
        model, X, y = copy.copy(estimator), self._named(data.X), data.targets.labels()

        def minus_score(theta: NDArray[Any]) -> float:
            vars(model).update(self.attributes(theta))
            return -validation.check_score(scorer(model, X, y, **options))

        return Validation(minus_score, patience, estimator.tol)

    def _named(self, X: Any) -> Any:
        """Features with the names that the estimator was given, if it was."""
        if not hasattr(self.estimator, "feature_names_in_") or not isinstance(X, np.ndarray):
            return X
        import pandas as pd

        return pd.DataFrame(X, columns=self.estimator.feature_names_in_, copy=False)

    def bridge(self, context: Any) -> Bridge:
        """To scikit-learn's callbacks."""
        weights = self.data.weights
        metadata = None if weights is None else {"sample_weight": weights}
        arguments = {"estimator": self.estimator, "X": self._named(self.data.X), "y": self.data.targets.labels()}
        return Bridge(context, {**arguments, "metadata": metadata}, self.attributes)


@cache
def _parameters_of(solver: Callable) -> tuple[str, ...]:
    return tuple(signature(solver).parameters)
