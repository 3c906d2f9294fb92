from collections.abc import Callable
from pathlib import Path

import pytest

from training.config import TrainConfig


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the drawn faces are prepared, once for all tests."""
    return tmp_path_factory.mktemp("data")


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
