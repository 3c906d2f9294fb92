"""What a network answers to examples, batch by batch."""

from collections.abc import Iterable, Iterator

import keras
import numpy as np
import tensorflow as tf

from multitask.tasks import Task
from training.pipeline import Examples, evaluation_batches
from training.progress import track


def logits_of(
    model: keras.Model, tasks: Iterable[Task], examples: Examples, doing: str, batch_size: int = 256
) -> Iterator[dict[str, np.ndarray]]:
    """The logits of all `tasks` for each batch, {name: float32 [N, units]}; the last one may be shorter.

    Args:
        model: uint8 [N, S, S, 3] -> {task: logits}.
        tasks: those to answer.
        examples: in their order.
        doing: what a bar says meanwhile.
        batch_size: pictures at once.
    """
    ask = tf.function(lambda images: model(images, training=False))
    batches = evaluation_batches(examples, tasks, batch_size)
    for number, (images, _, _) in enumerate(track(batches, doing, len(batches))):
        count = min(batch_size, len(examples) - number * batch_size)
        answers = ask(images)
        yield {task.name: np.asarray(answers[task.name], np.float32)[:count] for task in tasks}
