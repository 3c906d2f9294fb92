"""The rows of a manifest: what each says of which picture, and why it can't be used if it can't."""

import csv
import io
import json
import math
import posixpath
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from multitask.errors import UserError
from multitask.tasks import MISSING, TASKS, Task
from training.datasets.examples import Rejected

SUFFIXES = (".csv", ".jsonl")
SPLITS = ("train", "validation", "test")
HIGHEST = {"age": 122.0}
"""What a quantity can be at most: the oldest person on record."""
GROUPS = 1000
NUMBER = re.compile(r"[+-]?\d+(\.\d*)?(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class Row:
    """One row.

    Args:
        line: where it ends in the file, from 1.
        path: of the picture, as it is written there.
        name: unlike any other row's: of a usable one, `path` without detours.
        file: the picture.
        state: size in bytes and time of change of `file`.
        labels: of the tasks that it knows.
        group: race code, -1 if unknown.
        split: None if it doesn't say.
        reason: why it can't be used; empty if it can.
    """

    line: int
    path: str
    name: str
    file: Path = field(default=Path(), repr=False)  # so that the same rows read alike in any folder
    state: tuple[int, int] = (0, 0)
    labels: dict[str, float] = field(default_factory=dict)
    group: int = MISSING
    split: str | None = None
    reason: str = ""


def read_rows(manifest: Path) -> Iterator[Row]:
    """The rows of a CSV or JSONL file with `path` and any of age, emotion, gender, split, group.

    Names of columns may be written in any case; further ones are ignored. Blank and null are unknown. Whether
    a file is a picture is not looked at.

    Raises:
        UserError: no such file, or one without these columns, or not in UTF-8.
    """
    if manifest.suffix.lower() not in SUFFIXES or not manifest.is_file():
        there = "" if manifest.is_file() else ", which is no file"
        raise UserError(
            f"a manifest must be a file that ends in {' or '.join(SUFFIXES)}; received {manifest}{there}"
        )
    try:
        text = manifest.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"a manifest must be in UTF-8; received {manifest}, which is not in line {line}: save it as UTF-8"
        ) from error
    first: dict[str, int] = {}
    for line, cells in (_csv if manifest.suffix.lower() == ".csv" else _jsonl)(manifest, text):
        row = _row(manifest.parent, line, cells, first)
        first.setdefault(row.name, line)
        yield row


def _csv(manifest: Path, text: str) -> Iterator[tuple[int, dict[str, Any] | str]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = [column.strip().lower() for column in next(reader, [])]
        known = [column for column in columns if column in ("path", *TASKS, "split", "group")]
        if "path" not in known or not set(TASKS) & set(known) or len(known) > len(set(known)):
            raise UserError(
                f"a manifest's first line must name columns, separated by commas: path, any of "
                f"{', '.join(TASKS)}, and split and group at will, each once; "
                f"received {','.join(columns)[:80]!r} in {manifest}"
            )
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(columns):
                yield reader.line_num, "more cells than columns"
            else:  # fewer leave unknown what is missing
                yield reader.line_num, dict(zip(columns, cells, strict=False))
    except csv.Error as error:
        raise UserError(
            f"a manifest must be a whole CSV; received {manifest}, line {reader.line_num}: {error}"
        ) from error


def _jsonl(manifest: Path, text: str) -> Iterator[tuple[int, dict[str, Any] | str]]:
    for line, part in enumerate(text.split("\n"), 1):
        if not part.strip():
            continue
        try:
            cells = json.loads(part)
        except (ValueError, RecursionError):
            yield line, "no JSON"
        else:
            named = isinstance(cells, dict)
            yield line, {k.strip().lower(): v for k, v in cells.items()} if named else "no object"


def _row(folder: Path, line: int, cells: dict[str, Any] | str, first: dict[str, int]) -> Row:
    path = ""
    try:
        if isinstance(cells, str):
            raise Rejected(cells)
        known = {name: cell for name, cell in cells.items() if cell is not None and str(cell).strip()}
        path = str(known.get("path", "")).strip()
        if not path:
            raise Rejected("no path")
        name = posixpath.normpath(path)
        labels = {label: _label(task, known[label]) for label, task in TASKS.items() if label in known}
        if not labels:
            raise Rejected("no label")
        group = _code("group", known["group"], GROUPS) if "group" in known else MISSING
        split = SPLITS[_code("split", known["split"], 0, SPLITS)] if "split" in known else None
        if name in first:
            raise Rejected(f"second row of its path (first in line {first[name]})")
        return Row(line, path, name, folder / path, _state(folder / path), labels, group, split)
    except Rejected as reason:
        return Row(line, path, f"line {line}: {path}", reason=str(reason))


def _label(task: Task, cell: Any) -> float:
    if task.kind != "distribution":
        return _code(task.name, cell, max(task.units, 2), task.labels)
    number, highest = _number(cell), HIGHEST.get(task.name, math.inf)
    if not 0 <= number <= highest:
        raise Rejected(f"{task.name} that is no number from 0 to {highest:.0f} ({_short(cell)})")
    return number


def _code(what: str, cell: Any, count: int, words: tuple[str, ...] = ()) -> int:
    lower, word = [word.lower() for word in words], str(cell).strip().lower()
    if word in lower:
        return lower.index(word)
    number = _number(cell)
    if not (number.is_integer() and 0 <= number < count):
        raise Rejected(f"unknown {what} ({_short(cell)})")
    return int(number)


def _number(cell: Any) -> float:
    # Not all that float() takes for one: 2_5, nan.
    text = "" if isinstance(cell, bool) else str(cell).strip()
    return float(text) if NUMBER.fullmatch(text) else math.nan


def _state(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
        str(file).encode()
    except (OSError, ValueError) as error:  # ValueError: no file can have that name
        raise Rejected("no such file") from error
    if not stat.S_ISREG(found.st_mode):
        raise Rejected("no file")
    return found.st_size, found.st_mtime_ns


def _short(cell: Any) -> str:
    text = printable(str(cell).strip())
    return text if len(text) <= 40 else f"{text[:39]}…"


def printable(text: str) -> str:
    """`text` if it is of one line that a terminal can show, else an escaped form of it."""
    return text if text.isprintable() else ascii(text)
