"""Running averages of the weights as a model of their own."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from models.trunks.transfer import parts_of


class Averages(keras.callbacks.SwapEMAWeights):
    """Validates the averages of the weights, under statistics of batch normalization that are theirs.

    The moving statistics follow the weights as they are step by step, through the noise of varied pictures
    and small batches; averaged weights give other means and variances.

    Source: Izmailov et al. 2018, "Averaging weights leads to wider optima and better generalization", section
    3.2.

    Args:
        trunk: of the model that is trained; its batch normalizations that are frozen keep their statistics.
        pictures: batches uint8 [N, S, S, 3] of training pictures, not varied.
    """

    def __init__(self, trunk: keras.Model, pictures: tf.data.Dataset) -> None:
        super().__init__()
        layers = [
            part
            for part in dict.fromkeys(parts_of(trunk))
            if isinstance(part, keras.layers.BatchNormalization) and part.trainable
        ]
        self._trunk, self._pictures, self._layers = trunk, pictures, layers
        self._variables = [
            variable for layer in layers for variable in (layer.moving_mean, layer.moving_variance)
        ]
        self._see = tf.function(self._moments)
        self.statistics: list[np.ndarray] = []

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Puts the averages and their statistics in place."""
        super().on_test_begin(logs)
        self._kept = self._values()
        seen = [self._see(pictures) for pictures in self._pictures] if self._variables else []
        self.statistics = [np.mean(values, axis=0) for values in zip(*seen, strict=True)]
        self.put(self.statistics)

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """Puts the weights that are trained back, with theirs."""
        super().on_test_end(logs)
        self.put(self._kept)

    def put(self, values: list[np.ndarray]) -> list[np.ndarray]:
        """Gives batch normalization these statistics; returns those it had."""
        before = self._values()
        for variable, value in zip(self._variables, values, strict=True):
            variable.assign(value)
        return before

    def _values(self) -> list[np.ndarray]:
        return [variable.numpy() for variable in self._variables]

    def _moments(self, pictures: tf.Tensor) -> list[tf.Tensor]:
        kept = [layer.momentum for layer in self._layers]
        for layer in self._layers:  # read when this is traced: the moving statistics become the batch's own
            layer.momentum = 0.0
        self._trunk(pictures, training=True)
        for layer, momentum in zip(self._layers, kept, strict=True):
            layer.momentum = momentum
        return [tf.identity(variable.value) for variable in self._variables]
