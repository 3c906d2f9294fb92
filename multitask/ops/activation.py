"""Activations, element by element, and softmax."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from multitask.errors import UserError


def relu(
    x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> tf.Tensor:
    """Rectified linear unit.

    Forward:  a = min(x, max_value) where x > threshold, negative_slope (x - threshold) elsewhere
    Backward: dx = da where threshold < x < max_value, negative_slope da where x <= threshold, 0 elsewhere.
              At the kinks it is that of tf.nn.relu, leaky_relu and relu6; Keras, which puts the function
              together from others, gives 0 for `negative_slope` da at the threshold where another argument is
              set too, and da for 0 at a `max_value` other than 6.
    Shapes:   any.
    Raises:   UserError for a negative argument.
    Source:   notes 003, section IX.
    """
    for name, value in ("negative_slope", negative_slope), ("max_value", max_value), ("threshold", threshold):
        if value is not None and value < 0:
            raise UserError(f"{name} of relu must not be negative. Received: {name}={value}")
    if negative_slope and max_value is None and not threshold:
        return leaky_relu(x, negative_slope)
    plain = max_value is None and not threshold

    @tf.custom_gradient
    def op(x: tf.Tensor) -> Any:
        a = tf.where(x > threshold, x, 0) if threshold else tf.nn.relu(x)
        if max_value is not None:
            a = tf.minimum(a, tf.cast(max_value, x.dtype))
        if negative_slope:
            a -= negative_slope * tf.nn.relu(threshold - x)

        def backward(da: tf.Tensor) -> tf.Tensor:
            if plain:
                return da * tf.cast(a > 0, da.dtype)  # a, so that x needn't be kept
            above = da if max_value is None else tf.where(x < max_value, da, 0)
            return tf.where(x > threshold, above, negative_slope * da if negative_slope else 0)

        return a, backward

    return op(tf.convert_to_tensor(x))


def leaky_relu(x: Any, negative_slope: float = 0.3) -> tf.Tensor:
    """Rectified linear unit with a slope for what is negative.

    Forward:  a = x where x > 0, negative_slope x elsewhere
    Backward: dx = da where x > 0, negative_slope da elsewhere, 0 included as in TensorFlow
    Shapes:   any.
    Source:   Maas et al. 2013, "Rectifier nonlinearities improve neural network acoustic models", section 2.
    """

    @tf.custom_gradient
    def op(x: tf.Tensor) -> Any:
        def backward(da: tf.Tensor) -> tf.Tensor:
            return tf.where(x > 0, da, negative_slope * da)

        return tf.where(x > 0, x, negative_slope * x), backward

    return op(tf.convert_to_tensor(x))


def sigmoid(x: Any, a: float = 1.0) -> tf.Tensor:
    """Log-sigmoid of slope a, from 0 to 1.

    Forward:  y = 1 / (1 + exp(-a x))
    Backward: dx = a y (1 - y) dy
    Shapes:   any.
    Source:   notes 004, "Activation functions", 1.
    """

    @tf.custom_gradient
    def op(x: tf.Tensor) -> Any:
        y = tf.sigmoid(a * x)

        def backward(dy: tf.Tensor) -> tf.Tensor:
            return a * y * (1 - y) * dy

        return y, backward

    return op(tf.convert_to_tensor(x))


def tanh(x: Any, a: float = 1.0, b: float = 1.0) -> tf.Tensor:
    """Hyperbolic tangent, from -a to a.

    Forward:  y = a tanh(b x)
    Backward: dx = (b / a) (a - y) (a + y) dy
    Shapes:   any.
    Raises:   UserError where a is 0, by which the derivative divides.
    Source:   notes 004, "Activation functions", 2.
    """
    if a == 0:
        raise UserError(f"a of tanh must not be 0: y would be 0 everywhere. Received: a={a}")

    @tf.custom_gradient
    def op(x: tf.Tensor) -> Any:
        y = a * tf.tanh(b * x)

        def backward(dy: tf.Tensor) -> tf.Tensor:
            return (b / a) * (a - y) * (a + y) * dy

        return y, backward

    return op(tf.convert_to_tensor(x))


def softmax(x: Any, axis: int | Sequence[int] = -1) -> tf.Tensor:
    """Softmax along an axis, or over several at once.

    Forward:  s_i = exp(x_i) / sum_j exp(x_j)
    Backward: dx = s (ds - sum_j ds_j s_j), for ds_i / dx_j = s_i ([i = j] - s_j)
    Shapes:   any of at least one dimension.
    Source:   notes 004, "Categorical cross entropy".
    """

    @tf.custom_gradient
    def op(x: tf.Tensor) -> Any:
        if isinstance(axis, int):
            s = tf.nn.softmax(x, axis)
        else:
            s = tf.exp(x - tf.reduce_logsumexp(x, axis, keepdims=True))

        def backward(ds: tf.Tensor) -> tf.Tensor:
            return s * (ds - tf.reduce_sum(ds * s, axis, keepdims=True))

        return s, backward

    return op(tf.convert_to_tensor(x))


def hard_limit(x: Any) -> tf.Tensor:
    """The perceptron's step from 0 to 1.

    Forward:  y = 1 where x >= 0, 0 where x < 0
    Backward: dx = 0: the step is flat on both sides, and where it jumps it has no derivative. It is not
              passed straight through: the perceptron's rule, w += eta (y_desired - y) x, needs none.
    Shapes:   any.
    Source:   notes 004, "Activation function", 1.
    """

    @tf.custom_gradient
    def op(x: tf.Tensor) -> Any:
        return (_step(x) + 1) / 2, tf.zeros_like

    return op(tf.convert_to_tensor(x))


def symmetric_hard_limit(x: Any) -> tf.Tensor:
    """The perceptron's step from -1 to 1.

    Forward:  y = 1 where x >= 0, -1 where x < 0
    Backward: dx = 0, as for `hard_limit`
    Shapes:   any.
    Source:   notes 004, "Activation function", 2.
    """

    @tf.custom_gradient
    def op(x: tf.Tensor) -> Any:
        return _step(x), tf.zeros_like

    return op(tf.convert_to_tensor(x))


def _step(x: tf.Tensor) -> tf.Tensor:
    return tf.where(x == 0, tf.ones_like(x), tf.sign(x))  # sign keeps nan, which x >= 0 would make -1


def linear(x: Any) -> tf.Tensor:
    """The identity, by which a perceptron learns a gradient at all.

    Forward:  y = x
    Backward: dx = dy
    Shapes:   any.
    Source:   notes 004, "Activation function", 3.
    """

    @tf.custom_gradient
    def op(x: tf.Tensor) -> Any:
        return tf.identity(x), tf.identity

    return op(tf.convert_to_tensor(x))


def saturated_linear(x: Any) -> tf.Tensor:
    """Linear from 0 to 1, level beyond.

    Forward:  y = min(max(x, 0), 1)
    Backward: dx = dy where 0 < x < 1, 0 elsewhere and at both corners, as for `relu`
    Shapes:   any.
    Source:   notes 004, "Activation function", 4.
    """
    return _saturated(x, 0.0)


def symmetric_saturated_linear(x: Any) -> tf.Tensor:
    """Linear from -1 to 1, level beyond.

    Forward:  y = min(max(x, -1), 1)
    Backward: dx = dy where -1 < x < 1, 0 elsewhere, as for `saturated_linear`
    Shapes:   any.
    Source:   notes 004, "Activation function", 5.
    """
    return _saturated(x, -1.0)


def _saturated(x: Any, low: float) -> tf.Tensor:
    @tf.custom_gradient
    def op(x: tf.Tensor) -> Any:
        def backward(dy: tf.Tensor) -> tf.Tensor:
            return tf.where((x > low) & (x < 1), dy, 0)

        return tf.clip_by_value(x, low, 1.0), backward

    return op(tf.convert_to_tensor(x))
