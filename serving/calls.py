"""One call into a model's signature: checked, and computed alone or together with others."""

from collections.abc import Iterable, Mapping, Set
from functools import partial
from typing import NamedTuple

import numpy as np
from starlette.concurrency import run_in_threadpool

from serving.contents import Contents
from serving.deadline import check_deadline, deadline
from serving.errors import Refused, reason
from serving.headers import claimed_pixels
from serving.loading import DEFAULT_SIGNATURE, Model, Signature
from serving.merging import Arrays, Compute
from serving.metrics import COMPUTE_LATENCY, DECODE_LATENCY, Histogram
from serving.quiet import tf

# isort: split
from tensorflow.core.protobuf.error_codes_pb2 import Code

DECODE, PREDICT = "decode_images", "predict_images"
LARGE = 2**20
"""Pixels that take longer to decode than others, whose pictures are smaller, should wait in one batch."""


class Call(NamedTuple):
    """One call into a signature, checked.

    Args:
        model: what answers.
        signature: of it.
        inputs: arrays by name, those left out as well.
        stages: what computes it together with others' calls, step by step; nothing where none may.
    """

    model: Model
    signature: Signature
    inputs: Arrays
    stages: list[Compute]


def prepare(model: Model, signature: Signature, inputs: Mapping[str, np.ndarray]) -> Call:
    """The call of a signature with inputs; what they hold is looked through, which may take a while.

    Raises:
        Refused: INVALID_ARGUMENT, an input without a default is missing, one is unknown or of another type or
            shape, or holds more than may be.
    """
    arrays = _checked(signature, inputs)
    if model.contents is not None:
        _check_contents(model.contents, signature, arrays)
    return Call(model, signature, arrays, _stages(model, signature, arrays))


def call(model: Model, signature: Signature, inputs: Mapping[str, np.ndarray]) -> Arrays:
    """One call into a signature of a model: arrays by input name to arrays by output name.

    Raises:
        Refused: as by `prepare`; INVALID_ARGUMENT, the model rejects an input; DEADLINE_EXCEEDED, it waited
            too long; otherwise as TensorFlow fails, or as `Batcher.run` refuses.
    """
    asked = prepare(model, signature, inputs)
    if model.batcher is None or not asked.stages:
        return _alone(model, signature)(asked.inputs)
    return model.batcher.run(model.name, id(signature), asked.stages, asked.inputs, deadline())


async def call_async(asked: Call) -> Arrays:
    """What `call` gives, from an event loop."""
    model, signature, inputs, stages = asked
    if model.batcher is None or not stages:
        return await run_in_threadpool(_alone(model, signature), inputs)
    return await model.batcher.run_async(model.name, id(signature), stages, inputs, deadline())


def _stages(model: Model, signature: Signature, arrays: Arrays) -> list[Compute]:
    decode, predict = model.signatures.get(DECODE), model.signatures.get(PREDICT)
    if model.batcher is None or signature is decode or not has_rows(signature) or not _rows_agree(arrays):
        return []
    if decodes_first(model, signature) and decode and predict and has_rows(decode) and has_rows(predict):
        encoded = (each for array in arrays.values() for each in array.flat if isinstance(each, bytes))
        if sum(map(claimed_pixels, encoded)) > LARGE:
            return []
        return [_timed(DECODE_LATENCY, model, decode), _timed(COMPUTE_LATENCY, model, predict)]
    return [_timed(COMPUTE_LATENCY, model, signature)]


def _alone(model: Model, signature: Signature) -> Compute:
    decodes = model.batcher is not None and signature is model.signatures.get(DECODE)
    compute = _timed(DECODE_LATENCY, model, signature) if decodes else partial(_compute, signature)
    return partial(_compute_in_time, compute)


def _compute_in_time(compute: Compute, arrays: Arrays) -> Arrays:
    check_deadline("the request waited for longer than it may before it was computed; ask again later")
    return compute(arrays)


def _timed(metric: Histogram, model: Model, signature: Signature) -> Compute:
    return partial(_compute_timed, metric, model.name, signature)


def _compute_timed(metric: Histogram, name: str, signature: Signature, arrays: Arrays) -> Arrays:
    with metric.time(name):
        return _compute(signature, arrays)


def decodes_first(model: Model, signature: Signature) -> bool:
    """Whether a signature is the default one and does what DECODE and PREDICT do in turn."""
    decode, predict = model.signatures.get(DECODE), model.signatures.get(PREDICT)
    return (
        decode is not None
        and predict is not None
        and signature is model.signatures.get(DEFAULT_SIGNATURE)
        and signature.inputs == decode.inputs
        and decode.outputs.keys() == predict.inputs.keys()
        and signature.outputs == predict.outputs
    )


def has_rows(signature: Signature) -> bool:
    """Whether all inputs and outputs may have any number of rows along their first axis."""
    specs = [*signature.inputs.values(), *signature.outputs.values()]
    return bool(signature.inputs) and all(spec.shape.rank and spec.shape[0] is None for spec in specs)


def _rows_agree(arrays: Arrays) -> bool:
    return (
        all(array.size for array in arrays.values()) and len({len(array) for array in arrays.values()}) == 1
    )


def check_names(signature: Signature, inputs: Set[str]) -> None:
    """Compares the names of inputs with a signature's.

    Raises:
        Refused: INVALID_ARGUMENT, an input without a default is missing, or one is unknown.
    """
    extra = sorted(inputs - signature.inputs.keys())
    missing = sorted(signature.inputs.keys() - signature.defaults.keys() - inputs)
    if extra or missing:
        raise Refused(
            "INVALID_ARGUMENT",
            f"input size does not match signature: {len(inputs)}!={len(signature.inputs)} "
            f"len({_braced(inputs)}) != len({_braced(signature.inputs)}). "
            f"Sent extra: {_braced(extra)}. Missing but required: {_braced(missing)}.",
        )


def _checked(signature: Signature, inputs: Mapping[str, np.ndarray]) -> Arrays:
    check_names(signature, inputs.keys())
    values = {**signature.defaults, **inputs}
    return {name: _array(values[name], spec) for name, spec in signature.inputs.items()}


def _check_contents(contents: Contents, signature: Signature, arrays: Arrays) -> None:
    for name, spec in signature.inputs.items():
        if spec.shape.rank and spec.shape[0] is None:
            contents.check_rows(f"input {name}", len(arrays[name]))
        if spec.dtype == tf.string:
            contents.check_pictures(f"input {name}", arrays[name])


def _braced(names: Iterable[str]) -> str:
    return f"{{{','.join(sorted(names))}}}"


def _array(value: np.ndarray, spec: tf.TensorSpec) -> np.ndarray:
    array = np.asarray(value)
    if not spec.shape.is_compatible_with(array.shape):
        wanted = [-1 if size is None else size for size in spec.shape]
        raise Refused(
            "INVALID_ARGUMENT", f"input {spec.name} must have shape {wanted}; received {list(array.shape)}"
        )
    if array.dtype != spec.dtype.as_numpy_dtype and not (
        spec.dtype == tf.string and array.dtype.kind in "SU"
    ):
        text = f"input {spec.name} must be {spec.dtype.name}: an array of {array.dtype}"
        raise Refused("INVALID_ARGUMENT", text)
    return array


def _compute(signature: Signature, arrays: Arrays) -> Arrays:
    tensors = {name: _tensor(arrays[name], spec) for name, spec in signature.inputs.items()}
    try:
        outputs = signature.function(**tensors)
    except tf.errors.OpError as error:
        raise Refused(Code.Name(error.error_code), reason(error.message)) from error
    # Of a single string, numpy() makes bytes.
    return {
        name: np.asarray(outputs[name].numpy(), outputs[name].dtype.as_numpy_dtype)
        for name in signature.outputs
    }


def _tensor(array: np.ndarray, spec: tf.TensorSpec) -> tf.Tensor:
    try:
        return tf.constant(array, spec.dtype)
    except (TypeError, ValueError) as error:
        raise Refused("INVALID_ARGUMENT", f"input {spec.name} must be {spec.dtype.name}: {error}") from error
