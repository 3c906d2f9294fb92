"""LeNet-5: LeCun et al. 1998, "Gradient-based learning applied to document recognition", section II-B.

The notes name it first among the architectures (001_5f3d368271183993.txt, "LeNet").
"""

import keras
from keras import layers

from models.trunks.shape import pixels

SMALLEST = 16


def build(image_size: int) -> keras.Model:
    """Two 5x5 convolutions, each with tanh and 2x2 average pooling, then 120 and 84 tanh units.

    At the paper's 32x32 the third convolution (5x5 over a 5x5 map) is the dense layer of 120 that stands
    here; the paper's sparse connections between the first maps are full ones, as is usual since.

    Args:
        image_size: height and width of the pictures, at least 16.

    Returns:
        uint8 [N, image_size, image_size, 3] -> float [N, 84]. At the paper's 32: 61,156 parameters and
        1.3 MFLOPs. At 64: 337,636 and 7.2 MFLOPs.

    Raises:
        UserError: smaller pictures.
    """
    image, x = pixels("lenet", image_size, SMALLEST)
    x = layers.Conv2D(6, 5, activation="tanh", name="conv1")(x)  # [N, S-4, S-4, 6]
    x = layers.AveragePooling2D(2, name="pool1")(x)
    x = layers.Conv2D(16, 5, activation="tanh", name="conv2")(x)
    x = layers.AveragePooling2D(2, name="pool2")(x)  # [N, (S-12)/4, (S-12)/4, 16]
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(120, activation="tanh", name="dense1")(x)
    x = layers.Dense(84, activation="tanh", name="dense2")(x)
    return keras.Model(image, x, name="trunk")
