"""Feature extraction and fine-tuning: what trains, what stays."""

import keras
import numpy as np
import pytest
from keras import layers

from models.trunks import build_trunk, set_trainable_top
from multitask.derive import derive
from multitask.errors import UserError


def network():
    """conv1, norm1, (conv2, norm2, dense1), dense2: a network within the network."""
    inner = [layers.Conv2D(4, 3, name="conv2"), layers.BatchNormalization(name="norm2"), layers.Flatten()]
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, name="conv1"),
            layers.BatchNormalization(name="norm1"),
            keras.Sequential([*inner, layers.Dropout(0.5), layers.Dense(5, name="dense1")], name="inner"),
            layers.ReLU(),
            layers.Dense(5, name="dense2"),
        ],
        name="trunk",
    )


def training(model):
    return {weight.path.split("/")[-2] for weight in model.trainable_variables}


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, set()),
        (1, {"dense2"}),
        (2, {"dense1", "dense2"}),
        (3, {"conv2", "dense1", "dense2"}),
        (4, {"conv1", "conv2", "dense1", "dense2"}),
        (9, {"conv1", "conv2", "dense1", "dense2"}),
        (None, {"conv1", "norm1", "conv2", "norm2", "dense1", "dense2"}),
    ],
)
def test_the_last_layers_train(count, expected):
    trunk = network()
    for before in (0, 2, None):
        set_trainable_top(trunk, before)
        set_trainable_top(trunk, count)
        assert training(trunk) == expected
        assert training(derive(trunk)) == expected


@pytest.mark.parametrize("derived", [False, True])
@pytest.mark.parametrize("count", [0, 2, None])
def test_a_step_moves_what_trains_and_nothing_else(count, derived):
    trunk = network()
    set_trainable_top(trunk, count)
    model = keras.Sequential([trunk, layers.Dense(1, name="head")])
    model = derive(model) if derived else model
    model.build((None, 8, 8, 3))
    model.compile("sgd", "mse", run_eagerly=True)
    before = [weight.numpy() for weight in model.weights]
    pictures = np.random.default_rng(0).uniform(0, 255, (8, 8, 8, 3))
    model.train_on_batch(pictures, np.ones((8, 1)))
    moved = {
        weight.path.split("/")[-2]
        for weight, value in zip(model.weights, before, strict=True)
        if not np.array_equal(weight, value)
    }
    assert moved == training(model)  # a moving mean counts for its layer
    assert moved == training(trunk) | {"head"}


def test_a_negative_number_is_refused():
    with pytest.raises(UserError, match="must be 0 or more, or None for all; received -1"):
        set_trainable_top(build_trunk("lenet", 16), -1)
