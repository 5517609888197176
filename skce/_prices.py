"""The cost model of a fit: what passes over X and models of the Hessian cost, and which model is the cheapest.

The unit is a multiplication of the products of a pass over dense rows, of which a core of today makes 2e10 a second.
Every choice rests on these prices. Where it can wait, the rule is that of who rents skis until the rent comes up to
their price: a dearer model is built once as much has been spent on passes without it, and so no fit takes more than
twice as long as it would with the better of always and never.
"""

from dataclasses import dataclass

import numpy as np

CALL = 1e6
"""Of the calls of a step, when nothing is large."""

DENSE_OUTPUT = 4
"""Of a number of a dense row in a pass, for each output: two products, which have to wait for memory."""

STORED, STORED_OUTPUT, STORED_ONE_OUTPUT = 150, 12, 65
"""Of a number that a sparse row stores in a pass, and more for each output; for one output, all in all."""

PAIR, PAIRED, UNPACKED = 50, 1000, 130
"""Of a pair of numbers of a sparse row in a product of it with itself, and of a number in all its pairs; of a number,
stored or not, of rows that are made dense."""

SCALED = 30
"""Of a number of X that is multiplied by a weight of its row, once for each pair of outputs."""

READ, READ_OUTPUT = 12, 3.5
"""Of a number of a dense row in a pass, as it is measured, and more for each output."""

FACTOR, BASIS, BASIS_CALLS = 0.5, 6, 1200
"""Of the cube of the features, to factorise a covariance and to find a basis, and of their square for the calls of the
latter, which are small."""

BY_FACTOR, BY_BASIS, BY_BASIS_OUTPUT = 15, 4, 2
"""Of a pair of features in a solution by a factor, for each output; by a basis, and more for each output."""

SOLUTIONS = 40
"""That a covariance serves: two a step."""

EAGER = 3
"""By what less a decomposition counts for sparse rows: most hold indicators, whose correlations a fit must know."""

NEWTON_STEPS = 8
"""Hessians that a fit is taken to need."""

ON_TRUST = 3
"""Passes that a covariance may cost before any has been made."""

LARGEST_HESSIAN = 8_000_000
"""Numbers of a Hessian that is built in whole: 64 MB, and three times as much beside it meanwhile."""

LARGEST_COVARIANCE = {True: 500, False: 3000}
"""Features whose correlations are looked at, of sparse and of dense rows."""

LEAST_FACTOR, MOST_FACTORS = 200, 6
"""Features from which a triangle for each of several outputs saves more than its calls cost, and outputs to which it
takes no more memory than a basis for all."""


@dataclass(frozen=True)
class Prices:
    """Of one objective.

    Attributes
    ----------
    shape : (k, p)
        Outputs, and coefficients of each.
    independent : bool
        Whether outputs do not interact, so that the Hessian is one of p^2 for each.
    stored : float, default=None
        Numbers that a row of X stores; None if it is dense.
    """

    shape: tuple[int, int]
    independent: bool
    stored: float | None = None

    def of_pass(self, n: int) -> float:
        """The value and gradient of n rows."""
        k, p = self.shape
        if self.stored is None:
            return CALL + n * DENSE_OUTPUT * k * p
        return CALL + n * self.stored * (STORED_ONE_OUTPUT if k == 1 else STORED + STORED_OUTPUT * k)

    def of_hessian(self, n: int) -> float:
        """The whole Hessian of n rows, and its factorisation."""
        k, p = self.shape
        fixed = CALL + (0 if self.stored is None else n * UNPACKED * p)
        if self.independent:
            return fixed + k * (n * p * p / 2 + p**3 / 3)
        gram = p * p / 2 + SCALED * p
        blocks = k * (k - 1) / 2 * gram if pairs_pay(k, p) else k * gram + k * k * p * p / 2
        return fixed + n * blocks + (k * p) ** 3 / 3

    def of_covariance(self, n: int) -> float:
        """A model with all correlations in n rows; of dense ones with its solutions, which outweigh short passes."""
        price = self._products(n) + self._decomposition()
        if self.stored is not None:
            return price
        k, p = self.shape
        solution = BY_FACTOR * k if factors_pay(k, p) else BY_BASIS + BY_BASIS_OUTPUT * k
        return self._fairly(price + SOLUTIONS * solution * p * p)

    def of_row_space(self, n: int) -> float:
        """The span of n dense rows, fewer than features: their products, and a basis in which these are a diagonal."""
        return self._fairly(n * n * self.shape[1] / 2 + _basis(n))

    def _products(self, n: int) -> float:
        """Of all pairs of features."""
        p = self.shape[1]
        return n * p * p / 2 if self.stored is None else n * self.stored * (PAIR * self.stored + PAIRED)

    def _decomposition(self) -> float:
        """Factors of a covariance, or a basis."""
        k, p = self.shape
        price = k * FACTOR * p**3 if factors_pay(k, p) else _basis(p)
        return price if self.stored is None else price / EAGER

    def _fairly(self, price: float) -> float:
        """A price beside `of_pass`, by which a pass over dense rows costs few outputs less than it takes."""
        k = self.shape[0]
        return price * DENSE_OUTPUT * k / (READ + READ_OUTPUT * k)

    @property
    def allow_hessian(self) -> bool:
        """Whether the whole Hessian is small enough to be built."""
        k, p = self.shape
        return (k * p * p if self.independent else (k * p) ** 2) <= LARGEST_HESSIAN

    @property
    def allow_covariance(self) -> bool:
        """Whether all correlations are few enough to be looked at."""
        return self.shape[1] <= LARGEST_COVARIANCE[self.stored is not None]

    def sample_size(self, n: int) -> int:
        """Rows of n that a factored model looks at: 20 for each feature, of which more save no steps, or 8 if dear."""
        k, p = self.shape
        return int(max(2000, p * np.clip(16 * n * k / p**2, 8, 20)))

    def favour_newton(self, n: int, stand_ins: int) -> bool:
        """Whether a fit is cheapest with the whole Hessian from the start, and not with a factored model.

        Newton's method takes about 8 steps, each with a Hessian and its factorisation; a factored model 12 for one
        output, of whose Hessian it is a sample, and about 40 for several, each with little more than a pass over X; and
        three covariances, or as much again. Where few rows are `stand_ins` for all n, all of that is done with them; 2
        passes over all rows follow, or 15 with a factored model of several outputs.
        """
        steps, passes = (12, 2) if self.shape[0] == 1 else (40, 15)
        newton = NEWTON_STEPS * self.of_hessian(stand_ins)
        factored = steps * self.of_pass(stand_ins)
        if self.allow_covariance:
            covariance = self._products(min(stand_ins, self.sample_size(n))) + self._decomposition()
            factored += min(3 * covariance, factored)
        if stand_ins < n:
            newton += 2 * self.of_pass(n)
            factored += passes * self.of_pass(n)
        return self.allow_hessian and newton <= factored


def pairs_pay(k: int, d: int) -> bool:
    """Whether the Hessian of outputs that compete is made pair by pair: up to four outputs, or many features.

    In 0.5 of the time of one product for 3 to 5 outputs, 0.8 for 10 of 65 features; as long for 31, and 1.8 for 10.
    """
    return k <= 4 or d >= 4 * k


def _basis(p: int) -> float:
    """A basis in which a matrix of p by p is a diagonal."""
    return BASIS * p**3 + BASIS_CALLS * p * p


def factors_pay(k: int, d: int) -> bool:
    """Whether to factorise a covariance for each output, rather than to find a basis for all."""
    return k == 1 or (d >= LEAST_FACTOR and k <= MOST_FACTORS)
