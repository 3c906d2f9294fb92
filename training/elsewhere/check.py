"""What a model loses in another format, and what it takes there."""

import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.table import Table

from multitask.tasks import Task
from training.elsewhere.formats import Answer
from training.labels import labels_of
from training.metrics import evaluate_answers, main_metric
from training.pipeline import Examples
from training.progress import track

BATCHES = {1: 40, 32: 10}
"""Batch sizes that are timed, and how often."""


def check(
    models: Mapping[str, Answer], examples: Examples, tasks: Sequence[Task]
) -> dict[str, dict[str, Any]]:
    """Compares `models` with the first of them on `examples`.

    Returns:
        {name: {"figures": {task: {"count", the task's main figure}, None without labels}, "differences":
        {answer: {"greatest", "mean"}}, "milliseconds": {batch size: median for one picture of a batch}}}.
    """
    images = examples.images(np.arange(len(examples)))
    parts = np.array_split(images, -(-len(images) // max(BATCHES)))
    found: dict[str, dict[str, Any]] = {}
    expected: dict[str, np.ndarray] = {}
    for name, model in track(models.items(), "checking", len(models)):
        answered = [model(part) for part in parts]
        answers = {answer: np.concatenate([each[answer] for each in answered]) for answer in answered[0]}
        expected = expected or answers
        found[name] = {
            "figures": {task.name: _main_figure(task, answers[task.name], examples) for task in tasks},
            "differences": {
                answer: _difference(answers[answer], expected[answer]) for answer in sorted(expected)
            },
            "milliseconds": {str(size): _milliseconds(model, images, size) for size in BATCHES},
        }
    return found


def _difference(answers: np.ndarray, expected: np.ndarray) -> dict[str, float]:
    difference = np.abs(answers - expected)
    return {"greatest": float(difference.max()), "mean": float(difference.mean())}


def _main_figure(task: Task, answers: np.ndarray, examples: Examples) -> dict[str, Any] | None:
    known = examples.labelled(task)
    if not known.any():
        return None
    figures = evaluate_answers(task, answers[known], labels_of(task, examples.table)[known])
    return {name: figures[name] for name in ("count", main_metric(task))}


def _milliseconds(model: Answer, images: np.ndarray, size: int) -> float:
    batch = np.resize(images, (size, *images.shape[1:]))
    model(batch)
    durations = []
    for _ in range(BATCHES[size]):
        start = time.perf_counter()
        model(batch)
        durations.append(time.perf_counter() - start)
    return statistics.median(durations) / size * 1000


def as_table(title: str, forms: Mapping[str, Mapping[str, Any]], tasks: Sequence[Task]) -> Table:
    """What `check` found and what was added of "bytes", a format a column; for people."""
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for name in forms:
        table.add_column(name, justify="right")
    table.add_row("size, MB", *(f"{form['bytes'] / 1e6:.2f}" for form in forms.values()))
    for size in BATCHES:
        of_one = (form["milliseconds"][str(size)] for form in forms.values())
        table.add_row(f"ms a picture, batch {size}", *(f"{value:.2f}" for value in of_one))
    for task in tasks:
        figures = [form["figures"][task.name] for form in forms.values()]
        if figures[0] is None:
            table.add_row(task.name, *("no labels" for _ in figures))
            continue
        name = f"{task.name}, {task.unit} off" if task.unit else f"{task.name}, right"
        values = (figure[main_metric(task)] for figure in figures)
        in_words = (f"{value:.2f}" if task.unit else f"{value:.1%}" for value in values)
        table.add_row(f"{name} ({figures[0]['count']})", *in_words)
    first, *others = forms.values()
    for answer in first["differences"]:
        for which in ("greatest", "mean"):
            values = (form["differences"][answer][which] for form in others)
            table.add_row(f"{answer}, {which} difference", "", *(f"{value:.2g}" for value in values))
    return table
