"""Requests broken in ways that nobody thought of, drawn by hypothesis, and what their answers must be."""

import asyncio
import base64
import io
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import httpx
import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from PIL import Image
from small_models import picture

from serving.app import create_app
from serving.store import Store

METHODS = ("predict", "predict", "predict", "classify", "regress")
SIGNATURES = ("", "serving_default", "decode_images", "predict_images", "none")


def bounded(examples: int) -> settings:
    """So many examples, the same every time."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def in_base64(encoded: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(encoded).decode()}


def _drawn(kind: str, **options) -> bytes:
    out = io.BytesIO()
    pixels = np.arange(9 * 7 * 3, dtype=np.uint8).reshape(7, 9, 3)
    Image.fromarray(pixels).save(out, kind, **options)
    return out.getvalue()


MORE = [Image.new("RGB", (9, 7), colour) for colour in ("red", "blue")]
PICTURES = [
    _drawn("PNG"),
    _drawn("JPEG"),
    _drawn("JPEG", progressive=True),
    _drawn("GIF"),
    _drawn("GIF", save_all=True, append_images=MORE),
    _drawn("BMP"),
    _drawn("WEBP"),
    _drawn("WEBP", lossless=True),
    _drawn("WEBP", save_all=True, append_images=MORE),
    b"\xff\x0a" + bytes(range(60)),
]


@st.composite
def broken(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """Bytes, some of them changed, missing, doubled or between others."""
    found = bytearray(draw(whole))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(found)))
        end = min(len(found), start + draw(st.sampled_from([0, 1, 2, 4, 30, 1000])))
        new = draw(st.one_of(st.binary(max_size=8), st.just(bytes(found[start:end]) * 2)))
        found[start:end] = new
    return bytes(found)


numbers = st.one_of(
    st.integers(-3, 300), st.integers(-(2**70), 2**70), st.floats(), st.sampled_from([2**24, 10**400, 1e39])
)
plain = st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=8))
values = st.recursive(
    st.one_of(plain, broken(st.sampled_from(PICTURES)).map(in_base64)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.one_of(st.sampled_from(["image_bytes", "images", "b64"]), st.text(max_size=4)),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=12,
)
pixels = st.integers(0, 3).map(lambda rows: np.full((rows, 4, 4, 3), rows).tolist())
instances = st.lists(
    st.one_of(st.sampled_from(PICTURES).map(in_base64), st.text(max_size=6).map(lambda text: {"b64": text})),
    min_size=1,
    max_size=3,
)
contents = st.one_of(instances, values, pixels)
keys = st.sampled_from(["instances", "inputs", "instances", "inputs", "examples"])
more = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"signature_name": st.one_of(st.sampled_from(SIGNATURES), values)}),
    st.dictionaries(st.one_of(keys, st.just("context")), contents, max_size=2),
)
documents = st.builds(
    lambda key, value, more: json.dumps({**more, key: value}).encode(), keys, contents, more
)
bodies = st.one_of(
    documents, documents, documents, broken(documents), broken(st.just(b'{"instances": [[1, 2], NaN]}'))
)
asks = st.sampled_from([f"/v1/models/faces:{method}" for method in METHODS])
paths = st.one_of(
    asks,
    st.lists(st.one_of(st.sampled_from(["v1", "models", "faces", "versions", "7"]), st.text(max_size=6))).map(
        lambda parts: "/" + "/".join(quote(part, safe=":") for part in parts)
    ),
)
names = [
    "content-encoding",
    "content-type",
    "accept",
    "accept-encoding",
    "connection",
    "expect",
    "x-request-id",
]
headers = st.lists(
    st.tuples(
        st.sampled_from(names).map(str.encode),
        st.one_of(
            st.sampled_from([b"gzip", b"identity", b"application/json", b"multipart/form-data; boundary=x"]),
            st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12).map(str.encode),
        ),
    ),
    max_size=4,
)


class Asked:
    """An application that is asked without a socket."""

    def __init__(self, store: Store, runner: asyncio.Runner) -> None:
        transport = httpx.ASGITransport(create_app(store))
        self._client = httpx.AsyncClient(transport=transport, base_url="http://server")
        self._runner = runner

    def __call__(self, method: str, path: str, body: bytes = b"", headers=()) -> httpx.Response:
        request = self._client.build_request(method, path, content=body, headers=headers)
        return self._runner.run(self._client.send(request))


@contextmanager
def asked(store: Store) -> Iterator[Asked]:
    with asyncio.Runner() as runner:
        yield Asked(store, runner)


COLOURS = ((255, 0, 51), (0, 102, 255))
GOOD = json.dumps({"instances": [in_base64(picture(*colour)) for colour in COLOURS]}).encode()


def check_good(status: int, answer: dict) -> None:
    """That the answer to GOOD is right."""
    assert status == 200, answer
    for colour, row in zip(COLOURS, answer["predictions"], strict=True):
        check_row(colour, row)


def check_row(colour: tuple[int, int, int], row: dict) -> None:
    """That Faces says this of a picture that is one colour."""
    exact = np.array(colour) / 255
    np.testing.assert_allclose(row["age"], 100 * exact[0], rtol=1e-6)
    np.testing.assert_allclose(row["age_std"], 10 * exact[1], rtol=1e-6)
    np.testing.assert_allclose(row["gender"], exact[2], rtol=1e-6)
    np.testing.assert_allclose(row["emotion"], np.exp(5 * exact) / np.exp(5 * exact).sum(), rtol=1e-5)


def check_any(status: int, answer: dict) -> None:
    """That an answer is one: of numbers that can be, or an error that is the asker's."""
    if status != 200:
        assert 400 <= status < 500, answer
        assert list(answer) == ["error"]
        assert answer["error"]
        assert not any(sign in answer["error"] for sign in ("Traceback", 'File "', "site-packages"))
        return
    rows = answer.get("predictions", [])
    for row in rows:
        if isinstance(row, dict):
            assert 0 <= row["age"] <= 100.001
            assert 0 <= row["gender"] <= 1.001
            assert math.isclose(sum(row["emotion"]), 1, rel_tol=1e-5)
