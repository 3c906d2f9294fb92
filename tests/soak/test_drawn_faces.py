"""Drawn faces are worth learning from: a linear model does poorly, a small network well. Some minutes."""

import keras
import numpy as np
import pytest

from multitask.tasks import TASKS
from training import TrainConfig, evaluate, train
from training.metrics import evaluate_answers
from training.pipeline import load_examples

pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


def test_a_small_network_learns_them(tmp_path, data_dir):
    run = train(TrainConfig(run=tmp_path / "run", epochs=8, data_dir=data_dir))
    found = evaluate(run)["tasks"]
    print(run.summary["seconds"], found)
    assert found["age"]["mae"] < 10
    assert found["emotion"]["accuracy"] > 0.75
    assert found["gender"]["accuracy"] > 0.85


def test_a_linear_model_does_not(data_dir):
    keras.utils.set_random_seed(0)
    tasks = list(TASKS.values())
    faces = {
        split: load_examples(["synthetic_faces"], split, tasks, 32, data_dir) for split in ("train", "test")
    }
    pixels = {
        split: examples.images(np.arange(len(examples))).reshape(len(examples), -1) / 127.5 - 1
        for split, examples in faces.items()
    }

    def answers(task, units, loss):
        decay = keras.regularizers.L2(1e-3)
        model = keras.Sequential([keras.layers.Dense(units, kernel_regularizer=decay)])
        model.compile(keras.optimizers.Adam(3e-4), loss)
        labels = faces["train"].table[task]
        model.fit(pixels["train"], labels / 100 if task == "age" else labels, 64, epochs=30, verbose=0)
        return model.predict(pixels["test"], verbose=0)

    classes = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    given = {
        "age": 100 * answers("age", 1, "mean_absolute_error")[:, 0],
        "emotion": answers("emotion", 7, classes),
        "gender": np.diff(answers("gender", 2, classes))[:, 0] + 0.5,
    }
    found = {name: evaluate_answers(TASKS[name], a, faces["test"].table[name]) for name, a in given.items()}
    print(found)
    assert found["age"]["mae"] > 14
    assert found["emotion"]["accuracy"] < 0.4
    assert found["gender"]["accuracy"] < 0.8
