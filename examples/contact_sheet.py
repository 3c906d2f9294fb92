"""Draws docs/faces.png, a row an emotion, older from left to right: `python -m examples.contact_sheet`."""

from pathlib import Path

import numpy as np
from PIL import Image

from multitask.tasks import TASKS
from training.datasets.drawing import draw_face

AGES, SIDE = np.linspace(1, 95, 12), 96


def main(path: Path = Path("docs/faces.png")) -> None:
    """Writes the sheet to `path`."""
    rng = np.random.default_rng(4)
    emotions = range(len(TASKS["emotion"].labels))
    sheet = Image.new("RGB", (len(AGES) * SIDE, len(emotions) * SIDE))
    for row in emotions:
        for column, age in enumerate(AGES):
            face = draw_face(age, row, (row + column) % 2, rng, SIDE)
            sheet.paste(face, (column * SIDE, row * SIDE))
    path.parent.mkdir(exist_ok=True)
    sheet.quantize(256).save(path, optimize=True)


if __name__ == "__main__":
    main()
