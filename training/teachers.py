"""What finished models answer to the pictures that another learns from (distillation)."""

import keras
import numpy as np

from models.flips import average_flips
from multitask.errors import UserError
from multitask.tasks import Task
from training.answers import logits_of
from training.config import TrainConfig
from training.pipeline import Examples, Taught
from training.start import run_named


def taught(config: TrainConfig, examples: Examples) -> Taught | None:
    """The mean answers of `config.teachers` to `examples`, each averaged over flips; None without either.

    Raises:
        UserError: a teacher is no run, has no finished epoch, takes pictures of another size or has none of
            the tasks.
    """
    if not config.teachers or not len(examples):
        return None
    answers: dict[str, list[np.ndarray]] = {}
    for name in config.teachers:
        run = run_named(name)
        tasks = [task for task in config.chosen_tasks if task.name in run.learned]
        if run.config.image_size != config.image_size or not tasks:
            raise UserError(
                f"a teacher takes pictures of the same size, {config.image_size}, and knows one of "
                f"{', '.join(config.tasks)}; received {run.folder}, which takes {run.config.image_size} and "
                f"knows {', '.join(run.learned)}: choose another of --teachers"
            )
        for task, found in _answers(average_flips(run.best_model()), tasks, examples).items():
            answers.setdefault(task, []).append(found)
    return Taught({task: np.mean(found, axis=0) for task, found in answers.items()}, config.distillation)


def _answers(model: keras.Model, tasks: list[Task], examples: Examples) -> dict[str, np.ndarray]:
    parts: dict[str, list[np.ndarray]] = {task.name: [] for task in tasks}
    for logits in logits_of(model, tasks, examples, "asking a teacher"):
        for task in tasks:
            probabilities = keras.ops.sigmoid if task.kind == "binary" else keras.ops.softmax
            parts[task.name].append(np.asarray(probabilities(logits[task.name]), np.float16))
    return {task: np.concatenate(found) for task, found in parts.items()}
