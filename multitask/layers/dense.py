"""The fully connected layer, and what leads to it from feature maps."""

from typing import Any

import keras
import tensorflow as tf

from multitask import ops
from multitask.layers.activation import activate
from multitask.layers.promotion import promoted


@keras.saving.register_keras_serializable(package="multitask")
class Dense(keras.layers.Dense):
    """keras.layers.Dense, derived; a sparse input and a quantized layer are computed as Keras does."""

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """[..., F] -> [..., units]."""
        if isinstance(inputs, tf.SparseTensor):
            return super().call(inputs)
        weights = [self.kernel] if self.bias is None else [self.kernel, self.bias]
        return activate(ops.dense(*promoted(inputs, *weights)), self.activation)

    def quantize(self, mode: Any = None, type_check: bool = True, **kwargs: Any) -> None:
        """As in Keras, which refuses any class but its own, since that might compute something else."""
        super().quantize(mode, type_check=type_check and type(self) is not Dense, **kwargs)


@keras.saving.register_keras_serializable(package="multitask")
class Flatten(keras.layers.Flatten):
    """keras.layers.Flatten, derived; a sparse input is computed as Keras does."""

    def call(self, inputs: Any) -> Any:
        """[N, ...] -> [N, F], channels last for either `data_format`."""
        if isinstance(inputs, tf.SparseTensor):
            return super().call(inputs)
        rank = len(inputs.shape)
        if self.data_format == "channels_first" and rank > 1:
            inputs = tf.transpose(inputs, [0, *range(2, rank), 1])
        return ops.flatten(inputs)
