"""What feeds training, against the training: python -m benchmarks.pipeline."""

import csv
import dataclasses
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import tyro
from rich.box import SIMPLE_HEAD
from rich.table import Table

from benchmarks.feeding import BEYOND_MEMORY, CACHED, DECODED, STEP
from benchmarks.figures import Figures, ratio
from benchmarks.measure import build, children, take_turns
from benchmarks.report import console, progress, write
from benchmarks.settings import Settings
from benchmarks.ways import Way
from multitask.errors import UserError, run_command
from multitask.tasks import TASKS
from training.commands import show_notices
from training.config import TrainConfig
from training.datasets.drawing import draw_face
from training.datasets.prepare import prepare

WANTED = {CACHED: 5.0, DECODED: 1.2}
"""How many times what a training step consumes each should deliver."""
DRAWN, SIDE = 512, 200


@dataclasses.dataclass(frozen=True)
class Command(Settings):
    """Measures how fast pictures are fed, with all augmentation on, against how fast training consumes them.

    Pictures come from the cache of decoded ones; without it, as JPEG decoded on the fly; and from a file that
    is twice as large as the machine's memory. Each has a process of its own, as the training step has, and
    they take turns: what is compared never runs at once, so with all processors to itself. Three minutes.

    Args:
        datasets: sources of training.datasets; if none, 512 faces are drawn, JPEG of 200x200 pixels.
        data_dir: where prepared datasets are; TFDS's default if not given.
        image_size: height and width of the pictures, in pixels.
    """

    datasets: tuple[str, ...] = ()
    data_dir: Path | None = None
    image_size: int = TrainConfig.image_size
    turn: float = 4.0
    rounds: int = 7

    def __post_init__(self) -> None:
        if self.peers:
            raise UserError("feeding is compared with training alone; received peers: leave it out")
        super().__post_init__()


def measure(command: Command) -> dict[str, Figures]:
    """The figures of the training step and of each way to feed it; a step of these is one batch."""
    ways = [Way(name, "feeding") for name in (STEP, CACHED, DECODED, BEYOND_MEMORY)]
    with _data(command) as (datasets, data_dir), progress() as bars:
        bar = bars.add_task("feeding", total=command.rounds, now="building")
        with children(ways) as processes:
            settings = datasets, data_dir, command.batch_size, command.image_size
            build(processes, "build", TrainConfig.trunk, *settings)
            bars.update(bar, now="")
            return take_turns(processes, command.rounds, command.turn, partial(bars.advance, bar))


def table(command: Command, figures: Mapping[str, Figures]) -> Table:
    """Pictures a second, and each way's as multiples of the training step's."""
    size = command.image_size
    title = f"{TrainConfig.trunk}, {size}x{size}, {command.batch_size} pictures a step"
    shown = Table("", "pictures a second", "x training", "aim", "CPU ms a picture", "peak MB", title=title)
    shown.box = SIMPLE_HEAD
    for name, taken in figures.items():
        times = ratio(figures[STEP], taken).time
        shown.add_row(
            name,
            f"{command.batch_size / taken.milliseconds * 1e3:,.0f}",
            "" if name == STEP else f"{times:.1f}",
            f"{WANTED[name]}" if name in WANTED else "",
            f"{taken.cpu_milliseconds / command.batch_size:.2f}",
            f"{taken.memory / 1e6:.0f}",
        )
    for column in shown.columns[1:]:
        column.justify = "right"
    return shown


@contextmanager
def _data(command: Command) -> Iterator[tuple[tuple[str, ...], Path | None]]:
    with tempfile.TemporaryDirectory() as folder:
        datasets, data_dir = command.datasets, command.data_dir
        if not datasets:
            _draw(Path(folder))
            datasets, data_dir = (f"manifest:{folder}/faces.csv",), Path(folder)
        for name in datasets:
            prepare(name, data_dir)  # once, before two processes do it at once
        yield datasets, data_dir


def _draw(folder: Path) -> None:
    rng = np.random.default_rng(0)
    with (folder / "faces.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("path", *TASKS, "split"))
        for number in range(DRAWN):
            age, emotion, gender = rng.uniform(0, 100), int(rng.integers(7)), int(rng.integers(2))
            draw_face(age, emotion, gender, rng, SIDE).save(folder / f"{number}.jpg", quality=92)
            rows.writerow((f"{number}.jpg", age, emotion, gender, "train"))


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    command = tyro.cli(Command, args=arguments, prog="python -m benchmarks.pipeline")
    show_notices()
    figures = measure(command)
    console().print(table(command, figures))
    if command.json:
        write(command.json, command, {"feeding": figures})


if __name__ == "__main__":
    run_command(main)
