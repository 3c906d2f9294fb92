"""What a command shows while it measures and when it has: bars, tables, JSON."""

import dataclasses
import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

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


def facts(packages: Sequence[str]) -> dict[str, Any]:
    """Where it was measured: cores, and versions of Python and packages."""
    versions = {"python": platform.python_version(), **{name: metadata.version(name) for name in packages}}
    return {"cores": len(os.sched_getaffinity(0)), "versions": versions}


def write(path: Path, settings: Settings, measured: Mapping[str, Mapping[str, Figures]]) -> None:
    """Writes everything as JSON, by what was measured and by way.

    Keys: cores, versions, settings, and measured: name -> figures: way -> seconds and cpu_seconds of a step
    by round, memory in bytes; ratios: pair -> time, cpu, memory.
    """
    report = {
        **facts(("tensorflow", "keras", *(("torch",) if settings.peers else ()))),
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
