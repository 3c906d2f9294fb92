"""A loss for each kind of task, on logits, with weighted means over the whole batch of all replicas."""

import math
from typing import Any, ClassVar, Literal, get_args

import keras
import tensorflow as tf
from keras import ops

from multitask import ops as derived
from multitask.errors import UserError
from multitask.tasks import Task

Gradients = Literal["derived", "autodiff"]
"""By what gradients are computed: by `multitask.ops`, or by TensorFlow from Keras's operations."""


class WeightedMeanLoss(keras.losses.Loss):
    """L = sum_i w_i l_i / sum_i w_i over the global batch, all replicas together; 0 where all w_i are 0.

    A plain Keras loss divides by the number of rows, or by the weights of its own replica: then examples
    without a label, or their uneven spread over replicas, would change how much a labelled one counts.
    Subclasses give l_i in `call`: labels [N, 1], logits [N, units] -> [N]. Any label may be a distribution
    instead, labels [N, units], as `targets` makes them and mixup or a teacher does. The label of an example
    with weight 0 may be anything, nan too.

    Args:
        name: of the loss.
        gradients: "derived": by `multitask.ops` from the logits to L; "autodiff": by TensorFlow from Keras's
            operations. L is the same.

    Raises:
        UserError: other gradients.
    """

    INTERVALS: ClassVar[bool] = False
    """Whether a label may be an interval, from and to: then labels may be [N, 2]."""

    def __init__(self, name: str | None = None, gradients: Gradients = "autodiff") -> None:
        if gradients not in get_args(Gradients):
            raise UserError(f'gradients must be "derived" or "autodiff". Received: {gradients!r}')
        super().__init__(name=name, reduction=None, dtype="float32")
        self.gradients = gradients

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Labels [N] (or as `call`'s), logits [N, units] and weights [N] (1 if not given) -> scalar."""
        labels, units = _columns(y_true), y_pred.shape[-1]
        if labels.shape[-1] not in (1, units, *([2] if self.INTERVALS else [])):
            raise UserError(
                f"labels of {self.name} must be [N], [N, 1], or distributions [N, {units}]"
                f"{', or intervals [N, 2]' if self.INTERVALS else ''}. Received: {tuple(labels.shape)}"
            )
        weights = ops.ones_like(labels[:, 0]) if sample_weight is None else sample_weight
        weights = ops.cast(ops.reshape(weights, (-1,)), "float32")
        losses = self.call(ops.where(weights[:, None] == 0, 0.0, labels), ops.cast(y_pred, "float32"))
        total = ops.sum(weights)
        replica = tf.distribute.get_replica_context()
        if replica is not None and replica.num_replicas_in_sync > 1:
            total = replica.all_reduce(tf.distribute.ReduceOp.SUM, total)
        if self.gradients == "derived":
            return derived.weighted_mean(losses, weights, total)
        return tf.math.divide_no_nan(ops.sum(weights * losses), total)

    def targets(self, labels: Any, units: int) -> Any:
        """Labels [N], or as `call`'s, as the distributions [N, units] that they are short for."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Arguments to build the loss again."""
        return {"name": self.name, "gradients": self.gradients}


@keras.saving.register_keras_serializable(package="multitask")
class LabelDistribution(WeightedMeanLoss):
    """Cross-entropy to a quantity, or to an interval it lies in, plus the distance of the expectation.

    l = c + absolute_error |E - e|, E = sum_j j p_j, j the whole numbers 0..units-1, e what is nearest to E in
    [y0, y1], the label's ends, which are at most units - 1.

    A point, y = y0 = y1: c = -sum_j t_j log p_j, t_j ~ exp(-(j - y)^2 / (2 sigma^2)). An interval, y0 < y1:
    c = -log sum_j p_j over j from floor(y0) to ceil(y1), its likelihood: where in it, the loss leaves open.
    A distribution t_j: c as of a point, e = sum_j j t_j.

    Source: Gao et al. 2018, "Age estimation using expectation of label distribution learning", eq. 1-8;
    Turnbull 1976, "The empirical distribution function with arbitrarily grouped, censored and truncated
    data", for intervals.

    Args:
        sigma: spread of the Gaussian, in the unit of the task.
        absolute_error: weight of the second term, per unit of the task.
        name: as in `WeightedMeanLoss`.
        gradients: as in `WeightedMeanLoss`.
    """

    INTERVALS = True

    def __init__(
        self,
        sigma: float = 2.0,
        absolute_error: float = 0.2,
        name: str | None = None,
        gradients: Gradients = "autodiff",
    ) -> None:
        super().__init__(name, gradients)
        self.sigma = sigma
        self.absolute_error = absolute_error

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Labels [N, 1], intervals [N, 2] or distributions, and logits [N, units] -> [N]."""
        if y_true.shape[-1] == y_pred.shape[-1]:
            return self._from_distribution(y_true, y_pred)
        y0, y1 = y_true[:, :1], y_true[:, -1:]
        if self.gradients == "derived":
            return derived.distribution_cross_entropy(
                ops.concatenate([y0, y1], axis=1),
                y_pred,
                sigma=self.sigma,
                absolute_error=self.absolute_error,
            )
        values, y0, y1, inside, gaussian = self._label(y_true, y_pred.shape[-1])
        log_p = ops.log_softmax(y_pred)
        likelihood = ops.logsumexp(ops.where(inside, log_p, -math.inf), axis=-1)
        cross_entropy = -ops.where((y0 < y1)[:, 0], likelihood, ops.sum(gaussian * log_p, axis=-1))
        expectation = ops.sum(ops.exp(log_p) * values, axis=-1)
        nearest = ops.clip(expectation, y0[:, 0], y1[:, 0])
        return cross_entropy + self.absolute_error * ops.abs(expectation - nearest)

    def targets(self, labels: Any, units: int) -> Any:
        """As in `WeightedMeanLoss`; an interval is spread evenly."""
        _, y0, y1, inside, gaussian = self._label(_columns(labels), units)
        even = ops.cast(inside, "float32")
        return ops.where(y0 < y1, even / ops.sum(even, axis=-1, keepdims=True), gaussian)

    def _label(self, y_true: Any, units: int) -> tuple[Any, ...]:
        values = ops.arange(units, dtype="float32")
        y0, y1 = (ops.minimum(y, float(units - 1)) for y in (y_true[:, :1], y_true[:, -1:]))
        inside = (values >= ops.floor(y0)) & (values <= ops.ceil(y1))
        return values, y0, y1, inside, ops.softmax(-ops.square(values - y0) / (2 * self.sigma**2))

    def _from_distribution(self, target: Any, y_pred: Any) -> Any:
        values = ops.arange(y_pred.shape[-1], dtype="float32")
        label = ops.sum(target * values, axis=-1)
        if self.gradients == "derived":
            expectation = derived.dense(derived.softmax(y_pred), values[:, None])[:, 0]
            error = derived.absolute_error(label, expectation)
            return derived.softmax_cross_entropy(target, y_pred) + self.absolute_error * error
        error = ops.abs(ops.sum(ops.softmax(y_pred) * values, axis=-1) - label)
        return self.absolute_error * error - ops.sum(target * ops.log_softmax(y_pred), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Arguments to build the loss again."""
        return {**super().get_config(), "sigma": self.sigma, "absolute_error": self.absolute_error}


class _SmoothedLoss(WeightedMeanLoss):
    def __init__(
        self, label_smoothing: float = 0.0, name: str | None = None, gradients: Gradients = "autodiff"
    ) -> None:
        super().__init__(name, gradients)
        self.label_smoothing = label_smoothing

    def get_config(self) -> dict[str, Any]:
        """Arguments to build the loss again."""
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


@keras.saving.register_keras_serializable(package="multitask")
class SoftmaxCrossEntropy(_SmoothedLoss):
    """Sparse categorical cross-entropy of softmax(logits): l = -sum_j t_j log p_j.

    t_j = (1 - label_smoothing) [j = y] + label_smoothing / units. The gradient is the notes' A - Y.
    """

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Class indices [N, 1] or distributions, and logits [N, units] -> [N]."""
        units = y_pred.shape[-1]
        if self.gradients == "derived":
            if y_true.shape[-1] == units:
                return derived.softmax_cross_entropy(y_true, y_pred, label_smoothing=self.label_smoothing)
            labels = ops.cast(y_true[:, 0], "int32")
            return derived.sparse_softmax_cross_entropy(labels, y_pred, label_smoothing=self.label_smoothing)
        target = y_true if y_true.shape[-1] == units else self.targets(y_true, units)
        target = target * (1 - self.label_smoothing) + self.label_smoothing / units
        return -ops.sum(target * ops.log_softmax(y_pred), axis=-1)

    def targets(self, labels: Any, units: int) -> Any:
        """As in `WeightedMeanLoss`: ones where the classes are."""
        return ops.one_hot(ops.cast(ops.reshape(labels, (-1,)), "int32"), units, dtype="float32")


@keras.saving.register_keras_serializable(package="multitask")
class SigmoidCrossEntropy(_SmoothedLoss):
    """Binary cross-entropy of sigmoid(logits): l = -t log a - (1 - t) log(1 - a).

    t = (1 - label_smoothing) y + label_smoothing / 2. The gradient is the notes' A - Y.
    """

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Labels, 0 to 1, and logits, both [N, 1] -> [N]."""
        if self.gradients == "derived":
            return derived.multi_label_cross_entropy(y_true, y_pred, label_smoothing=self.label_smoothing)
        z = y_pred[:, 0]
        target = y_true[:, 0] * (1 - self.label_smoothing) + self.label_smoothing / 2
        return ops.relu(z) - z * target + ops.log1p(ops.exp(-ops.abs(z)))

    def targets(self, labels: Any, units: int) -> Any:
        """As in `WeightedMeanLoss`: the labels themselves, as probabilities of label 1."""
        return _columns(labels)


def _columns(labels: Any) -> Any:
    labels = ops.cast(labels, "float32")
    return labels[:, None] if len(labels.shape) == 1 else labels


def loss_of(task: Task, label_smoothing: float = 0.0, gradients: Gradients = "autodiff") -> WeightedMeanLoss:
    """The loss of a task's kind; a distribution task is smoothed by its Gaussian already."""
    if task.kind == "distribution":
        return LabelDistribution(name=task.name, gradients=gradients)
    cross_entropy = SoftmaxCrossEntropy if task.kind == "categorical" else SigmoidCrossEntropy
    return cross_entropy(label_smoothing, task.name, gradients)


def guess_level(task: Task) -> float:
    """The loss of one who knows only that all answers are equally likely, to measure losses against.

    log(units), log 2 for one sigmoid unit; for a distribution over 0..units-1, that and a quarter of the
    units of absolute error, the mean distance of a uniform label from the middle.
    """
    if task.kind != "distribution":
        return math.log(max(task.units, 2))
    return math.log(task.units) + LabelDistribution().absolute_error * task.units / 4
