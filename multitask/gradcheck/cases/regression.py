"""Errors of a quantity, and the mean of losses."""

from typing import Any

import tensorflow as tf

from multitask.gradcheck.case import Case
from multitask.gradcheck.cases.losses import draw_weights, keras_loss, twin, weighted
from multitask.gradcheck.draw import Draw, Sample


def squared(labels: tf.Tensor, predictions: tf.Tensor, weights: tf.Tensor | None = None) -> tf.Tensor:
    """Half the squared difference."""
    return weighted(0.5 * (labels - predictions) ** 2, weights)


def half_of_keras(**arguments: Any) -> tf.Tensor:
    """Keras's squared error without the mean, and with the notes' 1/2."""
    return keras_loss("MeanSquaredError", each=True)(**arguments) / 2


def absolute(labels: tf.Tensor, predictions: tf.Tensor, weights: tf.Tensor | None = None) -> tf.Tensor:
    """The absolute difference."""
    return weighted(tf.abs(labels - predictions), weights)


def mean(losses: tf.Tensor, weights: tf.Tensor, total: float | None) -> tf.Tensor:
    """The weighted sum over the weights'."""
    return tf.tensordot(losses, weights, 1) / (tf.reduce_sum(weights) if total is None else total)


def draw_errors(draw: Draw) -> Sample:
    """Predictions of any shape, no label nearer than 1/16."""
    shape = draw.one_of("shape", (4,), (3, 2), (2, 3, 2))
    labels = draw.rng.integers(-8, 8, shape) / 8
    constants = {"labels": labels, **draw_weights(draw, *shape)}
    return Sample({"predictions": draw.apart(*shape)}, constants, batched=("predictions", *constants))


def draw_mean(draw: Draw) -> Sample:
    """Losses and weights [N], their total given or not."""
    n = draw.size(3, 6)
    weights = draw.positive(n)
    weights[1] = 0
    settings = {"total": draw.one_of("total", None, 12.5)}
    return Sample({"losses": draw.positive(n)}, {"weights": weights}, settings, batched=("losses", "weights"))


CASES = (
    Case("squared_error", draw_errors, squared, twin=twin("squared_error", half_of_keras)),
    Case(
        "absolute_error",
        draw_errors,
        absolute,
        twin=twin("absolute_error", keras_loss("MeanAbsoluteError", each=True)),
    ),
    Case("weighted_mean", draw_mean, mean),
)
