"""A model in a script."""

import io
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from small_models import picture

import serving
from serving import Predictor
from serving.batching import Batcher, BatchingParameters
from serving.errors import Refused, UserError

RED, BLUE = picture(255, 0, 0), picture(0, 0, 255)


@pytest.fixture(scope="module")
def predictor(faces_path) -> Predictor:
    return Predictor(faces_path)


def test_pictures_as_bytes_and_files(predictor, tmp_path):
    (tmp_path / "blue.png").write_bytes(BLUE)
    red, blue, same = predictor.predict([RED, tmp_path / "blue.png", str(tmp_path / "blue.png")])
    assert blue == same
    assert red["age"] == {"value": 100.0, "std": 0.0, "unit": "years"}
    assert red["emotion"]["label"] == "angry"
    assert list(red["emotion"]["probabilities"]) == ["angry", "happy", "sad"]
    assert (red["gender"]["label"], red["gender"]["probability"]) == ("male", 1.0)
    assert (blue["gender"]["label"], blue["gender"]["probability"]) == ("female", 1.0)


def test_numbers_have_no_more_digits_than_the_models(predictor):
    (said,) = predictor.predict([picture(26, 0, 0)])
    assert said["age"]["value"] == float(str(np.float32(said["age"]["value"])))


def test_the_version_folder_itself(predictor, faces_path):
    assert Predictor(str(faces_path / "007")).predict([RED]) == predictor.predict([RED])


def test_many_pictures_are_the_same_as_each(predictor):
    pictures = [picture(number, 255 - number, 7) for number in range(70)]
    assert predictor.predict(pictures) == [predictor.predict([one])[0] for one in pictures]
    assert predictor.predict([]) == []


def test_many_pictures_are_asked_about_as_many_at_a_time_as_a_batch_may_have(predictor):
    pictures = [picture(number, 255 - number, 7) for number in range(5)]
    batched = Predictor(replace(predictor.model, batcher=Batcher(BatchingParameters(2))))
    assert batched.predict(pictures) == predictor.predict(pictures)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_sideways_photo_is_turned(predictor, monkeypatch, mode):
    def encode(picture, orientation):
        encoded, exif = io.BytesIO(), Image.Exif()
        exif[0x0112] = orientation
        picture.convert(mode).save(encoded, "JPEG", quality=95, exif=exif)
        return encoded.getvalue()

    called = []
    call = predictor.call
    monkeypatch.setattr(predictor, "call", lambda *a: called.append(a) or call(*a))
    picture = Image.linear_gradient("L").resize((64, 32))  # dark above, bright below
    predictor.predict([encode(picture.rotate(90, expand=True), 6)])
    (sent,) = called[0][1]["image_bytes"]
    turned = np.asarray(Image.open(io.BytesIO(sent)).convert("L"), int)
    np.testing.assert_allclose(turned, np.asarray(picture), atol=4)
    predictor.predict([upright := encode(picture, 1)])
    assert called[1][1]["image_bytes"][0] == upright


def test_a_picture_that_cannot_be_read_is_named_by_its_number(predictor):
    with pytest.raises(Refused, match=r"^picture 40: Unknown image file format"):
        predictor.predict([RED] * 40 + [b"nope"] + [BLUE])


@pytest.mark.parametrize(
    ("signature", "inputs", "message"),
    [
        ("predict_images", {}, r"0!=1 len\(\{\}\) .* Missing but required: \{images\}\."),
        (
            "predict_images",
            {"images": np.zeros((1, 4, 4, 3), np.uint8), "x": np.zeros(1)},
            r"Sent extra: \{x\}",
        ),
        ("predict_images", {"images": np.zeros((1, 8, 8, 3), np.uint8)}, r"must have shape \[-1, 4, 4, 3\]"),
        ("predict_images", {"images": np.ones((1, 4, 4, 3))}, "input images must be uint8"),
        ("serving_default", {"image_bytes": np.array([1, 2])}, "input image_bytes must be string"),
    ],
)
def test_inputs_that_do_not_fit(predictor, signature, inputs, message):
    with pytest.raises(Refused, match=message) as refused:
        predictor.call(predictor.signature(signature), inputs)
    assert refused.value.code == "INVALID_ARGUMENT"


def test_an_unknown_signature(predictor):
    with pytest.raises(Refused, match='"nope" not found') as refused:
        predictor.signature("nope")
    assert refused.value.code == "FAILED_PRECONDITION"


def test_a_model_of_something_else_than_pictures(odd_path):
    with pytest.raises(UserError, match="must take one input, encoded pictures"):
        Predictor(odd_path).predict([RED])


def test_no_model_there(tmp_path):
    with pytest.raises(UserError, match="must hold a version folder"):
        Predictor(tmp_path)


def test_the_client_and_the_flags_need_no_tensorflow():
    code = "import sys, serving.client, serving.__main__; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    assert serving.__all__ == ["Predictor"]
    with pytest.raises(AttributeError, match="has no attribute 'other'"):
        serving.other  # noqa: B018
