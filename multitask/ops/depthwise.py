"""Convolution of each channel by itself, and what MobileNets build of it.

Source: notes 004, "Depthwise convolution", "Separable convolutions"; Chollet 2017, "Xception", section 2.
"""

from typing import Any

import tensorflow as tf

from multitask.errors import UserError
from multitask.ops.convolution import conv2d, padded, rot180, transposed
from multitask.ops.reduction import sum_to_channels
from multitask.ops.shapes import Padding, Pads, pad, sizes_of
from multitask.ops.windows import Pair, split_phases, taps


def depthwise_conv2d(
    x: Any,
    kernel: Any,
    bias: Any = None,
    strides: Pair = (1, 1),
    padding: Padding = "valid",
    dilation: Pair = (1, 1),
) -> tf.Tensor:
    """Each channel convolved with the M kernels of its own; output channel c M + q is q's of channel c.

    Forward:  Z = conv(X_c, K_cq) + B
    Backward: dX_c = sum_q conv(pad(dZ_cq), rot180 K_cq)
              dK_cq = conv(X_c, dZ_cq)
              dB = sum(dZ)
    Shapes:   x [N, H, W, C], kernel [Kh, Kw, C, M], bias [C M] -> [N, H', W', C M]
    Raises:   UserError for strides that differ, which no kernel of TensorFlow's computes.
    Source:   notes 004, "Depthwise convolution".
    """
    if strides[0] != strides[1]:
        raise UserError(f"depthwise convolution takes equal strides; received {strides}")
    x, kernel = tf.convert_to_tensor(x), tf.convert_to_tensor(kernel)
    x, pads = padded(x, padding, kernel.shape[:2], strides, dilation)
    channels, multiplier = kernel.shape[2:]

    @tf.custom_gradient
    def op(x: tf.Tensor, kernel: tf.Tensor, *bias: tf.Tensor) -> Any:
        z = _correlate(x, kernel, pads, strides, dilation)
        if bias:
            z = tf.nn.bias_add(z, bias[0])

        def backward(dz: tf.Tensor) -> list[tf.Tensor]:
            apart = tf.reshape(rot180(kernel), [*kernel.shape[:2], channels * multiplier, 1])
            dx = transposed(_correlate, dz, apart, sizes_of(x), pads, strides, dilation)
            if multiplier > 1:
                dx = tf.reduce_sum(tf.reshape(dx, [-1, *sizes_of(x), channels, multiplier]), axis=-1)
            return [
                dx,
                _kernel_gradient(pad(x, pads), dz, kernel, strides, dilation),
                *(sum_to_channels(dz) for _ in bias),
            ]

        return z, backward

    return op(x, kernel) if bias is None else op(x, kernel, tf.convert_to_tensor(bias))


def pointwise_conv2d(x: Any, kernel: Any, bias: Any = None, strides: Pair = (1, 1)) -> tf.Tensor:
    """A convolution of 1x1: every pixel's channels mixed by one matrix.

    Forward and Backward: conv2d's.
    Shapes: x [N, H, W, C], kernel [1, 1, C, O], bias [O] -> [N, H', W', O]
    Source: notes 004, "Separable convolutions".
    """
    return conv2d(x, kernel, bias, strides)


def separable_conv2d(
    x: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    bias: Any = None,
    strides: Pair = (1, 1),
    padding: Padding = "valid",
    dilation: Pair = (1, 1),
) -> tf.Tensor:
    """A depthwise convolution, then a pointwise one.

    Forward and Backward: theirs, one after the other.
    Shapes: x [N, H, W, C], depthwise_kernel [Kh, Kw, C, M], pointwise_kernel [1, 1, C M, O], bias [O]
            -> [N, H', W', O]
    Source: notes 004, "Separable convolutions".
    """
    each = depthwise_conv2d(x, depthwise_kernel, None, strides, padding, dilation)
    return pointwise_conv2d(each, pointwise_kernel, bias)


def _correlate(x: tf.Tensor, kernel: tf.Tensor, pads: Pads, strides: Pair, dilation: Pair) -> tf.Tensor:
    # Padded beforehand: with a dilation TensorFlow's depthwise convolution takes no pads of its own; nor a
    # stride, so that every output is computed then and the others are left out.
    x = pad(x, pads)
    if dilation == (1, 1):
        return tf.nn.depthwise_conv2d(x, kernel, [1, *strides, 1], "VALID")
    every = tf.nn.depthwise_conv2d(x, kernel, [1, 1, 1, 1], "VALID", dilations=dilation)
    return split_phases(every, strides)[0][0]


def _kernel_gradient(
    x: tf.Tensor, dz: tf.Tensor, kernel: tf.Tensor, strides: Pair, dilation: Pair
) -> tf.Tensor:
    # One product a tap, x padded already.
    kh, kw, channels, multiplier = kernel.shape
    apart = tf.reshape(dz, [-1, *sizes_of(dz), channels, multiplier])
    seen = taps(x, (kh, kw), sizes_of(dz), strides, dilation)
    return tf.stack([tf.stack([tf.reduce_sum(p[..., None] * apart, [0, 1, 2]) for p in row]) for row in seen])
