"""Who asked for what and how it ended: ids of requests, and a log of them without what they hold."""

import logging
import re
import sys
import time
import uuid
from datetime import UTC, datetime

import orjson
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.rest import model_name

REQUEST_ID = "x-request-id"
SANE = re.compile(r"[\w.:/+=@~-]{1,128}", re.ASCII)

logger = logging.getLogger(__name__)


def request_id(sent: str | None) -> str:
    """The id that a client gives its request, if it is one; else a new one."""
    return sent if sent and SANE.fullmatch(sent) else uuid.uuid4().hex


def log_to_stderr() -> None:
    """Lets `log` write."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


def log(began: float, **fields: str | int | None) -> None:
    """Writes a line of JSON, if anybody reads them.

    Args:
        began: when the request came, by time.perf_counter().
        fields: what is said of it. Nothing of its content, no query and no address: they tell of people.
    """
    if logger.isEnabledFor(logging.INFO):
        milliseconds = round((time.perf_counter() - began) * 1000, 3)
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        logger.info(orjson.dumps({"time": now, **fields, "duration_ms": milliseconds}).decode())


class AccessLog:
    """ASGI middleware that gives every request an id, says it in the answer, and logs how it ended.

    Args:
        app: what answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        began = time.perf_counter()
        identity = request_id(Headers(scope=scope).get(REQUEST_ID))
        status, bytes_in, bytes_out = None, 0, 0

        async def count() -> Message:
            nonlocal bytes_in
            message = await receive()
            bytes_in += len(message.get("body", b""))
            return message

        async def answer(message: Message) -> None:
            nonlocal status, bytes_out
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = identity
            bytes_out += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, count, answer)
        finally:
            log(
                began,
                request_id=identity,
                protocol="REST",
                method=scope["method"],
                path=scope["path"],
                model=model_name(scope["path"]),
                status=status,
                bytes_in=bytes_in,
                bytes_out=bytes_out,
            )
