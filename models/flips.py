"""Answers from a picture and its mirror image together, which err less than from either."""

import keras
from keras import layers, ops


def average_flips(model: keras.Model) -> keras.Model:
    """The same answers to a picture and to its mirror image, at twice the cost.

    Args:
        model: uint8 [N, S, S, 3] -> {task: logits [N, units]}.

    Returns:
        A network of the same inputs and outputs, sharing `model`'s weights: the mean of both logits.
    """
    image = keras.Input(model.input_shape[1:], dtype="uint8", name="image")
    seen, mirrored = model(image), model(ops.flip(image, axis=2))
    logits = {name: layers.Average(name=name)([seen[name], mirrored[name]]) for name in seen}
    return keras.Model(image, logits, name=f"{model.name}_flips")
