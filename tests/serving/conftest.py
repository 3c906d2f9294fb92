import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import uvicorn
from running import running
from small_models import SIZE, TASKS, Faces, HalfPlus, Odd, picture, record_warmup, save, save_half_plus_two

from serving.app import create_app
from serving.config import one_model
from serving.loading import LABELS, WARMUP
from serving.store import Store

# isort: split
import tensorflow as tf
from tensorflow_serving.apis.predict_pb2 import PredictRequest


@pytest.fixture(scope="session")
def faces_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base path whose newest version, 007, is a model as the project exports it."""
    base = tmp_path_factory.mktemp("faces")
    for name in ("3", "latest", "0x9", "-8", "1.5"):
        (base / name).mkdir()
    (base / "99").write_text("a file")
    export = base / "007"
    save(Faces(), export, "serving_default", "decode_images", "predict_images")
    request = PredictRequest()
    request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([picture(1, 2, 3)]))
    record_warmup(export / WARMUP, request)
    (export / LABELS).write_text(json.dumps({"image_size": SIZE, "tasks": TASKS}))
    return base


@pytest.fixture(scope="session")
def odd_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base path of a model with signatures of all kinds."""
    base = tmp_path_factory.mktemp("odd")
    save(Odd(), base / "1", *(name for name in vars(Odd) if not name.startswith("_")))
    return base


@pytest.fixture(scope="session")
def faces(faces_path: Path) -> Store:
    store = Store(one_model("faces", faces_path))
    store.load()
    return store


@pytest.fixture(scope="session")
def odd(odd_path: Path) -> Store:
    store = Store(one_model("odd", odd_path))
    store.load()
    return store


@pytest.fixture(scope="session")
def half_plus_two(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store of a model with signatures for classifying and regressing, which a label points at."""
    base = tmp_path_factory.mktemp("half_plus_two")
    save_half_plus_two(base / "123")
    labels = {"stable": 123, "gone": 122}
    store = Store(one_model("half_plus_two", base, labels), allow_version_labels_for_unavailable_models=True)
    store.load()
    return store


@pytest.fixture(scope="session")
def half_plus(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Exports of half of x plus two and plus three."""
    exports = {number: tmp_path_factory.mktemp("half_plus") / str(number) for number in (2, 3)}
    for number, export in exports.items():
        save(HalfPlus(number), export, "serve")
    return exports


@pytest.fixture(scope="session")
def ask() -> Callable[..., httpx.Response]:
    """One request to the application of a store, without a socket."""

    def request(
        store: Store,
        method: str,
        path: str,
        content: str | bytes = b"",
        headers: dict[str, str] | None = None,
        timeout: float | None = None,
    ) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(create_app(store, timeout), raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
                return await client.request(method, path, content=content, headers=headers)

        return asyncio.run(send())

    return request


@pytest.fixture(scope="module")
def connect() -> Iterator[Callable[[Store], grpc.Channel]]:
    """A channel to a server of a store, of which there is one each."""
    channels = {}
    with ExitStack() as stack:

        def channel(store):
            if id(store) not in channels:
                _, address = stack.enter_context(running(store))
                channels[id(store)] = stack.enter_context(grpc.insecure_channel(address))
            return channels[id(store)]

        yield channel


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[[Any], str]]:
    """Starts a server of an ASGI application; gives its URL."""
    servers = []

    def start(app):
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="off"))
        listening = threading.Event()
        startup = server.startup

        async def tell(sockets=None):
            await startup(sockets)
            listening.set()

        server.startup = tell
        thread = threading.Thread(target=server.run)
        thread.start()
        servers.append((server, thread))
        assert listening.wait(timeout=30)
        return f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"

    yield start
    for server, thread in servers:
        server.should_exit = True
        thread.join()


@pytest.fixture
def predict(ask, faces):
    """What /predict says to files by name, or to a body."""

    def send(files, query="", store=faces):
        if isinstance(files, bytes):
            return ask(store, "POST", f"/predict{query}", files)
        parts = [("file", (name, content)) for name, content in files.items()]
        request = httpx.Request("POST", "http://server/predict", files=parts)
        return ask(store, "POST", f"/predict{query}", request.read(), dict(request.headers))

    return send
