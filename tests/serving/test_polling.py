"""Work that comes again and again."""

import pytest

from serving.errors import UserError
from serving.polling import repeat


class Stop:
    """An event whose waits pass at once; it is set after so many of them."""

    def __init__(self, waits, clock):
        self.waits = waits
        self.clock = clock

    def wait(self, seconds):
        self.waits -= 1
        self.clock[0] += seconds
        return self.waits < 0


@pytest.fixture
def clock(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("serving.polling.time.monotonic", lambda: clock[0])
    return clock


def test_each_job_has_its_own_time(clock):
    done = []
    jobs = [(seconds, lambda seconds=seconds: done.append((seconds, clock[0]))) for seconds in (2, 3, 0, -1)]
    repeat(Stop(5, clock), *jobs)
    assert done == [(2, 102.0), (3, 103.0), (2, 104.0), (2, 106.0), (3, 106.0)]


def test_without_a_job_there_is_nothing_to_wait_for(clock):
    repeat(Stop(0, clock), (0, lambda: None))


@pytest.mark.parametrize(
    ("outcomes", "lines"),
    [
        ([UserError("no file"), UserError("no file"), UserError("no model"), None, UserError("no model")], 3),
        ([KeyError("x"), KeyError("x")], 2),
    ],
)
def test_a_job_that_fails_says_so_once_and_is_done_again(clock, caplog, outcomes, lines):
    left = list(outcomes)

    def work():
        outcome = left.pop(0)
        if outcome is not None:
            raise outcome

    repeat(Stop(len(outcomes), clock), (1, work))
    assert not left
    assert len(caplog.records) == lines
