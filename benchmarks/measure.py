"""Processes that compute in different ways, take turns, and are compared.

A ratio is the median over the rounds of what two ways took in the same round: the speed of a shared machine
varies more from minute to minute than the ways differ.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import Pipe
from typing import Any

from benchmarks.figures import Figures
from benchmarks.ways import Way
from multitask.errors import UserError


class ChildFailedError(UserError):
    """A process could not do what it was asked for, or has ended."""


class Child:
    """A process that computes in one way; benchmarks.child has what it can be asked for."""

    def __init__(self, way: Way) -> None:
        self.way = way
        self.connection, theirs = Pipe()
        descriptor = theirs.fileno()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.child", way.steps, str(descriptor)],
            pass_fds=[descriptor],
            process_group=0,  # Ctrl-C reaches the command alone, and all that a child starts ends with it
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # NumPy's threads would not survive a fork
        )
        theirs.close()

    def ask(self, request: str, *arguments: Any) -> Any:
        """What that method of benchmarks.child.Worker returns.

        Raises:
            ChildFailedError: it raised an exception, or the process has ended.
        """
        self.request(request, *arguments)
        return self.answer()

    def request(self, *request: Any) -> None:
        """Asks without waiting for the answer; nothing at all lets go what was built, and has none."""
        with contextlib.suppress(OSError):  # that it has ended, the missing answer tells
            self.connection.send(request)

    def answer(self) -> Any:
        """The next answer, as in `ask`."""
        try:
            succeeded, answer = self.connection.recv()
        except (EOFError, OSError):
            raise ChildFailedError(
                f"{self.way.name}: its process ended with exit code {self.process.wait()}"
            ) from None
        if not succeeded:
            raise ChildFailedError(f"{self.way.name}: {answer}")
        return answer

    def stop(self) -> None:
        """Ends the process at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.connection.close()


@contextlib.contextmanager
def children(ways: Sequence[Way]) -> Iterator[list[Child]]:
    """A process for each way, ready to be asked. Afterwards all have ended, whatever came in between."""
    with contextlib.ExitStack() as stack:
        started = []
        for way in ways:
            started.append(Child(way))
            stack.callback(started[-1].stop)
        for child in started:
            child.answer()
        yield started


def build(children: list[Child], function: str, *arguments: Any) -> None:
    """Lets the children build their steps, by a function of `Way.steps`.

    A peer that can't (PyTorch's compiler needs one of C++; a server must give the same predictions) is named
    in a line on stderr and leaves the list.

    Raises:
        ChildFailedError: one of this project's or of Keras's ways can't.
    """
    for child in children:
        child.request("build", function, child.way, *arguments)
    for child in list(children):
        try:
            child.answer()
        except ChildFailedError as error:
            if child.way.engine not in ("torch", "by torch", "peer server"):
                raise
            print(f"left out: {error}", file=sys.stderr)
            children.remove(child)


def take_turns(
    children: Sequence[Child], rounds: int, turn: float, advance: Callable[[], object]
) -> dict[str, Figures]:
    """Lets the children take their steps for `turn` seconds each, `rounds` times, every other time backwards.

    Returns:
        The figures of each way, by its name; `advance` is called after each round.
    """
    times: dict[str, list[tuple[float, float]]] = {child.way.name: [] for child in children}
    for number in range(rounds):
        for child in reversed(children) if number % 2 else children:
            times[child.way.name].append(child.ask("time", turn))
        advance()
    figures = {}
    for child in children:
        seconds, cpu_seconds = zip(*times[child.way.name], strict=True)
        figures[child.way.name] = Figures(list(seconds), list(cpu_seconds), child.ask("memory"))
        child.request()
    return figures
