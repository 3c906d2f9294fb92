"""Command lines of this room: typed by dataclasses, presets first."""

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import tensorflow_datasets as tfds
import tyro

from multitask.errors import UserError
from training.config import TrainConfig
from training.presets import PRESETS
from training.runs import Run

PRESET_HELP = f"--preset {{{','.join(PRESETS)}}} chooses the defaults below."
T = TypeVar("T")


def parse_config(arguments: Sequence[str] | None = None) -> TrainConfig:
    """The TrainConfig of a command line: of a run by `--resume RUN`, else flags that start from a preset."""
    resumed = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    resumed.add_argument("--resume", type=Path)
    chosen, rest = resumed.parse_known_args(arguments)
    if chosen.resume is not None:
        if rest:
            raise UserError(f"a resumed run keeps its settings; received {' '.join(rest)} beside --resume")
        show_notices()
        return Run.open(chosen.resume).config
    preset, rest = split_preset(arguments)
    what = f"Trains one model, or goes on with the one in RUN: --resume RUN. {PRESET_HELP}"
    return parse(TrainConfig, rest, default=preset, description=what)


def split_preset(arguments: Sequence[str] | None = None) -> tuple[TrainConfig, list[str]]:
    """What `--preset NAME` names, and the arguments that it leaves."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--preset", default="drawn")
    chosen, rest = first.parse_known_args(arguments)
    if chosen.preset not in PRESETS:
        raise UserError(f"preset must be one of {', '.join(PRESETS)}; received {chosen.preset!r}")
    return PRESETS[chosen.preset], rest


def parse(what: Callable[..., T], arguments: Sequence[str] | None = None, **keywords: Any) -> T:
    """A dataclass or the result of a function, from a command line; notices of the run go to stderr."""
    show_notices()
    keywords.setdefault("prog", f"python -m training.{Path(sys.argv[0]).stem}")
    return tyro.cli(what, args=arguments, **keywords)


def show_notices() -> None:
    """Lets notices of this project, warnings of the libraries and, on a terminal, bars through to stderr."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("training").setLevel(logging.INFO)
    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
