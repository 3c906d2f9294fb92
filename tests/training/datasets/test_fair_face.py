"""FairFace in each form it comes in, with what may spoil it."""

import logging
from pathlib import Path

import pytest
from archives import jpeg, prepared, write

from multitask.errors import UserError
from training.datasets.examples import hashed_split
from training.datasets.prepare import prepare

ZIP, WIDE, FOLDER = (
    "fairface-img-margin025-trainval.zip",
    "fairface-img-margin125-trainval.zip",
    "fairface-img-margin025-trainval",
)
AGES = {
    "0-2": (0, 2), "3-9": (3, 9), "10-19": (10, 19), "20-29": (20, 29), "30-39": (30, 39), "40-49": (40, 49),
    "50-59": (50, 59), "60-69": (60, 69), "more than 70": (70, 100),
}  # fmt: skip
RACES = {
    "East Asian": 5, "Indian": 3, "Black": 1, "White": 0, "Middle Eastern": 8, "Latino_Hispanic": 7,
    "Southeast Asian": 6,
}  # fmt: skip
HEADER = "file,age,gender,race,service_test"

# Every bin and every race, with both genders: 18 pictures to learn from, 14 to judge by.
LABELS = {
    **{f"train/{n + 1}.jpg": ([*AGES][n % 9], ["Male", "Female"][n % 2], [*RACES][n % 7]) for n in range(18)},
    **{f"val/{n + 1}.jpg": ([*AGES][n % 9], ["Female", "Male"][n // 7], [*RACES][n % 7]) for n in range(14)},
}
PICTURES = {name: jpeg(number) for number, name in enumerate(LABELS)}
SPOILT = {
    "train/30.jpg": ("9-Mar", "Male", "White"),
    "train/31.jpg": ("3-9", "", "White"),
    "train/32.jpg": ("3-9", "Male", "Asian"),
    "train/33.jpg": ("3-9", "Male", "White"),
    "train/34.jpg": ("3-9", "Male", "White"),
    "train/35.jpg": ("3-9", "Male", "White"),
    "test/1.jpg": ("3-9", "Male", "White"),
}
LEFT_OUT = {
    "train/30.jpg": "unknown age (9-Mar)",
    "train/31.jpg": "unknown gender ()",
    "train/32.jpg": "unknown race (Asian)",
    "train/33.jpg": "row of labels without a picture",
    "train/34.jpg": "unreadable picture",
    "train/35.jpg": "same picture in test (val/1.jpg)",
    "train/36.jpg": "picture without a row of labels",
    "test/1.jpg": "neither in train/ nor in val/",
}
SPOILT_PICTURES = {
    **{name: jpeg(40 + number) for number, name in enumerate(LEFT_OUT) if name != "train/33.jpg"},
    "train/34.jpg": jpeg(50)[:-200],
    "train/35.jpg": PICTURES["val/1.jpg"],
}


def csv_of(labels: dict[str, tuple[str, str, str]]) -> bytes:
    rows = [",".join([name, *values, "False"]) for name, values in labels.items()]
    return "\n".join([HEADER, *rows, ""]).encode()


def write_labels(folder: Path, labels: dict[str, tuple[str, str, str]]) -> None:
    folder.mkdir(parents=True)
    for part in ("train", "val"):
        its = {name: values for name, values in labels.items() if name.startswith("val/") == (part == "val")}
        (folder / f"fairface_label_{part}.csv").write_bytes(csv_of(its))


@pytest.mark.parametrize(
    ("archive", "folder"), [(ZIP, ""), (WIDE, "fairface-img-margin125-trainval/"), (FOLDER, "")]
)
def test_each_form_gives_each_picture_with_its_labels(archive: str, folder: str, tmp_path: Path) -> None:
    write_labels(tmp_path / "manual", LABELS)
    files = {folder + name: content for name, content in PICTURES.items()}
    found = prepared("fair_face", tmp_path, archive, {**files, folder + "train/.DS_Store": b"Bud1"})
    assert {name: (e["age"], e["age_to"]) for name, e in found.items()} == {
        name: AGES[age] for name, (age, _, _) in LABELS.items()
    }
    assert {name: (e["gender"], e["group"], e["emotion"]) for name, e in found.items()} == {
        name: (int(gender == "Female"), RACES[race], -1) for name, (_, gender, race) in LABELS.items()
    }
    assert {name: e["image"] for name, e in found.items()} == PICTURES
    assert {name: e["split"] for name, e in found.items()} == {
        name: "test" if name.startswith("val/") else hashed_split(name, {"train": 0.9, "validation": 0.1})
        for name in LABELS
    }
    assert {e["split"] for e in found.values()} == {"train", "validation", "test"}


def test_the_narrower_pictures_are_read_where_both_are(tmp_path: Path) -> None:
    write_labels(tmp_path / "manual", LABELS)
    write(tmp_path / "manual" / WIDE, dict.fromkeys(PICTURES, b""))
    assert len(prepared("fair_face", tmp_path, ZIP, PICTURES)) == len(LABELS)


def test_what_is_left_out_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "training.datasets")
    write_labels(tmp_path / "manual", {**LABELS, **SPOILT})
    found = prepared("fair_face", tmp_path, ZIP, {**PICTURES, **SPOILT_PICTURES})
    assert set(found) == set(LABELS)
    *named, apart, summary = [record.getMessage() for record in caplog.records if "training" in record.name]
    # Its bins lie a year apart.
    assert apart.endswith("are apart, in the mean: age 1.0 years (1 picture), gender 100.0% (1 picture)")
    assert sorted(named) == sorted(f"fair_face: left out {name}: {why}" for name, why in LEFT_OUT.items())
    assert summary.startswith("fair_face: 32 examples; 1 left out: neither in train/ nor in val/; ")


LABEL_FILES = ("fairface_label_train.csv", "fairface_label_val.csv")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, f"must have {' and '.join(LABEL_FILES)} beside {ZIP}; received: no .*train.csv; get "),
        ({LABEL_FILES[0]: csv_of(LABELS)}, "received: no .*fairface_label_val.csv; get "),
        (
            dict.fromkeys(LABEL_FILES, b"file,age\n"),
            "train.csv must have the columns file,age,gender,race; received: file,age; get ",
        ),
        (
            dict.fromkeys(LABEL_FILES, csv_of(LABELS) + b"x" * 200_000),
            "train.csv must be a CSV; received: field larger than field limit",
        ),
        (
            dict.fromkeys(LABEL_FILES, csv_of({})),
            "must hold pictures train/<number>.jpg .*; received: none .*, train/1.jpg: picture without a row",
        ),
    ],
)
def test_unusable_labels_end_in_one_line(files: dict[str, bytes], message: str, tmp_path: Path) -> None:
    write(tmp_path / ZIP, PICTURES)
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        prepare("fair_face", tmp_path / "data", tmp_path)
    assert "\n" not in str(caught.value)
