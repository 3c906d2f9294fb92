"""Classify, regress and both at once: tf.train.Examples in, as signatures of those methods take them.

The rules and words are TensorFlow Serving's (servables/tensorflow/multi_inference.cc).
"""

import numpy as np
from google.protobuf.message import Message

from serving.arrays import invalid
from serving.errors import Refused
from serving.loading import DEFAULT_SIGNATURE, Model
from serving.methods import CLASSIFY, REGRESS, check, classes, values
from serving.metrics import RUNTIME_LATENCY
from serving.predictor import Predictor

# isort: split
from tensorflow.core.example.example_pb2 import Example
from tensorflow_serving.apis.classification_pb2 import ClassificationResult
from tensorflow_serving.apis.inference_pb2 import InferenceResult, InferenceTask
from tensorflow_serving.apis.input_pb2 import Input
from tensorflow_serving.apis.regression_pb2 import RegressionResult

MAX_SHARED = 2**28
"""Bytes of a context, each example having its own copy: a short request could ask for all memory there is."""


def classify(name: str, model: Model, signature_name: str, examples: Input) -> ClassificationResult:
    """Classes of each example: a label, a score, or both.

    Args:
        name: the model's, for the metrics.
        model: what answers.
        signature_name: of a signature for classifying; the default's may be empty.
        examples: with or without a context that all share.

    Raises:
        Refused: INVALID_ARGUMENT, there is no such signature, or it or its answer is not one for classifying;
            FAILED_PRECONDITION, its inputs or outputs go by other names; or as the model refuses.
    """
    _check(model, signature_name, CLASSIFY)
    return classes(*_run(name, "Classify", model, signature_name, examples))


def regress(name: str, model: Model, signature_name: str, examples: Input) -> RegressionResult:
    """A value for each example; arguments and errors are those of `classify`."""
    _check(model, signature_name, REGRESS)
    return values(*_run(name, "Regress", model, signature_name, examples))


def infer(name: str, model: Model, tasks: list[InferenceTask], examples: Input) -> list[InferenceResult]:
    """The classes or values of several signatures for the same examples, in the order of the tasks.

    Raises:
        Refused: as by `classify`; INVALID_ARGUMENT, the tasks name several models, a signature twice, or
            signatures that read different tensors; UNIMPLEMENTED, a method is neither of the two.
    """
    _check_tasks(model, tasks)
    results = []
    for task in tasks:
        answer = _run(name, "MultiInference", model, task.model_spec.signature_name, examples)
        if task.method_name == CLASSIFY:
            results.append(InferenceResult(classification_result=classes(*answer)))
        else:
            results.append(InferenceResult(regression_result=values(*answer)))
    return results


def _check_tasks(model: Model, tasks: list[InferenceTask]) -> None:
    seen: set[str] = set()
    tensor = ""
    for task in tasks:
        if not task.model_spec.name:
            raise invalid("Found ModelSpec with an empty model name.")
        if task.model_spec.name != tasks[0].model_spec.name:
            raise invalid("All ModelSpecs in a MultiInferenceRequest must access the same model name.")
        signature_name = task.model_spec.signature_name or DEFAULT_SIGNATURE
        if signature_name in seen:
            raise invalid(f"Duplicate evaluation of signature: {signature_name}")
        seen.add(signature_name)
        if signature_name not in model.metadata.signature_def:
            raise invalid(f"Requested signature not found in model graph: {signature_name}")
        if task.method_name not in (CLASSIFY, REGRESS):
            raise Refused("UNIMPLEMENTED", f"Unsupported signature method_name: {task.method_name}")
        definition = model.metadata.signature_def[signature_name]
        check(definition, task.method_name)
        if tensor not in ("", definition.inputs["inputs"].name):
            raise invalid("Input tensor must be the same for all Signatures.")
        tensor = definition.inputs["inputs"].name


def _check(model: Model, signature_name: str, method: str) -> None:
    signature_name = signature_name or DEFAULT_SIGNATURE
    if signature_name not in model.metadata.signature_def:
        raise invalid(f"No signature was found with the name: {signature_name}")
    check(model.metadata.signature_def[signature_name], method)


def _run(
    name: str, api: str, model: Model, signature_name: str, examples: Input
) -> tuple[dict[str, np.ndarray], int]:
    """The signature's outputs, and for how many examples."""
    serialized = _serialized(examples)
    if model.contents is not None:
        model.contents.check_pictures("examples", _strings(serialized))
    predictor = Predictor(model)
    with RUNTIME_LATENCY.time(name, api, "TF1"):
        outputs = predictor.call(
            predictor.signature(signature_name), {"inputs": np.array(serialized, dtype=object)}
        )
    return outputs, len(serialized)


def _serialized(examples: Input) -> list[bytes]:
    kind: Message = getattr(examples, examples.WhichOneof("kind") or "example_list")
    # Of two messages one after the other, fields of the later count: an example's win over the context's.
    context = kind.context.SerializeToString() if "context" in kind.DESCRIPTOR.fields_by_name else b""
    if not kind.examples:
        raise invalid("Input is empty.")
    if len(context) * len(kind.examples) > MAX_SHARED:
        raise invalid(
            f"a context must take at most {MAX_SHARED} bytes, counted once for each example; "
            f"received {len(context)} bytes for {len(kind.examples)} examples: send fewer at a time"
        )
    return [context + example.SerializeToString() for example in kind.examples]


def _strings(serialized: list[bytes]) -> np.ndarray:
    """What the examples hold as bytes, each with its share of the context."""
    features = (
        feature for one in serialized for feature in Example.FromString(one).features.feature.values()
    )
    return np.array([string for feature in features for string in feature.bytes_list.value], object)
