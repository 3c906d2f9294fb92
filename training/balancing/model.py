"""A network whose training step weighs its tasks by one of the strategies."""

from typing import Any, Literal, get_args

import keras
import tensorflow as tf

from multitask.errors import UserError
from training.balancing.gradient_weights import MOST_TASKS, cagrad, pcgrad, upgrad
from training.balancing.gradients import Strategy, resolve, sum_known
from training.balancing.loss_weights import count_losses, dynamic_average, random, uncertainty

Balancing = Literal[
    "equal", "given", "uncertainty", "dynamic_average", "random", "pcgrad", "cagrad", "upgrad"
]
"""How the tasks are balanced; "given" is by the weights that the user gives."""

GRADIENT_STRATEGIES: dict[str, Strategy] = {
    "pcgrad": lambda gram, present, seed: pcgrad(gram, seed),
    "cagrad": lambda gram, present, seed: cagrad(gram, present),
    "upgrad": lambda gram, present, seed: upgrad(gram, present),
}


def balance(model: keras.Model, strategy: Balancing, seed: int, steps_per_epoch: int) -> keras.Model:
    """The network, layers and variables of `model`, trained by `strategy`: compile and fit the result.

    "equal" and "given" are what compile's `loss_weights` do: they return `model` itself. To save the network
    without a strategy's state: `keras.Model(balanced.input, balanced.output)`.

    Args:
        model: functional, with a dict of logits as its output.
        strategy: a name of `Balancing`.
        seed: of what "random" and "pcgrad" draw.
        steps_per_epoch: for "dynamic_average".

    Raises:
        UserError: no such strategy.
    """
    if strategy not in get_args(Balancing):
        raise UserError(f"balancing must be one of {', '.join(get_args(Balancing))}; received {strategy!r}")
    if strategy in ("equal", "given"):
        return model
    balanced = BalancedModel(
        model.input,
        model.output,
        name=model.name,
        balancing=strategy,
        seed=seed,
        steps_per_epoch=steps_per_epoch,
    )
    balanced.dtype_policy = model.dtype_policy  # by which compile decides whether to scale the loss
    return balanced


class BalancedModel(keras.Model):
    """A functional model that weighs its tasks anew at each training step.

    Compile it with dicts by output's name: `loss`, whose keys are the tasks, and if need be `loss_weights`,
    which apply before the strategy does, and `weighted_metrics`. Logs are those of any model, "loss" being
    the sum that `loss_weights` alone give, and one more for each task, "{task}_weight": its mean weight in
    the epoch, over the steps whose batch had a label for it.

    Strategies of losses weigh the whole objective. Those of gradients weigh the shared parameters' gradients,
    while a parameter that one task alone depends on gets this task's gradient as it is. With a single task
    every strategy is "equal".

    State is part of `variables`: resumed by a checkpoint of them, training repeats itself.

    Args:
        inputs: as of keras.Model.
        outputs: {task: logits}.
        name: of the model.
        balancing: as in `balance`.
        seed: as in `balance`.
        steps_per_epoch: as in `balance`.
    """

    def __init__(
        self,
        inputs: Any,
        outputs: dict[str, Any],
        name: str | None = None,
        balancing: Balancing = "pcgrad",
        seed: int = 0,
        steps_per_epoch: int = 1,
    ) -> None:
        super().__init__(inputs, outputs, name=name)
        self.balancing = balancing
        self.seed = seed
        self.steps_per_epoch = steps_per_epoch
        self.tasks: tuple[str, ...] = ()

    def compile(self, optimizer: Any, loss: dict[str, Any], **settings: Any) -> None:
        """As keras.Model's, with dicts; the tasks stay those of the first call.

        Raises:
            UserError: more tasks than the strategy can balance, or several replicas.
            ValueError: other tasks than at the first call.
        """
        if self.tasks and self.tasks != tuple(loss):
            raise ValueError(f"tasks must stay {', '.join(self.tasks)}; received {', '.join(loss)}")
        super().compile(optimizer, loss=loss, **settings)
        loss_weights = settings.get("loss_weights") or {}
        self._weighted_losses = {
            task: (keras.losses.get(of_task), loss_weights.get(task, 1.0)) for task, of_task in loss.items()
        }
        if not self.tasks:
            self._begin(tuple(loss))

    def _begin(self, tasks: tuple[str, ...]) -> None:
        self._strategy = self.balancing if len(tasks) > 1 else "equal"
        if self._strategy in ("cagrad", "upgrad") and len(tasks) > MOST_TASKS:
            raise UserError(
                f"{self._strategy} balances at most {MOST_TASKS} tasks; received {len(tasks)}: choose pcgrad"
            )
        replicas = self.distribute_strategy.num_replicas_in_sync
        if replicas > 1:  # each would see the gradients of its own examples alone
            raise UserError(
                f"{self.balancing} needs a single device; received {replicas}: choose equal or given"
            )
        self.tasks = tasks
        self._step = self._state("step", (), dtype="int64")
        # Not a metric, which validation would log as well: sums of weights, and how many.
        self._weight_sums = self._state("weight_sums", (2, len(tasks)))
        if self._strategy == "uncertainty":
            self._log_variances = self._state("log_variances", (len(tasks),), trainable=True)
        if self._strategy == "dynamic_average":
            self._history = self._state("history", (4, len(tasks)))

    def _state(
        self, name: str, shape: tuple[int, ...], dtype: str = "float32", trainable: bool = False
    ) -> keras.Variable:
        return self.add_weight(
            shape=shape, initializer="zeros", dtype=dtype, trainable=trainable, autocast=False, name=name
        )

    def reset_metrics(self) -> None:
        """Begins the means of an epoch, those of the weights too."""
        super().reset_metrics()
        if self.tasks:
            self._weight_sums.assign(tf.zeros_like(self._weight_sums))

    def train_step(self, data: Any) -> dict[str, Any]:
        """One step of the optimizer: (images, labels, weights) -> logs."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        present = self._present(sample_weight)
        seed = tf.stack([tf.constant(self.seed, tf.int64), tf.convert_to_tensor(self._step)])
        of_gradients = self._strategy in GRADIENT_STRATEGIES
        with tf.GradientTape(persistent=True) as tape:
            y_pred = self(x, training=True)
            objectives = self._task_losses(y, y_pred, sample_weight)
            if not of_gradients:
                weights, objective = self._weighted(tf.stack(objectives), present, seed)
                objectives = [objective]
            if self.losses:  # of regularizers, which are nobody's task
                objectives.append(tf.add_n(self.losses))
            objectives = [self.optimizer.scale_loss(objective) for objective in objectives]
        variables = self.trainable_variables
        rows = [tape.gradient(objective, variables) for objective in objectives]
        if of_gradients:
            tasks = len(self.tasks)
            weights, resolved = resolve(rows[:tasks], GRADIENT_STRATEGIES[self._strategy], present, seed)
            rows = [resolved, *rows[tasks:]]
        self.optimizer.apply_gradients(zip(map(sum_known, zip(*rows, strict=True)), variables, strict=True))
        self._step.assign_add(1)
        return self._logs(x, y, y_pred, sample_weight, weights, present)

    def _present(self, sample_weight: dict[str, tf.Tensor] | None) -> tf.Tensor:
        """Which tasks have a label in the batch: float32 [K], 1 or 0."""
        if sample_weight is None:
            return tf.ones(len(self.tasks))
        labels = [tf.reduce_sum(tf.cast(sample_weight[task], tf.float32)) for task in self.tasks]
        return tf.cast(tf.stack(labels) > 0, tf.float32)

    def _task_losses(self, y: Any, y_pred: Any, sample_weight: Any) -> list[tf.Tensor]:
        return [
            weight * loss(y[task], y_pred[task], sample_weight and sample_weight[task])
            for task, (loss, weight) in self._weighted_losses.items()
        ]

    def _weighted(
        self, losses: tf.Tensor, present: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The weights [K] of a strategy of losses, and the objective to descend."""
        penalty = 0.0
        if self._strategy == "uncertainty":
            weights, penalty = uncertainty(tf.convert_to_tensor(self._log_variances), present)
        elif self._strategy == "dynamic_average":
            first = seed[1] % self.steps_per_epoch == 0
            history = tf.convert_to_tensor(self._history)
            history = count_losses(history, losses, present, first)
            self._history.assign(history)
            weights = dynamic_average(last=history[2], before=history[3])
        elif self._strategy == "random":
            weights = random(len(self.tasks), seed)
        else:
            weights = tf.ones(len(self.tasks))
        return weights, tf.tensordot(weights, losses, 1) + penalty

    def _logs(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any, weights: tf.Tensor, present: tf.Tensor
    ) -> dict[str, Any]:
        loss = self.compute_loss(x, y, y_pred, sample_weight)
        self.metrics[0].update_state(loss, sample_weight=tf.shape(keras.tree.flatten(x)[0])[0])
        logs = self.compute_metrics(x, y, y_pred, sample_weight)
        self._weight_sums.assign_add(tf.stack([weights * present, present]))
        means = tf.math.divide_no_nan(*tf.unstack(tf.convert_to_tensor(self._weight_sums)))
        return logs | {
            f"{task}_weight": mean for task, mean in zip(self.tasks, tf.unstack(means), strict=True)
        }
