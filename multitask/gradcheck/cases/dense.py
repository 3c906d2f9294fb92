"""The fully connected layer."""

import tensorflow as tf

from multitask.gradcheck.case import Case
from multitask.gradcheck.draw import Draw, Sample
from multitask.gradcheck.twins import LayerTwin


def dense(x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor | None = None) -> tf.Tensor:
    """One sum over features."""
    z = tf.einsum("...f,fu->...u", x, kernel)
    return z if bias is None else z + bias


def draw_dense(draw: Draw) -> Sample:
    """Rows, or rows in several axes; as many units as features, or not."""
    features = draw.size(2, 5)
    units = draw.one_of("units", features, features, draw.size(1, 6))
    leading = draw.one_of("leading", (4,), (3,), (2, 3), (2, 2, 3))
    inputs = {"x": draw.normal(*leading, features), "kernel": draw.normal(features, units)}
    if draw.one_of("bias", True, True, False):
        inputs["bias"] = draw.normal(units)
    return Sample(inputs)


def draw_flatten(draw: Draw) -> Sample:
    """Of two to four axes."""
    return Sample({"x": draw.normal(*draw.one_of("shape", (3, 2, 4, 2), (3, 4), (2, 3, 2)))})


def dense_twin(sample: Sample) -> LayerTwin:
    """keras.layers.Dense."""
    weights = {name: name for name in sample.inputs if name != "x"}
    units = sample.inputs["kernel"].shape[1]
    return LayerTwin("Dense", {"units": units, "use_bias": "bias" in weights}, weights)


CASES = (
    Case("dense", draw_dense, dense, twin=dense_twin),
    Case(
        "flatten",
        draw_flatten,
        lambda x: tf.reshape(x, [tf.shape(x)[0], -1]),
        twin=lambda _: LayerTwin("Flatten"),
    ),
)
