"""derive: the same network, on derived layers."""

import ast
import logging
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from twins import draw

import multitask.layers
from models import functional, naive
from multitask.derive import derive, without_twin
from multitask.errors import UserError
from multitask.tasks import TASKS


def assert_same_network(derived, model, inputs, training=False):
    assert [layer.name for layer in derived.layers] == [layer.name for layer in model.layers]
    assert [w.name for w in derived.weights] == [w.name for w in model.weights]
    actual, expected = derived(inputs, training=training), model(inputs, training=training)
    keras.tree.assert_same_structure(actual, expected)
    for one, other in zip(keras.tree.flatten(actual), keras.tree.flatten(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def branching_network():
    """Two inputs, a nested network used twice, a shared layer, outputs in a dict."""
    shared = layers.Dense(6, activation="tanh", name="shared")
    picture = keras.Input((8, 8, 2))
    x = layers.Conv2D(4, 3, activation="relu")(picture)
    x = layers.BatchNormalization()(x)
    inner = [layers.MaxPooling2D(), layers.Dropout(0.5), layers.Flatten(), shared]
    x = keras.Sequential(inner, name="inner")(x)
    features = keras.Model(picture, x, name="features")
    left, right = keras.Input((8, 8, 2), name="left"), keras.Input((8, 8, 2), name="right")
    a, b = features(left), features(right)
    joined = layers.Concatenate()([a, b, layers.Add()([a, b])])
    wide = layers.Dense(36, activation=keras.activations.gelu, name="wide")(joined)
    score = layers.Dense(1, activation=layers.LeakyReLU(), name="score")(wide) * 2.0
    outputs = {"score": score, "features": shared(wide), "classes": layers.Softmax()(joined)}
    return keras.Model({"left": left, "right": right}, outputs, name="branching")


def test_a_branching_network():
    keras.utils.set_random_seed(1)
    model = branching_network()
    derived = derive(model)
    inputs = {"left": draw((3, 8, 8, 2)), "right": draw((3, 8, 8, 2)) ** 2}
    assert_same_network(derived, model, inputs)
    assert_same_network(derived, model, inputs, training=True)  # the same dropout, the same averages after it
    assert derived.get_layer("features").get_layer("inner").layers[-1] is derived.get_layer("shared")
    assert type(derived.get_layer("score").activation) is multitask.layers.LeakyReLU
    (product,) = (operation.name for operation in model.operations if type(operation).__name__ == "Multiply")
    assert without_twin(model) == {"activation gelu": ["wide"], "ops.Multiply": [product]}
    assert without_twin(derived) == without_twin(model)


@pytest.mark.parametrize("trunk", ["lenet", "resnet"])
def test_both_approaches(trunk):
    tasks = TASKS.values()
    for model in (functional.build(tasks, trunk, 16, 0.3), naive.build(TASKS["age"], trunk, 16, 0.3)):
        pictures = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8)
        assert_same_network(derive(model), model, pictures)
        assert without_twin(model) == {"Rescaling": ["scale"]}


@pytest.mark.parametrize("build", [keras.applications.MobileNetV3Small, keras.applications.DenseNet121])
def test_applications(build):
    model = build(weights=None, input_shape=(32, 32, 3), classes=5)
    assert_same_network(derive(model), model, 255 * draw((2, 32, 32, 3)) ** 2)


def test_sequential_models_with_and_without_known_inputs():
    for inputs in ([], [keras.Input((5,), name="features")]):
        model = keras.Sequential(
            [*inputs, layers.Dense(3, activation="relu"), layers.Dropout(0.2)], name="few"
        )
        if not inputs:
            assert not derive(model).built
        model(draw((2, 5)))
        assert_same_network(derive(model), model, draw((2, 5)))
    assert derive(model).inputs[0].name == "features"


def square(x):  # not registered with Keras
    return x**2


def test_what_is_frozen_adapted_or_in_another_dtype_stays_so():
    normalization = layers.Normalization()
    normalization.adapt(draw((20, 5)) * 7)
    inner = keras.Sequential([layers.Dense(4), layers.BatchNormalization(), layers.Dense(3)], name="inner")
    adapted = layers.Dense(3, dtype="mixed_bfloat16", activation=square)
    model = keras.Sequential([keras.Input((5,)), normalization, inner, adapted])
    inner.trainable = False
    inner.layers[2].trainable = True
    inner.layers[2].bias.trainable = False
    adapted.enable_lora(2, lora_alpha=6)
    adapted.lora_kernel_b.assign(draw((2, 3)))
    derived = derive(model)
    assert_same_network(derived, model, draw((2, 5)))
    assert [w.trainable for w in derived.weights] == [w.trainable for w in model.weights]
    assert [layer.trainable for layer in derived.layers] == [True, False, True]
    assert [layer.trainable for layer in derived.layers[1].layers] == [False, False, True]
    assert derived.layers[2].dtype_policy == adapted.dtype_policy


def test_the_original_stays_as_it_was():
    model = branching_network()
    model.compile("sgd", {"score": "mse"}, metrics={"score": ["mae"]})
    before = model.get_weights()
    nodes = [len(part._inbound_nodes) for part in model.operations]
    derived = derive(model)
    assert not derived.compiled
    derived.set_weights([weight + 1 for weight in before])
    assert model.compiled
    assert [len(part._inbound_nodes) for part in model.operations] == nodes
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)


class OwnConvolution(layers.Conv2D):
    pass


def test_what_has_no_twin_is_named(caplog):
    picture = keras.Input((8, 8, 3), name="picture")
    x = layers.ZeroPadding2D(name="padding")(picture)
    for number in range(5):
        x = OwnConvolution(3, 1, name=f"own{number}")(x)
    x = layers.Conv2D(4, 3, activation="silu", name="convolution")(keras.ops.abs(x))
    model = keras.Model(picture, keras.Sequential([layers.Activation("elu", name="elu")])(x), name="odd")
    assert without_twin(model) == {
        "ZeroPadding2D": ["padding"],
        "OwnConvolution": [f"own{number}" for number in range(5)],
        "ops.Absolute": ["absolute"],
        "activation silu": ["convolution"],
        "activation elu": ["elu"],
    }
    with caplog.at_level(logging.WARNING):
        assert type(derive(model).get_layer("own0")) is OwnConvolution
    (line,) = caplog.messages
    assert line == (
        "odd: TensorFlow differentiates what has no derived twin: ZeroPadding2D (padding); "
        "OwnConvolution (own0, own1, own2 and 2 more); ops.Absolute (absolute); "
        "activation silu (convolution); activation elu (elu)"
    )


class Subclassed(keras.Model):
    def call(self, x):
        return x


class Unclonable(layers.Layer):
    def __init__(self, size):
        super().__init__(name="unclonable")

    def call(self, x):
        return x


def quantized():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2, name="few")])
    model.layers[0].quantize("int8")
    return model


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            Subclassed,
            "takes a functional or a Sequential model, .*; received Subclassed. Where it has inputs",
        ),
        (lambda: layers.Dense(2), "received Dense"),
        (quantized, "received few, quantized to int8. Derive first"),
        (
            lambda: keras.Sequential([Unclonable(3)]),
            r"received unclonable \(Unclonable\): .*Give it a get_config",
        ),
    ],
)
def test_what_cannot_be_derived_is_refused(model, message):
    with pytest.raises(UserError, match=message) as raised:
        derive(model())
    assert "\n" not in str(raised.value)


def test_importing_multitask_loads_no_operation_and_derive_is_the_function():
    assert multitask.derive is derive
    for module in (multitask, sys.modules["multitask.derive"]):
        imports = [
            node
            for node in ast.parse(Path(module.__file__).read_text()).body
            if isinstance(node, ast.ImportFrom)
        ]
        names = {node.module for node in imports if node.module.startswith("multitask")}
        assert names <= {"multitask.derive", "multitask.errors"}


@pytest.mark.parametrize("kind", ["functional", "sequential"])
def test_a_network_in_float16_still_has_its_loss_scaled(kind):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
        model = model if kind == "sequential" else keras.Model(model.inputs, model.outputs)
    finally:
        keras.config.set_dtype_policy("float32")
    derived = derive(model)
    derived.compile("sgd", "mse")
    assert isinstance(derived.optimizer, keras.optimizers.LossScaleOptimizer)
