"""derive(model): a network of Keras layers -> the same on layers whose gradients are derived by hand."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras.src.models import Functional

from multitask.errors import UserError

NAMES_SHOWN = 3


def derive(model: keras.Model, only: tuple[type[keras.Layer], ...] = (keras.Layer,)) -> keras.Model:
    """The same network on derived layers: same names, weights, random states, dtypes and outputs.

    Networks within the network are derived as well, what is shared stays shared, and `trainable` is kept.
    Loss, optimizer and metrics are not carried over: compile the result. The original stays as it was. What
    has no derived twin is copied as it is, named in one logged line, and listed by `without_twin`.

    Args:
        model: a functional or Sequential model, built or not.
        only: classes of keras.layers; layers of others are copied as they are.

    Raises:
        UserError: a subclassed model, whose layers nobody can list; a quantized layer; a layer that can't be
            made again from its config; a Keras backend other than TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise UserError(f"derived layers need Keras's backend tensorflow; received {keras.backend.backend()}")
    _check(model)
    copies: dict[int, tuple[Any, Any]] = {}  # inner parts stand before the networks that hold them

    def copy(part: Any) -> Any:
        if id(part) not in copies:
            if _is_network(part):
                copied = _copy_network(part, copy)
            else:
                copied = _copy_layer(part, copy, _twin(part) if isinstance(part, only) else None)
            copies[id(part)] = part, copied
        return copies[id(part)][1]

    derived = copy(model)
    _carry_state(list(copies.values()))
    derived.dtype_policy = model.dtype_policy  # by which compile decides whether to scale the loss
    if only == (keras.Layer,) and (left := without_twin(model)):
        logging.getLogger(__name__).warning(
            "%s: TensorFlow differentiates what has no derived twin: %s", model.name, _in_short(left)
        )
    return derived


def without_twin(model: keras.Model) -> dict[str, list[str]]:
    """What TensorFlow goes on differentiating in `derive(model)`: kind -> names, in the network's order.

    A kind is a layer's class, or an operation of keras.ops ("ops.Multiply"), or, in layers that are derived
    but for it, an activation function ("activation silu"). Input layers compute nothing and aren't listed;
    neither are regularizers and constraints, which TensorFlow always differentiates.

    Raises:
        UserError: a subclassed model.
    """
    _check(model)
    kinds: dict[str, list[str]] = {}
    for part in dict.fromkeys(_parts(model)):
        if (kind := _without_twin(part)) is not None:
            kinds.setdefault(kind, []).append(part.name)
    return kinds


def _is_network(part: Any) -> bool:
    # keras.Model(inputs, outputs) makes a Functional, a name that Keras doesn't export.
    return type(part) in (Functional, keras.Sequential)


def _check(model: Any) -> None:
    if not _is_network(model):
        raise UserError(
            "derive takes a functional or a Sequential model, not a subclass, which may compute anything; "
            f"received {type(model).__name__}. Where it has inputs and outputs, pass "
            "keras.Model(model.inputs, model.outputs)"
        )


def _parts(network: Any) -> Iterator[Any]:
    for part in network.layers if isinstance(network, keras.Sequential) else network.operations:
        if _is_network(part):
            yield from _parts(part)
        elif not isinstance(part, keras.layers.InputLayer):
            yield part


def _twin(layer: Any) -> type[keras.Layer] | None:
    from multitask.layers import TWINS  # TensorFlow, which importing `multitask` must not ask for

    own = type(layer)
    return own if own.__module__.startswith("multitask.layers.") else TWINS.get(own)


def _without_twin(part: Any) -> str | None:
    from multitask.layers.activation import DERIVED

    if _twin(part) is None:
        return type(part).__name__ if isinstance(part, keras.Layer) else f"ops.{type(part).__name__}"
    activation = getattr(part, "activation", None)
    if activation is None or activation in DERIVED or _twin(activation) is not None:
        return None
    return f"activation {getattr(activation, '__name__', type(activation).__name__)}"


def _copy_network(model: Any, copy: Callable[[Any], Any]) -> Any:
    def copy_input(x: Any) -> Any:
        return copy(x._keras_history.operation).output  # clone_model's own would forget names and sparseness

    if isinstance(model, keras.Sequential):
        inputs = map(copy_input, getattr(model, "inputs", ()))  # not there before it is built
        return keras.Sequential([*inputs, *map(copy, model.layers)], name=model.name)
    uncompiled = keras.Model(model.input, model.output, name=model.name)
    inputs = keras.tree.map_structure(copy_input, model.input)
    return keras.models.clone_model(uncompiled, inputs, clone_function=copy)


def _copy_layer(layer: Any, copy: Callable[[Any], Any], twin: type[keras.Layer] | None) -> Any:
    if getattr(layer, "quantization_mode", None):
        raise UserError(
            f"derive takes layers that are not quantized yet; received {layer.name}, quantized to "
            f"{layer.quantization_mode}. Derive first, quantize afterwards"
        )
    try:
        config = layer.get_config()
        if twin is not None and "activation" in config:
            # As it is: a function of the user's own can't be found again by its name.
            activation = layer.activation
            config["activation"] = copy(activation) if isinstance(activation, keras.Layer) else activation
        kind: Any = twin or type(layer)
        return kind.from_config(config)
    except (NotImplementedError, TypeError, ValueError) as error:
        raise UserError(
            f"every layer must be one that can be made again from its config; received {layer.name} "
            f"({type(layer).__name__}): {str(error).strip().splitlines()[0]}. Give it a get_config that fits"
        ) from error


def _carry_state(pairs: list[tuple[Any, Any]]) -> None:
    layers = [(part, copy) for part, copy in pairs if isinstance(part, keras.Layer)]
    for part, copy in reversed(layers):  # a network's own would overwrite its layers'
        copy.trainable = part.trainable
    for part, copy in layers:
        if _is_network(part):
            continue
        if part.built and not copy.built:
            copy.build_from_config(part.get_build_config())
        if getattr(part, "lora_enabled", False):
            copy.lora_alpha = part.lora_alpha  # Dense forgets it when it is built
        for variable, own in zip(part.variables, copy.variables, strict=True):
            own.assign(variable)
            own.trainable = variable.trainable
        if isinstance(copy, keras.layers.Normalization):
            copy.finalize_state()


def _in_short(kinds: dict[str, list[str]]) -> str:
    def shortened(names: list[str]) -> str:
        more = len(names) - NAMES_SHOWN
        return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")

    return "; ".join(f"{kind} ({shortened(names)})" for kind, names in kinds.items())
