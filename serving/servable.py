"""One model: its version folders, the versions that answer, and how one takes over from another.

The rules are TensorFlow Serving's (sources/storage_path/file_system_storage_path_source.cc with
servable_versions_always_present, core/availability_preserving_policy.cc).
"""

import gc
import logging
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from serving.batching import Batcher
from serving.contents import Contents
from serving.errors import Refused
from serving.loading import Model, Unloadable, load
from serving.versions import chosen, fingerprint, versions

# isort: split
from tensorflow.core.protobuf import error_codes_pb2
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus
from tensorflow_serving.apis.status_pb2 import StatusProto
from tensorflow_serving.config.model_server_config_pb2 import ModelConfig

logger = logging.getLogger(__name__)

START, LOADING = ModelVersionStatus.START, ModelVersionStatus.LOADING
AVAILABLE, UNLOADING, END = ModelVersionStatus.AVAILABLE, ModelVersionStatus.UNLOADING, ModelVersionStatus.END


class Serving(NamedTuple):
    """What requests see, replaced as a whole: none finds a label without the version it stands for."""

    models: Mapping[int, Model]
    labels: Mapping[str, int]


@dataclass(frozen=True)
class Version:
    """What has become of a version.

    Args:
        path: its folder.
        state: as `ModelVersionStatus` has them.
        failure: why it could not be loaded.
        files: what the folder held when that was tried.
        lease: of a version that is being let go, its model, which lives until the last request that began
            with it has ended.
    """

    path: Path
    state: int = START
    failure: Refused | None = None
    files: frozenset = frozenset()
    lease: "weakref.ref[Model] | None" = None

    @property
    def unloaded(self) -> bool:
        """Whether it was let go and its last request has ended."""
        return self.lease is not None and self.lease() is None

    def due(self, path: Path) -> bool:
        """Whether it is to be loaded from a folder; a failure is not tried again on the same files."""
        if self.path != path:
            return True
        if self.failure is not None:
            return self.files != fingerprint(path)
        return self.state != AVAILABLE


class Servable:
    """The versions of one model. One thread at a time may change them; requests never wait.

    Args:
        name: what clients call the model.
        warm_up: whether versions answer their recorded requests before they take over.
        batcher: what puts requests together; None if they are computed one by one.
        contents: what a request may hold; None: anything.
    """

    def __init__(
        self,
        name: str,
        warm_up: bool = True,
        batcher: Batcher | None = None,
        contents: Contents | None = None,
    ) -> None:
        self.name = name
        self.config = ModelConfig()
        self._warm_up = warm_up
        self._batcher = batcher
        self._contents = contents
        self._serving = Serving({}, {})
        self._versions: Mapping[int, Version] = {}

    def configure(self, config: ModelConfig) -> None:
        """Takes over base path, version policy and labels; the next poll follows them."""
        if config.HasField("logging_config") and config != self.config:
            logger.warning("logging_config of model %s is not followed: no request is logged", self.name)
        self.config = config
        self._serving = self._serving._replace(labels=dict(config.version_labels))

    @property
    def available(self) -> list[int]:
        """The versions that answer, newest first."""
        return sorted(self._serving.models, reverse=True)

    @property
    def labels(self) -> Mapping[str, int]:
        """The versions that labels stand for."""
        return self._serving.labels

    def find(self, version: int | None, label: str | None) -> tuple[int, Model]:
        """A version that answers, the newest unless a version or label names one, and its number.

        Whoever holds the model holds a lease: it is not unloaded before it is let go of.

        Raises:
            Refused: NOT_FOUND, the version does not answer; INVALID_ARGUMENT, there is no such label.
        """
        models, labels = self._serving
        if label is not None:
            version = _labelled(labels, label)
        number = max(models, default=0) if version is None else version
        if number not in models:
            wanted = f"Latest({self.name})" if version is None else f"Specific({self.name}, {version})"
            raise Refused("NOT_FOUND", f"Servable not found for request: {wanted}")
        return number, models[number]

    def status(self, version: int | None, label: str | None) -> list[ModelVersionStatus]:
        """The state of every version known, newest first, or of the one named.

        Raises:
            Refused: NOT_FOUND, there is none; INVALID_ARGUMENT, there is no such label.
        """
        known = self._versions
        if label is not None:
            version = _labelled(self.labels, label)
        numbers = sorted(known, reverse=True) if version is None else [version] if version in known else []
        if not numbers:
            wanted = "any versions" if version is None else f"version {version}"
            raise Refused("NOT_FOUND", f"Could not find {wanted} of model {self.name}")
        return [_status(number, known[number]) for number in numbers]

    def failure(self) -> tuple[int, Refused] | None:
        """The newest version that could not be loaded, and why."""
        failures = {number: version.failure for number, version in self._versions.items() if version.failure}
        return max(failures.items(), default=None)

    def poll(self) -> list[str]:
        """Loads what the version policy asks for, newest first, and lets go of the rest.

        While none of what it asks for loads, the version that answers stays. Where there is none either, the
        newest that loads takes its place, unless the policy is for specific versions.

        Returns:
            What went wrong, in words for the one who runs the server.

        Raises:
            UserError: no version there; what answers stays.
        """
        found = versions(Path(self.config.base_path))
        policy = self.config.model_version_policy
        wanted = chosen(found, policy)
        if not wanted:
            return [f"{self.name}: no version that its policy asks for is there; what answers stays"]
        said = []
        new = [number for number in wanted if self._due(number, found[number])]
        self._set({number: Version(found[number]) for number in new})
        for number in new:
            self._unload_all_but(wanted)
            said += self._load(number, found[number])
        self._unload_all_but(wanted)
        if policy.WhichOneof("policy_choice") != "specific":
            for number, path in found.items():
                if not self.available and self._due(number, path):
                    said += self._load(number, path)
        self._settle()
        return said

    def unload(self) -> None:
        """Lets go of all versions."""
        self._unload(self.available)
        self._settle()

    def _due(self, number: int, path: Path) -> bool:
        known = self._versions.get(number)
        return known is None or known.due(path)

    def _load(self, number: int, path: Path) -> list[str]:
        files = fingerprint(path)  # before, so that what is written while it is read counts as a change
        self._set({number: Version(path, LOADING)})
        try:
            model = load(path, self._warm_up, self.name, self._batcher, self._contents)
        except Unloadable as error:
            said, failure = str(error), Refused(error.code, error.said)
        except Exception:
            logger.exception("%s", path)
            said, failure = "loading it failed", Refused("INTERNAL", "Internal error")
        else:
            self._serving = self._serving._replace(models={**self._serving.models, number: model})
            self._set({number: Version(path, AVAILABLE)})
            logger.info("%s, version %d, answers", self.name, number)
            return []
        self._set({number: Version(path, END, failure, files)})
        return [f"{self.name}, version {number}, can't be loaded: {said}"]

    def _unload_all_but(self, wanted: list[int]) -> None:
        kept = wanted if set(wanted) & set(self.available) else self.available[:1]
        self._unload([number for number in self.available if number not in kept])

    def _unload(self, numbers: list[int]) -> None:
        models = self._serving.models
        self._set(
            {
                number: Version(self._versions[number].path, UNLOADING, lease=weakref.ref(models[number]))
                for number in numbers
            }
        )
        self._serving = self._serving._replace(
            models={number: model for number, model in models.items() if number not in numbers}
        )

    def _settle(self) -> None:
        ended = {
            number: Version(known.path, END) for number, known in self._versions.items() if known.unloaded
        }
        if ended:
            self._set(ended)
            gc.collect()  # what TensorFlow loads refers in part to itself

    def _set(self, changed: Mapping[int, Version]) -> None:
        self._versions = {**self._versions, **changed}


def _labelled(labels: Mapping[str, int], label: str) -> int:
    if label not in labels:
        raise Refused("INVALID_ARGUMENT", f"Unrecognized servable version label: {label}")
    return labels[label]


def _status(number: int, version: Version) -> ModelVersionStatus:
    said = StatusProto()
    if version.failure is not None:
        code = error_codes_pb2.Code.Value(version.failure.code)
        said = StatusProto(error_code=code, error_message=str(version.failure))
    return ModelVersionStatus(version=number, state=END if version.unloaded else version.state, status=said)
