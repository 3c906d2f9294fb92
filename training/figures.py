"""Pictures of a run, as PNG files in its folder."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from multitask.tasks import TASKS
from training.metrics import main_metric
from training.runs import Run


def draw_learning_curves(run: Run) -> Path | None:
    """Loss and each task's figure by epoch, training and validation; None if no epoch has ended."""
    history = run.history
    if not history:
        return None
    names = ["loss", *(f"{task.name}_{main_metric(task)}" for task in run.config.chosen_tasks)]
    names = [name for name in names if name in history[0]]
    figure = Figure(figsize=(4 * len(names), 3.2), layout="constrained")
    for axes, name in zip(np.atleast_1d(figure.subplots(1, len(names))), names, strict=True):
        for prefix, label in (("", "training"), ("val_", "validation")):
            points = [(epoch["epoch"], epoch[prefix + name]) for epoch in history if prefix + name in epoch]
            axes.plot(*zip(*points, strict=True), marker=".", label=label) if points else None
        axes.set(title=name.replace("_", " "), xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend()
    return _save(figure, run, "learning_curves.png")


def draw_confusions(run: Run, evaluation: dict[str, Any]) -> Path | None:
    """Answers by label, a row each, for every task with classes; None if there is none."""
    found = {name: result for name, result in evaluation["tasks"].items() if result and "confusion" in result}
    if not found:
        return None
    figure = Figure(figsize=(5 * len(found), 4.4), layout="constrained")
    for axes, (name, result) in zip(
        np.atleast_1d(figure.subplots(1, len(found))), found.items(), strict=True
    ):
        counts, labels = np.array(result["confusion"]), TASKS[name].labels
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
        for row, column in np.ndindex(shares.shape):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, f"{shares[row, column]:.0%}", ha="center", va="center", color=colour)
        axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
        axes.set_yticks(range(len(labels)), labels)
        axes.set(title=f"{name}, {evaluation['split']}", xlabel="answer", ylabel="label")
    return _save(figure, run, "confusion.png")


def _save(figure: Figure, run: Run, name: str) -> Path:
    path = run.folder / "figures" / name
    path.parent.mkdir(exist_ok=True)
    FigureCanvasAgg(figure).print_png(str(path))
    return path
