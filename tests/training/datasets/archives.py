"""Drawn faces in archives of the real sources' layouts."""

import functools
import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds
from PIL import ExifTags, Image

from training.datasets.drawing import draw_face
from training.datasets.prepare import prepare

SIDE = 48


@functools.cache
def face(number: int) -> Image.Image:
    labels = {"age": number % 90, "emotion": number % 7, "gender": number % 2}
    return draw_face(**labels, rng=np.random.default_rng(number), size=SIDE)


@functools.cache
def jpeg(number: int, orientation: int = 1) -> bytes:
    return encoded(face(number), "JPEG", orientation)


def encoded(picture: Image.Image, kind: str, orientation: int = 1) -> bytes:
    """The picture's file; an orientation other than 1 asks, in EXIF, to be turned."""
    exif = Image.Exif()
    if orientation != 1:
        exif[ExifTags.Base.Orientation] = orientation
    data = io.BytesIO()
    picture.save(data, kind, exif=exif)
    return data.getvalue()


def write(archive: Path, files: dict[str, bytes]) -> None:
    """An archive of the form that its name says: .csv (its only file), .zip, .tar, .tar.gz, a folder."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    if archive.suffix == ".csv":
        (content,) = files.values()
        archive.write_bytes(content)
    elif archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w") as packed:
            for name, content in files.items():
                packed.writestr(name, content)
    elif archive.suffix:
        with tarfile.open(archive, "w:gz" if archive.suffix == ".gz" else "w") as packed:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                packed.addfile(member, io.BytesIO(content))
    else:
        for name, content in files.items():
            (archive / name).parent.mkdir(parents=True, exist_ok=True)
            (archive / name).write_bytes(content)


def prepared(source: str, root: Path, archive: str, files: dict[str, bytes]) -> dict[str, dict]:
    """The examples by id, each with its split, that an archive in root/manual becomes in root/data."""
    write(root / "manual" / archive, files)
    return examples(prepare(source, root / "data", root / "manual"))


def examples(builder: tfds.core.DatasetBuilder) -> dict[str, dict]:
    decoders = {"image": tfds.decode.SkipDecoding()}
    return {
        example["id"].decode(): {**example, "split": split}
        for split in builder.info.splits
        for example in tfds.as_numpy(builder.as_dataset(split=split, decoders=decoders))
    }
