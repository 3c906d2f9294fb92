"""Weights that a training starts from: another run's, or the model that comes with the project."""

import logging
from pathlib import Path

import keras

from models.trunks import GROWN_FROM
from multitask.errors import UserError
from training.config import TrainConfig
from training.runs import Run

logger = logging.getLogger(__name__)

SHIPPED = Path(__file__).parents[1] / "models" / "pretrained"
"""The run whose best model comes with the project."""


def run_named(name: str) -> Run:
    """The run in the folder `name`, or the one that comes with the project, "pretrained".

    Raises:
        UserError: there is none.
    """
    return Run.open(SHIPPED if name == "pretrained" else Path(name))


def start_from(network: keras.Model, config: TrainConfig) -> None:
    """Gives `network` the weights that `config.start_from` names, if it names any.

    The other's trunk may lack blocks of this one, which then stay as they are. Pictures may be of another
    size where that does not change the shapes of the trunk's weights. A head whose task the other model
    hasn't learned stays as it is, which is named in the log.

    Raises:
        UserError: no run, no finished epoch, another trunk, or pictures of a size that doesn't fit.
    """
    if config.start_from is None:
        return
    run = run_named(config.start_from)
    if run.config.trunk not in (config.trunk, GROWN_FROM.get(config.trunk)):
        raise UserError(
            "start_from must be a run with the same trunk, or one that it grows from; received "
            f"{run.folder} with {run.config.trunk}, trunk {config.trunk}: choose --trunk {run.config.trunk}, "
            "or another run"
        )
    other = run.best_model(calibrated=not config.calibrate)  # else what is divided in the end would be twice
    try:
        for layer in other.get_layer("trunk").layers:
            if layer.weights:
                network.get_layer("trunk").get_layer(layer.name).set_weights(layer.get_weights())
    except ValueError as error:
        raise UserError(
            f"the weights of {config.trunk} are made for one size of pictures; received {run.folder} of "
            f"{run.config.image_size}, image_size {config.image_size}: choose --image-size "
            f"{run.config.image_size}, or a run whose trunk ends in global pooling"
        ) from error
    for task in config.chosen_tasks:
        if task.name in run.learned:
            network.get_layer(task.name).set_weights(other.get_layer(task.name).get_weights())
        else:
            logger.info("%s: not learned by %s; its head starts from random weights", task.name, run.folder)
