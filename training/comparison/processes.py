"""Trains runs one after another, each in a process of its own, and shows how far all of them are.

So each run's peak of memory is its own, and nothing that TensorFlow keeps of one slows the next.
"""

import logging
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from training.config import TrainConfig
from training.progress import shown
from training.runs import Run

logger = logging.getLogger(__name__)
SECONDS_BETWEEN_LOOKS = 0.5


def train_all(configs: Sequence[TrainConfig], pictures: Sequence[int]) -> list[str]:
    """Trains what is not yet finished of `configs`; a run that fails doesn't keep the others from theirs.

    Args:
        configs: the runs, in the order in which they are trained.
        pictures: that each run sees in an epoch, by which progress is counted.

    Returns:
        What went wrong, a line for each run that failed.

    Raises:
        UserError: a run's folder doesn't fit its settings (before any is trained).
    """
    runs = [Run.of(config) for config in configs]
    failures = []
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f}%"),
        TimeElapsedColumn(), TextColumn("left:"), TimeRemainingColumn(),
        transient=True, disable=not shown(),
    )  # fmt: skip
    with bar:
        total = bar.add_task(
            "", total=sum(n * run.config.epochs for run, n in zip(runs, pictures, strict=True))
        )
        done = 0
        for number, (run, seen) in enumerate(zip(runs, pictures, strict=True), start=1):
            name = f"run {number} of {len(runs)}: {'/'.join(run.folder.parts[-4:])}"
            if run.summary is None:
                process = _start(Run.start(run.config))
                try:
                    while process.poll() is None:
                        epochs = len(run.history)
                        bar.update(
                            total,
                            completed=done + seen * epochs,
                            description=f"{name}, epoch {min(epochs + 1, run.config.epochs)}",
                        )
                        time.sleep(SECONDS_BETWEEN_LOOKS)
                finally:
                    process.terminate()
                    process.wait()
                if run.summary is None:
                    failures.append(_failure(run, process.returncode))
                    logger.warning("%s failed: %s", name, failures[-1])
                else:
                    logger.info("%s: %.0f s", name, run.summary["seconds"])
            done += seen * run.config.epochs
            bar.update(total, completed=done, description=name)
    return failures


def _start(run: Run) -> subprocess.Popen[bytes]:
    with _log(run).open("ab") as log:
        command = [sys.executable, "-m", "training.train", "--resume", str(run.folder)]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def _log(run: Run) -> Path:
    return run.folder / "train.log"


def _failure(run: Run, code: int) -> str:
    """What a training that ended with `code` said last: its own error, if it made one."""
    *_, last = ["", *_log(run).read_text(errors="replace").split("\n")[:-1]]
    if last.startswith("error: "):
        return f"{run.folder}: {last.removeprefix('error: ')}"
    return f"{run.folder} ended with exit code {code}: see {_log(run)}"
