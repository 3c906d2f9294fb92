"""Activations, as layers and as the `activation` argument of others."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from multitask import ops

DERIVED: dict[Callable[[Any], Any], Callable[[Any], Any]] = {
    keras.activations.leaky_relu: lambda x: ops.leaky_relu(x, negative_slope=0.2),
    keras.activations.linear: lambda x: x,
    keras.activations.relu: ops.relu,
    keras.activations.relu6: lambda x: ops.relu(x, max_value=6),
    keras.activations.sigmoid: ops.sigmoid,
    keras.activations.softmax: ops.softmax,
    keras.activations.tanh: ops.tanh,
}
"""Keras's activation functions that have a derivation; any other stays as it is."""


def activate(x: Any, activation: Callable[[Any], Any] | None) -> Any:
    """a = activation(x), derived if it is one of DERIVED; x where there is none."""
    if activation is None:
        return x
    a = DERIVED.get(activation, activation)(x)
    return _with_logits(a, x) if activation in (keras.activations.sigmoid, keras.activations.softmax) else a


def _with_logits(a: Any, x: Any) -> Any:
    # Keras's cross-entropies look here for the logits that probabilities came from, to stay finite.
    a._keras_logits = x
    return a


@keras.saving.register_keras_serializable(package="multitask")
class Activation(keras.layers.Activation):
    """keras.layers.Activation, derived if the function is one of DERIVED."""

    def call(self, inputs: Any) -> Any:
        """Any shape -> the same."""
        return activate(inputs, self.activation)


@keras.saving.register_keras_serializable(package="multitask")
class ReLU(keras.layers.ReLU):
    """keras.layers.ReLU, derived."""

    def call(self, inputs: Any) -> Any:
        """Any shape -> the same."""
        return ops.relu(inputs, self.negative_slope, self.max_value, self.threshold)


@keras.saving.register_keras_serializable(package="multitask")
class LeakyReLU(keras.layers.LeakyReLU):
    """keras.layers.LeakyReLU, derived."""

    def call(self, inputs: Any) -> Any:
        """Any shape -> the same."""
        return ops.leaky_relu(inputs, self.negative_slope)


@keras.saving.register_keras_serializable(package="multitask")
class Softmax(keras.layers.Softmax):
    """keras.layers.Softmax, derived; where masked it is 0."""

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Any shape -> the same, summing to 1 along `axis`; mask: broadcastable, true where x counts.

        Raises:
            ValueError: the mask has more dimensions than x, or others.
        """
        axis = tuple(self.axis) if isinstance(self.axis, list) else self.axis
        if mask is None:
            a = ops.softmax(inputs, axis)
            return _with_logits(a, inputs) if isinstance(axis, int) else a
        mask = tf.convert_to_tensor(mask)
        sizes = zip(reversed(mask.shape), reversed(inputs.shape), strict=False)
        misfits = any(m not in (1, n) and None not in (m, n) for m, n in sizes)
        if misfits or mask.shape.rank > inputs.shape.rank:
            raise ValueError(
                "mask must be broadcastable to inputs and must not have more dimensions; "
                f"received inputs {inputs.shape} and mask {mask.shape}"
            )
        counts = mask if mask.dtype == tf.bool else mask > tf.cast(0.5, mask.dtype)
        lowest = tf.cast(-3e4 if inputs.dtype == tf.float16 else -1e9, inputs.dtype)
        return tf.where(counts, ops.softmax(tf.where(counts, inputs, lowest), axis), tf.cast(0, inputs.dtype))
