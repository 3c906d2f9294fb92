"""Sources written once in TFDS's form, to be read many times."""

import contextlib
import io
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from multitask.errors import UserError
from training.datasets import DATASETS
from training.datasets.manifest import ManifestConfig

MANIFEST = "manifest"


def source_of(name: str) -> type[tfds.core.DatasetBuilder]:
    """The builder's class of a source's name, with or without a configuration or a path.

    Raises:
        UserError: no such source.
    """
    source = MANIFEST if name.startswith(f"{MANIFEST}:") else name.partition("/")[0]
    if source not in DATASETS:
        raise UserError(f"a dataset must be one of {', '.join(DATASETS)}; received {source!r}")
    return DATASETS[source]


def prepare(
    name: str, data_dir: Path | None = None, manual_dir: Path | None = None, download: bool = False
) -> tfds.core.DatasetBuilder:
    """The builder of a source, its data prepared; what is prepared stays as it is.

    Args:
        name: one of `DATASETS`; `name/config`, without a config its default, if it has any; `manifest:PATH`.
        data_dir: where prepared data lies; None: TFDS's default, ~/tensorflow_datasets.
        manual_dir: where the user put the source's archive; None: `data_dir`/downloads/manual.
        download: whether a source that TFDS can fetch is fetched if it is not in manual_dir.

    Raises:
        UserError: no such source or configuration; its archive is missing or not usable; data_dir can't be
            written.
    """
    source: Any = source_of(name)
    builder = source(data_dir=data_dir, config=_config(name, source))
    if download:
        builder.may_download = True
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


def state_of(name: str) -> str:
    """What tells the data of a source from what they were: version, configuration, and of a manifest a digest
    of its rows and pictures.

    Raises:
        UserError: no such source, or no such manifest.
    """
    source: Any = source_of(name)
    config = _config(name, source)
    return f"{source.VERSION} {getattr(config, 'name', config) or ''}".strip()


def _config(name: str, source: type[tfds.core.DatasetBuilder]) -> str | ManifestConfig | None:
    if source is DATASETS[MANIFEST]:
        path = name.removeprefix(MANIFEST).removeprefix(":")
        if not path or name.startswith(f"{MANIFEST}/"):
            raise UserError(f"a manifest is named with its path, manifest:PATH; received {name!r}")
        return ManifestConfig.of(Path(path))
    config, configs = name.partition("/")[2], source.builder_configs
    if config and config not in configs:
        raise UserError(
            f"a configuration of {source.name} must be one of {', '.join(configs)}; received {config!r}"
            if configs
            else f"{source.name} has no configurations; received {config!r}: name it without"
        )
    return config or None
