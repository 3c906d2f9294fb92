"""A small residual network whose channels gate each other: Hu et al. 2017, "Squeeze-and-excitation networks".

The blocks are those of `models.trunks.resnet`; the gate stands where the paper has it (section 4, figure 3),
on the branch, before the shortcut is added.
"""

from typing import Any

import keras
from keras import layers

from models.trunks.resnet import SMALLEST, residual

__all__ = ["SMALLEST", "build"]

BLOCKS = ((32, 1), (32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (256, 2))
"""Channels and stride of each residual block."""
REDUCTION = 8
"""How many times fewer units than channels decide on the gates."""


def build(image_size: int) -> keras.Model:
    """A strided 3x3 stem, seven gated residual blocks, global average pooling.

    Args:
        image_size: height and width of the pictures, at least 16; made for 64.

    Returns:
        uint8 [N, image_size, image_size, 3] -> float [N, 256]; 1,646,592 parameters. At 64: 242 MFLOPs.

    Raises:
        UserError: smaller pictures.
    """
    return residual("seresnet", image_size, BLOCKS, squeeze_and_excite)


def squeeze_and_excite(x: Any, name: str) -> Any:
    """Each channel times sigmoid(W2 relu(W1 its means)): [N, S, S, C] -> the same shape. Source: eq. 2-4."""
    channels = x.shape[-1]
    gates = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)  # [N, 1, 1, C]
    gates = layers.Dense(max(8, channels // REDUCTION), "relu", name=f"{name}_reduce")(gates)
    gates = layers.Dense(channels, "sigmoid", name=f"{name}_excite")(gates)
    return layers.Multiply(name=f"{name}_gate")([x, gates])
