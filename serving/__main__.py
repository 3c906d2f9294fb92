"""Serves models: python -m serving --model_base_path DIR --model_name NAME, or --model_config_file FILE."""

import asyncio
import contextlib
import gc
import os
import resource
import signal
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import uvloop

from serving.connections import Server, end_at_once, http_config
from serving.errors import Refused, UserError, run_command
from serving.flags import Flags, read_flags
from serving.limits import Room
from serving.tls import Tls
from serving.versions import versions

if TYPE_CHECKING:
    from grpc.aio import Server as RpcServer
    from tensorflow_serving.config.model_server_config_pb2 import ModelConfigList

    from serving.batching import Batcher

RPC_THREADS = 40  # as many as answer REST
RPC_CALLS = 256
"""Calls open at once. So many times max_body_bytes is what messages on their way take in memory at most:
gRPC tells nobody how much of one has come, so that they can't be counted as bodies are."""


def main() -> None:
    """Runs until SIGTERM or Ctrl-C, then finishes what is in flight."""
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    flags = read_flags()
    models, batcher, tls, token = flags.models(), flags.batcher(), flags.tls(), flags.token()
    for model in models.config:
        versions(Path(model.base_path))
    listener = _bind(flags.host, flags.rest_api_port)
    _allow_connections()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rpc_server, rpc_port = runner.run(_bind_rpc(flags, tls))
        runner.run(_serve(flags, models, batcher, tls, token, listener, rpc_server, rpc_port))


async def _serve(
    flags: Flags,
    models: "ModelConfigList",
    batcher: "Batcher | None",
    tls: Tls | None,
    token: bytes | None,
    listener: socket.socket,
    rpc_server: "RpcServer",
    rpc_port: int,
) -> None:
    # Imported late: TensorFlow takes seconds, and what is wrong with the flags is said before.
    from serving.access import log_to_stderr
    from serving.app import create_app
    from serving.polling import repeat
    from serving.quiet import tf
    from serving.rpc import add_services
    from serving.store import Store

    if flags.tensorflow_intra_op_parallelism:
        tf.config.threading.set_intra_op_parallelism_threads(flags.tensorflow_intra_op_parallelism)
    if flags.tensorflow_inter_op_parallelism:
        tf.config.threading.set_inter_op_parallelism_threads(flags.tensorflow_inter_op_parallelism)
    gc.freeze()  # so that collecting what an old version leaves does not look through all of TensorFlow
    try:
        store = Store(
            models,
            flags.allow_version_labels_for_unavailable_models,
            flags.enable_model_warmup,
            batcher,
            flags.contents,
        )
    except Refused as refused:
        listener.close()
        raise UserError(f"{refused}; --allow_version_labels_for_unavailable_models lets it wait") from refused
    room = Room(flags.limits)
    if flags.access_log:
        log_to_stderr()
    add_services(store, rpc_server, room, ThreadPoolExecutor(RPC_THREADS, thread_name_prefix="rpc"), token)
    app = create_app(store, flags.rest_api_timeout_in_ms / 1000, room, flags.origins, token)
    server = Server(http_config(app, flags.limits, tls), rpc_server, room)
    failures = []
    stop = threading.Event()

    def keep_models() -> None:
        try:
            store.load()
        except Exception as error:
            failures.append(error)
            server.should_exit = True
            return
        if not server.should_exit:
            rpc, rest = _address(flags.host, rpc_port), _url(listener, tls)
            _say(f"{_listed(store.available)} gRPC at {rpc}, REST at {rest}")
        repeat(
            stop,
            (flags.file_system_poll_wait_seconds, store.poll),
            (
                flags.model_config_file_poll_wait_seconds if flags.model_config_file else 0,
                lambda: store.reload(flags.models()),
            ),
        )

    threading.Thread(target=keep_models).start()
    try:
        await server.serve([listener])
    finally:
        stop.set()
    if failures:
        raise failures[0]


def _allow_connections() -> None:
    # Each takes a file descriptor; many systems give a process 1,024 unless it asks for more.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


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


async def _bind_rpc(flags: Flags, tls: Tls | None) -> "tuple[RpcServer, int]":
    # What it would write to stderr of a port that is taken, is said by the error.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    import grpc.aio

    server = grpc.aio.server(
        options=[
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", flags.limits.max_body_bytes),
            ("grpc.server_handshake_timeout_ms", int(flags.limits.header_timeout_seconds * 1000)),
        ],
        maximum_concurrent_rpcs=RPC_CALLS,
    )
    address = _address(flags.host, flags.rpc_port)
    try:
        if tls is None:
            return server, server.add_insecure_port(address)
        return server, server.add_secure_port(address, tls.credentials())
    except RuntimeError as error:
        raise UserError(
            f"--host and --port must be a free address; received {flags.host} and {flags.rpc_port}"
        ) from error


def _say(line: str) -> None:
    try:
        print(line, flush=True)
    except OSError:  # a full disk, or nobody reads any more: no reason not to serve
        sys.stdout = None  # else what it holds is tried again at the end


def _listed(available: dict[str, list[int]]) -> str:
    """ "faces, version 7, answers", or several models and "answer"."""
    models = " and ".join(f"{name}, version {versions[0]}," for name, versions in available.items())
    return f"{models or 'no model yet'} {'answer' if len(available) > 1 else 'answers'}"


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _url(listener: socket.socket, tls: Tls | None) -> str:
    return f"{'https' if tls else 'http'}://{_address(*listener.getsockname()[:2])}"


def _stop(_: int, __: FrameType | None) -> None:
    # uvicorn takes both signals while it serves and gives them on here when it has ended.
    signal.signal(signal.SIGTERM, end_at_once)
    signal.signal(signal.SIGINT, end_at_once)
    sys.exit(0)


if __name__ == "__main__":
    run_command(main)
