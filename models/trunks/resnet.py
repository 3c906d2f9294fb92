"""A small residual network: He et al. 2015, "Deep residual learning for image recognition", section 3.3.

Shortcuts that change the shape are average-pooled before their 1x1 convolution (He et al. 2018, "Bag of
tricks for image classification", ResNet-D), which keeps the pixels a strided 1x1 would skip.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import layers

from models.trunks.shape import pixels

SMALLEST = 16
STAGES = ((32, 1), (64, 2), (128, 2), (256, 2))
"""Channels and stride of each residual block."""

Blocks = tuple[tuple[int, int] | tuple[int, int, int], ...]
"""Channels and stride of each residual block, and how many more of its width and stride 1 follow it."""


def build(image_size: int) -> keras.Model:
    """A strided 3x3 stem, four residual blocks of two 3x3 convolutions, global average pooling.

    Convolutions that batch normalization follows carry no bias: it would be subtracted again with the mean.

    Args:
        image_size: height and width of the pictures, at least 16; made for 64.

    Returns:
        uint8 [N, image_size, image_size, 3] -> float [N, 256]; 1,229,280 parameters. At 64: 128 MFLOPs.

    Raises:
        UserError: smaller pictures.
    """
    return residual("resnet", image_size, STAGES)


def residual(
    name: str,
    image_size: int,
    blocks: Blocks,
    gate: Callable[[Any, str], Any] = lambda x, name: x,
) -> keras.Model:
    """A strided 3x3 stem, residual blocks of two 3x3 convolutions, global average pooling.

    Args:
        name: of the trunk, for errors.
        image_size: height and width of the pictures, at least 16.
        blocks: what `Blocks` says. Those that follow another, named as it and by a letter from b on, add
            nothing to their shortcut at first: so a network grows from one without them, whose answers it
            begins with (Chen et al. 2016, "Net2Net", section 2.3).
        gate: (features [N, H, W, C], what names of layers begin with) -> what a block adds to its shortcut.

    Returns:
        uint8 [N, image_size, image_size, 3] -> float [N, channels of the last block].

    Raises:
        UserError: smaller pictures.
    """
    image, x = pixels(name, image_size, SMALLEST)
    x = _convolution(x, blocks[0][0], stride=2, name="stem")  # [N, S/2, S/2, channels of the first block]
    x = layers.ReLU(name="stem_relu")(x)
    for number, (channels, stride, *more) in enumerate(blocks, start=1):
        x = _block(x, channels, stride, f"block{number}", gate)
        for letter in "bcdefgh"[: sum(more)]:
            x = _block(x, channels, 1, f"block{number}{letter}", gate, start="zeros")
    x = layers.GlobalAveragePooling2D(name="pool")(x)  # [N, C]
    return keras.Model(image, x, name="trunk")


def _block(
    x: Any, channels: int, stride: int, name: str, gate: Callable[[Any, str], Any], start: str = "ones"
) -> Any:
    shortcut = x
    if stride > 1:
        shortcut = layers.AveragePooling2D(stride, padding="same", name=f"{name}_shortcut_pool")(shortcut)
    if x.shape[-1] != channels:
        shortcut = _convolution(shortcut, channels, size=1, name=f"{name}_shortcut")
    x = _convolution(x, channels, stride=stride, name=f"{name}_1")
    x = layers.ReLU(name=f"{name}_relu1")(x)
    x = _convolution(x, channels, name=f"{name}_2", scale=start)
    x = layers.Add(name=f"{name}_add")([gate(x, name), shortcut])
    return layers.ReLU(name=f"{name}_relu2")(x)


def _convolution(
    x: Any, channels: int, name: str, size: int = 3, stride: int = 1, scale: str = "ones"
) -> Any:
    x = layers.Conv2D(channels, size, stride, "same", use_bias=False, name=f"{name}_conv")(x)
    # Keras's momentum of 0.99 is still far from the true statistics after a few hundred steps.
    return layers.BatchNormalization(momentum=0.9, gamma_initializer=scale, name=f"{name}_norm")(x)
