"""python -m benchmarks.pipeline, as a user types it, and what its steps are."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import feeding, memory, pipeline
from benchmarks.feeding import BEYOND_MEMORY, CACHED, DECODED, STEP
from benchmarks.ways import Way
from multitask.errors import run_command


def test_every_way_is_shown_against_the_training_step_and_written(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(Way, "steps", "stub_steps")
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parent}:{Path(__file__).parents[2]}")
    monkeypatch.setattr(pipeline, "DRAWN", 2)
    path = tmp_path / "figures.json"
    pipeline.main(["--rounds", "3", "--turn", "0", "--json", str(path)])
    shown = capsys.readouterr().out
    figures = json.loads(path.read_text())["measured"]["feeding"]["figures"]
    assert set(figures) == {STEP, CACHED, DECODED, BEYOND_MEMORY}
    ratio = np.median(np.divide(figures[STEP]["seconds"], figures[CACHED]["seconds"]))
    (line,) = [line for line in shown.splitlines() if line.strip().startswith(CACHED)]
    assert f" {ratio:.1f} " in line
    assert " 5.0 " in line


def test_peers_are_refused(capsys):
    with pytest.raises(SystemExit) as ended:
        run_command(lambda: pipeline.main(["--peers"]))
    assert ended.value.code == 2
    assert "received peers: leave it out" in capsys.readouterr().err


@pytest.mark.parametrize("name", [CACHED, DECODED, BEYOND_MEMORY])
def test_a_step_is_one_batch(name, monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "begin", lambda: 0)
    monkeypatch.setattr(memory, "of_machine", lambda: 10**6)
    monkeypatch.setattr(pipeline, "DRAWN", 8)
    pipeline._draw(tmp_path)
    source = f"manifest:{tmp_path}/faces.csv"
    _, step = feeding.build(Way(name, "feeding"), "lenet", (source,), tmp_path / "data", 4, 32)
    images, labels, weights = step()
    assert images.shape == (4, 32, 32, 3)
    assert labels.keys() == weights.keys() == {"age", "emotion", "gender"}
