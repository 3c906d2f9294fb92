"""Whole training steps: python -m benchmarks.training."""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial

import tyro
from rich.box import SIMPLE_HEAD
from rich.table import Table

from benchmarks.figures import Figures, ratios
from benchmarks.measure import build, children, take_turns
from benchmarks.report import console, factor, progress, write
from benchmarks.settings import Settings
from benchmarks.ways import ENGINES, FASTEST, Way
from multitask.errors import UserError, run_command

TRUNKS = ("vgg", "resnet")
SMALLEST = 16


@dataclasses.dataclass(frozen=True)
class Command(Settings):
    """Measures whole training steps on derived layers against the same on built-in ones; about five minutes.

    A step is the gradients of three losses through a trunk and its heads, AdamW and the metrics, as
    training.train takes it. Each way of computing it has a process of its own, and they take turns. A ratio
    is the median over the rounds; of CPU times it is steadier than of times where others use the machine too.

    Args:
        trunks: networks of benchmarks.networks.
        image_size: height and width of the pictures, at least 16.
    """

    trunks: tuple[str, ...] = TRUNKS
    image_size: int = 64

    @property
    def ways(self) -> tuple[Way, ...]:
        """What takes turns."""
        return (*super().ways, FASTEST, *(ENGINES if self.peers else ()))

    def __post_init__(self) -> None:
        for name in self.trunks:
            if name not in TRUNKS:
                raise UserError(f"trunks must be of {', '.join(TRUNKS)}; received {name!r}")
        if self.image_size < SMALLEST:
            raise UserError(f"image_size must be at least {SMALLEST}; received {self.image_size}")
        super().__post_init__()


def measure(command: Command) -> dict[str, dict[str, Figures]]:
    """The figures of each trunk, by way."""
    measured = {}
    with progress() as bars:
        for trunk in command.trunks:
            bar = bars.add_task(trunk, total=command.rounds, now="building")
            with children(command.ways) as processes:  # new ones, so that nothing is held beforehand
                build(processes, "training_step", trunk, command.batch_size, command.image_size)
                bars.update(bar, now="")
                measured[trunk] = take_turns(
                    processes, command.rounds, command.turn, partial(bars.advance, bar)
                )
    return measured


def tables(trunk: str, figures: Mapping[str, Figures]) -> tuple[Table, Table]:
    """What each way took, and how they compare."""
    each = Table("", "ms a step", "fastest", "CPU ms", "peak MB", box=SIMPLE_HEAD, title=trunk)
    for name, taken in figures.items():
        cells = taken.milliseconds, min(taken.seconds) * 1e3, taken.cpu_milliseconds, taken.memory / 1e6
        each.add_row(name, *(f"{cell:.0f}" for cell in cells))
    compared = Table("", "time", "CPU time", "memory", box=SIMPLE_HEAD)
    for name, ratio in ratios(figures).items():
        compared.add_row(name, factor(ratio.time), factor(ratio.cpu), factor(ratio.memory))
    for column in (*each.columns[1:], *compared.columns[1:]):
        column.justify = "right"
    return each, compared


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    command = tyro.cli(Command, args=arguments, prog="python -m benchmarks.training")
    measured = measure(command)
    for trunk, figures in measured.items():
        console().print(*tables(trunk, figures))
    if command.json:
        write(command.json, command, measured)


if __name__ == "__main__":
    run_command(main)
