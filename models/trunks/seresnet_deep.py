"""`models.trunks.seresnet` with three more blocks, from which it can grow: two of 64 channels, one of 32."""

import keras

from models.trunks.resnet import SMALLEST, Blocks, residual
from models.trunks.seresnet import squeeze_and_excite

__all__ = ["SMALLEST", "build"]

BLOCKS: Blocks = ((32, 1), (32, 1, 1), (64, 2), (64, 1, 2), (128, 2), (128, 1), (256, 2))


def build(image_size: int) -> keras.Model:
    """A strided 3x3 stem, ten gated residual blocks, global average pooling.

    Args:
        image_size: height and width of the pictures, at least 16; made for 64.

    Returns:
        uint8 [N, image_size, image_size, 3] -> float [N, 256]; 1,816,504 parameters. At 64: 356 MFLOPs.

    Raises:
        UserError: smaller pictures.
    """
    return residual("seresnet_deep", image_size, BLOCKS, squeeze_and_excite)
