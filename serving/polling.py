"""Work that comes again and again, in one thread."""

import logging
import threading
import time
from collections.abc import Callable

from serving.errors import Refused, UserError

logger = logging.getLogger(__name__)


def repeat(stop: threading.Event, *jobs: tuple[float, Callable[[], None]]) -> None:
    """Does each job every so many seconds until it is told to stop; one of 0 seconds or less, never.

    A job that fails is logged, the same words once, and done again when its time comes.
    """
    said: dict[Callable[[], None], str] = {}
    every = {job: seconds for seconds, job in jobs if seconds > 0}
    due = {job: time.monotonic() + seconds for job, seconds in every.items()}
    while due:
        job = min(due, key=lambda job: due[job])
        if stop.wait(max(due[job] - time.monotonic(), 0.0)):
            return
        try:
            job()
            said.pop(job, None)
        except (Refused, UserError) as error:
            if said.get(job) != str(error):
                logger.warning("%s", error)
            said[job] = str(error)
        except Exception:
            logger.exception("polling failed")
        due[job] = time.monotonic() + every[job]
