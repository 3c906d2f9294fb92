"""Batch normalization: each channel brought to mean 0 and variance 1, then scaled and shifted.

With m values a channel, mu and v their mean and variance, r = 1 / sqrt(v + epsilon), Xhat = (X - mu) r:

    Y = gamma Xhat + beta
    dbeta = sum dY,  dgamma = sum dY Xhat
    dX = gamma r (dY - dbeta / m - Xhat dgamma / m)

The second term of dX is the way through the mean, the third the one through the variance.

Source: Ioffe and Szegedy 2015, "Batch normalization", section 3; notes 002 and 004, "Batch Normalization".
"""

from typing import Any

import tensorflow as tf


def batch_norm(
    x: Any,
    gamma: Any,
    beta: Any,
    epsilon: float,
    axis: int = -1,
    synchronized: bool = False,
    mask: Any = None,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Normalizes by the batch's own mean and variance, as in training: Y, mu, v.

    Forward:  mu = sum w X / m,  v = sum w (X - mu)^2 / m,  Y = gamma (X - mu) r + beta
    Backward: dX = gamma r (dY - w dbeta / m - w Xhat dgamma / m), dgamma = sum dY Xhat, dbeta = sum dY
              and what reaches mu and v themselves: w dmu / m, 2 w (X - mu) dv / m
    Shapes:   x any with C along `axis`, gamma and beta [C] (None for 1 and 0) -> Y as x, mu and v [C].

    Args:
        x: floating values.
        gamma: scale of each channel.
        beta: shift of each channel.
        epsilon: added to the variance.
        axis: the channels'.
        synchronized: mu and v are those of the batches of all replicas together; dgamma and dbeta stay the
            replica's own, to be summed as every gradient is.
        mask: shape of x without the last axis; the values that count for mu and v (w = 1; elsewhere w = 0).
    """
    x = tf.convert_to_tensor(x)
    gamma, beta = _scale_and_shift(x, gamma, beta, axis)
    axes, shape = _axes(x, axis)
    weights = [] if mask is None else [tf.cast(mask, x.dtype)[..., None]]
    total = _over_replicas if synchronized else tf.identity

    @tf.custom_gradient
    def op(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, *weights: tf.Tensor) -> Any:
        def counted(t: tf.Tensor) -> tf.Tensor:
            return tf.where(weights[0] > 0, t, 0) if weights else t

        def over_batch(t: tf.Tensor) -> tf.Tensor:
            return tf.reduce_sum(t, axes)

        def spread(per_channel: tf.Tensor) -> tf.Tensor:
            return tf.reshape(per_channel, shape)

        # As Keras does, not to divide by 0 where the mask hides all.
        size = tf.reduce_sum(weights[0]) + 1e-7 if weights else tf.cast(tf.size(x) // x.shape[axis], x.dtype)
        m = total(size)
        mean = total(over_batch(counted(x))) / m
        centered = x - spread(mean)
        variance = total(over_batch(counted(tf.square(centered)))) / m
        r = tf.math.rsqrt(variance + epsilon)
        y = centered * spread(gamma * r) + spread(beta)

        def backward(dy: tf.Tensor, dmean: tf.Tensor, dvariance: tf.Tensor) -> list[tf.Tensor | None]:
            centered = x - spread(mean)
            dbeta = over_batch(dy)
            dgamma = over_batch(dy * centered) * r
            along_mean = (dmean - gamma * r * total(dbeta)) / m
            along_variance = (2 * dvariance - gamma * r * r * total(dgamma)) / m
            dx = dy * spread(gamma * r) + counted(spread(along_mean) + centered * spread(along_variance))
            return [dx, dgamma, dbeta, *(None for _ in weights)]

        return (y, mean, variance), backward

    return op(x, gamma, beta, *weights)


def batch_norm_inference(
    x: Any, gamma: Any, beta: Any, mean: Any, variance: Any, epsilon: float, axis: int = -1
) -> tf.Tensor:
    """Normalizes by a given mean and variance, as after training by the moving averages.

    Forward:  Y = gamma (X - mu) r + beta
    Backward: dX = gamma r dY, dgamma = sum dY Xhat, dbeta = sum dY,
              dmu = -gamma r dbeta, dv = -gamma r^2 dgamma / 2
    Shapes:   x any with C along `axis`, the others [C] (gamma and beta None for 1 and 0) -> as x.
    """
    x = tf.convert_to_tensor(x)
    gamma, beta = _scale_and_shift(x, gamma, beta, axis)
    axes, shape = _axes(x, axis)

    @tf.custom_gradient
    def op(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, mean: tf.Tensor, variance: tf.Tensor) -> Any:
        def spread(per_channel: tf.Tensor) -> tf.Tensor:
            return tf.reshape(per_channel, shape)

        r = tf.math.rsqrt(variance + epsilon)
        scale = gamma * r

        def backward(dy: tf.Tensor) -> list[tf.Tensor]:
            dbeta = tf.reduce_sum(dy, axes)
            dgamma = tf.reduce_sum(dy * (x - spread(mean)), axes) * r
            return [dy * spread(scale), dgamma, dbeta, -scale * dbeta, -scale * r * dgamma / 2]

        return x * spread(scale) + spread(beta - mean * scale), backward

    return op(x, gamma, beta, tf.convert_to_tensor(mean), tf.convert_to_tensor(variance))


def _scale_and_shift(x: tf.Tensor, gamma: Any, beta: Any, axis: int) -> tuple[tf.Tensor, tf.Tensor]:
    channels = x.shape[axis]
    gamma = tf.ones(channels, x.dtype) if gamma is None else tf.convert_to_tensor(gamma)
    beta = tf.zeros(channels, x.dtype) if beta is None else tf.convert_to_tensor(beta)
    return gamma, beta


def _axes(x: tf.Tensor, axis: int) -> tuple[list[int], list[int]]:
    # The axes that a channel's values lie along, and the shape that spreads one value a channel over them.
    axis %= x.shape.rank
    axes = [a for a in range(x.shape.rank) if a != axis]
    return axes, [-1 if a == axis else 1 for a in range(x.shape.rank)]


def _over_replicas(t: tf.Tensor) -> tf.Tensor:
    replica = tf.distribute.get_replica_context()
    return t if replica is None else replica.all_reduce(tf.distribute.ReduceOp.SUM, t)
