"""TensorFlow Serving's REST surface: what stands under /v1."""

import logging
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar
from urllib.parse import unquote

import orjson
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.arrays import invalid
from serving.calls import Call, call_async, prepare
from serving.compression import inflate
from serving.deadline import within
from serving.errors import Code, Refused
from serving.examples import classify, regress
from serving.features import read_examples, write_classes, write_values
from serving.limits import Limits
from serving.loading import DEFAULT_SIGNATURE, Model
from serving.metrics import RUNTIME_LATENCY, observed
from serving.pixels import split, to_pixels
from serving.store import Store
from serving.tensors import parse, read_inputs, write_outputs
from serving.versions import version_number

logger = logging.getLogger(__name__)

MODEL = r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?"
ASK = re.compile(rf"{MODEL}:(predict|classify|regress)", re.ASCII)
DESCRIBE = re.compile(rf"{MODEL}(/metadata)?", re.ASCII)

SMALL = 2**15
"""Bytes of a request or an answer that are read or written in the event loop: two milliseconds at most."""

T = TypeVar("T")

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


def rest(store: Store, timeout: float | None = None, max_body_bytes: int = Limits.max_body_bytes) -> ASGIApp:
    """The ASGI application of everything under /v1; what takes time is done in threads.

    Args:
        store: the models.
        timeout: seconds after which a request no longer waits to be computed.
        max_body_bytes: what a gzip body may inflate to.
    """

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        path = scope["raw_path"].decode("latin-1")
        zipped = "gzip" in request.headers.get("content-encoding", "").lower()
        try:
            body = await request.body()
            if zipped:
                body = await run_in_threadpool(inflate, body, max_body_bytes)
            with within(timeout):
                content = await answer(store, request.method, path, body)
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
    status = refused.http_status or STATUS.get(refused.code, 500)
    return Response(orjson.dumps({"error": str(refused)}), status, media_type="application/json")


def model_name(path: str) -> str:
    """The model that a path, decoded, asks for; an empty name where it asks for none."""
    match = re.match(MODEL, path)
    return match[1] if match else ""


async def answer(store: Store, method: str, path: str, body: bytes) -> bytes:
    """The JSON answer to one request.

    Args:
        store: the models.
        method: "GET", "POST", ...
        path: as it came, percent-encoded, without the query.
        body: as it came, inflated.

    Raises:
        Refused: there is no answer.
    """
    if method == "POST" and (match := ASK.fullmatch(path)):
        *spec, api = match.groups()
        model = _model_spec(*spec)
        with observed(model[0] if model[0] in store else "", api, "REST"):
            return await ANSWERS[api](store, model, body)
    if method == "GET" and (match := DESCRIBE.fullmatch(path)):
        *spec, metadata = match.groups()
        model = _model_spec(*spec)
        if metadata:
            return await run_in_threadpool(_metadata, model[0], *store.find(*model))
        return orjson.dumps(_proto(store.status(*model)))
    if method == "GET" and path == "/v1/models":
        raise invalid("Missing model name in request.")
    raise invalid(f"Malformed request: {method} {path}")


ModelSpec = tuple[str, int | None, str | None]
"""A model's name, and its version or label where the path gives one."""


def _model_spec(name: str, version: str | None, label: str | None) -> ModelSpec:
    number = None if version is None else version_number(version)
    if version is not None and number is None:
        raise invalid(f"Failed to convert version: {version} to numeric.")
    return unquote(name), number, None if label is None else unquote(label)


async def _predict(store: Store, spec: ModelSpec, body: bytes) -> bytes:
    call, as_rows = await _where_it_fits(len(body), _read, store, spec, body)
    with RUNTIME_LATENCY.time(spec[0], "Predict", "TF1"):
        outputs = await call_async(call)
    size = sum(array.nbytes for array in outputs.values())
    if size <= SMALL:  # of strings, these were pointers
        size += sum(len(text) for array in outputs.values() if array.dtype == object for text in array.flat)
    return await _where_it_fits(size, write_outputs, outputs, as_rows)


def _read(store: Store, spec: ModelSpec, body: bytes) -> tuple[Call, bool]:
    """The call that a request to predict asks for, and whether by rows."""
    return _read_pixels(store, spec, body) or _read_any(store, spec, body)


def _read_pixels(store: Store, spec: ModelSpec, body: bytes) -> tuple[Call, bool] | None:
    """A request whose only input is one array of pixels; None of any other, right or wrong."""
    document, text = split(body) or ({}, b"")
    signature_name = document.get("signature_name") or DEFAULT_SIGNATURE
    if not text or spec[0] not in store or not isinstance(signature_name, str):
        return None
    _, model = store.find(*spec)
    signature = model.signatures.get(signature_name)
    if signature is None or len(signature.inputs) != 1:
        return None
    ((name, wanted),) = signature.inputs.items()
    if wanted.dtype.name != "uint8" or not wanted.shape.rank or None in wanted.shape[1:]:
        return None
    pixels = to_pixels(text, tuple(wanted.shape[1:]))
    if pixels is None:
        return None
    as_rows = "instances" in document
    if as_rows:
        store.contents.check_rows("instances", len(pixels))
    return prepare(model, signature, {name: pixels}), as_rows


def _read_any(store: Store, spec: ModelSpec, body: bytes) -> tuple[Call, bool]:
    document = parse(body)
    store.contents.check_document(document)
    signature_name = _signature_name(document)
    _, model = store.find(*spec)
    if (signature_name or DEFAULT_SIGNATURE) not in model.signatures:
        raise invalid(
            f'Serving signature name: "{signature_name or DEFAULT_SIGNATURE}" not found in signature def'
        )
    signature = model.signatures[signature_name or DEFAULT_SIGNATURE]
    if not signature.inputs:
        raise invalid(f"Failed to get input map for signature: {signature_name or 'DEFAULT'}")
    inputs, as_rows = read_inputs(document, signature.inputs)
    return prepare(model, signature, inputs), as_rows


async def _where_it_fits(size: int, work: Callable[..., T], *arguments: Any) -> T:
    """What work returns: done here if it is on so few bytes that handing it to a thread would cost more."""
    return work(*arguments) if size <= SMALL else await run_in_threadpool(work, *arguments)


async def _of_examples(
    answer: Callable[..., T], write: Callable[[T], bytes], store: Store, spec: ModelSpec, body: bytes
) -> bytes:
    def work() -> bytes:
        document = parse(body)
        store.contents.check_document(document)
        signature_name, examples = _signature_name(document), read_examples(document)
        _, model = store.find(*spec)
        return write(answer(spec[0], model, signature_name, examples))

    return await run_in_threadpool(work)


ANSWERS: dict[str, Callable[[Store, ModelSpec, bytes], Awaitable[bytes]]] = {
    "predict": _predict,
    "classify": partial(_of_examples, classify, write_classes),
    "regress": partial(_of_examples, regress, write_values),
}


def _signature_name(document: dict[str, Any]) -> str:
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid("not formatted correctly. 'signature_name' key must be a string value.")
    return name


def _metadata(name: str, version: int, model: Model) -> bytes:
    spec = {"name": name, "signature_name": "", "version": str(version)}
    return orjson.dumps({"model_spec": spec, "metadata": {"signature_def": _proto(model.metadata)}})


def _proto(message: Message) -> dict:
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
