"""What a command shows while it measures and when it has: bars, tables, JSON."""

import dataclasses
import json
import os
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, TextColumn

from benchmarks.figures import Figures, ratios
from benchmarks.settings import Settings

WIDTH = 120


def progress() -> Progress:
    """Bars on stderr, where that is a terminal; tasks have a field `now`."""
    console = Console(stderr=True)
    columns = (*Progress.get_default_columns(), TextColumn("{task.fields[now]}"))
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def console() -> Console:
    """Standard output, wide enough for the tables where it is a file."""
    stdout = Console()
    return stdout if stdout.is_terminal else Console(width=WIDTH)


def factor(value: float | None) -> str:
    """A ratio as tables show it."""
    return "" if value is None else f"{value:.2f}"


def write(path: Path, settings: Settings, measured: Mapping[str, Mapping[str, Figures]]) -> None:
    """Writes everything as JSON, by what was measured and by way.

    Keys: cores, versions, settings, and measured: name -> figures: way -> seconds and cpu_seconds of a step
    by round, memory in bytes; ratios: pair -> time, cpu, memory.
    """
    versions = {name: metadata.version(name) for name in ("tensorflow", "keras")}
    if settings.peers:
        versions["torch"] = metadata.version("torch")
    report = {
        "cores": len(os.sched_getaffinity(0)),
        "versions": {"python": platform.python_version(), **versions},
        "settings": dataclasses.asdict(settings),
        "measured": {
            name: {
                "figures": {way: dataclasses.asdict(each) for way, each in figures.items()},
                "ratios": {pair: dataclasses.asdict(each) for pair, each in ratios(figures).items()},
            }
            for name, figures in measured.items()
        },
    }
    path.write_text(json.dumps(report, indent=1, default=str) + "\n")
    print(f"kept: {path}")
