"""Random variations of training pictures, in graph, as pure functions of a seed."""

import math

import tensorflow as tf

from training.config import Augmentation

LUMA = (0.299, 0.587, 0.114)
"""What red, green and blue add to brightness. Source: ITU-R BT.601."""


def augment(images: tf.Tensor, seed: tf.Tensor, augmentation: Augmentation) -> tf.Tensor:
    """Flipped, moved, blurred, lit and partly erased copies, each picture by draws of its own.

    Args:
        images: uint8 [N, S, S, 3].
        seed: int64 [2]; the same seed gives the same pictures.
        augmentation: what varies and how far.

    Returns:
        uint8 [N, S, S, 3].
    """
    count, size = tf.shape(images)[0], images.shape[1]
    seeds = tf.random.experimental.stateless_split(seed, 14)

    def draw(index: int, low: float = 0.0, high: float = 1.0) -> tf.Tensor:
        return tf.random.stateless_uniform((count,), seeds[index], low, high)  # [N]

    def share(index: int, probability: float) -> tf.Tensor:
        return tf.cast(draw(index) < probability, tf.float32)[:, None, None, None]  # 0 or 1

    reach = augmentation.shift * size
    turn = 2 * math.pi * augmentation.rotation
    x = _moved(
        tf.cast(images, tf.float32),
        mirror=tf.where(draw(2) < augmentation.flip, -1.0, 1.0),
        angle=draw(9, -turn, turn),
        scale=draw(10, 1 - augmentation.zoom, 1 + augmentation.zoom),
        rows=tf.round(draw(0, -reach, reach)),
        columns=tf.round(draw(1, -reach, reach)),
    )
    if augmentation.blur:
        coarse = tf.image.resize(tf.nn.avg_pool2d(x, 2, 2, "SAME"), (size, size))
        x += share(11, augmentation.blur) * draw(12)[:, None, None, None] * (coarse - x)
    if augmentation.grey:
        x += share(13, augmentation.grey) * (tf.reduce_sum(x * LUMA, axis=-1, keepdims=True) - x)

    light = 255 * draw(3, -augmentation.brightness, augmentation.brightness)
    factor = draw(4, 1 - augmentation.contrast, 1 + augmentation.contrast)
    mean = tf.reduce_mean(x, axis=(1, 2, 3))  # contrast is about the picture's own
    offset = mean * (1 - factor) + light
    x = x * factor[:, None, None, None] + offset[:, None, None, None]

    side = draw(5, size / 8, 3 * size / 8)
    inside_row, inside_column = _inside(size, draw(6, 0, size), side), _inside(size, draw(7, 0, size), side)
    square = (inside_row[:, :, None] & inside_column[:, None, :])[..., None]  # [N, S, S, 1]
    erased = (draw(8) < augmentation.erasing)[:, None, None, None]
    x = tf.where(square & erased, 127.5, x)
    return tf.cast(tf.clip_by_value(tf.round(x), 0, 255), tf.uint8)


def _moved(
    x: tf.Tensor, mirror: tf.Tensor, angle: tf.Tensor, scale: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor
) -> tf.Tensor:
    # Each pixel of the result is looked up where it came from, between pixels by bilinear interpolation;
    # beyond the border pictures are mirrored. All turns about the centre.
    size = x.shape[1]
    centre = (size - 1) / 2
    cosine, sine, nothing = tf.cos(angle) * scale, tf.sin(angle) * scale, tf.zeros_like(angle)
    across, along = mirror * cosine, -mirror * sine
    from_column = [across, along, centre + columns - centre * (across + along)]
    from_row = [sine, cosine, centre + rows - centre * (sine + cosine)]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=x,
        transforms=tf.stack([*from_column, *from_row, nothing, nothing], axis=1),
        output_shape=(size, size),
        interpolation="BILINEAR",
        fill_mode="REFLECT",
        fill_value=0.0,
    )


def _inside(size: int, centre: tf.Tensor, side: tf.Tensor) -> tf.Tensor:
    return tf.abs(tf.range(size, dtype=tf.float32) - centre[:, None]) < side[:, None] / 2  # [N, S]
