"""The fully connected layer, and what leads to it from feature maps."""

import math
from typing import Any

import tensorflow as tf


def dense(x: Any, kernel: Any, bias: Any = None) -> tf.Tensor:
    """Fully connected: every output from every feature.

    Forward:  z = x kernel + bias
    Backward: dx = dz kernel^T
              dkernel = x^T dz
              dbias = sum dz
    Shapes:   x [..., F], kernel [F, U], bias [U] -> [..., U]; the sums run over all that stands before F.
    Source:   notes 003, section IX, A; 001, "Backpropagation in CNN": (A2 - Y) F^T and (A2 - Y).
    """

    @tf.custom_gradient
    def op(x: tf.Tensor, kernel: tf.Tensor, *bias: tf.Tensor) -> Any:
        rows = _rows(x, tf.shape(kernel)[0])
        z = tf.matmul(rows, kernel)  # [N, U]
        if bias:
            z = tf.nn.bias_add(z, bias[0])
        if x.shape.rank != 2:
            z = tf.reshape(z, tf.concat([tf.shape(x)[:-1], tf.shape(kernel)[1:]], 0))

        def backward(dz: tf.Tensor) -> list[tf.Tensor]:
            dz = _rows(dz, tf.shape(kernel)[1])
            dx = tf.reshape(tf.matmul(dz, kernel, transpose_b=True), tf.shape(x))
            dkernel = tf.matmul(rows, dz, transpose_a=True)
            return [dx, dkernel, *(tf.reduce_sum(dz, 0) for _ in bias)]

        return z, backward

    tensors = (x, kernel) if bias is None else (x, kernel, bias)
    return op(*map(tf.convert_to_tensor, tensors))


def _rows(x: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    return x if x.shape.rank == 2 else tf.reshape(x, [-1, columns])


def flatten(x: Any) -> tf.Tensor:
    """Feature maps to one row of features an example.

    Forward:  f = reshape(x, [N, -1])
    Backward: dx = reshape(df, x.shape)
    Shapes:   x [N, ...] -> [N, F]; [N] -> [N, 1].
    Source:   notes 003, section IX, B; 001, "Backpropagation in CNN".
    """

    @tf.custom_gradient
    def op(x: tf.Tensor) -> Any:
        shape = tf.shape(x)
        known = x.shape[1:].is_fully_defined()
        f = tf.reshape(x, (shape[0], math.prod(x.shape[1:]) if known else tf.reduce_prod(shape[1:])))

        def backward(df: tf.Tensor) -> tf.Tensor:
            return tf.reshape(df, shape)

        return f, backward

    return op(tf.convert_to_tensor(x))
