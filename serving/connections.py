"""Connections that end in time, and a server that does."""

import asyncio
import os
import socket
import threading
from functools import partial
from http import HTTPStatus
from types import FrameType
from typing import TYPE_CHECKING, Any

import orjson
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.limits import Limits, Room
from serving.tls import Tls

if TYPE_CHECKING:
    import grpc.aio

MAX_HEAD_BYTES = 16 * 2**10
"""What is taken of a head, and of all else that is no body; httptools itself would take any number."""


class Connection(HttpToolsProtocol):
    """uvicorn's, with an end to heads that do not come and answers that are not taken.

    Args:
        limits: how long they may take.
        arguments: uvicorn's own.
    """

    def __init__(self, limits: Limits, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._limits = limits
        self._in_head = True
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._abort_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come."""
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, error: Exception | None) -> None:
        """The client has gone."""
        self._unwatch()
        self._spare()
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        """The client has sent something, be an answer on its way or not."""
        self._head_bytes += len(data)  # until a body's part, or a request's end, is found in it
        super().data_received(data)
        if self.transport.is_closing():
            self._unwatch()
        elif self._head_bytes > MAX_HEAD_BYTES:
            self._refuse_long()
        elif self._in_head and self._head_bytes:
            self._watch()

    def on_message_begin(self) -> None:
        """A head begins, be it behind another request."""
        self._head_bytes = self._head_bytes or 1
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head is whole."""
        # How many of the bytes that came at once are its own, httptools does not tell.
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > MAX_HEAD_BYTES:
            self._head_bytes = size
            raise ValueError("too long")  # ends in send_400_response
        self._in_head = False
        self._unwatch()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of a body has come."""
        self._head_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is whole; what comes now is the next one's head."""
        self._in_head = True
        self._head_bytes = 0
        super().on_message_complete()

    def send_400_response(self, _: str) -> None:
        """Refuses a head that is too long, or what httptools says is no HTTP."""
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse_long()
        else:
            self._refuse(400, "Invalid HTTP request received")

    def pause_writing(self) -> None:
        """The client does not take its answer."""
        super().pause_writing()
        self._abort_in_time()

    def resume_writing(self) -> None:
        """The client takes its answer."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._spare()

    def on_response_complete(self) -> None:
        """An answer is written; it need not be taken."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._abort_in_time()

    def timeout_keep_alive_handler(self) -> None:
        """Closes a connection that was idle."""
        self._close()

    def _watch(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self._limits.header_timeout_seconds, self._late)

    def _unwatch(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _late(self) -> None:
        self._head_timer = None
        if self.flow.read_paused:  # it may have come long ago
            self._watch()
        elif self._head_bytes:
            seconds = self._limits.header_timeout_seconds
            self._refuse(408, f"a request's head must come within {seconds:g} s")
        else:
            self._close()

    def _refuse_long(self) -> None:
        self._refuse(431, f"a request's head must have at most {MAX_HEAD_BYTES} bytes")

    def _refuse(self, status: int, text: str) -> None:
        """Closes the connection, with an answer of its own unless another is on its way."""
        started = self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete
        if not started and not self.pipeline:
            body = orjson.dumps({"error": text})
            self.transport.write(
                f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
                + body
            )
        self._close()

    def _close(self) -> None:
        """Closes the connection, at last even on a client that takes no answer."""
        self.transport.close()
        self._abort_in_time()

    def _abort_in_time(self) -> None:
        if self._abort_timer is None:
            self._abort_timer = self.loop.call_later(self._limits.body_timeout_seconds, self.transport.abort)

    def _spare(self) -> None:
        if self._abort_timer is not None:
            self._abort_timer.cancel()
            self._abort_timer = None


def http_config(app: ASGIApp, limits: Limits, tls: Tls | None = None) -> uvicorn.Config:
    """How uvicorn serves an application: nothing of its own is logged or said.

    Args:
        app: what answers.
        limits: how long connections may take.
        tls: what the server proves itself with; None for HTTP without TLS.
    """
    return uvicorn.Config(
        app,
        http=partial(Connection, limits),  # type: ignore[arg-type]
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=limits.keep_alive_seconds,  # type: ignore[arg-type]
        ssl_context_factory=None if tls is None else lambda *_: tls.context(),
    )


class Server(uvicorn.Server):
    """uvicorn's with a gRPC server beside it; ends within a grace after a signal, at once after a second one.

    Args:
        config: uvicorn's.
        rpc_server: not yet started.
        room: what clients may take, and how long after a signal requests in flight.
    """

    def __init__(self, config: uvicorn.Config, rpc_server: "grpc.aio.Server", room: Room) -> None:
        super().__init__(config)
        self._rpc_server = rpc_server
        self._room = room

    def handle_exit(self, number: int, frame: FrameType | None) -> None:
        """Takes a signal."""
        if self._captured_signals:
            end_at_once(number, frame)
        super().handle_exit(number, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Lets clients in."""
        await super().startup(sockets)
        await self._rpc_server.start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Lets nobody in any more, and what is in flight end."""
        grace = self._room.limits.shutdown_grace_seconds
        if self._captured_signals:
            # A thread that hangs in TensorFlow would be waited for without end.
            last = threading.Timer(grace, os._exit, [0])
            last.daemon = True
            last.start()
        self._room.close()
        async with asyncio.TaskGroup() as both:
            both.create_task(self._rpc_server.stop(grace))
            both.create_task(super().shutdown(sockets))


def end_at_once(number: int, _: FrameType | None) -> None:
    """Takes a signal that leaves no time."""
    os._exit(128 + number)
