"""VGG-16: Simonyan and Zisserman 2015, "Very deep convolutional networks", section 2, configuration D.

The notes name it among the famous architectures (001_5f3d368271183993.txt, "CNN Architecture").
"""

import keras
from keras import layers

from models.trunks.shape import pixels, scaled

SMALLEST = 32
CANONICAL = 224
BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
"""Convolutions and channels between one pooling and the next."""


def build(image_size: int, width: float | None = None) -> keras.Model:
    """Thirteen 3x3 convolutions in five max-pooled blocks, and two dense layers with dropout, all of relu.

    He's initializer, since Glorot's, made for units that are linear about 0, halves the variance at every
    relu: after fifteen, nothing arrives.

    Args:
        image_size: height and width of the pictures, at least 32.
        width: factor of the paper's channels and units; None: image_size / 224, at most 1.

    Returns:
        uint8 [N, image_size, image_size, 3] -> float [N, F].
        At 224: F = 4096, 134,260,544 parameters and 30.95 GFLOPs. At 64: F = 1168, 3,209,080 and 207 MFLOPs.

    Raises:
        UserError: smaller pictures.
    """
    image, x = pixels("vgg", image_size, SMALLEST)
    w = scaled(image_size, CANONICAL, width)
    he = {"activation": "relu", "kernel_initializer": "he_normal"}
    for block, (convolutions, channels) in enumerate(BLOCKS, start=1):
        for number in range(1, convolutions + 1):
            name = f"block{block}_conv{number}"
            x = layers.Conv2D(w(channels), 3, padding="same", **he, name=name)(x)
        x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)  # [N, S/2, S/2, 64] ... [N, S/32, S/32, 512]
    x = layers.Flatten(name="flatten")(x)
    for number in (1, 2):
        x = layers.Dense(w(4096), **he, name=f"dense{number}")(x)
        x = layers.Dropout(0.5, name=f"dropout{number}")(x)
    return keras.Model(image, x, name="trunk")
