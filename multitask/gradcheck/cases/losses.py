"""What cross-entropies and errors of a quantity share: weights, and losses of Keras as their twins."""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from multitask import ops
from multitask.gradcheck.draw import Draw, Sample
from multitask.gradcheck.modes import Forward
from multitask.gradcheck.twins import LossTwin


def weighted(losses: tf.Tensor, weights: tf.Tensor | None) -> tf.Tensor:
    """Each loss times its weight."""
    return losses if weights is None else losses * weights


def draw_weights(draw: Draw, *shape: int) -> dict[str, np.ndarray]:
    """Weights, the second example's 0; or none."""
    weights = draw.positive(*shape)
    weights[1] = 0
    return draw.one_of("weights", {"weights": weights}, {})


def keras_loss(name: str, each: bool = False, total: bool = False, **fixed: Any) -> Forward:
    """A Keras loss by its name, without the mean over the batch.

    Args:
        name: in keras.losses.
        each: of every element by itself, where Keras takes a mean over the last axis.
        total: that mean made a sum.
        fixed: its arguments beside the operation's.
    """

    def of(labels: tf.Tensor, weights: tf.Tensor | None = None, **arguments: Any) -> tf.Tensor:
        answer = arguments.pop("logits" if "logits" in arguments else "predictions")
        loss = getattr(keras.losses, name)(reduction=None, **fixed, **arguments)
        if each:
            labels, answer = labels[..., None], answer[..., None]
        losses = loss(labels, answer, sample_weight=weights)
        return losses * answer.shape[-1] if total else losses

    return of


def twin(
    operation: str, loss: Forward, where: Callable[[Sample], bool] = lambda _: True
) -> Callable[[Sample], LossTwin | None]:
    """An operation and the Keras loss of the same arguments, where Keras takes them."""
    pair = LossTwin(partial(call, operation), loss)
    return lambda sample: pair if where(sample) else None


def call(operation: str, **arguments: Any) -> Any:
    """Looked up at every call, so that whatever stands in `ops` now is judged."""
    return getattr(ops, operation)(**arguments)
