"""Serves the newest version of a model: python -m serving --model_base_path DIR --model_name NAME."""

import os
import signal
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import tyro
import uvicorn

from serving.errors import UserError, run_command
from serving.versions import versions

if TYPE_CHECKING:
    import grpc

RPC_PORT = 8500
RPC_THREADS = 40  # as many as answer REST
RPC_MAX_BYTES = 2**31 - 1  # of a message; as TensorFlow Serving has it
GRACE = 30.0  # seconds in which calls in flight may end


@dataclass(frozen=True)
class Flags:
    """Serves the newest version of a SavedModel over TensorFlow Serving's wire, REST and gRPC."""

    model_base_path: str = ""
    """Folder of version folders: DIR in DIR/1/saved_model.pb."""
    model_name: str = "default"
    """What clients call the model."""
    port: int | None = None
    """Port of gRPC; 0 takes any free one. If not given, 8500, or any free one where rest_api_port is 0."""
    rest_api_port: int = 8501
    """Port of REST; 0 takes any free one."""
    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 lets other machines in."""


def main() -> None:
    """Runs until SIGTERM or Ctrl-C, then finishes what is in flight."""
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    flags, unknown = tyro.cli(Flags, prog="python -m serving", use_underscores=True, return_unknown_args=True)
    if unknown:
        raise UserError(f"no such flag: {unknown[0]}; see python -m serving --help")
    if not flags.model_base_path:
        raise UserError("--model_base_path must name a folder of version folders; received none")
    rpc_port = flags.port if flags.port is not None else RPC_PORT if flags.rest_api_port else 0
    for name, port in (("rest_api_port", flags.rest_api_port), ("port", rpc_port)):
        if not 0 <= port < 2**16:
            raise UserError(f"--{name} must be 0 to 65535; received {port}")
    versions(Path(flags.model_base_path))
    listener = _bind(flags.host, flags.rest_api_port)
    rpc_server, rpc_port = _bind_rpc(flags.host, rpc_port)
    _serve(flags, listener, rpc_server, rpc_port)


def _serve(flags: Flags, listener: socket.socket, rpc_server: "grpc.Server", rpc_port: int) -> None:
    # Imported late: TensorFlow takes seconds, and what is wrong with the flags is said before.
    from serving.app import create_app
    from serving.rpc import add_services
    from serving.store import Store

    store = Store(flags.model_name, Path(flags.model_base_path))
    add_services(store, rpc_server)
    server = uvicorn.Server(
        uvicorn.Config(create_app(store), log_level="warning", access_log=False, lifespan="off")
    )
    failures = []

    def load() -> None:
        try:
            store.load()
        except Exception as error:
            failures.append(error)
            server.should_exit = True
            return
        version, _ = store.find(flags.model_name)
        if not server.should_exit:
            rpc = f"gRPC at {_address(flags.host, rpc_port)}"
            print(
                f"{flags.model_name}, version {version}, answers {rpc}, REST at {_url(listener)}", flush=True
            )

    threading.Thread(target=load).start()
    rpc_server.start()
    try:
        server.run(sockets=[listener])
    finally:
        rpc_server.stop(GRACE).wait()
    if failures:
        raise failures[0]


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(socket.SOMAXCONN)  # at once: until somebody listens, others may bind the port too
    except OSError as error:
        raise UserError(
            f"--host and --rest_api_port must be a free address; received {host} and {port}: {error}"
        ) from error
    return listener


def _bind_rpc(host: str, port: int) -> "tuple[grpc.Server, int]":
    # What it would write to stderr of a port that is taken, is said by the error.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    import grpc

    server = grpc.server(
        ThreadPoolExecutor(RPC_THREADS, thread_name_prefix="rpc"),
        options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", RPC_MAX_BYTES)],
    )
    try:
        return server, server.add_insecure_port(_address(host, port))
    except RuntimeError as error:
        raise UserError(f"--host and --port must be a free address; received {host} and {port}") from error


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _url(listener: socket.socket) -> str:
    return f"http://{_address(*listener.getsockname()[:2])}"


def _stop(_: int, __: FrameType | None) -> None:
    # uvicorn takes both signals while it serves and gives them on here when it has ended.
    sys.exit(0)


if __name__ == "__main__":
    run_command(main)
