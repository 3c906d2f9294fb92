"""Which models are served: TensorFlow Serving's ModelServerConfig, as a file or a request has it."""

from collections.abc import Mapping
from pathlib import Path

from tensorflow_serving.config.model_server_config_pb2 import (
    ModelConfig,
    ModelConfigList,
    ModelServerConfig,
    ModelType,
)

from serving.errors import Refused, UserError
from serving.messages import read_message


def one_model(
    name: str, base_path: Path | str, version_labels: Mapping[str, int] | None = None
) -> ModelConfigList:
    """The configuration of one model, by whatever path."""
    config = ModelConfig(
        name=name,
        base_path=str(Path(base_path).absolute()),
        model_platform="tensorflow",
        version_labels=version_labels,
    )
    return ModelConfigList(config=[config])


def read_config(path: Path) -> ModelConfigList:
    """The models of a file with a ModelServerConfig in text format.

    Raises:
        UserError: the file can't be read or holds something else.
    """
    config = read_message("model_config_file", path, ModelServerConfig(), "a ModelServerConfig")
    try:
        return model_list(config)
    except Refused as refused:
        raise UserError(f"model_config_file {path}: {refused}") from refused


def model_list(config: ModelServerConfig) -> ModelConfigList:
    """The models of a configuration.

    Raises:
        Refused: INVALID_ARGUMENT, it lists none, or not as TensorFlow Serving would have it.
    """
    kind = config.WhichOneof("config")
    if kind != "model_config_list":
        raise _invalid(f"Only a model_config_list is supported; received {kind or 'none'}")
    names = set()
    for model in config.model_config_list.config:
        if not model.name:
            raise _invalid("Every model in the config list must have a name")
        if model.name in names:
            raise _invalid(f"Illegal to list model {model.name} multiple times in config list")
        names.add(model.name)
        if not Path(model.base_path).is_absolute():
            raise _invalid(
                f"Expected model {model.name} to have an absolute path; got base_path()={model.base_path}"
            )
        _check_platform(model)
    return config.model_config_list


def _check_platform(model: ModelConfig) -> None:
    if model.model_type and model.model_platform:
        raise _invalid(
            "Illegal setting both ModelServerConfig::model_type (deprecated) "
            "and ModelServerConfig::model_platform."
        )
    if not model.model_type and not model.model_platform:
        raise _invalid(
            "Illegal setting neither ModelServerConfig::model_type (deprecated) "
            'nor ModelServerConfig::model_platform; set model_platform: "tensorflow"'
        )
    platform = model.model_platform or ModelType.Name(model.model_type).lower()
    if platform != "tensorflow":
        raise _invalid(f"Model {model.name} requests unsupported platform {platform}")


def _invalid(text: str) -> Refused:
    return Refused("INVALID_ARGUMENT", text)
