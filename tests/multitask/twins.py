"""A Keras layer and its derived twin, and how to compare what they compute."""

import keras
import numpy as np
import tensorflow as tf

from multitask import layers

PICTURE = (2, 7, 6, 4)
CHANNELS_FIRST = {"data_format": "channels_first"}


def draw(shape, dtype="float32"):
    shapes = shape if isinstance(shape, list) else [shape]
    generator = np.random.default_rng(7)
    tensors = [tf.constant(generator.normal(size=one), dtype) for one in shapes]
    return tensors if isinstance(shape, list) else tensors[0]


def twins(name, arguments, shape, **more):
    """A Keras layer with drawn weights, and the derived one with the same."""
    keras.utils.set_random_seed(1)
    built_in = getattr(keras.layers, name)(**arguments, **more, name="layer")
    derived = getattr(layers, name).from_config(built_in.get_config())
    for layer in (built_in, derived):
        layer.build([*shape] if isinstance(shape, tuple) else shape)
    for value in built_in.weights:
        value.assign(keras.random.uniform(value.shape, 0.5, 1.5, seed=len(value.path)))
    derived.set_weights(built_in.get_weights())
    return built_in, derived


def step(layer, inputs, **call):
    """Output, gradients by inputs and weights of a weighted sum of it, and the weights after the call."""
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        output = layer(inputs, **call)
        loss = tf.reduce_sum(tf.cast(output, "float32") * draw(tuple(output.shape)))
    variables = [weight.value for weight in layer.trainable_weights]
    return [output, tape.gradient(loss, [inputs, variables]), [tf.identity(w) for w in layer.weights]]


def assert_close(actual, expected, rtol=1e-4, atol=1e-5):
    keras.tree.assert_same_structure(actual, expected)
    for one, other in zip(keras.tree.flatten(actual), keras.tree.flatten(expected), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(tf.cast(one, "float32"), tf.cast(other, "float32"), rtol, atol)
