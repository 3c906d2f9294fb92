"""Random variations of training pictures, in graph, as pure functions of a seed."""

import math

import tensorflow as tf

from training.config import Augmentation

Labels = dict[str, tf.Tensor]
LUMA = (0.299, 0.587, 0.114)
"""What red, green and blue add to brightness. Source: ITU-R BT.601."""


def augment(
    images: tf.Tensor, seed: tf.Tensor, augmentation: Augmentation, size: int | None = None
) -> tf.Tensor:
    """Flipped, moved, blurred, lit and partly erased copies, each picture by draws of its own.

    Args:
        images: uint8 [N, S, S, 3].
        seed: int64 [2]; the same seed gives the same pictures.
        augmentation: what varies and how far.
        size: height and width of the copies; S if not given. Of pictures twice as large a copy that is not
            moved is the mean of each 2x2 pixels, and one that is stays as sharp as a picture that was brought
            to `size` at once; of pictures no larger than it, moving makes it smoother than that.

    Returns:
        uint8 [N, size, size, 3].
    """
    count, size = tf.shape(images)[0], size or images.shape[1]
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
        size=size,
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


def mix(
    images: tf.Tensor, labels: Labels, weights: Labels, seed: tf.Tensor, a: float
) -> tuple[tf.Tensor, Labels, Labels]:
    """Each example blended with the one before it in the batch, by shares drawn from Beta(a, a), or 1 - that.

    The loss is linear in a label that is a distribution, so that of a blend is the blend of both losses; a
    label that one of the two lacks takes no part.

    Args:
        images: uint8 [N, S, S, 3].
        labels: {task: distribution [N, units]}.
        weights: {task: [N]}.
        seed: int64 [2]; the same seed gives the same blends.
        a: above 0.

    Returns:
        As the arguments.

    Source: Zhang et al. 2018, "mixup: beyond empirical risk minimization", eq. 1; Berthelot et al. 2019,
    "MixMatch", eq. 9 (the larger share is an example's own).
    """
    seeds = tf.random.experimental.stateless_split(seed, 2)
    one, other = (
        tf.maximum(tf.random.stateless_gamma(tf.shape(images)[:1], seeds[i], a), 1e-30) for i in (0, 1)
    )
    share = tf.maximum(one, other) / (one + other)  # more of itself: else some would be in a batch twice
    of_pixels = share[:, None, None, None]
    x = tf.cast(images, tf.float32)
    x = of_pixels * x + (1 - of_pixels) * tf.roll(x, 1, axis=0)
    mixed = {
        task: weighted_mean(
            (share * weights[task], labels[task]),
            ((1 - share) * tf.roll(weights[task], 1, axis=0), tf.roll(labels[task], 1, axis=0)),
        )
        for task in labels
    }
    weights, labels = ({task: pair[part] for task, pair in mixed.items()} for part in (0, 1))
    return tf.cast(tf.round(x), tf.uint8), labels, weights


def weighted_mean(*parts: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    """The sum of weights, and the mean by them of what they weigh; 0 where all are 0.

    Args:
        parts: weights [N] and values [N, units] each.
    """
    total = tf.add_n([weight for weight, _ in parts])
    values = tf.add_n([weight[:, None] * value for weight, value in parts])
    return total, tf.math.divide_no_nan(values, total[:, None])


def _moved(
    x: tf.Tensor,
    mirror: tf.Tensor,
    angle: tf.Tensor,
    scale: tf.Tensor,
    rows: tf.Tensor,
    columns: tf.Tensor,
    size: int,
) -> tf.Tensor:
    # Each pixel of the result is looked up where it came from, between pixels by bilinear interpolation;
    # beyond the border pictures are mirrored. All turns about the centre.
    step = x.shape[1] / size  # pixels there, from one here to the next
    centre, centre_there = (size - 1) / 2, (x.shape[1] - 1) / 2
    cosine, sine, nothing = step * tf.cos(angle) * scale, step * tf.sin(angle) * scale, tf.zeros_like(angle)
    across, along = mirror * cosine, -mirror * sine
    from_column = [across, along, centre_there + step * columns - centre * (across + along)]
    from_row = [sine, cosine, centre_there + step * rows - centre * (sine + cosine)]
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
