import dataclasses
import io

import pytest
from rich.console import Console

from multitask.errors import UserError
from multitask.tasks import TASKS
from training import Run, compare
from training.compare import comparison_table


def test_both_approaches_are_trained_judged_and_not_trained_again(tiny):
    config = tiny(epochs=1)
    found = compare(config)
    heads = {name: 85 * task.units for name, task in TASKS.items()}
    trunk = found["functional"]["parameters"] - sum(heads.values())
    assert found["naive"]["parameters"] == 3 * trunk + sum(heads.values())
    assert found["functional"]["examples"] == {"functional": 192}
    assert found["naive"]["examples"] == {"naive_age": 192, "naive_emotion": 192, "naive_gender": 192}
    for side in found.values():
        assert list(side["tasks"]) == list(TASKS)
        assert all(result["count"] == 64 for result in side["tasks"].values())
        assert set(side["milliseconds_per_image"]) == {"1", "64"}

    models = {path: path.stat().st_mtime_ns for path in config.run.rglob("best.keras")}
    assert len(models) == 4
    again = compare(config)
    assert {path: path.stat().st_mtime_ns for path in models} == models
    assert again["naive"]["tasks"] == found["naive"]["tasks"]


def test_a_single_runs_folder_is_not_taken_for_a_comparisons(tiny):
    with pytest.raises(UserError, match="run must be a new folder or a comparison's"):
        compare(Run.start(tiny()).config)


def test_the_table_names_what_was_compared(tiny):
    config = dataclasses.replace(tiny(), tasks=("age", "gender"))
    side = {
        "tasks": {"age": {"mae": 4.5, "within_5": 0.5}, "gender": None},
        "parameters": 1234,
        "examples": {"a": 5, "b": 6},
        "training_seconds": 60.4,
        "milliseconds_per_image": {"1": 1.234, "64": 0.5},
    }
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(comparison_table(config, {"functional": side, "naive": side}))
    text = console.export_text()
    for words in ("4.50 years off, 50.0% within 5", "no labels", "1,234", "11", "60 s", "1.23 ms", "0.50 ms"):
        assert words in text
