"""TensorFlow Serving's gRPC wire. Its stubs import TensorFlow."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what it would write to stderr, the errors say

import grpc
import numpy as np
from google.protobuf.json_format import MessageToDict

from serving.client.wire import DISTRUST, Rejected, Signature, Unavailable, read_signature
from serving.errors import UserError
from serving.quiet import tf

# isort: split
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest, SignatureDefMap
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

T = TypeVar("T")

FULL = grpc.StatusCode.RESOURCE_EXHAUSTED
"""With what a server of grpcio's refuses one call too many, as well as a message too large."""

OPTIONS = [
    ("grpc.enable_retries", 0),  # `Retries` sees to it, as over REST
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
]


class Rpc:
    """A `Wire`.

    Args:
        address: host and port.
        model: what the server calls the model.
        secure: speak TLS.
        ca: file of the certificates to trust in place of gRPC's own.
        token: sent as a bearer token, unless empty.

    Raises:
        UserError: `ca` can't be read.
    """

    def __init__(self, address: str, model: str, secure: bool, ca: Path | None, token: str) -> None:
        self.address = address
        self.model = model
        self._metadata = [("authorization", f"Bearer {token}")] if token else []
        if secure:
            try:
                credentials = grpc.ssl_channel_credentials(ca.read_bytes() if ca else None)
            except OSError as error:
                raise UserError(f"--ca must be a file that can be read; received {ca}: {error}") from error
            self._channel = grpc.secure_channel(address, credentials, OPTIONS)
        else:
            self._channel = grpc.insecure_channel(address, OPTIONS)
        self._stub = PredictionServiceStub(self._channel)

    def signature(self, timeout: float) -> Signature:
        """The default signature."""
        request = GetModelMetadataRequest(model_spec={"name": self.model}, metadata_field=["signature_def"])
        response = self._ask(self._stub.GetModelMetadata, request, timeout)
        metadata = SignatureDefMap()
        response.metadata["signature_def"].Unpack(metadata)
        return read_signature(MessageToDict(metadata, preserving_proto_field_name=True))

    def labels(self, timeout: float) -> dict[str, Any]:
        """No procedure tells them: always Rejected."""
        raise Rejected("UNIMPLEMENTED", "labels are not told over gRPC")

    def predict(
        self, pictures: Sequence[bytes], signature: Signature, timeout: float
    ) -> list[dict[str, Any]]:
        """Plain numbers by output name, a picture each."""
        request = PredictRequest(model_spec={"name": self.model})
        request.inputs[signature.input].CopyFrom(tf.make_tensor_proto(list(pictures), tf.string))
        response = self._ask(self._stub.Predict, request, timeout)
        columns = {name: _column(proto) for name, proto in sorted(response.outputs.items())}
        if any(len(column) != len(pictures) for column in columns.values()):
            raise Rejected("INTERNAL", "its answers must have a row for each picture")
        return [
            {name: column[row].tolist() for name, column in columns.items()} for row in range(len(pictures))
        ]

    def close(self) -> None:
        """Lets go of its connections."""
        self._channel.close()

    def _ask(self, procedure: Callable[..., T], request: Any, timeout: float) -> T:
        try:
            return procedure(request, timeout=timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            code, text = error.code(), error.details()
            if code is grpc.StatusCode.UNAVAILABLE or (code is FULL and "larger than max" not in text):
                kind = ConnectionError if DISTRUST in text else Unavailable
                raise kind(f"grpc://{self.address} is unavailable: {text}") from error
            if code is grpc.StatusCode.DEADLINE_EXCEEDED:
                raise TimeoutError(f"no answer from grpc://{self.address} within {timeout:.3g} s") from error
            raise Rejected(code.name, text) from error


def _column(proto: Any) -> np.ndarray:
    column = np.atleast_1d(tf.make_ndarray(proto))
    return np.char.decode(column.astype(bytes), "utf-8", "replace") if column.dtype == object else column
