"""Several requests computed by one call, and its answer taken apart again."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

Arrays = dict[str, np.ndarray]
Compute = Callable[[Arrays], Arrays]


class Bell(Protocol):
    """What wakes one who waits, from any thread: threading.Event, or `batching.AsyncBell`."""

    def set(self) -> None:
        """Wakes."""


@dataclass(eq=False)
class Task:
    """A request's inputs, and what comes of them. Woken when that is there, or to lead its batch."""

    inputs: Arrays
    woken: Bell = field(default_factory=threading.Event)
    came: float = field(default_factory=time.monotonic)
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


def compute_together(
    tasks: Sequence[Task], stages: Sequence[Compute], allowed_sizes: Sequence[int] = ()
) -> None:
    """Gives each task its outcome: what the stages make of its inputs, each of what the one before made.

    A stage is one call for all, if that answers row by row; else one call each, and who fails leaves.

    Args:
        tasks: inputs of the same names, types and shapes but for the first axis.
        stages: arrays to arrays.
        allowed_sizes: rows that the last stage is given.
    """
    groups: Sequence[Sequence[Task]] = [tasks]
    for stage in stages[:-1]:
        for group in groups:
            _compute(group, stage)
        groups = _handed_on(task for group in groups for task in group)
    for group in groups:
        _compute(group, stages[-1], allowed_sizes)


def _handed_on(tasks: Iterable[Task]) -> list[list[Task]]:
    """Those that did not fail, with their outcome as inputs, by type and shape of these."""
    groups: dict[tuple, list[Task]] = {}
    for task in tasks:
        if isinstance(task.outcome, dict):
            task.inputs, task.outcome = task.outcome, None
            kind = (*((name, array.dtype, array.shape[1:]) for name, array in task.inputs.items()),)
            groups.setdefault(kind, []).append(task)
    return list(groups.values())


def _compute(tasks: Sequence[Task], compute: Compute, allowed_sizes: Sequence[int] = ()) -> None:
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
    """Arrays by name, the parts' one after the other; of a single part, what they are."""
    if len(parts) == 1:
        return parts[0]
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
    if all(len(array) == rows for array in inputs.values()):
        return inputs
    return {
        name: np.concatenate([array, np.repeat(array[-1:], rows - len(array), axis=0)])
        for name, array in inputs.items()
    }
