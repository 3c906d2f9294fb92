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
"""What is taken of a head that is not complete; httptools itself would take any number."""


class Connection(HttpToolsProtocol):
    """uvicorn's, with an end to heads that do not come and answers that are not taken.

    Args:
        limits: how long they may take.
        arguments: uvicorn's own.
    """

    def __init__(self, limits: Limits, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._limits = limits
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None

    @property
    def _waits_for_head(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come."""
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, error: Exception | None) -> None:
        """The client has gone."""
        self._unwatch()
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        """The client has sent something."""
        if self._waits_for_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing() or not self._waits_for_head:
            self._unwatch()
        elif self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(431, f"a request's head must have at most {MAX_HEAD_BYTES} bytes")
        else:
            self._watch()

    def send_400_response(self, _: str) -> None:
        """Refuses what httptools says is no HTTP."""
        self._refuse(400, "Invalid HTTP request received")

    def timeout_keep_alive_handler(self) -> None:
        """Closes a connection that was idle, at last even on a client that takes no answer."""
        super().timeout_keep_alive_handler()
        self.loop.call_later(self._limits.body_timeout_seconds, self.transport.abort)

    def _watch(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self._limits.header_timeout_seconds, self._late)

    def _unwatch(self) -> None:
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _late(self) -> None:
        if self._head_bytes:
            seconds = self._limits.header_timeout_seconds
            self._refuse(408, f"a request's head must come within {seconds:g} s")
        else:
            self.transport.close()

    def _refuse(self, status: int, text: str) -> None:
        """Closes the connection, with an answer of its own unless another is on its way."""
        if self._waits_for_head or not self.cycle.response_started:
            body = orjson.dumps({"error": text})
            self.transport.write(
                f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
                + body
            )
        self.transport.close()


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
