"""The commands as a user types them: what they print, and how they end."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(module: str, *arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True
    )


def test_train_evaluate_export(tmp_path, data_dir):
    folder = tmp_path / "run"
    options = ["--trunk", "lenet", "--image-size", 32, "--epochs", 1, "--data-dir", data_dir]
    trained = run("training.train", "--run", folder, "--datasets", "synthetic_faces/tiny", *options)
    assert trained.returncode == 0, trained.stderr
    assert "val_age_mae" in trained.stdout
    assert trained.stdout.endswith(f"next: python -m training.evaluate {folder}\n")
    assert "InitializeLog" not in trained.stderr
    assert "Traceback" not in trained.stderr
    assert "RuntimeWarning" not in trained.stderr
    evaluated = run("training.evaluate", folder)
    assert evaluated.returncode == 0, evaluated.stderr
    assert "years off" in evaluated.stdout
    assert {path.name for path in (folder / "figures").iterdir()} == {"confusion.png", "learning_curves.png"}
    exported = run("training.export", folder, "--to", tmp_path / "exports")
    assert exported.returncode == 0, exported.stderr
    assert (tmp_path / "exports" / "1" / "saved_model.pb").exists()


@pytest.mark.parametrize(
    ("module", "arguments", "message"),
    [
        (
            "training.train",
            ["--preset", "giant"],
            "error: preset must be one of drawn, quick, faces, fine_tune; received 'giant'",
        ),
        (
            "training.evaluate",
            ["nowhere"],
            "error: run must be a folder made by training.train; received nowhere",
        ),
        (
            "training.train",
            ["--resume", "runs/a", "--epochs", "3"],
            "error: a resumed run keeps its settings; received --epochs 3 beside --resume",
        ),
        ("training.export", ["--to", "there"], "error: export takes the folder of a run or --pretrained"),
        ("training.export", ["a", "--pretrained", "--to", "b"], "error: export takes the folder of"),
        ("training.export", ["a", "--to", "b", "--average-flips", "--one-view"], "error: export answers by"),
        ("training.compare", ["--epochs", "0"], "error: epochs must be at least 1; received 0"),
        ("training.compare", ["--trunks", "lenet", "vgg99"], "error: trunk must be one of lenet, "),
        ("training.train", ["--preset", "fine_tune"], "error: a manifest must be a file"),
        ("training.compare", ["--seeds", "1", "1"], "error: seeds must differ; received 1 1"),
    ],
)
def test_bad_input_ends_in_one_line_and_exit_code_2(module, arguments, message, tmp_path):
    ended = run(module, *arguments)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith(message)
    assert ended.stderr.count("\n") == 1


def test_an_unknown_flag_ends_in_exit_code_2():
    ended = run("training.train", "--epoch", "3")
    assert ended.returncode == 2
    assert "--epoch" in ended.stderr
    assert "Traceback" not in ended.stderr
