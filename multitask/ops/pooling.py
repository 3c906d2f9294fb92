"""Pooling: one value for each window of each channel.

Source: notes 001, "Pooling" (max, min, average, L2, global); 003, sections V and IX (backward).
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from multitask.ops.convolution import padded
from multitask.ops.shapes import Padding, Sizes, output_size, pad, pads_of, sizes_of
from multitask.ops.windows import Pair, scatter, taps

Grid = list[list[tf.Tensor]]
"""One tensor [N, H', W', C] for each tap of the window."""


def max_pool(x: Any, window: Pair, strides: Pair | None = None, padding: Padding = "valid") -> tf.Tensor:
    """The largest value of each window; padding never is.

    Forward:  Z[i, j] = max_mn X[s i + m - p, s j + n - p]
    Backward: dX = dZ at the pixel that is the maximum, 0 elsewhere; of several equal ones the first in
              reading order, as TensorFlow's own does on a CPU (XLA's may choose another)
    Shapes:   [N, H, W, C] -> [N, H', W', C]
    Source:   notes 003, section IX.B.2.
    """

    def forward(around: tf.Tensor) -> tf.Tensor:
        return tf.nn.max_pool2d(around, window, strides or window, "VALID")

    return _pool(x, window, strides, padding, forward, _to_first_equal, outside=-float("inf"))


def min_pool(x: Any, window: Pair, strides: Pair | None = None, padding: Padding = "valid") -> tf.Tensor:
    """The smallest value of each window; padding never is.

    Forward:  Z[i, j] = min_mn X[s i + m - p, s j + n - p]
    Backward: dX = dZ at the pixel that is the first minimum in reading order, 0 elsewhere
    Shapes:   [N, H, W, C] -> [N, H', W', C]
    Source:   notes 001, "Pooling".
    """

    def forward(around: tf.Tensor) -> tf.Tensor:
        return -tf.nn.max_pool2d(-around, window, strides or window, "VALID")

    return _pool(x, window, strides, padding, forward, _to_first_equal, outside=float("inf"))


def average_pool(x: Any, window: Pair, strides: Pair | None = None, padding: Padding = "valid") -> tf.Tensor:
    """The mean of the k pixels of each window; padding is not among them.

    Forward:  Z[i, j] = 1/k sum_mn X[s i + m - p, s j + n - p]
    Backward: dX = sum of dZ / k over the windows that see the pixel
    Shapes:   [N, H, W, C] -> [N, H', W', C]
    Source:   notes 003, section IX.D: dP / 4 for windows of 2x2.
    """
    x = tf.convert_to_tensor(x)
    k = _pixels_seen(sizes_of(x), window, strides or window, padding, x.dtype)

    def forward(around: tf.Tensor) -> tf.Tensor:
        return _sums(around, window, strides or window) / k

    def shares(seen: Grid, z: tf.Tensor, dz: tf.Tensor) -> Grid:
        share = dz / k
        return [[share for _ in row] for row in seen]

    return _pool(x, window, strides, padding, forward, shares)


def l2_pool(x: Any, window: Pair, strides: Pair | None = None, padding: Padding = "valid") -> tf.Tensor:
    """The Euclidean norm of each window.

    Forward:  Z[i, j] = sqrt(sum_mn X[s i + m - p, s j + n - p]^2)
    Backward: dX = sum of dZ X / Z over the windows that see the pixel; 0 where Z = 0
    Shapes:   [N, H, W, C] -> [N, H', W', C]
    Source:   notes 001, "Pooling".
    """

    def forward(around: tf.Tensor) -> tf.Tensor:
        return tf.sqrt(_sums(tf.square(around), window, strides or window))

    def shares(seen: Grid, z: tf.Tensor, dz: tf.Tensor) -> Grid:
        slope = tf.math.divide_no_nan(dz, z)
        return [[slope * pixels for pixels in row] for row in seen]

    return _pool(x, window, strides, padding, forward, shares)


def global_average_pool(x: Any, keepdims: bool = False) -> tf.Tensor:
    """The mean of each channel's pixels.

    Forward:  Z = 1/(H W) sum_ij X[i, j]
    Backward: dX[i, j] = dZ / (H W)
    Shapes:   [N, H, W, C] -> [N, C], or [N, 1, 1, C] with keepdims
    Source:   notes 004, "Batch Normalization" (names it); Lin et al. 2013, "Network in network", section 3.2.
    """

    @tf.custom_gradient
    def op(x: tf.Tensor) -> Any:
        shape = tf.shape(x)

        def backward(dz: tf.Tensor) -> tf.Tensor:
            share = dz / tf.cast(shape[1] * shape[2], dz.dtype)
            return tf.broadcast_to(tf.reshape(share, [-1, 1, 1, x.shape[-1]]), shape)

        return tf.reduce_mean(x, [1, 2], keepdims=keepdims), backward

    return op(tf.convert_to_tensor(x))


def global_max_pool(x: Any, keepdims: bool = False) -> tf.Tensor:
    """The largest of each channel's pixels.

    Forward:  Z = max_ij X[i, j]
    Backward: dX = dZ at the pixel that is the maximum, 0 elsewhere; of several equal ones the first in
              reading order, as in max_pool (TensorFlow's own reduction shares dZ among them)
    Shapes:   [N, H, W, C] -> [N, C], or [N, 1, 1, C] with keepdims
    Source:   notes 001, "Types of Pooling".
    """

    @tf.custom_gradient
    def op(x: tf.Tensor) -> Any:
        def backward(dz: tf.Tensor) -> tf.Tensor:
            pixels = tf.reshape(x, [-1, tf.shape(x)[1] * tf.shape(x)[2], x.shape[-1]])  # [N, H W, C]
            position = tf.range(tf.shape(pixels)[1])[:, None]
            first = tf.argmax(pixels, axis=1, output_type=tf.int32)[:, None]
            dz = tf.reshape(dz, [-1, 1, x.shape[-1]])
            return tf.reshape(tf.where(position == first, dz, 0), tf.shape(x))

        return tf.reduce_max(x, [1, 2], keepdims=keepdims), backward

    return op(tf.convert_to_tensor(x))


def _pool(
    x: Any,
    window: Pair,
    strides: Pair | None,
    padding: Padding,
    forward: Callable[[tf.Tensor], tf.Tensor],
    shares: Callable[[Grid, tf.Tensor, tf.Tensor], Grid],
    outside: float = 0,
) -> tf.Tensor:
    # Pooling of any kind: `forward` takes x with its padding around, `shares` says what each tap of a window
    # gets of dZ, given the pixels it sees.
    strides = strides or window
    x, pads = padded(tf.convert_to_tensor(x), padding, window, strides, (1, 1), outside)

    @tf.custom_gradient
    def op(x: tf.Tensor) -> Any:
        z = forward(pad(x, pads, outside))

        def backward(dz: tf.Tensor) -> tf.Tensor:
            seen = taps(pad(x, pads, outside), window, sizes_of(z), strides)
            return scatter(shares(seen, z, dz), sizes_of(x), pads, strides)

        return z, backward

    return op(x)


def _to_first_equal(seen: Grid, z: tf.Tensor, dz: tf.Tensor) -> Grid:
    found: tf.Tensor | None = None

    def share(pixels: tf.Tensor) -> tf.Tensor:
        nonlocal found
        here = pixels == z
        first = here if found is None else tf.logical_and(here, tf.logical_not(found))
        found = here if found is None else tf.logical_or(found, here)
        return tf.where(first, dz, tf.zeros([], dz.dtype))

    return [[share(pixels) for pixels in row] for row in seen]


def _sums(x: tf.Tensor, window: Pair, strides: Pair) -> tf.Tensor:
    return tf.nn.avg_pool2d(x, window, strides, "VALID") * (window[0] * window[1])


def _pixels_seen(sizes: Sizes, window: Pair, strides: Pair, padding: Padding, dtype: tf.DType) -> Any:
    # How many pixels, padding apart, each window sees: a number, or [H', W', 1] if there is padding.
    if padding == "valid":
        return tf.cast(window[0] * window[1], dtype)
    pads = pads_of(padding, sizes, window, strides, (1, 1))

    def seen(n: Any, f: int, s: int, p: tuple[Any, Any]) -> tf.Tensor:
        first = tf.range(output_size(n, f, s, p)) * s - p[0]
        return tf.minimum(first + f, n) - tf.maximum(first, 0)

    rows, columns = (seen(*axis) for axis in zip(sizes, window, strides, pads, strict=True))
    return tf.cast(rows[:, None, None] * columns[:, None], dtype)
