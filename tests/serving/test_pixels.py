"""Arrays of pixels in JSON: what is read at once is what json would read, and all else is left alone."""

import json

import numpy as np
import orjson
import pytest

from serving.pixels import split, to_pixels

SHAPES = [(2, 3, 1), (2, 2, 2, 3), (1, 1), (3,), (1, 4, 0), (2, 1, 1, 1, 2)]


def read(body, shape):
    """The array of a request by `serving.pixels`; None where it leaves the request alone."""
    _, text = split(body) or ({}, b"")
    return to_pixels(text, shape) if text else None


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if 0 not in shape])
@pytest.mark.parametrize("dump", [orjson.dumps, lambda value: json.dumps(value).encode()])
@pytest.mark.parametrize("key", ["instances", "inputs"])
def test_pixels_are_read(shape, dump, key):
    pixels = np.random.default_rng(0).choice(np.uint8([0, 1, 9, 10, 99, 100, 255]), shape)
    for document in (
        {key: pixels.tolist()},
        {"signature_name": "predict_images", key: pixels.tolist()},
        {key: pixels.tolist(), "signature_name": "predict_images"},
    ):
        np.testing.assert_array_equal(read(dump(document), shape[1:]), pixels, strict=True)
        skeleton, _ = split(dump(document))
        assert skeleton == {**document, key: []}


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[[1, 2]]",
        '{"instances": 1}',
        '{"instances": []}',
        '{"instances": [[]]}',
        '{"instances": [[1, 2], [3]]}',
        '{"instances": [[1, 2], [3, 4, 5]]}',
        '{"instances": [[1, 2], 3]}',
        '{"instances": [1, 2]}',
        '{"instances": [[[1, 2]]]}',
        '{"instances": [[1, 256]]}',
        '{"instances": [[1, 1000]]}',
        '{"instances": [[1, -1]]}',
        '{"instances": [[1, 2.0]]}',
        '{"instances": [[1, 2e0]]}',
        '{"instances": [[1, 02]]}',
        '{"instances": [[1, 002]]}',
        '{"instances": [[1, 000]]}',
        '{"instances": [[1,  2]]}',
        '{"instances": [[1 , 2]]}',
        '{"instances": [[1,\\n2]]}',
        '{"instances": [[1 2, 3]]}',
        '{"instances": [[1 2, ]]}',
        '{"instances": [[1, ]3]}',
        '{"instances": [3[1, ]]}',
        '{"instances": [[1, 2]], "inputs": [[1, 2]]}',
        '{"instances": [[1, 2]], "instances": [[1, 2]]}',
        '{"instances": [[1, 2]], "inputs": 3}}',
        '{"instances": [[1, 2]], "inputs": null}',
        '{"instances": [[1, 2]]',
        '{"instances": [[1, 2]]]}',
        '{"inputs": {"images": [[1, 2]]}}',
        '{"instances": [{"images": [1, 2]}]}',
        '{"other": [[1, 2]]}',
        '{"signature_name": "[[1, 2]]", "instances": 3}',
    ],
)
def test_what_is_not_pixels_is_left_alone(body):
    assert read(body.encode(), (2,)) is None


def test_whatever_happens_to_a_request_it_is_read_as_json_would_or_not_at_all():
    rng = np.random.default_rng(0)
    shown = left = 0
    for number in range(3000):
        shape = SHAPES[number % len(SHAPES)]
        value = rng.choice([0, 7, 10, 99, 100, 255, 256, 1000], shape, p=[0.16] * 6 + [0.02] * 2).tolist()
        body = bytearray(json.dumps({"instances": value}, separators=(",", rng.choice([":", ": "]))).encode())
        for _ in range(rng.integers(3)):
            place = int(rng.integers(len(body)))
            new = bytes(rng.choice(list(b'[],0123456789 \n-."{}'), rng.integers(2)).astype(np.uint8))
            body[place : place + rng.integers(2)] = new
        found = read(bytes(body), shape[1:])
        if found is None:
            left += 1
            continue
        shown += 1
        expected = np.array(json.loads(body)["instances"])
        assert expected.shape == found.shape
        assert (expected == found).all()
    assert min(shown, left) > 500
