"""Dropout."""

from typing import Any

import keras

from multitask import ops


@keras.saving.register_keras_serializable(package="multitask")
class Dropout(keras.layers.Dropout):
    """keras.layers.Dropout, derived; from the same seed it drops the same."""

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Any shape -> the same."""
        if not training or self.rate == 0:
            return inputs
        return ops.dropout(inputs, self.rate, self.seed_generator, self.noise_shape)
