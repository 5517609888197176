"""ONNX graphs of fitted classifiers say what the classifiers say."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import special
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skce import CrossEntropyClassifier, CrossEntropyClassifierCV
from skce.onnx import register_converters
from tests.test_links import targets

skl2onnx = pytest.importorskip("skl2onnx")
onnxruntime = pytest.importorskip("onnxruntime")

CASES = [
    (form, link, k)
    for form in ("labels", "strings", "soft", "answers")
    for link in ("auto", "sigmoid", "softmax")
    for k in (2, 3)
    if (form, link) != ("answers", "softmax")
]


def run(model, X, **options):
    """Outputs of the model's graph."""
    register_converters()
    graph = skl2onnx.to_onnx(model, X[:1], options=options or {"zipmap": False})
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"X": X})


@pytest.mark.parametrize(("form", "link", "k"), CASES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_graph_is_the_classifier(form, link, k, dtype):
    """Labels and probabilities, for every link and form of y, in either precision."""
    X, y, _ = targets(form, k)
    X = X.astype(dtype)
    model = CrossEntropyClassifier(link=link, alpha=0.05).fit(X, y)
    labels, proba = run(model, X)
    assert_array_equal(labels, model.predict(X))
    assert proba.dtype == dtype
    assert_allclose(proba, model.predict_proba(X), rtol=1e-4 if dtype == np.float32 else 1e-12, atol=1e-7)


def test_graph_of_a_pipeline_and_of_a_path():
    """Behind a scaler; and the classifier that chooses its penalty."""
    X, y, _ = targets("strings", 3)
    X = (100 * X + 7).astype(np.float32)
    pipeline = make_pipeline(StandardScaler(), CrossEntropyClassifierCV(alphas=3, cv=3)).fit(X, y)
    labels, proba = run(pipeline, X)
    assert_array_equal(labels, pipeline.predict(X))
    assert_allclose(proba, pipeline.predict_proba(X), atol=1e-5)


def test_zipmap():
    """skl2onnx's default, which onnxruntime has in single precision: a dict of probabilities for each row."""
    X, y, _ = targets("strings", 3)
    X = X.astype(np.float32)
    model = CrossEntropyClassifier().fit(X, y)
    _, rows = run(model, X, zipmap=True)
    assert list(rows[0]) == list(model.classes_)
    assert_allclose([[row[c] for c in model.classes_] for row in rows], model.predict_proba(X), rtol=1e-5)


def test_integer_features():
    """Become floats in the graph."""
    X, y, _ = targets("labels", 3)
    X = np.rint(10 * X).astype(np.int64)
    model = CrossEntropyClassifier().fit(X, y)
    assert_allclose(run(model, X)[1], model.predict_proba(X), rtol=1e-3, atol=1e-6)


def test_one_vs_rest_far_out():
    """Where every sigmoid rounds to 0 the probabilities still sum to 1."""
    X, y, _ = targets("labels", 3)
    model = CrossEntropyClassifier(link="sigmoid").fit(X, y)
    model.intercept_ -= 2000
    assert special.expit(model.decision_function(X)).max() == 0
    assert_allclose(run(model, X)[1], model.predict_proba(X), rtol=1e-9)


@pytest.mark.parametrize("labels", [[True, False], [0.0, 1.0], np.array([7, -3], dtype=np.int8)], ids=str)
def test_classes_that_are_integers_in_another_guise(labels):
    """Bools, whole floats and small integers are int64 in the graph."""
    X, codes, _ = targets("labels", 2)
    model = CrossEntropyClassifier().fit(X, np.array(labels)[codes])
    assert_array_equal(run(model, X)[0], model.predict(X).astype(np.int64))


def test_classes_that_onnx_does_not_have():
    """Says which."""
    X, codes, _ = targets("labels", 2)
    model = CrossEntropyClassifier().fit(X, codes)
    model.classes_ = np.array([0.5, 1.5])
    with pytest.raises(ValueError, match="integers and strings"):
        run(model, X)
