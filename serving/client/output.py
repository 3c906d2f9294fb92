"""What the command prints: a table, or a line of JSON a photo."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

from serving.answers import sentence


@dataclass(frozen=True)
class Result:
    """What came of one photo.

    Args:
        file: the photo.
        said: answers by task; or what /predict says of a photo: "faces", a list of such answers, each with
            its "box", and "found_by".
        error: what failed, in one line.
        blame: exit code of the command that the error asks for: 2, the photo is at fault; 1, something else.
    """

    file: Path
    said: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    blame: int = 0

    def line(self) -> str:
        """As a line of JSON."""
        error = {"error": self.error} if self.error else {}
        return json.dumps({"file": str(self.file), **self.said, **error}, ensure_ascii=False)


@contextmanager
def progress(total: int, json_lines: bool) -> Iterator[Progress]:
    """A bar on stderr, where that is a terminal on which nothing else is printed meanwhile."""
    console = Console(stderr=True)
    shown = console.is_terminal and total > 1 and not (json_lines and sys.stdout.isatty())
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(
        *columns, console=console, transient=True, disable=not shown, redirect_stdout=False
    ) as running:
        yield running


def print_table(results: Sequence[Result]) -> None:
    """Answers on stdout, a face each; then a line on stderr for each photo with which something failed."""
    rows = [row for result in results for row in _rows(result)]
    if rows:
        told = list(dict.fromkeys(task for _, _, answers in rows for task in answers))
        places = any(place for _, place, _ in rows)
        table = Table(Column("file", overflow="fold"), *["face"] * places, *told)
        for file, place, answers in rows:
            cells = [answers.get(task, "") for task in told]
            table.add_row(*map(Text, (file, *[place] * places, *cells)))
        Console().print(table)
    for result in results:
        if result.error:
            print(f"{result.file}: {result.error}", file=sys.stderr)


def tasks(face: Mapping[str, Any]) -> list[str]:
    """What something is said of."""
    return [name for name, answer in face.items() if isinstance(answer, Mapping)]


def _rows(result: Result) -> Iterator[tuple[str, str, dict[str, str]]]:
    """The photo, where a face is in it, and what is said of it."""
    faces = result.said.get("faces", [result.said] if result.said else [])
    for number, face in enumerate(faces, start=1):
        place = ""
        if "faces" in result.said:
            x, y, width, height = face["box"]
            found = result.said.get("found_by") == "detector"
            place = f"{number}: {width} x {height} at {x}, {y}" if found else "the whole picture"
        yield str(result.file), place, {task: sentence(face[task]) for task in tasks(face)}
    if result.said and not faces:
        yield str(result.file), "none was found", {}
