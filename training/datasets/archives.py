"""The files inside a folder, a tar (however compressed) or a zip, one at a time."""

import csv
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Self

PICTURES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp"})
"""Suffixes of the pictures that `multitask.images` reads."""

DAMAGE = (
    OSError,
    EOFError,
    RuntimeError,  # a zip's member is encrypted, or compressed in a way that zipfile does not know
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    csv.Error,
)
"""What reading raises if a file is not the archive that its name says, or a damaged one."""


def members(archive: Path) -> Iterator[tuple[PurePosixPath, IO[bytes]]]:
    """Path and content of every file, in the archive's order; hidden files and macOS's own are passed over.

    Args:
        archive: a folder, a zip (`.zip`), a single `.csv`, or else a tar.

    Yields:
        Path within the archive, and the content, which can be read until the next one is asked for.

    Raises:
        one of `DAMAGE`: not an archive, or a damaged one; so does reading the content.
    """
    if archive.is_dir():
        files = _folder(archive)
    elif archive.suffix == ".zip":
        files = _zip(archive)
    elif archive.suffix == ".csv":
        files = _file(archive)
    else:
        files = _tar(archive)
    for name, content in files:
        # A name may hold bytes that are no UTF-8, which nothing further on could write.
        path = PurePosixPath(name.encode(errors="surrogateescape").decode(errors="replace"))
        if not any(part.startswith((".", "__MACOSX")) for part in path.parts):
            yield path, content


def _file(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with path.open("rb") as content:
        yield path.name, content


def _folder(folder: Path) -> Iterator[tuple[str, IO[bytes]]]:
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            with file.open("rb") as content:
                yield file.relative_to(folder).as_posix(), content


def _zip(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if not member.is_dir():
                with archive.open(member) as content:
                    yield member.filename, content


class _Member(tarfile.TarInfo):
    """A header that does not take a cut or damaged tar for one that ends there, as tarfile does."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if buf == bytes(tarfile.BLOCKSIZE):  # the mark of the end
                raise
            raise tarfile.ReadError(str(error)) from error


def _tar(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(path, tarinfo=_Member) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            if content:
                yield member.name, content
        # The check sum of a compressed tar stands at its very end.
        while archive.fileobj and archive.fileobj.read(1 << 20):
            pass
