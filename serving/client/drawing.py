"""Boxes and labels on copies of photos."""

import io
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from serving.answers import sentence
from serving.client.output import tasks
from serving.pictures import decode

FORMATS: dict[str, dict[str, int]] = {"JPEG": {"quality": 92}, "PNG": {}, "WEBP": {"quality": 92}}
"""What a copy may be written as, with its settings; PNG for all others."""
DARK, LIGHT = (0, 0, 0), (255, 221, 51)  # side by side: one of them is seen on any ground


def draw(photo: bytes, faces: Sequence[Mapping[str, Any]]) -> Image.Image:
    """The photo, upright, with a box and the answers at each face.

    Args:
        photo: encoded.
        faces: answers by task, and "box": left, top, width and height in pixels of the upright photo.

    Raises:
        Refused: the photo can't be read.
    """
    picture = decode(photo)
    canvas = ImageDraw.Draw(picture)
    width = max(1, min(picture.size) // 250)
    for face in faces:
        left, top, right, bottom = _corners(face)
        canvas.rectangle((left, top, right, bottom), outline=DARK, width=3 * width)
        canvas.rectangle((left + width, top + width, right - width, bottom - width), None, LIGHT, width)
    for face in faces:
        if lines := [sentence(face[task]) for task in tasks(face)]:
            _label(canvas, picture.size, _corners(face), lines)
    return picture


def _corners(face: Mapping[str, Any]) -> tuple[int, int, int, int]:
    x, y, width, height = face["box"]
    return x, y, x + max(width, 16) - 1, y + max(height, 16) - 1


def _label(
    canvas: ImageDraw.ImageDraw, size: tuple[int, int], box: tuple[int, int, int, int], lines: Sequence[str]
) -> None:
    """Light text on a dark ground: above the box where there is room, else below it, else inside."""
    text = "\n".join(lines)
    points = max(11.0, min(size) / 32)
    font = ImageFont.load_default(points)
    margin = points / 3
    _, _, right, bottom = canvas.multiline_textbbox((0, 0), text, font)
    width, height = right + 2 * margin, bottom + 2 * margin
    left, top, _, end = box
    x = max(0.0, min(left, size[0] - width))
    y = top - height if top >= height else end if end + height <= size[1] else top
    canvas.rectangle((x, y, x + width, y + height), DARK)
    canvas.multiline_text((x + margin, y + margin), text, LIGHT, font)


def save_copy(picture: Image.Image, folder: Path, photo: Path) -> Path:
    """Writes a picture into a folder, under the photo's name, numbered if that is taken: overwrites no file.

    Returns:
        The new file, without the photo's metadata.

    Raises:
        OSError: it can't be written.
    """
    written = Image.registered_extensions().get(photo.suffix.lower(), "PNG")
    if written in FORMATS:
        suffix = photo.suffix
    else:
        written, suffix = "PNG", ".png"
    encoded = io.BytesIO()
    picture.save(encoded, written, **FORMATS[written])
    for number in itertools.count(1):
        path = folder / f"{photo.stem}{f'-{number}' if number > 1 else ''}{suffix or '.png'}"
        try:
            with path.open("xb") as file:
                file.write(encoded.getvalue())
        except FileExistsError:
            continue
        break
    return path
