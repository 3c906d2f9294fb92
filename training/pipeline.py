"""Examples to (images, labels, weights) batches; the training stream is a function of seed and step.

Pictures of a source are decoded once, by `multitask.images`, into an uncompressed array on disk that is
mapped into memory: any example is at hand in any order, and a set larger than memory is read as needed.
"""

import functools
import hashlib
import inspect
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from multitask import images as image_reading
from multitask.errors import UserError
from multitask.tasks import MISSING, TASKS, Task
from training.augment import augment
from training.config import Augmentation
from training.datasets.prepare import prepare
from training.labels import columns_of, labels_of
from training.progress import track

COLUMNS = (*(column for task in TASKS.values() for column in columns_of(task)), "group", "id")


@dataclass(frozen=True)
class Examples:
    """Decoded pictures with their labels.

    Args:
        pixels: uint8 [rows, S, S, 3] of each source.
        table: columns [N]: "source" and "row", which say where an example's pixels are, each task's label as
            `training.labels` has it, "group", "id"; -1 where unknown.
    """

    pixels: tuple[np.ndarray, ...]
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
        source, row = self.table["source"][indices], self.table["row"][indices]
        pixels = np.empty((len(indices), *self.pixels[0].shape[1:]), np.uint8)
        for number, array in enumerate(self.pixels):
            here = source == number
            pixels[here] = array[row[here]]
        return pixels


def load_examples(
    datasets: Iterable[str],
    split: str,
    tasks: Iterable[Task],
    image_size: int,
    data_dir: Path | None = None,
    manual_dir: Path | None = None,
) -> Examples:
    """The examples of all `datasets` that have a label for any of `tasks`; prepares what is not yet prepared.

    A dataset without that split adds none.

    Raises:
        UserError: an unknown dataset or split, or an archive that is not there.
    """
    builders = [prepare(name, data_dir, manual_dir) for name in datasets]
    known = dict.fromkeys(name for builder in builders for name in builder.info.splits)
    if split not in known:
        sources = ", ".join(builder.name for builder in builders)
        raise UserError(f"a split of {sources} must be one of {', '.join(known)}; received {split!r}")
    pixels, tables = [], []
    for number, builder in enumerate(b for b in builders if split in b.info.splits):
        array, table = _decoded(builder, split, image_size)
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
) -> tf.data.Dataset:
    """Endless full batches from `first_step` on, in the order and with the variations that `seed` draws.

    Yields:
        images uint8 [batch_size, S, S, 3], {task: label [batch_size], of a quantity [batch_size, 2], from and
        to}, {task: weight float32 [batch_size]}; a missing label is a valid 0 with weight 0.
    """

    def pictures(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        def read(step: np.int64) -> tuple[np.ndarray, np.ndarray]:
            indices = batch_indices(len(examples), batch_size, seed, int(step))
            return examples.images(indices), indices

        images, indices = tf.numpy_function(read, [step], (tf.uint8, tf.int64), stateful=False)
        return tf.ensure_shape(images, (batch_size, *examples.pixels[0].shape[1:])), indices

    def batch(step: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        images, indices = pictures(step)
        if augmentation is not None:
            images = augment(images, tf.stack([tf.constant(seed, tf.int64), step]), augmentation)
        return images, *labels_and_weights(tf.ensure_shape(indices, (batch_size,)))

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
        images = tf.numpy_function(examples.images, [indices], tf.uint8, stateful=False)
        images = tf.ensure_shape(images, (batch_size, *examples.pixels[0].shape[1:]))
        labels, weights = labels_and_weights(indices)
        return (
            images,
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


def _decoded(
    builder: tfds.core.DatasetBuilder, split: str, image_size: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Pixels uint8 [rows, S, S, 3], mapped from disk, and columns [rows] of a prepared split.

    They lie in the prepared dataset's own folder and so go with it; their name holds what the decoding
    depends on.
    """
    reading = hashlib.sha256(inspect.getsource(image_reading).encode()).hexdigest()[:8]
    folder = Path(builder.data_path) / f"pixels_{image_size}_{reading}" / split
    if not folder.exists():
        _decode(builder, split, image_size, folder)
    with np.load(folder / "table.npz") as table:
        columns = {name: table[name] for name in COLUMNS}
    return np.load(folder / "pixels.npy", mmap_mode="r"), columns


def _decode(builder: tfds.core.DatasetBuilder, split: str, image_size: int, folder: Path) -> None:
    folder.parent.mkdir(exist_ok=True)
    count = builder.info.splits[split].num_examples
    size, free = count * image_size**2 * 3, shutil.disk_usage(folder.parent).free
    if free < 1.1 * size:  # what is mapped into memory ends the process where the disk does
        raise UserError(
            f"decoded pictures of {builder.name} {split} need {size / 1e6:.0f} MB in {folder.parent}; "
            f"{free / 1e6:.0f} MB are free: make room, or name another data_dir"
        )
    unfinished = Path(tempfile.mkdtemp(prefix=".", dir=folder.parent))  # another process may decode as well
    try:
        _write_decoded(builder, split, image_size, unfinished)
        unfinished.rename(folder)
    except OSError:
        if not folder.exists():
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)  # stopped, or the other one was first


def _write_decoded(builder: tfds.core.DatasetBuilder, split: str, image_size: int, unfinished: Path) -> None:
    count = builder.info.splits[split].num_examples
    pixels = np.lib.format.open_memmap(
        unfinished / "pixels.npy", "w+", np.uint8, (count, image_size, image_size, 3)
    )
    examples = builder.as_dataset(split, decoders={"image": tfds.decode.SkipDecoding()}, shuffle_files=False)
    examples = examples.map(
        lambda example: {**example, "image": image_reading.decode_image(example["image"], image_size)},
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    columns: dict[str, list[np.generic]] = {name: [] for name in COLUMNS}
    progress = track(examples.as_numpy_iterator(), f"decoding {builder.name} {split}", count)
    for row, example in enumerate(progress):
        pixels[row] = example["image"]
        for name in COLUMNS:
            columns[name].append(example[name])
    pixels.flush()
    table = {name: np.array(column) for name, column in columns.items()}
    np.savez(unfinished / "table.npz", allow_pickle=False, **table)
