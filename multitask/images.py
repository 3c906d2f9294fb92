"""Encoded bytes to uint8 pixels, in graph: the only preprocessing there is.

Training, evaluation and the exported model all read pictures through here, so none can differ. EXIF rotation
is not seen in graph; dataset builders and people's endpoints turn the picture before.
"""

import tensorflow as tf

from multitask.headers import claimed_pixels

MAX_PIXELS = 2**26
"""Pixels of a picture that is decoded: 64 megapixels. A file of some hundred bytes can claim more."""


def decode_image(image_bytes: tf.Tensor, size: int) -> tf.Tensor:
    """One picture to `size` x `size` pixels: its central square, resized with antialiasing.

    Args:
        image_bytes: string [], a PNG, JPEG, GIF (its first frame), BMP or WebP of any size.
        size: height and width of the result, in pixels.

    Returns:
        uint8 [size, size, 3], RGB; grey and transparent pictures become RGB.

    Raises:
        tf.errors.InvalidArgumentError: the bytes are no such picture, or its header claims more than
            `MAX_PIXELS`: then nothing is decoded.
    """
    with tf.control_dependencies(_check(image_bytes)):
        image = tf.io.decode_image(image_bytes, channels=3, expand_animations=False)  # [H, W, 3]
    shape = tf.shape(image)
    side = tf.minimum(shape[0], shape[1])
    top, left = (shape[0] - side) // 2, (shape[1] - side) // 2
    square = image[top : top + side, left : left + side]  # [side, side, 3]
    pixels = tf.image.resize(square, (size, size), method="bilinear", antialias=True)
    pixels = tf.cast(tf.clip_by_value(tf.round(pixels), 0.0, 255.0), tf.uint8)
    return tf.ensure_shape(pixels, (size, size, 3))


def decode_images(image_bytes: tf.Tensor, size: int) -> tf.Tensor:
    """`decode_image` over a batch: string [N] to uint8 [N, size, size, 3]; N may be 0."""
    return tf.map_fn(
        lambda one: decode_image(one, size),
        image_bytes,
        fn_output_signature=tf.TensorSpec((size, size, 3), tf.uint8),
    )


def _check(image_bytes: tf.Tensor) -> list[tf.Operation]:
    pixels = claimed_pixels(image_bytes)
    rule = f"a picture must be a PNG, JPEG, GIF, BMP or WebP of at most {MAX_PIXELS} pixels; received"
    check = tf.debugging.Assert((pixels > 0) & (pixels <= MAX_PIXELS), [rule, pixels])
    return [] if check is None else [check]  # None when run eagerly
