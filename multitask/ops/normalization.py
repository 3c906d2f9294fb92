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

from multitask.ops.compiler import compiled_by_xla
from multitask.ops.reduction import sum_to_channels


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
    if x.dtype.size < 4:  # half precision can't hold a sum over a batch
        whole, scale, shift = (tf.cast(t, tf.float32) for t in (x, gamma, beta))
        y, mean, variance = batch_norm(whole, scale, shift, epsilon, axis, synchronized, mask)
        return tf.cast(y, x.dtype), tf.cast(mean, x.dtype), tf.cast(variance, x.dtype)
    channels = Channels(x, axis)
    weights = [] if mask is None else [tf.cast(mask, x.dtype)[..., None]]
    total = _over_replicas if synchronized else tf.identity

    @tf.custom_gradient
    def op(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, *weights: tf.Tensor) -> Any:
        def counted(t: tf.Tensor) -> tf.Tensor:
            return tf.where(weights[0] > 0, t, 0) if weights else t

        # As Keras does, not to divide by 0 where the mask hides all.
        size = channels.sum(weights[0] + tf.zeros_like(x)) + 1e-7 if weights else channels.count
        m = total(size)
        if channels.fused and not weights and not synchronized:
            y, mean, variance = _normalized(x, gamma, beta, epsilon, channels)
        else:
            mean = total(channels.sum(counted(x))) / m
            centered = x - channels.spread(mean)
            variance = total(channels.sum(counted(tf.square(centered)))) / m
            y = centered * channels.spread(gamma * tf.math.rsqrt(variance + epsilon)) + channels.spread(beta)
        r = tf.math.rsqrt(variance + epsilon)

        def backward(dy: tf.Tensor, dmean: tf.Tensor, dvariance: tf.Tensor) -> list[tf.Tensor | None]:
            dbeta = channels.sum(dy)
            dgamma = (channels.sum(dy * x) - mean * dbeta) * r
            along_mean = (dmean - gamma * r * total(dbeta)) / m
            along_variance = (2 * dvariance - gamma * r * r * total(dgamma)) / m
            # w (along_mean + (X - mu) along_variance), with two operations on X in place of three.
            shift = channels.spread(along_mean - mean * along_variance)
            dx = dy * channels.spread(gamma * r) + counted(x * channels.spread(along_variance) + shift)
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
    channels = Channels(x, axis)

    @tf.custom_gradient
    def op(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, mean: tf.Tensor, variance: tf.Tensor) -> Any:
        r = tf.math.rsqrt(variance + epsilon)
        scale = gamma * r

        def backward(dy: tf.Tensor) -> list[tf.Tensor]:
            dbeta = channels.sum(dy)
            dgamma = (channels.sum(dy * x) - mean * dbeta) * r
            return [dy * channels.spread(scale), dgamma, dbeta, -scale * dbeta, -scale * r * dgamma / 2]

        return x * channels.spread(scale) + channels.spread(beta - mean * scale), backward

    return op(x, gamma, beta, tf.convert_to_tensor(mean), tf.convert_to_tensor(variance))


class Channels:
    """How the values of x belong to channels along `axis`."""

    def __init__(self, x: tf.Tensor, axis: int) -> None:
        rank, axis = x.shape.rank, axis % x.shape.rank
        self._others = [a for a in range(rank) if a != axis]
        self._shape = [-1 if a == axis else 1 for a in range(rank)]
        self._last = axis == rank - 1
        self.count = tf.cast(tf.size(x) // x.shape[axis], x.dtype)
        self.fused = self._last and rank == 4 and x.dtype == tf.float32 and not compiled_by_xla()

    def sum(self, t: tf.Tensor) -> tf.Tensor:
        """One sum a channel: [C]."""
        return sum_to_channels(t) if self._last else tf.reduce_sum(t, self._others)

    def spread(self, per_channel: tf.Tensor) -> tf.Tensor:
        """[C] in a shape that broadcasts over x."""
        return tf.reshape(per_channel, self._shape)


def _normalized(
    x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float, channels: Channels
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    # Y, mu and v of pictures in one pass of TensorFlow's own, whose v is m / (m - 1) times ours (what it
    # keeps for its gradient is v on a processor, and 1 / sqrt(v + epsilon) on a GPU).
    none, m = tf.zeros([0], x.dtype), channels.count
    y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x, scale=gamma, offset=beta, mean=none, variance=none, epsilon=epsilon, is_training=True
    )
    variance = tf.math.multiply_no_nan(variance, tf.math.divide_no_nan(m - 1, m))

    @tf.custom_gradient
    def known(x: tf.Tensor, mean: tf.Tensor, variance: tf.Tensor) -> Any:
        # For second derivatives: TensorFlow leaves out what reaches X through mu and v.
        def backward(dmean: tf.Tensor, dvariance: tf.Tensor) -> list[tf.Tensor | None]:
            from_variance = 2 * (x - channels.spread(mean)) * channels.spread(dvariance / m)
            return [channels.spread(dmean / m) + from_variance, None, None]

        return (tf.identity(mean), tf.identity(variance)), backward

    return y, *known(x, mean, variance)


def _scale_and_shift(x: tf.Tensor, gamma: Any, beta: Any, axis: int) -> tuple[tf.Tensor, tf.Tensor]:
    channels = x.shape[axis]
    gamma = tf.ones(channels, x.dtype) if gamma is None else tf.convert_to_tensor(gamma)
    beta = tf.zeros(channels, x.dtype) if beta is None else tf.convert_to_tensor(beta)
    return gamma, beta


def _over_replicas(t: tf.Tensor) -> tf.Tensor:
    replica = tf.distribute.get_replica_context()
    return t if replica is None else replica.all_reduce(tf.distribute.ReduceOp.SUM, t)
