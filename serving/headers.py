"""How large an encoded picture claims to be: read from its headers, before it is decoded."""

import re
from collections.abc import Callable

MAX_PIXELS = 2**26
"""Pixels of a picture that is decoded, if nothing else is said."""
JPEG_XL = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")
"""What a JPEG XL begins with."""
BMP = b"BM"
LEAST_PIXELS = 2**16
"""What a picture counts among a request's others, at least: it becomes as large as the model looks at."""
MOST_PIXELS = (2**16 - 1) ** 2
"""What a JPEG or a frame of a GIF can claim at most."""
MOST_BLOCKS = 2**18
"""Blocks of a file beyond which nobody looks: a GIF of 64 MiB has as many, of 255 bytes."""
SEGMENT = re.compile(rb"\xff([\x02-\xcf\xd8-\xfe])")
"""A marker of a JPEG with something behind it: neither a filling, nor a zero of the data, nor one of those
without a length."""


def claimed_pixels(encoded: bytes) -> int:
    """Pixels of a JPEG, PNG, GIF or WebP, its frames together, as its header has them; 0 of anything else.

    A BMP is not compressed: TensorFlow refuses one that claims more than its own bytes.
    """
    for begin, read in FORMATS.items():
        if encoded.startswith(begin):
            return read(encoded)
    return 0


def _number(encoded: bytes, start: int, size: int) -> int:
    return int.from_bytes(encoded[start : start + size], "little")


def _png(encoded: bytes) -> int:
    return int.from_bytes(encoded[16:20]) * int.from_bytes(encoded[20:24])


def _jpeg(encoded: bytes) -> int:
    """Walks from marker to marker up to the frame's header, as libjpeg does."""
    at = 2
    for _ in range(MOST_BLOCKS):
        found = SEGMENT.search(encoded, at)
        if found is None or found.start() >= len(encoded) - 8:
            return 0
        at, marker = found.start(), found[1][0]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(encoded[at + 5 : at + 7]) * int.from_bytes(encoded[at + 7 : at + 9])
        at += 2 + int.from_bytes(encoded[at + 2 : at + 4])
    return MOST_PIXELS


def _gif(encoded: bytes) -> int:
    """Walks from block to block: each of its frames is decoded, whatever becomes of it."""
    total, at, left = 0, 13 + _colors(encoded[10:11]), MOST_BLOCKS
    while left and (kind := encoded[at : at + 1]) in (b",", b"!"):
        if kind == b",":
            total += _number(encoded, at + 5, 2) * _number(encoded, at + 7, 2)
            at += 11 + _colors(encoded[at + 9 : at + 10])
        else:
            at += 2
        while left and at < len(encoded) and (size := encoded[at]):
            at, left = at + 1 + size, left - 1
        at, left = at + 1, max(left - 1, 0)
    return max(total, _number(encoded, 6, 2) * _number(encoded, 8, 2)) if left else MOST_PIXELS


def _colors(flags: bytes) -> int:
    """Bytes of a table of colors, which flags tell of."""
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0


def _webp(encoded: bytes) -> int:
    kind = encoded[8:16]
    if kind == b"WEBPVP8 ":
        return (_number(encoded, 26, 2) & 0x3FFF) * (_number(encoded, 28, 2) & 0x3FFF)
    if kind == b"WEBPVP8L":
        sides = _number(encoded, 21, 4)
        return ((sides & 0x3FFF) + 1) * ((sides >> 14 & 0x3FFF) + 1)
    if kind == b"WEBPVP8X":
        canvas = (_number(encoded, 24, 3) + 1) * (_number(encoded, 27, 3) + 1)
        animated = _number(encoded, 20, 1) & 2
        return canvas * max(encoded.count(b"ANMF"), 1) if animated else canvas
    return 0


FORMATS: dict[bytes, Callable[[bytes], int]] = {
    b"\xff\xd8": _jpeg,
    b"\x89PNG": _png,
    b"GIF8": _gif,
    b"RIFF": _webp,
}
BEGINNINGS = (*FORMATS, BMP, *JPEG_XL)
"""What the pictures begin with that TensorFlow decodes."""
