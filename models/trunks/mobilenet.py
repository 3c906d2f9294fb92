"""MobileNet: Howard et al. 2017, "MobileNets", section 3.2, table 1.

Made of the notes' separable convolutions (004_f83fcd845c0dc668.txt, "Depthwise convolution" and "Separable
convolutions"): a 3x3 kernel for each channel, then a 1x1 convolution across them.
"""

from typing import Any

import keras
from keras import layers

from models.trunks.shape import pixels, scaled

SMALLEST = 16
CANONICAL = 224
# Of a depthwise kernel [3, 3, C, 1], each channel's own 9 taps are what Keras counts as its fan out.
HE_DEPTHWISE = keras.initializers.VarianceScaling(2.0, "fan_out")
BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
"""Channels and stride of each separable convolution."""


def build(image_size: int, width: float | None = None) -> keras.Model:
    """A strided 3x3 stem, thirteen separable convolutions, global average pooling.

    Batch normalization and relu follow each depthwise and each 1x1 convolution, which is why these are not
    SeparableConv2D layers; convolutions carry no bias: it would be subtracted again with the mean. He's
    initializer, since Glorot's makes depthwise kernels so small that their sums drown in normalization's
    epsilon.

    Args:
        image_size: height and width of the pictures, at least 16.
        width: factor of the paper's channels (its width multiplier); None: image_size / 224, at most 1.

    Returns:
        uint8 [N, image_size, image_size, 3] -> float [N, F].
        At 224: F = 1024, 3,228,864 parameters and 1.15 GFLOPs. At 64: F = 296, 280,056 and 8.6 MFLOPs.

    Raises:
        UserError: smaller pictures.
    """
    image, x = pixels("mobilenet", image_size, SMALLEST)
    w = scaled(image_size, CANONICAL, width)
    x = layers.Conv2D(w(32), 3, 2, "same", use_bias=False, kernel_initializer="he_normal", name="stem")(
        x
    )  # [N, S/2, S/2, 32]
    x = _normalized_relu(x, "stem")
    for number, (channels, stride) in enumerate(BLOCKS, start=1):
        depthwise, pointwise = f"block{number}_depthwise", f"block{number}_pointwise"
        x = layers.DepthwiseConv2D(
            3, stride, "same", use_bias=False, depthwise_initializer=HE_DEPTHWISE, name=depthwise
        )(x)
        x = _normalized_relu(x, depthwise)
        x = layers.Conv2D(w(channels), 1, use_bias=False, kernel_initializer="he_normal", name=pointwise)(x)
        x = _normalized_relu(x, pointwise)
    x = layers.GlobalAveragePooling2D(name="pool")(x)  # [N, 1024]
    return keras.Model(image, x, name="trunk")


def _normalized_relu(x: Any, name: str) -> Any:
    # Keras's momentum of 0.99 is still far from the true statistics after a few hundred steps.
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)
