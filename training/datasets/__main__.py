"""Prepares sources and shows what they hold: python -m training.datasets utk_face fer2013."""

from pathlib import Path
from typing import Annotated

import tensorflow as tf
import tensorflow_datasets as tfds
import tyro
from rich.console import Console
from rich.table import Table

from multitask.errors import UserError, run_command
from multitask.tasks import MISSING, TASKS
from training.commands import parse
from training.datasets import DATASETS
from training.datasets.prepare import prepare


def main(
    names: Annotated[tuple[str, ...], tyro.conf.Positional],
    data_dir: Path | None = None,
    manual_dir: Path | None = None,
    download: bool = False,
) -> None:
    """Prepares sources for training and shows what they hold.

    Args:
        names: sources, such as synthetic_faces, utk_face or fer2013; with a configuration as
            synthetic_faces/tiny; one's own as manifest:FILE.csv (docs/data.md).
        data_dir: where prepared data lies; by default ~/tensorflow_datasets.
        manual_dir: where the archives lie that you downloaded; by default data_dir/downloads/manual.
        download: let TFDS fetch what it can and manual_dir lacks (celeb_a, 1.5 GB).
    """
    if not names:
        raise UserError(f"name at least one dataset of {', '.join(DATASETS)}; received none")
    for name in names:
        Console().print(contents(prepare(name, data_dir, manual_dir, download)))


def contents(builder: tfds.core.DatasetBuilder) -> Table:
    """How many examples each split of a prepared source has, and how many of them each task labels."""
    table = Table("split", "examples", *TASKS, title=builder.info.full_name)
    for split, info in builder.info.splits.items():
        examples = builder.as_dataset(split=split, decoders={"image": tfds.decode.SkipDecoding()})
        labelled = examples.reduce(
            tf.zeros(len(TASKS), tf.int32),
            lambda counts, example: counts + [tf.cast(example[task] != MISSING, tf.int32) for task in TASKS],
        )
        table.add_row(split, str(info.num_examples), *map(str, labelled.numpy()))
    return table


if __name__ == "__main__":
    run_command(lambda: parse(main, prog="python -m training.datasets"))
