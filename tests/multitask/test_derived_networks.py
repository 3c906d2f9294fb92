"""Derived networks train as their twins do, are saved, and hand weights back and forth."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from twins import draw

from multitask import layers as derived_layers
from multitask.derive import derive

STEPS = 50


def network():
    """A network with every layer that has a twin."""
    picture = keras.Input((16, 16, 3), name="picture")
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(picture)
    x = layers.BatchNormalization(momentum=0.9)(x)
    x = shortcut = layers.ReLU()(x)
    x = layers.SeparableConv2D(8, 3, padding="same", activation="tanh")(x)
    x = layers.Add()([x, layers.DepthwiseConv2D(3, padding="same", activation="relu6")(shortcut)])
    x = layers.Multiply()([x, layers.Activation("sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(x))])
    x = layers.Concatenate()([layers.MaxPooling2D()(x), layers.AveragePooling2D(2)(x)])
    x = layers.LeakyReLU(negative_slope=0.1)(layers.Conv2D(8, 3)(x))
    pooled = [layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x), layers.Flatten()(x)]
    x = layers.Dropout(0.3)(layers.Concatenate()(pooled))
    x = layers.Activation("sigmoid")(layers.Dense(12)(x))
    return keras.Model(picture, layers.Softmax()(layers.Dense(4)(x)), name="every_layer")


@pytest.fixture
def model():
    keras.utils.set_random_seed(3)
    return network()


@pytest.fixture
def pictures():
    return draw((32, 16, 16, 3))


def test_every_twin_is_in_the_network(model):
    assert {type(layer) for layer in derive(model).layers[1:]} == set(derived_layers.TWINS.values())


def test_training_keeps_pace_with_the_twin(model):
    """Same start, same batches, same dropout: equal to 1e-4 over 50 steps."""
    generator = np.random.default_rng(5)
    labels = generator.integers(0, 4, 16 * STEPS)
    batches = generator.normal(size=(16 * STEPS, 16, 16, 3)).astype("float32")
    batches[..., 0] += labels[:, None, None] / 2
    losses = []
    pair = [model, derive(model)]
    for one in pair:
        one.compile(keras.optimizers.SGD(0.05, momentum=0.9), "sparse_categorical_crossentropy")
        steps = keras.callbacks.LambdaCallback(on_batch_end=lambda step, logs: losses.append(logs["loss"]))
        one.fit(batches, labels, batch_size=16, shuffle=False, verbose=0, callbacks=[steps])
    expected, actual = np.reshape(losses, (2, STEPS))
    assert expected[-1] < 0.95 * expected[0]
    np.testing.assert_allclose(actual, expected, atol=1e-4, rtol=0)
    for one, other in zip(*(each.weights for each in pair), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4, rtol=0, err_msg=one.path)


def test_no_gradient_kernel_of_tensorflow_s_is_left(model, pictures):
    @tf.function
    def gradients(network):
        with tf.GradientTape() as tape:
            tape.watch(pictures)
            loss = tf.reduce_sum(network(pictures, training=True) ** 2)
        return tape.gradient(loss, [pictures, *(weight.value for weight in network.trainable_weights)])

    def kernels(network):
        graph = gradients.get_concrete_function(network).graph
        types = {operation.type for operation in graph.get_operations()}
        return {name for name in types if "Grad" in name or "Backprop" in name}

    assert {"Conv2DBackpropInput", "Conv2DBackpropFilter", "MaxPoolGrad", "ReluGrad"} <= kernels(model)
    assert not kernels(derive(model))


def test_saved_and_loaded_again(model, pictures, tmp_path):
    derived = derive(model)
    derived.save(tmp_path / "derived.keras")
    loaded = keras.saving.load_model(tmp_path / "derived.keras")
    assert [type(layer) for layer in loaded.layers] == [type(layer) for layer in derived.layers]
    np.testing.assert_array_equal(loaded(pictures), derived(pictures))
    derived.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(tmp_path / "exported")
    np.testing.assert_allclose(exported.serve(pictures), derived(pictures), atol=1e-6)


def test_weights_go_both_ways(model, pictures, tmp_path):
    derived = derive(model)
    for path, source, target in (("there", model, derived), ("back", derived, model)):
        source.set_weights([weight * 1.1 for weight in source.get_weights()])
        source.save_weights(tmp_path / f"{path}.weights.h5")
        target.load_weights(tmp_path / f"{path}.weights.h5")
        np.testing.assert_allclose(target(pictures), source(pictures), atol=1e-6)
