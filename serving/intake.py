"""What comes in over HTTP, as far as the limits let it."""

import asyncio
import contextlib

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.errors import Code, Refused
from serving.limits import Room
from serving.metrics import REQUEST_COUNT
from serving.rest import model_name
from serving.store import Store

LINGER = 2.0
"""Seconds of silence after which the rest of a body that was refused is no longer read and thrown away.

A connection closed on a client that still sends is reset, and the answer lost on its way.
"""
RETRY_AFTER = "1"
"""Seconds after which one who was refused for lack of room may come again."""


class Limited:
    """ASGI middleware that refuses what goes beyond the limits.

    A place is taken by a POST whose body is whole: who sends slowly keeps nobody else from being answered.

    Args:
        app: what answers.
        store: whose models' metrics count the refusals.
        room: what may be taken.
    """

    def __init__(self, app: ASGIApp, store: Store, room: Room) -> None:
        self._app = app
        self._store = store
        self._room = room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        exchange = Exchange(self._room, scope, receive, send)
        try:
            await self._app(scope, exchange.receive, exchange.send)
        finally:
            exchange.end()
            if exchange.refusal and scope["method"] == "POST":
                name = model_name(scope["path"])
                REQUEST_COUNT.add(name if name in self._store else "", exchange.refusal)


class Exchange:
    """One request and its answer."""

    def __init__(self, room: Room, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        self.refusal: Code | None = None
        self._room, self._receive, self._send = room, receive, send
        self._length = int(headers.get("content-length", 0))
        self._whole = not self._length and "transfer-encoding" not in headers
        self._computes = scope["method"] == "POST"
        self._due = asyncio.get_running_loop().time() + room.limits.body_timeout_seconds
        self._size = 0
        self._entered = False

    async def receive(self) -> Message:
        """The next part of the body.

        Raises:
            Refused: as status 413, it is too long; as 408, too slow; UNAVAILABLE, there is no room for it.
        """
        if self._whole:
            return await self._receive()
        try:
            self._check(self._length)
            async with self._room.arrival(self._due):
                message = await self._receive()
            if message["type"] == "http.request":
                self._take(message)
        except TimeoutError:
            seconds = self._room.limits.body_timeout_seconds
            text = f"a request's body must come within {seconds:g} s; received {self._size} bytes of it"
            raise self._refused(Refused("DEADLINE_EXCEEDED", text, 408)) from None
        except Refused as refused:
            raise self._refused(refused) from None
        return message

    async def send(self, message: Message) -> None:
        """Sends a part of the answer; the last one when the rest of the body has been thrown away."""
        if message["type"] == "http.response.start":
            self._leave()
            headers = MutableHeaders(scope=message)
            if message["status"] == 503:
                headers.setdefault("retry-after", RETRY_AFTER)
            if not self._whole:
                headers["connection"] = "close"
        elif not self._whole and not message.get("more_body"):
            await self._send({**message, "more_body": True})
            await self._drain()
            message = {"type": "http.response.body"}
        await self._send(message)

    def end(self) -> None:
        """Gives back what was taken."""
        self._leave()
        self._room.release(self._size)
        self._size = 0

    def _check(self, length: int) -> None:
        most = self._room.limits.max_body_bytes
        if length > most:
            text = f"a request's body must have at most {most} bytes; received a longer one"
            raise Refused("INVALID_ARGUMENT", text, 413)
        if self._computes:
            self._room.check()

    def _take(self, message: Message) -> None:
        size = len(message.get("body", b""))
        self._check(self._size + size)
        self._room.hold(size)
        self._size += size
        if not message.get("more_body"):
            self._whole = True
            if self._computes:
                self._room.enter()
                self._entered = True

    def _refused(self, refused: Refused) -> Refused:
        self.refusal = refused.code
        return refused

    def _leave(self) -> None:
        if self._entered:
            self._entered = False
            self._room.leave()

    async def _drain(self) -> None:
        due = asyncio.get_running_loop().time() + self._room.limits.body_timeout_seconds
        with contextlib.suppress(TimeoutError, Refused):
            async with self._room.arrival(due):
                while (await asyncio.wait_for(self._receive(), LINGER)).get("more_body"):
                    pass
