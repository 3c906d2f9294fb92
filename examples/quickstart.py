"""The whole way, with no data at hand: draw faces, train, compare, export, serve, ask. `make run` runs it.

Everything lies in runs/quickstart afterwards; trainings that were finished there are not repeated.
"""

import dataclasses
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from rich.console import Console

from multitask.errors import run_command
from multitask.tasks import TASKS
from training import PRESETS, CompareConfig, Run, compare, export
from training.commands import show_notices
from training.compare import comparison_table
from training.comparison.costs import served
from training.datasets.drawing import draw_face

FOLDER = Path("runs/quickstart")
SETTINGS = dataclasses.replace(PRESETS["quick"], data_dir=FOLDER / "data")
CONFIG = CompareConfig(
    run=FOLDER / "comparison",
    datasets=SETTINGS.datasets,
    seeds=(0,),
    equal_compute=False,
    http=False,
    training=SETTINGS,
)


def main() -> None:
    """Runs the whole way and says at each step what is done."""
    began = time.perf_counter()
    show_notices()
    console = Console()
    console.rule("drawing 4,000 faces; training one trunk with three heads, then three networks")
    found = compare(CONFIG)
    (cell,) = found["cells"]
    console.print(comparison_table(cell))
    print(f"with plots: {CONFIG.run / 'report.html'}")

    console.rule("exporting and serving the model with three heads")
    exports = FOLDER / "exports"
    run = Run.open(CONFIG.run / cell["name"] / "seed0" / "functional")
    print(f"exported: {export(run, exports)}", flush=True)
    picture = FOLDER / "picture.png"
    emotion = TASKS["emotion"].labels.index("happy")
    draw_face(35.0, emotion, 1, np.random.default_rng(11), size=200).save(picture)
    with served(exports) as url:
        print(f"asking {url} about {picture}, drawn as 35 years old, happy, female:", flush=True)
        subprocess.run([sys.executable, "-m", "serving.client", picture, "--url", url], check=True)
    print(f"done in {time.perf_counter() - began:.0f} s; all of it lies in {FOLDER}")


if __name__ == "__main__":
    run_command(main)
