"""TensorFlow Serving's gRPC surface: PredictionService, ModelService and the standard health service."""

import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import Int32Value, StringValue

from serving import procedures
from serving.deadline import within
from serving.errors import Refused
from serving.store import Store

# isort: split
from tensorflow_serving.apis.model_service_pb2_grpc import add_ModelServiceServicer_to_server
from tensorflow_serving.apis.prediction_service_pb2_grpc import add_PredictionServiceServicer_to_server

logger = logging.getLogger(__name__)

MAX_ERROR = 1024
"""Bytes of an error's text that are sent."""
SERVICES = ("", "tensorflow.serving.PredictionService", "tensorflow.serving.ModelService")
"""What the health service knows; the empty name is the server's as a whole."""

Request = TypeVar("Request", bound=Message)
Handler = Callable[[Any, grpc.ServicerContext], Any]


def add_services(store: Store, server: grpc.Server) -> None:
    """Lets a gRPC server, not yet started, answer for a store."""

    def handler(answer: Callable[[Store, Request], Message]) -> Handler:
        def handle(request: Request, context: grpc.ServicerContext) -> Message:
            try:
                with within(context.time_remaining()):
                    return answer(store, request)
            except Refused as refused:
                return context.abort(grpc.StatusCode[refused.code], _cut(str(refused)))
            except Exception:
                logger.exception("%s", answer.__name__)
                return context.abort(grpc.StatusCode.INTERNAL, "Internal error")

        return handle

    prediction = SimpleNamespace(
        Predict=handler(procedures.predict),
        Classify=handler(procedures.classification),
        Regress=handler(procedures.regression),
        MultiInference=handler(procedures.multi_inference),
        GetModelMetadata=handler(procedures.model_metadata),
    )
    model = SimpleNamespace(
        GetModelStatus=handler(procedures.model_status),
        HandleReloadConfigRequest=handler(procedures.reload_config),
    )
    add_PredictionServiceServicer_to_server(prediction, server)
    add_ModelServiceServicer_to_server(model, server)
    # On the wire the health service's messages are these two: one string, one enumeration.
    check = grpc.unary_unary_rpc_method_handler(
        handler(health), StringValue.FromString, Int32Value.SerializeToString
    )
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": check})]
    )


def health(store: Store, request: StringValue) -> Int32Value:
    """Whether the server answers: 1, SERVING, or 2, NOT_SERVING."""
    if request.value not in SERVICES:
        raise Refused("NOT_FOUND", f"unknown service: {request.value}")
    return Int32Value(value=1 if store.ready else 2)


def _cut(text: str) -> str:
    encoded = text.encode()
    return text if len(encoded) <= MAX_ERROR else f"{encoded[:MAX_ERROR].decode(errors='ignore')}...TRUNCATED"
