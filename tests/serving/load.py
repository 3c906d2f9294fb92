"""Clients that ask at the same time, as long as something else goes on."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def asking(*questions: Callable[[], object]) -> Iterator[list]:
    """Lets one thread each put a question again and again while the block runs, at least once after it.

    Yields:
        The answers, and the exceptions of those that failed.
    """
    answers: list = []
    over = threading.Event()

    def ask(question: Callable[[], object]) -> None:
        last = False
        while not last:
            last = over.is_set()
            try:
                answers.append(question())
            except Exception as error:
                answers.append(error)

    threads = [threading.Thread(target=ask, args=[question]) for question in questions]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        over.set()
        for thread in threads:
            thread.join()
