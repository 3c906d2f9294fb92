"""Cross-entropies from logits: through sigmoid or softmax the gradient becomes the notes' A - Y.

l is the loss of an example, w its weight, y its label, t the label smoothed, z the logits and a what they
stand for. Neither labels nor weights are differentiated. bfloat16 and float16 are computed in float32.
"""

import math
from typing import Any

import tensorflow as tf

from multitask.ops.labels import in_single, labels_of, weights_of


def sigmoid_cross_entropy(
    labels: Any, logits: Any, weights: Any = None, label_smoothing: float = 0.0
) -> tf.Tensor:
    """Binary cross-entropy of a = sigmoid(z), for every logit by itself.

    Forward:  l = w (-t log a - (1 - t) log(1 - a)) = w (max(z, 0) - z t + log(1 + exp(-|z|))),
              t = (1 - label_smoothing) y + label_smoothing / 2
    Backward: dz = dl w (a - t)
    Shapes:   labels and logits alike, weights with as many axes, each as long or 1 -> the logits' shape.
    Raises:   UserError for other shapes.
    Source:   notes 001, "Backpropagation in CNN"; 004, "Binary cross entropy".
    """
    z = in_single(logits)
    y, w = labels_of(labels, z), weights_of(weights, z.shape, z.dtype)

    @tf.custom_gradient
    def op(y: tf.Tensor, z: tf.Tensor, w: tf.Tensor) -> Any:
        t = (1 - label_smoothing) * y + label_smoothing / 2

        def backward(dl: tf.Tensor) -> tuple[None, tf.Tensor, None]:
            return None, dl * w * (tf.sigmoid(z) - t), None

        return w * (tf.nn.relu(z) - z * t + tf.math.log1p(tf.exp(-tf.abs(z)))), backward

    return tf.cast(op(y, z, w), tf.convert_to_tensor(logits).dtype)


def multi_label_cross_entropy(
    labels: Any, logits: Any, weights: Any = None, label_smoothing: float = 0.0
) -> tf.Tensor:
    """Binary cross-entropies of a = sigmoid(z), summed over the labels that an example has or hasn't.

    Forward:  l = w sum_k (-t_k log a_k - (1 - t_k) log(1 - a_k)), t as for `sigmoid_cross_entropy`
    Backward: dz_k = dl w (a_k - t_k)
    Shapes:   labels and logits [N, K], weights [N] -> [N].
    Raises:   UserError for other shapes.
    Source:   notes 004, "Multi-label classification".
    """
    z = in_single(logits)
    y, w = labels_of(labels, z), weights_of(weights, z.shape[:-1], z.dtype)

    @tf.custom_gradient
    def op(y: tf.Tensor, z: tf.Tensor, w: tf.Tensor) -> Any:
        t = (1 - label_smoothing) * y + label_smoothing / 2

        def backward(dl: tf.Tensor) -> tuple[None, tf.Tensor, None]:
            return None, (dl * w)[:, None] * (tf.sigmoid(z) - t), None

        return w * tf.reduce_sum(tf.nn.relu(z) - z * t + tf.math.log1p(tf.exp(-tf.abs(z))), -1), backward

    return tf.cast(op(y, z, w), tf.convert_to_tensor(logits).dtype)


def softmax_cross_entropy(
    labels: Any, logits: Any, weights: Any = None, label_smoothing: float = 0.0
) -> tf.Tensor:
    """Categorical cross-entropy of a = softmax(z).

    Forward:  l = -w sum_k t_k log a_k, log a = z - log sum_j exp(z_j), 0 where t_k is 0,
              t = (1 - label_smoothing) y + label_smoothing / K
    Backward: dz = dl w (a sum_k t_k - t): a - t where the labels sum to 1. (TensorFlow's kernel gives a - t
              for any labels, and on a CPU nan for a class ruled out by a logit of minus infinity.)
    Shapes:   labels and logits [N, K], weights [N] -> [N].
    Raises:   UserError for other shapes.
    Source:   notes 003, section IX, A: dZ = y_pred - y; 004, "Categorical cross entropy".
    """
    z = in_single(logits)
    y, w = labels_of(labels, z), weights_of(weights, z.shape[:-1], z.dtype)

    @tf.custom_gradient
    def op(y: tf.Tensor, z: tf.Tensor, w: tf.Tensor) -> Any:
        t = (1 - label_smoothing) * y + label_smoothing / z.shape[-1]
        log_a = tf.nn.log_softmax(z)

        def backward(dl: tf.Tensor) -> tuple[None, tf.Tensor, None]:
            return None, (dl * w)[:, None] * (tf.exp(log_a) * tf.reduce_sum(t, -1, keepdims=True) - t), None

        return -w * tf.reduce_sum(tf.math.multiply_no_nan(log_a, t), -1), backward

    return tf.cast(op(y, z, w), tf.convert_to_tensor(logits).dtype)


def sparse_softmax_cross_entropy(
    labels: Any, logits: Any, weights: Any = None, label_smoothing: float = 0.0
) -> tf.Tensor:
    """`softmax_cross_entropy` for labels given as class indices; where the weight is 0 any index will do.

    Forward:  l = -w sum_k t_k log a_k, t_k = (1 - label_smoothing) [k = y] + label_smoothing / K
    Backward: dz = dl w (a - t)
    Shapes:   labels [N] whole numbers, logits [N, K], weights [N] -> [N].
    Raises:   tf.errors.InvalidArgumentError for a label outside 0..K-1 with a weight other than 0; under XLA,
              which can't, its loss and gradient are nan. Both as in TensorFlow.
    Source:   notes 003, section XI.
    """
    z = in_single(logits)
    w = weights_of(weights, z.shape[:-1], z.dtype)
    labels = tf.cast(labels, tf.int64)
    labels = tf.where(w == 0, tf.zeros_like(labels), labels)
    known = (labels >= 0) & (labels < z.shape[-1])
    rule = f"labels must be class indices in 0..{z.shape[-1] - 1}, or have weight 0. Received:"
    tf.debugging.Assert(tf.reduce_all(known), [rule, labels])
    one_hot = tf.where(known[:, None], tf.one_hot(labels, z.shape[-1], dtype=z.dtype), float("nan"))
    return softmax_cross_entropy(one_hot, logits, weights, label_smoothing)


def distribution_cross_entropy(
    labels: Any, logits: Any, weights: Any = None, sigma: float = 2.0, absolute_error: float = 0.2
) -> tf.Tensor:
    """Cross-entropy of p = softmax(z) to a quantity, or an interval it lies in, plus its expectation's error.

    Forward:  l = w (c + absolute_error |E - e|), E = sum_j j p_j, j = 0..K-1, e what is nearest to E in
              [y0, y1];
              y0 = y1: c = -sum_j t_j log p_j, t_j = exp(-(j - y0)^2 / (2 sigma^2)), in sum made 1;
              y0 < y1: c = -log sum_{j in I} p_j, I = floor(y0)..ceil(y1): the interval's likelihood
    Backward: dz_j = dl w (p_j - t_j + absolute_error sign(E - e) p_j (j - E)),
              y0 < y1: t_j = p_j / sum_{i in I} p_i for j in I, else 0
    Shapes:   labels [N], or [N, 2] from y0 to y1, at most K - 1 or taken as that, logits [N, K], weights
              [N] -> [N].
    Raises:   UserError for other shapes.
    Source:   Gao et al. 2018, "Age estimation using expectation of label distribution learning", eq. 1-8;
              Turnbull 1976, "The empirical distribution function with arbitrarily grouped, censored and
              truncated data" (an interval).
    """
    z = in_single(logits)
    labels = tf.convert_to_tensor(labels)
    ends = tf.unstack(labels, axis=1) if labels.shape[1:] == (2,) else [labels, labels]
    y0, y1 = (labels_of(end, z[:, 0]) for end in ends)
    w = weights_of(weights, z.shape[:-1], z.dtype)

    @tf.custom_gradient
    def op(y0: tf.Tensor, y1: tf.Tensor, z: tf.Tensor, w: tf.Tensor) -> Any:
        j = tf.range(z.shape[-1], dtype=z.dtype)
        y0, y1 = (tf.minimum(y, z.shape[-1] - 1)[:, None] for y in (y0, y1))
        gaussian = tf.nn.softmax(-tf.square(j - y0) / (2 * sigma**2))
        log_p = tf.nn.log_softmax(z)
        p = tf.exp(log_p)
        expectation = tf.reduce_sum(p * j, -1, keepdims=True)
        error = expectation - tf.clip_by_value(expectation, y0, y1)  # E - e, [N, 1]
        log_inside = tf.where((j >= tf.floor(y0)) & (j <= tf.math.ceil(y1)), log_p, -math.inf)
        likelihood = tf.reduce_logsumexp(log_inside, -1, keepdims=True)
        interval = y0 < y1

        def backward(dl: tf.Tensor) -> tuple[None, None, tf.Tensor, None]:
            t = tf.where(interval, tf.exp(log_inside - likelihood), gaussian)
            from_error = absolute_error * tf.sign(error) * p * (j - expectation)
            return None, None, (dl * w)[:, None] * (p - t + from_error), None

        cross_entropy = -tf.where(interval, likelihood, tf.reduce_sum(gaussian * log_p, -1, keepdims=True))
        return w * (cross_entropy + absolute_error * tf.abs(error))[:, 0], backward

    return tf.cast(op(y0, y1, z, w), tf.convert_to_tensor(logits).dtype)
