"""Activations."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from multitask.gradcheck.case import Case, Kink
from multitask.gradcheck.draw import Draw, Sample
from multitask.gradcheck.twins import LayerTwin


def relu(x: tf.Tensor, negative_slope: float, max_value: float | None, threshold: float) -> tf.Tensor:
    """By pieces: below the threshold, above it, above the largest value."""
    a = tf.where(x > threshold, x, negative_slope * (x - threshold))
    return a if max_value is None else tf.where(x > max_value, tf.ones_like(x) * max_value, a)


def step(x: tf.Tensor, low: float) -> tf.Tensor:
    """1 from 0 on, `low` below; nan of nan."""
    return tf.where(x < 0, tf.ones_like(x) * low, tf.where(x >= 0, tf.ones_like(x), x))


def draw_relu(draw: Draw) -> Sample:
    """Plain, leaky, with a threshold, with a largest value."""
    settings = {
        "negative_slope": draw.one_of("negative_slope", 0.0, 0.25),
        "max_value": draw.one_of("max_value", None, 6.0, 2.5),
        "threshold": draw.one_of("threshold", 0.0, 0.75),
    }
    return Sample({"x": draw.apart(3, 4, 5, 2)}, settings=settings)


def draw_leaky(draw: Draw) -> Sample:
    """Slopes that float32 holds exactly: TensorFlow's kernel takes no finer ones."""
    return Sample({"x": draw.apart(4, 20)}, settings={"negative_slope": draw.one_of("slope", 0.25, 0.0, 1.5)})


def draw_sigmoid(draw: Draw) -> Sample:
    """Slopes beside 1."""
    return Sample({"x": draw.normal(4, 20)}, settings={"a": draw.one_of("a", 1.0, 2.5, 0.25, 1.0)})


def draw_tanh(draw: Draw) -> Sample:
    """Heights and slopes beside 1."""
    settings = {"a": draw.one_of("a", 1.0, 1.75, 1.0), "b": draw.one_of("b", 1.0, 0.5, 1.0)}
    return Sample({"x": draw.normal(4, 20)}, settings=settings)


def draw_softmax(draw: Draw) -> Sample:
    """Along any axis."""
    return Sample({"x": draw.normal(3, 4, 5)}, settings={"axis": draw.one_of("axis", -1, 1, 2)})


def draw_apart(draw: Draw) -> Sample:
    """On both sides of -1, 0 and 1."""
    return Sample({"x": draw.apart(4, 20) / 4})


def at(points: list[float], slopes: list[float], name: str = "at kinks", **settings: float) -> Kink:
    """The slope that an activation is said to have at each point."""
    x = np.array([points])
    return Kink(name, Sample({"x": x}, settings=settings), np.full_like(x, 3.0), 3.0 * np.array([slopes]))


def activation(name: str) -> Callable[[Sample], LayerTwin | None]:
    """keras.layers.Activation, where the settings are those of Keras's function."""

    def of(sample: Sample) -> LayerTwin | None:
        plain = all(value == 1.0 for value in sample.settings.values())
        return LayerTwin("Activation", {"activation": name}) if plain else None

    return of


def layer(name: str) -> Callable[[Sample], LayerTwin]:
    """The Keras layer of that name, whose arguments are the operation's."""
    return lambda sample: LayerTwin(name, dict(sample.settings))


CASES = (
    Case(
        "relu",
        draw_relu,
        relu,
        twin=layer("ReLU"),
        kinks=(
            at([0.0, -0.0], [0.0, 0.0], "at 0"),
            at([0.0, 6.0], [0.0, 0.0], "at 0 and 6", max_value=6.0),
            at([0.75], [0.25], "at the threshold", threshold=0.75, negative_slope=0.25),
        ),
    ),
    Case(
        "leaky_relu",
        draw_leaky,
        lambda x, negative_slope: tf.nn.leaky_relu(x, negative_slope),
        twin=layer("LeakyReLU"),
        kinks=(at([0.0, -0.0], [0.25, 0.25], "at 0", negative_slope=0.25),),
    ),
    Case("sigmoid", draw_sigmoid, lambda x, a: 1 / (1 + tf.exp(-a * x)), twin=activation("sigmoid")),
    Case("tanh", draw_tanh, lambda x, a, b: a * tf.tanh(b * x), twin=activation("tanh")),
    Case("softmax", draw_softmax, lambda x, axis: tf.nn.softmax(x, axis), twin=layer("Softmax")),
    Case(
        "hard_limit",
        draw_apart,
        lambda x: step(x, 0.0),
        kinks=(at([0.0], [0.0], "at 0"),),
    ),
    Case(
        "symmetric_hard_limit",
        draw_apart,
        lambda x: step(x, -1.0),
        kinks=(at([0.0], [0.0], "at 0"),),
    ),
    Case("linear", draw_apart, lambda x: x + 0.0, twin=activation("linear")),
    Case(
        "saturated_linear",
        draw_apart,
        lambda x: tf.minimum(tf.maximum(x, 0.0), 1.0),
        kinks=(at([0.0, 1.0], [0.0, 0.0], "at 0 and 1"),),
    ),
    Case(
        "symmetric_saturated_linear",
        draw_apart,
        lambda x: tf.minimum(tf.maximum(x, -1.0), 1.0),
        kinks=(at([-1.0, 1.0], [0.0, 0.0], "at -1 and 1"),),
    ),
)
