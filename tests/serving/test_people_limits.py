"""What pictures of people may cost: pixels, time, threads, and nothing on a disk."""

import asyncio
import json
import tempfile
import threading
import time
from base64 import b64encode
from zlib import crc32

import anyio.to_thread
import httpx
import pytest
from drawn_faces import encode, photo
from PIL import Image
from small_models import picture

from serving.app import create_app
from serving.config import one_model
from serving.contents import Contents
from serving.deadline import deadline
from serving.faces import detector
from serving.pictures import decode
from serving.rest import SMALL
from serving.store import Store

RED = picture(255, 0, 0)


@pytest.mark.parametrize("side", [8_200, 10_000, 20_000])
def test_too_many_pixels_are_refused_before_they_are_decoded(predict, side):
    small = encode(Image.new("1", (1, 1)))
    header = b"IHDR" + side.to_bytes(4) * 2 + small[24:29]
    response = predict({"wall.png": small[:12] + header + crc32(header).to_bytes(4) + small[33:]})
    error = "wall.png: the picture is too large: it may have 67,108,864 pixels; scale it down"
    assert (response.status_code, response.json()) == (413, {"error": error})


@pytest.mark.parametrize(
    ("contents", "refused", "error"),
    [
        (Contents(max_picture_pixels=640 * 480), [], None),
        (Contents(max_picture_pixels=100_000), ["b.png", "c.bmp"], "may have 100,000 pixels; scale it down"),
        (Contents(max_request_pixels=2 * 640 * 480 + 2**16), [], None),
        (Contents(max_request_pixels=2 * 640 * 480 + 2**16 - 1), None, "at most 679935 pixels together"),
    ],
)
def test_pictures_are_as_large_as_the_server_lets_them_be(predict, faces_path, contents, refused, error):
    store = Store(one_model("faces", faces_path), contents=contents)
    store.load()
    files = {"a.png": encode(photo(size=(9, 9))), "b.png": encode(photo()), "c.bmp": encode(photo(), "BMP")}
    answer = predict(files, store=store).json()
    if refused is None:
        assert error in answer["error"]
    else:
        errors = {file["file"]: file["error"] for file in answer["files"] if "error" in file}
        assert list(errors) == refused
        assert all(text.endswith(error) for text in errors.values())


def test_no_picture_touches_a_disk(predict, monkeypatch):
    def roll(_):
        raise AssertionError("written to a file")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", roll)
    large = encode(Image.effect_noise((1500, 1500), 50))
    assert len(large) > 2**20
    assert predict({"large.png": large}, "?faces=crop").status_code == 200


def test_nobody_waits_for_the_detector_beyond_the_time_limit(ask, faces):
    with detector()._one_at_a_time:
        response = ask(faces, "POST", "/predict", encode(photo()), timeout=0.05)
    assert (response.status_code, response.json()) == (
        504,
        {"error": "other pictures took too long to be looked at"},
    )


def test_the_time_limit_is_kept_between_pictures_too(ask, faces, monkeypatch):
    seen = []

    def slow(*arguments):
        seen.append(arguments)
        time.sleep(max(0.0, deadline() - time.monotonic()))
        return decode(*arguments)

    monkeypatch.setattr("serving.people.decode", slow)
    files = [("file", (name, RED)) for name in ("a.png", "b.png")]
    request = httpx.Request("POST", "http://server/predict", files=files)
    response = ask(faces, "POST", "/predict?faces=crop", request.read(), dict(request.headers), timeout=1)
    assert (response.status_code, len(seen)) == (504, 1)
    assert response.json() == {"error": "other pictures took too long to be looked at"}


def test_who_looks_at_pictures_takes_no_thread_of_those_who_ask_over_the_wire(faces, monkeypatch):
    looking = threading.Event()
    monkeypatch.setattr("serving.people.decode", lambda *picture: looking.set() or decode(*picture))
    body = json.dumps({"instances": [{"b64": b64encode(RED + bytes(SMALL)).decode()}]})

    async def run():
        anyio.to_thread.current_default_thread_limiter().total_tokens = 1
        transport = httpx.ASGITransport(create_app(faces))
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            with detector()._one_at_a_time:
                people = asyncio.create_task(client.post("/predict", content=encode(photo())))
                while not looking.is_set():
                    await asyncio.sleep(0.01)
                wire = client.post("/v1/models/faces:predict", content=body)
                first = await asyncio.wait_for(wire, 10)
            return first.status_code, (await people).status_code

    assert asyncio.run(run()) == (200, 200)
