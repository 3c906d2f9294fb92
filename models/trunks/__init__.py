"""One architecture a file, each `build(image_size) -> keras.Model`: picture -> features."""

from collections.abc import Callable

import keras

from models.trunks import lenet, resnet
from multitask.errors import UserError

TRUNKS: dict[str, Callable[[int], keras.Model]] = {"lenet": lenet.build, "resnet": resnet.build}


def build_trunk(name: str, image_size: int) -> keras.Model:
    """The trunk `name` of TRUNKS: uint8 [N, image_size, image_size, 3] -> features [N, F].

    Raises:
        UserError: no such trunk, or pictures too small for it.
    """
    if name not in TRUNKS:
        raise UserError(f"trunk must be one of {', '.join(TRUNKS)}; received {name!r}")
    return TRUNKS[name](image_size)
