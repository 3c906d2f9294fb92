"""Where branches of a network join."""

from functools import reduce
from typing import Any

import keras
import tensorflow as tf
from keras.src.backend.common.masking import get_keras_mask, set_keras_mask

from multitask import ops
from multitask.layers.promotion import promoted


@keras.saving.register_keras_serializable(package="multitask")
class Add(keras.layers.Add):
    """keras.layers.Add, derived; sparse inputs are computed as Keras does."""

    # Not `call`, in which Keras gives all inputs the same number of dimensions.
    def _merge_function(self, inputs: Any) -> Any:
        if any(isinstance(x, tf.SparseTensor) for x in inputs):
            return super()._merge_function(inputs)
        return ops.add(*promoted(*inputs))


@keras.saving.register_keras_serializable(package="multitask")
class Multiply(keras.layers.Multiply):
    """keras.layers.Multiply, derived, masked too: what a mask hides counts as 1, and as 0 where all hide it.

    Sparse inputs are computed as Keras does.
    """

    def _merge_function(self, inputs: Any) -> Any:
        if any(isinstance(x, tf.SparseTensor) for x in inputs):
            return super()._merge_function(inputs)
        masks = [get_keras_mask(x) for x in inputs]
        xs = [
            x if mask is None else tf.where(mask[..., None], x, tf.ones_like(x))
            for x, mask in zip(promoted(*inputs), masks, strict=True)
        ]
        z = ops.multiply(*xs)
        if all(mask is not None for mask in masks):
            seen = reduce(tf.logical_or, masks)
            z = tf.where(seen[..., None], z, tf.zeros_like(z))
            set_keras_mask(z, seen)
        return z


@keras.saving.register_keras_serializable(package="multitask")
class Concatenate(keras.layers.Concatenate):
    """keras.layers.Concatenate, derived; sparse inputs are computed as Keras does."""

    def call(self, inputs: Any) -> Any:
        """A list of tensors, equal in shape but for `axis` -> one."""
        if any(isinstance(x, tf.SparseTensor) for x in inputs):
            return super().call(inputs)
        return ops.concatenate(promoted(*inputs), self.axis)
