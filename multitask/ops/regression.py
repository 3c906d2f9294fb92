"""Errors of a predicted quantity, and the weighted mean of any losses.

y is the label, a the prediction, w the weight. Neither labels nor weights are differentiated. bfloat16 and
float16 are computed in float32.
"""

from typing import Any

import tensorflow as tf

from multitask.ops.labels import in_single, labels_of, weights_of


def squared_error(labels: Any, predictions: Any, weights: Any = None) -> tf.Tensor:
    """Half the squared error, element by element.

    Forward:  l = w (y - a)^2 / 2
    Backward: da = dl w (a - y)
    Shapes:   labels and predictions alike, weights with as many axes, each as long or 1 -> that shape.
    Raises:   UserError for other shapes.
    Source:   notes 004, "Gradient descent algorithm".
    """
    a = in_single(predictions)
    y, w = labels_of(labels, a), weights_of(weights, a.shape, a.dtype)

    @tf.custom_gradient
    def op(y: tf.Tensor, a: tf.Tensor, w: tf.Tensor) -> Any:
        def backward(dl: tf.Tensor) -> tuple[None, tf.Tensor, None]:
            return None, dl * w * (a - y), None

        return w * tf.square(y - a) / 2, backward

    return tf.cast(op(y, a, w), tf.convert_to_tensor(predictions).dtype)


def absolute_error(labels: Any, predictions: Any, weights: Any = None) -> tf.Tensor:
    """The absolute error, element by element.

    Forward:  l = w |y - a|
    Backward: da = dl w sign(a - y), 0 where a = y
    Shapes:   labels and predictions alike, weights with as many axes, each as long or 1 -> that shape.
    Raises:   UserError for other shapes.
    """
    a = in_single(predictions)
    y, w = labels_of(labels, a), weights_of(weights, a.shape, a.dtype)

    @tf.custom_gradient
    def op(y: tf.Tensor, a: tf.Tensor, w: tf.Tensor) -> Any:
        def backward(dl: tf.Tensor) -> tuple[None, tf.Tensor, None]:
            return None, dl * w * tf.sign(a - y), None

        return w * tf.abs(y - a), backward

    return tf.cast(op(y, a, w), tf.convert_to_tensor(predictions).dtype)


def weighted_mean(losses: Any, weights: Any, total: Any = None) -> tf.Tensor:
    """The mean of losses by weight, 0 where all weights are 0.

    Forward:  L = sum_i w_i l_i / total
    Backward: dl_i = dL w_i / total
    Shapes:   losses and weights [N], total a number: sum_i w_i if not given; several replicas give what their
              weights sum to together -> scalar.
    Raises:   UserError for weights that are not [N].
    Source:   notes 001, "Backpropagation in CNN": L = 1/m sum_i l_i.
    """
    x = in_single(losses)
    w = labels_of(weights, x)
    total = tf.reduce_sum(w) if total is None else tf.stop_gradient(tf.cast(total, x.dtype))

    @tf.custom_gradient
    def op(x: tf.Tensor, w: tf.Tensor, total: tf.Tensor) -> Any:
        def backward(dmean: tf.Tensor) -> tuple[tf.Tensor, None, None]:
            return dmean * tf.math.divide_no_nan(w, total), None, None

        return tf.math.divide_no_nan(tf.reduce_sum(w * x), total), backward

    return tf.cast(op(x, w, total), tf.convert_to_tensor(losses).dtype)
