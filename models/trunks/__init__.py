"""One architecture a file, each `build(image_size) -> keras.Model`: picture -> features."""

from collections.abc import Callable
from pathlib import Path

import keras

from models.trunks import (
    alexnet,
    googlenet,
    lenet,
    mobilenet,
    pretrained,
    resnet,
    resnet50,
    seresnet,
    seresnet_deep,
    vgg,
)
from models.trunks.transfer import set_trainable_top
from multitask.errors import UserError

__all__ = ["GROWN_FROM", "PRETRAINED", "TRUNKS", "build_trunk", "check_trunk", "set_trainable_top"]

TRUNKS: dict[str, Callable[[int], keras.Model]] = {
    "lenet": lenet.build,
    "alexnet": alexnet.build,
    "vgg": vgg.build,
    "googlenet": googlenet.build,
    "resnet": resnet.build,
    "seresnet": seresnet.build,
    "seresnet_deep": seresnet_deep.build,
    "resnet50": resnet50.build,
    "mobilenet": mobilenet.build,
}

GROWN_FROM = {"seresnet_deep": "seresnet"}
"""Trunks that others hold, layer by layer, and begin with."""
PRETRAINED = "pretrained:"
"""What the name of a trunk begins with that is a network of keras.applications."""


def check_trunk(name: str, weights: str | Path | None = None) -> None:
    """Checks what `build_trunk` takes, as far as that goes without building.

    Raises:
        UserError: no such trunk, or weights for one that takes none.
    """
    if name.startswith(PRETRAINED):
        pretrained.check(name.removeprefix(PRETRAINED), weights)
    elif name not in TRUNKS:
        raise UserError(
            f"trunk must be one of {', '.join(TRUNKS)}, or {PRETRAINED}NAME for a network of "
            f"keras.applications; received {name!r}"
        )
    elif weights is not None:
        raise UserError(
            f"weights are for trunks {PRETRAINED}NAME; received {weights} for {name!r}, which starts from "
            "random ones: leave them away"
        )


def build_trunk(name: str, image_size: int, weights: str | Path | None = None) -> keras.Model:
    """A trunk: uint8 [N, image_size, image_size, 3] -> features [N, F].

    Args:
        name: of TRUNKS, or "pretrained:NAME" for a network of keras.applications.
        image_size: height and width of the pictures, in pixels.
        weights: as `pretrained.build` takes them; None for trunks of TRUNKS, which start from random ones.

    Raises:
        UserError: no such trunk, pictures too small for it, or weights that can't be had or don't fit.
    """
    check_trunk(name, weights)
    if name.startswith(PRETRAINED):
        return pretrained.build(name.removeprefix(PRETRAINED), image_size, weights)
    return TRUNKS[name](image_size)
