"""TensorFlow Serving's REST surface: what stands under /v1."""

import logging
import re
from urllib.parse import unquote

import orjson
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.errors import Code, Refused
from serving.predictor import Predictor
from serving.store import Model, Store
from serving.tensors import parse, read_inputs, write_outputs

logger = logging.getLogger(__name__)

MODEL = r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?"
PREDICT = re.compile(rf"{MODEL}:predict", re.ASCII)
DESCRIBE = re.compile(rf"{MODEL}(/metadata)?", re.ASCII)
MAX_VERSION = 2**63 - 1

STATUS: dict[Code, int] = {
    "CANCELLED": 499,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "UNAUTHENTICATED": 401,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
}
"""HTTP's status of a refusal, as TensorFlow Serving's http_server.cc has it; 500 for all others."""


def rest(store: Store) -> ASGIApp:
    """The ASGI application of everything under /v1; requests are answered in threads."""

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        path = scope["raw_path"].decode("latin-1")
        try:
            body = await request.body()
            content = await run_in_threadpool(answer, store, request.method, path, body)
            response = Response(content, media_type="application/json")
        except ClientDisconnect:
            return
        except Refused as refused:
            response = refusal(refused)
        except Exception:
            logger.exception("%s %s", request.method, path)
            response = refusal(Refused("INTERNAL", "Internal error"))
        await response(scope, receive, send)

    return respond


def refusal(refused: Refused) -> Response:
    """The answer to a request that gets none: `{"error": text}`."""
    content = orjson.dumps({"error": str(refused)})
    return Response(content, STATUS.get(refused.code, 500), media_type="application/json")


def answer(store: Store, method: str, path: str, body: bytes) -> bytes:
    """The JSON answer to one request.

    Args:
        store: the models.
        method: "GET", "POST", ...
        path: as it came, percent-encoded, without the query.
        body: as it came.

    Raises:
        Refused: there is no answer.
    """
    if method == "POST" and (match := PREDICT.fullmatch(path)):
        name, version = _model_spec(*match.groups())
        return _predict(store, name, version, body)
    if method == "GET" and (match := DESCRIBE.fullmatch(path)):
        *spec, metadata = match.groups()
        name, version = _model_spec(*spec)
        if metadata:
            return _metadata(name, *store.find(name, version))
        return orjson.dumps(_proto(store.status(name, version)))
    if method == "GET" and path == "/v1/models":
        raise Refused("INVALID_ARGUMENT", "Missing model name in request.")
    raise Refused("INVALID_ARGUMENT", f"Malformed request: {method} {path}")


def _model_spec(name: str, version: str | None, label: str | None) -> tuple[str, int | None]:
    if label is not None:
        raise Refused("INVALID_ARGUMENT", f"Unrecognized servable version label: {unquote(label)}")
    if version is not None and int(version) > MAX_VERSION:
        raise Refused("INVALID_ARGUMENT", f"Failed to convert version: {version} to numeric.")
    return unquote(name), None if version is None else int(version)


def _predict(store: Store, name: str, version: int | None, body: bytes) -> bytes:
    document = parse(body)
    signature_name = document.get("signature_name", "")
    if not isinstance(signature_name, str):
        raise Refused(
            "INVALID_ARGUMENT", "not formatted correctly. 'signature_name' key must be a string value."
        )
    _, model = store.find(name, version)
    predictor = Predictor(model)
    signature = predictor.signature(signature_name)
    if not signature.inputs:
        raise Refused(
            "INVALID_ARGUMENT", f"Failed to get input map for signature: {signature_name or 'DEFAULT'}"
        )
    inputs, as_rows = read_inputs(document, signature.inputs)
    return write_outputs(predictor.call(signature, inputs), as_rows)


def _metadata(name: str, version: int, model: Model) -> bytes:
    spec = {"name": name, "signature_name": "", "version": str(version)}
    return orjson.dumps({"model_spec": spec, "metadata": {"signature_def": _proto(model.metadata)}})


def _proto(message: Message) -> dict:
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
