"""What every source shares: the hashed split, the check of a picture, the features."""

import io

import numpy as np
import pytest
import tensorflow as tf
from archives import encoded, face, jpeg
from PIL import Image

from multitask.tasks import TASKS
from training.datasets.examples import (
    Candidate,
    Rejected,
    check,
    example,
    features,
    hashed_split,
    upright,
)
from training.labels import labels_of

SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}


def test_a_name_keeps_its_split_for_ever() -> None:
    names = ["1.jpg", "2.jpg", "3.jpg", "11.jpg", "é.jpg"]
    assert [hashed_split(name, SHARES) for name in names] == [
        "train",
        "train",
        "validation",
        "train",
        "train",
    ]


def test_splits_have_their_shares() -> None:
    splits = [hashed_split(f"{number}.jpg", SHARES) for number in range(4000)]
    assert {split: splits.count(split) / 4000 for split in SHARES} == pytest.approx(SHARES, abs=0.02)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_turns_what_the_camera_held_sideways(kind: str, mode: str) -> None:
    picture = face(0).crop((0, 0, 48, 30)).convert(mode)
    turned = Image.open(io.BytesIO(upright(encoded(picture, kind, orientation=6))))
    expected = Image.open(io.BytesIO(encoded(picture, kind))).convert("RGB").rotate(-90, expand=True)
    assert (turned.size, turned.tobytes()) == (expected.size, expected.tobytes())


def test_leaves_the_bytes_of_an_upright_picture_alone() -> None:
    assert upright(jpeg(0)) == jpeg(0)


READABLE = {
    "grey": encoded(face(0).convert("L"), "JPEG"),
    "CMYK": encoded(face(0).convert("CMYK"), "JPEG", orientation=3),
    "palette": encoded(face(0).convert("P"), "GIF"),
    "transparent": encoded(face(0).convert("RGBA"), "PNG"),
    "BMP": encoded(face(0), "BMP"),
    "spoilt EXIF": encoded(face(0), "JPEG", orientation=3).replace(b"\0\1\1\x12\0\3", b"\0\x09\1\x12\0\3"),
}
UNREADABLE = {
    "empty": b"",
    "text": b"<html>404 not found</html>",
    "cut JPEG": jpeg(0)[:-200],
    "cut PNG": encoded(face(0), "PNG")[:-200],
    "TIFF": encoded(face(0), "TIFF"),
    "huge": encoded(face(0), "PNG").replace(b"\0\0\0\x30\0\0\0\x30", b"\0\1\0\0\0\1\0\0"),
}


@pytest.mark.parametrize("image", READABLE.values(), ids=READABLE)
def test_accepts_what_training_can_read(image: bytes) -> None:
    check(upright(image))


@pytest.mark.parametrize("image", UNREADABLE.values(), ids=UNREADABLE)
def test_rejects_what_training_can_not_read(image: bytes) -> None:
    with pytest.raises(Rejected, match=r"^unreadable picture$"):
        check(upright(image))


def test_all_sources_have_the_same_features() -> None:
    assert {name: feature.dtype for name, feature in features().get_tensor_info().items()} == {
        "image": tf.uint8,
        "age": tf.float32,
        "age_to": tf.float32,
        "emotion": tf.int64,
        "gender": tf.int64,
        "group": tf.int64,
        "id": tf.string,
    }


@pytest.mark.parametrize(
    ("labels", "columns", "age"),
    [
        ({}, (-1, -1, -1, -1), (-1, -1)),
        ({"age": 31.5, "gender": 1}, (31.5, -1, -1, 1), (31.5, 31.5)),
        ({"age": (30, 39), "emotion": 2}, (30, 39, 2, -1), (30, 39)),
        ({"age": (0, 2)}, (0, 2, -1, -1), (0, 2)),
    ],
)
def test_an_example_has_what_is_known_and_where_an_interval_ends(labels, columns, age) -> None:
    row = example(Candidate("1.jpg", b"", labels))
    assert row.keys() == features().keys()
    assert tuple(row[name] for name in ("age", "age_to", "emotion", "gender")) == columns
    table = {name: np.array([value]) for name, value in row.items() if name in ("age", "age_to", "emotion")}
    np.testing.assert_array_equal(labels_of(TASKS["age"], table), [age])
    np.testing.assert_array_equal(labels_of(TASKS["emotion"], table), [columns[2]])
