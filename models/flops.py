"""How much a network computes, as TensorFlow's own profiler counts it."""

from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

_CALLS = ("PartitionedCall", "StatefulPartitionedCall")


def flops(model: keras.Model) -> int:
    """Floating-point operations of one forward pass for one picture, in inference; a multiply-add counts two.

    Convolutions, matrix products, biases, pooling, elementwise arithmetic and most activations are counted;
    what only moves data, and casts, are not. Papers often count multiply-adds, half as many.

    Args:
        model: a built network with one input of known size: [N, ...], N free.
    """
    spec = tf.TensorSpec((1, *model.inputs[0].shape[1:]), model.inputs[0].dtype)
    graph = tf.function(lambda x: model(x, training=False)).get_concrete_function(spec).graph
    return sum(map(_profiled, _with_inner_functions(graph)))


def _with_inner_functions(graph: Any) -> Iterator[Any]:
    # Keras compiles some convolutions, grouped ones among them, as functions of their own, and the profiler
    # doesn't look into a call.
    yield graph
    for operation in graph.get_operations():
        if operation.type in _CALLS:
            inner = graph._get_function(operation.get_attr("f").name)
            yield from _with_inner_functions(inner.graph)


def _profiled(graph: Any) -> int:
    options = tf.compat.v1.profiler.ProfileOptionBuilder(
        tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    )
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("ERROR")  # the profiler itself calls what it deprecates
    try:
        found = tf.compat.v1.profiler.profile(graph, options=options.with_empty_output().build())
    finally:
        logger.setLevel(level)
    return found.total_float_ops
