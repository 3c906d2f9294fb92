"""An exported model for places without TensorFlow: phones, browsers, other languages.

`python -m training.export RUN --to DIR --formats litert litert_int8 onnx`
"""

import importlib.util
import json
import shutil
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from multitask.errors import UserError
from multitask.tasks import TASKS, Task
from training.elsewhere.check import as_table, check
from training.elsewhere.formats import FORMATS, INPUT, THREADS, FormatName, load_saved_model, quiet
from training.pipeline import Examples, examples_of
from training.runs import Run, write_json

__all__ = ["FormatName", "add_formats", "check_formats", "report"]

FOLDER = "assets.extra/elsewhere"
"""Where in a version's folder: TensorFlow Serving leaves alone what it doesn't know in assets.extra."""
PICTURES = 512
"""Of the test split, to check with, and of the training split, to calibrate with; all if there are fewer."""
TOLERANCE = {"distribution": 0.01, "categorical": 0.001, "binary": 0.001}
"""What an answer of a kind of task may differ by in float32, in the task's unit or as a probability."""


def check_formats(run: Run, formats: Sequence[FormatName]) -> None:
    """Raises a UserError where `add_formats` could not write `formats`: before anything is exported."""
    for name in formats:
        for package in FORMATS[name].packages:
            if importlib.util.find_spec(package) is None:
                raise UserError(
                    f"the format {name} needs the package {package}, which is not installed: "
                    "pip install '.[elsewhere]'"
                )
        if run.config.policy != "float32":
            raise UserError(
                f"the format {name} holds networks of precision float32; received {run.folder} "
                f"of {run.config.precision}: train it in float32, or leave {name} out"
            )
    for split in _splits(formats) if formats else ():
        _pictures(run, split)


def add_formats(run: Run, folder: Path, formats: Sequence[FormatName]) -> dict[str, Any]:
    """Writes the model exported to `folder` in other formats too, each checked against it.

    They appear all at once in its assets.extra/elsewhere, with model.json beside: what labels.json says,
    names and shapes of input and answers, and what the check on pictures of `run`'s test split found.

    Returns:
        What model.json holds.

    Raises:
        UserError: as `check_formats`, a format can't hold the network, or answers
            in float32 differ by more than TOLERANCE; nothing is written then.
    """
    check_formats(run, formats)
    place = folder / FOLDER
    unfinished = place.with_name(f".{place.name}")
    labels = json.loads((place.parent / "labels.json").read_text())
    tasks = [TASKS[name] for name in labels["tasks"]]
    pictures, calibration = _pictures(run, "test"), np.empty(0)
    if "train" in _splits(formats):
        calibration = (chosen := _pictures(run, "train")).images(np.arange(len(chosen)))
    models = {"saved_model": load_saved_model(folder)}
    sizes = {"saved_model": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())}
    answers = models["saved_model"](pictures.images(np.arange(1)))
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        for name in dict.fromkeys(formats):
            path = unfinished / FORMATS[name].file
            path.write_bytes(_converted(name, folder, calibration))
            models[name], sizes[name] = FORMATS[name].load(path), path.stat().st_size
        forms = check(models, pictures, tasks)
        for name in dict.fromkeys(formats):
            if FORMATS[name].exact:
                _check_differences(name, forms[name]["differences"], tasks, folder)
        found = {
            **labels,
            "input": {"name": INPUT, "dtype": "uint8", "shape": [None, *pictures.shape]},
            "outputs": {
                name: {"dtype": "float32", "shape": [None, *answer.shape[1:]]}
                for name, answer in answers.items()
            },
            "checked_on": {"split": "test", "pictures": len(pictures), "threads": THREADS},
            "calibrated_on": {"split": "train", "pictures": len(calibration)} if len(calibration) else None,
            "formats": {name: {"bytes": sizes[name], **form} for name, form in forms.items()},
        }
        write_json(unfinished / "model.json", found)
        shutil.rmtree(place, ignore_errors=True)
        unfinished.rename(place)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return found


def report(found: dict[str, Any]) -> Table:
    """What `add_formats` found, for people."""
    on = found["checked_on"]
    title = f"on {on['pictures']} pictures of the {on['split']} split, {on['threads']} threads"
    return as_table(title, found["formats"], [TASKS[name] for name in found["tasks"]])


def _splits(formats: Sequence[FormatName]) -> tuple[str, ...]:
    """Those whose pictures are needed: to check any format, and to calibrate one in integers."""
    return ("test",) if all(FORMATS[name].exact for name in formats) else ("test", "train")


def _pictures(run: Run, split: str) -> Examples:
    examples = examples_of(run.config, split)
    if not len(examples):
        raise UserError(
            f"formats are checked and calibrated by pictures of the run's data; its {split} split has none: "
            "give it some, or leave --formats out"
        )
    return examples.take(np.random.default_rng(0).permutation(len(examples))[:PICTURES])


def _converted(name: FormatName, folder: Path, calibration: np.ndarray) -> bytes:
    try:
        with quiet():
            return FORMATS[name].convert(folder, calibration)
    except Exception as error:  # whatever a converter raises
        reason = textwrap.shorten(f"{type(error).__name__}: {error}", 200, placeholder=" ...")
        raise UserError(
            f"{name} can't hold this network ({reason}); the SavedModel in {folder} stays"
        ) from error


def _check_differences(
    name: str, differences: dict[str, dict[str, float]], tasks: Sequence[Task], folder: Path
) -> None:
    for task in tasks:
        allowed = TOLERANCE[task.kind]
        for answer in (task.name, f"{task.name}_std"):
            greatest = differences.get(answer, {"greatest": 0.0})["greatest"]
            if not greatest <= allowed:  # nan is none
                raise UserError(
                    f"{name} must answer as the SavedModel does, {answer} to {allowed}; it is {greatest:.2g} "
                    f"off: leave {name} out; the SavedModel in {folder} stays"
                )
