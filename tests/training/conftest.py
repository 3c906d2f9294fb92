import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import functional
from multitask.tasks import TASKS
from training.config import TrainConfig
from training.pipeline import examples_of
from training.runs import Run, write_json
from training.train import train


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the drawn faces are prepared, once for all tests."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def run(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """As training leaves one, for pictures of 16 pixels; heads of large weights, so that answers differ."""
    config = TrainConfig(
        run=tmp_path_factory.mktemp("run"),
        datasets=("synthetic_faces/tiny",),
        trunk="lenet",
        image_size=16,
        data_dir=data_dir,
    )
    keras.utils.set_random_seed(0)
    model = functional.build(TASKS.values(), "lenet", config.image_size)
    for name in TASKS:
        model.get_layer(name).kernel.assign(model.get_layer(name).kernel * 8)
    run = Run.start(config)
    model.save(run.folder / "best.keras")
    write_json(run.folder / "summary.json", {"learned": list(TASKS)})
    return run


@pytest.fixture
def tiny(data_dir: Path, tmp_path: Path) -> Callable[..., TrainConfig]:
    """A run of seconds on drawn faces, with some settings of one's own."""
    settings = {
        "datasets": ("synthetic_faces/tiny",),
        "trunk": "lenet",
        "image_size": 32,
        "epochs": 2,
        "batch_size": 32,
        "data_dir": data_dir,
    }
    return lambda run="run", **own: TrainConfig(run=tmp_path / run, **{**settings, **own})


@pytest.fixture
def kill(monkeypatch) -> Callable[[TrainConfig], None]:
    """Trains, and ends it as its second epoch ends: the metrics are written, the checkpoint is not."""

    def train_and_kill(config: TrainConfig) -> None:
        save, calls = tf.train.CheckpointManager.save, []

        def killed_the_second_time(manager):
            calls.append(manager)
            if len(calls) == 2:
                raise KeyboardInterrupt
            return save(manager)

        with monkeypatch.context() as patched:
            patched.setattr(tf.train.CheckpointManager, "save", killed_the_second_time)
            with pytest.raises(KeyboardInterrupt):
                train(config)
        assert len(Run.open(config.run).history) == 2

    return train_and_kill


@pytest.fixture
def emotion_unlabelled(monkeypatch):
    """Drawn faces as a source without emotions would give them."""

    def load(config, *splits, **larger):
        examples = examples_of(config, *splits, **larger)
        unknown = np.full_like(examples.table["emotion"], -1)
        return dataclasses.replace(examples, table={**examples.table, "emotion": unknown})

    # By sys.modules: `training.train` itself is the function.
    for module in ("training.train", "training.evaluate"):
        monkeypatch.setattr(sys.modules[module], "examples_of", load)
