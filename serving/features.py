"""JSON to tf.train.Examples and their answers back, by the rules and in the words of TensorFlow Serving.

They are those of util/json_tensor.cc.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from serving.arrays import JSON_TYPES, bytes_of, invalid, is_object, shown
from serving.tensors import write

# isort: split
from tensorflow.core.example.example_pb2 import Example
from tensorflow.core.example.feature_pb2 import Feature
from tensorflow_serving.apis.classification_pb2 import ClassificationResult
from tensorflow_serving.apis.input_pb2 import Input
from tensorflow_serving.apis.regression_pb2 import RegressionResult

KINDS = {"bytes_list": "bytes", "float_list": "float", "int64_list": "int64"}
FLOAT_MAX = float(np.finfo(np.float32).max)


def read_examples(document: Mapping[str, Any]) -> Input:
    """The examples of a classify or regress request, each an object of features, and their shared context.

    Raises:
        Refused: INVALID_ARGUMENT, the request does not fit.
    """
    context = _example(document["context"]) if "context" in document else None
    if "examples" not in document:
        raise invalid("When method is classify, key 'examples' is expected and was not found")
    objects = document["examples"]
    if not isinstance(objects, list):
        raise invalid("Expecting 'examples' value to be an list/array")
    if not objects:
        raise invalid("'examples' value is an empty array")
    examples = [_example(value) for value in objects]
    if context is None:
        return Input(example_list={"examples": examples})
    return Input(example_list_with_context={"examples": examples, "context": context})


def _example(value: Any) -> Example:
    if not isinstance(value, dict):
        raise invalid(f"Example must be JSON object but got JSON {_type(value)}")
    example = Example()
    for name, content in value.items():
        feature = example.features.feature[name]
        for element in content if isinstance(content, list) else [content]:
            _add(element, name, feature)
    return example


def _add(element: Any, name: str, feature: Feature) -> None:
    if element is None or isinstance(element, list) or is_object(element):
        raise invalid(f"Feature: {name} has element with unexpected JSON type: {_type(element)}")
    kind = "int64_list" if isinstance(element, int) else "float_list"
    if isinstance(element, str | dict):
        kind, element = "bytes_list", bytes_of(element)
    elif isinstance(element, bool):
        element = int(element)
    known = feature.WhichOneof("kind")
    if known not in (None, kind):
        raise invalid(f"Unexpected element type in feature: {name} expecting type: {KINDS[known]}")
    if kind == "int64_list" and element >= 2**63:
        raise invalid(f"Feature: {name} has uint64 element. Only int64 is supported.")
    if kind == "float_list" and np.isfinite(element) and abs(element) > FLOAT_MAX:
        raise invalid(f"Cannot convert JSON value: {shown(element)} to float without loss of precision.")
    getattr(feature, kind).value.append(element)


def _type(value: Any) -> str:
    return str(value) if isinstance(value, bool) else JSON_TYPES[type(value)]


def write_classes(result: ClassificationResult) -> bytes:
    """The JSON answer: for each example a list of [label, score]."""
    return write(
        {
            "results": [
                [[found.label, np.float32(found.score)] for found in row.classes]
                for row in result.classifications
            ]
        },
        finite=all(np.isfinite(found.score) for row in result.classifications for found in row.classes),
    )


def write_values(result: RegressionResult) -> bytes:
    """The JSON answer: a number for each example."""
    values = np.array([regression.value for regression in result.regressions], np.float32)
    return write({"results": values}, finite=bool(np.isfinite(values).all()))
