"""How good answers are: during training, on batches; in evaluation, on all answers."""

from typing import Any

import keras
import numpy as np
from keras import ops

from multitask.tasks import Task


class AnswerError(keras.metrics.Mean):
    """Weighted mean over examples of how wrong (distribution: absolute error) or right (else) answers are."""

    def __init__(self, task: Task, full_name: bool = False) -> None:
        # Keras puts the task's name before the metric's if the model has several outputs.
        super().__init__(name=f"{task.name}_{main_metric(task)}" if full_name else main_metric(task))
        self.task = task

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Takes in labels [N], logits [N, units] and weights [N]."""
        super().update_state(_per_example(self.task, y_true, y_pred), sample_weight)

    def get_config(self) -> dict[str, Any]:
        """The task's name: enough for the record that a saved model keeps of how it was trained."""
        return {"task": self.task.name}


def main_metric(task: Task) -> str:
    """The name of the figure a task is judged by: "mae" (lower is better) or "accuracy"."""
    return "mae" if task.kind == "distribution" else "accuracy"


def _per_example(task: Task, y_true: Any, y_pred: Any) -> Any:
    answer = task.decode(y_pred)[task.name]
    y_true = ops.cast(ops.reshape(y_true, (-1,)), "float32")
    if task.kind == "distribution":
        return ops.abs(answer - y_true)
    chosen = ops.argmax(answer, axis=-1) if task.kind == "categorical" else answer > 0.5
    return ops.cast(ops.equal(ops.cast(chosen, "float32"), y_true), "float32")


def evaluate_answers(task: Task, answers: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """The figures of one task.

    Args:
        answers: as `Task.decode` gives them under the task's name, [N] or [N, units].
        labels: [N], all known.

    Returns:
        count; distribution: mae, in the task's unit, and within_5, the share at most 5 units off; else
        accuracy, macro_f1 (mean over the classes that occur) and confusion, counts [label][answer].
    """
    if task.kind == "distribution":
        error = np.abs(answers - labels)
        return {"count": len(labels), "mae": float(error.mean()), "within_5": float((error <= 5).mean())}
    chosen = answers.argmax(-1) if task.kind == "categorical" else (answers > 0.5).astype(int)
    confusion = np.zeros((len(task.labels), len(task.labels)), int)
    np.add.at(confusion, (labels.astype(int), chosen), 1)
    right, of_label, of_answer = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    f1 = 2 * right[of_label > 0] / (of_label + of_answer)[of_label > 0]
    return {
        "count": len(labels),
        "accuracy": float(right.sum() / len(labels)),
        "macro_f1": float(f1.mean()),
        "confusion": confusion.tolist(),
    }
