"""How much of a server its clients may take: the size of bodies, the time they take, how many at once."""

import asyncio
import math
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from serving.errors import Refused

LAST_ARRIVALS = 1.0
"""Seconds after SIGTERM in which requests on their way in may still arrive."""


@dataclass(frozen=True)
class Limits:
    """What clients may take at most."""

    max_body_bytes: int = 64 * 2**20
    """Bytes of a request: of a REST body, as sent and inflated, and of a gRPC message."""
    max_concurrent_requests: int = 64
    """Requests that are computed, or wait for it, at the same time; more are refused at once: 503, over gRPC
    RESOURCE_EXHAUSTED. So many times max_body_bytes is what bodies take in memory at most, those of gRPC once
    they are whole."""
    header_timeout_seconds: float = 10.0
    """Seconds in which a request's head must have come: 408."""
    body_timeout_seconds: float = 60.0
    """Seconds in which a request's body must have come after its head: 408, over gRPC DEADLINE_EXCEEDED;
    and in which its answer must be taken."""
    keep_alive_seconds: float = 75.0
    """Seconds after which a connection without a request is closed."""
    shutdown_grace_seconds: float = 25.0
    """Seconds after SIGTERM in which requests in flight may end."""


class Room:
    """What is taken of a server at the moment, over REST and gRPC together.

    Args:
        limits: how much there is.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._lock = threading.Lock()
        self._requests = 0
        self._bytes = 0
        self._arriving: set[asyncio.Timeout] = set()
        self._closes = math.inf

    @asynccontextmanager
    async def arrival(self, due: float) -> AsyncIterator[None]:
        """Ends the block, in which a part of a request is awaited, when it takes too long.

        Args:
            due: until when it may take, by the event loop's clock.

        Raises:
            TimeoutError: it took longer.
            Refused: UNAVAILABLE, over HTTP 503: so does it, but the server stops.
        """
        try:
            async with asyncio.timeout_at(min(due, self._closes)) as timeout:
                self._arriving.add(timeout)
                try:
                    yield
                finally:
                    self._arriving.discard(timeout)
        except TimeoutError:
            if self._closes < due:
                raise Refused("UNAVAILABLE", "the server stops; ask again", 503) from None
            raise

    def close(self) -> None:
        """Lets requests on their way in arrive soon or not at all; in the event loop that reads them."""
        self._closes = asyncio.get_running_loop().time() + LAST_ARRIVALS
        for timeout in self._arriving:
            if not timeout.expired():
                timeout.reschedule(min(timeout.when() or math.inf, self._closes))

    def check(self) -> None:
        """Raises if there is no place to enter.

        Raises:
            Refused: RESOURCE_EXHAUSTED, over HTTP 503.
        """
        most = self.limits.max_concurrent_requests
        if self._requests >= most:
            raise _full(f"{most} requests are being answered already")

    def enter(self) -> None:
        """Takes a place among the requests that are computed.

        Raises:
            Refused: RESOURCE_EXHAUSTED, over HTTP 503: there is none.
        """
        with self._lock:
            self.check()
            self._requests += 1

    def leave(self) -> None:
        """Gives a place back."""
        with self._lock:
            self._requests -= 1

    def hold(self, size: int) -> None:
        """Takes memory for so many bytes.

        Raises:
            Refused: RESOURCE_EXHAUSTED, over HTTP 503: there is none.
        """
        with self._lock:
            if self._bytes + size > self.limits.max_concurrent_requests * self.limits.max_body_bytes:
                raise _full("bodies of other requests take all memory")
            self._bytes += size

    def release(self, size: int) -> None:
        """Gives memory back."""
        with self._lock:
            self._bytes -= size


def _full(text: str) -> Refused:
    return Refused("RESOURCE_EXHAUSTED", f"{text}; try again later", 503)
