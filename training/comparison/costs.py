"""What an arm of a comparison costs to run: size, arithmetic, time for a picture, time through HTTP."""

import contextlib
import functools
import io
import json
import logging
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from base64 import b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from models.flops import flops
from multitask.errors import UserError
from training.export import export
from training.runs import Run, write_json

logger = logging.getLogger(__name__)

BATCH_SIZES = (1, 64)
ROUNDS = 15
HTTP_ROUNDS = 60


def measured(arms: dict[str, list[Run]], kept: Path, http: bool) -> dict[str, dict[str, Any]]:
    """What each arm's networks cost to answer with; measured once, side by side, and kept in the file `kept`.

    Args:
        arms: the finished runs of one seed.
        kept: what was measured of the same arms before.
        http: measure answers of a server, too.

    Returns:
        Of each arm, all its networks together: "parameters"; "flops", floating-point operations for one
        picture, "flops_each" of each network; "bytes" of the networks on disk; "requests" for one picture's
        answers; "milliseconds_per_image" {batch size: median}; "http_milliseconds" for one picture, or None.
    """
    if not arms:
        return {}
    if kept.exists():
        found = json.loads(kept.read_text())
        lacks_http = any(of_arm["http_milliseconds"] is None for of_arm in found.values())
        if found.keys() == arms.keys() and not (http and lacks_http):
            return found
    logger.info("timing the answers of %s", ", ".join(arms))
    models = {arm: [run.best_model() for run in runs] for arm, runs in arms.items()}
    image_size = next(iter(arms.values()))[0].config.image_size
    times = time_per_image(models, image_size)
    through_http = time_through_http(arms) if http else dict.fromkeys(arms)
    found = {
        arm: {
            "parameters": sum(model.count_params() for model in models[arm]),
            "flops_each": (each := [flops(model) for model in models[arm]]),
            "flops": sum(each),
            "bytes": sum((run.folder / "best.keras").stat().st_size for run in runs),
            "requests": len(runs),
            "milliseconds_per_image": times[arm],
            "http_milliseconds": through_http[arm],
        }
        for arm, runs in arms.items()
    }
    write_json(kept, found)
    return found


def time_per_image(
    networks: dict[str, list[keras.Model]], image_size: int, rounds: int = ROUNDS
) -> dict[str, dict[str, float]]:
    """Median milliseconds an image by batch size, for all networks of an arm together, arms taking turns.

    Args:
        networks: of each arm, uint8 [N, image_size, image_size, 3] -> {task: logits}.
        image_size: height and width of the pictures, in pixels.
        rounds: how often each is timed.
    """
    pictures = tf.TensorSpec((None, image_size, image_size, 3), tf.uint8)
    calls = {
        arm: [
            tf.function(functools.partial(model, training=False), input_signature=[pictures])
            for model in models
        ]
        for arm, models in networks.items()
    }
    medians: dict[str, dict[str, float]] = {arm: {} for arm in networks}
    for batch_size in BATCH_SIZES:
        shape = (batch_size, image_size, image_size, 3)
        images = tf.constant(np.random.default_rng(0).integers(0, 256, shape, np.uint8))
        seconds: dict[str, list[float]] = {arm: [] for arm in networks}
        for _ in range(rounds + 1):
            for arm, each in calls.items():
                began = time.perf_counter()
                for call in each:
                    for logits in call(images).values():
                        logits.numpy()
                seconds[arm].append(time.perf_counter() - began)
        for arm, measured in seconds.items():  # the first round traces
            medians[arm][str(batch_size)] = 1000 * statistics.median(measured[1:]) / batch_size
    return medians


def time_through_http(arms: dict[str, list[Run]], rounds: int = HTTP_ROUNDS) -> dict[str, float]:
    """Median milliseconds until all answers about one picture are there, a request to each network in turn.

    Each network stands behind a server of its own on this machine; arms take turns.
    """
    picture = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)).save(picture, "JPEG")
    body = json.dumps({"instances": [{"b64": b64encode(picture.getvalue()).decode()}]}).encode()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        urls: dict[str, list[str]] = {}
        for arm, runs in arms.items():
            for number, run in enumerate(runs):
                export(run, folder / f"{arm}_{number}")
                urls.setdefault(arm, []).append(stack.enter_context(served(folder / f"{arm}_{number}")))
        seconds: dict[str, list[float]] = {arm: [] for arm in urls}
        for _ in range(rounds + 1):
            for arm, each in urls.items():
                began = time.perf_counter()
                for url in each:
                    with urllib.request.urlopen(f"{url}/v1/models/faces:predict", body) as answer:
                        answer.read()
                seconds[arm].append(time.perf_counter() - began)
    return {arm: 1000 * statistics.median(measured[1:]) for arm, measured in seconds.items()}


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
        flops_of: floating-point operations of each one's network for one picture; a training step takes
            three times that, backward costing about twice the forward.
    """
    summaries = [run.summary or {} for run in runs]
    pictures = [summary["examples"] * summary["epochs"] for summary in summaries]
    peaks = [summary["peak_memory"] for summary in summaries]
    return {
        "pictures": sum(pictures),
        "training_flops": sum(3 * n * cost for n, cost in zip(pictures, flops_of, strict=True)),
        "seconds": sum(summary["seconds"] for summary in summaries),
        "cpu_seconds": sum(summary["cpu_seconds"] for summary in summaries),
        "peak_memory": None if None in peaks else max(peaks),
    }
