"""Trains one model: `python -m training.train --help`.

python -m training.train                                        drawn faces, some minutes on 2 cores
python -m training.train --preset faces --manual-dir ARCHIVES   real ones, about an hour
python -m training.train --resume runs/drawn                    goes on with a run that was stopped
"""

import errno
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework import config as determinism  # only switching on is public

from models import functional, naive
from multitask import derive
from multitask.errors import UserError, run_command
from multitask.tasks import Task
from training.averages import Averages
from training.balancing import balance
from training.checkpoints import EpochEnd
from training.commands import parse_config
from training.config import TrainConfig
from training.datasets.prepare import state_of
from training.phases import compile_model, phases
from training.pipeline import Examples, Taught, evaluation_batches, examples_of, training_batches
from training.pytorch import by_torch
from training.runs import Run
from training.start import run_named, start_from
from training.teachers import taught
from training.temperatures import find_temperatures

logger = logging.getLogger(__name__)


def train(config: TrainConfig) -> Run:
    """Trains the model of `config`, or goes on with it where it was stopped; a finished run is left alone.

    Seeds of Python, NumPy and TensorFlow are set, and TensorFlow's operations are made deterministic unless
    `config.xla` (the two exclude each other).

    Raises:
        UserError: settings that don't fit the run's folder, the data or each other.
    """
    with Run.of(config).held() as run, _room(run):
        if run.summary is None:
            _train(run, config)
        else:
            logger.info("%s is finished; nothing to do", run.folder)
    return run


@contextmanager
def _room(run: Run) -> Iterator[None]:
    """Says in one line that a disk is full; TensorFlow, h5py and Python have each their own error for it."""
    try:
        yield
    except Exception as error:
        full = [os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)]
        for words in full:
            if words in str(error):
                raise UserError(
                    f"what a run leaves behind needs room; {words} at {run.folder}: its finished epochs are "
                    "kept; make room and start the same command again"
                ) from error
        raise


def _train(run: Run, config: TrainConfig) -> None:
    if config.xla:
        determinism.disable_op_determinism()
    else:
        determinism.enable_op_determinism()

    run.keep_data({name: state_of(name) for name in config.datasets})
    examples, validation = examples_of(config, *config.splits), examples_of(config, "validation")
    varied = examples_of(config, *config.splits, larger=config.supersampling)  # the same, in the same order
    from_teachers = taught(config, examples)
    learned = labelled_tasks(config, examples, from_teachers)
    temperatures = _temperatures_before(config, learned)
    if len(validation) == 0:
        raise UserError(
            f"the best epoch is chosen by validation examples; {', '.join(config.datasets)} has none that is "
            f"labelled for {', '.join(config.tasks)}: choose other datasets or tasks"
        )
    # In the order of the archives whole batches would lack a label, and count for its loss as 0.
    validation = validation.take(np.random.default_rng(config.seed).permutation(len(validation)))

    steps = max(1, round(len(examples) / config.batch_size))
    keras.utils.set_random_seed(config.seed)  # after the data is read: preparing it draws numbers as well
    network = build_model(config)
    if not run.checkpoint:  # else that has what came of them
        start_from(network, config)
    trained = with_gradients(network, config)
    if config.engine == "torch":
        model = by_torch(trained, config, steps)
    else:
        model = balance(trained, config.balancing, config.seed, steps)
    schedule = phases(config)
    optimizers = [compile_model(model, config, learned, steps, phase) for phase in schedule]
    unlabelled = [task.name for task in learned if not validation.labelled(task).any()]
    epoch_end = EpochEnd(run, network, trained, unlabelled)
    epoch_end.restore(model, optimizers)
    for phase, optimizer in zip(schedule, optimizers, strict=True):
        if epoch_end.epochs_done >= phase.end or epoch_end.epochs_left == 0:
            continue
        compile_model(model, config, learned, steps, phase, optimizer)
        if config.weight_averaging:
            epoch_end.averages = Averages(model.get_layer("trunk"), _as_they_are(examples, config))
        model.fit(
            training_batches(
                varied,
                config.chosen_tasks,
                config.batch_size,
                config.seed,
                first_step=epoch_end.epochs_done * steps,
                augmentation=config.augmentation,
                mixup=config.mixup,
                taught=from_teachers,
                image_size=config.image_size,
            ),
            validation_data=evaluation_batches(validation, config.chosen_tasks, config.batch_size),
            epochs=phase.end,
            initial_epoch=epoch_end.epochs_done,
            steps_per_epoch=steps,
            callbacks=[
                *([epoch_end.averages] if epoch_end.averages else []),
                epoch_end,
                keras.callbacks.TensorBoard(run.folder / "tensorboard", write_graph=False),
            ],
            shuffle=False,
            verbose=1 if sys.stdout.isatty() else 2,
        )
    if config.calibrate and not temperatures:
        temperatures = find_temperatures(run.best_model(), learned, validation)
    epoch_end.finish(learned, len(examples), temperatures)


def _temperatures_before(config: TrainConfig, learned: list[Task]) -> dict[str, float]:
    """Those of the run that is started from, where validation is learned from; else none yet."""
    if not config.calibrate or "validation" not in config.splits:
        return {}
    if config.start_from is None:
        raise UserError(
            "temperatures are found on what is not learned from; received calibrate with validation among "
            "splits and no start_from to take them from: name a calibrated run by --start-from"
        )
    run = run_named(config.start_from)
    found = (run.summary or {}).get("temperatures", {})
    if missing := [task.name for task in learned if task.name not in found]:
        raise UserError(
            f"temperatures come from start_from where validation is learned; {run.folder} has none for "
            f"{', '.join(missing)}: train it with --calibrate, or this one without"
        )
    return {task.name: found[task.name] for task in learned}


def _as_they_are(examples: Examples, config: TrainConfig) -> tf.data.Dataset:
    """Batches of about 5,000 training pictures, or of all if there are fewer, not varied."""
    size = 256
    batches = training_batches(examples, config.chosen_tasks, size, config.seed)
    return batches.take(min(20, -(-len(examples) // size))).map(lambda images, labels, weights: images)


def labelled_tasks(config: TrainConfig, examples: Examples, taught: Taught | None = None) -> list[Task]:
    """The chosen tasks that any example has a label for, or a teacher knows; the others are named in the log.

    Raises:
        UserError: there is none.
    """
    known = taught.answers if taught else ()
    learned = [task for task in config.chosen_tasks if task.name in known or examples.labelled(task).any()]
    for task in config.chosen_tasks:
        if task not in learned:
            logger.warning(
                "%s: no labels in %s; its head stays as it is", task.name, ", ".join(config.datasets)
            )
    if not learned:
        chosen = ", ".join(config.tasks)
        raise UserError(
            f"tasks need labels; {', '.join(config.datasets)} has none for {chosen}: choose others"
        )
    return learned


def with_gradients(network: keras.Model, config: TrainConfig) -> keras.Model:
    """The same network, its layers derived as `config.gradients` says."""
    match config.gradients:
        case "derived":
            return derive(network)
        case "fastest":
            return derive(network, only=(keras.layers.BatchNormalization,))
        case _:
            return network


def build_model(config: TrainConfig) -> keras.Model:
    """The network of `config`, from its seed: uint8 [N, S, S, 3] -> {task: logits [N, units]}."""
    settings = config.trunk, config.image_size, config.dropout, config.weights
    with policy_of(config):
        if config.approach == "functional":
            return functional.build(config.chosen_tasks, *settings)
        (task,) = config.chosen_tasks
        return naive.with_named_output(task, naive.build(task, *settings))


@contextmanager
def policy_of(config: TrainConfig) -> Iterator[None]:
    """Keras's dtype policy while the network of `config` is built."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(config.policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)


def _main() -> None:
    run = train(parse_config())
    print(f"trained: {run.folder}\nnext: python -m training.evaluate {run.folder}")


if __name__ == "__main__":
    run_command(_main)
