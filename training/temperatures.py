"""Temperatures: by how much a network's answers are surer, or less sure, than they are right.

Blended labels, smoothing and teachers teach a network to be unsure. Its logits divided by one number a task,
found where nothing was learned, tell how often it is right; which class is most likely stays as it is.

Source: Guo et al. 2017, "On calibration of modern neural networks", section 4.2.
"""

from collections.abc import Mapping

import keras
import numpy as np

from multitask.losses import loss_of
from multitask.tasks import Task
from training.answers import logits_of
from training.labels import labels_of
from training.pipeline import Examples

CANDIDATES = np.geomspace(0.25, 4.0, 161)
"""What is tried: steps of 1.7%."""


def find_temperatures(model: keras.Model, tasks: list[Task], examples: Examples) -> dict[str, float]:
    """For each task the temperature by which the loss of `examples`, its labels whole, is lowest.

    Args:
        model: uint8 [N, S, S, 3] -> {task: logits}.
        tasks: those that it has learned; one that no example has a label for gets 1.
        examples: that it has not learned from.
    """
    parts = list(logits_of(model, tasks, examples, "calibrating"))
    found = {}
    for task in tasks:
        known = examples.labelled(task)
        logits = np.concatenate([part[task.name] for part in parts])[known]
        labels = labels_of(task, examples.table)[known].astype(np.float32)
        loss = loss_of(task)
        losses = [float(loss(labels, logits / np.float32(t))) for t in CANDIDATES]
        found[task.name] = float(CANDIDATES[np.argmin(losses)]) if known.any() else 1.0
    return found


def divide_logits(model: keras.Model, temperatures: Mapping[str, float]) -> None:
    """Divides the logits of each task named in `temperatures` by its temperature, in its head's weights."""
    for name, temperature in temperatures.items():
        head = model.get_layer(name)
        head.set_weights([weight / temperature for weight in head.get_weights()])
