"""What a request may hold: rows, pixels, levels of a document."""

import base64
import io
from pathlib import Path

import numpy as np
import orjson
import pytest
from folders import lay
from PIL import Image
from small_models import picture

from serving.config import one_model
from serving.contents import Contents
from serving.errors import Refused, UserError
from serving.flags import read_flags
from serving.headers import JPEG_XL, MOST_BLOCKS, MOST_PIXELS, claimed_pixels
from serving.pictures import upright
from serving.procedures import predict
from serving.store import Store

# isort: split
import tensorflow as tf
from tensorflow_serving.apis.predict_pb2 import PredictRequest

REGRESS = "/v1/models/half_plus_two:regress"
KINDS = {
    "JPEG": {},
    "JPEG, progressive": {"progressive": True, "exif": b"Exif\0\0" + bytes(300)},
    "PNG": {},
    "GIF": {},
    "WEBP": {},
    "WEBP, lossless": {"lossless": True},
    "WEBP, extended": {"exif": b"Exif\0\0MM"},
}


def drawn(kind: str, width: int, height: int, **options) -> bytes:
    out = io.BytesIO()
    image = Image.fromarray(np.arange(width * height * 3, dtype=np.uint8).reshape(height, width, 3))
    image.save(out, kind.partition(",")[0], **KINDS.get(kind, {}), **options)
    return out.getvalue()


def bomb(orientation: int = 1) -> bytes:
    """A JPEG of some hundred bytes that claims to be 20,000 x 20,000."""
    out, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    Image.new("L", (16, 16)).save(out, "JPEG", exif=exif)
    encoded = bytearray(out.getvalue())
    start = encoded.index(b"\xff\xc0")
    encoded[start + 5 : start + 9] = (20_000).to_bytes(2) * 2
    return bytes(encoded)


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_read_from_headers(kind):
    encoded = drawn(kind, 61, 300)
    assert claimed_pixels(encoded) == 61 * 300
    for length in range(32):  # nothing breaks on what is cut
        claimed_pixels(encoded[:length])


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_frames_of_an_animation_count_together(kind):
    frames = [Image.new("RGB", (40, 30), (number * 60, 0, 0)) for number in range(3)]
    encoded = drawn(kind, 40, 30, save_all=True, append_images=frames, optimize=False)
    with Image.open(io.BytesIO(encoded)) as animation:
        assert claimed_pixels(encoded) == animation.n_frames * 40 * 30 == 4800


def test_a_frame_may_be_larger_than_its_screen():
    encoded = bytearray(drawn("GIF", 40, 30))
    encoded[6:10] = b"\1\0\1\0"
    assert claimed_pixels(bytes(encoded)) == 1200


@pytest.mark.parametrize(
    ("begin", "block"),
    [
        (b"\xff\xd8", b"\xff\xe0\0\2"),
        (b"GIF89a\1\0\1\0\0\0\0", b"!\xfe\0"),
        (b"GIF89a\1\0\1\0\0\0\0!\xfe", b"\1x"),
    ],
    ids=["JPEG", "GIF", "GIF, one block"],
)
def test_a_header_behind_more_blocks_than_any_file_has_claims_the_most(begin, block):
    assert claimed_pixels(begin + block * MOST_BLOCKS + bytes(9)) == MOST_PIXELS
    assert claimed_pixels(begin + block * 9 + bytes(9)) < 2


def test_what_is_no_compressed_picture_claims_nothing():
    assert [claimed_pixels(encoded) for encoded in (b"", b"text", b"RIFF....WAVE", drawn("BMP", 9, 9))] == [
        0
    ] * 4


def test_a_small_file_that_claims_to_be_large_is_refused_by_its_number(faces, ask):
    encoded = [{"b64": base64.b64encode(one).decode()} for one in (picture(1, 2, 3), bomb())]
    response = ask(faces, "POST", "/v1/models/faces:predict", orjson.dumps({"instances": encoded}))
    rule = "picture 1 must have at most 67108864 pixels; its header claims 400000000"
    assert (response.status_code, response.json()["error"]) == (400, f"input image_bytes: {rule}")


@pytest.mark.parametrize("place", ["examples", "context"])
def test_pictures_within_examples_are_refused_as_well(half_plus_two, ask, place):
    parts = {"examples": [{"x": 1.0}, {"x": 2.0}], "context": {"y": 1.0}}
    document = {"signature_name": "regress_x_to_y", **parts}
    assert ask(half_plus_two, "POST", REGRESS, orjson.dumps(document)).status_code == 200
    holder = parts[place][1] if place == "examples" else parts[place]
    holder["z"] = ["text", {"b64": base64.b64encode(bomb()).decode()}]
    response = ask(half_plus_two, "POST", REGRESS, orjson.dumps(document))
    rule = "examples: picture 1 must have at most 67108864 pixels; its header claims 400000000"
    assert (response.status_code, response.json()) == (400, {"error": rule})


@pytest.mark.parametrize("begin", [b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"])
def test_jpeg_xl_is_refused_before_tensorflow_sees_it(faces, begin):
    request = PredictRequest(model_spec={"name": "faces"})
    request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([begin + bytes(64)]))
    with pytest.raises(Refused, match="picture 0 must not be a JPEG XL: send another format"):
        predict(faces, request)


@pytest.mark.parametrize(
    ("encoded", "pixels"),
    [
        ([drawn("PNG", 300, 400)] * 3, 360_000),
        ([drawn("PNG", 300, 400), drawn("GIF", 1, 1)], 120_000 + 65_536),
        ([drawn(kind, 1, 1) for kind in ("PNG", "JPEG", "GIF", "WEBP", "BMP")], 5 * 65_536),
        ([JPEG_XL[0] + bytes(60), drawn("PNG", 1, 1)[:9]], 2 * 65_536),
    ],
)
def test_pictures_of_a_request_count_together_and_small_ones_as_what_they_become(encoded, pixels):
    pictures = np.array([b"text", *encoded], object)
    Contents(0, 0, pixels).check_pictures("x", pictures)
    rule = f"at most {pixels - 1} pixels together, each counted as 65536 at least; received {pixels}: send"
    with pytest.raises(Refused, match=rule):
        Contents(0, 0, pixels - 1).check_pictures("x", pictures)
    Contents(max_picture_pixels=0).check_pictures("x", np.array([bomb()], object))


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory, half_plus: dict[int, Path]) -> Store:
    """A store that takes three rows."""
    base = tmp_path_factory.mktemp("contents") / "half"
    lay(base, "1", half_plus[2])
    store = Store(one_model("half", base), contents=Contents(max_instances=3))
    store.load()
    return store


@pytest.mark.parametrize(
    ("method", "key", "name"),
    [
        ("predict", "instances", "instances"),
        ("predict", "inputs", "input x"),
        ("classify", "examples", "examples"),
        ("regress", "examples", "examples"),
    ],
)
def test_rows_beyond_the_limit_are_refused(half, ask, method, key, name):
    response = ask(half, "POST", f"/v1/models/half:{method}", orjson.dumps({key: [1.0] * 4}))
    assert response.status_code == 400
    assert response.json() == {"error": f"{name} must have at most 3 rows; received 4"}
    if method == "predict":
        assert ask(half, "POST", "/v1/models/half:predict", orjson.dumps({key: [1.0] * 3})).status_code == 200


def test_rows_beyond_the_limit_are_refused_over_grpc(half):
    request = PredictRequest(model_spec={"name": "half"}, inputs={"x": tf.make_tensor_proto([1.0] * 4)})
    with pytest.raises(Refused, match="input x must have at most 3 rows; received 4"):
        predict(half, request)


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000,
        f'{{"instances": {"[" * 100_000}{"]" * 100_000}}}',
        '{"a":' * 100_000 + "1" + "}" * 100_000,
        f'{{"instances": [NaN, {"[" * 100_000}{"]" * 100_000}]}}',
        f'{{"instances": {"[" * 1000}{"]" * 1000}}}',
        f'{{"instances": [{{"x": {"[" * 900}{"]" * 900}, "y": 1}}]}}',
        f'{{"instances": [NaN, {"9" * 5000}]}}',
    ],
    ids=["open", "lists", "objects", "NaN", "1000 levels", "shown", "digits"],
)
def test_documents_without_end_are_refused(odd, ask, body):
    response = ask(odd, "POST", "/v1/models/odd:predict", body)
    assert response.status_code == 400
    assert set(response.json()) == {"error"}
    assert len(response.json()["error"]) < 1000


def test_a_picture_too_large_to_turn_stays_as_it_is():
    assert upright(bomb(orientation=6)) == bomb(orientation=6)


@pytest.mark.parametrize("name", ["max_instances", "max_picture_pixels", "max_request_pixels"])
def test_a_limit_is_no_negative_number(monkeypatch, name):
    monkeypatch.setattr("sys.argv", ["serving", f"--{name}", "0"])
    assert getattr(read_flags().contents, name) == 0
    monkeypatch.setattr("sys.argv", ["serving", f"--{name}=-1"])
    with pytest.raises(UserError, match=f"--{name} must be 0, for no limit, or above; received -1"):
        read_flags()
