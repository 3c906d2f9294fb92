"""A SavedModel's signature predict_images as LiteRT and as ONNX: uint8 [N, S, S, 3] -> answers, N free.

Decoding encoded pictures is left to the program that asks: neither format has it.
"""

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tensorflow as tf

SIGNATURE = "predict_images"
INPUT = "images"
THREADS = os.cpu_count() or 1
OPSET = 15
"""ONNX's version: runtimes since 2021 read it, and nothing in these networks needs a later one."""

FormatName = Literal["litert", "litert_int8", "onnx"]
Answer = Callable[[np.ndarray], dict[str, np.ndarray]]
"""A model at work: uint8 [N, S, S, 3] -> {answer: float32 [N] or [N, units]}."""


@dataclass(frozen=True)
class Format:
    """A way to write a model down.

    Args:
        file: name of the file.
        packages: what writes it and what answers with it, as they are imported.
        convert: (folder of the SavedModel, pictures to calibrate with uint8 [M, S, S, 3]) -> what to write.
        load: the file as a function.
        exact: whether it computes in float32, as the SavedModel does; if not, it needs calibration.
    """

    file: str
    packages: tuple[str, ...]
    convert: Callable[[Path, np.ndarray], bytes]
    load: Callable[[Path], Answer]
    exact: bool = True


def load_saved_model(folder: Path) -> Answer:
    """The signature of a SavedModel as a function, on the processor like the other formats."""
    with tf.device("CPU"):
        model = tf.saved_model.load(folder)

    def answer(images: np.ndarray) -> dict[str, np.ndarray]:
        with tf.device("CPU"):
            answers = model.signatures[SIGNATURE](**{INPUT: tf.constant(images)})
        return {name: value.numpy() for name, value in answers.items()}

    return answer


def _load_litert(path: Path) -> Answer:
    with quiet():
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(str(path), num_threads=THREADS)
        interpreter.allocate_tensors()  # here, since it writes a notice
        runner = interpreter.get_signature_runner(SIGNATURE)
    return lambda images: runner(**{INPUT: images})


def _load_onnx(path: Path) -> Answer:
    with quiet():
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda images: dict(zip(names, session.run(names, {INPUT: images}), strict=True))


def _to_onnx(folder: Path, calibration: np.ndarray) -> bytes:
    import tf2onnx

    model = tf.saved_model.load(folder)  # to be kept: a signature doesn't hold its variables
    signature = model.signatures[SIGNATURE]
    pictures = signature.structured_input_signature[1][INPUT]
    function = tf.function(lambda images: signature(**{INPUT: images}), autograph=False)
    return tf2onnx.convert.from_function(function, [pictures], opset=OPSET)[0].SerializeToString()


def _to_litert(folder: Path, calibration: np.ndarray) -> bytes:
    return tf.lite.TFLiteConverter.from_saved_model(str(folder), [SIGNATURE]).convert()


def _to_litert_int8(folder: Path, calibration: np.ndarray) -> bytes:
    # Decoding stays in float32: with probabilities of 101 ages in steps of 1/256, an expected age would be a
    # year off on average. The debugger is TensorFlow's way to say which operations are left alone.
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder), [SIGNATURE])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ((SIGNATURE, {INPUT: image[None]}) for image in calibration)
    with warnings.catch_warnings():
        # The debugger's own interpreter, not the one that answers here.
        warnings.filterwarnings("ignore", message=r"\s*Warning: tf.lite.Interpreter is deprecated")
        debugger = tf.lite.experimental.QuantizationDebugger(converter=converter)
        decoding = _after_the_last_weights(debugger.calibrated_model)
        debugger.options = tf.lite.experimental.QuantizationDebugOptions(denylisted_nodes=decoding)
    return debugger.get_nondebug_quantized_model()


def _after_the_last_weights(model: bytes) -> list[str]:
    """Names of the tensors that no layer with weights is computed from: what follows the logits."""
    from ai_edge_litert import schema_py_generated as schema

    layers = {
        schema.BuiltinOperator.CONV_2D,
        schema.BuiltinOperator.DEPTHWISE_CONV_2D,
        schema.BuiltinOperator.FULLY_CONNECTED,
    }
    unpacked: Any = schema.ModelT.InitFromPackedBuf(model, 0)
    graph, names, needed = unpacked.subgraphs[0], [], set[int]()
    for operation in reversed(graph.operators):
        kind = unpacked.operatorCodes[operation.opcodeIndex].builtinCode
        if kind in layers or needed.intersection(operation.outputs):
            needed.update(operation.inputs)
        else:
            names += [graph.tensors[output].name.decode() for output in operation.outputs]
    return names


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps away what libraries write to file descriptor 2, past Python; errors come as exceptions."""
    sys.stderr.flush()
    stderr, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(null)


FORMATS: dict[FormatName, Format] = {
    "litert": Format("model.tflite", ("ai_edge_litert",), _to_litert, _load_litert),
    "litert_int8": Format(
        "model_int8.tflite", ("ai_edge_litert",), _to_litert_int8, _load_litert, exact=False
    ),
    "onnx": Format("model.onnx", ("tf2onnx", "onnxruntime"), _to_onnx, _load_onnx),
}
