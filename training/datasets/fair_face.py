"""FairFace: age in bins and gender, of faces spread evenly over seven groups of race."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import tensorflow_datasets as tfds

from multitask.tasks import TASKS
from training.datasets.archives import PICTURES, members
from training.datasets.examples import Candidate, FacesBuilder

LABELS = ("fairface_label_train.csv", "fairface_label_val.csv")
COLUMNS = ("file", "age", "gender", "race")
AGES = {
    "0-2": (0, 2),
    "3-9": (3, 9),
    **{f"{low}-{low + 9}": (low, low + 9) for low in range(10, 70, 10)},
    "more than 70": (70, TASKS["age"].units - 1),
}
GENDERS = {"Male": 0, "Female": 1}
RACES = {
    "White": 0,
    "Black": 1,
    "Indian": 3,
    "East Asian": 5,
    "Southeast Asian": 6,
    "Latino_Hispanic": 7,
    "Middle Eastern": 8,
}
SPLITS = {"train": None, "val": "test"}
"""The folders, and the split each is; a hash of the name divides train."""


class FairFace(FacesBuilder):
    """FairFace: 97,698 faces with age in nine bins, gender and race in seven groups, of photos on Flickr.

    Labels: age, the bin as an interval of years: 0-2, 3-9, 10-19 and so on to 60-69, and "more than 70" as 70
    to 100; gender, 0 male, 1 female; group, the race code: 0 White, 1 Black and 3 Indian, which UTKFace has
    too, 5 East Asian, 6 Southeast Asian, 7 Latino_Hispanic, 8 Middle Eastern. No emotion. The column
    service_test, the part that its authors sent to commercial services, is not read.

    Splits: of the official train (86,744), a hash of the name sends 90% to train and 10% to validation; the
    official val (10,954) is test.

    Forms: published with a padding of 0.25 or of 1.25 around the face; if both are there the first is read,
    which looks more like the other sources.

    Known flaws: age, gender and race are what annotators saw in a picture, not facts about a person; gender
    has two codes, race seven, and a bin says nothing of where in it an age lies. Names do not tell who is
    shown, so a person with several pictures may stand in several splits.

    Licence: CC BY 4.0 (K. Kärkkäinen and J. Joo); the pictures are cut from photos of YFCC100M, each under a
    Creative Commons licence of its own.
    """

    VERSION = tfds.core.Version("1.1.0")
    HOMEPAGE = "https://github.com/joojs/fairface"
    SHARES: ClassVar[dict[str, float]] = {"train": 0.9, "validation": 0.1}
    ARCHIVES = (
        "fairface-img-margin025-trainval.zip",
        "fairface-img-margin025-trainval",
        "fairface-img-margin125-trainval.zip",
        "fairface-img-margin125-trainval",
    )
    MEMBERS = "pictures train/<number>.jpg and val/<number>.jpg that the labels name"
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        f"get the pictures and both files of labels of FairFace from {HOMEPAGE} and put them into the "
        f"manual_dir as {ARCHIVES[0]}, {LABELS[0]} and {LABELS[1]}"
    )
    CITATION = """@inproceedings{karkkainen2021fairface,
  title={FairFace: Face Attribute Dataset for Balanced Race, Gender, and Age for Bias Measurement and
         Mitigation},
  author={K{\\"a}rkk{\\"a}inen, Kimmo and Joo, Jungseock},
  booktitle={IEEE/CVF Winter Conference on Applications of Computer Vision (WACV)},
  pages={1548--1558},
  year={2021}
}"""

    def candidates(self, archive: Path) -> Iterator[Candidate | tuple[str, str]]:
        """Every picture and every row of labels; its id is the column file, such as train/1.jpg."""
        rows = {row["file"]: row for name in LABELS for row in self._rows(archive, name)}
        seen = set()
        for path, content in members(archive):
            name = "/".join(path.parts[-2:])
            if name in rows:
                seen.add(name)
                yield _candidate(name, rows[name], content.read())
            elif path.suffix.lower() in PICTURES:
                yield name, "picture without a row of labels"
        yield from ((name, "row of labels without a picture") for name in rows if name not in seen)

    def _rows(self, archive: Path, name: str) -> Iterator[dict[str, str]]:
        path = archive.parent / name
        if not path.is_file():
            raise self._unusable(
                f"{self.name} must have {' and '.join(LABELS)} beside {archive.name}", f"no {path}"
            )
        try:
            with path.open(encoding="utf-8-sig", errors="replace", newline="") as text:
                rows = csv.DictReader(text, restval="")
                if not set(COLUMNS) <= set(columns := rows.fieldnames or ()):
                    raise self._unusable(
                        f"{name} must have the columns {','.join(COLUMNS)}", ",".join(columns)[:80]
                    )
                yield from rows
        except csv.Error as error:
            raise self._unusable(f"{path} must be a CSV", str(error)) from error


def _candidate(name: str, row: dict[str, str], image: bytes) -> Candidate | tuple[str, str]:
    folder = name.partition("/")[0]
    if folder not in SPLITS:
        return name, "neither in train/ nor in val/"
    for column, known in (("age", AGES), ("gender", GENDERS), ("race", RACES)):
        if row[column] not in known:
            return name, f"unknown {column} ({row[column]})"
    age, gender, race = AGES[row["age"]], GENDERS[row["gender"]], RACES[row["race"]]
    return Candidate(name, image, {"age": age, "gender": gender}, race, SPLITS[folder])
