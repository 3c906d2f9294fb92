"""What an arm of a comparison costs to run: size, arithmetic, time for a picture, time through HTTP."""

import contextlib
import functools
import io
import json
import logging
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from models.flops import flops
from multitask.errors import UserError
from training.balancing.model import GRADIENT_STRATEGIES
from training.config import TrainConfig
from training.evaluate import best_model_digest
from training.export import export
from training.runs import Run, write_json

logger = logging.getLogger(__name__)
T = TypeVar("T")

BATCH_SIZES = (1, 64)
ROUNDS = 15
HTTP_ROUNDS = 60


def measured(arms: dict[str, list[Run]], kept: Path, http: bool) -> dict[str, dict[str, Any]]:
    """What each arm's networks cost to answer with; measured side by side, and kept in the file `kept`.

    Arms with one network have the same one, trained otherwise: the first of them is measured for all.

    Args:
        arms: the finished runs of one seed.
        kept: what was measured of the same networks on this machine before.
        http: measure answers of a server, too.

    Returns:
        Of each arm, all its networks together: "parameters"; "flops", floating-point operations for one
        picture, "flops_each" of each network; "bytes" of the networks on disk; "requests" for one picture's
        answers; "milliseconds_per_image" {batch size: median}; "http_milliseconds" for one picture, or None.
    """
    if not arms:
        return {}
    networks = {len(runs): runs for runs in reversed(arms.values())}  # the first arm of each kind
    of = {str(number): [best_model_digest(run) for run in runs] for number, runs in networks.items()}
    of["machine"] = [machine()]
    found = json.loads(kept.read_text()) if kept.exists() else {}
    if found.get("of") != of or (http and None in (one["http_milliseconds"] for one in found["costs"])):
        found = {"of": of, "costs": _measure(list(networks.values()), http)}
        write_json(kept, found)
    of_number = {one["requests"]: one for one in found["costs"]}
    return {name: of_number[len(runs)] for name, runs in arms.items()}


def _measure(networks: list[list[Run]], http: bool) -> list[dict[str, Any]]:
    logger.info("timing the answers of %s", ", ".join(run.folder.name for runs in networks for run in runs))
    models = [[run.best_model() for run in runs] for runs in networks]
    times = time_per_image(models, networks[0][0].config.image_size) if networks else []
    through_http: Sequence[float | None] = time_through_http(networks) if http else [None] * len(networks)
    return [
        {
            "parameters": sum(model.count_params() for model in models[number]),
            "flops_each": (each := [flops(model) for model in models[number]]),
            "flops": sum(each),
            "bytes": sum((run.folder / "best.keras").stat().st_size for run in runs),
            "requests": len(runs),
            "milliseconds_per_image": times[number],
            "http_milliseconds": through_http[number],
        }
        for number, runs in enumerate(networks)
    ]


def machine() -> str:
    """The processors and accelerators that times are of."""
    cpuinfo = Path("/proc/cpuinfo")
    models = re.findall(r"model name\s*: (.*)", cpuinfo.read_text()) if cpuinfo.exists() else []
    gpus = [
        tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    processors = f"{os.cpu_count()} x {models[0] if models else platform.machine()}"
    return ", ".join([processors, *(gpus or ["no GPU"])])


def time_per_image(
    networks: list[list[keras.Model]], image_size: int, rounds: int = ROUNDS
) -> list[dict[str, float]]:
    """Median milliseconds an image by batch size, for all networks of an arm together, arms taking turns.

    Args:
        networks: of each arm, uint8 [N, image_size, image_size, 3] -> {task: logits}.
        image_size: height and width of the pictures, in pixels.
        rounds: how often each is timed.
    """
    pictures = tf.TensorSpec((None, image_size, image_size, 3), tf.uint8)
    calls = [
        [
            tf.function(functools.partial(model, training=False), input_signature=[pictures])
            for model in of_arm
        ]
        for of_arm in networks
    ]
    medians: list[dict[str, float]] = [{} for _ in networks]
    for batch_size in BATCH_SIZES:
        shape = (batch_size, image_size, image_size, 3)
        images = tf.constant(np.random.default_rng(0).integers(0, 256, shape, np.uint8))

        def answer(call: Any, images: tf.Tensor = images) -> None:
            for logits in call(images).values():
                logits.numpy()

        for of_arm, seconds in zip(medians, _in_turns(calls, answer, rounds), strict=True):
            of_arm[str(batch_size)] = 1000 * seconds / batch_size
    return medians


def _in_turns(arms: Sequence[Sequence[T]], ask: Callable[[T], None], rounds: int) -> list[float]:
    """Median seconds until each arm's networks have all answered; a first round warms up."""
    seconds: list[list[float]] = [[] for _ in arms]
    for _ in range(rounds + 1):
        for each, measured in zip(arms, seconds, strict=True):
            began = time.perf_counter()
            for one in each:
                ask(one)
            measured.append(time.perf_counter() - began)
    return [statistics.median(measured[1:]) for measured in seconds]


def time_through_http(arms: list[list[Run]], rounds: int = HTTP_ROUNDS) -> list[float]:
    """Median milliseconds until all answers about one picture are there, a request to each network in turn.

    Each network stands behind a server of its own on this machine; arms take turns.
    """
    picture = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)).save(picture, "JPEG")
    body = json.dumps({"instances": [{"b64": b64encode(picture.getvalue()).decode()}]}).encode()

    def ask(url: str) -> None:
        with urllib.request.urlopen(f"{url}/v1/models/faces:predict", body) as answer:
            answer.read()

    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        urls = []
        for number, runs in enumerate(arms):
            for run in runs:
                export(run, folder / f"{number}_{run.folder.name}")
            exports = [folder / f"{number}_{run.folder.name}" for run in runs]
            urls.append([stack.enter_context(served(one)) for one in exports])
        return [1000 * seconds for seconds in _in_turns(urls, ask, rounds)]


@contextlib.contextmanager
def served(exports: Path) -> Iterator[str]:
    """A server of the newest model in `exports`, named faces, on a free port; yields its URL.

    Raises:
        UserError: it ended before it was ready; its own words stand above.
    """
    flags: list[str | Path] = ["--model_base_path", exports, "--model_name", "faces", "--rest_api_port", "0"]
    server = subprocess.Popen([sys.executable, "-m", "serving", *flags], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        ready = server.stdout.readline()
        if not ready:
            raise UserError(f"the server must start; it ended with exit code {server.wait()}")
        yield ready.split()[-1]
    finally:
        server.terminate()
        server.wait()


def training_costs(runs: Sequence[Run], flops_of: Sequence[int]) -> dict[str, Any]:
    """What the training of all networks of an arm took together; peak_memory is the largest of any process.

    Args:
        runs: finished ones.
        flops_of: floating-point operations of each one's network for one picture.
    """
    summaries = [run.summary or {} for run in runs]
    pictures = [summary["examples"] * summary["epochs"] for summary in summaries]
    peaks = [summary["peak_memory"] for summary in summaries]
    return {
        "pictures": sum(pictures),
        "training_flops": sum(
            summary["examples"] * forward * _forwards(run.config, summary)
            for run, summary, forward in zip(runs, summaries, flops_of, strict=True)
        ),
        "seconds": sum(summary["seconds"] for summary in summaries),
        "cpu_seconds": sum(summary["cpu_seconds"] for summary in summaries),
        "peak_memory": None if None in peaks else max(peaks),
    }


def _forwards(config: TrainConfig, summary: dict[str, Any]) -> int:
    """How many times the forward's arithmetic a picture's training took: 1 while the trunk is frozen, else 3.

    Backward costs about twice the forward; strategies of gradients go backward once for each task.
    """
    backwards = len(summary["learned"]) if config.balancing in GRADIENT_STRATEGIES else 1
    frozen = min(config.frozen_epochs, summary["epochs"])
    return frozen + (1 + 2 * backwards) * (summary["epochs"] - frozen)
