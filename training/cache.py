"""Pictures of a prepared split, decoded once: an uncompressed array on disk, read row by row as needed.

Any picture is at hand in any order, and memory holds none: not even as pages mapped into it, which would
count as this process's own. What fits, the system keeps in its file cache.
"""

import hashlib
import inspect
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from multitask import images as image_reading
from multitask.errors import UserError
from training.labels import COLUMNS
from training.progress import track


class Pixels:
    """Decoded pictures in a file of NumPy's format, a row each: uint8 [rows, S, S, 3].

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDONLY)
        self._path = path
        mapped = np.load(path, mmap_mode="r")
        self.shape: tuple[int, ...] = mapped.shape
        self._first = mapped.offset

    def __len__(self) -> int:
        return self.shape[0]

    def __del__(self) -> None:
        os.close(self._file)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Pixels of rows [N]: uint8 [N, S, S, 3]."""
        found = np.empty((len(rows), *self.shape[1:]), np.uint8)
        size = found[:1].nbytes
        for row, pixels in zip(rows.tolist(), found, strict=True):
            # From any thread: a read at a place of its own moves no common position.
            if os.preadv(self._file, [pixels], self._first + row * size) < size:
                raise OSError(f"{self._path} ends before row {row}: remove its folder, and it is made anew")
        return found


def decoded(
    builder: tfds.core.DatasetBuilder, split: str, image_size: int
) -> tuple[Pixels, dict[str, np.ndarray]]:
    """The pictures and the COLUMNS [rows] of a prepared split.

    What is not there yet is decoded now. They lie in the prepared dataset's own folder and so go with it;
    their name holds what the decoding depends on.
    """
    reading = hashlib.sha256(inspect.getsource(image_reading).encode()).hexdigest()[:8]
    folder = Path(builder.data_path) / f"pixels_{image_size}_{reading}" / split
    if not folder.exists():
        _decode(builder, split, image_size, folder)
    with np.load(folder / "table.npz") as table:
        columns = {name: table[name] for name in COLUMNS}
    return Pixels(folder / "pixels.npy"), columns


def _decode(builder: tfds.core.DatasetBuilder, split: str, image_size: int, folder: Path) -> None:
    folder.parent.mkdir(exist_ok=True)
    count = builder.info.splits[split].num_examples
    size, free = count * image_size**2 * 3, shutil.disk_usage(folder.parent).free
    if (
        free < 1.1 * size
    ):  # it is written by mapping it into memory, which ends the process where the disk does
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
    in_order = tfds.ReadConfig(interleave_cycle_length=1)  # file after file, as `training.records` has them
    decoders = {"image": tfds.decode.SkipDecoding()}
    examples = builder.as_dataset(split, decoders=decoders, shuffle_files=False, read_config=in_order)
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
