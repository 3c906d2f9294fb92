"""Three networks or one with three heads? `python -m training.compare --help`.

python -m training.compare --preset quick --run runs/both
python -m training.compare --preset faces --run runs/both_faces --manual-dir ARCHIVES
"""

import dataclasses
import functools
import statistics
import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.table import Table

from multitask.errors import UserError, run_command
from training.commands import parse_config
from training.config import TrainConfig
from training.evaluate import evaluate, quality
from training.runs import Run, write_json
from training.train import train

BATCH_SIZES = (1, 64)


def compare(config: TrainConfig) -> dict[str, Any]:
    """Trains the functional model and a naive network for each of its tasks, and judges both.

    All from the same trunk for the same number of epochs; a naive network sees the examples that have a label
    for its task, the functional one all. Runs lie in `config.run`; those already finished are not repeated.

    Returns:
        {"functional", "naive"}: each with "tasks" {task: figures}, "parameters", "examples" {run: seen in an
        epoch}, "training_seconds", "milliseconds_per_image" {batch size: of all networks together};
        also written to comparison.json there.

    Raises:
        UserError: as `train`, or `config.run` is the folder of a single run.
    """
    if (config.run / "config.json").exists():
        raise UserError(
            f"run must be a new folder or a comparison's; {config.run} is a single run's: name another"
        )
    settings = {
        "functional": [dataclasses.replace(config, approach="functional", run=config.run / "functional")]
    }
    functional = train(settings["functional"][0])
    learned = functional.summary["learned"] if functional.summary else []
    settings["naive"] = [
        dataclasses.replace(config, run=config.run / f"naive_{task}", approach="naive", tasks=(task,))
        for task in learned
    ]
    runs = {approach: [train(one) for one in each] for approach, each in settings.items()}
    times = time_per_image(
        {approach: [run.best_model() for run in each] for approach, each in runs.items()}, config.image_size
    )
    found = {
        approach: {**_judge(each), "milliseconds_per_image": times[approach]}
        for approach, each in runs.items()
    }
    write_json(config.run / "comparison.json", found)
    return found


def _judge(runs: list[Run]) -> dict[str, Any]:
    summaries = {run.folder.name: run.summary or {} for run in runs}
    return {
        "tasks": {name: result for run in runs for name, result in evaluate(run)["tasks"].items()},
        "parameters": sum(summary["parameters"] for summary in summaries.values()),
        "examples": {name: summary["examples"] for name, summary in summaries.items()},
        "training_seconds": sum(summary["seconds"] for summary in summaries.values()),
    }


def time_per_image(
    networks: dict[str, list[keras.Model]], image_size: int, rounds: int = 15
) -> dict[str, dict[str, float]]:
    """Median milliseconds an image by batch size, for all networks of an approach together, taking turns.

    Args:
        networks: of each approach, uint8 [N, image_size, image_size, 3] -> {task: logits}.
        image_size: height and width of the pictures, in pixels.
        rounds: how often each is timed.
    """
    pictures = tf.TensorSpec((None, image_size, image_size, 3), tf.uint8)
    calls = {
        approach: [
            tf.function(functools.partial(model, training=False), input_signature=[pictures])
            for model in models
        ]
        for approach, models in networks.items()
    }
    medians: dict[str, dict[str, float]] = {approach: {} for approach in networks}
    for batch_size in BATCH_SIZES:
        shape = (batch_size, image_size, image_size, 3)
        images = tf.constant(np.random.default_rng(0).integers(0, 256, shape, np.uint8))
        seconds: dict[str, list[float]] = {approach: [] for approach in networks}
        for _ in range(rounds + 1):
            for approach, each in calls.items():
                began = time.perf_counter()
                for call in each:
                    for logits in call(images).values():
                        logits.numpy()
                seconds[approach].append(time.perf_counter() - began)
        for approach, measured in seconds.items():  # the first round traces
            medians[approach][str(batch_size)] = 1000 * statistics.median(measured[1:]) / batch_size
    return medians


def comparison_table(config: TrainConfig, found: dict[str, Any]) -> Table:
    """The figures of `compare`, an approach a column."""
    table = Table(title=f"naive or functional: trunk {config.trunk}, {', '.join(config.datasets)}")
    table.add_column("test split")
    for approach in found:
        table.add_column("one trunk, all heads" if approach == "functional" else "a network a task")
    rows = {
        task.name: [quality(task, side["tasks"].get(task.name)) for side in found.values()]
        for task in config.chosen_tasks
    }
    rows["parameters"] = [f"{side['parameters']:,}" for side in found.values()]
    rows["pictures an epoch"] = [f"{sum(side['examples'].values()):,}" for side in found.values()]
    rows["training time"] = [f"{side['training_seconds']:.0f} s" for side in found.values()]
    for size in map(str, BATCH_SIZES):
        name = f"time an image, {size} at once"
        rows[name] = [f"{side['milliseconds_per_image'][size]:.2f} ms" for side in found.values()]
    for name, cells in rows.items():
        table.add_row(name, *cells)
    return table


def _main() -> None:
    config = parse_config()
    found = compare(config)
    Console().print(comparison_table(config, found))
    print(f"kept: {config.run / 'comparison.json'}")


if __name__ == "__main__":
    run_command(_main)
