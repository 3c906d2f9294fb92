"""Serves the newest version of a model: python -m serving --model_base_path DIR --model_name NAME."""

import signal
import socket
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import tyro
import uvicorn

from serving.errors import UserError, run_command
from serving.versions import versions


@dataclass(frozen=True)
class Flags:
    """Serves the newest version of a SavedModel over TensorFlow Serving's REST wire."""

    model_base_path: str = ""
    """Folder of version folders: DIR in DIR/1/saved_model.pb."""
    model_name: str = "default"
    """What clients call the model."""
    rest_api_port: int = 8501
    """Port to listen on; 0 takes any free one."""
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
    if not 0 <= flags.rest_api_port < 2**16:
        raise UserError(f"--rest_api_port must be 0 to 65535; received {flags.rest_api_port}")
    versions(Path(flags.model_base_path))
    listener = _bind(flags.host, flags.rest_api_port)
    _serve(flags, listener)


def _serve(flags: Flags, listener: socket.socket) -> None:
    # Imported late: TensorFlow takes seconds, and what is wrong with the flags is said before.
    from serving.app import create_app
    from serving.store import Store

    store = Store(flags.model_name, Path(flags.model_base_path))
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
            print(f"{flags.model_name}, version {version}, answers at {_url(listener)}", flush=True)

    threading.Thread(target=load).start()
    server.run(sockets=[listener])
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


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if listener.family == socket.AF_INET6 else f"http://{host}:{port}"


def _stop(_: int, __: FrameType | None) -> None:
    # uvicorn takes both signals while it serves and gives them on here when it has ended.
    sys.exit(0)


if __name__ == "__main__":
    run_command(main)
