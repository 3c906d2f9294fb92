"""What stands between a trunk's features and a task's logits."""

import keras
from keras import layers

from multitask.tasks import Task


def head(task: Task, dropout: float = 0.0) -> list[keras.Layer]:
    """Layers from features [N, F] to logits [N, task.units], in order.

    The last is named as the task; it computes in float32 under any policy, as softmax and sigmoid need.
    """
    return [
        layers.Dropout(dropout, name=f"{task.name}_dropout"),
        layers.Dense(task.units, dtype="float32", name=task.name),
    ]
