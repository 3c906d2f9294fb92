"""Batch normalization."""

from dataclasses import replace

import numpy as np
import tensorflow as tf

from multitask.gradcheck.case import Case
from multitask.gradcheck.draw import Draw, Sample, rounded
from multitask.gradcheck.twins import LayerTwin


def normalized(
    x: tf.Tensor,
    gamma: tf.Tensor | None,
    beta: tf.Tensor | None,
    mean: tf.Tensor,
    variance: tf.Tensor,
    epsilon: float,
    axis: int,
) -> tf.Tensor:
    """tf.nn.batch_normalization, with one value a channel spread along the other axes."""
    shape = [-1 if a == axis % x.shape.rank else 1 for a in range(x.shape.rank)]
    spread = [None if t is None else tf.reshape(t, shape) for t in (mean, variance, beta, gamma)]
    return tf.nn.batch_normalization(x, *spread, epsilon)


def batch_norm(
    x: tf.Tensor,
    gamma: tf.Tensor | None,
    beta: tf.Tensor | None,
    epsilon: float,
    axis: int,
    mask: tf.Tensor | None = None,
) -> tuple[tf.Tensor, ...]:
    """By moments spelt out, for the second derivative of tf.nn.moments is wrong: it stops at the mean.

    Under a mask as Keras has them, with 1e-7 added to the number of values.
    """
    axes = [a for a in range(x.shape.rank) if a != axis % x.shape.rank]
    counts = tf.ones_like(x) if mask is None else tf.cast(mask, x.dtype)[..., None] * tf.ones_like(x)
    m = tf.reduce_sum(counts, axes) + (0 if mask is None else 1e-7)  # [C]
    shape = [-1 if a == axis % x.shape.rank else 1 for a in range(x.shape.rank)]
    mean = tf.reduce_sum(counts * x, axes) / m
    variance = tf.reduce_sum(counts * tf.square(x - tf.reshape(mean, shape)), axes) / m
    return normalized(x, gamma, beta, mean, variance, epsilon, axis), mean, variance


def draw_batch(draw: Draw) -> Sample:
    """Pictures, sequences or rows, channels last or not, some masked; with or without scale and shift."""
    axis, channels = draw.one_of("axis", -1, -1, 1), draw.size(2, 4)
    shape = [*draw.one_of("sizes", (3, 4, 5), (12,), (4, 6)), channels]
    if axis == 1:
        shape.insert(1, shape.pop())
    inputs: dict[str, np.ndarray | None] = {
        "x": rounded(draw.normal(*shape) + draw.normal(1)),
        "gamma": draw.one_of("gamma", draw.positive(channels), draw.positive(channels), None),
        "beta": draw.one_of("beta", draw.normal(channels), draw.normal(channels), None),
    }
    absent = {name: None for name, array in inputs.items() if array is None}
    given = {name: array for name, array in inputs.items() if array is not None}
    mask = draw.one_of("mask", None, np.arange(np.prod(shape[:-1])).reshape(shape[:-1]) % 3 != 1)
    masked = {} if mask is None or axis == 1 else {"mask": mask}
    settings = {**absent, "epsilon": 1e-3, "axis": axis}
    return Sample(given, masked, settings, batched=("x", "mask"), unknown=1 if axis == 1 else 3)


def draw_inference(draw: Draw) -> Sample:
    """As in training without a mask, with mean and variance from elsewhere."""
    sample = draw_batch(draw)
    channels = sample.inputs["x"].shape[sample.settings["axis"]]
    moments = {"mean": draw.normal(channels), "variance": draw.positive(channels)}
    return replace(sample, inputs={**sample.inputs, **moments}, constants={})


def twin(sample: Sample) -> LayerTwin:
    """keras.layers.BatchNormalization, in training where no mean is given."""
    arguments = {
        "axis": sample.settings["axis"],
        "epsilon": sample.settings["epsilon"],
        "scale": "gamma" in sample.inputs,
        "center": "beta" in sample.inputs,
        "momentum": 0.75,
    }
    names = {"gamma": "gamma", "beta": "beta", "moving_mean": "mean", "moving_variance": "variance"}
    weights = {attribute: name for attribute, name in names.items() if name in sample.inputs}
    return LayerTwin("BatchNormalization", arguments, weights, training="mean" not in sample.inputs)


CASES = (
    Case("batch_norm", draw_batch, batch_norm, twin=twin),
    Case("batch_norm_inference", draw_inference, normalized, twin=twin),
)
