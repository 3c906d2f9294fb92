"""Thousands of good and broken requests, over real sockets and without: nothing fails that need not."""

import contextlib
import http.client
import json
import random
import re
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import faults
import pytest
from hypothesis import given
from hypothesis import strategies as st
from process import served
from small_models import Faces, save

from serving.config import one_model
from serving.store import Store

pytestmark = pytest.mark.soak

REQUESTS = 10_000
CONNECTIONS = 4
PREDICT = "/v1/models/faces:predict"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    path = tmp_path_factory.mktemp("faces")
    save(Faces(), path / "1", "serving_default", "decode_images", "predict_images")
    return path


def spoilt(rng: random.Random, whole: bytes) -> bytes:
    found = bytearray(whole)
    for _ in range(rng.randint(1, 4)):
        start = rng.randrange(len(found) + 1)
        found[start : start + rng.choice([0, 1, 2, 30, 1000])] = rng.randbytes(rng.randrange(6))
    return bytes(found)


def bad_body(rng: random.Random) -> bytes:
    if rng.random() < 0.5:
        return spoilt(rng, faults.GOOD)
    pictures = [spoilt(rng, rng.choice(faults.PICTURES)) for _ in range(rng.randint(1, 3))]
    return json.dumps({"instances": [*map(faults.in_base64, pictures)]}).encode()


def on_the_wire(rng: random.Random) -> bytes:
    """A request that is broken as such."""
    length = len(faults.GOOD) + rng.randint(1, 5000)
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\n"
    return rng.choice(
        [
            f"{head}Content-Length: {length}\r\n\r\n".encode() + faults.GOOD,
            f"{head}Transfer-Encoding: chunked\r\n\r\nffff\r\n".encode() + faults.GOOD[:500],
            f"{head}Transfer-Encoding: chunked\r\n\r\nxyz\r\n".encode() + faults.GOOD + b"\r\n0\r\n\r\n",
            f"{head}Transfer-Encoding: chunked\r\n\r\n5\r\n123456789\r\n0\r\n\r\n".encode(),
            f"{head}Content-Length: -5\r\n\r\n".encode() + faults.GOOD,
            f"{head}Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef".encode(),
            spoilt(rng, f"{head}Content-Length: 2\r\n\r\n{{}}".encode()),
            rng.randbytes(100),
        ]
    )


def asked(host: str, port: int, seed: int) -> Counter:
    rng, answers = random.Random(seed), Counter()
    connection = http.client.HTTPConnection(host, port, timeout=120)
    with contextlib.closing(connection):
        for _ in range(REQUESTS // CONNECTIONS):
            kind = rng.choice(["good", "bad", "bad", "gzip", "wire"])
            if kind == "wire":
                with socket.create_connection((host, port), timeout=120) as broken:
                    broken.sendall(on_the_wire(rng))
                    broken.shutdown(socket.SHUT_WR)
                    with contextlib.suppress(ConnectionError):
                        answer = broken.recv(65536)
                        assert not re.match(rb"HTTP/1.1 5", answer), answer
                answers[kind] += 1
                continue
            body = faults.GOOD if kind == "good" else bad_body(rng)
            headers = {"Content-Encoding": "gzip"} if kind == "gzip" else {}
            connection.request("POST", PREDICT, body, headers)
            response = connection.getresponse()
            answer = json.loads(response.read())
            (faults.check_good if kind == "good" else faults.check_any)(response.status, answer)
            answers[kind, response.status] += 1
    return answers


def test_nothing_fails_that_was_not_meant_to(base):
    with (
        served("--model_base_path", base, "--model_name", "faces", "--enable_batching") as (_, rest),
        ThreadPoolExecutor(CONNECTIONS) as pool,
    ):
        host, port = rest.split(":")
        found = pool.map(lambda seed: asked(host, int(port), seed), range(CONNECTIONS))
        print(sum(found, Counter()))


@pytest.fixture(scope="module")
def ask(base):
    store = Store(one_model("faces", base))
    store.load()
    with faults.asked(store) as ask:
        yield ask


@faults.bounded(3000)
@given(path=faults.asks, body=faults.bodies)
def test_many_documents(ask, path, body):
    response = ask("POST", path, body)
    faults.check_any(response.status_code, response.json())


@faults.bounded(3000)
@given(encoded=faults.broken(st.sampled_from(faults.PICTURES)))
def test_many_pictures(ask, encoded):
    body = json.dumps({"instances": [faults.in_base64(encoded)]}).encode()
    response = ask("POST", PREDICT, body)
    faults.check_any(response.status_code, response.json())
