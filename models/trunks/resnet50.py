"""ResNet-50: He et al. 2015, "Deep residual learning for image recognition", section 4.1, table 1.

The 50-layer residual network of the notes' lab exercise (004_f83fcd845c0dc668.txt, "Lab Practicals", Exp-2),
which trains it on CIFAR-10.
"""

from typing import Any

import keras
from keras import layers

from models.trunks.shape import pixels, scaled

SMALLEST = 16
CANONICAL = 224
STAGES = ((3, 64), (4, 128), (6, 256), (3, 512))
"""Bottleneck blocks and their inner channels; a block puts out four times as many."""


def build(image_size: int, width: float | None = None) -> keras.Model:
    """A strided 7x7 stem with max pooling, sixteen bottleneck blocks, global average pooling.

    Up to CIFAR-10's 32x32 the stem is the lab exercise's: 3x3, 64, stride 1, no pooling. Convolutions carry a
    bias, as in Keras Applications, whose parameter count is kept; batch normalization makes it idle.

    Args:
        image_size: height and width of the pictures, at least 16.
        width: factor of the paper's channels; None: image_size / 224, at most 1.

    Returns:
        uint8 [N, image_size, image_size, 3] -> float [N, F].
        At 224: F = 2048, 23,587,712 parameters and 7.75 GFLOPs. At 64: F = 576, 1,916,128 and 54.9 MFLOPs.

    Raises:
        UserError: smaller pictures.
    """
    image, x = pixels("resnet50", image_size, SMALLEST)
    w = scaled(image_size, CANONICAL, width)
    if image_size <= 32:
        x = _convolution(x, w(64), 3, name="stem")
        x = layers.ReLU(name="stem_relu")(x)
    else:
        x = _convolution(x, w(64), 7, stride=2, name="stem")
        x = layers.ReLU(name="stem_relu")(x)
        x = layers.MaxPooling2D(3, 2, padding="same", name="stem_pool")(x)  # [N, S/4, S/4, 64]
    for stage, (blocks, channels) in enumerate(STAGES, start=2):
        for block in range(1, blocks + 1):
            stride = 2 if stage > 2 and block == 1 else 1
            x = _bottleneck(x, w(channels), stride, name=f"conv{stage}_block{block}")
    x = layers.GlobalAveragePooling2D(name="pool")(x)  # [N, 2048]
    return keras.Model(image, x, name="trunk")


def _bottleneck(x: Any, channels: int, stride: int, name: str) -> Any:
    shortcut = x
    if x.shape[-1] != 4 * channels or stride > 1:
        shortcut = _convolution(x, 4 * channels, 1, stride=stride, name=f"{name}_shortcut")
    x = _convolution(x, channels, 1, stride=stride, name=f"{name}_1")
    x = layers.ReLU(name=f"{name}_relu1")(x)
    x = _convolution(x, channels, 3, name=f"{name}_2")
    x = layers.ReLU(name=f"{name}_relu2")(x)
    x = _convolution(x, 4 * channels, 1, name=f"{name}_3")
    x = layers.Add(name=f"{name}_add")([x, shortcut])
    return layers.ReLU(name=f"{name}_relu3")(x)


def _convolution(x: Any, channels: int, size: int, name: str, stride: int = 1) -> Any:
    x = layers.Conv2D(channels, size, stride, "same", name=f"{name}_conv")(x)
    # Keras's momentum of 0.99 is still far from the true statistics after a few hundred steps.
    return layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
