"""What a request may hold, however short it is: rows, and pictures by what their headers claim."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from serving.arrays import invalid
from serving.headers import BEGINNINGS, JPEG_XL, LEAST_PIXELS, MAX_PIXELS, claimed_pixels


@dataclass(frozen=True)
class Contents:
    """What a request may hold at most; 0: as much as it likes."""

    max_instances: int = 2**20
    """Rows of a request: instances, examples, or elements along an input's first axis, where that is open."""
    max_picture_pixels: int = MAX_PIXELS
    """Pixels of an encoded picture, by its header, frames of an animation together."""
    max_request_pixels: int = 2**29
    """Pixels of all encoded pictures of a request, each counted as 65,536 at least."""

    def check_document(self, document: Mapping[str, Any]) -> None:
        """Counts the rows of a JSON request, before they become arrays.

        Raises:
            Refused: INVALID_ARGUMENT, there are too many.
        """
        for key in ("instances", "examples"):
            if isinstance(document.get(key), list):
                self.check_rows(key, len(document[key]))

    def check_rows(self, name: str, rows: int) -> None:
        """Compares the number of rows of what goes by a name.

        Raises:
            Refused: INVALID_ARGUMENT, there are too many.
        """
        if 0 < self.max_instances < rows:
            raise invalid(f"{name} must have at most {self.max_instances} rows; received {rows}")

    def check_pictures(self, name: str, strings: np.ndarray) -> None:
        """Reads the headers of those strings of an input that are pictures.

        Raises:
            Refused: INVALID_ARGUMENT, one is too large, or all together; one is a JPEG XL, of which some end
                TensorFlow's process.
        """
        counted = []
        for number, encoded in enumerate(strings.flat):
            if not isinstance(encoded, bytes) or not encoded.startswith(BEGINNINGS):
                continue
            if self.max_picture_pixels and encoded.startswith(JPEG_XL):
                raise invalid(f"{name}: picture {number} must not be a JPEG XL: send another format")
            pixels = claimed_pixels(encoded)
            if 0 < self.max_picture_pixels < pixels:
                raise invalid(
                    f"{name}: picture {number} must have at most {self.max_picture_pixels} pixels; "
                    f"its header claims {pixels}"
                )
            counted.append(pixels)
        self.check_sum(name, counted)

    def check_sum(self, name: str, pixels: Iterable[int]) -> None:
        """Adds up the pixels of a request's pictures.

        Raises:
            Refused: INVALID_ARGUMENT, there are too many.
        """
        total = sum(max(each, LEAST_PIXELS) for each in pixels)
        if 0 < self.max_request_pixels < total:
            raise invalid(
                f"{name}: pictures of a request must have at most {self.max_request_pixels} pixels together, "
                f"each counted as {LEAST_PIXELS} at least; received {total}: send fewer at a time"
            )
