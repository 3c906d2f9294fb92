"""Who answers pictures, and how fast: each a process of benchmarks.child, which holds what it measures."""

import contextlib
import dataclasses
import http.client
import io
import json
import math
import os
import re
import resource
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import memory
from benchmarks.load import Load, ask, http_request
from benchmarks.ways import Way

SIDE = 200
START = 120.0
"""Seconds in which a server must be ready."""
BATCH = 32
PATH = "/v1/models/faces:predict"
TOLERANCE = 1e-4
"""By which numbers of the same predictions may differ."""


@dataclasses.dataclass(frozen=True)
class Turn:
    """What was answered in one turn.

    Args:
        pictures: how many.
        seconds: from the first question to the last answer.
        latencies: seconds of each call or request.
        cpu_seconds: of who answered.
        load_cpu_seconds: of who asked, if that was another process.
    """

    pictures: int
    seconds: float
    latencies: list[float]
    cpu_seconds: float
    load_cpu_seconds: float = 0.0


def picture() -> bytes:
    """A JPEG of SIDE x SIDE pixels, soft as a photo of a face is."""
    colours = np.random.default_rng(0).integers(0, 255, (12, 12, 3), np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(colours).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(encoded, "JPEG", quality=85)
    return encoded.getvalue()


def direct(way: Way, export: Path) -> tuple[int, Callable[..., Turn]]:
    """Calls into the default signature from threads of this process: (threads, pictures a call, seconds)."""
    import tensorflow as tf

    function = tf.saved_model.load(str(export)).signatures["serving_default"]

    def step(threads: int = 1, pictures: int = 1, seconds: float = 0.3) -> Turn:
        batch = [picture()] * pictures
        latencies: list[float] = []
        end = time.perf_counter() + seconds

        def call() -> None:
            while (start := time.perf_counter()) < end:
                outputs = function(image_bytes=tf.constant(batch))
                for output in outputs.values():
                    output.numpy()
                latencies.append(time.perf_counter() - start)

        callers = [threading.Thread(target=call) for _ in range(threads)]
        start, cpu_start = time.perf_counter(), _cpu_seconds()
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        took = time.perf_counter() - start
        return Turn(len(latencies) * pictures, took, latencies, _cpu_seconds() - cpu_start)

    return memory.begin(), step


def served(way: Way, command: Sequence[str], expected: Any = None) -> tuple[int, Callable[..., Turn]]:
    """A server that a command starts, and requests of one picture each: (clients, seconds).

    The command's output names the port, as `http://HOST:PORT`; the server is asked until it answers.

    Raises:
        RuntimeError: it does not answer, or not with the predictions that are expected, if any are.
    """
    server = subprocess.Popen([*command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    host, port = address(server)
    request = http_request(host, port, PATH, _body())
    predictions = _first_predictions(host, port)
    if expected is not None and not alike(predictions, expected):
        raise RuntimeError(f"predictions must be {expected} within {TOLERANCE}; it answers {predictions}")

    def step(clients: int = 1, seconds: float = 0.3) -> Turn:
        before = _cpu_seconds_of(server.pid)
        load: Load = ask(host, port, request, clients, seconds)
        cpu = _cpu_seconds_of(server.pid) - before
        return Turn(len(load.latencies), load.seconds, load.latencies, cpu, load.cpu_seconds)

    return memory.begin(), step


def ready_after(command: Sequence[str]) -> tuple[float, Any]:
    """Seconds from starting a server until it says that it answers, and the predictions of the picture."""
    start = time.perf_counter()
    with subprocess.Popen([*command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            host, port = address(server)
            seconds = time.perf_counter() - start
            return seconds, _first_predictions(host, port)
        finally:
            server.kill()


def server_command(export: Path, flags: Sequence[str]) -> list[str]:
    """How this project's server is started."""
    serve = [
        sys.executable,
        "-m",
        "serving",
        "--model_base_path",
        str(export.parent),
        "--model_name",
        "faces",
    ]
    return [*serve, "--rest_api_port", "0", *flags]


def address(server: subprocess.Popen) -> tuple[str, int]:
    """Host and port that a server names.

    Raises:
        RuntimeError: it has ended, or takes too long.
    """
    timer = threading.Timer(START, server.kill)
    timer.start()
    try:
        for line in server.stdout or ():
            if found := re.search(r"http://([\w.]+):(\d+)", line):
                return found[1], int(found[2])
    finally:
        timer.cancel()
    raise RuntimeError(f"the server ended with exit code {server.wait()} before it answered")


def alike(found: Any, expected: Any) -> bool:
    """Whether two values of JSON are the same but for TOLERANCE in numbers."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return found.keys() == expected.keys() and all(alike(found[key], expected[key]) for key in expected)
    if isinstance(expected, list) and isinstance(found, list):
        return len(found) == len(expected) and all(map(alike, found, expected))
    if isinstance(expected, float | int) and isinstance(found, float | int):
        return math.isclose(found, expected, rel_tol=0, abs_tol=TOLERANCE)
    return bool(found == expected)


def _body() -> bytes:
    return b'{"instances": [{"b64": "' + b64encode(picture()) + b'"}]}'


def _first_predictions(host: str, port: int) -> Any:
    end = time.monotonic() + START
    while True:
        try:
            with contextlib.closing(http.client.HTTPConnection(host, port, timeout=START)) as connection:
                connection.request("POST", PATH, _body(), {"Content-Type": "application/json"})
                response = connection.getresponse()
                said = response.read()
                if response.status == 200:
                    return json.loads(said)["predictions"]
        except OSError as error:
            said = str(error).encode()
        if time.monotonic() > end:
            raise RuntimeError(f"the server must answer with status 200; it says {said[:200]!r}")
        time.sleep(0.2)


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _cpu_seconds_of(process: int) -> float:
    """CPU time of a process and of all that it started and still runs."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return ticks / os.sysconf("SC_CLK_TCK") + sum(_cpu_seconds_of(int(child)) for child in children)
