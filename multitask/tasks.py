"""The questions a model answers about a face. A new task is one entry in `TASKS`."""

from dataclasses import dataclass
from typing import Any, Literal

from keras import ops

MISSING = -1
"""A label that an example does not have, as the datasets store it."""


@dataclass(frozen=True)
class Task:
    """One question and how a head's logits answer it.

    Args:
        name: key of the head's logits, labels, weights and answers; also the head layer's name.
        kind: "distribution": softmax over the whole numbers 0..units-1 of a quantity, labels are real
            numbers, those beyond the last bin are learned as the last; "categorical": softmax over classes,
            labels are class indices; "binary": one sigmoid unit, labels are 0 or 1.
        units: number of logits.
        labels: class names in the order of their indices; for "binary" those of 0 and 1; empty for
            "distribution".
        unit: what a quantity is counted in.
    """

    name: str
    kind: Literal["distribution", "categorical", "binary"]
    units: int
    labels: tuple[str, ...] = ()
    unit: str = ""

    def decode(self, logits: Any) -> dict[str, Any]:
        """Logits [N, units] to answers, float32.

        Returns:
            distribution: `name` [N], the expectation, and `name_std` [N], the standard deviation, in
            `unit`. categorical: `name` [N, units], probabilities. binary: `name` [N], the probability
            of label 1.
        """
        logits = ops.cast(logits, "float32")
        if self.kind == "binary":
            return {self.name: ops.sigmoid(logits[:, 0])}
        probabilities = ops.softmax(logits)
        if self.kind == "categorical":
            return {self.name: probabilities}
        values = ops.arange(self.units, dtype="float32")
        mean = ops.sum(probabilities * values, axis=-1)
        variance = ops.sum(probabilities * ops.square(values - mean[:, None]), axis=-1)
        return {self.name: mean, f"{self.name}_std": ops.sqrt(variance)}


# Orders and codes differ in every dataset; these are FER2013's emotions and UTKFace's gender codes.
TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task("age", "distribution", 101, unit="years"),
        Task(
            "emotion",
            "categorical",
            7,
            ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"),
        ),
        Task("gender", "binary", 1, ("male", "female")),
    )
}
