import dataclasses
import io
import json
import sys

import pytest
from rich.console import Console

from multitask.errors import UserError
from training import CompareConfig, Run, compare, evaluate, train
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
        return []

    monkeypatch.setattr(sys.modules["training.compare"], "train_all", train_all)
    return trained


def of(settings, **own):
    return CompareConfig(
        run=settings.run, datasets=settings.datasets, trunks=("lenet",), http=False, training=settings, **own
    )


def test_what_is_finished_is_reported_and_not_trained_again(tiny, in_this_process):
    config = of(tiny("both", epochs=1, tasks=("age", "gender")), seeds=(0,))
    (cell,) = compare(config)["cells"]
    assert in_this_process == ["naive_age", "naive_gender", "functional", "functional_equal_compute"]
    assert json.loads((config.run / "report.json").read_text())["cells"] == [cell]
    assert "test-000" in (config.run / "report.html").read_text()
    assert cell["examples"]["train"] == {"all": 192, "age": 192, "gender": 192}

    arms = {name: arm["cost"] for name, arm in cell["arms"].items()}
    assert {name: cost["pictures"] for name, cost in arms.items()} == {
        "naive": 2 * 192, "functional": 192, "functional_equal_compute": 2 * 192
    }  # fmt: skip
    heads = 85 * (101 + 1)
    assert arms["naive"]["parameters"] == 2 * (arms["functional"]["parameters"] - heads) + heads
    assert arms["naive"]["requests"] == 2
    assert 1.9 < arms["naive"]["flops"] / arms["functional"]["flops"] < 2
    assert arms["naive"]["training_flops"] == arms["naive"]["flops"] * 192 * 3
    assert set(cell["differences"]) == {"functional", "functional_equal_compute"}
    for task in ("age", "gender"):
        quality = cell["arms"]["functional"]["quality"][task]
        own = Run.open(config.run / cell["name"] / "seed0" / "functional").evaluation["tasks"][task]
        assert {name: figure["mean"] for name, figure in quality.items()} == {
            name: own[name] for name in quality
        }

    # What a run answered on another split last must not be taken for its test.
    evaluate(Run.open(config.run / cell["name"] / "seed0" / "functional"), "validation")
    (again,) = compare(dataclasses.replace(config, report_only=True))["cells"]
    assert again == cell

    data = config.run / cell["name"] / "seed0" / "naive_age" / "data.json"
    kept = data.read_text()
    data.write_text(kept.replace(': "', ': "0.'))
    with pytest.raises(
        UserError, match=r"a run keeps its data; .* has changed since .*naive_age was started"
    ):
        compare(dataclasses.replace(config, report_only=True))
    data.write_text(kept)

    in_this_process.clear()
    (config.run / cell["name"] / "seed0" / "naive_age" / "summary.json").unlink()
    (incomplete,) = compare(dataclasses.replace(config, report_only=True))["cells"]
    assert list(incomplete["arms"]) == ["functional", "functional_equal_compute"]
    assert incomplete["differences"] == {}
    assert in_this_process == []
    (again,) = compare(config)["cells"]
    assert in_this_process == ["naive_age"]
    assert again["differences"] == cell["differences"]


def test_what_is_finished_is_reported_beside_a_run_that_failed(tiny, monkeypatch):
    config = of(tiny("failing", epochs=1, tasks=("gender",)), seeds=(0,))

    def train_all(configs, pictures):
        train(configs[-1])
        return ["naive_gender: it broke"]

    monkeypatch.setattr(sys.modules["training.compare"], "train_all", train_all)
    with pytest.raises(UserError, match=r"1 of 2 did not\. The first is naive_gender: it broke"):
        compare(config)
    found = json.loads((config.run / "report.json").read_text())
    assert (found["made"]["runs"], found["made"]["finished"]) == (2, 1)
    assert list(found["cells"][0]["arms"]) == ["functional"]
    other = dataclasses.replace(
        config, report_only=True, training=tiny("failing", epochs=2, tasks=("gender",))
    )
    with pytest.raises(UserError, match=r"a run keeps its settings; .* epochs=1, received 2"):
        compare(other)


def test_a_trunk_that_cannot_be_built_is_named_before_anything_is_trained(tiny, in_this_process):
    settings = tiny("small", image_size=24)
    config = dataclasses.replace(of(settings), trunks=("lenet", "alexnet"))
    with pytest.raises(UserError, match="alexnet takes pictures of at least 25x25"):
        compare(config)
    assert in_this_process == []


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
