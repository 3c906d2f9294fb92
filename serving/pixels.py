"""Pixels from JSON at once: a request that holds one large regular array of small whole numbers.

Parsing it into lists of numbers would take most of such a request's time. Whatever is out of the ordinary
is left to `serving.tensors`, which also knows what to say of it.
"""

from typing import Any

import numpy as np
import orjson

DIGITS_AND_SPACES = b"0123456789 "
START = 64
"""Bytes that tell whether an array may be one of whole numbers."""


def split(body: bytes) -> tuple[dict[str, Any], bytes] | None:
    """A request's JSON object with an empty array in place of the one it holds, and that one's text.

    None if it holds none, several or one that begins with other things than whole numbers.
    """
    start, end = body.find(b"["), body.rfind(b"]") + 1
    if not 0 <= start < end or body[start : min(start + START, end)].translate(None, b"[,]0123456789 "):
        return None
    try:
        document = orjson.loads(body[:start] + b"[]" + body[end:])
    except orjson.JSONDecodeError:
        return None
    if not isinstance(document, dict):
        return None
    found = [document[key] for key in ("instances", "inputs") if key in document]
    return (document, body[start:end]) if found == [[]] else None


def to_pixels(text: bytes, shape: tuple[int, ...]) -> np.ndarray | None:
    """The array that a JSON text holds.

    Args:
        text: an array of JSON, whitespace being single spaces behind commas.
        shape: of a row of it.

    Returns:
        uint8 [N, *shape]; None if the text is anything else, be it right or wrong.
    """
    row = _brackets(shape)
    found = text.translate(None, DIGITS_AND_SPACES)
    rows = (len(found) - 1) // (len(row) + 1)
    if rows < 1 or 0 in shape or found != b"[" + b",".join([row] * rows) + b"]":
        return None
    characters = np.frombuffer(text, np.uint8)
    digits = characters - np.uint8(ord("0"))  # what is none wraps around and becomes larger than 9
    is_digit = digits < 10
    before, after = characters[:-1], characters[1:]
    misplaced = (before == ord("]")) & is_digit[1:]
    misplaced |= (after == ord("[")) & is_digit[:-1]
    misplaced |= (after == ord(" ")) & (before != ord(","))
    ends = np.flatnonzero(is_digit[:-1] > is_digit[1:])
    # With brackets and commas as they must be, a number stands in each place there is, and none elsewhere.
    if misplaced.any() or len(ends) != rows * int(np.prod(shape)):
        return None
    ones, tens, hundreds, thousands = (digits[ends - place] for place in range(4))
    two = tens < 10
    three = two & (hundreds < 10)
    values = ones + np.where(two, tens, 0) * np.uint16(10) + np.where(three, hundreds, 0) * np.uint16(100)
    if (three & ((thousands < 10) | (values < 100))).any() or (two & (values < 10)).any():
        return None  # too many digits, or zeros at their beginning
    return None if (values > 255).any() else values.astype(np.uint8).reshape(rows, *shape)


def _brackets(shape: tuple[int, ...]) -> bytes:
    """The brackets and commas of an array in JSON."""
    text = b""
    for size in reversed(shape):
        text = b"[" + b",".join([text] * size) + b"]"
    return text
