"""Pooling: notes 001, "Pooling" and "Backpropagation in CNN"; 003, sections V and IX; 004, "Pooling"."""

import numpy as np
import pytest
from worked import channel, there_and_back

from multitask import ops

LETTERS = np.arange(1.0, 17).reshape(4, 4)  # 004's a to p
EDGE = np.array([[0.0] * 4, [765] * 4, [765] * 4, [0] * 4])  # 001's edge, through relu

VALUES = {
    "003, IX.B.2: max": (ops.max_pool, [[1, 2], [3, 4]], [[4]]),
    "001: max": (ops.max_pool, [[5, 3], [7, 4]], [[7]]),
    "001: min": (ops.min_pool, [[5, 3], [7, 4]], [[3]]),
    "001: average": (ops.average_pool, [[5, 3], [7, 4]], [[19 / 4]]),
    "001: l2": (ops.l2_pool, [[5, 3], [7, 4]], [[99**0.5]]),
    "001: max of the edge": (ops.max_pool, EDGE, [[765, 765], [765, 765]]),
    "004: max, f h n p; has m for n": (ops.max_pool, LETTERS, [[6, 8], [14, 16]]),
    # Of the four sums, 004's text has only c + d + g + h right.
    "004: average, (a + b + e + f) / 4 ...": (ops.average_pool, LETTERS, [[3.5, 5.5], [11.5, 13.5]]),
}


@pytest.mark.parametrize(("pool", "x", "expected"), VALUES.values(), ids=VALUES)
def test_one_value_for_each_window_of_2x2(pool, x, expected):
    """The stride is the window's length; 003, V.A.1, has: the image's."""
    np.testing.assert_allclose(pool(channel(x), (2, 2))[0, :, :, 0], expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("pool", "values"),
    [(ops.global_average_pool, [[2.5, 6.5], [10.5, 14.5]]), (ops.global_max_pool, [[4, 8], [12, 16]])],
)
def test_global_pooling_leaves_one_value_for_each_channel_of_each_image(pool, values):
    """004, "Batch Normalization": mu = 1/HW sum, for its two images of two channels."""
    x = np.arange(1.0, 17).reshape(2, 2, 2, 2).transpose(0, 2, 3, 1)  # [image, channel, H, W] -> NHWC
    np.testing.assert_allclose(pool(x), values, rtol=1e-12)


X1, X2, X3, X4 = 0.3, -0.1, 2.0, 0.7
BACKWARD = {
    "003, IX.B.2": (ops.max_pool, [[1, 2], [3, 4]], [[2]], [[0, 0], [0, 2]]),
    "001, the four errors to the four maxima": (
        ops.max_pool,
        [[1, 9, 9, 1], [1, 1, 1, 1], [1, 1, 1, 1], [1, 9, 9, 1]],
        [[X1, X2], [X3, X4]],
        [[0, X1, X2, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, X3, X4, 0]],
    ),
    # The notes' rule would send X1 to both of two equal maxima; here the first takes it.
    "001, the edge, whose maxima are equal": (
        ops.max_pool,
        EDGE,
        [[X1, X2], [X3, X4]],
        [[0] * 4, [X1, 0, X2, 0], [X3, 0, X4, 0], [0] * 4],
    ),
    "001, min": (ops.min_pool, [[5, 3], [7, 4]], [[2]], [[0, 2], [0, 0]]),
    # 003, IX.D, layer 1, has dP of layer 2 with indices m, n; right is layer 1's, with x and y.
    "003, IX.D, average": (
        ops.average_pool,
        LETTERS,
        [[4, 8], [12, 16]],
        [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]],
    ),
    "001, l2": (ops.l2_pool, [[5, 3], [7, 4]], [[99**0.5]], [[5, 3], [7, 4]]),
}


@pytest.mark.parametrize(("pool", "x", "dz", "dx"), BACKWARD.values(), ids=BACKWARD)
def test_where_a_windows_error_goes(pool, x, dz, dx):
    _, (found,) = there_and_back(lambda x: pool(x, (2, 2)), [channel(x)], channel(dz))
    np.testing.assert_allclose(found[0, :, :, 0], dx, rtol=1e-12)
