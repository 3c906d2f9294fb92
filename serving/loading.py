"""A SavedModel in a folder to what answers: its signatures, warmed up."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import text_format
from google.protobuf.message import DecodeError

from serving.batching import Batcher
from serving.contents import Contents
from serving.errors import Code, UserError, reason
from serving.quiet import tf

# isort: split
from tensorflow.core.protobuf import error_codes_pb2
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow_serving.apis.get_model_metadata_pb2 import SignatureDefMap
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
        name: what clients call it.
        batcher: what puts its requests together; None if they are computed one by one.
        contents: what a request may hold; None: anything.
    """

    signatures: dict[str, Signature]
    metadata: SignatureDefMap
    labels: bytes | None
    loaded: Any
    name: str = ""
    batcher: Batcher | None = None
    contents: Contents | None = None


class Unloadable(UserError):
    """A folder does not hold a model that can answer.

    Args:
        rule: what the folder must be.
        export: the folder.
        error: what TensorFlow, or the system, says of it.

    Attributes:
        code: what kind of failure it is.
        said: the error without paths.
    """

    def __init__(self, rule: str, export: Path, error: Exception) -> None:
        self.code, self.said = _code(error), reason(str(error), str(export))
        super().__init__(f"{rule}: {self.said}")


def _code(error: Exception) -> Code:
    if isinstance(error, tf.errors.OpError):
        return error_codes_pb2.Code.Name(error.error_code)
    kinds: dict[type[Exception], Code] = {
        FileNotFoundError: "NOT_FOUND",
        PermissionError: "PERMISSION_DENIED",
        OSError: "UNAVAILABLE",
        DecodeError: "DATA_LOSS",
        IndexError: "OUT_OF_RANGE",  # as TensorFlow's readers of checkpoints turn it
        ValueError: "INVALID_ARGUMENT",
        TypeError: "INVALID_ARGUMENT",
        KeyError: "INVALID_ARGUMENT",
    }
    return next((code for kind, code in kinds.items() if isinstance(error, kind)), "INTERNAL")


def load(
    export: Path,
    warm_up: bool = True,
    name: str = "",
    batcher: Batcher | None = None,
    contents: Contents | None = None,
) -> Model:
    """The SavedModel in a folder, its warm-up requests replayed if asked to.

    Args:
        export: the folder.
        warm_up: whether to replay them.
        name: what clients call the model.
        batcher: what puts requests together.
        contents: what a request may hold.

    Raises:
        Unloadable: there is none that loads, or it can't answer its own warm-up requests.
    """
    try:
        metadata = _signature_defs(export)
        loaded = tf.saved_model.load(str(export))
        labels = (export / LABELS).read_bytes() if (export / LABELS).is_file() else None
    except Exception as error:  # files that are cut off raise what no list has: IndexError, RuntimeError, ...
        raise Unloadable(f"{export} must hold a SavedModel; loading it says", export, error) from error
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
    if warm_up:
        _warm_up(export, signatures)
    return Model(signatures, metadata, labels, loaded, name, batcher, contents)


def _signature_defs(export: Path) -> SignatureDefMap:
    binary, text = export / "saved_model.pb", export / "saved_model.pbtxt"
    if binary.is_file():
        saved_model = SavedModel.FromString(binary.read_bytes())
    elif text.is_file():
        saved_model = text_format.Parse(text.read_text(), SavedModel())
    else:
        raise FileNotFoundError("Could not find SavedModel .pb or .pbtxt at supplied export directory path")
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


def _warm_up(export: Path, signatures: dict[str, Signature]) -> None:
    """Answers the recorded requests, so that the first real one finds graphs and memory prepared."""
    path = export / WARMUP
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
        raise Unloadable(
            f"{path} must hold requests that the model answers; record {number}", export, error
        ) from error
