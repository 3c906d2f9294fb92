"""The models that answer: which they are, by name, and how that changes while they do."""

import logging
import threading
from collections.abc import Mapping
from pathlib import Path

from serving.batching import Batcher
from serving.contents import Contents
from serving.errors import Refused, UserError
from serving.loading import Model
from serving.servable import Servable
from serving.versions import versions

# isort: split
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusResponse
from tensorflow_serving.config.model_server_config_pb2 import ModelConfig, ModelConfigList

logger = logging.getLogger(__name__)

CONTENTS = Contents()


class Store:
    """Models by name. Requests find them at any time; polls and reloads follow one after the other.

    Args:
        config: the models, checked as by `serving.config`.
        allow_version_labels_for_unavailable_models: whether a new label may stand for a version that does
            not answer yet.
        enable_model_warmup: whether versions answer their recorded requests before they take over.
        batcher: what puts requests together; None if they are computed one by one.
        contents: what a request may hold.

    Raises:
        UserError: a model has no version.
        Refused: FAILED_PRECONDITION, a label stands for a version that does not answer, and may not.
    """

    def __init__(
        self,
        config: ModelConfigList,
        allow_version_labels_for_unavailable_models: bool = False,
        enable_model_warmup: bool = True,
        batcher: Batcher | None = None,
        contents: Contents = CONTENTS,
    ) -> None:
        self._allow_labels = allow_version_labels_for_unavailable_models
        self._warm_up = enable_model_warmup
        self._batcher = batcher
        self.contents = contents
        self._changing = threading.Lock()
        self._servables: Mapping[str, Servable] = {}
        self._problems: list[str] = []
        self._ready = False
        self._configure(config)

    def load(self) -> None:
        """Loads and warms what is configured; then the store is ready.

        Raises:
            UserError: a model has no version that answers.
        """
        with self._changing:
            problems = self._poll()
            if not all(servable.available for servable in self._servables.values()):
                raise UserError("; ".join(problems))
            self._log(problems)
            self._ready = True

    def poll(self) -> None:
        """Looks for versions that have come or gone, in every model's folder, and loads or unloads them.

        What can't be read or loaded is logged, and told by `status`; what answers goes on.
        """
        with self._changing:
            self._log(self._poll())

    def reload(self, config: ModelConfigList) -> None:
        """Serves the models of another configuration; returns when their versions are loaded.

        Raises:
            Refused: NOT_FOUND, a model has no version, or FAILED_PRECONDITION, a label stands for one that
                does not answer: all stays as it was; UNKNOWN, a model has no version that loads: all else is
                done, and its folder is looked at from now on.
        """
        with self._changing:
            if config == self._config and all(self.available.values()):
                return
            before = self._servables
            try:
                self._configure(config)
            except UserError as error:
                raise Refused("NOT_FOUND", str(error)) from error
            for name in before.keys() - self._servables.keys():
                before[name].unload()
            self._log(self._poll())
            missing = [_missing(servable) for servable in self._servables.values() if not servable.available]
            if missing:
                count = f"{len(missing)} model(s) did not become available"
                raise Refused("UNKNOWN", f"{count}: {{{''.join(missing)}}}")

    @property
    def ready(self) -> bool:
        """Whether the models configured at first are loaded and warm."""
        return self._ready

    @property
    def available(self) -> dict[str, list[int]]:
        """The versions that answer, newest first, by model."""
        return {name: servable.available for name, servable in self._servables.items()}

    def __contains__(self, name: str) -> bool:
        """Whether a model goes by this name."""
        return name in self._servables

    def find(self, name: str, version: int | None = None, label: str | None = None) -> tuple[int, Model]:
        """A version that answers, the newest unless a version or label names one, and its number.

        Whoever holds the model holds a lease: it is not unloaded before it is let go of.

        Raises:
            Refused: NOT_FOUND, the model or version is not served; INVALID_ARGUMENT, there is no such label.
        """
        return (self._servables.get(name) or Servable(name)).find(version, label)

    def status(
        self, name: str, version: int | None = None, label: str | None = None
    ) -> GetModelStatusResponse:
        """The state of every version known, newest first, or of the one named.

        Raises:
            Refused: NOT_FOUND, there is none; INVALID_ARGUMENT, there is no such label.
        """
        states = (self._servables.get(name) or Servable(name)).status(version, label)
        return GetModelStatusResponse(model_version_status=states)

    def _configure(self, config: ModelConfigList) -> None:
        """Takes over names, folders, policies and labels, if all of them can be; loads nothing."""
        for model in config.config:
            known = self._servables.get(model.name)
            if known is None or known.config.base_path != model.base_path:
                versions(Path(model.base_path))
            self._check_labels(model, known)
        servables = {}
        for model in config.config:
            servable = self._servables.get(model.name) or Servable(
                model.name, self._warm_up, self._batcher, self.contents
            )
            servable.configure(model)
            servables[model.name] = servable
        self._servables, self._config = servables, config

    def _check_labels(self, model: ModelConfig, known: Servable | None) -> None:
        labels, available = (known.labels, known.available) if known else ({}, [])
        for label, version in model.version_labels.items():
            may_wait = self._allow_labels and labels.get(label, version) == version
            if version not in available and not may_wait:
                raise Refused(
                    "FAILED_PRECONDITION",
                    f"Request to assign label to version {version} of model {model.name}, "
                    "which is not currently available for inference",
                )

    def _poll(self) -> list[str]:
        said = []
        for name, servable in self._servables.items():
            try:
                said += servable.poll()
            except UserError as error:
                said.append(f"{name}: {error}")
        return said

    def _log(self, problems: list[str]) -> None:
        for problem in problems:
            if problem not in self._problems:  # once, not at every poll
                logger.warning("%s", problem)
        self._problems = problems


def _missing(servable: Servable) -> str:
    number, failure = servable.failure() or (None, None)
    version = "" if number is None else f" version: {number}"
    error = "" if failure is None else f" due to error: {failure.code}: {failure}"
    return f"{{{{name: {servable.name}{version}}}{error}}}, "
