"""The whole way, with no data at hand: draw faces, train, compare, export, serve, ask. `make run` runs it.

Everything lies in runs/quickstart afterwards; trainings that were finished there are not repeated.
"""

import dataclasses
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rich.console import Console

from multitask.errors import UserError, run_command
from multitask.tasks import TASKS
from training import PRESETS, Run, compare, export
from training.commands import show_notices
from training.compare import comparison_table
from training.datasets.drawing import draw_face

FOLDER = Path("runs/quickstart")
CONFIG = dataclasses.replace(PRESETS["quick"], run=FOLDER, data_dir=FOLDER / "data")


def main() -> None:
    """Runs the whole way and says at each step what is done."""
    began = time.perf_counter()
    show_notices()
    console = Console()
    console.rule("drawing 4,000 faces; training one trunk with three heads, then three networks")
    found = compare(CONFIG)
    console.print(comparison_table(CONFIG, found))

    console.rule("exporting and serving the model with three heads")
    exports = FOLDER / "exports"
    print(f"exported: {export(Run.open(FOLDER / 'functional'), exports)}", flush=True)
    picture = FOLDER / "picture.png"
    emotion = TASKS["emotion"].labels.index("happy")
    draw_face(35.0, emotion, 1, np.random.default_rng(11), size=200).save(picture)
    with served(exports) as url:
        print(f"asking {url} about {picture}, drawn as 35 years old, happy, female:", flush=True)
        subprocess.run([sys.executable, "-m", "serving.client", picture, "--url", url], check=True)
    print(f"done in {time.perf_counter() - began:.0f} s; all of it lies in {FOLDER}")


@contextmanager
def served(exports: Path) -> Iterator[str]:
    """A server of the newest model in `exports`, on a free port; yields its URL.

    Raises:
        UserError: it ended before it was ready; its own words stand above.
    """
    flags = ["--model_base_path", exports, "--model_name", "faces", "--rest_api_port", "0"]
    server = subprocess.Popen([sys.executable, "-m", "serving", *flags], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        ready = server.stdout.readline()
        if not ready:
            raise UserError(f"the server must start; it ended with exit code {server.wait()}")
        yield ready.split()[-1]
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    run_command(main)
