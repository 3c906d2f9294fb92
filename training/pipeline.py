"""Examples to (images, labels, weights) batches; the training stream is a function of seed and step.

Pictures come decoded from `training.cache` or encoded from `training.records`; either way `multitask.images`
reads them, any example is at hand in any order, and none has to stay in memory.
"""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from multitask.errors import UserError
from multitask.images import decode_images
from multitask.losses import loss_of
from multitask.tasks import MISSING, Task
from training.augment import Labels, augment, mix, weighted_mean
from training.cache import decoded
from training.config import Augmentation, TrainConfig
from training.datasets.prepare import prepare
from training.labels import labels_of
from training.records import Records, indexed

MIXUP = 1
"""What tells the draws of mixup from those of `augment`, of the same seed."""


@dataclass(frozen=True)
class Examples:
    """Pictures with their labels.

    Args:
        pixels: of each source, Pixels or an array uint8 [rows, S, S, 3]; or of all of them Records.
        table: columns [N]: "source" and "row", which say where an example's pixels are, each task's label as
            `training.labels` has it, "group", "id"; -1 where unknown.
    """

    pixels: tuple[Any, ...]
    table: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.table["row"])

    def take(self, indices: np.ndarray) -> "Examples":
        """The examples at `indices` (or where a mask is true), in that order."""
        return Examples(self.pixels, {name: column[indices] for name, column in self.table.items()})

    def labelled(self, task: Task) -> np.ndarray:
        """Which examples have a label for `task`, bool [N]."""
        return self.table[task.name] != MISSING

    def images(self, indices: np.ndarray) -> np.ndarray:
        """Pixels of the examples at `indices` [N]: uint8 [N, S, S, 3]."""
        found = self._rows(indices)
        return found if found.dtype == np.uint8 else decode_images(found, self.shape[0]).numpy()

    def read(self, indices: tf.Tensor) -> tf.Tensor:
        """The same in graph, where encoded pictures are decoded side by side."""
        shape = (indices.shape[0], *self.shape)
        if isinstance(self.pixels[0], Records):
            encoded = tf.numpy_function(self._rows, [indices], tf.string, stateful=False)
            return tf.ensure_shape(decode_images(encoded, self.shape[0]), shape)
        return tf.ensure_shape(tf.numpy_function(self._rows, [indices], tf.uint8, stateful=False), shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one picture: (S, S, 3)."""
        return self.pixels[0].shape[1:]

    def _rows(self, indices: np.ndarray) -> np.ndarray:
        source, row = self.table["source"][indices], self.table["row"][indices]
        decoded = not isinstance(self.pixels[0], Records)
        found = np.empty((len(indices), *self.shape), np.uint8) if decoded else np.empty(len(indices), object)
        for number, rows in enumerate(self.pixels):
            here = source == number
            found[here] = rows[row[here]]
        return found


@dataclass(frozen=True)
class Taught:
    """What teachers answer to training pictures.

    Args:
        answers: of each task, distributions float [N, units].
        share: what they count beside a label, above 0; a label counts 1 - share.
    """

    answers: dict[str, np.ndarray]
    share: float

    def blend(self, indices: tf.Tensor, labels: Labels, weights: Labels) -> tuple[Labels, Labels]:
        """Labels {task: [N, units]} and weights {task: [N]} of the examples at `indices`, with the answers.

        Source: Hinton et al. 2015, "Distilling the knowledge in a neural network", section 2.
        """
        labels, weights = dict(labels), dict(weights)
        for task, answers in self.answers.items():
            answer = tf.gather(tf.constant(answers, tf.float32), indices)
            weights[task], labels[task] = weighted_mean(
                ((1 - self.share) * weights[task], labels[task]),
                (tf.fill(tf.shape(indices), self.share), answer),
            )
        return labels, weights


def examples_of(config: TrainConfig, *splits: str, larger: int = 1) -> Examples:
    """Splits of the data that `config` names, for the tasks that it chooses; as `load_examples`.

    Args:
        config: of the run.
        splits: names.
        larger: of how many times the network's height and width the pictures are.
    """
    return load_examples(
        config.datasets,
        splits,
        config.chosen_tasks,
        larger * config.image_size,
        config.data_dir,
        config.manual_dir,
        config.cache,
    )


def load_examples(
    datasets: Iterable[str],
    splits: str | Sequence[str],
    tasks: Iterable[Task],
    image_size: int,
    data_dir: Path | None = None,
    manual_dir: Path | None = None,
    cache: bool = True,
) -> Examples:
    """The examples of all `datasets` that have a label for any of `tasks`; prepares what is not yet prepared.

    A dataset without a split adds none of it. With `cache` pictures are decoded once, to disk; without,
    whenever they are read.

    Raises:
        UserError: an unknown dataset or split, or an archive that is not there.
    """
    builders = [prepare(name, data_dir, manual_dir) for name in datasets]
    known = dict.fromkeys(name for builder in builders for name in builder.info.splits)
    splits = (splits,) if isinstance(splits, str) else splits
    for split in splits:
        if split not in known:
            sources = ", ".join(builder.name for builder in builders)
            raise UserError(f"a split of {sources} must be one of {', '.join(known)}; received {split!r}")
    pixels, tables = [], []
    parts = [(builder, split) for split in splits for builder in builders if split in builder.info.splits]
    for number, (builder, split) in enumerate(parts):
        array, table = (decoded if cache else indexed)(builder, split, image_size)
        rows = np.arange(len(array))
        pixels.append(array)
        tables.append({**table, "source": np.full_like(rows, number), "row": rows})
    joined = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    examples = Examples(tuple(pixels), joined)
    return examples.take(np.any([examples.labelled(task) for task in tasks], axis=0))


def batch_indices(count: int, batch_size: int, seed: int, step: int) -> np.ndarray:
    """Which of `count` examples stand in the batch of `step`, int [batch_size].

    Epoch e is the permutation drawn from (seed, e); epochs follow each other without a break.
    """
    positions = np.arange(step * batch_size, (step + 1) * batch_size)
    return np.concatenate(
        [_permutation(count, seed, epoch)[positions[positions // count == epoch] % count]
         for epoch in range(positions[0] // count, positions[-1] // count + 1)]
    )  # fmt: skip


def training_batches(
    examples: Examples,
    tasks: Iterable[Task],
    batch_size: int,
    seed: int,
    first_step: int = 0,
    augmentation: Augmentation | None = None,
    mixup: float = 0.0,
    taught: Taught | None = None,
    image_size: int | None = None,
) -> tf.data.Dataset:
    """Endless full batches from `first_step` on, in the order and with the variations that `seed` draws.

    S is `image_size`, to which an augmentation brings larger pictures, or that of the pictures.

    Yields:
        images uint8 [batch_size, S, S, 3], {task: label [batch_size], of a quantity [batch_size, 2], from and
        to}, {task: weight float32 [batch_size]}; a missing label is a valid 0 with weight 0. By mixup and
        what is `taught`, labels are distributions [batch_size, units].
    """
    tasks = tuple(tasks)

    def indices(step: np.int64) -> np.ndarray:
        return batch_indices(len(examples), batch_size, seed, int(step))

    def batch(step: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        chosen = tf.numpy_function(indices, [step], tf.int64, stateful=False)
        chosen = tf.ensure_shape(chosen, (batch_size,))
        images = examples.read(chosen)
        labels, weights = labels_and_weights(chosen)
        drawn = tf.stack([tf.constant(seed, tf.int64), step])
        if augmentation is not None:
            images = augment(images, drawn, augmentation, image_size)
        if taught or mixup:
            labels = {task.name: loss_of(task).targets(labels[task.name], task.units) for task in tasks}
        if taught:
            labels, weights = taught.blend(chosen, labels, weights)
        if mixup:
            fresh = tf.random.experimental.stateless_fold_in(drawn, MIXUP)
            images, labels, weights = mix(images, labels, weights, fresh, mixup)
        return images, labels, weights

    labels_and_weights = _labels_and_weights(examples, tasks)
    steps = tf.data.Dataset.counter(first_step)
    return steps.map(batch, num_parallel_calls=2, deterministic=True).prefetch(2)


def evaluation_batches(examples: Examples, tasks: Iterable[Task], batch_size: int) -> tf.data.Dataset:
    """All examples once, in order; the last batch is filled up with copies of weight 0.

    Yields:
        As `training_batches`.
    """
    labels_and_weights = _labels_and_weights(examples, tasks)

    def batch(step: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        positions = step * batch_size + tf.range(batch_size, dtype=tf.int64)
        inside = positions < len(examples)
        indices = tf.where(inside, positions, 0)
        labels, weights = labels_and_weights(indices)
        return (
            examples.read(indices),
            labels,
            {name: weight * tf.cast(inside, tf.float32) for name, weight in weights.items()},
        )

    steps = tf.data.Dataset.range(-(-len(examples) // batch_size))
    return steps.map(batch, num_parallel_calls=2, deterministic=True).prefetch(2)


def _labels_and_weights(examples: Examples, tasks: Iterable[Task]):  # type: ignore[no-untyped-def]
    columns = {}
    for task in tasks:
        known = examples.labelled(task)
        dtype = np.float32 if task.kind == "distribution" else np.int64
        labels = labels_of(task, examples.table).astype(dtype)
        labels[~known] = 0
        columns[task.name] = tf.constant(labels), tf.constant(known.astype(np.float32))

    def at(indices: tf.Tensor) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        labels = {name: tf.gather(column, indices) for name, (column, _) in columns.items()}
        weights = {name: tf.gather(column, indices) for name, (_, column) in columns.items()}
        return labels, weights

    return at


@functools.lru_cache(maxsize=4)
def _permutation(count: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(count)
