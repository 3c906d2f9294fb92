"""Random variations of training pictures, in graph, as pure functions of a seed."""

import tensorflow as tf

from training.config import Augmentation


def augment(images: tf.Tensor, seed: tf.Tensor, augmentation: Augmentation) -> tf.Tensor:
    """Flipped, shifted, lit and partly erased copies, each picture by draws of its own.

    Args:
        images: uint8 [N, S, S, 3].
        seed: int64 [2]; the same seed gives the same pictures.
        augmentation: what varies and how far.

    Returns:
        uint8 [N, S, S, 3].
    """
    count, size = tf.shape(images)[0], images.shape[1]
    seeds = tf.random.experimental.stateless_split(seed, 9)

    def draw(index: int, low: float = 0.0, high: float = 1.0) -> tf.Tensor:
        return tf.random.stateless_uniform((count,), seeds[index], low, high)  # [N]

    pixels = tf.range(size)
    reach = augmentation.shift * size
    rows = _reflected(pixels + _whole(draw(0, -reach, reach)), size)  # [N, S]
    columns = _reflected(pixels + _whole(draw(1, -reach, reach)), size)
    columns = tf.where((draw(2) < augmentation.flip)[:, None], columns[:, ::-1], columns)
    images = tf.gather(tf.gather(images, rows, batch_dims=1), columns, axis=2, batch_dims=1)

    light = 255 * draw(3, -augmentation.brightness, augmentation.brightness)
    factor = draw(4, 1 - augmentation.contrast, 1 + augmentation.contrast)
    x = tf.cast(images, tf.float32)
    grey = tf.reduce_mean(x, axis=(1, 2, 3))  # contrast is about the picture's own mean
    offset = grey * (1 - factor) + light
    x = x * factor[:, None, None, None] + offset[:, None, None, None]

    side = draw(5, size / 8, 3 * size / 8)
    inside_row = _inside(pixels, draw(6, 0, size), side)  # [N, S]
    inside_column = _inside(pixels, draw(7, 0, size), side)
    erased = (draw(8) < augmentation.erasing)[:, None, None]
    mask = (inside_row[:, :, None] & inside_column[:, None, :] & erased)[..., None]  # [N, S, S, 1]
    x = tf.where(mask, 127.5, x)
    return tf.cast(tf.clip_by_value(tf.round(x), 0, 255), tf.uint8)


def _whole(x: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.round(x), tf.int32)[:, None]


def _reflected(index: tf.Tensor, size: int) -> tf.Tensor:
    index = tf.abs(index)
    return tf.where(index < size, index, 2 * (size - 1) - index)


def _inside(pixels: tf.Tensor, centre: tf.Tensor, side: tf.Tensor) -> tf.Tensor:
    return tf.abs(tf.cast(pixels, tf.float32) - centre[:, None]) < side[:, None] / 2
