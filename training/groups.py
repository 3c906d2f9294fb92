"""Who a model fails for: figures by how faces are labelled, alone and crossed, with counts and intervals.

Labels are what annotators saw in a picture, not what people are. Groups are judged one by one: of many small
ones some do badly by chance, so read an interval before a value.
"""

import itertools
import math
import statistics
from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.table import Table

from multitask.tasks import MISSING, TASKS, Task
from training.labels import labels_of, signed_error
from training.metrics import LOWER_IS_BETTER, chosen, main_metric

AGE_BANDS = {"0-12": 0, "13-17": 13, "18-29": 18, "30-44": 30, "45-59": 45, "60 and older": 60}
"""Bands of the age label, children apart, and the age in years that each begins at."""
RACE_WORDS = (
    *("White", "Black", "Asian", "Indian", "others"),
    *("East Asian", "Southeast Asian", "Latino_Hispanic", "Middle Eastern"),
)
"""The sources' own words for race, by code: 0 to 4 are UTKFace's, 5 on those that FairFace alone has.

Sources that use the same word share its code, but draw its borders each in its own way: what FairFace calls
Latino_Hispanic or Middle Eastern has no word of its own in UTKFace.
"""
Z = statistics.NormalDist().inv_cdf(0.975)
DRAWS = 1000
LEAST = 30
"""Examples that a crossing must have to be called one of the worst."""
FIGURE_NAMES = {
    "mae": "error, {unit}",
    "within_5": "within 5 {unit}",
    "mean_signed_error": "answer - label, {unit}",
    "accuracy": "right",
}

Group = dict[str, Any]
"""{"by": {"age" | "gender" | "race": name}, "count", "figures": {figure: {"value", "low", "high"}}}."""


def figures_by_group(task: Task, predictions: Mapping[str, np.ndarray]) -> list[Group]:
    """Figures of each group of examples labelled for `task`: by one label, by two, by all three.

    Figures are mae, within_5 and mean_signed_error (mean of answer - label; above 0: seen as older) of a
    distribution, else accuracy; low and high are the ends of the 95% interval, None where there is none. A
    group without examples is not listed, and an example stands in no group of a label that it lacks, nor in
    an age band if its label is an interval that lies in several.

    Args:
        predictions: arrays [N] or [N, units], as `training.evaluate.load_predictions` gives them.
    """
    if not _known(task, predictions).any():
        return []
    values, codes = _per_example(task, predictions), _codes(task, predictions)
    members = {
        label: {name: code == number for number, name in _names(label, code)} for label, code in codes.items()
    }
    found = []
    for size in range(1, len(members) + 1):
        for labels in itertools.combinations(members, size):
            for names in itertools.product(*(members[label] for label in labels)):
                by = dict(zip(labels, names, strict=True))
                inside = np.logical_and.reduce([members[label][name] for label, name in by.items()])
                if inside.any():
                    found.append(_group(by, {name: value[inside] for name, value in values.items()}))
    return found


def together(task: Task, predictions: Mapping[str, np.ndarray]) -> Group | None:
    """All examples labelled for `task` as one group, that of no label; None if there are none."""
    return _group({}, _per_example(task, predictions)) if _known(task, predictions).any() else None


def ungrouped(task: Task, predictions: Mapping[str, np.ndarray]) -> dict[str, int]:
    """How many examples labelled for `task` can't be grouped, by the label that won't tell; 0 is left out."""
    codes = _codes(task, predictions)
    lacking = {label: int((code == MISSING).sum()) for label, code in codes.items()}
    return {label: count for label, count in lacking.items() if count}


def worst_crossings(task: Task, groups: list[Group], count: int = 3, least: int = LEAST) -> list[Group]:
    """The `count` crossings of labels with the worst main figure, of those with at least `least` examples."""
    main = main_metric(task)
    crossings = [group for group in groups if len(group["by"]) > 1 and group["count"] >= least]
    return sorted(
        crossings, key=lambda group: group["figures"][main]["value"], reverse=main in LOWER_IS_BETTER
    )[:count]


def group_tables(task: Task, groups: list[Group]) -> list[Table]:
    """A task's figures with 95% intervals: by one label each, and of the crossings that do worst, if any."""
    single = [group for group in groups if len(group["by"]) == 1]
    shown = {
        "by how faces are labelled": single,
        f"the worst crossings of at least {LEAST} examples": worst_crossings(task, groups),
    }
    return [_table(task, title, rows) for title, rows in shown.items() if rows]


def _table(task: Task, title: str, rows: list[Group]) -> Table:
    table = Table(title=f"{task.name}, {title} (95% interval)", title_justify="left")
    table.add_column("label")
    table.add_column("examples", justify="right")
    for name in rows[0]["figures"]:
        table.add_column(FIGURE_NAMES[name].format(unit=task.unit))
    for labels, together in itertools.groupby(rows, key=lambda row: list(row["by"])):
        for row in together:
            words = ", ".join(f"{label} {row['by'][label]}" for label in labels)
            figures = (in_words(name, figure) for name, figure in row["figures"].items())
            table.add_row(words, str(row["count"]), *figures)
        table.add_section()
    return table


def in_words(name: str, figure: dict[str, float | None]) -> str:
    """A figure with its 95% interval, if it has one."""
    style = {"mae": ".1f", "mean_signed_error": "+.1f"}.get(name, ".1%")
    value, low, high = (None if end is None else format(end, style) for end in figure.values())
    return f"{value}" if low is None or high is None else f"{value} ({low.strip('%')} to {high.strip('%')})"


def ungrouped_in_words(task: Task, count: int, lacking: dict[str, int]) -> str:
    """Which labels a task's `count` examples can't be split by, or not all of them, in one line."""
    never = [label for label, lacks in lacking.items() if lacks == count]
    partly = [f"{lacks} of {count} by {label}" for label, lacks in lacking.items() if lacks < count]
    clauses = [f"can't be split by {', '.join(never)}, which its examples have no label for"] if never else []
    clauses += [f"left out, as no label tells the group: {', '.join(partly)}"] if partly else []
    return f"{task.name}: {'; '.join(clauses)}"


def wilson(right: int, count: int) -> tuple[float, float]:
    """The 95% interval of a share, right / count.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    share, z2 = right / count, Z * Z
    centre = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = Z * math.sqrt(share * (1 - share) / count + z2 / (4 * count * count)) / (1 + z2 / count)
    low = centre - half if right else 0.0  # without what rounding leaves
    return low, centre + half if right < count else 1.0


def bootstrap(values: np.ndarray) -> tuple[float, float] | tuple[None, None]:
    """The 95% interval of the mean of values [N], by percentiles of resampled means; one value has none.

    The draws are the same on every call. Of a handful of values it is too narrow.

    Source: Efron 1979, "Bootstrap methods: another look at the jackknife".
    """
    if len(values) < 2:
        return None, None
    rng = np.random.default_rng(0)
    at_once = max(1, 2**20 // len(values))  # bounds the memory
    means = [
        values[
            rng.integers(len(values), size=(min(at_once, DRAWS - drawn), len(values)), dtype=np.int32)
        ].mean(axis=1)
        for drawn in range(0, DRAWS, at_once)
    ]
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    return float(low), float(high)


def _known(task: Task, predictions: Mapping[str, np.ndarray]) -> np.ndarray:
    return predictions[f"label_{task.name}"] != MISSING


def _codes(task: Task, predictions: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The code by each grouping label of each example that has a label for `task`."""
    known = _known(task, predictions)
    ages = labels_of(TASKS["age"], predictions, "label_")[known]
    bands = np.searchsorted(list(AGE_BANDS.values()), ages, "right") - 1  # MISSING stays -1; [N, 2]
    return {
        "age": np.where(bands[:, 0] == bands[:, 1], bands[:, 0], MISSING),
        "gender": predictions["label_gender"][known],
        "race": predictions["group"][known],
    }


def _names(label: str, codes: np.ndarray) -> list[tuple[int, str]]:
    if label == "race":
        words = dict(enumerate(RACE_WORDS))
        return [
            (code, f"code {code} ({words[code]})" if code in words else f"code {code}")
            for code in np.unique(codes[codes != MISSING]).tolist()
        ]
    return list(enumerate(AGE_BANDS if label == "age" else TASKS["gender"].labels))


def _per_example(task: Task, predictions: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What each figure is the mean of, for each example that has a label for `task`; bool: a share."""
    known = _known(task, predictions)
    answers, labels = predictions[task.name][known], labels_of(task, predictions, "label_")[known]
    if task.kind == "distribution":
        error = signed_error(answers.astype(np.float64), labels)
        return {"mae": np.abs(error), "within_5": np.abs(error) <= 5, "mean_signed_error": error}
    return {"accuracy": chosen(answers) == labels}


def _group(by: dict[str, str], values: Mapping[str, np.ndarray]) -> Group:
    figures = {name: _mean_with_interval(value) for name, value in values.items()}
    return {"by": by, "count": len(next(iter(values.values()))), "figures": figures}


def _mean_with_interval(values: np.ndarray) -> dict[str, float | None]:
    low, high = wilson(int(values.sum()), len(values)) if values.dtype == bool else bootstrap(values)
    return {"value": float(values.mean()), "low": low, "high": high}
