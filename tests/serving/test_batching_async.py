"""Requests from an event loop become one call too, and take no thread but for the batch's."""

import asyncio
import threading
import time

import anyio.to_thread
import numpy as np
import pytest
from starlette.concurrency import run_in_threadpool

from serving.batching import Batcher, BatchingParameters
from serving.errors import Refused

NEVER = 60_000_000
"""Microseconds: no test waits for them unless something is broken."""


@pytest.fixture
def computed():
    return []


@pytest.fixture
def compute(computed):
    def twice(inputs):
        computed.append(inputs["x"].tolist())
        if -1 in inputs["x"]:
            raise Refused("INVALID_ARGUMENT", "below zero")
        return {"y": inputs["x"] * 2}

    return twice


def asks(batcher, compute, *xs, late=None):
    """Tasks in the running loop, the one numbered `late` without any time to wait."""

    async def ask(x, deadline):
        answer = await batcher.run_async("m", "key", [compute], {"x": np.float32(x)}, deadline)
        return answer["y"].tolist()

    deadlines = [time.monotonic() + (0 if number == late else 60) for number in range(len(xs))]
    return [asyncio.create_task(ask(x, due)) for x, due in zip(xs, deadlines, strict=True)]


def gathered(batcher, compute, *xs):
    async def run():
        return await asyncio.gather(*asks(batcher, compute, *xs), return_exceptions=True)

    return asyncio.run(run())


@pytest.fixture
def batcher():
    made = Batcher(BatchingParameters(4, NEVER, num_batch_threads=1, max_execution_batch_size=3))
    yield made
    assert made._queues == {}
    assert made._slots._value == 1


def test_many_tasks_of_one_loop_and_a_thread_are_one_batch(batcher, compute, computed):
    answers = []
    thread = threading.Thread(
        target=lambda: answers.append(batcher.run("m", "key", [compute], {"x": np.float32([9])}))
    )
    thread.start()
    while not batcher._queues:
        time.sleep(0.01)
    assert gathered(batcher, compute, [1], [2]) == [[2], [4]]
    thread.join()
    assert [answer["y"].tolist() for answer in answers] == [[18]]
    assert computed == [[9, 1, 2]]


def test_what_is_bad_fails_alone(batcher, compute):
    answers = gathered(batcher, compute, [1], [-1], [3])
    assert [answers[0], str(answers[1]), answers[2]] == [[2], "below zero", [6]]


def test_large_requests_are_computed_in_parts_or_refused(batcher, compute, computed):
    answers = gathered(batcher, compute, [1, 2, 3, 4, 5])
    assert str(answers[0]) == "Task size 5 is larger than maximum input batch size 4"
    assert gathered(batcher, compute, [1, 2, 3, 4], [5, 6]) == [[2, 4, 6, 8], [10, 12]]
    assert computed == [[1, 2, 3], [5, 6, 4]]


@pytest.mark.parametrize("late", [0, 1])
def test_who_waits_too_long_leaves_the_others_to_go_on(batcher, compute, computed, late):
    async def run():
        tasks = asks(batcher, compute, [0], [1], late=late)
        with pytest.raises(Refused, match="timeout exceeded"):
            await tasks.pop(late)
        return await asyncio.gather(*tasks, *asks(batcher, compute, [2, 3]))

    assert asyncio.run(run()) == [[2 * (1 - late)], [4, 6]]
    assert computed == [[1 - late, 2, 3]]


@pytest.mark.parametrize("gone", [0, 1])
def test_who_is_cancelled_leaves_the_others_to_go_on(batcher, compute, computed, gone):
    async def run():
        tasks = asks(batcher, compute, [0], [1])
        await asyncio.sleep(0)
        assert len(next(iter(batcher._queues.values()))[0].tasks) == 2
        tasks[gone].cancel()
        tasks += asks(batcher, compute, [2, 3])
        return await asyncio.gather(*tasks, return_exceptions=True)

    answers = asyncio.run(run())
    assert isinstance(answers.pop(gone), asyncio.CancelledError)
    assert answers == [[2 * (1 - gone)], [4, 6]]
    assert computed == [[1 - gone, 2, 3]]


def test_who_leads_from_a_loop_waits_for_no_thread_of_those_who_follow(batcher, compute, computed):
    async def run():
        anyio.to_thread.current_default_thread_limiter().total_tokens = 1
        leader = asks(batcher, compute, [0])
        await asyncio.sleep(0)
        inputs, due = {"x": np.float32([1, 2])}, time.monotonic() + 5
        taken = run_in_threadpool(batcher.run, "m", "key", [compute], inputs, due)
        return await asyncio.gather(taken, *leader)

    follower, leader = asyncio.run(run())
    assert (leader, follower["y"].tolist()) == ([0], [2, 4])
    assert computed == [[0, 1, 2]]
