"""What a training step takes and what feeds it: each a step of benchmarks.child."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import memory, steps
from benchmarks.ways import Way
from multitask.tasks import MISSING, TASKS
from training.cache import Pixels
from training.config import Augmentation
from training.labels import COLUMNS
from training.pipeline import Examples, load_examples, training_batches

TASK_LIST = tuple(TASKS.values())
FULL = Augmentation(
    shift=0.1, brightness=0.2, contrast=0.2, rotation=0.03, zoom=0.1, grey=0.2, blur=0.5, erasing=0.5
)
"""All that varies pictures, at once."""

STEP, CACHED, DECODED, BEYOND_MEMORY = "training step", "from cache", "decoding", "larger than memory"
"""What `build` makes: a step of the default trunk; batches decoded before; batches decoded on the fly; and
batches from a file on disk that is twice the machine's memory."""


def build(
    way: Way, trunk: str, datasets: tuple[str, ...], data_dir: Path | None, batch_size: int, image_size: int
) -> tuple[int, Callable[[], object]]:
    """Bytes held before, and a step: of training, or one batch of the stream that feeds it."""
    if way.name == STEP:
        return steps.training_step(way, trunk, batch_size, image_size)
    if way.name == BEYOND_MEMORY:
        examples = _beyond_memory(image_size)
    else:
        examples = load_examples(datasets, "train", TASK_LIST, image_size, data_dir, cache=way.name == CACHED)
    held = memory.begin()
    batches = iter(training_batches(examples, TASK_LIST, batch_size, seed=0, augmentation=FULL))
    return held, lambda: next(batches)


def _beyond_memory(image_size: int) -> Examples:
    # A sparse file, which the system reads as zeros page by page: it fills the file cache as a written one
    # would, and takes no room on disk.
    rows = 2 * memory.of_machine() // (3 * image_size**2)
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|u1", "fortran_order": False, "shape": (rows, image_size, image_size, 3)}
        )
        file.truncate(file.tell() + rows * 3 * image_size**2)
        file.flush()
        pixels = Pixels(Path(file.name))  # which keeps the file open after its name is gone
    table: dict[str, Any] = {name: np.full(rows, MISSING, np.int32) for name in COLUMNS}
    table |= {"source": np.zeros(rows, np.int8), "row": np.arange(rows, dtype=np.int32)}
    table["gender"] = np.zeros(rows, np.int8)
    return Examples((pixels,), table)
