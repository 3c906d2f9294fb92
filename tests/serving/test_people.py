"""What people ask: pictures in, words and numbers out."""

import re
import sys

import numpy as np
import pytest
from drawn_faces import encode, face, photo
from folders import configured
from PIL import Image
from small_models import picture, save

from serving.faces import detector
from serving.pictures import decode
from serving.predictor import Predictor
from serving.quiet import tf
from serving.store import Store

RED = picture(255, 0, 0)
TWO = photo((90, 120, 160), (400, 200, 110))
BOXES = [(106, 137, 127, 127), (414, 212, 85, 85)]
FORM = {"Content-Type": "multipart/form-data; boundary=cut"}


@pytest.fixture(scope="module")
def several(odd_path, faces_path) -> Store:
    """Two models, of which the first takes no pictures."""
    store = Store(configured(odd=f'base_path: "{odd_path}"', faces=f'base_path: "{faces_path}"'))
    store.load()
    return store


def near(box, other, most=4):
    return np.abs(np.subtract(box, other)).max() <= most


def test_each_face_of_a_photo_is_answered_with_its_box(predict):
    answer = predict({"party.png": encode(TWO)}).json()
    assert (answer["model"], answer["version"]) == ("faces", 7)
    assert answer["milliseconds"] > 0
    (file,) = answer["files"]
    assert {**file, "faces": 0} == {
        "file": "party.png",
        "width": 640,
        "height": 480,
        "found_by": "detector",
        "faces": 0,
    }
    pale, dark = file["faces"]
    assert near(pale["box"], BOXES[0])
    assert near(dark["box"], BOXES[1])
    assert pale["age"]["value"] > dark["age"]["value"] + 10  # the model goes by red
    assert pale["age"]["words"] == f"{pale['age']['value']:.1f} ± {pale['age']['std']:.1f} years"
    assert pale["emotion"]["label"] == "angry"
    assert sum(pale["emotion"]["probabilities"].values()) == pytest.approx(1)
    assert dark["gender"]["words"].startswith("male ")


def test_the_body_may_be_the_picture_itself(predict):
    raw, form = (predict(sent).json()["files"][0] for sent in (encode(TWO), {"party.png": encode(TWO)}))
    assert raw == {**form, "file": "picture"}


def test_one_bad_file_spoils_no_other(predict):
    sent = {"a.png": encode(face(200)), "notes.txt": b"milk, bread", "b.png": encode(TWO)}
    response = predict(sent)
    first, bad, last = response.json()["files"]
    assert (response.status_code, len(first["faces"]), len(last["faces"])) == (200, 1, 2)
    assert bad == {
        "file": "notes.txt",
        "error": "this is no picture: it must be JPEG, PNG, GIF, BMP or WEBP",
    }
    assert last["faces"] == predict(encode(TWO)).json()["files"][0]["faces"]


def test_a_picture_without_a_face_is_answered_so(predict):
    (file,) = predict(encode(photo())).json()["files"]
    assert (file["faces"], file["words"], file["found_by"]) == ([], "no face was found", "detector")


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animated_picture_the_first_frame_is_answered(predict, kind):
    moving = encode(photo(), kind, save_all=True, append_images=[TWO])
    (file,) = predict(moving).json()["files"]
    assert (file["faces"], file["frame"]) == ([], "the first of several")
    (still,) = predict(encode(TWO, kind)).json()["files"]
    assert (len(still["faces"]), "frame" in still) == (2, False)


def test_a_crop_is_taken_as_it_is_where_asked(predict, faces):
    crop = encode(face(150))
    (file,) = predict(crop, "?faces=crop").json()["files"]
    (said,) = file["faces"]
    assert (file["found_by"], said.pop("box")) == ("whole picture", [0, 0, 150, 150])
    for task in said.values():
        del task["words"]
    assert [said] == Predictor(faces.find("faces")[1]).predict([crop])


def test_without_opencv_a_picture_is_taken_as_one_face(predict, ask, faces, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    detector.cache_clear()
    try:
        (file,) = predict(encode(TWO)).json()["files"]
        assert (file["found_by"], file["faces"][0]["box"]) == ("whole picture", [0, 0, 640, 480])
        assert ask(faces, "GET", "/models").json()["finds_faces"] is False
    finally:
        detector.cache_clear()


def test_a_sideways_photo_is_turned_and_its_boxes_with_it(predict):
    exif = Image.Exif()
    exif[0x0112] = 6
    sideways = encode(TWO.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=95, exif=exif)
    (file,) = predict(sideways).json()["files"]
    assert (file["width"], file["height"]) == (640, 480)
    assert all(near(said["box"], box) for said, box in zip(file["faces"], BOXES, strict=True))


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        *(("JPEG", mode) for mode in ("RGB", "L", "CMYK")),
        *(("PNG", mode) for mode in ("P", "RGBA", "1", "LA")),
        *(("GIF", "P"), ("BMP", "RGB"), ("WEBP", "RGB")),
    ],
)
def test_kinds_of_pictures(kind, mode):
    drawn = Image.new("RGB", (9, 7), "white").convert(mode)
    decoded = decode(encode(drawn, kind))
    assert (decoded.mode, decoded.size) == ("RGB", (9, 7))
    assert np.asarray(decoded).min() > 250


def test_the_upper_half_of_sixteen_bits_is_seen():
    deep = Image.fromarray(np.full((3, 3), 0x64FF, np.uint16))
    assert np.asarray(decode(encode(deep))).flatten().tolist() == [0x64] * 27


@pytest.mark.parametrize(
    ("files", "query", "status", "error"),
    [
        (b"", "", 400, "no picture was sent; send one as the body, or in a form: curl -F file=@photo.jpg"),
        (b"nope", "", 415, "picture: this is no picture: it must be JPEG, PNG, GIF, BMP or WEBP"),
        ({"a.txt": b"a", "b": b""}, "", 415, "a.txt: this is no picture.*; b: this is no picture"),
        ({"cut.png": encode(TWO)[:2000]}, "", 400, "cut.png: the picture is broken or cut off"),
        ({"a.txt": b"a", "cut.png": encode(TWO)[:2000]}, "", 400, "a.txt: .*; cut.png: "),
        ({str(n): RED for n in range(33)}, "", 413, "a form must have at most 32 files"),
        (RED, "?faces=two", 400, "faces must be find, or crop .* received 'two'"),
        (RED, "?model=nope", 404, "nope"),
        (RED, "?model=odd", 400, "model odd takes no pictures; GET /models names those that do"),
    ],
)
def test_what_gets_no_answer_says_why(predict, several, files, query, status, error):
    response = predict(files, query, several)
    assert response.status_code == status
    assert list(response.json()) == ["error"]
    assert re.search(error, response.json()["error"])


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"--cut--\r\n", "no picture was sent"),
        (b"nonsense", "the form can't be read"),
        (
            b'--cut\r\nContent-Disposition: form-data; name="file"\r\n\r\nphoto.jpg\r\n--cut--',
            "no picture was",
        ),
    ],
)
def test_forms_without_a_file(ask, faces, body, error):
    response = ask(faces, "POST", "/predict", body, FORM)
    assert response.status_code == 400
    assert response.json()["error"].startswith(error)


@pytest.mark.parametrize(
    ("charset", "status", "said"),
    [
        ("utf-8", 200, b"\\ud800.png"),
        ("nonsense", 200, b"\\ud800.png"),
        ("unicode_escape", 200, b"?.png"),
        ("undefined", 400, b"the form can't be read: its names must be in its charset"),
    ],
)
def test_a_form_may_say_any_charset(ask, faces, charset, status, said):
    part = b'Content-Disposition: form-data; name="file"; filename="\\ud800.png"'
    body = b"--cut\r\n" + part + b"\r\n\r\n" + RED + b"\r\n--cut--\r\n"
    headers = {"Content-Type": f"{FORM['Content-Type']}; charset={charset}"}
    response = ask(faces, "POST", "/predict?faces=crop", body, headers)
    answer = response.json()
    told = answer["files"][0]["file"] if status == 200 else answer["error"]
    assert (response.status_code, told.encode()[: len(said)]) == (status, said)


def test_the_model_is_the_first_that_takes_pictures_or_the_one_named(ask, predict, several):
    assert ask(several, "GET", "/models").json() == {
        "models": [{"model": "faces", "version": 7}],
        "finds_faces": True,
    }
    answers = [predict(RED, query, several).json() for query in ("?faces=crop", "?faces=crop&model=faces")]
    assert [answer["model"] for answer in answers] == ["faces"] * 2


class Words(tf.Module):
    """What servers of text have: one input of strings."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def texts(self, text):
        return {"kind": tf.strings.substr(text, 1, 3), "size_bytes": tf.strings.substr(text, 0, 1)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def total(self, text):
        return {"total": tf.reduce_sum(tf.strings.length(text))}

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
    def one(self, text):
        return {"size": tf.strings.length(text)}


def test_any_model_of_strings_is_asked_and_answers_or_is_refused(ask, predict, tmp_path):
    for name in ("texts", "total", "one"):
        save(Words(), tmp_path / name / "1", name)
    store = Store(configured(**{path.name: f'base_path: "{path}"' for path in tmp_path.iterdir()}))
    store.load()
    listed = ask(store, "GET", "/models").json()["models"]
    assert {one["model"] for one in listed} == {"texts", "total"}
    (file,) = predict(RED, "?faces=crop&model=texts", store).json()["files"]
    assert file["faces"][0]["kind"] == {"value": "PNG", "words": "PNG"}
    assert file["faces"][0]["size_bytes"]["value"] == {"b64": "iQ=="}
    response = predict(RED, "?faces=crop&model=total", store)
    error = "output total must have a row for each of 1 pictures; its shape is ()"
    assert (response.status_code, response.json()) == (400, {"error": error})


def test_before_a_model_is_loaded_there_is_no_answer(predict, faces_path, odd):
    loading = Store(configured(faces=f'base_path: "{faces_path}"'))
    response = predict(RED, store=loading)
    assert (response.status_code, response.json()) == (503, {"error": "a model is still loading"})
    assert predict(RED, store=odd).json() == {"error": "no model that is served takes pictures"}
