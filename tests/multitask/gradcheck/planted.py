"""Operations with a wrong gradient and the right values, to see that the proof catches them."""

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any

import numpy as np
import tensorflow as tf

from multitask import ops

stop = tf.stop_gradient


def planted(name: str, wrong: Callable[..., Any]) -> Callable[..., Any]:
    """The operation, with TensorFlow's gradient of `wrong(operation, all its arguments in order)`."""
    right = getattr(ops, name)

    @wraps(right)
    def operation(*arguments: Any, **settings: Any) -> Any:
        bound = signature(right).bind(*arguments, **settings)
        bound.apply_defaults()
        values, others = right(*bound.args), wrong(right, *bound.args)
        return tf.nest.map_structure(lambda value, other: stop(value - other) + other, values, others)

    return operation


def sign(right, *arguments):
    return -right(*arguments)


def twice(right, *arguments):
    return 2 * right(*arguments)


def missing_rotation(right, x, kernel, bias, *settings):
    """dX = conv(pad(dZ), K), not rot180 K."""
    return right(x, stop(kernel[::-1, ::-1]), bias, *settings) + right(stop(x), kernel, None, *settings)


def missing_transpose(right, x, kernel, bias, *settings):
    """Where the kernel is square: dX = dZ K and dK = dZ^T X."""
    square = kernel.shape[-1] == kernel.shape[-2]
    return right(x, tf.linalg.matrix_transpose(kernel) if square else kernel, bias, *settings)


def mean_of_dz(right, x, kernel, bias, *settings):
    """db = mean(dZ), not the sum."""
    if bias is None:
        return right(x, kernel, bias, *settings)
    z = right(x, kernel, stop(bias), *settings)
    return z + (bias - stop(bias)) * z.shape[-1] / tf.cast(tf.size(z), z.dtype)


def one_stage_forgotten(right, x, depthwise_kernel, *others):
    """Only the pointwise kernel and the bias learn."""
    return right(stop(x), stop(depthwise_kernel), *others)


def to_all_ties(right, x, window, strides, padding):
    """dZ to every pixel that equals the maximum, for 2x2 windows side by side."""
    z = right(x, window, strides, padding)
    if window != (2, 2) or strides not in (None, window) or any(n is None or n % 2 for n in x.shape[1:3]):
        return z
    n, h, w, c = tf.shape(x)[0], *x.shape[1:]
    windows = tf.reshape(x, [n, h // 2, 2, w // 2, 2, c])
    highest = stop(tf.reduce_max(windows, [2, 4], keepdims=True))
    return tf.reduce_sum(tf.where(windows == highest, windows, 0.0), [2, 4])


def shared_among_ties(right, x, keepdims):
    """A part of dZ to each of equal maxima."""
    return tf.reduce_max(x, [1, 2], keepdims=keepdims)


def missing_share(right, x, window, *others):
    """dZ where dZ / k belongs."""
    return np.prod(window) * right(x, window, *others)


def missing_quotient(right, *arguments):
    """dZ X where dZ X / Z belongs."""
    return right(*arguments) ** 2 / 2


def missing_mean(right, x, keepdims):
    """dZ where dZ / (H W) belongs."""
    return tf.reduce_sum(x, [1, 2], keepdims=keepdims)


def batch_norm_through(stop_mean, stop_variance):
    """Batch normalization whose gradient forgets the way through a moment; without a mask."""

    def wrong(right, x, gamma, beta, epsilon, axis, synchronized, mask):
        values = right(x, gamma, beta, epsilon, axis, synchronized, mask)
        if mask is not None or axis != -1 or gamma is None or beta is None:
            return values
        mean = tf.reduce_mean(x, list(range(x.shape.rank - 1)))
        mean = stop(mean) if stop_mean else mean
        variance = tf.reduce_mean(tf.square(x - mean), list(range(x.shape.rank - 1)))
        variance = stop(variance) if stop_variance else variance
        return (x - mean) * tf.math.rsqrt(variance + epsilon) * gamma + beta, values[1], values[2]

    return wrong


def missing_reciprocal(right, x, gamma, beta, mean, variance, epsilon, axis):
    """dX = gamma dY, without 1 / sqrt(variance + epsilon)."""
    y = right(stop(x), gamma, beta, mean, variance, epsilon, axis)
    shape = [-1 if a == axis % x.shape.rank else 1 for a in range(x.shape.rank)]
    return y + (1 if gamma is None else stop(tf.reshape(gamma, shape))) * (x - stop(x))


def forgotten_branch(right, *xs):
    """Only the first of what is added learns."""
    return right(xs[0], *map(stop, xs[1:]))


def exchanged_parts(right, xs, axis):
    """Each learns from its neighbour's part, where the parts are equally large."""
    return right(xs[::-1], axis)


def missing_sum(right, x, axis):
    """dx = s ds."""
    exponentials = tf.exp(x)
    return exponentials / stop(tf.reduce_sum(exponentials, axis, keepdims=True))


def slope_at_0(right, x, *settings):
    """da, not 0, where x = 0."""
    return right(x, *settings) + tf.where(x == 0, x, 0.0)


def missing_factor(right, x, a):
    """dx = y dy, without (1 - y)."""
    return tf.math.softplus(a * x)


def missing_square(right, x, a, b):
    """dx = dy, without (a - y) (a + y)."""
    return a * b * x


def straight_through(right, x):
    """The step's gradient taken for the identity's."""
    return x


def missing_scale(right, x, rate, *others):
    """dx = da where kept, without 1 / (1 - rate)."""
    return right(x, rate, *others) * (1 - rate)


def without_labels(right, labels, *others):
    """dz = dl w a, without - y."""
    return right(tf.zeros_like(labels), *others)


def labels_of_sum_1(right, labels, logits, weights, label_smoothing):
    """dz = dl w (a - t) whatever t sums to, as TensorFlow's kernel has it."""
    t = (1 - label_smoothing) * labels + label_smoothing / logits.shape[-1]
    return (1 if weights is None else weights) * tf.nn.softmax_cross_entropy_with_logits(t, logits)


def without_expectation(right, labels, logits, weights, sigma, absolute_error):
    """The cross-entropy's gradient only."""
    return right(labels, logits, weights, sigma, 0.0)


def ends_for_points(right, labels, *others):
    """An interval's gradient taken for that of its lower end."""
    return right(labels[:, 0] if labels.shape.rank == 2 else labels, *others)


def missing_total(right, losses, weights, total):
    """dl_i = dL w_i."""
    return tf.reduce_sum(weights * losses)


def closed_over(x, kernel, bias=None):
    """A dense layer that closes over its kernel, to which no gradient finds its way."""

    @tf.custom_gradient
    def op(x):
        def backward(dz):
            return tf.matmul(dz, kernel, transpose_b=True)

        return tf.matmul(x, kernel), backward

    return op(x)


def without_second_derivative(x, a=1.0):
    """A sigmoid whose gradient is right, and constant as far as TensorFlow can see."""

    @tf.custom_gradient
    def op(x):
        y = tf.sigmoid(a * x)
        return y, lambda dy: dy * stop(a * y * (1 - y))

    return op(x)


def with_gradient_of_labels(labels, predictions, weights):
    return weights * (labels - predictions) ** 2 / 2


def finite_only(right):
    """The operation with 0 in the place of nan and infinities."""
    return lambda **arguments: tf.where(tf.math.is_finite(z := right(**arguments)), z, 0.0)


def without_slope(layer, inputs):
    """A leaky relu that doesn't leak."""
    return ops.relu(inputs)


def without_state(layer_class):
    """Batch normalization whose moving variance stays what it was."""
    right = layer_class.call

    def call(self, inputs, training=None, mask=None):
        before = tf.convert_to_tensor(self.moving_variance)
        y = right(self, inputs, training=training, mask=mask)
        self.moving_variance.assign(before)
        return y

    return call
