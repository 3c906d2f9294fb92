"""Command lines of this room: typed by dataclasses, presets first."""

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import tensorflow_datasets as tfds
import tyro

from multitask.errors import UserError
from training.config import PRESETS, TrainConfig

T = TypeVar("T")


def parse_config(arguments: Sequence[str] | None = None) -> TrainConfig:
    """The TrainConfig of a command line: `--preset NAME` is where the other flags start from."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--preset", default="drawn")
    chosen, rest = first.parse_known_args(arguments)
    if chosen.preset not in PRESETS:
        raise UserError(f"preset must be one of {', '.join(PRESETS)}; received {chosen.preset!r}")
    return parse(
        TrainConfig,
        rest,
        default=PRESETS[chosen.preset],
        description=f"Trains one model. --preset {{{','.join(PRESETS)}}} chooses the defaults below.",
    )


def parse(what: Callable[..., T], arguments: Sequence[str] | None = None, **keywords: Any) -> T:
    """A dataclass or the result of a function, from a command line; notices of the run go to stderr."""
    show_notices()
    return tyro.cli(what, args=arguments, **keywords)


def show_notices() -> None:
    """Lets notices of this project, warnings of the libraries and, on a terminal, bars through to stderr."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("training").setLevel(logging.INFO)
    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
