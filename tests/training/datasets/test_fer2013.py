"""FER2013 as the CSV of pixels and as folders of pictures, in each form they come in."""

import io
import logging
from pathlib import Path

import numpy as np
import pytest
from archives import face, jpeg, prepared
from PIL import Image

from multitask.tasks import TASKS
from training.datasets.examples import hashed_split

EMOTIONS = TASKS["emotion"].labels
CSV_FORMS = [
    ("fer2013.csv", "fer2013.csv"),
    ("fer2013.tar.gz", "fer2013/fer2013.csv"),
    ("fer2013.zip", "fer2013.csv"),
    ("fer2013", "fer2013.csv"),
]
# Where the pictures lie, and whether PrivateTest is among them.
PICTURE_FORMS = [
    ("fer2013.zip", "", False),
    ("fer2013.zip", "images/", True),
    ("fer2013", "", True),
    ("fer2013", "fer2013/", False),
]


def grey(number: int) -> np.ndarray:
    return np.asarray(face(number).convert("L"))  # [SIDE, SIDE]


def row(emotion: object, number: int, usage: str) -> str:
    return f"{emotion},{' '.join(map(str, grey(number).ravel()))},{usage}"


def csv_of(rows: list[str]) -> bytes:
    return "\r\n".join(["emotion,pixels,Usage", *rows]).encode()


# Row n shows face n and is labelled n % 7: 21 of Training, 7 of each test.
USAGES = ["Training"] * 21 + ["PublicTest"] * 7 + ["PrivateTest"] * 7
ROWS = [row(number % 7, number, usage) for number, usage in enumerate(USAGES)]
SPOILT_ROWS = {
    row(7, 50, "Training"): "Training_000035: unknown emotion (7)",
    row("happy", 51, "Training"): "Training_000036: unknown emotion (happy)",
    row(0, 52, "Training").replace(" ", " 1 ", 1): "Training_000037: wrong number of pixels (2305)",
    row(0, 53, "PublicTest").replace(" ", " 256 ", 1): (
        "PublicTest_000038: pixels that are no numbers from 0 to 255"
    ),
    row(0, 54, "PublicTest").replace(" ", " x ", 1): (
        "PublicTest_000039: pixels that are no numbers from 0 to 255"
    ),
    row(0, 55, "Test"): "Test_000040: unknown usage (Test)",
    row(3, 27, "Training"): "Training_000041: same picture in test (PublicTest_000027)",
    row(3, 34, "PublicTest"): "PublicTest_000042: same picture in private_test (PrivateTest_000034)",
    "3,1 2 3": "None_000043: unknown usage ()",
}


def split_of_training(name: str) -> str:
    return hashed_split(name, {"train": 0.9, "validation": 0.1})


@pytest.mark.parametrize(("archive", "member"), CSV_FORMS)
def test_each_form_of_the_csv_gives_each_row_without_loss(
    archive: str, member: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = prepared("fer2013", tmp_path, archive, {member: csv_of([*ROWS, *SPOILT_ROWS])})
    names = [f"{usage}_{number:06}" for number, usage in enumerate(USAGES)]
    assert sorted(found) == sorted(names)
    for number, name in enumerate(names):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(found[name]["image"]))), grey(number))
        assert found[name]["emotion"] == number % 7
        assert (found[name]["age"], found[name]["gender"], found[name]["group"]) == (-1, -1, -1)
    official = {"PublicTest": "test", "PrivateTest": "private_test"}
    assert {name: found[name]["split"] for name in names} == {
        name: official.get(name[:-7]) or split_of_training(name) for name in names
    }
    assert {record.args[1:] for record in caplog.records if "left out" in record.msg} == {
        tuple(text.split(": ")) for text in SPOILT_ROWS.values()
    }


def pictures(private: bool) -> dict[str, bytes]:
    """Four pictures of each emotion; nothing in a name but its folder tells the emotion."""
    last = ("test", "PrivateTest_" if private else "im")
    names = [
        f"{folder}/{emotion}/{prefix}{number}"
        for folder, prefix in [("train", "Training_"), ("train", "im"), ("test", "PublicTest_"), last]
        for number, emotion in enumerate(EMOTIONS)
    ]
    return {f"{name}.jpg": jpeg(number) for number, name in enumerate(names)}


SPOILT_PICTURES = {
    "train/contempt/Training_1.jpg": (jpeg(50), "unknown emotion (contempt)"),
    "validation/happy/1.jpg": (jpeg(51), "neither in train/<emotion>/ nor in test/<emotion>/"),
    "train/happy/Training_20.jpg": (jpeg(52)[:-200], "unreadable picture"),
    "train/happy/Training_21.jpg": (b"", "unreadable picture"),
    "train/happy/Training_22.jpg": (jpeg(14), "same picture in test (test/angry/PublicTest_0.jpg)"),
}


@pytest.mark.parametrize(("archive", "folder", "private"), PICTURE_FORMS)
def test_each_form_of_the_pictures_gives_each_with_the_emotion_of_its_folder(
    archive: str, folder: str, private: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good = pictures(private)
    files = good | {name: content for name, (content, _) in SPOILT_PICTURES.items()}
    ignored = {"train/happy/.DS_Store": b"Bud1", "labels.txt": b"", "__MACOSX/train/happy/._1.jpg": b"Mac"}
    found = prepared(
        "fer2013", tmp_path, archive, {folder + name: c for name, c in (files | ignored).items()}
    )
    assert {name: (EMOTIONS[e["emotion"]], e["image"]) for name, e in found.items()} == {
        name: (name.split("/")[1], content) for name, content in good.items()
    }
    for name, e in found.items():
        training = name.startswith("train/")
        official = "private_test" if "PrivateTest_" in name else "test"
        assert e["split"] == (split_of_training(name) if training else official)
    assert ("private_test" in {e["split"] for e in found.values()}) == private
    assert {record.args[1:] for record in caplog.records if "left out" in record.msg} == {
        (name, reason) for name, (_, reason) in SPOILT_PICTURES.items()
    }


def test_counts_what_it_leaves_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "training.datasets")
    prepared("fer2013", tmp_path, "fer2013.csv", {"fer2013.csv": csv_of([*ROWS, *SPOILT_ROWS])})
    assert caplog.messages[-1] == (
        "fer2013: 35 examples; 2 left out: pixels that are no numbers from 0 to 255; "
        "1 left out: same picture in private_test; 1 left out: same picture in test; "
        "2 left out: unknown emotion; 2 left out: unknown usage; 1 left out: wrong number of pixels"
    )
