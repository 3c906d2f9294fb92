"""The networks that are measured: a trunk and three heads, which emit logits."""

from collections.abc import Callable

import keras
from keras import layers

from models.heads import head
from models.trunks import resnet
from multitask.tasks import TASKS

VGG_CHANNELS = (32, 64, 128, 256)


def vgg(image_size: int) -> keras.Model:
    """3x3 convolutions of 32, 64, 128, 256, each with batch norm, relu, 2x2 max pooling: 389,344 parameters.

    The layout of Simonyan and Zisserman 2014, "Very deep convolutional networks", at half the width.
    """
    image = keras.Input((image_size, image_size, 3), dtype="uint8")
    x = layers.Rescaling(1 / 127.5, offset=-1)(image)
    for channels in VGG_CHANNELS:
        x = layers.Conv2D(channels, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
        x = layers.MaxPooling2D()(x)
    return keras.Model(image, layers.GlobalAveragePooling2D()(x), name="trunk")


TRUNKS: dict[str, Callable[[int], keras.Model]] = {"vgg": vgg, "resnet": resnet.build}


def with_heads(trunk: str, image_size: int) -> keras.Model:
    """The functional approach on a trunk of TRUNKS: uint8 [N, S, S, 3] -> {task: logits [N, units]}."""
    image = keras.Input((image_size, image_size, 3), dtype="uint8")
    features = TRUNKS[trunk](image_size)(image)
    logits = {}
    for task in TASKS.values():
        x = features
        for layer in head(task):
            x = layer(x)
        logits[task.name] = x
    return keras.Model(image, logits)
