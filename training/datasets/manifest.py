"""Faces of one's own: a CSV or JSONL file names pictures and what is known of them."""

import collections
import csv
import dataclasses
import hashlib
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from multitask.errors import UserError
from training.datasets.examples import Candidate, FacesBuilder
from training.datasets.rows import SPLITS, Row, printable, read_rows

logger = logging.getLogger(__name__)

SHOWN = 20
"""Rejected rows that the log shows; the file beside the prepared data has all."""


@dataclasses.dataclass(eq=False)
class ManifestConfig(tfds.core.BuilderConfig):
    """A manifest as it was when it was read; its name changes with its content and with its pictures.

    Args:
        path: of the file.
        rows: of the file, usable or not.
    """

    path: Path = Path()
    rows: tuple[Row, ...] = ()

    @classmethod
    def of(cls, path: Path) -> "ManifestConfig":
        """The configuration of the manifest at `path`.

        Raises:
            UserError: no such file, or none that can be read.
        """
        path = path.expanduser()
        rows = tuple(read_rows(path))
        digest = hashlib.sha256(repr(rows).encode()).hexdigest()[:12]
        stem = re.sub(r"[^A-Za-z0-9_-]+", "_", path.stem)[:40]
        return cls(f"{stem}-{digest}", path=path, rows=rows)


class Manifest(FacesBuilder):
    """Pictures that a file of one's own names, with what is known of them.

    Labels: what the rows say, in `multitask.tasks`' own codes; blank is unknown. docs/data.md has the form.

    Splits: what the column `split` says; where it is blank, a hash of the path sends 80% to train, 10% each
    to validation and test. So that a handful of pictures can be trained on, a split that would stay empty
    takes one picture of those that a hash sent to the largest split. Of copies in different splits only the
    one held out longest is used. A hash does not know who is shown: give `split` where people have several
    pictures.

    Licence: whatever the pictures' owner says.
    """

    VERSION = tfds.core.Version("1.0.0")
    HOMEPAGE = ""
    CITATION = ""
    MEMBERS = "rows of a picture and at least one label"
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "a row needs the path of a picture, relative to the file, and an age in years, an emotion or a gender"
    )

    builder_config: ManifestConfig

    def candidates(self, archive: Path) -> Iterator[Candidate | tuple[str, str]]:
        """Every row; the id of a usable one is its path."""
        for row in self.builder_config.rows:
            if row.reason:
                yield row.name, row.reason
                continue
            try:
                image = row.file.read_bytes()
            except OSError as error:
                yield row.name, f"unreadable file ({error.strerror})"
            else:
                yield Candidate(row.name, image, {**row.labels}, row.group, row.split)

    def _create_builder_config(self, builder_config: Any, version: Any) -> Any:
        return builder_config  # TFDS warns of one that is not in a list written beforehand

    def _archive(self, dl_manager: Any) -> Path:
        return self.builder_config.path

    def _settle(self, split_of: dict[str, str], copies: list[list[str]]) -> None:
        hashed = {row.name for row in self.builder_config.rows if row.split is None}
        for split in SPLITS:
            if split in split_of.values():
                continue
            sizes = collections.Counter(split_of[names[0]] for names in copies)
            movable = [
                (-sizes[split_of[names[0]]], hashlib.sha256(names[0].encode()).digest(), names)
                for names in copies
                if hashed.issuperset(names) and sizes[split_of[names[0]]] > 1
            ]
            if movable:
                *_, names = min(movable)
                logger.info("%s: no row fell to %s; it takes %s", self.name, split, ", ".join(names))
                split_of.update(dict.fromkeys(names, split))
            else:
                logger.warning(
                    "%s: no row is in %s; give some rows the split %s, or leave their split blank",
                    *(self.name, split, split),
                )

    def _report(self, left_out: list[tuple[str, str]]) -> None:
        rows = {row.name: row for row in self.builder_config.rows}
        rejected = sorted((rows[name].line, rows[name].path, reason) for name, reason in left_out)
        if not rejected:
            return
        for line, path, reason in rejected[:SHOWN]:
            shown = f" ({printable(path)})" if path else ""
            logger.warning("%s: left out line %d%s: %s", self.name, line, shown, reason)
        with self._rejected.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            csv.writer(file).writerows([("line", "path", "reason"), *rejected])
        logger.warning("%s: rows left out: %d, all in %s", self.name, len(rejected), self._rejected)

    @property
    def _rejected(self) -> Path:
        # Not in the folder of what is prepared: that one goes if no row is usable.
        return Path(self.data_dir_root) / self.name / self.builder_config.name / "rejected.csv"

    def _nothing_usable(self, archive: Path, left_out: list[tuple[str, str]]) -> UserError:
        self._report(left_out)
        counts = collections.Counter(reason.partition(" (")[0] for _, reason in left_out)
        reasons = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
        return self._unusable(f"{archive} must hold {self.MEMBERS}", f"{reasons or 'no row'}")
