"""Version folders to loaded models."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from serving.errors import Refused, UserError, reason
from serving.quiet import tf
from serving.versions import versions

# isort: split
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow_serving.apis.get_model_metadata_pb2 import SignatureDefMap
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusResponse, ModelVersionStatus
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

logger = logging.getLogger(__name__)

DEFAULT_SIGNATURE = "serving_default"
WARMUP = Path("assets.extra/tf_serving_warmup_requests")
WARMUP_RECORDS = 1000  # as many as TensorFlow Serving replays
LABELS = Path("assets.extra/labels.json")


@dataclass(frozen=True)
class Signature:
    """One way to call a model.

    Args:
        inputs: what each named input must be.
        outputs: what each named output is.
        function: tensors by input name to tensors by output name.
        defaults: what an input is taken to be when a request leaves it out.
    """

    inputs: dict[str, tf.TensorSpec]
    outputs: dict[str, tf.TensorSpec]
    function: Callable[..., dict[str, tf.Tensor]]
    defaults: dict[str, np.ndarray]


@dataclass(frozen=True)
class Model:
    """One loaded version.

    Args:
        signatures: by name.
        metadata: the signatures as the SavedModel describes them.
        labels: `assets.extra/labels.json` as it is; None if the export has none.
        loaded: what the signatures' functions need kept alive: their variables.
    """

    signatures: dict[str, Signature]
    metadata: SignatureDefMap
    labels: bytes | None
    loaded: Any


def load(export: Path) -> Model:
    """The SavedModel in a folder, its warm-up requests replayed.

    Raises:
        UserError: there is none that loads, or it can't answer its own warm-up requests.
    """
    try:
        metadata = _signature_defs(export)
        loaded = tf.saved_model.load(str(export))
    except (OSError, ValueError, DecodeError, tf.errors.OpError) as error:
        raise UserError(f"{export} must hold a SavedModel; loading it says: {reason(str(error))}") from error
    signatures = {
        name: Signature(
            _specs(metadata.signature_def[name].inputs),
            _specs(metadata.signature_def[name].outputs),
            function,
            {
                input_name: tf.make_ndarray(value)
                for input_name, value in metadata.signature_def[name].defaults.items()
            },
        )
        for name, function in loaded.signatures.items()
        if _is_dense(export, name, metadata.signature_def[name])
    }
    _warm_up(export / WARMUP, signatures)
    labels = (export / LABELS).read_bytes() if (export / LABELS).is_file() else None
    return Model(signatures, metadata, labels, loaded)


def _signature_defs(export: Path) -> SignatureDefMap:
    saved_model = SavedModel.FromString((export / "saved_model.pb").read_bytes())
    for graph in saved_model.meta_graphs:
        if tf.saved_model.SERVING in graph.meta_info_def.tags:
            return SignatureDefMap(signature_def=graph.signature_def)
    raise ValueError(f"no graph in it is tagged {tf.saved_model.SERVING!r}")


def _is_dense(export: Path, name: str, definition: Any) -> bool:
    """Whether a signature takes and gives plain tensors only, which is all that a request can carry."""
    for tensor, info in (*definition.inputs.items(), *definition.outputs.items()):
        if info.WhichOneof("encoding") != "name":
            logger.warning("%s: signature %s is not served: its %s is no dense tensor", export, name, tensor)
            return False
    return True


def _specs(infos: Any) -> dict[str, tf.TensorSpec]:
    return {
        name: tf.TensorSpec(tf.TensorShape(info.tensor_shape), tf.dtypes.as_dtype(info.dtype), name)
        for name, info in sorted(infos.items())
    }


def _warm_up(path: Path, signatures: dict[str, Signature]) -> None:
    """Answers the recorded requests, so that the first real one finds graphs and memory prepared."""
    if not path.is_file():
        return
    records = tf.data.TFRecordDataset(str(path)).take(WARMUP_RECORDS).as_numpy_iterator()
    number = 0
    try:
        for number, record in enumerate(records, start=1):
            log = PredictionLog.FromString(record)
            if log.WhichOneof("log_type") != "predict_log":
                logger.warning("%s: record %d is no predict_log: not replayed", path, number)
                continue
            request = log.predict_log.request
            signature = signatures[request.model_spec.signature_name or DEFAULT_SIGNATURE]
            inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
            signature.function(**{**signature.defaults, **inputs})
    except (KeyError, TypeError, ValueError, DecodeError, tf.errors.OpError) as error:
        raise UserError(
            f"{path} must hold requests that the model answers; record {number}: {reason(str(error))}"
        ) from error


class Store:
    """The versions of a model that answer.

    Args:
        name: what clients call the model.
        base_path: its version folders.
        version_labels: the versions that labels stand for.

    Raises:
        UserError: no version there.
    """

    def __init__(self, name: str, base_path: Path, version_labels: Mapping[str, int] | None = None) -> None:
        self.name = name
        self._labels = dict(version_labels or {})
        self._version, self._path = next(iter(versions(base_path).items()))
        self._models: dict[int, Model] = {}

    def load(self) -> None:
        """Loads and warms the newest version; then the store is ready."""
        self._models = {self._version: load(self._path)}

    @property
    def ready(self) -> bool:
        """Whether a version is loaded and warm."""
        return bool(self._models)

    def __contains__(self, name: str) -> bool:
        """Whether a model goes by this name."""
        return name == self.name

    def find(self, name: str, version: int | None = None, label: str | None = None) -> tuple[int, Model]:
        """A version that answers, the newest unless a version or label names one, and its number.

        Raises:
            Refused: NOT_FOUND, the model or version is not served; INVALID_ARGUMENT, there is no such label.
        """
        if label is not None:
            version = self._labelled(name, label)
        chosen = max(self._models, default=0) if version is None else version
        if name not in self or chosen not in self._models:
            wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            raise Refused("NOT_FOUND", f"Servable not found for request: {wanted}")
        return chosen, self._models[chosen]

    def status(
        self, name: str, version: int | None = None, label: str | None = None
    ) -> GetModelStatusResponse:
        """The state of every version known, newest first, or of the one named.

        Raises:
            Refused: NOT_FOUND, there is none; INVALID_ARGUMENT, there is no such label.
        """
        if name not in self:
            raise Refused("NOT_FOUND", f"Could not find any versions of model {name}")
        if label is not None:
            version = self._labelled(name, label)
        if version not in (None, self._version):
            raise Refused("NOT_FOUND", f"Could not find version {version} of model {name}")
        state = ModelVersionStatus.AVAILABLE if self.ready else ModelVersionStatus.LOADING
        known = ModelVersionStatus(version=self._version, state=state, status={})
        return GetModelStatusResponse(model_version_status=[known])

    def _labelled(self, name: str, label: str) -> int:
        # A label points at versions that answer only, so that one can be moved without a gap.
        if name not in self or self._labels.get(label) not in self._models:
            raise Refused("INVALID_ARGUMENT", f"Unrecognized servable version label: {label}")
        return self._labels[label]
