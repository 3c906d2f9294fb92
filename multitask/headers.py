"""How large an encoded picture says it is, in graph: read from its headers, before it is decoded."""

import numpy as np
import tensorflow as tf

SIZE = 30
"""Bytes that tell the size of every format but JPEG, and of a GIF that of its screen."""


MAX_STEPS = 2**13
"""Steps through a GIF, some five for each frame. One that takes more counts as endless: none takes long."""
RUN = 2**10
"""Blocks of a GIF that are passed in a step, if they are alike in size."""


def _bits(*positions: int) -> list[int]:
    """The bits of some bytes, the least significant first."""
    return [8 * position + bit for position in positions for bit in range(8)]


# What a file begins with ("." is any byte), the bits that hold its width and height, and what is to be added.
FORMATS: tuple[tuple[bytes, list[int], list[int], int], ...] = (
    (b"\x89PNG", _bits(19, 18, 17, 16), _bits(23, 22, 21, 20), 0),
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


def claimed_pixels(image_bytes: tf.Tensor) -> tf.Tensor:
    """Pixels of a picture as its header has them, int64 []; 0 if it is of no known format.

    Args:
        image_bytes: string [], a PNG, JPEG, GIF (its frames together, all of which are decoded), BMP or WebP.
            A BMP, not being compressed, counts as one pixel.

    Raises:
        tf.errors.InvalidArgumentError: it begins as a JPEG and has no such header.
    """
    image_bytes = tf.ensure_shape(image_bytes, ())  # which those of tf.numpy_function don't tell
    return tf.cond(
        tf.equal(tf.strings.substr(image_bytes, 0, 2), b"\xff\xd8"),
        lambda: tf.reduce_prod(tf.io.extract_jpeg_shape(image_bytes, tf.int64)[:2]),
        lambda: tf.cond(
            tf.equal(tf.strings.substr(image_bytes, 0, 4), b"GIF8"),
            lambda: tf.maximum(_from_table(image_bytes), _frames(image_bytes)),
            lambda: _from_table(image_bytes),
        ),
    )


def _from_table(image_bytes: tf.Tensor) -> tf.Tensor:
    header = tf.io.decode_raw(image_bytes, tf.uint8, fixed_length=SIZE)  # shorter ones are filled with zeros
    known = tf.reduce_all((header == BEGINS) | ANY, axis=1)  # [F]
    format = tf.argmax(known)
    bits = tf.reshape(tf.bitwise.right_shift(header[:, None], np.arange(8, dtype=np.uint8)) & 1, [-1])
    size = tf.linalg.matvec(tf.gather(WEIGHTS, format), tf.cast(bits, tf.int64)) + tf.gather(ADDED, format)
    return tf.where(tf.reduce_any(known), tf.reduce_prod(size), 0)


def _frames(image_bytes: tf.Tensor) -> tf.Tensor:
    """Pixels of a GIF's frames, which its screen does not limit; walks from block to block."""
    # Zeros behind its end are the end of any block, and begin none.
    padded = tf.strings.join([image_bytes, b"\0" * SIZE])
    file = tf.cast(tf.io.decode_raw(padded, tf.uint8), tf.int32)
    end = tf.size(file) - SIZE

    def colors(flags: tf.Tensor) -> tf.Tensor:
        """Bytes of a table of colors."""
        return tf.where(flags >= 128, 3 * tf.bitwise.left_shift(2, flags & 7), 0)

    def behind(at: tf.Tensor, left: tf.Tensor) -> list[tf.Tensor]:
        """Where a chain of blocks ends, each led by its length, and how many steps are left."""

        def run(at: tf.Tensor, left: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            size = 1 + file[at]
            alike = tf.cast(file[at : at + RUN * size : size] == file[at], tf.int32)
            return tf.minimum(at + size * tf.reduce_sum(tf.math.cumprod(alike)), end), left - 1

        at, left = tf.while_loop(
            lambda at, left: (file[at] > 0) & (left > 0), run, (tf.minimum(at, end), left)
        )
        return [at + 1, left]

    def step(at: tf.Tensor, left: tf.Tensor, pixels: tf.Tensor) -> list[tf.Tensor]:
        width, height = file[at + 5] + 256 * file[at + 6], file[at + 7] + 256 * file[at + 8]
        size = tf.cast(width, tf.int64) * tf.cast(height, tf.int64)
        is_frame = file[at] == ord(",")
        data = at + tf.where(is_frame, 11 + colors(file[at + 9]), 2)
        return [*behind(data, left - 1), pixels + tf.where(is_frame, size, 0)]

    _, left, pixels = tf.while_loop(
        lambda at, left, _: ((file[at] == ord(",")) | (file[at] == ord("!"))) & (left > 0),
        step,
        [tf.minimum(13 + colors(file[10]), end), MAX_STEPS, tf.constant(0, tf.int64)],
    )
    return tf.where(left > 0, pixels, tf.int64.max)
