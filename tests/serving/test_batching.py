"""What is asked at the same time becomes one call: the queue, without a model."""

import contextlib
import gc
import threading
import time
import weakref
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest

from serving import batching
from serving.batching import Batcher, BatchingParameters
from serving.errors import Refused

NEVER = 60_000_000
"""Microseconds: no test waits for them unless something is broken."""


def doubled(inputs):
    return {"y": inputs["x"] * 2}


class Bench:
    """A batcher whose only slot is taken until `open` is set, and what was computed."""

    def __init__(self, compute=doubled, taken=True, **parameters):
        self.batcher = Batcher(BatchingParameters(num_batch_threads=1, **parameters))
        self.compute, self.computed = compute, []
        self.open, self.began, self.queued = threading.Event(), threading.Event(), threading.Semaphore(0)
        enqueue = self.batcher._enqueue
        self.batcher._enqueue = lambda *task: (enqueue(*task), self.queued.release())[0]
        self.threads = ThreadPoolExecutor(16)
        if taken:
            self.first = self.threads.submit(self.batcher.run, "m", "first", [self._wait], {"x": np.ones(1)})
            self.began.wait()
            self.queued.acquire()

    def _wait(self, inputs):
        self.began.set()
        self.open.wait()
        return inputs

    def _compute(self, inputs):
        self.computed.append({name: array.tolist() for name, array in inputs.items()})
        return self.compute(inputs)

    def ask(self, x, key="key", deadline=None) -> Future:
        """A request that has been queued."""
        x = x if isinstance(x, np.ndarray) else np.float32(x)
        deadline = time.monotonic() + 60 if deadline is None else deadline
        asked = self.threads.submit(self.batcher.run, "m", key, [self._compute], {"x": x}, deadline)
        self.queued.acquire()
        return asked


@pytest.fixture
def bench():
    benches = []

    def make(*args, **parameters):
        benches.append(Bench(*args, **parameters))
        return benches[-1]

    yield make
    for one in benches:
        one.open.set()
        one.threads.shutdown()
        assert one.batcher._queues == {}
        assert one.batcher._slots._value == 1


@pytest.mark.parametrize(
    ("parameters", "asked", "computed"),
    [
        ({"max_batch_size": 4}, [[1], [2], [3]], [[1, 2, 3]]),
        ({"max_batch_size": 4}, [[1], [2], [3], [4], [5]], [[1, 2, 3, 4], [5]]),
        ({"max_batch_size": 4}, [[1, 2, 3], [4, 5], [6]], [[1, 2, 3], [4, 5, 6]]),
        ({"max_batch_size": 4}, [[1, 2, 3, 4], [5]], [[1, 2, 3, 4], [5]]),
        ({"max_batch_size": 1}, [[1], [2]], [[1], [2]]),
        ({"max_batch_size": 8, "allowed_batch_sizes": (2, 4, 8)}, [[1], [2], [3]], [[1, 2, 3, 3]]),
        ({"max_batch_size": 8, "allowed_batch_sizes": (4, 8)}, [[7]], [[7, 7, 7, 7]]),
        ({"max_batch_size": 8, "allowed_batch_sizes": (4, 8)}, [[1, 2], [3, 4]], [[1, 2, 3, 4]]),
        ({"max_batch_size": 9, "max_execution_batch_size": 2}, [[1, 2], [3]], [[1, 2], [3]]),
    ],
)
def test_batches_are_filled_in_the_order_of_asking(bench, parameters, asked, computed):
    bench = bench(**parameters)
    answers = [bench.ask(x) for x in asked]
    bench.open.set()
    assert [answer.result(30)["y"].tolist() for answer in answers] == [[2 * x for x in xs] for xs in asked]
    assert sorted(batch["x"] for batch in bench.computed) == sorted(computed)


def test_only_what_is_alike_is_computed_together(bench):
    bench = bench()
    asked = [np.float32([1]), np.float64([1]), np.float32([[1]]), np.float32([[1, 2]]), np.float32([2])]
    answers = [bench.ask(x) for x in asked] + [bench.ask([1], key="other")]
    bench.open.set()
    for x, answer in zip([*asked, np.float32([1])], answers, strict=True):
        np.testing.assert_array_equal(answer.result(30)["y"], x * 2, strict=True)
    batches = sorted(str(batch["x"]) for batch in bench.computed)
    assert batches == ["[1.0, 2.0]", "[1.0]", "[1.0]", "[[1.0, 2.0]]", "[[1.0]]"]


def test_inputs_of_other_lengths_are_stretched_if_told_to(bench):
    bench = bench(pad_variable_length_inputs=True)
    bench.compute = lambda inputs: {"y": inputs["x"]}
    asked = [[[1, 2, 3]], [[4], [5]]]
    words = [np.array(x, dtype=object) for x in ([[b"a"]], [[b"bc", b"d"]])]
    answers = [bench.ask(x) for x in [*asked, *words]]
    bench.open.set()
    assert [answer.result(30)["y"].tolist() for answer in answers] == [
        [[1, 2, 3]],
        [[4, 4, 4], [5, 4, 4]],
        [[b"a", b"a"]],
        [[b"bc", b"d"]],
    ]


def test_a_batch_waits_until_it_is_full_or_the_next_begins(bench):
    bench = bench(taken=False, max_batch_size=3, batch_timeout_micros=NEVER)
    first = [bench.ask([1]), bench.ask([2, 3])]
    assert [answer.result(30)["y"].tolist() for answer in first] == [[2], [4, 6]]
    closed, last = bench.ask([4]), bench.ask([5, 6, 7])
    assert closed.result(30)["y"].tolist() == [8]
    assert last.result(30)["y"].tolist() == [10, 12, 14]
    assert len(bench.computed) == 3


def test_as_many_batches_are_computed_at_once_as_there_are_slots():
    batcher, together = Batcher(BatchingParameters(num_batch_threads=2)), threading.Barrier(2)

    def meet(inputs):
        together.wait(timeout=60)
        return inputs

    with ThreadPoolExecutor(2) as threads:
        answers = [threads.submit(batcher.run, "m", key, [meet], {"x": np.ones(1)}) for key in "ab"]
    assert [answer.exception(30) for answer in answers] == [None, None]


def test_a_full_queue_refuses(bench):
    bench = bench(max_batch_size=2, max_enqueued_batches=2)
    answers = [bench.ask([1, 2]), bench.ask([3])]
    with pytest.raises(
        Refused, match=r"is full; currently 2 batches enqueued and max_enqueued_batches is 2$"
    ) as r:
        bench.batcher.run("m", "key", [bench._compute], {"x": np.float32([4, 5])}, time.monotonic())
    assert r.value.code == "UNAVAILABLE"
    answers += [bench.ask([6]), bench.ask([7, 8], key="other")]
    bench.open.set()
    assert [answer.result(30)["y"].tolist() for answer in answers] == [[2, 4], [6], [12], [14, 16]]


@pytest.mark.parametrize("late", [0, 1, 2])
def test_who_waits_too_long_leaves_the_others_to_go_on(bench, late):
    bench = bench()
    answers = [None, None, None]
    for number in range(3):
        over = time.monotonic() if number == late else None
        answers[number] = bench.ask([number], deadline=over)
    error = answers.pop(late).exception(30)
    assert (error.code, str(error)) == (
        "DEADLINE_EXCEEDED",
        "Run() timeout exceeded while waiting in batching queue",
    )
    bench.open.set()
    kept = [number for number in range(3) if number != late]
    assert [answer.result(30)["y"].tolist() for answer in answers] == [[2 * number] for number in kept]
    # A leader that gives up at once has nobody yet to leave its batch to.
    assert sorted(number for batch in bench.computed for number in batch["x"]) == kept


def test_the_lead_passes_on(bench, monkeypatch):
    joined, left = threading.Event(), batching._left
    monkeypatch.setattr(batching, "_left", lambda deadline: left(deadline) if deadline else joined.wait() * 0)
    bench = bench(taken=False, max_batch_size=5, batch_timeout_micros=NEVER)
    leader = bench.ask([1], deadline=0)
    others = [bench.ask([2]), bench.ask([3, 4])]
    joined.set()
    assert leader.exception(30).code == "DEADLINE_EXCEEDED"
    others.append(bench.ask([5, 6]))
    assert [answer.result(30)["y"].tolist() for answer in others] == [[4], [6, 8], [10, 12]]
    assert bench.computed == [{"x": [2, 3, 4, 5, 6]}]


def test_what_is_being_computed_is_waited_for(bench, monkeypatch):
    began, left, go_on = threading.Event(), batching._left, threading.Event()
    monkeypatch.setattr(batching, "_left", lambda deadline: left(deadline) if deadline else began.wait() * 0)

    def compute(inputs):
        began.set()
        go_on.wait()
        return doubled(inputs)

    bench = bench(compute)
    answers = [bench.ask([1]), bench.ask([2], deadline=0)]
    bench.open.set()
    began.wait()
    go_on.set()
    assert [answer.result(30)["y"].tolist() for answer in answers] == [[2], [4]]


def picky(inputs):
    if (inputs["x"] < 0).any():
        raise Refused("INVALID_ARGUMENT", f"below zero: {inputs['x'].min():g}")
    return doubled(inputs)


@pytest.mark.parametrize("sizes", [(), (4,)])
def test_what_is_bad_fails_alone(bench, sizes):
    bench = bench(picky, max_batch_size=4, allowed_batch_sizes=sizes)
    answers = [bench.ask([x]) for x in (1, -2, 3, -4)]
    bench.open.set()
    assert [answers[number].result(30)["y"].tolist() for number in (0, 2)] == [[2], [6]]
    assert [str(answers[number].exception(30)) for number in (1, 3)] == ["below zero: -2", "below zero: -4"]


@pytest.mark.parametrize(
    ("compute", "expected"),
    [
        (lambda inputs: {"y": inputs["x"].sum()}, [1, 5]),
        (lambda inputs: {"y": np.tile(inputs["x"], 2), "x": inputs["x"]}, [[1, 1], [2, 3, 2, 3]]),
        (lambda inputs: {"y": inputs["x"][:0]}, [[], []]),
    ],
    ids=["scalar", "more", "none"],
)
def test_what_does_not_answer_by_rows_is_computed_one_by_one(bench, compute, expected):
    bench = bench(compute, max_batch_size=8, allowed_batch_sizes=(8,))
    answers = [bench.ask([1]), bench.ask([2, 3])]
    bench.open.set()
    assert [answer.result(30)["y"].tolist() for answer in answers] == expected


def test_large_requests_are_refused_or_computed_in_parts(bench):
    small = bench(taken=False, max_batch_size=2)
    with pytest.raises(Refused, match=r"^Task size 3 is larger than maximum input batch size 2$") as refused:
        small.batcher.run("m", "key", [small._compute], {"x": np.ones(3)})
    assert refused.value.code == "INVALID_ARGUMENT"
    parted = bench(taken=False, max_batch_size=5, max_execution_batch_size=2)
    answer = parted.batcher.run("m", "key", [parted._compute], {"x": np.arange(5)})
    assert answer["y"].tolist() == [0, 2, 4, 6, 8]
    assert parted.computed == [{"x": [0, 1]}, {"x": [2, 3]}, {"x": [4]}]


def test_nothing_of_a_model_is_held_once_it_has_answered_or_failed():
    class Model:
        def compute(self, inputs):
            return picky(inputs)

    def ask(x):
        model = Model()
        with contextlib.suppress(Refused):
            batcher.run("m", id(model), [model.compute], {"x": np.float32(x)})
        return weakref.ref(model)

    batcher = Batcher(BatchingParameters())
    gc.disable()
    try:
        assert [ask(x)() for x in ([1], [-1])] == [None, None]
    finally:
        gc.enable()
    assert batcher._queues == {}
