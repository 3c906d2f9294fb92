"""A server in a thread of this process, on real sockets."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPResponse

from serving.__main__ import _bind, _bind_rpc
from serving.app import create_app
from serving.connections import Server, http_config
from serving.flags import Flags
from serving.limits import Limits, Room
from serving.rpc import add_services
from serving.store import Store
from serving.tls import Tls

HOST = "127.0.0.1"


@contextmanager
def running(
    store: Store, tls: Tls | None = None, app=create_app, token: bytes | None = None, **limits: float
) -> Iterator[tuple[int, str]]:
    """Serves a store while the block runs.

    Yields:
        The port of REST and the address of gRPC.
    """
    listener, started, found = _bind(HOST, 0), threading.Event(), []
    flags = Flags(port=0, limits=Limits(**{"shutdown_grace_seconds": 5.0, **limits}))

    async def serve() -> None:
        rpc_server, port = await _bind_rpc(flags, tls)
        room = Room(flags.limits)
        add_services(store, rpc_server, room, pool, token)
        server = Server(http_config(app(store, room=room, token=token), flags.limits, tls), rpc_server, room)
        found.extend([server, listener.getsockname()[1], f"{HOST}:{port}"])
        serving = asyncio.create_task(server.serve([listener]))
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        started.set()
        await serving

    with ThreadPoolExecutor(8) as pool:
        thread = threading.Thread(target=lambda: asyncio.run(serve()))
        thread.start()
        try:
            assert started.wait(60)
            yield found[1], found[2]
        finally:
            found[0].should_exit = True
            thread.join()


@contextmanager
def connected(port: int, **options: int) -> Iterator[socket.socket]:
    """A connection to a server, with socket options by name."""
    with socket.socket() as connection:
        for name, value in options.items():
            connection.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
        connection.settimeout(60)
        connection.connect((HOST, port))
        yield connection


def answer(connection: socket.socket) -> tuple[HTTPResponse, bytes]:
    """The next answer that comes by a connection, and its body."""
    with HTTPResponse(connection) as response:
        response.begin()
        return response, response.read()
