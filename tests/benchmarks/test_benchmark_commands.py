"""python -m benchmarks.training and benchmarks.layers, as a user types them."""

import importlib.util
import json
from importlib import metadata
from pathlib import Path

import pytest

from benchmarks import layers, training
from benchmarks.measure import ChildFailedError, children
from benchmarks.ways import ENGINES, FASTEST, PEERS, WAYS, Way
from multitask.errors import run_command

ROOT = Path(__file__).parents[2]
OF_STEPS = {way.name for way in (FASTEST, *ENGINES)}
NAMES = {way.name for way in (*WAYS, *PEERS)} | OF_STEPS
PAIRS = {
    "derived / built-in",
    "derived, XLA / built-in, XLA",
    "fastest / built-in",
    "built-in, bfloat16 / built-in",
    "by PyTorch / built-in",
    "by PyTorch, bfloat16 / built-in",
    "best derived / best built-in",
    "best derived / best PyTorch",
}
BEST = {"best derived", "best built-in", "best PyTorch"}
QUICK = ("--rounds", "3", "--turn", "0")


@pytest.fixture(autouse=True)
def stub(monkeypatch):
    """Children take steps that need neither TensorFlow nor PyTorch."""
    monkeypatch.setattr(Way, "steps", "stub_steps")
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parent}:{ROOT}")


@pytest.fixture
def with_torch(monkeypatch):
    """PyTorch seems to be installed."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(metadata, "version", lambda name: f"1.0 of {name}")


def ended_with(code, command, *arguments):
    with pytest.raises(SystemExit) as ended:
        run_command(lambda: command.main(arguments))
    return ended.value.code == code


@pytest.mark.parametrize(
    ("command", "arguments", "measured", "ways"),
    [
        (training, [], {"vgg", "resnet"}, NAMES),
        (training, ["--trunks", "resnet"], {"resnet"}, NAMES),
        (
            layers,
            ["--only", "relu", "dense"],
            {"relu, 32, 64x64", "relu, 256, 8x8", "dense, 256 to 101"},
            {name for name in NAMES - OF_STEPS if "compiled" not in name},
        ),
    ],
)
def test_every_way_is_shown_and_written(command, arguments, measured, ways, with_torch, tmp_path, capsys):
    path = tmp_path / "figures.json"
    command.main([*QUICK, *arguments, "--peers", "--json", str(path)])
    printed = capsys.readouterr()
    assert printed.err == ""
    for name in measured:
        assert name in printed.out
    written = json.loads(path.read_text())
    assert set(written) == {"cores", "versions", "settings", "measured"}
    assert set(written["versions"]) == {"python", "tensorflow", "keras", "torch"}
    assert (written["settings"]["rounds"], written["settings"]["batch_size"]) == (3, 64)
    assert set(written["measured"]) == measured
    for part in written["measured"].values():
        assert set(part["figures"]) == ways
        assert set(part["ratios"]) == {pair for pair in PAIRS if set(pair.split(" / ")) <= ways | BEST}
        for figures in part["figures"].values():
            assert len(figures["seconds"]) == len(figures["cpu_seconds"]) == 3
            assert figures["memory"] >= 0
        for ratio in part["ratios"].values():
            assert set(ratio) == {"time", "cpu", "memory"}


def test_without_peers_pytorch_is_not_asked_for(tmp_path):
    training.main([*QUICK, "--trunks", "vgg", "--json", str(tmp_path / "figures.json")])
    written = json.loads((tmp_path / "figures.json").read_text())
    assert set(written["measured"]["vgg"]["figures"]) == {way.name for way in (*WAYS, FASTEST)}
    assert set(written["measured"]["vgg"]["ratios"]) == {
        pair for pair in PAIRS if "PyTorch" not in pair and "bfloat16" not in pair
    }


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        (training, ["--trunks", "vgg", "alexnet"], "trunks must be of vgg, resnet; received 'alexnet'\n"),
        (training, ["--image-size", "15"], "image_size must be at least 16; received 15\n"),
        (training, ["--rounds", "0"], "rounds must be at least 1; received 0\n"),
        (training, ["--turn", "nan"], "turn must not be negative; received nan\n"),
        (layers, ["--batch-size", "0"], "batch_size must be at least 1; received 0\n"),
        (layers, ["--only", "convolution"], "only must be part of a name in: conv 3x3, 3 to 32, 64x64; "),
        (layers, ["--json", "no/such/folder.json"], "files must be there and folders writable; received: "),
    ],
)
def test_bad_arguments_end_in_one_line_and_exit_code_2(command, arguments, message, capsys):
    assert ended_with(2, command, *arguments)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"error: {message}")
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize("command", [training, layers])
def test_peers_without_pytorch_end_in_one_line_and_exit_code_2(command, monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert ended_with(2, command, "--peers")
    assert capsys.readouterr().err == (
        "error: peers needs PyTorch; received a Python without: type make peers, or install torch\n"
    )


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("raises", "error: derived: ValueError: this\n"),
        ("exits", "error: derived: its process was left with code 1\n"),
        ("dies", "error: derived: its process was killed by signal 9 (out of memory?)\n"),
    ],
)
def test_a_way_that_fails_ends_the_command_in_one_line(how, message, monkeypatch, capsys):
    monkeypatch.setenv("STUB", f"derived: {how}")
    assert ended_with(2, training, *QUICK)
    assert capsys.readouterr().err == message


def test_a_peer_that_fails_is_left_out(with_torch, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("STUB", "PyTorch, compiled: raises")
    path = tmp_path / "figures.json"
    training.main([*QUICK, "--trunks", "vgg", "--peers", "--json", str(path)])
    assert capsys.readouterr().err == "left out: PyTorch, compiled: ValueError: this\n"
    figures = json.loads(path.read_text())["measured"]["vgg"]["figures"]
    assert set(figures) == NAMES - {"PyTorch, compiled"}


@pytest.mark.parametrize("error", [KeyboardInterrupt, ChildFailedError])
def test_no_process_is_left_however_it_ends(error):
    with pytest.raises(error), children(WAYS) as processes:  # noqa: PT012
        processes[0].ask("build", "training_step", WAYS[0])
        raise error
    assert [child.process.poll() for child in processes] == [-9] * len(WAYS)


def test_a_module_that_cannot_be_imported_is_said_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr(Way, "steps", "no_such_steps")
    assert ended_with(2, training, *QUICK)
    assert capsys.readouterr().err == (
        "error: built-in: ModuleNotFoundError: No module named 'no_such_steps'\n"
    )
