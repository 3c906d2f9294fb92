"""Judges a run's best model on examples it has not seen: `python -m training.evaluate RUN`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import keras
import numpy as np
import tyro
from rich.console import Console
from rich.progress import track
from rich.table import Table

from multitask.errors import run_command
from multitask.tasks import Task
from training import figures
from training.commands import parse
from training.metrics import evaluate_answers
from training.pipeline import Examples, evaluation_batches, load_examples
from training.runs import Run, write_json


def evaluate(run: Run, split: str = "test", batch_size: int = 256) -> dict[str, Any]:
    """Figures of `run`'s best model on a split of its data; also kept in the run's folder.

    Returns:
        {"split", "tasks": {task: figures of `evaluate_answers`, or None: no labels}}.

    Raises:
        UserError: no such split, or no epoch has ended yet.
    """
    config = run.config
    model = run.best_model()
    examples = load_examples(
        config.datasets, split, config.chosen_tasks, config.image_size, config.data_dir, config.manual_dir
    )
    answers = predict(model, config.chosen_tasks, examples, batch_size)
    found: dict[str, Any] = {"split": split, "tasks": {}}
    for task in config.chosen_tasks:
        known = examples.labelled(task)
        found["tasks"][task.name] = (
            evaluate_answers(task, answers[task.name][known], examples.table[task.name][known])
            if known.any()
            else None
        )
    write_json(run.folder / "evaluation.json", found)
    figures.draw_learning_curves(run)
    figures.draw_confusions(run, found)
    return found


def predict(
    model: keras.Model, tasks: tuple[Task, ...], examples: Examples, batch_size: int = 256
) -> dict[str, np.ndarray]:
    """Decoded answers to all examples, in their order: as `Task.decode` names them."""
    parts: dict[str, list[np.ndarray]] = {}
    batches = evaluation_batches(examples, tasks, batch_size)
    for images, _, _ in track(batches, "evaluating", total=len(batches), transient=True):
        logits = model(images, training=False)
        for task in tasks:
            for name, answer in task.decode(logits[task.name]).items():
                parts.setdefault(name, []).append(np.asarray(answer))
    return {name: np.concatenate(part)[: len(examples)] for name, part in parts.items()}


def quality(task: Task, figures: dict[str, Any] | None) -> str:
    """A task's figures in words."""
    if figures is None:
        return "no labels"
    if task.kind == "distribution":
        return f"{figures['mae']:.2f} {task.unit} off, {figures['within_5']:.1%} within 5"
    return f"{figures['accuracy']:.1%} right, macro-F1 {figures['macro_f1']:.3f}"


@dataclass(frozen=True)
class _Command:
    """Judges a run's best model on examples it has not seen.

    Args:
        run: folder of the run.
        split: which part of its data.
    """

    run: Annotated[Path, tyro.conf.Positional]
    split: str = "test"


def _main() -> None:
    command = parse(_Command)
    run = Run.open(command.run)
    found = evaluate(run, command.split)
    table = Table(title=f"{run.folder}, {command.split}", title_justify="left")
    for column in ("task", "examples", "quality"):
        table.add_column(column)
    for task in run.config.chosen_tasks:
        result = found["tasks"][task.name]
        table.add_row(task.name, str(result["count"] if result else 0), quality(task, result))
    Console().print(table)


if __name__ == "__main__":
    run_command(_main)
