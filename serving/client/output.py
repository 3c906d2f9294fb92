"""What the command prints: a table, or a line of JSON a photo."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

from serving.answers import sentence


@dataclass
class Result:
    """What came of one photo.

    Args:
        file: the photo.
        said: answers by task, or what /predict says of a photo: "faces", a list of answers with their "box".
        error: why there are none, in one line.
        blame: exit code of the command that the error asks for: 2, the photo is at fault; 1, the server.
    """

    file: Path
    said: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    blame: int = 0

    @property
    def faces(self) -> list[dict[str, Any]]:
        """Answers by task of each face; of the whole picture where no faces were looked for."""
        return self.said.get("faces", [self.said] if self.said else [])

    def line(self) -> str:
        """As a line of JSON."""
        said = {"error": self.error} if self.error else self.said
        return json.dumps({"file": str(self.file), **said}, ensure_ascii=False)


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
    """Answers on stdout, then a line on stderr for each photo without any."""
    answered = [result for result in results if not result.error]
    tasks = list(dict.fromkeys(name for result in answered for face in result.faces for name in names(face)))
    boxes = any("faces" in result.said for result in answered)
    if answered:
        table = Table(Column("file", overflow="fold"), *["face"] * boxes, *tasks)
        for result in answered:
            for number, face in enumerate(result.faces, start=1):
                told = [Text(sentence(face[task])) if task in face else "" for task in tasks]
                table.add_row(Text(str(result.file)), *[_place(number, face)] * boxes, *told)
            if not result.faces:
                table.add_row(Text(str(result.file)), "none found")
        Console().print(table)
    print_errors(results)


def print_errors(results: Iterable[Result]) -> None:
    """A line on stderr for each photo without answers."""
    for result in results:
        if result.error:
            print(f"{result.file}: {result.error}", file=sys.stderr)


def names(face: Mapping[str, Any]) -> list[str]:
    """The tasks that something is said of."""
    return [name for name, answer in face.items() if isinstance(answer, dict)]


def _place(number: int, face: dict[str, Any]) -> str:
    if face.get("box") is None:
        return "whole picture"
    x, y, width, height = face["box"]
    return f"{number}: {width:.0f}x{height:.0f} at {x:.0f}, {y:.0f}"
