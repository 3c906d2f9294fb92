"""Convolutions: the kernels that can be learned."""

from typing import Any

import keras
import tensorflow as tf

from multitask import ops
from multitask.layers.activation import activate
from multitask.layers.channels import in_channels_last


@keras.saving.register_keras_serializable(package="multitask")
class Conv2D(keras.layers.Conv2D):
    """keras.layers.Conv2D, derived."""

    def call(self, inputs: Any) -> Any:
        """[N, H, W, C] -> [N, H', W', filters]; channels stand where `data_format` says."""
        kernel, bias = tf.convert_to_tensor(self.kernel), _tensor(self.bias)

        def convolve(x: Any) -> Any:
            return ops.conv2d(x, kernel, bias, self.strides, self.padding, self.dilation_rate)

        return activate(in_channels_last(convolve, inputs, self.data_format), self.activation)


@keras.saving.register_keras_serializable(package="multitask")
class DepthwiseConv2D(keras.layers.DepthwiseConv2D):
    """keras.layers.DepthwiseConv2D, derived."""

    def call(self, inputs: Any) -> Any:
        """[N, H, W, C] -> [N, H', W', C depth_multiplier]; channels stand where `data_format` says."""
        kernel, bias = tf.convert_to_tensor(self.kernel), _tensor(self.bias)

        def convolve(x: Any) -> Any:
            return ops.depthwise_conv2d(x, kernel, bias, self.strides, self.padding, self.dilation_rate)

        return activate(in_channels_last(convolve, inputs, self.data_format), self.activation)


@keras.saving.register_keras_serializable(package="multitask")
class SeparableConv2D(keras.layers.SeparableConv2D):
    """keras.layers.SeparableConv2D, derived."""

    def call(self, inputs: Any) -> Any:
        """[N, H, W, C] -> [N, H', W', filters]; channels stand where `data_format` says."""
        kernels = tf.convert_to_tensor(self.depthwise_kernel), tf.convert_to_tensor(self.pointwise_kernel)
        bias = _tensor(self.bias)

        def convolve(x: Any) -> Any:
            return ops.separable_conv2d(x, *kernels, bias, self.strides, self.padding, self.dilation_rate)

        return activate(in_channels_last(convolve, inputs, self.data_format), self.activation)


def _tensor(bias: Any) -> tf.Tensor | None:
    return None if bias is None else tf.convert_to_tensor(bias)
