"""Pictures of a prepared split as they lie on disk, encoded, in the files that TFDS wrote.

An index says where in those TFRecord files each one stands: any picture is at hand in any order, nothing is
written a second time, and memory holds none.
"""

import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from training.labels import COLUMNS
from training.progress import track

HEADER, FOOTER = 12, 4
"""Bytes before a record (its length as uint64, a checksum) and after it (a checksum)."""


@dataclass(frozen=True)
class Records:
    """Encoded pictures, a row each.

    Args:
        paths: of the files.
        shard: which of them a row stands in, int [rows].
        offset: where in it, in bytes, int [rows].
        length: of the record, in bytes, int [rows].
        image_size: height and width that they are brought to, in pixels.
    """

    paths: tuple[str, ...]
    shard: np.ndarray
    offset: np.ndarray
    length: np.ndarray
    image_size: int
    _open: list[int] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        self._open.extend(os.open(path, os.O_RDONLY) for path in self.paths)

    def __len__(self) -> int:
        return len(self.shard)

    def __del__(self) -> None:
        for descriptor in self._open:
            os.close(descriptor)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of all pictures once decoded: (rows, S, S, 3)."""
        return len(self), self.image_size, self.image_size, 3

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Encoded pictures [N], bytes each."""
        found = np.empty(len(rows), object)
        for i, row in enumerate(rows):
            # From any thread: a read at a place of its own moves no common position.
            record = os.pread(self._open[self.shard[row]], self.length[row], self.offset[row])
            found[i] = _features(record)["image"].bytes_list.value[0]
        return found


def indexed(
    builder: tfds.core.DatasetBuilder, split: str, image_size: int
) -> tuple[Records, dict[str, np.ndarray]]:
    """The pictures and the COLUMNS [rows] of a prepared split.

    The first time all of it is read once; the index stays in the prepared dataset's own folder.
    """
    split_info = builder.info.splits[split]
    paths = tuple(map(str, split_info.filepaths))
    kept = Path(builder.data_path) / f"records_{split}.npz"
    if not kept.exists():
        unfinished = kept.with_name(f".{os.getpid()}_{kept.name}")
        records = track(_records(paths), f"reading {builder.name} {split}", split_info.num_examples)
        np.savez(unfinished, allow_pickle=False, **_index(records))
        unfinished.replace(kept)
    with np.load(kept) as index:
        columns = {name: index[name] for name in COLUMNS}
        return Records(paths, index["shard"], index["offset"], index["length"], image_size), columns


def _index(records: Iterable[tuple[int, int, bytes]]) -> dict[str, np.ndarray]:
    rows: dict[str, list[Any]] = {name: [] for name in ("shard", "offset", "length", *COLUMNS)}
    for shard, offset, record in records:
        features = _features(record)
        found: dict[str, Any] = {"shard": shard, "offset": offset, "length": len(record)}
        found |= {name: _value(features[name]) for name in COLUMNS}
        for name, value in found.items():
            rows[name].append(value)
    return {name: np.array(values) for name, values in rows.items()}


def _records(paths: tuple[str, ...]) -> Iterator[tuple[int, int, bytes]]:
    for shard, path in enumerate(paths):
        with open(path, "rb") as file:
            while header := file.read(HEADER):
                (length,) = struct.unpack("<Q", header[:8])
                offset = file.tell()
                yield shard, offset, file.read(length)
                file.seek(FOOTER, os.SEEK_CUR)


def _features(record: bytes) -> Any:
    return tf.train.Example.FromString(record).features.feature


def _value(feature: tf.train.Feature) -> Any:
    return getattr(feature, feature.WhichOneof("kind")).value[0]
