"""Where branches of a network join."""

from collections.abc import Sequence
from functools import reduce
from typing import Any

import tensorflow as tf


def add(*xs: Any) -> tf.Tensor:
    """Sum of tensors, broadcast against each other.

    Forward:  z = x_1 + x_2 + ...
    Backward: dx_i = dz, summed over the axes along which x_i was repeated
    Shapes:   any that broadcast.
    Source:   He et al. 2016, "Deep residual learning for image recognition", eq. 1.
    """

    @tf.custom_gradient
    def op(*xs: tf.Tensor) -> Any:
        z = reduce(tf.add, xs[1:], tf.identity(xs[0]))
        shapes = [(x.shape, tf.shape(x)) for x in xs]

        def backward(dz: tf.Tensor) -> list[tf.Tensor]:
            return [_sum_to(dz, static, shape) for static, shape in shapes]

        return z, backward

    return op(*map(tf.convert_to_tensor, xs))


def multiply(*xs: Any) -> tf.Tensor:
    """Product of tensors, broadcast against each other: how a gate acts on what it gates.

    Forward:  z = x_1 x_2 ...
    Backward: dx_i = dz times all x_j but x_i, summed over the axes along which x_i was repeated
    Shapes:   any that broadcast.
    Source:   Hu et al. 2017, "Squeeze-and-excitation networks", eq. 4.
    """

    @tf.custom_gradient
    def op(*xs: tf.Tensor) -> Any:
        def backward(dz: tf.Tensor) -> list[tf.Tensor]:
            others = [(*xs[:i], *xs[i + 1 :]) for i in range(len(xs))]
            return [
                _sum_to(reduce(tf.multiply, rest, dz), x.shape, tf.shape(x))
                for x, rest in zip(xs, others, strict=True)
            ]

        return reduce(tf.multiply, xs[1:], tf.identity(xs[0])), backward

    return op(*map(tf.convert_to_tensor, xs))


def _sum_to(dz: tf.Tensor, static: tf.TensorShape, shape: tf.Tensor) -> tf.Tensor:
    """Sums over the axes of `dz` that are 1 or missing in `shape`, of which `static` is what is known before.

    An axis of n becomes n / m times m, m being what it has in `shape`: m is n or 1, so the first of the two
    holds what was repeated.
    """
    if static.is_fully_defined() and static == dz.shape:
        return dz
    rank = dz.shape.rank
    n = tf.shape(dz)
    m = tf.concat([tf.ones(rank - tf.size(shape), tf.int32), shape], 0)
    pairs = tf.reshape(tf.stack([n // tf.maximum(m, 1), m], axis=1), [2 * rank])
    return tf.reshape(tf.reduce_sum(tf.reshape(dz, pairs), list(range(0, 2 * rank, 2))), shape)


def concatenate(xs: Sequence[Any], axis: int = -1) -> tf.Tensor:
    """Tensors one after the other along an axis.

    Forward:  z = [x_1, x_2, ...]
    Backward: dx_i = the part of dz that x_i became
    Shapes:   equal but for `axis`.
    Source:   Huang et al. 2017, "Densely connected convolutional networks", eq. 2.
    """

    @tf.custom_gradient
    def op(*xs: tf.Tensor) -> Any:
        sizes = [tf.shape(x)[axis] if x.shape[axis] is None else x.shape[axis] for x in xs]

        def backward(dz: tf.Tensor) -> list[tf.Tensor]:
            return tf.split(dz, sizes, axis)

        return tf.concat(xs, axis), backward

    return op(*map(tf.convert_to_tensor, xs))
