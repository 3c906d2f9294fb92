"""The phases of a training, and what a model is compiled with in each."""

from dataclasses import dataclass

import keras

from models.trunks import set_trainable_top
from multitask.losses import Gradients, guess_level, loss_of
from multitask.tasks import Task
from training.config import TrainConfig
from training.metrics import AnswerError


@dataclass(frozen=True)
class Phase:
    """A part of a training.

    Args:
        begin: epochs that come before it.
        end: epochs that are done after it.
        layers: of the trunk, from its end, that it trains; None: all.
        learning_rate: the peak.
    """

    begin: int
    end: int
    layers: int | None
    learning_rate: float


def phases(config: TrainConfig) -> list[Phase]:
    """Feature extraction, if `config` has epochs of it, then what trains the trunk as well.

    Source: notes 001, "Ways of doing Transfer Learning".
    """
    frozen = config.frozen_epochs
    if frozen == 0:
        return [Phase(0, config.epochs, None, config.learning_rate)]
    extraction = Phase(0, frozen, 0, config.learning_rate)
    tuning = Phase(frozen, config.epochs, config.unfrozen_layers, config.fine_tuning_rate)
    return [extraction] if frozen == config.epochs else [extraction, tuning]


def compile_model(
    model: keras.Model,
    config: TrainConfig,
    learned: list[Task],
    steps: int,
    phase: Phase | None = None,
    optimizer: keras.Optimizer | None = None,
) -> keras.Optimizer:
    """Readies `model` to learn the tasks `learned` in `phase`, the first if not given.

    The heads of other tasks are frozen: at zero gradient alone, AdamW's decay and its old moments would still
    move them.

    Args:
        steps: of an epoch.
        optimizer: of an earlier call for this phase.

    Returns:
        The built optimizer. Each phase has its own, since moments of the one before would be stale.
    """
    phase = phase or phases(config)[0]
    gradients: Gradients = "derived" if config.gradients == "derived" else "autodiff"
    set_trainable_top(model.get_layer("trunk"), phase.layers)
    for task in config.chosen_tasks:
        model.get_layer(task.name).trainable = task in learned
    new = _optimizer(config, phase, steps) if optimizer is None else None
    model.compile(
        new or optimizer,
        loss={task.name: loss_of(task, config.label_smoothing, gradients) for task in learned},
        # In its own unit, years, the loss of age is ten times that of gender and would leave little for it.
        loss_weights={
            task.name: config.task_weights.get(task.name, 1.0) / guess_level(task) for task in learned
        },
        weighted_metrics={
            task.name: [AnswerError(task, full_name=len(model.output) == 1)] for task in learned
        },
        jit_compile=config.xla,
    )
    if new:
        new.exclude_from_weight_decay(
            var_list=[v for v in model.trainable_variables if not v.path.endswith("kernel")]
        )
        model.optimizer.build(model.trainable_variables)
    return model.optimizer  # which mixed_float16 has wrapped, to scale the loss


def _optimizer(config: TrainConfig, phase: Phase, steps: int) -> keras.Optimizer:
    warmup = round(min(config.warmup_epochs, phase.end - phase.begin) * steps)
    rate = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else phase.learning_rate,
        decay_steps=max(1, (phase.end - phase.begin) * steps - warmup),
        warmup_target=phase.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    average = config.weight_averaging
    return keras.optimizers.AdamW(
        rate, weight_decay=config.weight_decay, use_ema=average > 0, ema_momentum=average or 0.99
    )
