"""The layers that are measured by themselves: those of the trunks on pictures of 64x64, and a few others."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class SingleLayer:
    """One layer.

    Args:
        name: as tables show it.
        kind: name of its class in keras.layers.
        shape: of its input, without the batch.
        arguments: its own, as Keras names them.
        of_pictures: its input is a picture, which needs no gradient.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    arguments: dict[str, Any]
    of_pictures: bool = False


def _layer(name: str, kind: str, size: int, channels: int, **arguments: Any) -> SingleLayer:
    shape = (size, size, channels)
    return SingleLayer(f"{name}, {size}x{size}", kind, shape, arguments, of_pictures=channels == 3)


def _convolution(
    size: int, channels: int, filters: int, kernel_size: int = 3, strides: int = 1
) -> SingleLayer:
    name = f"conv {kernel_size}x{kernel_size}{_STRIDED[strides]}, {channels} to {filters}"
    arguments = {"filters": filters, "kernel_size": kernel_size, "strides": strides, **_BEFORE_NORM}
    return _layer(name, "Conv2D", size, channels, **arguments)


def _depthwise(size: int, channels: int, strides: int = 1) -> SingleLayer:
    name = f"depthwise 3x3{_STRIDED[strides]}, {channels}"
    arguments = {"kernel_size": 3, "strides": strides, **_BEFORE_NORM}
    return _layer(name, "DepthwiseConv2D", size, channels, **arguments)


_STRIDED = {1: "", 2: "/2"}
_BEFORE_NORM = {"padding": "same", "use_bias": False}

SINGLE_LAYERS = (
    # vgg
    _convolution(64, 3, 32),
    _convolution(32, 32, 64),
    _convolution(16, 64, 128),
    _convolution(8, 128, 256),
    # resnet
    _convolution(64, 3, 32, strides=2),
    _convolution(32, 32, 32),
    _convolution(32, 32, 64, strides=2),
    _convolution(16, 64, 64),
    _convolution(16, 64, 128, strides=2),
    _convolution(8, 128, 128),
    _convolution(8, 128, 256, strides=2),
    _convolution(4, 256, 256),
    _convolution(16, 32, 64, kernel_size=1),
    _convolution(4, 128, 256, kernel_size=1),
    # what MobileNets have in their place
    _depthwise(32, 32),
    _depthwise(32, 32, strides=2),
    _layer("separable 3x3, 32 to 64", "SeparableConv2D", 32, 32, filters=64, kernel_size=3, **_BEFORE_NORM),
    # all of them
    _layer("batch norm, 32", "BatchNormalization", 64, 32),
    _layer("batch norm, 256", "BatchNormalization", 8, 256),
    _layer("relu, 32", "ReLU", 64, 32),
    _layer("relu, 256", "ReLU", 8, 256),
    _layer("max pooling 2x2, 32", "MaxPooling2D", 64, 32, pool_size=2),
    _layer("max pooling 2x2, 256", "MaxPooling2D", 8, 256, pool_size=2),
    _layer("average pooling 2x2, 32", "AveragePooling2D", 32, 32, pool_size=2),
    _layer("global average pooling, 256", "GlobalAveragePooling2D", 4, 256),
    SingleLayer("dense, 256 to 101", "Dense", (256,), {"units": 101}),
)
