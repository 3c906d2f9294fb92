"""What the worked examples share: a picture, its filters, a plain convolution, the way back through an op."""

import numpy as np
import tensorflow as tf

# Notes 003, section II, B and E.
PICTURE = np.array(
    [
        [1, 6, 9, 10, 2, 8],
        [2, 5, 1, 8, 4, 2],
        [3, 7, 4, 9, 10, 3],
        [9, 8, 3, 6, 7, 9],
        [8, 0, 9, 4, 7, 2],
        [9, 10, 12, 6, 9, 8],
    ],
    float,
)
VERTICAL = np.array([[1.0, 0, -1]] * 3)
HORIZONTAL = VERTICAL.T


def channel(pixels):
    """[H, W] -> one image of one channel, [1, H, W, 1]."""
    return np.asarray(pixels, float)[None, :, :, None]


def filters(kernel):
    """[Kh, Kw] -> one filter of depth one, [Kh, Kw, 1, 1]."""
    return np.asarray(kernel, float)[:, :, None, None]


def conv(x, k):
    """The notes' convolution as they write it, 004: O(i, j) = sum_mn K(m, n) I(i + m, j + n)."""
    return np.einsum("ijmn,mn->ij", np.lib.stride_tricks.sliding_window_view(x, k.shape), k)


def there_and_back(op, xs, dz):
    """op(*xs), and the gradients that dz sends back to xs."""
    xs = [tf.convert_to_tensor(x) for x in xs]
    with tf.GradientTape() as tape:
        tape.watch(xs)
        z = op(*xs)
    return z.numpy(), [dx.numpy() for dx in tape.gradient(z, xs, tf.cast(dz, z.dtype))]
