"""Counters and histograms by TensorFlow Serving's names, as Prometheus reads them.

The forms are those of its util/prometheus_exporter.cc and servables/tensorflow/util.cc; prometheus-client
would add _total to the counters' names, and dashboards made for TensorFlow Serving would not find them.
"""

import threading
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from serving.errors import Refused

BOUNDS = [10 * 1.8**power for power in range(33)]
"""Upper bounds of the buckets of durations in microseconds: 10 us to 25 minutes."""
SIZES = [2.0**power for power in range(17)]
"""Upper bounds of the buckets of numbers of rows."""


class Counter:
    """How often something happened.

    Args:
        name: the metric's.
        labels: names of what tells its series apart.
    """

    def __init__(self, name: str, *labels: str) -> None:
        self.name = name
        self.labels = labels
        self._counts: dict[tuple[str, ...], int] = {}
        self._lock = threading.Lock()

    def add(self, *values: str) -> None:
        """Counts one more in the series of these label values."""
        with self._lock:
            self._counts[values] = self._counts.get(values, 0) + 1

    def lines(self) -> list[str]:
        """The metric in Prometheus's text format."""
        with self._lock:
            counts = sorted(self._counts.items())
        return [
            f"# TYPE {self.name} counter",
            *(f"{self.name}{{{_series(self.labels, values)}}} {count}" for values, count in counts),
        ]


class Histogram:
    """How durations, or other numbers, are distributed.

    Args:
        name: the metric's.
        labels: names of what tells its series apart.
        bounds: upper bounds of the buckets.
        scale: what an observed number is multiplied by: seconds are kept in microseconds.
    """

    def __init__(self, name: str, *labels: str, bounds: Sequence[float] = BOUNDS, scale: float = 1e6) -> None:
        self.name = name
        self.labels = labels
        self._bounds = bounds
        self._scale = scale
        self._buckets: dict[tuple[str, ...], list[int]] = {}
        self._sums: dict[tuple[str, ...], float] = {}
        self._lock = threading.Lock()

    def observe(self, number: float, *values: str) -> None:
        """Takes a duration in seconds, or another number, into the series of these label values."""
        scaled = number * self._scale
        with self._lock:
            buckets = self._buckets.setdefault(values, [0] * (len(self._bounds) + 1))
            buckets[bisect_left(self._bounds, scaled)] += 1
            self._sums[values] = self._sums.get(values, 0.0) + scaled

    @contextmanager
    def time(self, *values: str) -> Iterator[None]:
        """Takes in how long the block took, if it succeeds."""
        began = time.perf_counter()
        yield
        self.observe(time.perf_counter() - began, *values)

    def lines(self) -> list[str]:
        """The metric in Prometheus's text format."""
        with self._lock:
            found = [(values, list(self._buckets[values]), self._sums[values]) for values in self._buckets]
        lines = [f"# TYPE {self.name} histogram"]
        for values, buckets, total in sorted(found):
            series = _series(self.labels, values)
            count = 0
            for bound, inside in zip(
                [*(f"{bound:g}" for bound in self._bounds), "+Inf"], buckets, strict=True
            ):
                count += inside
                lines.append(f'{self.name}_bucket{{{series},le="{bound}"}} {count}')
            lines += [f"{self.name}_sum{{{series}}} {total:g}", f"{self.name}_count{{{series}}} {count}"]
        return lines


def _series(labels: tuple[str, ...], values: tuple[str, ...]) -> str:
    escaped = (value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") for value in values)
    return ",".join(f'{label}="{value}"' for label, value in zip(labels, escaped, strict=True))


REQUEST_COUNT = Counter(":tensorflow:serving:request_count", "model_name", "status")
REQUEST_LATENCY = Histogram(":tensorflow:serving:request_latency", "model_name", "API", "entrypoint")
RUNTIME_LATENCY = Histogram(":tensorflow:serving:runtime_latency", "model_name", "API", "runtime")
BATCH_SIZE = Histogram(
    ":tensorflow:serving:batching:processed_batch_size", "model_name", bounds=SIZES, scale=1
)
QUEUE_LENGTH = Histogram(":tensorflow:serving:batching:queue_length", "model_name", bounds=SIZES, scale=1)
QUEUING_LATENCY = Histogram(":tensorflow:serving:batching_session:queuing_latency", "model_name")
DECODE_LATENCY = Histogram(":tensorflow:serving:batching:decode_latency", "model_name")
COMPUTE_LATENCY = Histogram(":tensorflow:serving:batching:compute_latency", "model_name")


@contextmanager
def observed(model: str, api: str, entrypoint: Literal["REST", "GRPC"]) -> Iterator[None]:
    """Counts the request that the block answers, and takes its time if it succeeds.

    Args:
        model: its name; names that clients make up must not come here, each being a series for ever.
        api: what was asked for, as the entry point has it.
        entrypoint: where it came in.
    """
    status = "INTERNAL"
    try:
        with REQUEST_LATENCY.time(model, api, entrypoint):
            yield
        status = "OK"
    except Refused as refused:
        status = refused.code
        raise
    finally:
        REQUEST_COUNT.add(model, status)


def page() -> str:
    """All metrics in Prometheus's text format."""
    metrics = (
        REQUEST_COUNT,
        REQUEST_LATENCY,
        RUNTIME_LATENCY,
        BATCH_SIZE,
        QUEUE_LENGTH,
        QUEUING_LATENCY,
        DECODE_LATENCY,
        COMPUTE_LATENCY,
    )
    return "\n".join(line for metric in metrics for line in metric.lines()) + "\n"
