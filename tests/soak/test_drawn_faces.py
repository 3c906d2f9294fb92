"""Drawn faces are worth learning from: a linear model does poorly, a small network well. Some minutes."""

import keras
import numpy as np
import pytest

from multitask.tasks import TASKS
from training import TrainConfig, evaluate, train
from training.pipeline import load_examples

pytestmark = pytest.mark.soak


def test_a_small_network_learns_them(tmp_path):
    found = evaluate(train(TrainConfig(run=tmp_path / "run", epochs=8, data_dir=tmp_path / "data")))["tasks"]
    assert found["age"]["mae"] < 9
    assert found["emotion"]["accuracy"] > 0.7
    assert found["gender"]["accuracy"] > 0.85


@pytest.mark.parametrize(("task", "at_most"), [("emotion", 0.4), ("gender", 0.8)])
def test_a_linear_model_does_not(task, at_most, tmp_path):
    train_faces, test_faces = (
        load_examples(["synthetic_faces"], split, [TASKS[task]], 32, tmp_path / "data")
        for split in ("train", "test")
    )

    def pixels(examples):
        return examples.images(np.arange(len(examples))).reshape(len(examples), -1) / 127.5 - 1

    units = max(2, TASKS[task].units)
    model = keras.Sequential([keras.layers.Dense(units, kernel_regularizer=keras.regularizers.L2(1e-3))])
    model.compile(keras.optimizers.Adam(3e-4), keras.losses.SparseCategoricalCrossentropy(True), ["accuracy"])
    model.fit(pixels(train_faces), train_faces.table[task], 64, epochs=30, verbose=2)
    _, accuracy = model.evaluate(pixels(test_faces), test_faces.table[task], verbose=0)
    assert accuracy < at_most
