"""Judges a run's best model on examples it has not seen: `python -m training.evaluate RUN`."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import keras
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from models import flips
from multitask.errors import run_command
from multitask.tasks import MISSING, TASKS, Task
from training import figures
from training.answers import logits_of
from training.commands import parse
from training.datasets.prepare import state_of
from training.groups import figures_by_group, group_tables, ungrouped, ungrouped_in_words
from training.labels import columns_of, labels_of
from training.metrics import evaluate_answers
from training.pipeline import Examples, examples_of
from training.runs import EVALUATION, EVALUATION_BY_FLIPS, Run, write_json

PREDICTIONS = {False: "predictions.npz", True: "predictions_flips.npz"}
"""What the best model answered, without and with flips averaged."""


def evaluate(
    run: Run, split: str = "test", batch_size: int = 256, average_flips: bool = False
) -> dict[str, Any]:
    """Figures of `run`'s best model on a split of its data; also kept in the run's folder.

    What the best model answered is kept there too, and not asked again for the same split.

    Args:
        run: with at least one ended epoch.
        split: of its data.
        batch_size: examples at once; changes nothing but the time.
        average_flips: judge the mean over a picture and its mirror image; kept beside the figures without.

    Returns:
        {"split", "average_flips", "tasks": {task: figures of `evaluate_answers`, or None: no labels, there
        or in training},
        "groups": {task: its figures by group, as `figures_by_group`}, "ungrouped": {task: {label: examples
        that lack it}}}.

    Raises:
        UserError: no such split, or no epoch has ended yet.
    """
    predictions = load_predictions(run, average_flips)
    if predictions is None or predictions["split"] != split or predictions.get("data") != _data(run):
        predictions = _predict_split(run, split, batch_size, average_flips)
    found: dict[str, Any] = {
        "split": split,
        "average_flips": average_flips,
        "tasks": {},
        "groups": {},
        "ungrouped": {},
    }
    for task in run.config.chosen_tasks:
        labels = labels_of(task, predictions, "label_")
        known = predictions[f"label_{task.name}"] != MISSING
        judged = task.name in run.learned and known.any()
        found["tasks"][task.name] = (
            evaluate_answers(task, predictions[task.name][known], labels[known]) if judged else None
        )
        found["groups"][task.name] = figures_by_group(task, predictions) if judged else []
        found["ungrouped"][task.name] = ungrouped(task, predictions) if judged else {}
    write_json(run.folder / (EVALUATION_BY_FLIPS if average_flips else EVALUATION), found)
    figures.draw_learning_curves(run)
    if not average_flips:
        figures.draw_confusions(run, found)
    return found


def load_predictions(run: Run, average_flips: bool = False) -> dict[str, np.ndarray] | None:
    """What `run`'s best model answered when it was last evaluated; None if it was not, or is another by now.

    Returns:
        "split": its name; "data": the state that they were in; and, an example a row in the order of
        `load_examples`: "id"; "group", the race code; "label_" and each of `columns_of` every task in TASKS,
        -1 unknown; the run's answers, as `Task.decode` names them (none where the split has no labelled
        example).
    """
    path = run.folder / PREDICTIONS[average_flips]
    if not path.exists():
        return None
    with np.load(path) as arrays:
        predictions = dict(arrays)
    return predictions if str(predictions.pop("model")) == best_model_digest(run) else None


def _predict_split(run: Run, split: str, batch_size: int, average_flips: bool) -> dict[str, np.ndarray]:
    config = run.config
    digest = best_model_digest(run)  # first: training may put a better model there while this one predicts
    model = flips.average_flips(run.best_model()) if average_flips else run.best_model()
    examples = examples_of(config, split)
    predictions: dict[str, Any] = {
        "split": np.array(split),
        "data": np.array(_data(run)),
        **{name: examples.table[name] for name in ("id", "group")},
        **{f"label_{name}": examples.table[name] for task in TASKS.values() for name in columns_of(task)},
        **predict(model, config.chosen_tasks, examples, batch_size),
    }
    path = run.folder / PREDICTIONS[average_flips]
    unfinished = path.with_name(f".{path.name}")
    np.savez(unfinished, model=np.array(digest), **predictions)
    unfinished.replace(path)
    return predictions


def _data(run: Run) -> str:
    return json.dumps({name: state_of(name) for name in run.config.datasets})


def best_model_digest(run: Run) -> str | None:
    """What tells `run`'s best model from others (the time of a file would not); None if there is none."""
    path = run.folder / "best.keras"
    if not path.exists():
        return None
    return hashlib.sha256(path.read_bytes() + json.dumps(run.temperatures).encode()).hexdigest()


def predict(
    model: keras.Model, tasks: tuple[Task, ...], examples: Examples, batch_size: int = 256
) -> dict[str, np.ndarray]:
    """Decoded answers to all examples, in their order: as `Task.decode` names them."""
    parts: dict[str, list[np.ndarray]] = {}
    for logits in logits_of(model, tasks, examples, "evaluating", batch_size):
        for task in tasks:
            for name, answer in task.decode(logits[task.name]).items():
                parts.setdefault(name, []).append(np.asarray(answer))
    return {name: np.concatenate(part) for name, part in parts.items()}


def quality(task: Task, figures: dict[str, Any] | None) -> str:
    """A task's figures in words."""
    if figures is None:
        return "no labels"
    if task.kind == "distribution":
        intervals = figures.get("intervals")
        of_intervals = f" ({intervals} labels are intervals, right anywhere within)" if intervals else ""
        return f"{figures['mae']:.2f} {task.unit} off, {figures['within_5']:.1%} within 5{of_intervals}"
    return f"{figures['accuracy']:.1%} right, macro-F1 {figures['macro_f1']:.3f}"


def report(run: Run, found: dict[str, Any]) -> Iterator[Table | str]:
    """What `evaluate` found, for people: all tasks in one table, then each of them by group."""
    flips = ", mean over a picture and its mirror image" if found["average_flips"] else ""
    overall = Table(title=f"{run.folder}, {found['split']}{flips}", title_justify="left")
    for column in ("task", "examples", "quality", "ROC AUC", "calibration error"):
        overall.add_column(column)
    for task in run.config.chosen_tasks:
        result = found["tasks"][task.name]
        count = result["count"] if result else 0
        further = ((result or {}).get(name) for name in ("roc_auc", "calibration_error"))
        in_words = ("" if value is None else f"{value:.3f}" for value in further)
        overall.add_row(task.name, str(count), quality(task, result), *in_words)
    yield overall
    for task in run.config.chosen_tasks:
        yield from group_tables(task, found["groups"][task.name])
        if lacking := found["ungrouped"][task.name]:
            yield ungrouped_in_words(task, found["tasks"][task.name]["count"], lacking)


@dataclass(frozen=True)
class _Command:
    """Judges a run's best model on examples it has not seen.

    Args:
        run: folder of the run.
        split: which part of its data.
        average_flips: judge the mean over a picture and its mirror image.
        data_dir: where that data is prepared, if not where it was in training.
        manual_dir: where its archives are, if not where they were in training.
    """

    run: Annotated[Path, tyro.conf.Positional]
    split: str = "test"
    average_flips: bool = False
    data_dir: Path | None = None
    manual_dir: Path | None = None


def _main() -> None:
    command = parse(_Command)
    run = Run.open(command.run).at(command.data_dir, command.manual_dir)
    found = evaluate(run, command.split, average_flips=command.average_flips)
    console = Console(highlight=False)
    for part in report(run, found):
        console.print(part)


if __name__ == "__main__":
    run_command(_main)
