"""Dropout."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from multitask.errors import UserError


def dropout(
    x: Any, rate: float, seed: Any = None, noise_shape: Sequence[int | None] | None = None
) -> tf.Tensor:
    """Sets a share of x to 0 by chance and makes the rest larger, so that the expectation stays.

    Forward:  a = x / (1 - rate) where kept, 0 elsewhere
    Backward: dx = da / (1 - rate) where kept, 0 elsewhere
    Shapes:   any; along the axes that are 1 in `noise_shape` all is kept or dropped together.
    Raises:   UserError for a rate outside 0..1.
    Source:   Srivastava et al. 2014, "Dropout", section 4.

    Args:
        x: what to drop from.
        rate: share to drop; 0 draws nothing.
        seed: an integer or a `keras.random.SeedGenerator`: what is kept is what `keras.random.dropout` keeps.
        noise_shape: as in `keras.random.dropout`.
    """
    if not 0 <= rate <= 1:
        raise UserError(f"rate of dropout must lie in 0..1. Received: rate={rate}")
    x = tf.convert_to_tensor(x)
    if rate == 0:
        return x
    kept = keras.random.dropout(tf.ones_like(x), rate, noise_shape, seed) > 0
    scale = 1 / (1 - rate) if rate < 1 else 0.0

    @tf.custom_gradient
    def op(x: tf.Tensor, kept: tf.Tensor) -> Any:
        def backward(da: tf.Tensor) -> tuple[tf.Tensor, None]:
            return tf.where(kept, scale * da, 0), None

        return tf.where(kept, scale * x, 0), backward

    return op(x, kept)
