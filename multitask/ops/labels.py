"""What a loss takes beside the network's answer: labels and weights, to which no gradient flows."""

from typing import Any

import tensorflow as tf

from multitask.errors import UserError


def in_single(x: Any) -> tf.Tensor:
    """x, but float32 for bfloat16 and float16: in those 1 - a is 0 already for one who is nearly sure."""
    x = tf.convert_to_tensor(x)
    return tf.cast(x, tf.float32) if x.dtype in (tf.bfloat16, tf.float16) else x


def labels_of(labels: Any, answer: tf.Tensor) -> tf.Tensor:
    """Labels as constants in the answer's dtype.

    Raises:
        UserError: they have another shape than the answer; they are not broadcast, for [N] to [N, 1] gives
            [N, N].
    """
    labels = tf.convert_to_tensor(labels)
    if not labels.shape.is_compatible_with(answer.shape):
        raise UserError(
            "labels must have the shape of what they are compared with. "
            f"Received: labels {labels.shape}, not {answer.shape}"
        )
    return tf.stop_gradient(tf.cast(labels, answer.dtype))


def weights_of(weights: Any, losses: tf.TensorShape, dtype: tf.DType) -> tf.Tensor:
    """Weights as constants; 1 where there are none.

    Args:
        weights: as many axes as the losses, each as long or 1; or None.
        losses: shape of the losses to weigh.
        dtype: of the result.

    Raises:
        UserError: they have another number of axes.
    """
    weights = tf.convert_to_tensor(1.0 if weights is None else weights)
    if weights.shape.rank not in (0, losses.rank):
        raise UserError(
            "weights must have as many axes as the losses. "
            f"Received: weights {weights.shape}, losses {losses}"
        )
    return tf.stop_gradient(tf.cast(weights, dtype))
