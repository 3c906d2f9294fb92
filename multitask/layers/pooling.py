"""Pooling: one value for each window, or for the whole, of each channel."""

from typing import Any

import keras

from multitask import ops
from multitask.layers.channels import channels_last, in_channels_last


@keras.saving.register_keras_serializable(package="multitask")
class MaxPooling2D(keras.layers.MaxPooling2D):
    """keras.layers.MaxPooling2D, derived."""

    def call(self, inputs: Any) -> Any:
        """[N, H, W, C] -> [N, H', W', C]; channels stand where `data_format` says."""
        return _pool(self, ops.max_pool, inputs)


@keras.saving.register_keras_serializable(package="multitask")
class MinPooling2D(keras.layers.MaxPooling2D):
    """The smallest value of each window; arguments and shapes are those of keras.layers.MaxPooling2D."""

    def call(self, inputs: Any) -> Any:
        """[N, H, W, C] -> [N, H', W', C]; channels stand where `data_format` says."""
        return _pool(self, ops.min_pool, inputs)


@keras.saving.register_keras_serializable(package="multitask")
class L2Pooling2D(keras.layers.MaxPooling2D):
    """The Euclidean norm of each window; arguments and shapes are those of keras.layers.MaxPooling2D."""

    def call(self, inputs: Any) -> Any:
        """[N, H, W, C] -> [N, H', W', C]; channels stand where `data_format` says."""
        return _pool(self, ops.l2_pool, inputs)


@keras.saving.register_keras_serializable(package="multitask")
class AveragePooling2D(keras.layers.AveragePooling2D):
    """keras.layers.AveragePooling2D, derived."""

    def call(self, inputs: Any) -> Any:
        """[N, H, W, C] -> [N, H', W', C]; channels stand where `data_format` says."""
        return _pool(self, ops.average_pool, inputs)


@keras.saving.register_keras_serializable(package="multitask")
class GlobalAveragePooling2D(keras.layers.GlobalAveragePooling2D):
    """keras.layers.GlobalAveragePooling2D, derived."""

    def call(self, inputs: Any) -> Any:
        """[N, H, W, C] -> [N, C], with `keepdims` [N, 1, 1, C]; channels stand where `data_format` says."""
        return _pool_globally(self, ops.global_average_pool, inputs)


@keras.saving.register_keras_serializable(package="multitask")
class GlobalMaxPooling2D(keras.layers.GlobalMaxPooling2D):
    """keras.layers.GlobalMaxPooling2D, derived: of several equal maxima the first takes the gradient."""

    def call(self, inputs: Any) -> Any:
        """[N, H, W, C] -> [N, C], with `keepdims` [N, 1, 1, C]; channels stand where `data_format` says."""
        return _pool_globally(self, ops.global_max_pool, inputs)


def _pool(layer: Any, op: Any, inputs: Any) -> Any:
    def pool(x: Any) -> Any:
        return op(x, layer.pool_size, layer.strides, layer.padding.lower())

    return in_channels_last(pool, inputs, layer.data_format)


def _pool_globally(layer: Any, op: Any, inputs: Any) -> Any:
    if layer.keepdims:
        return in_channels_last(lambda x: op(x, keepdims=True), inputs, layer.data_format)
    return op(channels_last(inputs, layer.data_format))
