"""Sources written once in TFDS's form, to be read many times."""

import contextlib
import io
from pathlib import Path

import tensorflow_datasets as tfds

from multitask.errors import UserError
from training.datasets import DATASETS


def prepare(
    name: str, data_dir: Path | None = None, manual_dir: Path | None = None
) -> tfds.core.DatasetBuilder:
    """The builder of a source, its data prepared; nothing is fetched, and what is prepared stays as it is.

    Args:
        name: one of `DATASETS`, or `name/config`; without a config its default, if it has any.
        data_dir: where prepared data lies; None: TFDS's default, ~/tensorflow_datasets.
        manual_dir: where the user put the source's archive; None: `data_dir`/downloads/manual.

    Raises:
        UserError: no such source or configuration; its archive is missing or not usable; data_dir can't be
            written.
    """
    name, _, named = name.partition("/")
    config = named or None
    if name not in DATASETS:
        raise UserError(f"a dataset must be one of {', '.join(DATASETS)}; received {name!r}")
    source: type[tfds.core.DatasetBuilder] = DATASETS[name]
    configs = source.builder_configs
    if config and config not in configs:
        raise UserError(
            f"a configuration of {name} must be one of {', '.join(configs)}; received {config!r}"
            if configs
            else f"{name} has no configurations; received {config!r}: name it without"
        )
    builder = source(data_dir=data_dir, config=config)
    settings = tfds.download.DownloadConfig(manual_dir=manual_dir, try_download_gcs=False)
    try:
        # TFDS prints sizes of a download that there is not.
        with contextlib.redirect_stdout(io.StringIO()):
            builder.download_and_prepare(download_config=settings)
    except OSError as error:
        raise UserError(
            f"{name}'s data must be writable at {builder.data_dir}; received: {error}; name another data_dir"
        ) from error
    return builder
