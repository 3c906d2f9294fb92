"""The gradient of a network whose tasks share parameters, each task's own known apart."""

import itertools
from collections.abc import Callable, Iterable

import tensorflow as tf

Strategy = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]
"""Gram matrix float64 [K, K], tasks present float64 [K], seed int64 [2] -> weights float64 [K]."""


def resolve(
    rows: list[list[tf.Tensor | None]], strategy: Strategy, present: tf.Tensor, seed: tf.Tensor
) -> tuple[tf.Tensor, list[tf.Tensor | None]]:
    """The tasks' gradients in one: where parameters are shared, weighted by the strategy, else as they are.

    Args:
        rows: the gradients of each of K tasks, in the order of the parameters; None: without effect on it.
        strategy: gets the Gram matrix of the shared parameters' gradients.
        present: [K], 1 for tasks with a label in the batch, else 0.
        seed: int64 [2], for the strategy.

    Returns:
        weights float32 [K], and the gradients; None where no task has one.
    """
    columns = list(zip(*rows, strict=True))
    shared = [sum(g is not None for g in column) > 1 for column in columns]
    gram = tf.zeros((len(rows), len(rows)))
    for column in itertools.compress(columns, shared):
        like = next(g for g in column if g is not None)
        flat = [tf.reshape(tf.zeros_like(like) if g is None else g, (-1,)) for g in column]
        jacobian = tf.stack(flat)  # [K, parameters]
        gram += tf.matmul(jacobian, jacobian, transpose_b=True)
    # An overflow of float16 is the optimizer's to see, in the gradients, and to skip.
    finite = tf.reduce_all(tf.math.is_finite(gram))
    gram = tf.cast(tf.where(finite, gram, tf.eye(len(rows))), tf.float64)
    weights = tf.cast(strategy(gram, tf.cast(present, tf.float64), seed), tf.float32)
    gradients = []
    for column, is_shared in zip(columns, shared, strict=True):
        factors = tf.unstack(weights) if is_shared else [1.0] * len(rows)
        gradients.append(
            sum_known(None if g is None else w * g for w, g in zip(factors, column, strict=True))
        )
    return weights, gradients


def sum_known(gradients: Iterable[tf.Tensor | None]) -> tf.Tensor | None:
    """The sum of those that are not None; None if all are."""
    known = [g for g in gradients if g is not None]
    return tf.add_n(known) if known else None
