"""Base paths whose versions come, go and break."""

import shutil
from pathlib import Path

from google.protobuf import text_format

from serving.config import model_list
from serving.predictor import Predictor
from serving.store import Store

# isort: split
import numpy as np
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus
from tensorflow_serving.config.model_server_config_pb2 import ModelConfigList, ModelServerConfig


def place(base: Path, number: int, export: Path) -> Path:
    """A version's folder with what an export holds, there all at once."""
    ready = base.with_name(f"{base.name}-{number}")
    shutil.copytree(export, ready)
    base.mkdir(exist_ok=True)
    return ready.rename(base / str(number))


def lay(base: Path, versions: str, export: Path) -> None:
    """Makes a base path hold "1 2 3!": versions of an export, those with an exclamation mark broken."""
    wanted = {int(version.rstrip("!")): version for version in versions.split()}
    base.mkdir(exist_ok=True)
    for path in base.iterdir():
        if int(path.name) not in wanted:
            shutil.rmtree(path)
    for number, version in wanted.items():
        if not (base / str(number)).exists():
            path = place(base, number, export)
            if version.endswith("!"):
                (path / "saved_model.pb").write_bytes(b"broken")


def configured(**models: str) -> ModelConfigList:
    """A configuration by model name, each model by its base path and what else its ModelConfig says."""
    configs = (
        f'config {{ name: "{name}" model_platform: "tensorflow" {config} }}'
        for name, config in models.items()
    )
    return model_list(text_format.Parse(f"model_config_list {{ {' '.join(configs)} }}", ModelServerConfig()))


def states(store: Store, name: str) -> dict[int, str]:
    """What the status says of a model's versions."""
    return {
        status.version: ModelVersionStatus.State.Name(status.state)
        for status in store.status(name).model_version_status
    }


def number(store: Store, name: str, *spec: int | str | None) -> float:
    """What a version of `HalfPlus` adds."""
    _, model = store.find(name, *spec)
    predictor = Predictor(model)
    return float(predictor.call(predictor.signature(""), {"x": np.float32([0.0])})["y"][0])
