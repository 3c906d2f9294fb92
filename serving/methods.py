"""What signatures for classifying and regressing must be, and what their outputs say.

The rules and words are TensorFlow Serving's (servables/tensorflow/{classifier,regressor}.cc).
"""

import itertools
from collections.abc import Mapping

import numpy as np

from serving.arrays import invalid
from serving.errors import Refused
from serving.quiet import tf

# isort: split
from tensorflow.core.framework.types_pb2 import DataType
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis.classification_pb2 import ClassificationResult
from tensorflow_serving.apis.regression_pb2 import RegressionResult

CLASSIFY, REGRESS = tf.saved_model.CLASSIFY_METHOD_NAME, tf.saved_model.REGRESS_METHOD_NAME


def check(definition: SignatureDef, method: str) -> None:
    """Raises unless a signature is one for the method.

    Raises:
        Refused: INVALID_ARGUMENT, it is for something else or has too many tensors; FAILED_PRECONDITION, they
            go by other names.
    """
    kind = "classification" if method == CLASSIFY else "regression"
    if definition.method_name != method:
        raise invalid(f"Expected {kind} signature method_name to be {method}. Was: {definition.method_name}")
    if len(definition.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if method == REGRESS and len(definition.outputs) != 1:
        raise invalid("Expected one output Tensor.")
    if method == CLASSIFY and len(definition.outputs) not in (1, 2):
        raise invalid(f"Expected one or two output Tensors, found {len(definition.outputs)}")
    if "inputs" not in definition.inputs:
        raise _unfit(f"No {kind} inputs found in SignatureDef: {definition}")
    if method == REGRESS and "outputs" not in definition.outputs:
        raise _unfit(f"No regression outputs found in SignatureDef: {definition}")
    if method == CLASSIFY and not {"classes", "scores"} & set(definition.outputs):
        raise _unfit(
            'Expected classification signature outputs to contain at least one of "classes" or "scores". '
            f"Signature was: {definition}"
        )


def _unfit(text: str) -> Refused:
    return Refused("FAILED_PRECONDITION", text)


def classes(outputs: Mapping[str, np.ndarray], examples: int) -> ClassificationResult:
    """The classes of each example.

    Args:
        outputs: `classes`, strings, or `scores`, float32, or both, [examples, classes].
        examples: how many there are.

    Raises:
        Refused: INVALID_ARGUMENT, the outputs are something else.
    """
    labels, scores = outputs.get("classes"), outputs.get("scores")
    for name, array, wanted in (("classes", labels, "DT_STRING"), ("scores", scores, "DT_FLOAT")):
        if array is None:
            continue
        if array.ndim != 2:
            raise invalid(f"Expected Tensor shape: [batch_size num_classes] but got {_shape(array)}")
        if _type(array) != wanted:
            raise invalid(f"Expected {name} Tensor of {wanted}. Got: {_type(array)}")
        if len(array) != examples:
            raise invalid(f"Expected {name} output batch size of {examples}. Got: {len(array)}")
    if labels is not None and scores is not None and labels.shape != scores.shape:
        raise invalid(
            "Tensors class and score should match in dim_size(1). "
            f"Got {labels.shape[1]} vs. {scores.shape[1]}"
        )
    result = ClassificationResult()
    for row in range(examples):
        found = result.classifications.add().classes
        names = itertools.repeat(b"") if labels is None else labels[row]
        for name, score in zip(names, itertools.repeat(0.0) if scores is None else scores[row], strict=False):
            found.add(label=name.decode(errors="replace"), score=score)
    return result


def values(outputs: Mapping[str, np.ndarray], examples: int) -> RegressionResult:
    """The value of each example.

    Args:
        outputs: `outputs`, float32, [examples] or [examples, 1].
        examples: how many there are.

    Raises:
        Refused: INVALID_ARGUMENT, the outputs are something else.
    """
    array = outputs["outputs"]
    if not (array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1)):
        raise invalid(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] "
            f"but got {_shape(array)}"
        )
    if len(array) != examples:
        raise invalid(f"Input batch size did not match output batch size: {examples} vs. {len(array)}")
    if _type(array) != "DT_FLOAT":
        raise invalid(f"Expected output Tensor of DT_FLOAT.  Got: {_type(array)}")
    result = RegressionResult()
    for value in array.ravel():
        result.regressions.add(value=value)
    return result


def _shape(array: np.ndarray) -> str:
    return f"[{','.join(map(str, array.shape))}]"


def _type(array: np.ndarray) -> str:
    return DataType.Name(tf.as_dtype(array.dtype).as_datatype_enum)
