"""Trains one model: `python -m training.train --help`.

python -m training.train                                        drawn faces, some minutes on 2 cores
python -m training.train --preset faces --manual-dir ARCHIVES   real ones, about an hour
"""

import logging
import sys

import keras
import numpy as np
from tensorflow.python.framework import config as determinism  # only switching on is public

from models import functional, naive
from multitask import derive
from multitask.errors import UserError, run_command
from multitask.losses import guess_level, loss_of
from multitask.tasks import Task
from training.checkpoints import EpochEnd
from training.commands import parse_config
from training.config import TrainConfig
from training.metrics import AnswerError
from training.pipeline import Examples, evaluation_batches, load_examples, training_batches
from training.runs import Run

logger = logging.getLogger(__name__)


def train(config: TrainConfig) -> Run:
    """Trains the model of `config`, or goes on with it where it was stopped; a finished run is left alone.

    Seeds of Python, NumPy and TensorFlow are set, and TensorFlow's operations are made deterministic unless
    `config.xla` (the two exclude each other).

    Raises:
        UserError: settings that don't fit the run's folder, the data or each other.
    """
    run = Run.start(config)
    with run.held():
        if run.summary is None:
            _train(run, config)
        else:
            logger.info("%s is finished; nothing to do", run.folder)
    return run


def _train(run: Run, config: TrainConfig) -> None:
    if config.xla:
        determinism.disable_op_determinism()
    else:
        determinism.enable_op_determinism()

    examples, validation = (
        load_examples(
            config.datasets, split, config.chosen_tasks, config.image_size, config.data_dir, config.manual_dir
        )
        for split in ("train", "validation")
    )
    learned = labelled_tasks(config, examples)
    # In the order of the archives whole batches would lack a label, and count for its loss as 0.
    validation = validation.take(np.random.default_rng(config.seed).permutation(len(validation)))

    steps = max(1, round(len(examples) / config.batch_size))
    keras.utils.set_random_seed(config.seed)  # after the data is read: preparing it draws numbers as well
    model = build_model(config)
    compile_model(model, config, learned, steps)
    epoch_end = EpochEnd(run, unlabelled=[t.name for t in learned if not validation.labelled(t).any()])
    epoch_end.restore(model)
    model.fit(
        training_batches(
            examples,
            config.chosen_tasks,
            config.batch_size,
            config.seed,
            first_step=epoch_end.epochs_done * steps,
            augmentation=config.augmentation,
        ),
        validation_data=evaluation_batches(validation, config.chosen_tasks, config.batch_size),
        epochs=epoch_end.epochs_done + epoch_end.epochs_left,
        initial_epoch=epoch_end.epochs_done,
        steps_per_epoch=steps,
        callbacks=[epoch_end, keras.callbacks.TensorBoard(run.folder / "tensorboard", write_graph=False)],
        shuffle=False,
        verbose=1 if sys.stdout.isatty() else 2,
    )
    epoch_end.finish(learned, len(examples))


def labelled_tasks(config: TrainConfig, examples: Examples) -> list[Task]:
    """The chosen tasks that any example has a label for; the others are named in the log.

    Raises:
        UserError: there is none.
    """
    learned = [task for task in config.chosen_tasks if examples.labelled(task).any()]
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


def build_model(config: TrainConfig) -> keras.Model:
    """The network of `config`, from its seed: uint8 [N, S, S, 3] -> {task: logits [N, units]}."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(config.precision)
    try:
        if config.approach == "functional":
            model = functional.build(config.chosen_tasks, config.trunk, config.image_size, config.dropout)
        else:
            (task,) = config.chosen_tasks
            network = naive.build(task, config.trunk, config.image_size, config.dropout)
            model = naive.with_named_output(task, network)
    finally:
        keras.config.set_dtype_policy(policy)
    return derive(model) if config.gradients == "derived" else model


def compile_model(model: keras.Model, config: TrainConfig, learned: list[Task], steps: int) -> None:
    """Readies `model` to learn the tasks `learned`; the heads of others are frozen.

    At zero gradient alone, AdamW's decay and its old moments would still move them.
    """
    for task in config.chosen_tasks:
        model.get_layer(task.name).trainable = task in learned
    warmup = round(config.warmup_epochs * steps)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else config.learning_rate,
        decay_steps=max(1, config.epochs * steps - warmup),
        warmup_target=config.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=config.weight_decay)
    optimizer.exclude_from_weight_decay(
        var_list=[v for v in model.trainable_variables if not v.path.endswith("kernel")]
    )
    model.compile(
        optimizer,
        loss={task.name: loss_of(task, config.label_smoothing, config.gradients) for task in learned},
        # In its own unit, years, the loss of age is ten times that of gender and would leave little for it.
        loss_weights={task.name: 1 / guess_level(task) for task in learned},
        weighted_metrics={
            task.name: [AnswerError(task, full_name=len(model.output) == 1)] for task in learned
        },
        jit_compile=config.xla,
    )


def _main() -> None:
    run = train(parse_config())
    print(f"trained: {run.folder}\nnext: python -m training.evaluate {run.folder}")


if __name__ == "__main__":
    run_command(_main)
