"""Batch normalization."""

from typing import Any

import keras
import tensorflow as tf

from multitask import ops


@keras.saving.register_keras_serializable(package="multitask")
class BatchNormalization(keras.layers.BatchNormalization):
    """keras.layers.BatchNormalization, derived: renormalized, masked and over replicas as well."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """x with C along `axis` -> the same shape, computed in float32 at least.

        Args:
            inputs: x.
            training: whether to normalize by the batch, and let the moving averages follow it.
            mask: shape of x without its last axis, or one that broadcasts to it; true where x counts for
                the batch's mean and variance.

        Raises:
            ValueError: a mask of another number of dimensions.
        """
        dtype = keras.backend.result_type(inputs.dtype.name, "float32")
        x = tf.cast(inputs, dtype)
        if mask is not None:
            if len(mask.shape) != len(x.shape) - 1:
                raise ValueError(
                    "The mask provided should be one dimension less than the inputs. "
                    f"Received: mask.shape={mask.shape}, inputs.shape={x.shape}"
                )
            mask = tf.broadcast_to(tf.cast(mask, tf.bool), tf.shape(x)[:-1])
        gamma = tf.cast(self.gamma, dtype) if self.scale else None
        beta = tf.cast(self.beta, dtype) if self.center else None
        if training and self.trainable:
            y = self._by_batch(x, gamma, beta, mask)
        else:
            mean, variance = tf.cast(self.moving_mean, dtype), tf.cast(self.moving_variance, dtype)
            y = ops.batch_norm_inference(x, gamma, beta, mean, variance, self.epsilon, self.axis)
        return tf.cast(y, self.compute_dtype)

    def _by_batch(self, x: Any, gamma: Any, beta: Any, mask: Any) -> Any:
        renorm = getattr(self, "renorm", False)  # newer than Keras 3.10
        if renorm:
            mean, variance = (tf.stop_gradient(moment) for moment in self._moments(x, mask))
            r, d, mean, variance = self._renorm_correction_and_moments(mean, variance)
            gamma, beta = self._compose_transforms(r, d, gamma, beta, x.dtype)
        y, mean, variance = ops.batch_norm(x, gamma, beta, self.epsilon, self.axis, self.synchronized, mask)
        if renorm:
            self._update_renorm_statistics(mean, variance)
        else:
            for moving, value in (self.moving_mean, mean), (self.moving_variance, variance):
                moving.assign(tf.cast(moving, x.dtype) * self.momentum + value * (1 - self.momentum))
        return y
