"""ONNX: fitted classifiers as graphs that run without Python, through skl2onnx.

Come here to register the converters with skl2onnx, which is an optional dependency: ``pip install skce[onnx]``.
"""

from typing import Any

import numpy as np

from skce import _validation as validation
from skce._link import Labels, OneVsRest, Sigmoid, Softmax
from skce.classifier import CrossEntropyClassifier
from skce.path import CrossEntropyClassifierCV


def register_converters() -> None:
    """Teach skl2onnx to convert this library's classifiers, alone and in pipelines.

    Call it once, then ``skl2onnx.to_onnx(model, X[:1])`` as for scikit-learn's classifiers. The graph gives labels and
    probabilities: of shape (n,) and (n, n_classes), or both (n, n_labels) for several labels a row. It computes in the
    type of that row: where the coefficients are float64 of float32 features, pass one of float64.

    Examples
    --------
    >>> from skce.onnx import register_converters
    >>> register_converters()  # doctest: +SKIP
    >>> graph = skl2onnx.to_onnx(model, X[:1], options={"zipmap": False})  # doctest: +SKIP
    """
    from skl2onnx import update_registered_converter

    for kind in (CrossEntropyClassifier, CrossEntropyClassifierCV):
        options = {"zipmap": [True, False, "columns"], "output_class_labels": [False, True], "nocl": [True, False]}
        update_registered_converter(kind, f"Skce{kind.__name__}", _set_shapes, _convert, options=options)


def _set_shapes(operator: Any) -> None:
    """Kinds and shapes of the labels and the probabilities."""
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType, StringTensorType

    model, features = operator.raw_operator, operator.inputs[0]
    n, n_classes = features.get_first_dimension(), len(model.classes_)
    several = isinstance(model._link, Labels)
    words = not several and validation.check_onnx_classes(model.classes_).dtype.kind == "U"
    number = DoubleTensorType if isinstance(features.type, DoubleTensorType) else FloatTensorType
    operator.outputs[0].type = (StringTensorType if words else Int64TensorType)([n, n_classes] if several else [n])
    operator.outputs[1].type = number([n, n_classes])


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """The graph: logits, then what the link makes of them."""
    from skl2onnx.algebra import onnx_ops as ops
    from skl2onnx.common.data_types import guess_numpy_type, guess_proto_type

    model, (label, proba), version = operator.raw_operator, operator.outputs, {"op_version": container.target_opset}
    dtype = guess_numpy_type(proba.type)
    features = ops.OnnxCast(operator.inputs[0], to=guess_proto_type(proba.type), **version)
    weights = model.coef_.T.astype(dtype)
    logits = ops.OnnxAdd(ops.OnnxMatMul(features, weights, **version), model.intercept_.astype(dtype), **version)
    if isinstance(model._link, Sigmoid):  # logits of both classes
        logits = ops.OnnxConcat(ops.OnnxNeg(logits, **version), logits, axis=1, **version)
    _probabilities(model._link, logits, dtype, version, output_names=[proba]).add_to(scope, container)
    _labels(model, logits, dtype, version, output_names=[label]).add_to(scope, container)


def _log_sigmoid(logits: Any, dtype: Any, version: dict) -> Any:
    """min(z, 0) - log(1 + exp(-|z|)); onnxruntime has Softplus in single precision only."""
    from skl2onnx.algebra import onnx_ops as ops

    small = ops.OnnxExp(ops.OnnxNeg(ops.OnnxAbs(logits, **version), **version), **version)
    bend = ops.OnnxLog(ops.OnnxAdd(small, np.ones(1, dtype), **version), **version)
    return ops.OnnxSub(ops.OnnxMin(logits, np.zeros(1, dtype), **version), bend, **version)


def _probabilities(link: Any, logits: Any, dtype: Any, version: dict, **outputs: Any) -> Any:
    """Node of the probability of each class."""
    from skl2onnx.algebra import onnx_ops as ops

    if isinstance(link, OneVsRest):  # scaled to sum to 1, also where each of them rounds to 0
        logits = _log_sigmoid(logits, dtype, version)
    if isinstance(link, Softmax | OneVsRest):
        return ops.OnnxSoftmax(logits, axis=1, **version, **outputs)
    return ops.OnnxSigmoid(logits, **version, **outputs)


def _labels(model: Any, logits: Any, dtype: Any, version: dict, **outputs: Any) -> Any:
    """Node of what `predict` answers."""
    from onnx import TensorProto
    from skl2onnx.algebra import onnx_ops as ops

    if isinstance(model._link, Labels):
        yes = ops.OnnxGreater(logits, np.zeros(1, dtype), **version)
        return ops.OnnxCast(yes, to=TensorProto.INT64, **version, **outputs)
    codes = ops.OnnxArgMax(logits, axis=1, keepdims=0, **version)
    return ops.OnnxGather(validation.check_onnx_classes(model.classes_), codes, axis=0, **version, **outputs)
