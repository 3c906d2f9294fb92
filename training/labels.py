"""How a table holds labels: a column a task, and a second one where a label may be an interval."""

from collections.abc import Mapping

import numpy as np

from multitask.tasks import MISSING, TASKS, Task


def columns_of(task: Task) -> tuple[str, ...]:
    """The names of a task's columns: of a quantity its label, and "<task>_to".

    "<task>_to" is the upper end, included, of a label known only to lie in an interval that begins at
    "<task>"; -1 where the label is a point, or unknown.
    """
    return (task.name, f"{task.name}_to") if task.kind == "distribution" else (task.name,)


COLUMNS = (*(column for task in TASKS.values() for column in columns_of(task)), "group", "id")
"""What is known of an example beside its picture."""


def labels_of(task: Task, table: Mapping[str, np.ndarray], prefix: str = "") -> np.ndarray:
    """A task's labels [N]; of a quantity [N, 2], from and to, which are alike for a point; -1 unknown.

    Args:
        task: whose labels.
        table: columns [N] named by `columns_of`; without "<task>_to" every label is a point.
        prefix: what stands before the names.
    """
    labels = table[prefix + task.name]
    if task.kind != "distribution":
        return labels
    ends = table.get(f"{prefix}{task.name}_to", labels)
    return np.stack([labels, np.where(ends == MISSING, labels, ends)], axis=-1)


def signed_error(answers: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How far answers [N] are above (below: negative) labels [N], or intervals [N, 2]: 0 within one."""
    low, high = (labels, labels) if labels.ndim == 1 else labels.T
    return answers - np.clip(answers, low, high)
