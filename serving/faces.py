"""Finds faces in whole photos, and cuts them out as the training crops are cut."""

import threading
import time
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from serving.deadline import deadline
from serving.errors import Refused

CASCADE = "haarcascade_frontalface_alt2.xml"
NEIGHBOURS = 5  # finds that must agree
SIDE = 1000  # pixels of a photo's longer side, when it is looked at
SMALLEST = 40  # pixels of a face's side then
TIGHT_SIDE = 200  # pixels of a crop's longer side then
LATE = "other pictures took too long to be looked at"
DOWN = 0.045
"""How far below the found square a crop lies, in parts of its side.

The detector run on 500 training crops each, at the median: UTKFace's crops are 0.98 times as large as the
square and lie 0.09 below it, FER2013's 1.04 times and 0.00. Halfway lies the square's own size, 0.045 below.
So cut, a model of 64x64 pixels erred by 5.5 years where it erred by 5.4 on the crops as they are, and told
65.4% of emotions rightly instead of 66.0% (396 and 520 held-out pictures: the same, but for chance).
"""

Square = tuple[int, int, int]
"""Left, top and side of a face in a picture's pixels; of a tight crop, some of it may lie outside."""


class Detector:
    """OpenCV's cascade for faces seen from the front; one for all threads, and one picture at a time.

    Args:
        cv2: the module of OpenCV.

    Source: Viola and Jones, Rapid Object Detection using a Boosted Cascade of Simple Features (2001). Of the
    cascades that OpenCV ships, this one found as many faces as any at the fewest false finds, in photos put
    together from crops (98%, one false find in 25 photos; the default one: 96%, three).
    """

    def __init__(self, cv2: Any) -> None:
        self._cascade = cv2.CascadeClassifier(cv2.data.haarcascades + CASCADE)
        self._one_at_a_time = threading.Lock()

    def find(self, picture: Image.Image) -> list[Square]:
        """The faces of a picture, from left to right.

        Where none is found, one is looked for that fills the picture and may reach beyond its borders.

        Raises:
            Refused: DEADLINE_EXCEEDED, other pictures took too long.
        """
        grey = picture.convert("L")
        grey.thumbnail((SIDE, SIDE), Image.Resampling.BILINEAR)
        found = self._detect(np.asarray(grey), SMALLEST)
        if not found:
            grey.thumbnail((TIGHT_SIDE, TIGHT_SIDE), Image.Resampling.BILINEAR)
            border = max(grey.size) // 2
            padded = np.pad(np.asarray(grey), border, "edge")
            inside = self._detect(padded, min(grey.size) // 2)[:1]
            found = [(left - border, top - border, side) for left, top, side in inside]
        scale = max(picture.size) / max(grey.size)
        squares = ((round(x * scale), round(y * scale), round(side * scale)) for x, y, side in found)
        return sorted(square for square in squares if all(visible(picture, square)[2:]))

    def _detect(self, grey: np.ndarray, smallest: int) -> list[Square]:
        left = min(max(deadline() - time.monotonic(), 0), threading.TIMEOUT_MAX)
        if not self._one_at_a_time.acquire(timeout=left):
            raise Refused("DEADLINE_EXCEEDED", LATE)
        try:
            boxes, votes = self._cascade.detectMultiScale2(
                grey, scaleFactor=1.1, minNeighbors=NEIGHBOURS, minSize=(smallest, smallest)
            )
        finally:
            self._one_at_a_time.release()
        return _without_doubles([(x, y, side) for x, y, side, _ in np.asarray(boxes).tolist()], list(votes))


@cache
def detector() -> Detector | None:
    """The detector; None where OpenCV is not installed."""
    try:
        import cv2
    except ImportError:
        return None
    return Detector(cv2)


def crop(picture: Image.Image, face: Square) -> Image.Image:
    """What of a picture a model is to see of a face; beyond the border the picture is mirrored.

    Shifted inwards instead, the face would lie where none lay in training, which mirrors what it moves, too.
    """
    x, y, side = face
    y += round(DOWN * side)
    left, top, width, height = visible(picture, (x, y, side))
    outside = (top - y, side - height - (top - y)), (left - x, side - width - (left - x)), (0, 0)
    return Image.fromarray(
        np.pad(np.asarray(picture.crop((left, top, left + width, top + height))), outside, "symmetric")
    )


def visible(picture: Image.Image, square: Square) -> tuple[int, int, int, int]:
    """Left, top, width and height of what of a square lies inside a picture."""
    x, y, side = square
    left, top = max(x, 0), max(y, 0)
    return left, top, max(min(x + side, picture.width) - left, 0), max(min(y + side, picture.height) - top, 0)


def _without_doubles(squares: list[Square], votes: list[int]) -> list[Square]:
    """The squares whose centre lies in no other of more votes, those of most votes first."""
    kept: list[Square] = []
    for _, (x, y, side) in sorted(zip(votes, squares, strict=True), reverse=True):
        column, row = x + side // 2, y + side // 2
        if not any(a <= column < a + size and b <= row < b + size for a, b, size in kept):
            kept.append((x, y, side))
    return kept
