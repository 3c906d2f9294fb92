import dataclasses
import io
import json
import sys

import pytest
from rich.console import Console

from multitask.errors import UserError
from multitask.tasks import TASKS
from training import CompareConfig, Run, compare, train
from training.compare import comparison_table


@pytest.fixture
def in_this_process(monkeypatch):
    """Trains where the test runs: starting TensorFlow anew for each run would take most of the time."""
    trained = []

    def train_all(configs, pictures):
        for config in configs:
            if Run.start(config).summary is None:
                trained.append(config.run.name)
                train(config)

    monkeypatch.setattr(sys.modules["training.compare"], "train_all", train_all)
    return trained


def of(settings, **own):
    return CompareConfig(
        run=settings.run, datasets=settings.datasets, trunks=("lenet",), http=False, training=settings, **own
    )


def test_what_is_finished_is_reported_and_not_trained_again(tiny, in_this_process):
    config = of(tiny("both", epochs=1), seeds=(0,), gradients=("autodiff",))
    (cell,) = compare(config)["cells"]
    naive = [f"naive_{task}" for task in TASKS]
    assert in_this_process == [*naive, "functional", "functional_equal_compute"]
    assert json.loads((config.run / "report.json").read_text())["cells"] == [cell]
    assert "test-000" in (config.run / "report.html").read_text()
    assert cell["examples"]["train"] == {"all": 192, "age": 192, "emotion": 192, "gender": 192}

    arms = {name: arm["cost"] for name, arm in cell["arms"].items()}
    assert {name: cost["pictures"] for name, cost in arms.items()} == {
        "naive": 3 * 192, "functional": 192, "functional_equal_compute": 3 * 192
    }  # fmt: skip
    heads = {name: 85 * task.units for name, task in TASKS.items()}
    trunk = arms["functional"]["parameters"] - sum(heads.values())
    assert arms["naive"]["parameters"] == 3 * trunk + sum(heads.values())
    assert arms["naive"]["requests"] == 3
    assert arms["naive"]["flops"] > 2.9 * arms["functional"]["flops"]
    assert set(cell["differences"]) == {"functional", "functional_equal_compute"}
    for task in TASKS.values():
        quality = cell["arms"]["functional"]["quality"][task.name]
        own = Run.open(config.run / cell["name"] / "seed0" / "functional").evaluation["tasks"][task.name]
        assert {name: figure["mean"] for name, figure in quality.items()} == {
            name: own[name] for name in quality
        }

    in_this_process.clear()
    (config.run / cell["name"] / "seed0" / "naive_age" / "summary.json").unlink()
    (incomplete,) = compare(dataclasses.replace(config, report_only=True))["cells"]
    assert list(incomplete["arms"]) == ["functional", "functional_equal_compute"]
    assert incomplete["differences"] == {}
    assert in_this_process == []
    (again,) = compare(config)["cells"]
    assert in_this_process == ["naive_age"]
    assert again["differences"] == cell["differences"]


def test_a_report_needs_something_finished(tiny):
    with pytest.raises(UserError, match=r"a report needs finished runs; .* has none"):
        compare(of(tiny("none"), report_only=True))


def test_the_table_names_what_was_compared():
    arm = {
        "title": "one trunk, all heads",
        "quality": {"age": {"mae": {"mean": 4.5}, "within_5": {"mean": 0.5}}, "gender": None},
        "cost": {
            "parameters": 1234,
            "pictures": 11.0,
            "seconds": 60.4,
            "milliseconds_per_image": {"1": 1.234, "64": 0.5},
            "http_milliseconds": 7.77,
        },
    }
    cell = {
        "name": "drawn/lenet",
        "seeds": [0, 1],
        "tasks": {"age": {}, "gender": {}},
        "arms": {"naive": arm, "functional": arm},
        "verdicts": {"functional": {"age": "gains"}},
    }
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(comparison_table(cell))
    text = console.export_text()
    for words in (
        "drawn/lenet: means of 2 seeds", "4.50 years off, 50.0% within 5", "no labels", "1,234", "60 s",
        "1.23 ms", "0.50 ms", "7.8 ms", "functional: age gains",
    ):  # fmt: skip
        assert words in text
