"""FER2013: emotion from small grey faces."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, ClassVar

import tensorflow_datasets as tfds
from PIL import Image

from multitask.errors import UserError
from multitask.tasks import TASKS
from training.datasets.archives import PICTURES, members
from training.datasets.examples import Candidate, FacesBuilder

EMOTIONS = TASKS["emotion"].labels
SIDE = 48
SPLITS = {"Training": None, "PublicTest": "test", "PrivateTest": "private_test"}
"""What the CSV calls Usage, and the split it is; a hash of the id divides Training."""


class Fer2013(FacesBuilder):
    """FER2013: 35,887 faces, 48x48 grey, found by an image search for words of emotion.

    Labels: emotion, 0 angry, 1 disgust, 2 fear, 3 happy, 4 sad, 5 surprise, 6 neutral. No age, no gender.

    Splits: of the official Training (28,709), a hash of the name sends 90% to train and 10% to validation;
    PublicTest (3,589) is test; PrivateTest (3,589) is private_test, where the archive has it.

    Known flaws: people who label it anew agree with it on about 65% of the pictures, and a few show no face.
    The labels tell what a search word and an annotator saw, not what a person felt. Under 2% show disgust, a
    quarter happiness. About 2,800 pictures of Training and PublicTest have a copy among them, 3% with
    another label; of copies in different splits only the one held out longest is used. Who is shown is not
    recorded: whoever an image search found in 2013.

    The CSV's pixels become PNG; the widespread JPEG form of the set is not lossless, so figures on the two
    differ a little.

    Licence: for research only; the pictures' copyright stays with their owners.
    """

    VERSION = tfds.core.Version("1.1.0")
    HOMEPAGE = "https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge"
    SHARES: ClassVar[dict[str, float]] = {"train": 0.9, "validation": 0.1}
    ARCHIVES = ("fer2013.csv", "fer2013.tar.gz", "fer2013.zip", "fer2013")
    MEMBERS = "fer2013.csv, or pictures in train/<emotion>/ and test/<emotion>/"
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        f"get FER2013 from {HOMEPAGE} and put it into the manual_dir as fer2013.csv, fer2013.tar.gz, "
        "fer2013.zip or a folder fer2013"
    )
    CITATION = """@inproceedings{goodfellow2013challenges,
  title={Challenges in Representation Learning: A Report on Three Machine Learning Contests},
  author={Goodfellow, Ian J. and Erhan, Dumitru and Carrier, Pierre Luc and Courville, Aaron and others},
  booktitle={International Conference on Neural Information Processing (ICONIP)},
  pages={117--124},
  year={2013}
}"""

    def candidates(self, archive: Path) -> Iterator[Candidate | tuple[str, str]]:
        """Every row of the CSV or every picture; its id is `<Usage>_<row>` or `<split>/<emotion>/<file>`."""
        for path, content in members(archive):
            if path.name == "fer2013.csv":
                yield from _rows(archive, content)
            elif path.suffix.lower() in PICTURES:
                yield _picture(path, content)


def _rows(archive: Path, content: IO[bytes]) -> Iterator[Candidate | tuple[str, str]]:
    with io.TextIOWrapper(content, "utf-8-sig", errors="replace", newline="") as text:
        rows = csv.DictReader(text)
        columns = rows.fieldnames or ()
        if not {"emotion", "pixels", "Usage"} <= set(columns):
            raise UserError(
                "fer2013.csv must have the columns emotion,pixels,Usage; "
                f"received: {','.join(columns)[:80]!r} in {archive}; {Fer2013.MANUAL_DOWNLOAD_INSTRUCTIONS}"
            )
        for number, row in enumerate(rows):
            yield _row(f"{row['Usage']}_{number:06}", row)


def _row(name: str, row: dict[str, str | None]) -> Candidate | tuple[str, str]:
    usage, emotion, numbers = row["Usage"] or "", row["emotion"] or "", row["pixels"] or ""
    if usage not in SPLITS:
        return name, f"unknown usage ({usage})"
    if emotion not in map(str, range(len(EMOTIONS))):
        return name, f"unknown emotion ({emotion})"
    try:
        pixels = bytes(map(int, numbers.split()))
    except ValueError:
        return name, "pixels that are no numbers from 0 to 255"
    if len(pixels) != SIDE * SIDE:
        return name, f"wrong number of pixels ({len(pixels)})"
    png = io.BytesIO()
    Image.frombytes("L", (SIDE, SIDE), pixels).save(png, "PNG")
    return Candidate(name, png.getvalue(), {"emotion": int(emotion)}, split=SPLITS[usage])


def _picture(path: PurePosixPath, content: IO[bytes]) -> Candidate | tuple[str, str]:
    name = "/".join(path.parts[-3:])
    folder, emotion = ("", "", *path.parts)[-3:-1]
    if folder not in {"train", "test"}:
        return name, "neither in train/<emotion>/ nor in test/<emotion>/"
    if emotion not in EMOTIONS:
        return name, f"unknown emotion ({emotion})"
    private = path.name.startswith("PrivateTest_")
    split = None if folder == "train" else "private_test" if private else "test"
    return Candidate(name, content.read(), {"emotion": EMOTIONS.index(emotion)}, split=split)
