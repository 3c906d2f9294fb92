"""AlexNet: Krizhevsky et al. 2012, "ImageNet classification with deep convolutional neural
networks", section 3.

The notes name it as what began it all (001_5f3d368271183993.txt, "AlexNet").
"""

import keras
from keras import layers

from models.trunks.shape import pixels, scaled

SMALLEST = 25
CANONICAL = 227


def build(image_size: int, width: float | None = None) -> keras.Model:
    """Five convolutions, three of them max-pooled, and two dense layers with dropout, all of relu.

    The paper says 224, but its maps of 55 take 227. Below, the 11x11 stem steps less far, so that its map
    stays near 55. Two groups of channels were two GPUs' memory: here they are one. Local response
    normalization is left out: it has no parameters, and did not help later networks (Simonyan and Zisserman
    2015, section 2.1). He's initializer, since Glorot's, made for units that are linear about 0, halves the
    variance at every relu.

    Args:
        image_size: height and width of the pictures, at least 25.
        width: factor of the paper's channels and units; None: image_size / 227, at most 1.

    Returns:
        uint8 [N, image_size, image_size, 3] -> float [N, F].
        At 227: F = 4096, 58,281,344 parameters and 2.26 GFLOPs. At 64: F = 1152, 3,713,360 and 191 MFLOPs.

    Raises:
        UserError: smaller pictures.
    """
    image, x = pixels("alexnet", image_size, SMALLEST)
    w = scaled(image_size, CANONICAL, width)
    he = {"activation": "relu", "kernel_initializer": "he_normal"}
    stride = min(4, max(1, round(4 * image_size / CANONICAL)))
    x = layers.Conv2D(w(96), 11, stride, **he, name="conv1")(x)  # [N, 55, 55, 96]
    x = layers.MaxPooling2D(3, 2, name="pool1")(x)  # [N, 27, 27, 96]
    x = layers.Conv2D(w(256), 5, padding="same", **he, name="conv2")(x)
    x = layers.MaxPooling2D(3, 2, name="pool2")(x)  # [N, 13, 13, 256]
    for number, channels in enumerate((384, 384, 256), start=3):
        x = layers.Conv2D(w(channels), 3, padding="same", **he, name=f"conv{number}")(x)
    x = layers.MaxPooling2D(3, 2, name="pool5")(x)  # [N, 6, 6, 256]
    x = layers.Flatten(name="flatten")(x)
    for number in (6, 7):
        x = layers.Dense(w(4096), **he, name=f"dense{number}")(x)
        x = layers.Dropout(0.5, name=f"dropout{number}")(x)
    return keras.Model(image, x, name="trunk")
