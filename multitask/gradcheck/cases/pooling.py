"""Pooling."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from multitask.gradcheck.case import Case, Kink
from multitask.gradcheck.cases.convolution import depthwise
from multitask.gradcheck.draw import Draw, Sample
from multitask.gradcheck.twins import LayerTwin


def max_pool(x: tf.Tensor, window: Any, strides: Any, padding: Any) -> tf.Tensor:
    """tf.nn.max_pool2d, whose second derivative takes no pads of its own."""
    if not isinstance(padding, str):
        x, padding = tf.pad(x, [[0, 0], *padding, [0, 0]], constant_values=x.dtype.min), "valid"
    return tf.nn.max_pool2d(x, window, strides or window, padding.upper())


def min_pool(x: tf.Tensor, **settings: Any) -> tf.Tensor:
    """The largest of what is negated."""
    return -max_pool(-x, **settings)


def sum_pool(x: tf.Tensor, window: Any, strides: Any, padding: Any) -> tf.Tensor:
    """Each channel convolved with ones."""
    ones = tf.ones([*window, x.shape[-1], 1], x.dtype)
    return depthwise(x, ones, strides=strides or window, padding=padding)


def average_pool(x: tf.Tensor, **settings: Any) -> tf.Tensor:
    """The sum over the number of pixels, of which padding is none."""
    return sum_pool(x, **settings) / sum_pool(tf.ones_like(x), **settings)


def l2_pool(x: tf.Tensor, **settings: Any) -> tf.Tensor:
    """The root of the sum of squares."""
    return tf.sqrt(sum_pool(tf.square(x), **settings))


def draw_windows(draw: Draw) -> Sample:
    """Windows that overlap, meet or leave gaps."""
    window = draw.one_of("window", (2, 2), (3, 3), (5, 5), (1, 2), (3, 2))
    settings = {
        "window": window,
        "strides": draw.one_of("strides", None, (1, 1), (2, 2), (2, 1), (3, 4)),
        "padding": draw.one_of("padding", "valid", "same", "same", ((1, 0), (0, 1))),
    }
    if not isinstance(settings["padding"], str) and min(window) < 2:
        settings["padding"] = "valid"  # a window all in the padding has neither maximum nor mean
    sizes = draw.size(4, 8), draw.size(4, 8)
    if window == (5, 5):  # most of which lies beyond the picture
        settings.update(strides=(1, 1), padding="same")
        sizes = 2, 1
    shape = draw.size(2, 3), *sizes, draw.size(1, 3)
    return Sample({"x": draw.planes_apart(*shape)}, settings=settings)


def draw_globally(draw: Draw) -> Sample:
    """Whole pictures."""
    shape = draw.size(2, 3), draw.size(2, 6), draw.size(2, 6), draw.size(1, 4)
    return Sample(
        {"x": draw.planes_apart(*shape)}, settings={"keepdims": draw.one_of("keepdims", False, True)}
    )


def twin(layer: str) -> Callable[[Sample], LayerTwin | None]:
    """The Keras layer of that name."""

    def of(sample: Sample) -> LayerTwin | None:
        settings = dict(sample.settings)
        if "keepdims" in settings:
            return LayerTwin(layer, settings)
        if not isinstance(settings["padding"], str):
            return None
        return LayerTwin(layer, {"pool_size": settings.pop("window"), **settings})

    return of


def tie(operation: str, name: str, pixels: Any, expected: Any) -> Kink:
    """One window of 2x2 [1, 2, 2, 1] and the gradient that 1 at its output sends to its pixels."""
    settings = {} if operation.startswith("global") else {"window": (2, 2)}
    shape = (1, 2, 2, 1)
    cotangent = np.ones((1, 1) if operation.startswith("global") else (1, 1, 1, 1))
    sample = Sample({"x": np.reshape(np.array(pixels, float), shape)}, settings=settings)
    return Kink(name, sample, cotangent, np.reshape(np.array(expected, float), shape))


FIRST = "first of equals"

CASES = (
    Case(
        "max_pool",
        draw_windows,
        max_pool,
        twin=twin("MaxPooling2D"),
        kinks=(
            tie("max_pool", FIRST, [1, 2, 2, 2], [0, 1, 0, 0]),
            tie("max_pool", "first of zeros", [0, 0, 0, 0], [1, 0, 0, 0]),
        ),
    ),
    Case("min_pool", draw_windows, min_pool, kinks=(tie("min_pool", FIRST, [3, 2, 2, 2], [0, 1, 0, 0]),)),
    Case("average_pool", draw_windows, average_pool, twin=twin("AveragePooling2D")),
    Case(
        "l2_pool",
        draw_windows,
        l2_pool,
        kinks=(tie("l2_pool", "0 where all is 0", [0] * 4, [0] * 4),),
        finite_for_nan=True,  # at a pixel that no window sees TensorFlow's gradient is 0 times infinity
    ),
    Case(
        "global_average_pool",
        draw_globally,
        lambda x, keepdims: tf.reduce_mean(x, (1, 2), keepdims),
        twin=twin("GlobalAveragePooling2D"),
    ),
    Case(
        "global_max_pool",
        draw_globally,
        lambda x, keepdims: tf.reduce_max(x, (1, 2), keepdims),
        twin=twin("GlobalMaxPooling2D"),
        finite_for_nan=True,  # Keras's gradient shares dZ among all that equal the maximum: 0 / 0 of nan
        kinks=(tie("global_max_pool", FIRST, [1, 2, 2, 2], [0, 1, 0, 0]),),
    ),
)
