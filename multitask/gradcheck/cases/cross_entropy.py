"""Cross-entropies from logits."""

from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from multitask.gradcheck.case import Case
from multitask.gradcheck.cases.losses import draw_weights, keras_loss, twin, weighted
from multitask.gradcheck.draw import Draw, Sample, rounded


def smoothed(labels: tf.Tensor, share: float, classes: int) -> tf.Tensor:
    """A share of every label spread over the classes."""
    return labels * (1 - share) + share / classes


def sigmoid(
    labels: tf.Tensor, logits: tf.Tensor, label_smoothing: float, weights: tf.Tensor | None = None
) -> tf.Tensor:
    """-t log a - (1 - t) log(1 - a), by softplus."""
    t = smoothed(labels, label_smoothing, 2)
    return weighted(t * tf.math.softplus(-logits) + (1 - t) * tf.math.softplus(logits), weights)


def multi_label(
    labels: tf.Tensor, logits: tf.Tensor, label_smoothing: float, weights: tf.Tensor | None = None
) -> tf.Tensor:
    """Summed over the labels."""
    return weighted(tf.reduce_sum(sigmoid(labels, logits, label_smoothing), -1), weights)


def softmax(
    labels: tf.Tensor, logits: tf.Tensor, label_smoothing: float, weights: tf.Tensor | None = None
) -> tf.Tensor:
    """-sum t log a. TensorFlow's own kernel takes it for granted that labels sum to 1."""
    t = smoothed(labels, label_smoothing, logits.shape[-1])
    return weighted(-tf.reduce_sum(t * tf.nn.log_softmax(logits), -1), weights)


def sparse_softmax(labels: tf.Tensor, logits: tf.Tensor, **others: Any) -> tf.Tensor:
    """The same of one-hot labels."""
    return softmax(tf.one_hot(labels, logits.shape[-1], dtype=logits.dtype), logits, **others)


def sparse_of_keras(labels: tf.Tensor, label_smoothing: float, **others: Any) -> tf.Tensor:
    """Keras smooths no sparse labels, and takes none outside the classes whatever their weight."""
    return keras_loss("SparseCategoricalCrossentropy", from_logits=True)(
        labels=tf.maximum(labels, 0), **others
    )


def distribution(
    labels: tf.Tensor,
    logits: tf.Tensor,
    sigma: float,
    absolute_error: float,
    weights: tf.Tensor | None = None,
) -> tf.Tensor:
    """Cross-entropy to a Gaussian, or minus the log of an interval's share; the expectation's distance."""
    values = tf.range(logits.shape[-1], dtype=logits.dtype)
    y = tf.minimum(labels if labels.shape.rank == 2 else labels[:, None], logits.shape[-1] - 1)
    low, high = y[:, :1], y[:, -1:]
    gaussian = tf.exp(-tf.square(values - low) / (2 * sigma**2))
    target = gaussian / tf.reduce_sum(gaussian, -1, keepdims=True)
    p = tf.nn.softmax(logits)
    inside = tf.cast((values > low - 1) & (values < high + 1), logits.dtype)
    cross_entropy = tf.where(
        low[:, 0] < high[:, 0],
        -tf.math.log(tf.linalg.matvec(p * inside, tf.ones_like(values))),
        -tf.reduce_sum(target * tf.nn.log_softmax(logits), -1),
    )
    expectation = tf.linalg.matvec(p, values)
    distance = tf.nn.relu(low[:, 0] - expectation) + tf.nn.relu(expectation - high[:, 0])
    return weighted(cross_entropy + absolute_error * distance, weights)


def logits_of(
    draw: Draw, n: int, k: int, constants: dict[str, np.ndarray], settings: dict[str, Any]
) -> Sample:
    """Logits [n, k] for labels and weights."""
    return Sample({"logits": draw.normal(n, k)}, constants, settings, batched=("logits", *constants))


def smoothing(draw: Draw) -> dict[str, Any]:
    """None, or an eighth."""
    return {"label_smoothing": draw.one_of("label_smoothing", 0.0, 0.125)}


def draw_binary(draw: Draw, weight_axes: int) -> Sample:
    """Labels 0, 1 or between; weights for every logit or for every example."""
    n, k = draw.size(3, 5), draw.size(1, 4)
    labels = draw.rng.choice([0.0, 0.25, 1.0], (n, k))
    width = (k if draw.one_of("width", True, False) else 1,) if weight_axes == 2 else ()
    return logits_of(draw, n, k, {"labels": labels, **draw_weights(draw, n, *width)}, smoothing(draw))


def draw_categorical(draw: Draw) -> Sample:
    """Labels that sum to 1 or, in the last of them, not."""
    n, k = draw.size(3, 5), draw.size(2, 6)
    labels = np.eye(k)[draw.rng.integers(0, k, n)]
    labels[-1] = draw.one_of("last label", labels[-1], np.full(k, 0.75))
    return logits_of(draw, n, k, {"labels": labels, **draw_weights(draw, n)}, smoothing(draw))


def draw_sparse(draw: Draw) -> Sample:
    """Class indices, one of them -1 where its weight is 0."""
    n, k = draw.size(3, 5), draw.size(2, 6)
    labels, weights = draw.rng.integers(0, k, n), draw_weights(draw, n)
    if weights:
        labels[1] = -1
    return logits_of(draw, n, k, {"labels": labels, **weights}, smoothing(draw))


def draw_distribution(draw: Draw) -> Sample:
    """Labels inside the bins, and one beyond the last: intervals but for the first, or points alone."""
    n, k = draw.size(3, 5), draw.size(4, 9)
    labels = rounded(draw.rng.uniform(0, k, n))
    labels[0] = k + 3
    if draw.one_of("intervals", True, False):
        start = rounded(draw.rng.uniform(0, k, n))
        start[0] = labels[0]
        labels = np.sort(np.stack([start, labels], -1), -1)
    settings = {"sigma": draw.one_of("sigma", 2.0, 0.75), "absolute_error": draw.one_of("error", 0.2, 1.0)}
    return logits_of(draw, n, k, {"labels": labels, **draw_weights(draw, n)}, settings)


def sums_to_1(sample: Sample) -> bool:
    """Whether every example's labels do, as Keras takes for granted."""
    return bool(np.allclose(sample.constants["labels"].sum(-1), 1))


def unsmoothed(sample: Sample) -> bool:
    """Whether labels are taken as they are."""
    return sample.settings["label_smoothing"] == 0


CASES = (
    Case(
        "sigmoid_cross_entropy",
        partial(draw_binary, weight_axes=2),
        sigmoid,
        twin=twin("sigmoid_cross_entropy", keras_loss("BinaryCrossentropy", each=True, from_logits=True)),
    ),
    Case(
        "multi_label_cross_entropy",
        partial(draw_binary, weight_axes=1),
        multi_label,
        twin=twin(
            "multi_label_cross_entropy", keras_loss("BinaryCrossentropy", total=True, from_logits=True)
        ),
    ),
    Case(
        "softmax_cross_entropy",
        draw_categorical,
        softmax,
        twin=twin(
            "softmax_cross_entropy", keras_loss("CategoricalCrossentropy", from_logits=True), where=sums_to_1
        ),
        finite_for_nan=True,  # -inf at another class: so is Keras's under XLA, and of sparse labels
    ),
    Case(
        "sparse_softmax_cross_entropy",
        draw_sparse,
        sparse_softmax,
        twin=twin("sparse_softmax_cross_entropy", sparse_of_keras, where=unsmoothed),
    ),
    Case("distribution_cross_entropy", draw_distribution, distribution),
)
