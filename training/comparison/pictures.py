"""The pictures of a comparison's worst mistakes, where their source allows them to be passed on."""

import io
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from training.comparison.matrix import CompareConfig
from training.datasets.prepare import source_of
from training.pipeline import examples_of


def pictures_of_mistakes(config: CompareConfig, findings: dict[str, Any]) -> dict[str, bytes]:
    """PNG files, by id, of the test examples that `findings` names as worst.

    A report is passed on, so only pictures of sources that say they are `SHAREABLE` are in it: photos of
    people are not.
    """
    named = {
        mistake["id"].encode()
        for cell in findings["cells"]
        for arm in cell["arms"].values()
        for mistakes in arm["worst"].values()
        for mistake in mistakes
    }
    pictures: dict[str, bytes] = {}
    for cell in config.cells:
        if sources := [name for name in cell.datasets if source_of(name).SHAREABLE]:
            examples = examples_of(replace(config.training, datasets=tuple(sources)), "test")
            for row in np.flatnonzero(np.isin(examples.table["id"], list(named))):
                pictures[examples.table["id"][row].decode()] = _png(examples.images(np.array([row]))[0])
    return pictures


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
