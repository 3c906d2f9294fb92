"""A Keras model whose training steps PyTorch computes."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf
import torch
from torch._dynamo.exc import BackendCompilerFailed  # which nothing public names

from multitask.errors import UserError
from training.pytorch.network import Network


class TorchModel(keras.Model):
    """A functional model whose training steps PyTorch computes, compiled; all else is Keras's.

    TensorFlow judges the logits: losses, their gradients and metrics are those the model is compiled with.
    PyTorch computes the logits, carries the gradients back and takes AdamW's step and the running average of
    the weights. Keras's variables, the optimizer's too, have the state when an epoch begins and when it has
    ended, so validation, callbacks and checkpoints find it there.

    The first step is a UserError where there is no compiler of C++.

    Args:
        inputs: as of keras.Model.
        outputs: {task: logits}.
        name: of the model.
        seed: of dropout, whose draws are a function of it and the step.
        steps_per_epoch: after so many steps Keras's variables are brought up to date.
        bfloat16: whether PyTorch computes convolutions and dense layers in bfloat16; weights stay float32.
    """

    train_function: Any

    def __init__(
        self,
        inputs: Any,
        outputs: dict[str, Any],
        name: str | None = None,
        seed: int = 0,
        steps_per_epoch: int = 1,
        bfloat16: bool = False,
    ) -> None:
        super().__init__(inputs, outputs, name=name)
        self.seed, self.steps_per_epoch, self.bfloat16 = seed, steps_per_epoch, bfloat16

    def make_train_function(self, force: bool = False) -> None:
        """Prepares PyTorch's step, which fit then calls."""
        if self.train_function is None or force:
            self.train_function = self._steps()

    def _steps(self) -> Callable[[Iterator[Any]], dict[str, Any]]:
        network = Network(self)
        forward = torch.compile(network)
        optimizer = Optimizer(self.optimizer, network)
        judge = tf.function(self._judged)

        def step(iterator: Iterator[Any]) -> dict[str, Any]:
            images, labels, weights = next(iterator)
            torch.manual_seed(self.seed * 2**32 + optimizer.steps)
            try:
                with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
                    logits = forward(torch.from_numpy(images.numpy()))
            except BackendCompilerFailed as error:
                reason = str(error).strip().partition("\n")[0]
                raise UserError(
                    f'the engine "torch" compiles its steps and needs a compiler of C++; received: {reason}; '
                    "install g++ (or name another by the variable CXX), or choose --engine tensorflow"
                ) from error
            given = {name: tf.constant(values.detach().numpy()) for name, values in logits.items()}
            logs, gradients = judge(given, labels, weights)
            backward = {name: torch.from_numpy(gradients[name].numpy()) for name in gradients}
            torch.autograd.backward([logits[name] for name in backward], list(backward.values()))
            optimizer.step()
            if optimizer.steps % self.steps_per_epoch == 0:
                optimizer.give()
            return logs

        return step

    def _judged(self, logits: dict[str, tf.Tensor], labels: Any, weights: Any) -> tuple[dict, dict]:
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = self._compute_loss(y=labels, y_pred=logits, sample_weight=weights, training=True)
        count = tf.shape(next(iter(logits.values())))[0]
        self._loss_tracker.update_state(loss, sample_weight=count)
        gradients = tape.gradient(loss, logits)
        logs = self.compute_metrics(None, labels, logits, sample_weight=weights)
        return logs, {name: value for name, value in gradients.items() if value is not None}


class Optimizer:
    """PyTorch's AdamW in the place of Keras's: its settings, its state, its running average.

    Args:
        keras_optimizer: a built AdamW.
        network: whose weights it trains.
    """

    def __init__(self, keras_optimizer: Any, network: Network) -> None:
        self._keras = keras_optimizer
        self._all = network.exchanges
        of = {id(exchange.variable): exchange for exchange in self._all}
        self._trained = [of[id(variable)] for variable in keras_optimizer._trainable_variables]
        decayed = [e for e in self._trained if keras_optimizer._use_weight_decay(e.variable)]
        others = [e for e in self._trained if e not in decayed]
        decay = keras_optimizer.weight_decay
        self._torch = torch.optim.AdamW(
            [
                {"params": [e.tensor for e in group], "weight_decay": rate}
                for group, rate in ((decayed, decay), (others, 0.0))
            ],
            lr=torch.tensor(0.0),
            betas=(keras_optimizer.beta_1, keras_optimizer.beta_2),
            eps=keras_optimizer.epsilon,
            fused=True,
        )
        self.steps = int(keras_optimizer.iterations)
        for number, exchange in enumerate(self._trained):
            self._torch.state[exchange.tensor] = {
                "step": torch.tensor(float(self.steps)),
                "exp_avg": exchange.of(keras_optimizer._momentums[number]),
                "exp_avg_sq": exchange.of(keras_optimizer._velocities[number]),
            }
        averages = keras_optimizer._model_variables_moving_average if keras_optimizer.use_ema else []
        self._averages = [e.of(average) for e, average in zip(self._trained, averages, strict=False)]

    def step(self) -> None:
        """Updates the weights by their gradients, and forgets those."""
        rate = float(self._keras._learning_rate(self.steps))
        for group in self._torch.param_groups:
            group["lr"].fill_(rate)
        self._torch.step()
        self._torch.zero_grad()
        self.steps += 1
        if self._averages:
            kept = self._keras.ema_momentum if self.steps > 1 else 0.0
            with torch.no_grad():
                torch._foreach_lerp_(self._averages, [e.tensor for e in self._trained], 1 - kept)

    def give(self) -> None:
        """Brings weights, statistics, moments and averages to Keras's variables."""
        for exchange in self._all:
            exchange.give()
        for number, exchange in enumerate(self._trained):
            state = self._torch.state[exchange.tensor]
            exchange.give(self._keras._momentums[number], state["exp_avg"])
            exchange.give(self._keras._velocities[number], state["exp_avg_sq"])
            if self._averages:
                exchange.give(self._keras._model_variables_moving_average[number], self._averages[number])
        self._keras.iterations.assign(self.steps)
