"""A process that computes in one way: `python -m benchmarks.child`, started and asked by benchmarks.measure.

It imports TensorFlow or PyTorch, whichever its way needs, never both. Each step is built and taken in a fork
of its own: what earlier ones held, or left behind, counts for none.
"""

import contextlib
import importlib
import logging
import os
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from benchmarks import memory

WARM_UP = 3


class Worker:
    """What can be asked for: (name of a method, *arguments).

    Args:
        connection: where answers go: (True, what the method returns) or (False, what went wrong).
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def answer(self, request: str, *arguments: Any) -> None:
        """Answers one request."""
        try:
            answer = True, getattr(self, request)(*arguments)
        except Exception as error:
            lines = (line.strip() for line in str(error).splitlines())
            said = next((line for line in lines if line and not line.endswith(":")), "")
            answer = False, f"{type(error).__name__}: {said}"
        self.connection.send(answer)

    def load(self, steps: str) -> None:
        """Imports the module whose functions build steps: each returns the memory held before, and a step."""
        self.steps = importlib.import_module(steps)

    def build(self, function: str, *arguments: Any) -> None:
        """Builds the step that a function of the module makes, and takes it a few times."""
        self.held: int
        self.step: Callable[[], object]
        self.held, self.step = getattr(self.steps, function)(*arguments)
        for _ in range(WARM_UP):
            self.step()

    def time(self, turn: float) -> tuple[float, float]:
        """Seconds and CPU seconds (of all threads) a step: the means over as many as fill `turn` seconds."""
        steps, start, cpu_start = 0, time.perf_counter(), time.process_time()
        while not steps or time.perf_counter() - start < turn:
            self.step()
            steps += 1
        return (time.perf_counter() - start) / steps, (time.process_time() - cpu_start) / steps

    def memory(self) -> int:
        """Bytes that building and taking the step needed at most, beyond what was held before."""
        return memory.peak() - self.held


def serve(steps: str, connection: Connection) -> None:
    """Answers to `load` unasked; a fork answers a request to build, and others until an empty one comes."""
    worker = Worker(connection)
    worker.answer("load", steps)
    while True:
        request = connection.recv()
        if os.fork() == 0:
            code = 1
            try:
                while request:
                    worker.answer(*request)
                    request = connection.recv()
                code = 0
            finally:
                os._exit(code)  # nothing of what the fork shares with this process is its to take down
        _, status = os.wait()
        if status:
            code = os.waitstatus_to_exitcode(status)
            how = f"killed by signal {-code} (out of memory?)" if code < 0 else f"left with code {code}"
            connection.send((False, f"its process was {how}"))


if __name__ == "__main__":
    logging.getLogger("multitask").setLevel(logging.ERROR)  # that scaling pictures has no twin is no news
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):  # whoever asked is gone
        serve(sys.argv[1], Connection(int(sys.argv[2])))
