"""What all trunks share: how pictures come in, and how wide a network is below its paper's size."""

from collections.abc import Callable
from typing import Any

import keras
from keras import layers

from multitask.errors import UserError


def pixels(trunk: str, image_size: int, smallest: int) -> tuple[Any, Any]:
    """The input, uint8 [N, image_size, image_size, 3], and the same scaled to [-1, 1].

    Raises:
        UserError: `image_size` is below `smallest`.
    """
    if image_size < smallest:
        raise UserError(f"{trunk} takes pictures of at least {smallest}x{smallest}; received {image_size}")
    image = keras.Input((image_size, image_size, 3), dtype="uint8", name="image")
    return image, layers.Rescaling(1 / 127.5, offset=-1, name="scale")(image)


def scaled(image_size: int, canonical: int, width: float | None) -> Callable[[int], int]:
    """A function from the paper's number of channels or units to this network's.

    The paper's times `width`, in whole multiples of 8, at least 8.

    Args:
        image_size: height and width of the pictures, in pixels.
        canonical: the same in the paper.
        width: None: image_size / canonical, at most 1; so the network thins as its pictures shrink, and
            trains on a processor where they are small.
    """
    factor = min(1.0, image_size / canonical) if width is None else width
    return lambda channels: max(8, 8 * round(channels * factor / 8))
