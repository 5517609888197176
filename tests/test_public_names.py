"""The public names, their parameters and defaults: what users' code relies on."""

from inspect import Parameter, signature

import pytest

import skce

REQUIRED = Parameter.empty

DISTRIBUTIONS = {"axis": -1, "base": None}
METRIC = {
    "labels": None,
    "sample_weight": None,
    "class_weight": None,
    "label_smoothing": 0.0,
    "from_logits": False,
    "reduction": "mean",
    "base": None,
    "eps": "auto",
    "handle_unknown": "error",
}
MEAN = {name: default for name, default in METRIC.items() if name != "reduction"}

KEYWORDS = {
    "entropy": DISTRIBUTIONS,
    "cross_entropy": DISTRIBUTIONS,
    "kl_divergence": DISTRIBUTIONS,
    "js_divergence": DISTRIBUTIONS,
    "cross_entropy_loss": METRIC,
    "binary_cross_entropy_loss": METRIC | {"pos_label": None},
    "multilabel_cross_entropy_loss": {
        "average": "micro",
        "pos_weight": None,
        "sample_weight": None,
        "label_smoothing": 0.0,
        "from_logits": False,
        "reduction": "mean",
        "base": None,
        "eps": "auto",
    },
    "focal_loss": METRIC | {"gamma": 2.0},
    "kl_divergence_loss": METRIC,
    "perplexity": {name: default for name, default in MEAN.items() if name != "label_smoothing"},
    "d2_cross_entropy_score": {
        name: default for name, default in MEAN.items() if name not in ("label_smoothing", "base")
    },
    "make_scorer": {"greater_is_better": False, "response_method": "predict_proba"},
}
"""Keyword-only parameters of each function, whose positional ones are its data."""

CLASSIFIER = {
    "alpha": 1e-4,
    "fit_intercept": True,
    "link": "auto",
    "label_smoothing": 0.0,
    "gamma": 0.0,
    "class_weight": None,
    "solver": "auto",
    "tol": 1e-6,
    "max_iter": 1000,
    "early_stopping": False,
    "validation_fraction": 0.1,
    "n_iter_no_change": 5,
    "warm_start": False,
    "random_state": None,
    "verbose": 0,
}

SCORERS = [
    "d2_cross_entropy",
    "neg_binary_cross_entropy",
    "neg_cross_entropy",
    "neg_focal_loss",
    "neg_kl_divergence",
    "neg_multilabel_cross_entropy",
    "neg_perplexity",
]


def keywords_of(function):
    """Keyword-only parameters and their defaults."""
    parameters = signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


@pytest.mark.parametrize("name", KEYWORDS)
def test_keywords_of_functions(name):
    """Each option is there, by keyword only, with its default; more may come."""
    assert KEYWORDS[name].items() <= keywords_of(getattr(skce, name)).items()


@pytest.mark.parametrize("name", [name for name in KEYWORDS if name.endswith(("_loss", "_score", "perplexity"))])
def test_data_of_metrics_come_first(name):
    """scikit-learn's scorers pass them by position, and take `y_proba` for a response, not for metadata."""
    positional = [p for p in signature(getattr(skce, name)).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert [(p.name, p.default) for p in positional] == [("y_true", REQUIRED), ("y_proba", REQUIRED)]


def test_parameters_of_the_classifier():
    """All by keyword, as scikit-learn's estimators have them."""
    assert CLASSIFIER.items() <= keywords_of(skce.CrossEntropyClassifier).items()


def test_scorers_have_names():
    """The names that `get_scorer` takes are those of the package."""
    assert skce.get_scorer_names() == SCORERS
    assert all(repr(skce.get_scorer(name)) == repr(getattr(skce, name)) for name in SCORERS)


def test_losses_take_smoothing_and_class_weights():
    """Every loss does; a focal loss takes gamma."""
    for loss in (skce.SoftmaxCrossEntropy, skce.SigmoidCrossEntropy, skce.SoftmaxFocal, skce.SigmoidFocal):
        own = keywords_of(loss)
        assert own.keys() >= {"label_smoothing", "class_weight"}
        assert ("gamma" in own) == ("Focal" in loss.__name__)


def test_all_names_are_there():
    """And sorted."""
    assert sorted(skce.__all__) == skce.__all__
    assert all(hasattr(skce, name) for name in skce.__all__)
