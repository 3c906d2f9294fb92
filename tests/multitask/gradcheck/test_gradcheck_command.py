"""python -m multitask.gradcheck, as a user types it."""

import json
import subprocess
import sys
from pathlib import Path

import planted as wrong
import pytest

from multitask import ops
from multitask.errors import run_command
from multitask.gradcheck.__main__ import main

ROOT = Path(__file__).parents[3]


def test_it_prints_a_table_and_writes_json(tmp_path):
    command = [sys.executable, "-m", "multitask.gradcheck", "--only", "dense", "--trials", "1"]
    ended = subprocess.run(
        [*command, "--json", tmp_path / "found.json"], cwd=ROOT, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "kernel" in ended.stdout
    assert "2 operations in " in ended.stdout
    assert ended.stdout.endswith(" s: all right\n")
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["right"]
    assert (found["seed"], found["trials"]) == (0, 1)
    rows = {(row["operation"], row["argument"]): row for row in found["rows"]}
    assert list(rows) == [
        *(("dense", argument) for argument in ("output", "x", "kernel", "bias")),
        *(("flatten", argument) for argument in ("output", "x")),
    ]
    assert set(rows["dense", "kernel"]["errors"]) == {
        *("differences", "autodiff", "twin", "float32", "bfloat16", "second", "non-finite")
    }
    assert set(rows["dense", "kernel"]["errors"]["autodiff"]) == {"eager", "graph", "xla"}


def ended_with(code, *arguments):
    with pytest.raises(SystemExit) as ended:
        run_command(lambda: main(arguments))
    return ended.value.code == code


def test_a_wrong_gradient_ends_in_exit_code_1(monkeypatch, capsys):
    monkeypatch.setattr(ops, "linear", wrong.planted("linear", wrong.sign))
    assert ended_with(1, "--only", "linear", "--trials", "1")
    printed = capsys.readouterr().out
    assert "WRONG" in printed
    assert (
        "\nlinear, autodiff, eager: x off by 2.0e+00; at most 1e-06 is right; float64 by autodiff, "
        in printed
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "dense", "dnse"], "error: only must name some of convolution, "),
        (["--trials", "0"], "error: trials must be at least 1; received 0\n"),
        (["--seed", "-1"], "error: seed must be at least 0; received -1\n"),
        (["--json", "no/such/folder.json"], "error: files must be there and folders writable; received: "),
    ],
)
def test_bad_arguments_end_in_one_line_and_exit_code_2(arguments, message, capsys):
    assert ended_with(2, *arguments)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(message)
    assert printed.err.count("\n") == 1
