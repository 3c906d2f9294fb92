"""How large an encoded picture says it is, in graph: read from its first bytes, before it is decoded."""

import numpy as np
import tensorflow as tf

SIZE = 30
"""Bytes that tell the size of every format but JPEG."""


def _bits(*positions: int) -> list[int]:
    """The bits of some bytes, the least significant first."""
    return [8 * position + bit for position in positions for bit in range(8)]


# What a file begins with ("." is any byte), the bits that hold its width and height, and what is to be added.
FORMATS: tuple[tuple[bytes, list[int], list[int], int], ...] = (
    (b"\x89PNG", _bits(19, 18, 17, 16), _bits(23, 22, 21, 20), 0),
    # The screen's size, to which frames are not held: theirs stand all over the file.
    (b"GIF8", _bits(6, 7), _bits(8, 9), 0),
    (b"RIFF....WEBPVP8 ", _bits(26, 27)[:14], _bits(28, 29)[:14], 0),
    (b"RIFF....WEBPVP8L", _bits(21, 22)[:14], _bits(22, 23, 24)[6:20], 1),
    (b"RIFF....WEBPVP8X", _bits(24, 25, 26), _bits(27, 28, 29), 1),
    (b"BM", [], [], 1),  # not compressed: what it claims beyond its own bytes is refused by the decoder
)
ANY = np.array([[byte == ord(".") for byte in begin.ljust(SIZE, b".")] for begin, *_ in FORMATS])
BEGINS = np.array([list(begin.ljust(SIZE, b".")) for begin, *_ in FORMATS], np.uint8)  # [F, SIZE]
ADDED = np.array([[added] * 2 for *_, added in FORMATS])  # [F, 2]
WEIGHTS = np.zeros((len(FORMATS), 2, 8 * SIZE), np.int64)  # of each bit in width and height
for row, (_begin, width, height, _added) in enumerate(FORMATS):
    for side, bits in enumerate((width, height)):
        WEIGHTS[row, side, bits] = 2 ** np.arange(len(bits))


def claimed_size(image_bytes: tf.Tensor) -> tf.Tensor:
    """Width and height of a picture as its header has them, int64 [2]; zeros if it is of no known format.

    Args:
        image_bytes: string [], a PNG, JPEG, GIF, BMP or WebP. A BMP, not being compressed, counts as 1 by 1.

    Raises:
        tf.errors.InvalidArgumentError: it begins as a JPEG and has no such header.
    """
    return tf.cond(
        tf.equal(tf.strings.substr(image_bytes, 0, 2), b"\xff\xd8"),
        lambda: tf.io.extract_jpeg_shape(image_bytes, tf.int64)[1::-1],
        lambda: _from_table(image_bytes),
    )


def _from_table(image_bytes: tf.Tensor) -> tf.Tensor:
    header = tf.io.decode_raw(image_bytes, tf.uint8, fixed_length=SIZE)  # shorter ones are filled with zeros
    known = tf.reduce_all((header == BEGINS) | ANY, axis=1)  # [F]
    format = tf.argmax(known)
    bits = tf.reshape(tf.bitwise.right_shift(header[:, None], np.arange(8, dtype=np.uint8)) & 1, [-1])
    size = tf.linalg.matvec(tf.gather(WEIGHTS, format), tf.cast(bits, tf.int64)) + tf.gather(ADDED, format)
    return tf.where(tf.reduce_any(known), size, tf.zeros_like(size))
