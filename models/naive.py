"""The naive approach: a network of its own for each task."""

from pathlib import Path

import keras

from models.heads import head
from models.trunks import build_trunk
from multitask.tasks import Task


def build(
    task: Task, trunk: str, image_size: int, dropout: float = 0.0, weights: str | Path | None = None
) -> keras.Sequential:
    """A trunk and one head: uint8 [N, image_size, image_size, 3] -> logits [N, task.units].

    Trunk and weights are as `build_trunk` takes them.
    """
    image = keras.Input((image_size, image_size, 3), dtype="uint8", name="image")
    return keras.Sequential(
        [image, build_trunk(trunk, image_size, weights), *head(task, dropout)],
        name=f"naive_{task.name}_{trunk.replace(':', '_')}",
    )


def with_named_output(task: Task, network: keras.Sequential) -> keras.Model:
    """The same network, its logits under the task's name: labels, losses and answers go by names."""
    return keras.Model(network.inputs[0], {task.name: network.outputs[0]}, name=network.name)
