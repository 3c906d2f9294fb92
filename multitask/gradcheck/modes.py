"""Runs a function and its gradients eagerly, in a graph and compiled by XLA."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, Literal, get_args

import numpy as np
import tensorflow as tf

from multitask.gradcheck.draw import Arrays, Sample

Mode = Literal["eager", "graph", "xla"]
MODES: tuple[Mode, ...] = get_args(Mode)
DType = Literal["float64", "float32", "bfloat16"]
DTYPES: tuple[DType, ...] = get_args(DType)

Forward = Callable[..., Any]
"""Tensors by keyword -> a tensor, or several."""
Gradients = dict[str, np.ndarray | None]
"""By argument; None where none came back."""
Vjp = Callable[[Arrays], tuple[list[np.ndarray], Gradients]]
"""Arrays by keyword -> outputs, and the gradients of <cotangents, outputs>; all in float64."""


def vjp(
    forward: Forward,
    sample: Sample,
    cotangents: list[np.ndarray],
    mode: Mode = "eager",
    dtype: DType = "float64",
    unknown: int = 1,
    variables: Mapping[str, tf.Variable] | None = None,
) -> Vjp:
    """Outputs of `forward` and what reaches its arguments from `cotangents`, as a function of the arguments.

    Args:
        forward: what is run; settings are bound already.
        sample: its arguments tell shapes, and which have a batch axis.
        cotangents: one for each output, or for the first of them.
        mode: eager, graph or xla.
        dtype: what float64 arrays are cast to.
        unknown: how many leading axes of batched arguments a graph does not know beforehand, the channels
            always excepted.
        variables: what else gradients are asked for, by name.
    """
    sources = [name for name, array in sample.arrays.items() if array.dtype == np.float64]

    def run(arrays: dict[str, tf.Tensor], cotangents: list[tf.Tensor]) -> Any:
        with tf.GradientTape() as tape:
            watched = {name: arrays[name] for name in sources}
            tape.watch(watched)
            outputs = tf.nest.flatten(forward(**arrays))
        gradients = tape.gradient(
            outputs[: len(cotangents)], {**watched, **(variables or {})}, output_gradients=cotangents
        )
        return outputs, gradients

    call = traced(run, mode, sample, unknown)

    def on_arrays(arrays: Arrays) -> tuple[list[np.ndarray], Gradients]:
        outputs, gradients = call(tensors(arrays, dtype), [tensor(v, dtype) for v in cotangents])
        return [as_array(y) for y in outputs], {name: as_array(g) for name, g in gradients.items()}

    return on_arrays


def late(make: Callable[..., Vjp], *arguments: Any) -> Vjp:
    """`make(*arguments)`, made when it is first called."""
    made = cache(partial(make, *arguments))
    return lambda arrays: made()(arrays)


def traced(run: Callable[..., Any], mode: Mode, sample: Sample, unknown: int = 1) -> Callable[..., Any]:
    """`run(arrays by name, other tensors...)` in a mode; it is traced once, at the first call."""
    if mode == "eager":
        return run
    concrete: list[Any] = []

    def loose(tensor: tf.Tensor, axes: int = unknown) -> tf.TensorSpec:
        shape = tensor.shape.as_list()
        axes = min(axes, max(len(shape) - 1, 1), len(shape))
        return tf.TensorSpec([None] * axes + shape[axes:], tensor.dtype)

    def call(arrays: dict[str, tf.Tensor], *others: Any) -> Any:
        if not concrete:
            specs = {
                name: loose(array, unknown if name in sample.batched else 0) for name, array in arrays.items()
            }
            function = tf.function(run, jit_compile=mode == "xla", autograph=False)
            concrete.append(function.get_concrete_function(specs, *tf.nest.map_structure(loose, others)))
        return concrete[0](arrays, *others)

    return call


def tensors(arrays: Arrays, dtype: DType) -> dict[str, tf.Tensor]:
    """Arrays as tensors, float64 ones in `dtype`."""
    return {name: tensor(array, dtype) for name, array in arrays.items()}


def tensor(array: np.ndarray, dtype: DType) -> tf.Tensor:
    """An array as a tensor; float64 becomes `dtype`."""
    return tf.cast(tf.constant(array), dtype) if array.dtype == np.float64 else tf.constant(array)


def as_array(value: Any) -> Any:
    """A tensor or the slices of one as a float64 array; None stays."""
    return None if value is None else tf.cast(tf.convert_to_tensor(value), tf.float64).numpy()
