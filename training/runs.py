"""A run's folder: everything one training leaves behind, and all that is needed to go on with it.

config.json     the settings           metrics.jsonl    a line an epoch
summary.json    written at the end     tensorboard/     the same for TensorBoard
checkpoints/    to resume from         best.keras       the model of the best epoch, or the last (keep)
predictions.npz, evaluation.json and figures/   what `training.evaluate` finds; and predictions_flips.npz,
                evaluation_flips.json where pictures are judged together with their mirror images
data.json       the state its data were in   lock   held while it is trained
"""

import dataclasses
import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from multitask.errors import UserError
from training.config import Augmentation, TrainConfig
from training.temperatures import divide_logits

EVALUATION, EVALUATION_BY_FLIPS = "evaluation.json", "evaluation_flips.json"
PLACES = ("run", "data_dir", "manual_dir")
"""Settings that may change from one start to the next; what is trained may not."""


@dataclass(frozen=True)
class Run:
    """A run that was started."""

    folder: Path
    config: TrainConfig

    @classmethod
    def start(cls, config: TrainConfig) -> "Run":
        """The run of `config.run`: a new one, or the one begun there with the same settings.

        Raises:
            UserError: as `of`, or another process is training it.
        """
        with cls.of(config).held() as run:
            return run

    @classmethod
    def of(cls, config: TrainConfig) -> "Run":
        """The run of `config.run` as it is there, begun or not; writes nothing.

        Until its first epoch has ended, a run takes new settings.

        Raises:
            UserError: the folder belongs to a run with other settings, or is no run's.
        """
        run = cls(config.run, config)
        if (run.folder / "config.json").exists():
            found = cls.open(run.folder)
            for part in dataclasses.fields(config) if found.history else ():
                was, now = getattr(found.config, part.name), getattr(config, part.name)
                if part.name not in PLACES and was != now:
                    raise UserError(
                        f"a run keeps its settings; {run.folder} was started with {part.name}={was!r}, "
                        f"received {now!r}: choose another --run, or remove that folder"
                    )
        elif run.folder.exists() and (
            not run.folder.is_dir() or any(path.name != "lock" for path in run.folder.iterdir())
        ):
            raise UserError(f"run must be a new folder or a run's own; {run.folder} is neither")
        return run

    @classmethod
    def open(cls, folder: Path) -> "Run":
        """The run in `folder`.

        Raises:
            UserError: there is none, or its settings can't be read.
        """
        try:
            return cls(
                folder, cls.settings({**json.loads((folder / "config.json").read_text()), "run": folder})
            )
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise UserError(
                f"run must be a folder made by training.train; received {folder}, "
                f"whose config.json can't be used ({error})"
            ) from error

    @staticmethod
    def settings(found: dict[str, Any]) -> TrainConfig:
        """The TrainConfig that was written as `found`."""
        return TrainConfig(**{**found, "augmentation": Augmentation(**found["augmentation"])})

    @contextmanager
    def held(self) -> Iterator["Run"]:
        """Begins the run or goes on with it: writes its settings and keeps other processes from training it.

        The system lets go of it when this process ends.

        Raises:
            UserError: as `of`, or another process is training it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(
                    f"one process trains a run; {self.folder} is being trained by another: wait for it, stop "
                    "it, or choose another --run"
                ) from None
            self.of(self.config)  # once more: now nobody else begins it
            # Absolute, so that the run can be judged from any folder.
            places = {name: (path := getattr(self.config, name)) and path.absolute() for name in PLACES}
            write_json(self.folder / "config.json", {**dataclasses.asdict(self.config), **places})
            yield self

    def keep_data(self, states: dict[str, str]) -> None:
        """Notes in what state the data are that the run learns from; as `check_data`."""
        self.check_data(states)
        write_json(self.folder / "data.json", states)

    def check_data(self, states: dict[str, str]) -> None:
        """Sees to it that the data are those that the run has learned from, if it has begun.

        Args:
            states: of each source, as `training.datasets.prepare.state_of`.

        Raises:
            UserError: epochs have ended that saw them in another state.
        """
        found = _read_json(self.folder / "data.json")
        if self.history and found and found != states:
            changed = ", ".join(name for name in states if states[name] != found.get(name))
            raise UserError(
                f"a run keeps its data; {changed} has changed since {self.folder} was started: choose "
                "another --run, which by --start-from can begin where this one stands"
            )

    def at(self, data_dir: Path | None, manual_dir: Path | None) -> "Run":
        """The same run where its data now are; None: where they were in training."""
        places = {"data_dir": data_dir, "manual_dir": manual_dir}
        moved: dict[str, Any] = {name: place for name, place in places.items() if place is not None}
        return dataclasses.replace(self, config=dataclasses.replace(self.config, **moved))

    @property
    def summary(self) -> dict[str, Any] | None:
        """What training ended with; None if it has not ended."""
        return _read_json(self.folder / "summary.json")

    @property
    def learned(self) -> tuple[str, ...]:
        """The names of the tasks that it has learned; until training ends, of those it was asked to."""
        return tuple((self.summary or {}).get("learned", self.config.tasks))

    @property
    def temperatures(self) -> dict[str, float]:
        """What logits are divided by, of each task; none until training ends, or where none were found."""
        return (self.summary or {}).get("temperatures", {})

    @property
    def evaluation(self) -> dict[str, Any] | None:
        """What `training.evaluate` found last; None if it has not been called."""
        return _read_json(self.folder / EVALUATION)

    @property
    def history(self) -> list[dict[str, Any]]:
        """Metrics of each epoch so far."""
        path = self.folder / "metrics.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def checkpoint(self) -> str | None:
        """From which training goes on; None if no epoch has ended."""
        return tf.train.latest_checkpoint(self.folder / "checkpoints")

    def best_model(self, calibrated: bool = True) -> keras.Model:
        """The model that was kept.

        Args:
            calibrated: its logits divided by the run's temperatures.

        Returns:
            uint8 [N, S, S, 3] -> {task: logits}.

        Raises:
            UserError: no epoch has ended yet.
        """
        path = self.folder / "best.keras"
        if not path.exists():
            raise UserError(f"{self.folder} has no finished epoch yet: train it first, by training.train")
        model = keras.models.load_model(path, compile=False)
        divide_logits(model, self.temperatures if calibrated else {})
        return model


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text()) if path.exists() else None


def write_json(path: Path, content: Any) -> None:
    """Writes `content` so that a reader finds the old file or the new one, never half of it."""
    unfinished = path.with_name(f".{path.name}")
    unfinished.write_text(json.dumps(content, indent=2, default=str) + "\n")
    unfinished.replace(path)
