"""What happens when an epoch ends: its metrics, the best model, and a checkpoint to resume from."""

import json
import math
import os
import time
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from multitask.errors import UserError
from multitask.tasks import Task
from training.averages import Averages
from training.runs import EVALUATION, EVALUATION_BY_FLIPS, Run, write_json


class EpochEnd(keras.callbacks.Callback):
    """Keeps a run's folder up to date, epoch by epoch, so that it can be killed at any moment.

    The checkpoint is written last: what a killed epoch left of itself is cut off when the run goes on.

    Args:
        run: whose folder.
        network: as it is kept as the best model, of plain layers.
        trained: the network whose layers are trained; the same one, or one of derived layers.
        unlabelled: tasks that no validation example has a label for: their figures are left out.
    """

    averages: Averages | None = None
    """What is validated in place of the trained weights, if it is."""

    def __init__(self, run: Run, network: keras.Model, trained: keras.Model, unlabelled: list[str]) -> None:
        super().__init__()
        self._run = run
        self._network = network
        self._trained = trained
        self._unlabelled = unlabelled
        # best: lowest validation loss; waited: epochs since; seconds: training time, and cpu_seconds the
        # processors', which other work on the machine disturbs less; peak_memory: bytes; all starts together.
        self._state = {
            "epochs": tf.Variable(0, dtype=tf.int64),
            "waited": tf.Variable(0, dtype=tf.int64),
            "best": tf.Variable(math.inf, dtype=tf.float64),
            "seconds": tf.Variable(0.0, dtype=tf.float64),
            "cpu_seconds": tf.Variable(0.0, dtype=tf.float64),
            "peak_memory": tf.Variable(0, dtype=tf.int64),
        }

    @property
    def epochs_done(self) -> int:
        """Epochs that have ended, in all starts together."""
        return int(self._state["epochs"])

    @property
    def epochs_left(self) -> int:
        """Epochs still to train: none once patience has run out."""
        patience = self._run.config.patience
        return 0 if 0 < patience <= self._state["waited"] else self._run.config.epochs - self.epochs_done

    def restore(self, model: keras.Model, optimizers: list[keras.Optimizer]) -> None:
        """Brings `model`, the built optimizers and this callback to where the run's last epoch ended."""
        # By list: tracked through the model itself, the states of dropout's random seeds would be left out.
        of_optimizers = [variable for optimizer in optimizers for variable in optimizer.variables]
        variables = [variable.value for variable in (*model.variables, *of_optimizers)]
        checkpoint = tf.train.Checkpoint(variables=variables, **self._state)
        folder = self._run.folder / "checkpoints"
        self._checkpoints = tf.train.CheckpointManager(checkpoint, str(folder), max_to_keep=1)
        if self._run.checkpoint:
            checkpoint.restore(self._run.checkpoint).assert_consumed()
        self._write_history(self._run.history[: self.epochs_done])

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Takes the time."""
        self._began = time.perf_counter(), time.process_time()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes metrics, the model if it is to be kept, and the checkpoint."""
        seconds, cpu_seconds = time.perf_counter() - self._began[0], time.process_time() - self._began[1]
        figures = {
            name: float(value)
            for name, value in (logs or {}).items()
            if not any(name.startswith(f"val_{task}_") for task in self._unlabelled)
        }
        better, keep_last = figures["val_loss"] < self._state["best"], self._run.config.keep == "last"
        kept = figures["val_loss"] if better or keep_last else float(self._state["best"])
        if not math.isfinite(kept):
            raise UserError(
                f"a model that is kept must have a finite loss; received {figures['val_loss']} after "
                f"epoch {epoch + 1}: try a lower --learning-rate or --precision float32"
            )
        if better or keep_last:
            self._forget_evaluation()
            self._save_network()
        if better:
            self._state["best"].assign(figures["val_loss"])
        self._state["waited"].assign(0 if better else self._state["waited"] + 1)
        self._state["seconds"].assign_add(seconds)
        self._state["cpu_seconds"].assign_add(cpu_seconds)
        self._state["peak_memory"].assign(max(int(self._state["peak_memory"]), _peak_memory()))
        self._state["epochs"].assign(epoch + 1)
        self._write_history([*self._run.history, {"epoch": epoch + 1, "seconds": seconds, **figures}])
        if self.params and epoch + 1 == self.params["epochs"]:
            self._take_averages()  # as Keras does when a phase has ended: the next one starts there
        self._checkpoints.save()
        self.model.stop_training = self.epochs_left == 0

    def _save_network(self) -> None:
        variables = self.model.trainable_variables  # a balancing strategy's own among them
        kept = [variable.numpy() for variable in variables]
        self._take_averages()
        statistics = self.averages.put(self.averages.statistics) if self.averages else []
        self._network.set_weights(self._trained.get_weights())
        unfinished = self._run.folder / ".best.keras"
        # Made anew: the trained one remembers how it was compiled.
        network = keras.Model(self._network.input, self._network.output, name=self._network.name)
        network.save(unfinished, include_optimizer=False)
        os.replace(unfinished, self._run.folder / "best.keras")
        for variable, value in zip(variables, kept, strict=True):
            variable.assign(value)
        if self.averages:
            self.averages.put(statistics)

    def _take_averages(self) -> None:
        if self._run.config.weight_averaging:
            self.model.optimizer.finalize_variable_values(self.model.trainable_variables)

    def finish(self, learned: list[Task], examples: int, temperatures: dict[str, float]) -> None:
        """Writes the summary that marks the run as finished; peak_memory is the whole process's, in bytes."""
        summary = {
            "learned": [task.name for task in learned],
            "temperatures": temperatures,
            "examples": examples,
            "epochs": self.epochs_done,
            "best_val_loss": float(self._state["best"]),
            "seconds": float(self._state["seconds"]),
            "cpu_seconds": float(self._state["cpu_seconds"]),
            "peak_memory": int(self._state["peak_memory"]) or None,
            "parameters": self._network.count_params(),
        }
        if temperatures:
            self._forget_evaluation()
        write_json(self._run.folder / "summary.json", summary)

    def _forget_evaluation(self) -> None:
        for evaluation in (EVALUATION, EVALUATION_BY_FLIPS):  # of the best model before
            (self._run.folder / evaluation).unlink(missing_ok=True)

    def _write_history(self, history: list[dict[str, Any]]) -> None:
        unfinished = self._run.folder / ".metrics.jsonl"
        unfinished.write_text("".join(json.dumps(epoch) + "\n" for epoch in history))
        unfinished.replace(self._run.folder / "metrics.jsonl")


def _peak_memory() -> int:
    """The most bytes this process has held at once; 0 where the system (not Linux) does not say."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
