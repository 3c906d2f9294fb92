"""Keras's own tests of its layers, run with the derived ones in their place."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from keras_layer_tests import MODULES, NOT_RUN

from multitask.layers import TWINS

HERE = Path(__file__).parent
OPTIONS = ["-c", os.devnull, "-p", "no:cacheprovider", "-p", "keras_layer_tests", "-q", "--disable-warnings"]


def test_derived_layers_pass_keras_s_own_tests(tmp_path):
    # Bytecode would be written beside Keras's files.
    environment = {**os.environ, "PYTHONPATH": f"{HERE}:{HERE.parent.parent}", "PYTHONDONTWRITEBYTECODE": "1"}

    def run(modules):
        command = [sys.executable, "-m", "pytest", "--rootdir", tmp_path, *OPTIONS, "--pyargs", *modules]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)

    made, left_out, passed = Counter(), Counter(), 0
    for half in ThreadPoolExecutor(2).map(run, (MODULES[::2], MODULES[1::2])):
        report = half.stdout[-6000:] + half.stderr[-2000:]
        assert half.returncode == 0, report
        counts = json.loads(next(line for line in half.stdout.splitlines() if line.startswith("{")))
        made.update(counts["made"])
        left_out.update(counts["left_out"])
        (summary,) = re.findall(r"^(\d+) passed, \d+ warnings", half.stdout, re.M)  # and none skipped
        passed += int(summary)
    assert set(made) == {layer.__name__ for layer in TWINS.values()}
    assert set(left_out) == set(NOT_RUN)
    assert passed > 200
