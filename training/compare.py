"""Three networks or one with three heads? `python -m training.compare --help`.

python -m training.compare --preset quick --trunks lenet resnet --run runs/both
python -m training.compare --preset faces --epochs 8 --run runs/both_faces --manual-dir ARCHIVES   some hours
"""

import logging
import platform
import shlex
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import keras
import tensorflow as tf
import tyro
from rich.console import Console
from rich.table import Table
from tyro.conf import Suppress

from models.trunks import build_trunk
from multitask.errors import UserError, run_command
from multitask.losses import Gradients
from multitask.tasks import TASKS, Task
from training.balancing import Balancing
from training.commands import PRESET_HELP, parse, split_preset
from training.comparison.costs import machine
from training.comparison.findings import cell_findings, gradients_findings
from training.comparison.matrix import Arm, Cell, CompareConfig
from training.comparison.pictures import pictures_of_mistakes
from training.comparison.processes import train_all
from training.comparison.report import write_report
from training.config import TrainConfig
from training.datasets.prepare import state_of
from training.evaluate import quality
from training.pipeline import Examples, examples_of
from training.runs import Run, write_json

logger = logging.getLogger(__name__)


def compare(config: CompareConfig) -> dict[str, Any]:
    """Trains and judges, side by side, a network for each task and one with all heads.

    On every mixture of datasets, with every trunk and every seed: from the same trunk, with the same settings
    and for as many epochs. A naive network sees the examples that have a label for its task, the functional
    one all of them. So with `equal_compute` the functional one is trained a second time, for as many epochs
    as make the pictures that the naive networks see together.

    Each run lies in a folder of its own in `config.run`; what is finished is not trained again.

    Returns:
        What report.json holds, see docs/comparison.md; it and report.html are written to `config.run`.

    Raises:
        UserError: settings that don't fit the folder, the data or each other, or a run that failed; what was
            finished before stays.
    """
    prepared = [(cell, *_arms(cell)) for cell in config.cells]
    each = [(run, n) for _, arms, counts in prepared for run, n in _runs(arms, counts["train"])]
    failures = []
    states = {name: state_of(name) for cell in config.cells for name in cell.datasets}
    for run, _ in each:  # a finished one would be compared with others that have seen other data
        Run.of(run).check_data({name: states[name] for name in run.datasets})
    if not config.report_only:
        for trunk in config.trunks:  # what can't be built is said before hours of training
            build_trunk(trunk, config.training.image_size, config.training.weights)
        failures = train_all(*zip(*each, strict=True))
    cells = [cell_findings(cell, arms, counts) for cell, arms, counts in prepared]
    finished = sum(Run.of(run).summary is not None for run, _ in each)
    findings = {
        "made": {**_made(), "runs": len(each), "finished": finished},
        "cells": [cell for cell in cells if cell["arms"]],
        "gradients": gradients_findings(config.cells, {cell.name: arms for cell, arms, _ in prepared}),
    }
    if findings["cells"]:
        write_json(config.run / "report.json", findings)
        write_report(findings, config.run, pictures_of_mistakes(config, findings))
    if failures:
        raise UserError(
            f"every run must end well; {len(failures)} of {len(each)} did not. The first is {failures[0]}. "
            f"What is finished is in {config.run}; the same command goes on with the others"
        )
    if not findings["cells"]:
        raise UserError(f"a report needs finished runs; {config.run} has none: leave out --report-only")
    return findings


def _arms(cell: Cell) -> tuple[dict[int, list[Arm]], dict[str, dict[str, int]]]:
    """The arms of each seed, and how many examples of each split are labelled for what."""
    common = cell.config("functional", cell.comparison.seeds[0])

    counts = {split: _counts(examples_of(common, split), common.chosen_tasks) for split in ("train", "test")}
    labelled = {name: count for name, count in counts["train"].items() if name != "all"}
    if not labelled:
        raise UserError(
            f"tasks need labels; {cell.mixture} has none for {', '.join(common.tasks)}: choose others"
        )
    for task in set(common.tasks) - set(labelled):
        logger.warning("%s: no labels in %s; it is not compared there", task, cell.mixture)
    arms = {seed: cell.arms(seed, labelled, counts["train"]["all"]) for seed in cell.comparison.seeds}
    return arms, counts


def _counts(examples: Examples, tasks: Sequence[Task]) -> dict[str, int]:
    labelled = {task.name: int(examples.labelled(task).sum()) for task in tasks}
    return {"all": len(examples), **{name: count for name, count in labelled.items() if count}}


def _runs(arms: dict[int, list[Arm]], counts: dict[str, int]) -> list[tuple[TrainConfig, int]]:
    """All runs, seed by seed, and how many pictures an epoch of each has."""
    return [
        (run, counts[run.tasks[0]] if run.approach == "naive" else counts["all"])
        for of_seed in arms.values()
        for arm in of_seed
        for run in arm.runs
    ]


def _made() -> dict[str, Any]:
    module = Path(sys.argv[0]).stem
    command = f"python -m training.{module}" if module == "compare" else f"python {Path(sys.argv[0]).name}"
    return {
        "command": " ".join([command, *map(shlex.quote, sys.argv[1:])]),
        "date": date.today().isoformat(),
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "machine": machine(),
    }


def comparison_table(cell: dict[str, Any]) -> Table:
    """The main figures of a cell of `compare`'s findings, an arm a column: means over seeds."""
    table = Table(title=f"{cell['name']}: means of {len(cell['seeds'])} seeds", title_justify="left")
    table.add_column("test split")
    for arm in cell["arms"].values():
        table.add_column(arm["title"])
    rows = {name: [_in_words(TASKS[name], arm["quality"][name]) for arm in cell["arms"].values()]
            for name in cell["tasks"]}  # fmt: skip
    costs = [arm["cost"] for arm in cell["arms"].values()]
    rows["parameters"] = [f"{cost['parameters']:,}" for cost in costs]
    rows["pictures seen"] = [f"{cost['pictures']:,.0f}" for cost in costs]
    rows["training time"] = [f"{cost['seconds']:.0f} s" for cost in costs]
    for size in costs[0]["milliseconds_per_image"]:
        cells = [f"{cost['milliseconds_per_image'][size]:.2f} ms" for cost in costs]
        rows[f"time an image, {size} at once"] = cells
    if None not in (through := [cost["http_milliseconds"] for cost in costs]):
        rows["time through HTTP"] = [f"{milliseconds:.1f} ms" for milliseconds in through]
    for name, cells in rows.items():
        table.add_row(name, *cells)
    for name, verdicts in cell["verdicts"].items():
        words = ", ".join(f"{task} {word}" for task, word in verdicts.items())
        table.caption = f"{table.caption + chr(10) if table.caption else ''}{name}: {words}"
    return table


def _in_words(task: Task, figures: dict[str, Any] | None) -> str:
    return quality(task, figures and {name: figure["mean"] for name, figure in figures.items()})


@dataclass(frozen=True)
class _Settings(TrainConfig):
    """Of every run; what a comparison varies is not asked for here."""

    run: Suppress[Path] = Path("runs/comparison")
    datasets: Suppress[tuple[str, ...]] = ("synthetic_faces",)
    approach: Suppress[Any] = "functional"
    trunk: Suppress[str] = "resnet"
    seed: Suppress[int] = 0
    gradients: Suppress[Gradients] = "autodiff"
    start_from: Suppress[str | None] = None
    teachers: Suppress[tuple[str, ...]] = ()
    splits: Suppress[Any] = ("train",)
    balancing: Suppress[Balancing] = "equal"
    task_weights: Suppress[dict[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Command(CompareConfig):
    __doc__ = CompareConfig.__doc__
    training: Annotated[_Settings, tyro.conf.arg(name="")] = field(default_factory=_Settings)


def _main() -> None:
    preset, rest = split_preset()
    settings = _Settings(**{**vars(preset), "gradients": "autodiff", "start_from": None})
    summary = (CompareConfig.__doc__ or "").partition("\n")[0]
    config = parse(
        _Command, rest, default=_Command(training=settings), description=f"{summary} {PRESET_HELP}"
    )
    # So that a run being trained is ended, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    found = compare(config)
    for cell in found["cells"]:
        Console().print(comparison_table(cell))
    print(f"kept: {config.run / 'report.json'}\nread: {config.run / 'report.html'}")


if __name__ == "__main__":
    run_command(_main)
