"""Third proof: a derived layer against the Keras layer of its name, config and weights; a loss likewise."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf

from multitask import layers
from multitask.gradcheck.draw import Arrays, Sample
from multitask.gradcheck.modes import DType, Forward, Gradients, Mode, Vjp, vjp

POLICIES: dict[DType, str] = {"float64": "float64", "float32": "float32", "bfloat16": "mixed_bfloat16"}


class Twin(Protocol):
    """Something derived and something of Keras's that should do the same to a sample."""

    def vjp(
        self,
        derived: bool,
        sample: Sample,
        cotangents: list[np.ndarray],
        mode: Mode = "eager",
        dtype: DType = "float64",
        unknown: int = 1,
    ) -> Vjp:
        """`modes.vjp` of the one or the other."""


@dataclass(frozen=True)
class LayerTwin:
    """A layer of `multitask.layers` and the one of `keras.layers`.

    Args:
        layer: class name of both.
        arguments: of both constructors.
        weights: which attribute holds which of the sample's arrays; the other inputs are what the layer is
            called on.
        training: how it is called.
    """

    layer: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, str] = field(default_factory=dict)
    training: bool = True

    def vjp(
        self,
        derived: bool,
        sample: Sample,
        cotangents: list[np.ndarray],
        mode: Mode = "eager",
        dtype: DType = "float64",
        unknown: int = 1,
    ) -> Vjp:
        """Of a new layer, built and with the sample's weights; its state after the call joins the outputs."""
        inputs = {name: a for name, a in sample.inputs.items() if name not in self.weights.values()}
        layer = self._built(layers if derived else keras.layers, inputs, sample, dtype)
        initial = [variable.numpy() for variable in layer.non_trainable_variables]

        def forward(**arrays: tf.Tensor) -> tf.Tensor:
            keywords = {name: arrays.pop(name) for name in sample.constants}
            xs = list(arrays.values())
            return layer(xs if len(xs) > 1 else xs[0], training=self.training, **keywords)

        trainable = {
            name: getattr(layer, attribute).value
            for attribute, name in self.weights.items()
            if getattr(layer, attribute).trainable
        }
        run = vjp(forward, replace(sample, inputs=inputs), cotangents[:1], mode, dtype, unknown, trainable)

        def from_the_initial_state(arrays: Arrays) -> tuple[list[np.ndarray], Gradients]:
            for variable, value in zip(layer.non_trainable_variables, initial, strict=True):
                variable.assign(value)
            outputs, gradients = run({name: arrays[name] for name in [*inputs, *sample.constants]})
            state = [np.asarray(variable, np.float64) for variable in layer.non_trainable_variables]
            return [*outputs, *state], gradients

        return from_the_initial_state

    def _built(self, module: Any, inputs: Arrays, sample: Sample, dtype: DType) -> keras.Layer:
        layer = getattr(module, self.layer)(**self.arguments, dtype=POLICIES[dtype])
        shapes = [array.shape for array in inputs.values()]
        layer.build(shapes if len(shapes) > 1 else shapes[0])
        for attribute, name in self.weights.items():
            getattr(layer, attribute).assign(sample.inputs[name])
        return layer


@dataclass(frozen=True)
class LossTwin:
    """An operation and the Keras loss that computes the same from the same arguments.

    Args:
        operation: takes the sample's arrays and settings by keyword.
        loss: likewise, and `dtype`, the one to compute in.
    """

    operation: Forward
    loss: Forward

    def vjp(
        self,
        derived: bool,
        sample: Sample,
        cotangents: list[np.ndarray],
        mode: Mode = "eager",
        dtype: DType = "float64",
        unknown: int = 1,
    ) -> Vjp:
        """Of the operation or of the loss."""
        forward = self.operation if derived else partial(self.loss, dtype=dtype)
        return vjp(partial(forward, **sample.settings), sample, cotangents, mode, dtype, unknown)
