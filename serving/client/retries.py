"""Asking again where that helps."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from serving.client.wire import Unavailable

T = TypeVar("T")

FIRST, LONGEST = 0.25, 10.0
"""Seconds: the longest wait before the first retry, which doubles with each, and before any."""


@dataclass(frozen=True)
class Retries:
    """Asks again while the server is unavailable, after random waits up to a bound that doubles.

    The waits are drawn between 0 and the bound ("full jitter"), so that clients refused together do not come
    back together; where the server says how long to wait, they follow that time.

    Args:
        count: of retries at most.
        timeout: seconds for all attempts and waits together.

    Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """

    count: int
    timeout: float

    def __call__(self, ask: Callable[[float], T]) -> T:
        """What `ask` gives, called with the seconds that are left.

        Raises:
            Unavailable: the last time as well, or no time is left for the next wait.
        """
        end = time.monotonic() + self.timeout
        asked = 0
        while True:
            try:
                return ask(end - time.monotonic())
            except Unavailable as error:
                wait = (error.retry_after or 0.0) + random.uniform(0, min(LONGEST, FIRST * 2**asked))
                asked += 1
                if asked > self.count or time.monotonic() + wait >= end:
                    times = f"; asked {asked} times" if asked > 1 else ""
                    raise Unavailable(f"{error}{times}", error.retry_after) from error
            time.sleep(wait)
