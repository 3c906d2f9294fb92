"""Until when the answer to the request at hand may wait."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from serving.errors import Refused

_DEADLINE: ContextVar[float] = ContextVar("deadline", default=math.inf)


@contextmanager
def within(seconds: float | None) -> Iterator[None]:
    """Gives what the block waits for so many seconds from now; None or infinity: any time."""
    token = _DEADLINE.set(math.inf if seconds is None else time.monotonic() + seconds)
    try:
        yield
    finally:
        _DEADLINE.reset(token)


def deadline() -> float:
    """When the time is over, by time.monotonic()."""
    return _DEADLINE.get()


def check_deadline(text: str) -> None:
    """Raises once the time is over.

    Args:
        text: what took too long.

    Raises:
        Refused: DEADLINE_EXCEEDED.
    """
    if time.monotonic() >= deadline():
        raise Refused("DEADLINE_EXCEEDED", text)
