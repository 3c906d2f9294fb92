"""Puts what is asked at the same time into one call; queues as in TensorFlow's shared_batch_scheduler.h.

There are no threads of its own: the first request of a batch computes it for all of them. So one that comes
alone is answered where it is, and nothing of a model is held but by its requests. Who asks from an event loop
takes no thread either, unless it leads.
"""

import asyncio
import contextlib
import math
import os
import threading
import time
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from anyio import CapacityLimiter, to_thread

from serving.errors import Refused
from serving.merging import Arrays, Compute, Task, compute_together, joined
from serving.metrics import BATCH_SIZE, QUEUE_LENGTH, QUEUING_LATENCY


@dataclass(frozen=True)
class BatchingParameters:
    """TensorFlow Serving's, with its defaults.

    Args:
        max_batch_size: rows of a batch, and of a request.
        batch_timeout_micros: microseconds that a batch waits for more rows.
        max_enqueued_batches: how many may wait for a signature and shape of inputs.
        num_batch_threads: how many are computed at the same time.
        allowed_batch_sizes: a batch is filled with copies of its last row up to the next of these.
        pad_variable_length_inputs: whether inputs that differ in other axes than the first are made alike,
            by copies of their first element.
        max_execution_batch_size: rows of a batch, where a request may have more and is computed in parts.
    """

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    num_batch_threads: int = os.cpu_count() or 1
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False
    max_execution_batch_size: int | None = None

    @property
    def batch_size(self) -> int:
        """Rows of a batch at most."""
        return self.max_execution_batch_size or self.max_batch_size


@dataclass(eq=False)
class Batch:
    """Tasks that wait to be computed together, led by the first."""

    tasks: list[Task] = field(default_factory=list)
    rows: int = 0
    full: threading.Event = field(default_factory=threading.Event)
    taken: bool = False


class AsyncBell:
    """Wakes one who waits in an event loop; made there."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._rung = asyncio.Event()

    def set(self) -> None:
        """Wakes, from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it who waited there
            self._loop.call_soon_threadsafe(self._rung.set)

    async def wait(self, seconds: float | None = None) -> bool:
        """Whether it was woken in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        return self._rung.is_set()


class Batcher:
    """The queues of a server, one for each signature and shape of inputs for as long as something waits.

    Args:
        parameters: how large batches are, and how long and how many may wait.
    """

    def __init__(self, parameters: BatchingParameters) -> None:
        self.parameters = parameters
        self._lock = threading.Lock()
        self._slots = threading.Semaphore(parameters.num_batch_threads)
        self._queues: dict[Hashable, list[Batch]] = {}
        # A leader may not wait for one of the usual threads: those who hold them may wait for its batch.
        self._leaders = CapacityLimiter(math.inf)

    def run(
        self,
        name: str,
        key: Hashable,
        stages: Sequence[Compute],
        inputs: Arrays,
        deadline: float = math.inf,
    ) -> Arrays:
        """What the stages make of the inputs, one after the other, together with others' of the same kind.

        Args:
            name: the model's, for the metrics.
            key: what the stages compute; the same for all that may be computed together.
            stages: arrays to arrays, row by row: as many rows as it is given, at least one.
            inputs: arrays by name, all of the same number of rows, at least one.
            deadline: until when to wait, by time.monotonic().

        Raises:
            Refused: INVALID_ARGUMENT, too many rows; UNAVAILABLE, too many batches wait; DEADLINE_EXCEEDED,
                it waited too long. What a stage raises of a request alone.
        """
        return joined([self._run(name, key, stages, part, deadline) for part in self._parts(inputs)])

    async def run_async(
        self,
        name: str,
        key: Hashable,
        stages: Sequence[Compute],
        inputs: Arrays,
        deadline: float = math.inf,
    ) -> Arrays:
        """The same from an event loop."""
        return joined(
            [await self._run_async(name, key, stages, part, deadline) for part in self._parts(inputs)]
        )

    def _parts(self, inputs: Arrays) -> Iterator[Arrays]:
        limit, size = self.parameters.max_batch_size, self.parameters.batch_size
        rows = Task(inputs).rows
        if rows > limit:
            text = f"Task size {rows} is larger than maximum input batch size {limit}"
            raise Refused("INVALID_ARGUMENT", text)
        for start in range(0, rows, size):
            yield {name: array[start : start + size] for name, array in inputs.items()}

    def _run(
        self, name: str, key: Hashable, stages: Sequence[Compute], inputs: Arrays, deadline: float
    ) -> Arrays:
        woken = threading.Event()
        task = Task(inputs, woken)
        key = self._kind(key, inputs)
        batch = self._enqueue(name, key, task)
        if batch.tasks[0] is not task and not woken.wait(_left(deadline)):
            self._withdraw(key, batch, task)
            woken.wait()
        if task.outcome is None:
            self._lead(name, key, stages, batch, deadline)
        return task.result()

    async def _run_async(
        self, name: str, key: Hashable, stages: Sequence[Compute], inputs: Arrays, deadline: float
    ) -> Arrays:
        woken = AsyncBell()
        task = Task(inputs, woken)
        key = self._kind(key, inputs)
        batch = self._enqueue(name, key, task)
        try:
            if batch.tasks[0] is not task and not await woken.wait(_left(deadline)):
                self._withdraw(key, batch, task)
                await woken.wait()
            if task.outcome is None:
                lead = partial(self._lead, name, key, stages, batch, deadline)
                await to_thread.run_sync(lead, limiter=self._leaders)
        except asyncio.CancelledError:
            with contextlib.suppress(Refused):
                self._withdraw(key, batch, task)  # so that a batch does not wait for a leader that is gone
            raise
        return task.result()

    def _kind(self, key: Hashable, inputs: Arrays) -> Hashable:
        return key, *((name, array.dtype, self._shape(array)) for name, array in sorted(inputs.items()))

    def _shape(self, array: np.ndarray) -> tuple[int, ...] | int:
        return array.ndim if self.parameters.pad_variable_length_inputs else array.shape[1:]

    def _enqueue(self, name: str, key: Hashable, task: Task) -> Batch:
        size, most = self.parameters.batch_size, self.parameters.max_enqueued_batches
        with self._lock:
            queue = self._queues.setdefault(key, [])
            QUEUE_LENGTH.observe(sum(batch.rows for batch in queue), name)
            if not queue or queue[-1].rows + task.rows > size:
                if len(queue) >= most:
                    raise Refused(
                        "UNAVAILABLE",
                        "The batch scheduling queue to which this task was submitted is full; currently "
                        f"{len(queue)} batches enqueued and max_enqueued_batches is {most}",
                    )
                if queue:
                    queue[-1].full.set()
                queue.append(Batch())
            batch = queue[-1]
            batch.tasks.append(task)
            batch.rows += task.rows
            if batch.rows == size:
                batch.full.set()
            return batch

    def _lead(
        self, name: str, key: Hashable, stages: Sequence[Compute], batch: Batch, deadline: float
    ) -> None:
        """Computes a batch, once it is full or has waited long enough and a slot is free."""
        leader = batch.tasks[0]
        due = leader.came + self.parameters.batch_timeout_micros / 1e6
        batch.full.wait(_left(min(due, deadline)))
        if time.monotonic() >= deadline or not self._slots.acquire(timeout=_left(deadline)):
            self._withdraw(key, batch, leader)
        try:
            with self._lock:
                batch.taken = True
                self._dequeue(key, batch)
            for task in batch.tasks:
                QUEUING_LATENCY.observe(time.monotonic() - task.came, name)
            BATCH_SIZE.observe(batch.rows, name)
            compute_together(batch.tasks, stages, self.parameters.allowed_batch_sizes)
        finally:
            self._slots.release()
            for task in batch.tasks:
                task.woken.set()

    def _withdraw(self, key: Hashable, batch: Batch, task: Task) -> None:
        """Takes a task that waited too long out of its batch, unless that is being computed.

        Raises:
            Refused: DEADLINE_EXCEEDED, it was taken out.
        """
        with self._lock:
            if batch.taken or task not in batch.tasks:
                return
            batch.tasks.remove(task)
            batch.rows -= task.rows
            if batch.tasks:
                batch.tasks[0].woken.set()  # it leads now
            else:
                self._dequeue(key, batch)
        raise Refused("DEADLINE_EXCEEDED", "Run() timeout exceeded while waiting in batching queue")

    def _dequeue(self, key: Hashable, batch: Batch) -> None:
        self._queues[key].remove(batch)
        if not self._queues[key]:
            del self._queues[key]


def _left(deadline: float) -> float:
    return min(max(deadline - time.monotonic(), 0.0), threading.TIMEOUT_MAX)
