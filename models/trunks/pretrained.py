"""Networks of keras.applications as trunks, their weights learned on ImageNet.

The notes' pretrained models (001_5f3d368271183993.txt, "Using Pretrained Models").
"""

import inspect
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
from keras import layers, ops

from multitask.errors import UserError

RANDOM = "random"
"""In place of weights: none, so that everything is learned."""


def check(name: str, weights: str | Path | None = None) -> None:
    """Checks that keras.applications has the network `name`, and that a file of weights is there.

    Raises:
        UserError: it has not, or it isn't.
    """
    _network(name)
    if weights is not None and weights != RANDOM and not Path(weights).is_file():
        raise UserError(f"weights must be a file that is there; received {weights} for {name}")


def build(name: str, image_size: int, weights: str | Path | None = None) -> keras.Model:
    """The network `name` without its classifier, its own input scaling inside, averaged over the picture.

    Args:
        name: a class of keras.applications, such as MobileNetV3Small.
        image_size: height and width of the pictures; most networks take 32 and above.
        weights: None: those Keras publishes for ImageNet, downloaded once to Keras's cache; a path: a file
            (.weights.h5, .keras, or .h5 as published) of the network without its classifier; "random": none.

    Returns:
        uint8 [N, image_size, image_size, 3] -> float [N, F].

    Raises:
        UserError: no such network, pictures too small for it, or weights that can't be had or don't fit.
    """
    check(name, weights)
    network = _network(name)

    def without_top(weights: str | None) -> keras.Model:
        shape = (image_size, image_size, 3)
        return network(include_top=False, weights=weights, input_shape=shape, pooling="avg")

    try:
        model = without_top(None)  # whatever the weights: pictures too small are no failed download
    except ValueError as error:
        raise UserError(
            f"{name} doesn't take pictures of {image_size}x{image_size}: {_line(error)}"
        ) from error
    image = keras.Input((image_size, image_size, 3), dtype="uint8", name="image")
    x = inspect.getmodule(network).preprocess_input(ops.cast(image, "float32"))  # type: ignore[union-attr]
    if weights is None:
        model = _downloaded(name, without_top)
    elif weights != RANDOM:
        _load(model, name, weights)
        x = _rescaled(model, x)
    return keras.Model(image, model(x), name="trunk")


def _network(name: str) -> Callable[..., keras.Model]:
    network = getattr(keras.applications, name, None) if name[:1].isupper() else None
    if network is None:
        raise UserError(
            "pretrained:NAME takes a network of keras.applications, such as MobileNetV3Small, EfficientNetB0 "
            f"or ResNet50, all of which https://keras.io/api/applications lists; received {name!r}"
        )
    return network


def _downloaded(name: str, without_top: Callable[[str], keras.Model]) -> keras.Model:
    try:
        with warnings.catch_warnings():
            # MobileNet's weights for 224x224 are taken for any size, as they are meant to be here.
            warnings.filterwarnings("ignore", ".*Weights for input shape", UserWarning)
            return without_top("imagenet")
    except Exception as error:  # Keras raises bare ones
        raise UserError(
            f"the weights of {name} could not be downloaded ({_line(error)}): try again with a network, or "
            "give a local file by --weights FILE"
        ) from error


def _load(model: keras.Model, name: str, weights: str | Path) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # hundreds, where the error says it all
            model.load_weights(weights)
    except Exception as error:  # h5py, zipfile and Keras each raise their own
        raise UserError(
            f"weights must be a file that Keras wrote for {name} without its classifier (include_top=False); "
            f"received {weights}: {_line(error)}"
        ) from error


def _rescaled(model: keras.Model, x: Any) -> Any:
    # EfficientNet's published weights hold the deviation where Normalization takes it for the variance.
    # Keras makes up for it by a factor 1 / sqrt(variance) behind that layer, but only for weights="imagenet".
    # Here it stands before: pixels y with y / 255 - mean = (x / 255 - mean) / sqrt(variance). A variance of
    # 1, that of a network trained anew, changes nothing.
    if not model.name.startswith("efficientnetb"):
        return x
    normalization = next(layer for layer in model.layers if isinstance(layer, layers.Normalization))
    mean = ops.convert_to_numpy(normalization.adapt_mean)
    factor = 1 / ops.convert_to_numpy(normalization.adapt_variance) ** 0.5
    return layers.Rescaling(factor.tolist(), offset=(255 * mean * (1 - factor)).tolist())(x)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
