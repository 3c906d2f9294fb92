import numpy as np
import pytest
import tensorflow as tf
from gradients import value_and_gradients

from multitask.gradcheck.cases.convolution import correlation
from multitask.ops import conv2d

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("mode", ["eager", "graph"])
@pytest.mark.parametrize("groups", [1, 2])
def test_kernel_gradients_are_sums_over_chunks_of_the_batch_and_over_whole_rows(groups, mode, monkeypatch):
    """As in real training, where a batch is larger than a cache and a pixel fills lines of it."""
    x, kernel, dz = (
        RNG.normal(size=shape) for shape in ((5, 9, 18, 16), (3, 3, 16 // groups, 8), (5, 9, 18, 8))
    )
    bytes_each = (x[0].size + dz[0].size) * x.itemsize
    monkeypatch.setattr("multitask.ops.convolution.CHUNK", 2 * bytes_each)

    def same(f):
        return lambda x, k: f(x, tf.ensure_shape(k, kernel.shape), padding="same")

    ours, theirs = (value_and_gradients(same(f), [x, kernel], dz, mode) for f in (conv2d, correlation))
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-9, atol=1e-12)
    for found, expected in zip(ours[1], theirs[1], strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_a_kernel_gradient_in_half_precision_is_rounded_once(monkeypatch):
    monkeypatch.setattr("multitask.ops.convolution.CHUNK", 1)  # an example at a time
    x, kernel, dz = (
        tf.cast(abs(RNG.normal(size=shape)), tf.bfloat16)
        for shape in ((200, 4, 4, 3), (3, 3, 3, 2), (200, 4, 4, 2))
    )
    (_, halves), (_, whole) = (
        value_and_gradients(
            lambda x, kernel: conv2d(x, kernel, padding="same"),
            [tf.cast(t, dtype) for t in (x, kernel)],
            tf.cast(dz, dtype),
        )
        for dtype in (tf.bfloat16, tf.float32)
    )
    np.testing.assert_allclose(tf.cast(halves[1], tf.float32), whole[1], rtol=2**-8)
