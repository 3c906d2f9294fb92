"""The functional approach: one trunk shared by a head for each task."""

from collections.abc import Iterable
from pathlib import Path

import keras

from models.heads import head
from models.trunks import build_trunk
from multitask.tasks import Task


def build(
    tasks: Iterable[Task],
    trunk: str,
    image_size: int,
    dropout: float = 0.0,
    weights: str | Path | None = None,
) -> keras.Model:
    """One network: uint8 [N, image_size, image_size, 3] -> {task name: logits [N, units]}.

    Trunk and weights are as `build_trunk` takes them.
    """
    image = keras.Input((image_size, image_size, 3), dtype="uint8", name="image")
    features = build_trunk(trunk, image_size, weights)(image)
    logits = {}
    for task in tasks:
        x = features
        for layer in head(task, dropout):
            x = layer(x)
        logits[task.name] = x
    return keras.Model(image, logits, name=f"functional_{trunk.replace(':', '_')}")
