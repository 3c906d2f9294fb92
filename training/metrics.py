"""How good answers are: during training, on batches; in evaluation, on all answers."""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from multitask.tasks import Task
from training.labels import signed_error

BINS = 15
"""Of the calibration error, as in the paper."""


class AnswerError(keras.metrics.Mean):
    """Weighted mean over examples of how wrong (distribution: absolute error) or right (else) answers are.

    The error against an interval is the distance to it, 0 within.
    """

    def __init__(self, task: Task, full_name: bool = False) -> None:
        # Keras puts the task's name before the metric's if the model has several outputs.
        super().__init__(name=f"{task.name}_{main_metric(task)}" if full_name else main_metric(task))
        self.task = task

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Takes in labels as `WeightedMeanLoss` has them, logits [N, units] and weights [N]."""
        super().update_state(_per_example(self.task, y_true, y_pred), sample_weight)

    def get_config(self) -> dict[str, Any]:
        """The task's name: enough for the record that a saved model keeps of how it was trained."""
        return {"task": self.task.name}


def main_metric(task: Task) -> str:
    """The name of the figure a task is judged by: "mae" (lower is better) or "accuracy"."""
    return next(iter(FIGURES[task.kind]))


def _per_example(task: Task, y_true: Any, y_pred: Any) -> Any:
    answer = task.decode(y_pred)[task.name]
    y_true = ops.cast(y_true, "float32")
    y_true = y_true[:, None] if len(y_true.shape) == 1 else y_true
    if task.units > 1 and y_true.shape[-1] == task.units:  # by its mean, or its most probable class
        values = ops.arange(task.units, dtype="float32")
        mean = ops.sum(y_true * values, axis=-1)
        y_true = (mean if task.kind == "distribution" else ops.argmax(y_true, axis=-1))[:, None]
    if task.kind == "distribution":
        return ops.abs(answer - ops.clip(answer, y_true[:, 0], y_true[:, -1]))
    label = y_true[:, 0]
    chosen = ops.argmax(answer, axis=-1) if task.kind == "categorical" else answer > 0.5
    if task.kind == "binary":
        label = label > 0.5
    return ops.cast(ops.equal(ops.cast(chosen, "float32"), ops.cast(label, "float32")), "float32")


def evaluate_answers(task: Task, answers: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """The figures of one task.

    Args:
        answers: as `Task.decode` gives them under the task's name, [N] or [N, units].
        labels: [N], of a distribution also intervals [N, 2], from and to, all known.

    Returns:
        count; every figure of `FIGURES[task.kind]`, None where it is not defined; intervals, how many labels
        are, if any; for tasks with classes also confusion, counts [label][answer].
    """
    found: dict[str, Any] = {"count": len(labels)}
    if intervals := int((labels[:, 0] < labels[:, 1]).sum()) if labels.ndim == 2 else 0:
        found["intervals"] = intervals
    for name, figure in FIGURES[task.kind].items():
        value = figure(answers, labels)
        found[name] = None if math.isnan(value) else value
    if task.labels:
        found["confusion"] = _confusion(answers, labels).tolist()
    return found


def chosen(answers: np.ndarray) -> np.ndarray:
    """The class that probabilities [N, units], or those of label 1 [N], speak for: int [N]."""
    return answers.argmax(-1) if answers.ndim == 2 else (answers > 0.5).astype(int)


def mae(answers: np.ndarray, labels: np.ndarray) -> float:
    """Mean absolute error, in the task's unit; of an interval the distance to it."""
    return float(np.abs(signed_error(answers, labels)).mean())


def within_5(answers: np.ndarray, labels: np.ndarray) -> float:
    """Share of answers at most 5 units off."""
    return float((np.abs(signed_error(answers, labels)) <= 5).mean())


def accuracy(answers: np.ndarray, labels: np.ndarray) -> float:
    """Share of examples whose chosen class is the label."""
    return float((chosen(answers) == labels).mean())


def macro_f1(answers: np.ndarray, labels: np.ndarray) -> float:
    """Mean of F1 = 2 right / (labelled so + answered so) over the classes that occur among the labels."""
    confusion = _confusion(answers, labels)
    right, of_label, of_answer = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    return float((2 * right[of_label > 0] / (of_label + of_answer)[of_label > 0]).mean())


def roc_auc(answers: np.ndarray, labels: np.ndarray) -> float:
    """Probability that an example of label 1 is ranked above one of label 0, ties counting half.

    It is the area under the ROC curve, by Mann and Whitney's U (Hanley and McNeil 1982, "The meaning and use
    of the area under a receiver operating characteristic (ROC) curve"); nan where a class is missing.
    """
    negatives, positives = np.sort(answers[labels == 0]), np.sort(answers[labels == 1])
    if not (len(negatives) and len(positives)):
        return math.nan
    below = np.searchsorted(negatives, positives, "left").sum()
    not_above = np.searchsorted(negatives, positives, "right").sum()
    return float((below + not_above) / (2 * len(negatives) * len(positives)))


def calibration_error(answers: np.ndarray, labels: np.ndarray) -> float:
    """Expected calibration error: how far the chosen class's probability is from the share that is right.

    ECE = sum_m |B_m| / N |accuracy(B_m) - confidence(B_m)|, B_m the examples whose chosen class has a
    probability in ((m - 1) / 15, m / 15].

    The bins are of equal width, as in the paper and most published figures, so that it can be read beside
    those. Like every binned estimate it is above 0 by chance alone, the more so the fewer the examples.

    Source: Guo et al. 2017, "On calibration of modern neural networks", eq. 5.
    """
    confidence = answers.max(-1) if answers.ndim == 2 else np.maximum(answers, 1 - answers)
    gap = (chosen(answers) == labels) - confidence.astype(np.float64)
    bins = np.ceil(confidence * BINS).astype(int)
    return float(np.abs(np.bincount(bins, weights=gap)).sum() / len(labels))


def _confusion(answers: np.ndarray, labels: np.ndarray) -> np.ndarray:
    units = answers.shape[1] if answers.ndim == 2 else 2
    pairs = labels.astype(int) * units + chosen(answers)
    return np.bincount(pairs, minlength=units * units).reshape(units, units)  # [label, answer]


FIGURES: dict[str, dict[str, Callable[[np.ndarray, np.ndarray], float]]] = {
    "distribution": {"mae": mae, "within_5": within_5},
    "categorical": {"accuracy": accuracy, "macro_f1": macro_f1, "calibration_error": calibration_error},
    "binary": {
        "accuracy": accuracy,
        "macro_f1": macro_f1,
        "roc_auc": roc_auc,
        "calibration_error": calibration_error,
    },
}
"""What a kind of task is judged by, its main figure first.

(answers [N] or [N, units], labels [N], of a distribution also intervals [N, 2], all known) -> figure.
"""

LOWER_IS_BETTER = frozenset({"mae", "calibration_error"})
"""The figures of which less is better; of all others more is."""
