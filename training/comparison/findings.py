"""What a comparison found: trained runs -> the figures of its report."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from multitask.tasks import MISSING, Task
from training.comparison.costs import measured, training_costs
from training.comparison.matrix import FUNCTIONAL, NAIVE, Arm, Cell
from training.comparison.statistics import mean_and_spread, paired_difference, verdict
from training.evaluate import evaluate, load_predictions
from training.groups import Group, figures_by_group, ungrouped
from training.labels import labels_of, signed_error
from training.metrics import FIGURES, LOWER_IS_BETTER, chosen, evaluate_answers, main_metric
from training.runs import Run

TEST = "test"
WORST = 6
Answers = Mapping[str, Mapping[str, np.ndarray]]
"""Task -> what `load_predictions` gives of the examples labelled for it; no entry where there are none."""


def cell_findings(cell: Cell, arms: Mapping[int, Sequence[Arm]], examples: dict[str, Any]) -> dict[str, Any]:
    """The figures of one cell, on its test split: a cell of report.json, which docs/comparison.md explains.

    Args:
        cell: whose runs.
        arms: of each seed; what is not finished is left out, seed by seed and arm by arm.
        examples: {"train" | "test": {"all" | task: count}}.
    """
    config = cell.comparison.training
    tasks = config.chosen_tasks
    titles = {arm.name: arm for of_seed in arms.values() for arm in of_seed}
    runs = _finished(arms)
    costs = measured(
        {name: next(iter(of_arm.values())) for name, of_arm in runs.items()},
        cell.comparison.run / cell.name / "costs.json",
        cell.comparison.http,
    )
    answers = {
        name: {seed: _answers(tasks, each) for seed, each in of_arm.items()} for name, of_arm in runs.items()
    }

    def differences(base: str) -> dict[str, Any]:
        """Of all other arms to `base`; those of the naive one to others say nothing new."""
        return {
            name: {task.name: _difference(task, answers[name], answers[base]) for task in tasks}
            for name in runs
            if base in runs and name not in (base, NAIVE) and answers[name].keys() & answers[base].keys()
        }

    to_naive = differences(NAIVE)
    return {
        "name": cell.name,
        "datasets": list(cell.datasets),
        "trunk": cell.trunk,
        "gradients": cell.gradients,
        "image_size": config.image_size,
        "epochs": config.epochs,
        "batch_size": config.batch_size,
        "seeds": [seed for seed in arms if any(seed in of_arm for of_arm in runs.values())],
        "tasks": {
            task.name: {"kind": task.kind, "unit": task.unit, "labels": list(task.labels)} for task in tasks
        },
        "examples": examples,
        "arms": {
            name: _arm(titles[name], tasks, of_arm, answers[name], costs[name])
            for name, of_arm in runs.items()
        },
        "differences": to_naive,
        "differences_to_functional": differences(FUNCTIONAL),
        "verdicts": {
            name: {
                task.name: of_task[task.name][main_metric(task)]["verdict"]
                for task in tasks
                if of_task[task.name]
            }
            for name, of_task in to_naive.items()
        },
    }


def gradients_findings(
    cells: Sequence[Cell], arms: Mapping[str, Mapping[int, Sequence[Arm]]]
) -> list[dict[str, Any]]:
    """Derived against automatic gradients, on each mixture and trunk that was trained by both.

    Args:
        cells: all of them.
        arms: by a cell's name, as in `cell_findings`.

    Returns:
        {"datasets", "trunk", "differences": {arm: {task: {figure: derived minus automatic}}}} of each.
    """
    found = []
    by_place = {(cell.mixture, cell.trunk, cell.gradients): cell for cell in cells}
    for cell in cells:
        derived = by_place.get((cell.mixture, cell.trunk, "derived"))
        if cell.gradients != "autodiff" or derived is None:
            continue
        tasks = cell.comparison.training.chosen_tasks
        ours, theirs = (
            {
                name: {seed: _answers(tasks, runs) for seed, runs in of_arm.items()}
                for name, of_arm in _finished(arms[each.name]).items()
            }
            for each in (derived, cell)
        )
        differences = {
            name: {task.name: _difference(task, ours[name], theirs[name]) for task in tasks}
            for name in theirs
            if name in ours and ours[name].keys() & theirs[name].keys()
        }
        if differences:
            found.append({"datasets": list(cell.datasets), "trunk": cell.trunk, "differences": differences})
    return found


def _finished(arms: Mapping[int, Sequence[Arm]]) -> dict[str, dict[int, list[Run]]]:
    """The runs of each arm by seed; an arm or a seed that is not finished is left out."""
    runs: dict[str, dict[int, list[Run]]] = {}
    names = dict.fromkeys(arm.name for of_seed in arms.values() for arm in of_seed)
    for name in names:
        for seed, of_seed in arms.items():
            each = [Run.of(one) for arm in of_seed if arm.name == name for one in arm.runs]
            if each and all(run.summary for run in each):
                runs.setdefault(name, {})[seed] = each
    return runs


def _answers(tasks: Sequence[Task], runs: Sequence[Run]) -> Answers:
    together = {}
    for run in runs:
        evaluate(run, TEST)
        predictions = load_predictions(run) or {}
        rows = len(predictions["id"])
        for task in tasks:
            known = predictions[f"label_{task.name}"] != MISSING
            if task.name in run.learned and known.any():
                together[task.name] = {
                    name: column[known] for name, column in predictions.items() if column.shape[:1] == (rows,)
                }
    return together


def _arm(
    arm: Arm,
    tasks: Sequence[Task],
    runs: Mapping[int, Sequence[Run]],
    answers: Mapping[int, Answers],
    costs: Mapping[str, Any],
) -> dict[str, Any]:
    of_task = {
        task.name: [of_seed[task.name] for of_seed in answers.values() if task.name in of_seed]
        for task in tasks
    }
    trained = [training_costs(each, costs["flops_each"]) for each in runs.values()]
    return {
        "title": arm.title,
        "balancing": arm.runs[0].balancing,
        "epochs": arm.runs[0].epochs,
        "seeds": list(runs),
        "quality": {task.name: _quality(task, of_task[task.name]) for task in tasks},
        "confusion": {
            task.name: _confusion(task, of_task[task.name])
            for task in tasks
            if task.labels and of_task[task.name]
        },
        "cost": {
            **{name: cost for name, cost in costs.items() if name != "flops_each"},
            **{name: _mean([cost[name] for cost in trained]) for name in trained[0]},
        },
        "histories": [
            {"run": run.folder.name, "seed": seed, "epochs": run.history}
            for seed, each in runs.items()
            for run in each
        ],
        "groups": {task.name: _groups(task, of_task[task.name]) for task in tasks},
        "ungrouped": {
            task.name: ungrouped(task, of_task[task.name][0]) for task in tasks if of_task[task.name]
        },
        "worst": {
            task.name: _worst(task, next(iter(runs)), of_task[task.name][0]) if of_task[task.name] else []
            for task in tasks
        },
    }


def _quality(task: Task, seeds: Sequence[Mapping[str, np.ndarray]]) -> dict[str, Any] | None:
    judged = [_judged(task, one) for one in seeds]
    return (
        {name: mean_and_spread([figures[name] for figures in judged]) for name in FIGURES[task.kind]}
        if judged
        else None
    )


def _confusion(task: Task, seeds: Sequence[Mapping[str, np.ndarray]]) -> list[list[int]]:
    return sum(np.array(_judged(task, one)["confusion"]) for one in seeds).tolist()  # type: ignore[union-attr]


def _judged(task: Task, predictions: Mapping[str, np.ndarray]) -> dict[str, Any]:
    return evaluate_answers(task, predictions[task.name], labels_of(task, predictions, "label_"))


def _difference(
    task: Task, answers: Mapping[int, Answers], base: Mapping[int, Answers]
) -> dict[str, Any] | None:
    """Of each figure, to the same seeds of `base`."""
    seeds = [seed for seed in answers if seed in base]
    ours = [answers[seed][task.name] for seed in seeds if task.name in answers[seed]]
    theirs = [base[seed][task.name] for seed in seeds if task.name in base[seed]]
    if not ours or len(ours) != len(theirs):
        return None
    for one in (*ours, *theirs):
        if not np.array_equal(one["id"], ours[0]["id"]):
            raise ValueError(f"answers must be to the same examples in the same order; {task.name}'s are not")
    labels = labels_of(task, ours[0], "label_")
    found = {}
    for name, figure in FIGURES[task.kind].items():
        difference = paired_difference(
            figure, [one[task.name] for one in ours], [one[task.name] for one in theirs], labels
        )
        found[name] = {**difference, "verdict": verdict(difference, name in LOWER_IS_BETTER, len(ours))}
    return found


def _groups(task: Task, seeds: Sequence[Mapping[str, np.ndarray]]) -> list[Group]:
    """Figures by group: means over seeds of each value and of each end of its interval."""
    each = [figures_by_group(task, one) for one in seeds]
    return [
        {
            **group,
            "figures": {
                figure: {
                    end: _mean([of_seed[number]["figures"][figure][end] for of_seed in each]) for end in ends
                }
                for figure, ends in group["figures"].items()
            },
        }
        for number, group in enumerate(each[0] if each else [])
    ]


def _worst(task: Task, seed: int, predictions: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """The answers of one seed that are furthest off: in the unit, or surest of a wrong class."""
    answers, labels = predictions[task.name], labels_of(task, predictions, "label_")
    if task.kind == "distribution":
        order = np.argsort(-np.abs(signed_error(answers, labels)), kind="stable")
        probability = None
    else:
        answer = chosen(answers)
        probability = answers.max(-1) if answers.ndim == 2 else np.where(answer == 1, answers, 1 - answers)
        order = np.argsort(np.where(answer == labels, 1.0, -probability), kind="stable")
        order = order[: int((answer != labels).sum())]
    found = []
    for row in order[:WORST]:
        mistake: dict[str, Any] = {"id": _text(predictions["id"][row]), "seed": seed}
        if probability is None:
            low, high = map(float, labels[row])
            label = low if low == high else f"{low:g} to {high:g} {task.unit}"
            mistake |= {"label": label, "answer": float(answers[row])}
        else:
            mistake |= {
                "label": task.labels[int(labels[row])],
                "answer": task.labels[int(answer[row])],
                "probability": float(probability[row]),
            }
        found.append(mistake)
    return found


def _text(name: Any) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)


def _mean(values: Sequence[float | None]) -> float | None:
    return None if None in values else statistics.fmean(values)  # type: ignore[arg-type]
