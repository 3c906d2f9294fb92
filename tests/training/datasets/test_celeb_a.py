"""CelebA in its own layout, read by TFDS's builder; nothing is fetched here."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import requests
import tensorflow_datasets as tfds
from archives import examples, jpeg, write
from tensorflow_datasets.core.download.checksums import UrlInfo
from tensorflow_datasets.datasets.celeb_a.celeb_a_dataset_builder import ATTR_HEADINGS, LANDMARK_HEADINGS

from multitask.errors import UserError
from training.datasets.celeb_a import CelebA
from training.datasets.prepare import prepare

# name: split code, Male, Smiling
FACES = {
    "000001.jpg": (0, 1, 1),
    "000002.jpg": (0, -1, 1),
    "000003.jpg": (0, 1, -1),
    "000004.jpg": (1, -1, -1),
    "000005.jpg": (2, -1, 1),
}
SPLITS = ("train", "validation", "test")
FETCH = "tensorflow_datasets.core.download.downloader._Downloader._sync_download"
LISTS = (
    "list_eval_partition.txt",
    "list_attr_celeba.txt",
    "list_landmarks_align_celeba.txt",
    "identity_CelebA.txt",
)


def attributes(male: int, smiling: int) -> str:
    """A row of the forty: all others are the opposite of the one that they might be taken for."""
    values = {"Male": male, "Smiling": smiling}
    return " ".join(f"{values.get(name, -male):2}" for name in ATTR_HEADINGS)


@pytest.fixture
def manual_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The five files as they are published, of five faces; their checksums are those that TFDS knows."""
    folder, lists = tmp_path / "manual", dict[str, list[str]]()
    pictures = {f"img_align_celeba/{name}": jpeg(number) for number, name in enumerate(FACES)}
    write(folder / "img_align_celeba.zip", pictures)
    lists["list_eval_partition.txt"] = [f"{name} {split}" for name, (split, *_) in FACES.items()]
    lists["list_attr_celeba.txt"] = [
        str(len(FACES)),
        " ".join(ATTR_HEADINGS) + " ",
        *(f"{name} {attributes(*rest)}" for name, (_, *rest) in FACES.items()),
    ]
    lists["list_landmarks_align_celeba.txt"] = [
        str(len(FACES)),
        " ".join(LANDMARK_HEADINGS) + " ",
        *(f"{name}  69  109  106  113   77  142   73  152  108  154" for name in FACES),
    ]
    lists["identity_CelebA.txt"] = [f"{name} {number}" for number, name in enumerate(FACES)]
    for name, lines in lists.items():
        (folder / name).write_text("\n".join([*lines, ""]))
    known = {url: _info(folder / info.filename) for url, info in CelebA.url_infos.items()}
    monkeypatch.setattr(CelebA, "url_infos", known)
    monkeypatch.setattr(FETCH, lambda *_: pytest.fail("the network was asked"))
    return folder


def _info(file: Path) -> UrlInfo:
    content = file.read_bytes()
    return UrlInfo(size=len(content), checksum=hashlib.sha256(content).hexdigest(), filename=file.name)


def test_gives_gender_and_happy_faces_in_the_official_splits(manual_dir: Path, tmp_path: Path) -> None:
    found = examples(prepare("celeb_a", tmp_path / "data", manual_dir))
    assert {name: (e["split"], e["gender"], e["emotion"]) for name, e in found.items()} == {
        name: (SPLITS[split], 0 if male == 1 else 1, 3 if smiling == 1 else -1)
        for name, (split, male, smiling) in FACES.items()
    }
    assert {(e["age"], e["group"]) for e in found.values()} == {(-1, -1)}
    assert {name: e["image"] for name, e in found.items()} == {
        name: jpeg(number) for number, name in enumerate(FACES)
    }


@pytest.mark.parametrize("present", [True, False])
def test_nothing_is_fetched_unasked(present: bool, manual_dir: Path, tmp_path: Path) -> None:
    for file in manual_dir.iterdir():
        if file.name.startswith("list_") or not present:
            file.unlink()
    missing = (
        f"no list_eval_partition.txt, list_attr_celeba.txt, list_landmarks_align_celeba.txt in {manual_dir}"
    )
    received = missing if present else f"Manual directory {manual_dir} does not exist or is empty"
    with pytest.raises(UserError, match=f"received: {received}; get them from .* celeb_a --download$"):
        prepare("celeb_a", tmp_path / "data", manual_dir)


FAILURES: dict[str, tuple[Exception, str]] = {
    "no network": (
        requests.exceptions.ConnectionError("Failed to resolve 'drive.google.com'"),
        "Failed to resolve",
    ),
    "quota": (
        ValueError("Failed to obtain confirmation link for GDrive URL"),
        "Failed to obtain confirmation",
    ),
    "refused": (tfds.download.DownloadError("Failed to get url. HTTP code: 404."), "HTTP code: 404"),
    "without words": (TimeoutError(), "TimeoutError"),
}


@pytest.mark.parametrize(("error", "message"), FAILURES.values(), ids=FAILURES)
def test_a_download_that_fails_says_which_files_to_put_where(
    error: Exception, message: str, manual_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise error

    (manual_dir / "img_align_celeba.zip").unlink()
    monkeypatch.setattr(FETCH, fail)
    with pytest.raises(UserError, match=message) as caught:
        prepare("celeb_a", tmp_path / "data", manual_dir, download=True)
    line = str(caught.value)
    assert all(name in line for name in ("img_align_celeba.zip", *LISTS))
    assert "; get them from https://" in line
    assert "into the manual_dir" in line
    assert "\n" not in line


@pytest.mark.parametrize("spoilt", ["list_attr_celeba.txt", "img_align_celeba.zip"])
def test_other_files_than_the_published_ones_are_refused(
    spoilt: str, manual_dir: Path, tmp_path: Path
) -> None:
    (manual_dir / spoilt).write_bytes(b"<html>quota exceeded</html>")
    with pytest.raises(UserError, match=rf"received: .*{spoilt}, has wrong checksum") as caught:
        prepare("celeb_a", tmp_path / "data", manual_dir)
    assert "\n" not in str(caught.value)
