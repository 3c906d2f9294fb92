"""The network for inference answers as the one that it was made of."""

import keras
import numpy as np
import pytest
from keras import layers

from models import flips, functional, naive
from models.inference import for_inference
from multitask.derive import derive
from multitask.tasks import TASKS

RNG = np.random.default_rng(0)
TASK = TASKS["emotion"]


def drawn(model):
    """The model with statistics and all other weights drawn: those of a new one normalize nothing."""
    for weight in model.weights:
        deviation = 2 / np.sqrt(np.prod(weight.shape[:-1]) or 1)
        weight.assign(
            RNG.uniform(0.5, 2, weight.shape)
            if len(weight.shape) == 1
            else RNG.normal(0, deviation, weight.shape)
        )
    return model


def normalizations(model):
    return sum(isinstance(layer, layers.BatchNormalization) for layer in model._flatten_layers())


def check(model, left):
    x = RNG.integers(0, 256, (3, *model.input_shape[1:])).astype(model.inputs[0].dtype)
    before, folded = drawn(model)(x, training=False), for_inference(model)
    assert normalizations(model) > left == normalizations(folded)
    dense = [layer for layer in folded._flatten_layers() if isinstance(layer, layers.Dense)]
    assert all(len(layer.input.shape) == 2 for layer in dense)
    assert [tensor.name for tensor in folded.inputs] == [tensor.name for tensor in model.inputs]
    for expected, answer in zip(*map(keras.tree.flatten, (before, folded(x, training=False))), strict=True):
        np.testing.assert_allclose(answer, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    for expected, again in zip(*map(keras.tree.flatten, (before, model(x, training=False))), strict=True):
        np.testing.assert_array_equal(again, expected)


@pytest.mark.parametrize(
    "build",
    [
        lambda: functional.build([TASK], "seresnet", 16),
        lambda: flips.average_flips(functional.build([TASK], "resnet", 16)),
        lambda: naive.with_named_output(TASK, naive.build(TASK, "mobilenet", 32)),
        lambda: keras.Sequential([naive.build(TASK, "resnet", 16), layers.ReLU()]),
        lambda: derive(functional.build([TASK], "resnet", 16)),
        lambda: functional.build([TASK], "pretrained:MobileNetV2", 32, weights="random"),
    ],
    ids=["functional", "two calls", "naive", "sequential", "derived", "pretrained"],
)
def test_networks_lose_all_normalization(build):
    check(build(), 0)


def chain(*parts, shape=(6, 6, 4)):
    return keras.Sequential([keras.Input(shape), *parts])


def test_each_kind_of_layer_is_folded():
    check(
        chain(
            layers.Conv2D(6, 3, groups=2),
            layers.BatchNormalization(scale=False, epsilon=0.1),
            layers.DepthwiseConv2D(2, depth_multiplier=2, use_bias=False),
            layers.BatchNormalization(center=False),
            layers.Dense(7, "relu", use_bias=False),
            layers.Dense(3, use_bias=False),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dense(5),
            layers.BatchNormalization(axis=1),
        ),
        0,
    )


def shares(before):
    x = keras.Input((6, 6, 4))
    seen = before(x)
    return keras.Model(x, [layers.BatchNormalization()(seen), seen + 1])


def shows(before):
    x = keras.Input((6, 6, 4))
    seen = before(x)
    return keras.Model(x, [layers.BatchNormalization()(seen), seen])


def repeats(before):
    x = keras.Input((6, 6, 4))
    return keras.Model(x, layers.BatchNormalization()(before(before(x))))


@pytest.mark.parametrize(
    "build",
    [
        lambda: chain(layers.BatchNormalization()),
        lambda: chain(layers.Conv2D(4, 3, activation="relu"), layers.BatchNormalization()),
        lambda: chain(layers.Conv2D(4, 3), layers.BatchNormalization(axis=1)),
        lambda: chain(layers.Conv2DTranspose(4, 3), layers.BatchNormalization()),
        lambda: shares(layers.Conv2D(4, 1)),
        lambda: shows(layers.Conv2D(4, 1)),
        lambda: repeats(layers.Conv2D(4, 1)),
    ],
    ids=["nothing before", "activation", "other axis", "transpose", "shared", "an output", "called twice"],
)
def test_what_others_see_as_well_stays(build):
    model = build()
    x = RNG.normal(size=(3, *model.input_shape[1:])).astype("float32")
    before, folded = drawn(model)(x), for_inference(model)
    assert normalizations(folded) == 1
    for expected, answer in zip(*map(keras.tree.flatten, (before, folded(x))), strict=True):
        np.testing.assert_allclose(answer, expected, rtol=1e-5, atol=1e-5)
