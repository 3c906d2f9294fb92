"""GoogLeNet, or Inception v1: Szegedy et al. 2015, "Going deeper with convolutions", table 1.

The notes name both among the famous architectures (001_5f3d368271183993.txt, "CNN Architecture").
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import layers

from models.trunks.shape import pixels, scaled

SMALLEST = 16
CANONICAL = 224
HE = {"padding": "same", "activation": "relu", "kernel_initializer": "he_normal"}
STAGES = (
    {"3a": (64, 96, 128, 16, 32, 32), "3b": (128, 128, 192, 32, 96, 64)},
    {
        "4a": (192, 96, 208, 16, 48, 64),
        "4b": (160, 112, 224, 24, 64, 64),
        "4c": (128, 128, 256, 24, 64, 64),
        "4d": (112, 144, 288, 32, 64, 64),
        "4e": (256, 160, 320, 32, 128, 128),
    },
    {"5a": (256, 160, 320, 32, 128, 128), "5b": (384, 192, 384, 48, 128, 128)},
)
"""Table 1's "#1x1", "#3x3 reduce", "#3x3", "#5x5 reduce", "#5x5" and "pool proj" of each inception module."""


def build(image_size: int, width: float | None = None) -> keras.Model:
    """Three convolutions, nine inception modules between max poolings, global average pooling, dropout.

    The two auxiliary classifiers, which the paper drops after training, are left out, as is local response
    normalization: it has no parameters, and did not help later networks (Simonyan and Zisserman 2015,
    section 2.1). He's initializer, since Glorot's, made for units that are linear about 0, halves the
    variance at every relu.

    Args:
        image_size: height and width of the pictures, at least 16.
        width: factor of the paper's channels; None: image_size / 224, at most 1.

    Returns:
        uint8 [N, image_size, image_size, 3] -> float [N, F].
        At 224: F = 1024, 5,973,552 parameters and 3.18 GFLOPs. At 64: F = 304, 497,304 and 24.3 MFLOPs.

    Raises:
        UserError: smaller pictures.
    """
    image, x = pixels("googlenet", image_size, SMALLEST)
    w = scaled(image_size, CANONICAL, width)
    x = layers.Conv2D(w(64), 7, 2, **HE, name="conv1")(x)  # [N, S/2, S/2, 64]
    x = layers.MaxPooling2D(3, 2, padding="same", name="pool1")(x)
    x = layers.Conv2D(w(64), 1, **HE, name="conv2_reduce")(x)
    x = layers.Conv2D(w(192), 3, **HE, name="conv2")(x)  # [N, S/4, S/4, 192]
    for number, stage in enumerate(STAGES, start=2):
        x = layers.MaxPooling2D(3, 2, padding="same", name=f"pool{number}")(x)
        for name, channels in stage.items():
            x = _inception(x, channels, w, f"inception{name}")
    x = layers.GlobalAveragePooling2D(name="pool5")(x)  # [N, 1024]
    x = layers.Dropout(0.4, name="dropout")(x)
    return keras.Model(image, x, name="trunk")


def _inception(x: Any, channels: tuple[int, ...], w: Callable[[int], int], name: str) -> Any:
    one, reduce3, three, reduce5, five, projection = map(w, channels)
    branches = [
        layers.Conv2D(one, 1, **HE, name=f"{name}_1x1")(x),
        layers.Conv2D(three, 3, **HE, name=f"{name}_3x3")(
            layers.Conv2D(reduce3, 1, **HE, name=f"{name}_3x3_reduce")(x)
        ),
        layers.Conv2D(five, 5, **HE, name=f"{name}_5x5")(
            layers.Conv2D(reduce5, 1, **HE, name=f"{name}_5x5_reduce")(x)
        ),
        layers.Conv2D(projection, 1, **HE, name=f"{name}_projection")(
            layers.MaxPooling2D(3, 1, padding="same", name=f"{name}_pool")(x)
        ),
    ]
    return layers.Concatenate(name=f"{name}_concatenate")(branches)
