"""Proves every derived gradient: python -m multitask.gradcheck."""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
import tyro
from rich.console import Console
from rich.progress import Progress, TextColumn

from multitask.errors import UserError, run_command
from multitask.gradcheck.case import Case
from multitask.gradcheck.cases import FAMILIES
from multitask.gradcheck.check import check
from multitask.gradcheck.report import Row, failures, rows_of, table_of


@dataclass(frozen=True)
class Command:
    """Proves the gradient of every operation, argument by argument; two to three minutes on two cores.

    Each is compared with central differences in float64, with TensorFlow's gradient of an independent forward
    and with its Keras twin, over random shapes and settings, eagerly, in graphs of unknown batch size and
    under XLA, in float64, float32 and bfloat16; so are second derivatives, and what nan and the infinities
    lead to. Kinks and ties have rows of their own. Exits with 1 if anything is wrong.

    Args:
        only: operations or families; all if none is named.
        seed: what samples are drawn from.
        trials: samples of each operation.
        json: file for what was found.
    """

    only: tuple[str, ...] = ()
    seed: int = 0
    trials: int = 6
    json: Path | None = None

    def __post_init__(self) -> None:
        known = [*FAMILIES, *(case.name for cases in FAMILIES.values() for case in cases)]
        unknown = [name for name in self.only if name not in known]
        if unknown:
            raise UserError(f"only must name some of {', '.join(known)}; received {unknown[0]}")
        for name, least in ("seed", 0), ("trials", 1):
            if getattr(self, name) < least:
                raise UserError(f"{name} must be at least {least}; received {getattr(self, name)}")

    @property
    def cases(self) -> list[tuple[str, Case]]:
        """Families and the cases asked for."""
        return [
            (family, case)
            for family, cases in FAMILIES.items()
            for case in cases
            if not self.only or family in self.only or case.name in self.only
        ]


def prove(command: Command) -> list[Row]:
    """What was found about each argument of the operations asked for; a bar on stderr shows how far it is."""
    rows = []
    columns = (*Progress.get_default_columns(), TextColumn("{task.fields[operation]}"))
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("proving", total=len(command.cases), operation="")
        for family, case in command.cases:
            progress.update(bar, operation=case.name)
            rows += rows_of(family, case.name, check(case, command.seed, command.trials))
            progress.advance(bar)
    return rows


def to_json(command: Command, rows: list[Row], seconds: float) -> dict[str, Any]:
    """Everything to read the result, and to repeat it."""
    return {
        "right": not any(row.wrong for row in rows),
        "seed": command.seed,
        "trials": command.trials,
        "seconds": round(seconds, 1),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "rows": [row.to_json() for row in rows],
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line; exits with 1 if anything is wrong."""
    command = tyro.cli(Command, args=arguments, prog="python -m multitask.gradcheck")
    tf.get_logger().setLevel("ERROR")  # Keras's own grouped convolution is traced anew for every shape
    if command.json:
        command.json.touch()  # a path that can't be written is said now, not after minutes
    began = time.perf_counter()
    rows = prove(command)
    seconds = time.perf_counter() - began
    console = Console()
    console.print(table_of(rows))
    wrong = failures(rows)
    print(*wrong, sep="\n", end="\n" if wrong else "")
    if command.json:
        command.json.write_text(json.dumps(to_json(command, rows, seconds), indent=1) + "\n")
        print(f"kept: {command.json}")
    verdict = f"{len(wrong)} comparisons wrong" if wrong else "all right"
    print(f"{len(command.cases)} operations in {seconds:.0f} s: {verdict}")
    if wrong:
        sys.exit(1)


if __name__ == "__main__":
    run_command(main)
