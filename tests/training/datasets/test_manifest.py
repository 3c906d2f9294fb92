"""One's own pictures: what rows may say, which are left out and why, and how few are enough."""

import csv
import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest
from archives import examples, jpeg

from multitask.errors import UserError
from training.datasets.examples import hashed_split, upright
from training.datasets.manifest import SHOWN, ManifestConfig
from training.datasets.prepare import prepare, source_of
from training.datasets.rows import read_rows

SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}
HEADER = "path,age,emotion,gender,split,group"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with pictures 0.jpg to 11.jpg, 5.jpg lying on its side, and a file that is none."""
    (tmp_path / "faces").mkdir()
    for number in range(12):
        content = jpeg(number, orientation=6 if number == 5 else 1)
        (tmp_path / "faces" / f"{number}.jpg").write_bytes(content)
    (tmp_path / "faces" / "text.jpg").write_bytes(b"no picture")
    return tmp_path


def write(folder: Path, *rows: str, header: str = HEADER) -> str:
    """A CSV in `folder`, as it is named to a command."""
    (folder / "mine.csv").write_text("\n".join([header, *rows, ""]))
    return f"manifest:{folder / 'mine.csv'}"


def found(folder: Path, *rows: str) -> dict[str, dict]:
    return examples(prepare(write(folder, *rows), folder / "data"))


def splits(found: dict[str, dict]) -> dict[str, str]:
    return {name: example["split"] for name, example in found.items()}


CELLS: dict[str, tuple[tuple[Any, ...], dict[str, float]]] = {
    "words": ((23.5, "Happy", "FEMALE"), {"age": 23.5, "emotion": 3, "gender": 1}),
    "codes": (("23.5", "6", "0"), {"age": 23.5, "emotion": 6, "gender": 0}),
    "codes as pandas writes them": ((40, "6.0", 1.0), {"age": 40, "emotion": 6, "gender": 1}),
    "one label": ((" ", None, " male "), {"gender": 0}),
    "older than the last bin": ((116, "", None), {"age": 116}),
}


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@pytest.mark.parametrize(("cells", "labels"), CELLS.values(), ids=CELLS)
def test_a_row_may_name_labels_by_word_or_code(
    cells: tuple[Any, ...], labels: dict[str, float], kind: str, folder: Path
) -> None:
    (folder / "mine.csv").write_text(
        "\ufeffremark,Gender,emotion, Age ,PATH\r\n"
        + ",".join("" if c is None else str(c) for c in ("x", *reversed(cells), "./faces//1.jpg"))
    )
    record = dict(zip(("age", "Emotion", "gender"), cells, strict=True))
    (folder / "mine.jsonl").write_text("\n" + json.dumps({"path": "./faces//1.jpg", "remark": {}, **record}))
    (row,) = read_rows(folder / f"mine.{kind}")
    assert (row.reason, row.name, row.line) == ("", "faces/1.jpg", 2)
    assert row.labels == labels
    assert (row.group, row.split) == (-1, None)


LEFT_OUT = {
    "faces/none.jpg,3,,,,": "no such file",
    "faces,3,,,,": "no file",
    "faces/text.jpg,3,,,,": "unreadable picture",
    "faces/3.jpg,,,,,": "no label",
    "faces/4.jpg": "no label",
    ",3,,,,": "no path",
    "faces/6.jpg,123,,,,": "age that is no number from 0 to 122 (123)",
    "faces/6.jpg,-1,,,,": "age that is no number from 0 to 122 (-1)",
    "faces/6.jpg,nan,,,,": "age that is no number from 0 to 122 (nan)",
    "faces/6.jpg,2_5,,,,": "age that is no number from 0 to 122 (2_5)",
    "faces/6.jpg,,joy,,,": "unknown emotion (joy)",
    "faces/6.jpg,,7,,,": "unknown emotion (7)",
    "faces/6.jpg,,1.5,,,": "unknown emotion (1.5)",
    'faces/6.jpg,3,,"\x1b[2J\n",,': "unknown gender ('\\x1b[2J')",
    "faces/6.jpg,3,,2,,": "unknown gender (2)",
    "faces/6.jpg,3,,,dev,": "unknown split (dev)",
    "faces/6.jpg,3,,,,x": "unknown group (x)",
    "faces/6,b.jpg,3,,,,": "more cells than columns",
    "faces/../faces/0.jpg,4,,,,": "second row of its path (first in line 2)",
    "faces/copy.jpg,1,,,train,": "same picture in test (faces/1.jpg)",
    "faces/\0.jpg,3,,,,": "no such file",
    f"{'long/' * 2000},3,,,,": "no such file",
}
USABLE = ["faces/0.jpg,20,happy,,train,3", "faces/1.jpg,1,,,test,", "faces/5.jpg,,,1,validation,"]


def test_every_row_that_is_left_out_is_written_down_with_its_reason(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "faces" / "copy.jpg").write_bytes(jpeg(1))
    caplog.set_level(logging.INFO, "training.datasets")
    name = write(folder, *USABLE, ",,,,,", *LEFT_OUT)
    used = examples(prepare(name, folder / "data"))
    assert splits(used) == {"faces/0.jpg": "train", "faces/1.jpg": "test", "faces/5.jpg": "validation"}
    assert {(e["age"], e["emotion"], e["gender"], e["group"]) for e in used.values()} == {
        (20, 3, -1, 3),
        (1, -1, -1, -1),
        (-1, -1, 1, -1),
    }
    assert used["faces/0.jpg"]["image"] == jpeg(0)
    assert used["faces/5.jpg"]["image"] == upright(jpeg(5, orientation=6)) != jpeg(5, orientation=6)

    (file,) = (folder / "data").rglob("rejected.csv")
    with file.open(newline="") as content:
        head, *rows = csv.reader(content)
    assert head == ["line", "path", "reason"]
    assert sorted(reason for _, _, reason in rows) == sorted(LEFT_OUT.values())
    lines = (folder / "mine.csv").read_text().split("\n")
    assert all(path in lines[int(line) - 2] + lines[int(line) - 1] for line, path, _ in rows)

    shown = [message for message in caplog.messages if "left out line" in message]
    assert len(shown) == SHOWN < len(rows)
    assert shown[0] == "manifest: left out line 6 (faces/none.jpg): no such file"
    assert all(message.isprintable() for message in caplog.messages)
    assert f"manifest: rows left out: {len(rows)}, all in {file}" in caplog.messages
    assert caplog.messages[-1].startswith("manifest: 3 examples; 4 left out: age that is no number from 0")


NO_MANIFEST = {
    "no path": ("mine.csv", b"file,age\n0.jpg,3\n", "path, any of .*; received 'file,age'"),
    "no labels": ("mine.csv", b"path,split\n0.jpg,train\n", "path, any of .*; received 'path,split'"),
    "a column twice": ("mine.csv", b"path,age,Age\n0.jpg,3,4\n", "each once; received 'path,age,age'"),
    "semicolons": ("mine.csv", b"path;age\n0.jpg;3\n", "separated by commas: .*; received 'path;age'"),
    "nothing": ("mine.csv", b"", "must name columns.*; received '' in "),
    "UTF-16": ("mine.csv", "path,age".encode("utf-16"), "must be in UTF-8; .* not in line 1: save it"),
    "Latin-1": ("mine.jsonl", b'{"path": "0"}\n{"path": "\xe9"}', "must be in UTF-8; .* not in line 2: save"),
    "open quotes": ("mine.csv", b'path,age\n"0.jpg,3\n', "must be a whole CSV; .*, line 2: "),
    "a table": ("mine.xlsx", b"PK", r"ends in \.csv or \.jsonl; received .*mine\.xlsx"),
    "no such file": ("other", b"", r"ends in \.csv or \.jsonl; received .*mine\.csv, which is no file"),
    "no rows": ("mine.csv", b"path,age\n\n", "must hold rows of a picture .*; received: no row; a row needs"),
    "no usable row": ("mine.csv", b"path,age\n,3\nx,3\ny,3", "received: 2 no such file, 1 no path; a row"),
    "no objects": ("mine.jsonl", b"[1]\nx\n" + b"[" * 9999, "received: 2 no JSON, 1 no object; a row"),
    "only damage": ("mine.csv", b"path,age\nfaces/text.jpg,3", "received: 1 unreadable picture; a row"),
}


@pytest.mark.parametrize(("name", "content", "message"), NO_MANIFEST.values(), ids=NO_MANIFEST)
def test_a_manifest_that_can_not_be_used_ends_in_one_line(
    name: str, content: bytes, message: str, folder: Path
) -> None:
    (folder / name).write_bytes(content)
    path = folder / (name if name.startswith("mine") else "mine.csv")
    with pytest.raises(UserError, match=message) as caught:
        prepare(f"manifest:{path}", folder / "data")
    assert "\n" not in str(caught.value)
    assert not list((folder / "data").rglob("1.0.0"))


def test_rows_without_a_split_go_where_a_hash_of_their_path_says(folder: Path) -> None:
    rows = [f"faces/{number}.jpg,{number},,,," for number in range(12)]
    hashed = {f"faces/{number}.jpg": hashed_split(f"faces/{number}.jpg", SHARES) for number in range(12)}
    assert set(hashed.values()) == set(SHARES)
    assert splits(found(folder, *rows)) == hashed


def test_the_fewest_rows_fill_every_split(folder: Path) -> None:
    hashed_to_train = [4, 5, 7, 8]
    rows = [f"faces/{number}.jpg,{number},,,," for number in hashed_to_train]
    once = splits(found(folder, *rows))
    assert sorted(once.values()) == ["test", "train", "train", "validation"]
    (folder / "elsewhere").mkdir()
    (folder / "faces").rename(folder / "elsewhere" / "faces")
    assert splits(found(folder / "elsewhere", *reversed(rows))) == once


def test_a_split_is_filled_neither_by_given_rows_nor_by_half_of_two_copies(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "faces" / "8.jpg").write_bytes(jpeg(7))
    given = ["faces/0.jpg,1,,,train,", "faces/1.jpg,1,,,train,"]
    copies = ["faces/8.jpg,1,,,,", "faces/7.jpg,1,,,,"]
    moved = splits(found(folder, *given, *copies))
    assert moved["faces/0.jpg"] == moved["faces/1.jpg"] == "train"
    assert moved["faces/8.jpg"] == moved["faces/7.jpg"] == "validation"
    assert "manifest: no row is in test; give some rows the split test" in caplog.text


def test_what_changed_is_prepared_anew_and_what_did_not_is_not(folder: Path) -> None:
    name = write(folder, *USABLE)
    first = prepare(name, folder / "data")
    (first.data_path / "mark").touch()
    assert (prepare(name, folder / "data").data_path / "mark").exists()

    write(folder, *USABLE[:2], "faces/5.jpg,,,0,validation,")
    assert examples(prepare(name, folder / "data"))["faces/5.jpg"]["gender"] == 0
    states = [ManifestConfig.of(folder / "mine.csv").name]
    (folder / "faces" / "0.jpg").write_bytes(jpeg(0) + b"\0")
    states.append(ManifestConfig.of(folder / "mine.csv").name)
    os.utime(folder / "faces" / "0.jpg", ns=(1, 1))
    states.append(ManifestConfig.of(folder / "mine.csv").name)
    assert len(set(states)) == 3


def test_several_manifests_are_several_sources(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, *USABLE)
    (folder / "other.jsonl").write_text(json.dumps({"path": "faces/2.jpg", "age": 2}))
    monkeypatch.chdir(folder)
    builders = [prepare(f"manifest:{name}", folder / "data") for name in ("mine.csv", "other.jsonl")]
    assert [set(examples(builder)) for builder in builders] == [
        {"faces/0.jpg", "faces/1.jpg", "faces/5.jpg"},
        {"faces/2.jpg"},
    ]
    assert source_of("manifest:a/b.csv") is type(builders[0])
