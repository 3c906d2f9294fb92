"""A network that answers and learns no more, in fewer operations."""

from typing import Any

import keras
import numpy as np
from keras import layers, ops


def for_inference(model: keras.Model) -> keras.Model:
    """The same answers at less cost: a copy without batch normalization and products over maps.

    With its moving statistics, a batch normalization after a convolution or a dense layer,
    gamma (W x + b - mean) / sqrt(variance + epsilon) + beta, is W' x + b' with
    W' = s W, b' = s (b - mean) + beta and s = gamma / sqrt(variance + epsilon), by output channel.
    It stays where it follows something else, or where others use the layer before as well.

    A dense layer on maps [N, H, W, C], as in squeeze-and-excitation, becomes a convolution with a 1x1 kernel:
    Keras's product reshapes and transposes in a dozen operations, which cost more than the product.

    Args:
        model: a functional or Sequential model, built; networks within it are copied as well.

    Returns:
        A network of the same inputs, outputs and names; `model` stays as it was.
    """
    normalizations = _foldable(model)
    folded = {id(norm) for norm in normalizations.values()}
    copies: dict[int, tuple[Any, Any]] = {}
    gone: set[int] = set()

    def copy(part: Any) -> Any:
        if isinstance(part, keras.Model):
            return copy_network(part)
        config = part.get_config()
        if id(part) in normalizations:
            config["use_bias"] = True
        if isinstance(part, layers.Dense) and len(part.input.shape) == 4:
            copied = layers.Conv2D(
                part.units,
                1,
                data_format="channels_last",
                activation=part.activation,
                **{key: config[key] for key in ("use_bias", "name", "dtype")},
            )
        else:
            copied = type(part).from_config(config)
        copies[id(copied)] = part, copied
        if id(part) in folded:
            gone.add(id(copied))
        return copied

    def call(part: Any, *arguments: Any, **named: Any) -> Any:
        return [*arguments, *named.values()][0] if id(part) in gone else part(*arguments, **named)

    def copy_network(network: keras.Model) -> keras.Model:
        alone = isinstance(network, keras.Sequential)  # whose input is what it was called with
        ends = (network.inputs[0], network.outputs[0]) if alone else (network.input, network.output)
        functional = keras.Model(*ends, name=network.name)
        return keras.models.clone_model(functional, clone_function=copy, call_function=call)

    network = copy_network(model)
    for part, copied in copies.values():
        if not isinstance(part, layers.Layer) or id(part) in folded:
            continue
        norm = normalizations.get(id(part))
        values = part.get_weights() if norm is None else _folded(part, norm)
        copied.set_weights(
            [value.reshape(own.shape) for value, own in zip(values, copied.weights, strict=True)]
        )
        if isinstance(copied, layers.Normalization):
            copied.finalize_state()
    return network


def _foldable(model: keras.Model) -> dict[int, layers.BatchNormalization]:
    """The batch normalizations that can be folded, by id of the layer before."""
    found = {}
    for network in (part for part in model._flatten_layers() if isinstance(part, keras.Model)):
        outputs = {id(output) for output in network.outputs}
        for norm in network.layers:
            if not isinstance(norm, layers.BatchNormalization) or len(norm._inbound_nodes) != 1:
                continue
            before = norm.input._keras_history.operation
            if (
                isinstance(before, layers.Conv2D | layers.DepthwiseConv2D | layers.Dense)
                and before.activation is keras.activations.linear
                and len(before._inbound_nodes) == len(before._outbound_nodes) == 1
                and id(before.output) not in outputs
                and norm.axis in (-1, len(norm.input.shape) - 1)
                and getattr(before, "data_format", "channels_last") == "channels_last"
            ):
                found[id(before)] = norm
    return found


def _folded(layer: Any, norm: layers.BatchNormalization) -> list[np.ndarray]:
    """The layer's kernel and bias, normalization in them; worked out in float64."""
    mean, variance, gamma, beta, bias = (
        default if variable is None else ops.convert_to_numpy(variable).astype("float64")
        for variable, default in (
            (norm.moving_mean, 0.0),
            (norm.moving_variance, 1.0),
            (norm.gamma, 1.0),
            (norm.beta, 0.0),
            (layer.bias, 0.0),
        )
    )
    kernel = ops.convert_to_numpy(layer.kernel)
    scale = gamma / np.sqrt(variance + norm.epsilon)  # [channels]
    depthwise = isinstance(layer, layers.DepthwiseConv2D)  # its kernel's last two axes make the channels
    by_channel = scale.reshape(kernel.shape[-2:] if depthwise else kernel.shape[-1:])
    return [kernel * by_channel, (bias - mean) * scale + beta]
