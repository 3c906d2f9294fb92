"""Where branches of a network join."""

from typing import Any

import keras
import tensorflow as tf

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
    """keras.layers.Multiply, derived; sparse inputs are computed as Keras does."""

    def _merge_function(self, inputs: Any) -> Any:
        if any(isinstance(x, tf.SparseTensor) for x in inputs):
            return super()._merge_function(inputs)
        return ops.multiply(*promoted(*inputs))


@keras.saving.register_keras_serializable(package="multitask")
class Concatenate(keras.layers.Concatenate):
    """keras.layers.Concatenate, derived; sparse inputs are computed as Keras does."""

    def call(self, inputs: Any) -> Any:
        """A list of tensors, equal in shape but for `axis` -> one."""
        if any(isinstance(x, tf.SparseTensor) for x in inputs):
            return super().call(inputs)
        return ops.concatenate(promoted(*inputs), self.axis)
