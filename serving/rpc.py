"""TensorFlow Serving's gRPC surface: PredictionService, ModelService and the standard health service."""

import asyncio
import contextvars
import logging
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message
from google.protobuf.wrappers_pb2 import Int32Value, StringValue

from serving import procedures
from serving.access import REQUEST_ID, log, request_id
from serving.arrays import invalid
from serving.bearer import check
from serving.deadline import within
from serving.errors import Refused
from serving.limits import Room
from serving.metrics import REQUEST_COUNT
from serving.store import Store

# isort: split
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest
from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.regression_pb2 import RegressionRequest

logger = logging.getLogger(__name__)

MAX_ERROR = 1024
"""Bytes of an error's text that are sent."""


@dataclass(frozen=True)
class Procedure:
    """One of a service's.

    Args:
        request: what its requests are.
        answer: what it answers.
        computes: whether it takes a place among the requests that are computed.
        at_once: whether it needs no thread, and so never waits for those that compute.
        open: whether it answers those, too, who bring no token.
    """

    request: type[Message]
    answer: Callable[[Store, Any], Message]
    computes: bool = False
    at_once: bool = False
    open: bool = False


def health(store: Store, request: StringValue) -> Int32Value:
    """Whether the server answers: 1, SERVING, or 2, NOT_SERVING."""
    if request.value not in ("", *SERVICES):  # the empty name is the server as a whole
        raise Refused("NOT_FOUND", f"unknown service: {request.value}")
    return Int32Value(value=1 if store.ready else 2)


SERVICES = {
    "tensorflow.serving.PredictionService": {
        "Predict": Procedure(PredictRequest, procedures.predict, computes=True),
        "Classify": Procedure(ClassificationRequest, procedures.classification, computes=True),
        "Regress": Procedure(RegressionRequest, procedures.regression, computes=True),
        "MultiInference": Procedure(MultiInferenceRequest, procedures.multi_inference, computes=True),
        "GetModelMetadata": Procedure(GetModelMetadataRequest, procedures.model_metadata),
    },
    "tensorflow.serving.ModelService": {
        "GetModelStatus": Procedure(GetModelStatusRequest, procedures.model_status, at_once=True),
        "HandleReloadConfigRequest": Procedure(ReloadConfigRequest, procedures.reload_config),
    },
    # On the wire the health service's messages are these two: one string, one enumeration.
    "grpc.health.v1.Health": {"Check": Procedure(StringValue, health, at_once=True, open=True)},
}


def add_services(
    store: Store, server: grpc.aio.Server, room: Room, pool: Executor, token: bytes | None = None
) -> None:
    """Lets a gRPC server, not yet started, answer for a store.

    Args:
        store: the models.
        server: reads and writes; who sends slowly keeps no thread waiting.
        room: what clients may take.
        pool: whose threads answer.
        token: what calls must bring; None if all are answered.
    """
    for service, names in SERVICES.items():
        # A stream of one request is the same on the wire, but waiting for it can be given an end.
        handlers = {
            name: grpc.stream_unary_rpc_method_handler(
                Handler(store, room, pool, token, f"/{service}/{name}", procedure).handle
            )
            for name, procedure in names.items()
        }
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, handlers)])


class Handler:
    """What answers the calls of one procedure."""

    def __init__(
        self,
        store: Store,
        room: Room,
        pool: Executor,
        token: bytes | None,
        path: str,
        procedure: Procedure,
    ) -> None:
        self._store, self._room, self._pool, self._token = store, room, pool, token
        self._path, self._procedure = path, procedure

    async def handle(self, _: object, context: grpc.aio.ServicerContext) -> bytes:
        """Answers one call."""
        began = time.perf_counter()
        identity = request_id(dict(context.invocation_metadata() or ()).get(REQUEST_ID))
        context.set_trailing_metadata([(REQUEST_ID, identity)])
        said: dict[str, Any] = {"model": "", "bytes_in": 0, "bytes_out": 0}
        status = "CANCELLED"
        try:
            with within(context.time_remaining()):
                answer = await self._answered(context, said)
            status, said["bytes_out"] = "OK", len(answer)
            return answer
        except Refused as refused:
            status = refused.code
            return await context.abort(grpc.StatusCode[status], _cut(str(refused)))
        except Exception:
            status = "INTERNAL"
            logger.exception("%s", self._path)
            return await context.abort(grpc.StatusCode.INTERNAL, "Internal error")
        finally:
            log(began, request_id=identity, protocol="GRPC", path=self._path, status=status, **said)

    async def _answered(self, context: grpc.aio.ServicerContext, said: dict[str, Any]) -> bytes:
        try:
            body = await self._taken(context)
        except Refused as refused:
            if self._procedure.computes:
                REQUEST_COUNT.add("", refused.code)
            raise
        said["bytes_in"] = len(body)
        if self._procedure.at_once:
            try:
                return self._answer(body, said)
            finally:
                self._give_back(body)
        future = self._pool.submit(contextvars.copy_context().run, self._answer, body, said)
        # When the thread is done with it, not when the client no longer waits.
        future.add_done_callback(lambda _: self._give_back(body))
        return await asyncio.wrap_future(future)

    async def _taken(self, context: grpc.aio.ServicerContext) -> bytes:
        """The whole request, and a place to compute it."""
        if self._token and not self._procedure.open:
            check(self._token, dict(context.invocation_metadata() or ()).get("authorization"))
        if self._procedure.computes:
            self._room.check()
        seconds = self._room.limits.body_timeout_seconds
        try:
            async with self._room.arrival(asyncio.get_running_loop().time() + seconds):
                body = await context.read()
        except TimeoutError:
            raise Refused("DEADLINE_EXCEEDED", f"a request must come within {seconds:g} s") from None
        if not isinstance(body, bytes):  # it ended without one
            raise invalid("a call must have a request")
        self._room.hold(len(body))
        try:
            if self._procedure.computes:
                self._room.enter()
        except Refused:
            self._room.release(len(body))
            raise
        return body

    def _give_back(self, body: bytes) -> None:
        self._room.release(len(body))
        if self._procedure.computes:
            self._room.leave()

    def _answer(self, body: bytes, said: dict[str, Any]) -> bytes:
        kind = self._procedure.request
        try:
            request = kind.FromString(body)
        except DecodeError:
            raise invalid(f"the request must be a {kind.DESCRIPTOR.full_name}") from None
        said["model"] = request.model_spec.name if hasattr(request, "model_spec") else ""
        return self._procedure.answer(self._store, request).SerializeToString()


def _cut(text: str) -> str:
    encoded = text.encode()
    return text if len(encoded) <= MAX_ERROR else f"{encoded[:MAX_ERROR].decode(errors='ignore')}...TRUNCATED"
