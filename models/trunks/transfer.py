"""How much of a trunk learns: the two ways of transfer learning.

Feature extraction trains nothing of it, fine-tuning its last layers (001_5f3d368271183993.txt, "Ways of doing
Transfer Learning").
"""

from collections.abc import Iterator

import keras

from multitask.errors import UserError


def set_trainable_top(trunk: keras.Model, layers: int | None) -> None:
    """Lets the last `layers` layers of `trunk` train and freezes the others; compile the model afterwards.

    Counted are layers that hold weights to train, those of networks within the network too. Batch
    normalization is not counted and stays frozen: then it computes in inference mode and its moving
    statistics stay put, since those of new pictures would undo what the other layers have learned.

    Args:
        trunk: any built model; what was set before is forgotten.
        layers: 0: none; None: all, batch normalization too.

    Raises:
        UserError: a negative number.
    """
    if layers is not None and layers < 0:
        raise UserError(
            f"the number of layers to train must be 0 or more, or None for all; received {layers}"
        )
    every = list(dict.fromkeys(parts_of(trunk)))
    for part in every:  # one by one: a network that is trainable already doesn't tell its layers
        part.trainable = True
    if layers is None:
        return
    single = [part for part in every if not isinstance(part, keras.Model)]
    counted = [
        layer
        for layer in single
        if layer.trainable_weights and not isinstance(layer, keras.layers.BatchNormalization)
    ]
    top = counted[max(0, len(counted) - layers) :]
    for layer in single:
        layer.trainable = layer in top
    if not top:
        trunk.trainable = False


def parts_of(network: keras.Model) -> Iterator[keras.Layer]:
    """The network and its layers, those of networks within it too."""
    yield network
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from parts_of(layer)
        else:
            yield layer
