"""Preparing a source: what a user can do wrong, what is left behind, and what the command shows."""

import gzip
import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from archives import examples, jpeg, write

from multitask.errors import UserError
from training.datasets import DATASETS
from training.datasets.__main__ import main
from training.datasets.prepare import prepare

# Hashes send three to train, one to test.
FACES = {f"{age}_0_0_1.jpg.chip.jpg": jpeg(age) for age in range(20, 24)}


def packed(kind: str) -> bytes:
    """A tar, gzipped tar or zip of FACES."""
    data = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(data, "w") as archive:
            for name, content in FACES.items():
                archive.writestr(f"train/happy/{name}", content)
        return data.getvalue()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, content in FACES.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(data.getvalue()) if kind == "tar.gz" else data.getvalue()


TAR, TAR_GZ, ZIP = packed("tar"), packed("tar.gz"), packed("zip")
SECOND = TAR.index(b"21_0_0_1")  # where the second header begins
WHOLE = "must be a whole archive; received: a damaged one"
LOCKED = ZIP.replace(b"PK\3\4\x14\0\0", b"PK\3\4\x14\0\1").replace(
    b"PK\1\2\x14\3\x14\0\0", b"PK\1\2\x14\3\x14\0\1"
)
COLUMNS = b"emotion,pixels,Usage\n"
UNUSABLE = {
    "no archive": (
        "utk_face",
        "notes.txt",
        b"x",
        "must have UTKFace.tar or UTKFace.tar.gz or UTKFace; recei",
    ),
    "not a tar": ("utk_face", "UTKFace.tar", b"<html>404 not found</html>" * 100, WHOLE),
    "empty tar": ("utk_face", "UTKFace.tar", b"", WHOLE),
    "cut before a header": ("utk_face", "UTKFace.tar", TAR[:SECOND], WHOLE),
    "cut in a header": ("utk_face", "UTKFace.tar", TAR[: SECOND + 100], WHOLE),
    "cut in a picture": ("utk_face", "UTKFace.tar", TAR[: SECOND + 1000], WHOLE),
    "spoilt header": ("utk_face", "UTKFace.tar", TAR.replace(b"21_0_0_1", b"21_0_0_2"), WHOLE),
    "cut tar.gz": ("utk_face", "UTKFace.tar.gz", TAR_GZ[:-2000], WHOLE),
    "spoilt tar.gz": ("utk_face", "UTKFace.tar.gz", TAR_GZ[:-8] + bytes(8), WHOLE),
    "cut zip": ("fer2013", "fer2013.zip", ZIP[:-100], WHOLE),
    "spoilt zip": ("fer2013", "fer2013.zip", ZIP.replace(jpeg(21), jpeg(21)[::-1]), WHOLE),
    "locked zip": ("fer2013", "fer2013.zip", LOCKED, WHOLE),
    "other pictures": (
        "fer2013",
        "fer2013.zip",
        ZIP.replace(b"happy", b"tired"),
        "must hold fer2013.csv, or",
    ),
    "nothing within": ("fer2013", "fer2013/readme.txt", b"x", "must hold fer2013.csv, or pictures in train/"),
    "other columns": ("fer2013", "fer2013.csv", b"emotion,pixels\r\n0,1", "received: 'emotion,pixels' in "),
    "empty csv": (
        "fer2013",
        "fer2013.csv",
        b"",
        "must have the columns emotion,pixels,Usage; received: '' in ",
    ),
    "no usable row": ("fer2013", "fer2013.csv", COLUMNS + b"9,1,Training", "unknown emotion (9)"),
    "endless field": ("fer2013", "fer2013.csv", COLUMNS + b"0," + b"1 " * 99999, WHOLE),
}


@pytest.mark.parametrize(("source", "archive", "content", "message"), UNUSABLE.values(), ids=UNUSABLE)
def test_an_unusable_archive_ends_in_one_line_and_leaves_nothing(
    source: str, archive: str, content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / "manual" / archive).parent.mkdir(parents=True)
    (tmp_path / "manual" / archive).write_bytes(content)
    with pytest.raises(UserError) as caught:
        prepare(source, tmp_path / "data", tmp_path / "manual")
    line = str(caught.value)
    assert message in line
    assert "; get " in line
    assert str(tmp_path / "manual") in line
    assert "\n" not in line
    assert not list((tmp_path / "data" / source).rglob("*"))


@pytest.mark.parametrize("source", ["utk_face", "fer2013"])
@pytest.mark.parametrize(
    "make", [lambda folder: None, Path.mkdir, Path.touch], ids=["missing", "empty", "file"]
)
def test_a_manual_dir_that_is_no_folder_with_files_is_named(make, source: str, tmp_path: Path) -> None:
    make(tmp_path / "manual")
    with pytest.raises(
        UserError, match=rf"^{source} must have .*{tmp_path}/manual.*; get .* from https://.*$"
    ):
        prepare(source, tmp_path / "data", tmp_path / "manual")


def test_a_manual_dir_is_by_default_where_tfds_has_it(tmp_path: Path) -> None:
    write(tmp_path / "downloads" / "manual" / "UTKFace", FACES)
    assert set(examples(prepare("utk_face", tmp_path))) == set(FACES)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("utkface", f"must be one of {', '.join(DATASETS)}; received 'utkface'"),
        ("utk_face/tiny", "utk_face has no configurations; received 'tiny'"),
        ("manifest", "a manifest is named with its path, manifest:PATH; received 'manifest'"),
        ("manifest:", "a manifest is named with its path, manifest:PATH; received 'manifest:'"),
        ("manifest/x.csv", "a manifest is named with its path, manifest:PATH; received 'manifest/x.csv'"),
        ("utk_face:x.csv", "must be one of .*; received 'utk_face:x.csv'"),
        ("synthetic_faces/huge", "configuration of synthetic_faces must be one of .*; received 'huge'"),
    ],
)
def test_an_unknown_source_or_configuration_is_named(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        prepare(name, tmp_path, tmp_path)


def test_a_data_dir_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    write(tmp_path / "UTKFace", FACES)
    (tmp_path / "data").touch()
    with pytest.raises(UserError, match=f"must be writable at {tmp_path}/data"):
        prepare("utk_face", tmp_path / "data", tmp_path)


def test_prepared_data_survives_what_fails_later(tmp_path: Path) -> None:
    write(tmp_path / "UTKFace.tar", FACES)
    first = examples(prepare("utk_face", tmp_path / "data", tmp_path))
    (tmp_path / "UTKFace.tar").write_bytes(b"spoilt")
    with pytest.raises(UserError, match="fer2013 must have"):
        prepare("fer2013", tmp_path / "data", tmp_path)
    assert examples(prepare("utk_face", tmp_path / "data", tmp_path)) == first


def test_the_command_shows_splits_and_how_many_examples_each_task_labels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "UTKFace.tar", FACES)
    write(
        tmp_path / "fer2013",
        {"train/sad/1.jpg": jpeg(1), "test/sad/2.jpg": jpeg(2), "test/sad/3.jpg": jpeg(3)},
    )
    main(("utk_face", "fer2013"), tmp_path / "data", tmp_path)
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in capsys.readouterr().out.splitlines()]
    assert [row for row in rows if row] == [
        ["train", "3", "3", "0", "3"],
        ["test", "1", "1", "0", "1"],
        ["train", "1", "0", "1", "0"],
        ["test", "2", "0", "2", "0"],
    ]


def test_the_command_needs_a_name() -> None:
    with pytest.raises(UserError, match="name at least one dataset of synthetic_faces, utk_face, "):
        main(())


def test_the_command_ends_with_one_line_and_exit_code_2(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "training.datasets", "utk_face", "--data-dir", str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("error: utk_face must have UTKFace.tar")
    assert ran.stderr.count("\n") == 1
