"""Several requests computed by one call, and its answer taken apart again."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

Arrays = dict[str, np.ndarray]
Compute = Callable[[Arrays], Arrays]


@dataclass(eq=False)
class Task:
    """A request's inputs, and what comes of them. Woken when that is there, or to lead its batch."""

    inputs: Arrays
    came: float = field(default_factory=time.monotonic)
    woken: threading.Event = field(default_factory=threading.Event)
    outcome: Arrays | Exception | None = None

    @property
    def rows(self) -> int:
        """How many the inputs have."""
        return len(next(iter(self.inputs.values())))

    def result(self) -> Arrays:
        """The outputs, once.

        Raises:
            Exception: what computing them raised.
        """
        outcome, self.outcome = self.outcome, None
        try:
            if isinstance(outcome, dict):
                return outcome
            raise outcome or RuntimeError("a batch ended without an outcome")
        finally:
            del outcome  # an error that refers to itself would keep its model loaded


def compute_together(tasks: Sequence[Task], compute: Compute, allowed_sizes: Sequence[int] = ()) -> None:
    """Gives each task its outcome, by one call if that answers row by row, else by one call each."""
    rows = sum(task.rows for task in tasks)
    size = next((size for size in allowed_sizes if size >= rows), rows)
    if len(tasks) > 1 or size > rows:
        try:
            outputs = compute(_padded(joined([task.inputs for task in tasks]), size))
        except Exception:
            outputs = {}  # whose fault it is, shows below
        if outputs and all(array.ndim and len(array) == size for array in outputs.values()):
            start = 0
            for task in tasks:
                end = start + task.rows
                task.outcome = {name: array[start:end] for name, array in outputs.items()}
                start = end
            return
    for task in tasks:
        try:
            task.outcome = compute(task.inputs)
        except Exception as error:
            task.outcome = error


def joined(parts: Sequence[Arrays]) -> Arrays:
    """Arrays by name, the parts' one after the other."""
    return {name: _concatenated([part[name] for part in parts]) for name in parts[0]}


def _concatenated(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Arrays one after the other, each stretched to the largest size of every other axis."""
    shape = tuple(np.max([array.shape[1:] for array in arrays], axis=0).astype(int))
    return np.concatenate(
        [array if array.shape[1:] == shape else _stretched(array, shape) for array in arrays]
    )


def _stretched(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    stretched = np.full((len(array), *shape), array.flat[0], array.dtype)
    stretched[tuple(slice(size) for size in array.shape)] = array
    return stretched


def _padded(inputs: Arrays, rows: int) -> Arrays:
    """Copies of the last row below, up to so many rows."""
    return {
        name: np.concatenate([array, np.repeat(array[-1:], rows - len(array), axis=0)])
        for name, array in inputs.items()
    }
