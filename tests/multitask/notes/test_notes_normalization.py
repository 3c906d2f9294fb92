"""Batch normalization: notes 002 and 004; and what follows it over batches, 004's moving weighted average."""

import numpy as np
import pytest
from worked import channel

from multitask import layers, ops

EPSILON = 1e-5
TWO_IMAGES = np.array(  # [image, channel, H, W]
    [[[[1, 2], [3, 4]], [[5, 6], [7, 8]]], [[[9, 10], [11, 12]], [[13, 14], [15, 16]]]], float
).transpose(0, 2, 3, 1)
SPREAD = np.array([-1.324244, -1.083472, -0.842701, -0.601929, 0.601929, 0.842701, 1.083472, 1.324244])

# x, mean, variance and x normalized, channel by channel.
EXAMPLES = {
    # 004 has -0.8, -0.32, 1.12: neither (x - 5.67) / 1.7, nor (x - 5.6) / 1.7, which it writes.
    "004, three values of a neuron": (
        np.array([[4.0], [5], [8]]),
        [17 / 3],
        [26 / 9],
        [[-0.980577, -0.392231, 1.372808]],
    ),
    "004, 1 to 8": (
        np.concatenate([channel([[1, 2], [3, 4]]), channel([[5, 6], [7, 8]])]),
        [4.5],
        [5.25],
        [[-1.527524, -1.091088, -0.654653, -0.218218, 0.218218, 0.654653, 1.091088, 1.527524]],
    ),
    # 004 has sigma1^2 = 52/8 = 6.5, which is mu1, before the right 17.25; in channel 1 -0.23 for -0.84 and
    # 0.618 for 1.08; in channel 2 third and fourth decimals that a sigma cut to 4.15 spoils.
    "004, two images of two channels": (TWO_IMAGES, [6.5, 10.5], [17.25, 17.25], [SPREAD, SPREAD]),
}


@pytest.mark.parametrize(("x", "mean", "variance", "normalized"), EXAMPLES.values(), ids=EXAMPLES)
def test_each_channel_is_normalized_over_all_images(x, mean, variance, normalized):
    y, mu, v = ops.batch_norm(x, None, None, EPSILON)
    np.testing.assert_allclose(mu, mean, rtol=1e-12)
    np.testing.assert_allclose(v, variance, rtol=1e-12)
    np.testing.assert_allclose(np.moveaxis(y, -1, 0).reshape(len(mean), -1), normalized, atol=3e-6)


def test_afterwards_the_mean_is_0_and_the_variance_1():
    y, _, _ = ops.batch_norm(TWO_IMAGES, None, None, 0.0)
    np.testing.assert_allclose(np.mean(y, (0, 1, 2)), [0, 0], atol=1e-15)
    np.testing.assert_allclose(np.mean(np.square(y), (0, 1, 2)), [1, 1], rtol=1e-12)


def test_beta_shifts_and_gamma_spreads():
    """002, "scale & shift", whose scale is 2; 004: y = gamma x + beta."""
    y, _, _ = ops.batch_norm(TWO_IMAGES, np.array([2.0, 2.0]), np.array([0.0, 3.0]), 0.0)
    np.testing.assert_allclose(np.mean(y, (0, 1, 2)), [0, 3], atol=1e-15)
    np.testing.assert_allclose(np.var(y, (0, 1, 2)), [4, 4], rtol=1e-12)


def test_a_batch_of_10_images_has_a_mean_for_each_of_32_channels():
    """002: 10 images of 32 feature maps; these are 98x98, not 97x97."""
    maps = layers.Conv2D(32, 3)(np.zeros((10, 100, 100, 3), "float32"))
    y, mu, v = ops.batch_norm(maps, None, None, EPSILON)
    assert y.shape == (10, 98, 98, 32)
    assert mu.shape == v.shape == (32,)


def test_the_layer_normalizes_the_same_examples():
    layer = layers.BatchNormalization(epsilon=EPSILON)
    found = np.moveaxis(layer(TWO_IMAGES, training=True), -1, 0).reshape(2, -1)
    np.testing.assert_allclose(found, [SPREAD, SPREAD], atol=1e-5)


def test_the_layers_moving_mean_is_the_exponentially_weighted_average():
    """004's temperatures 30, 35, 40, 10 with beta = 0.9.

    v4 = (1 - beta)(beta^3 t1 + beta^2 t2 + beta t3 + t4); 004 has beta t4 in its sums for v4 and v_t.
    """
    layer = layers.BatchNormalization(momentum=0.9)
    for temperature, average in [(30, 3), (35, 6.2), (40, 9.58), (10, 9.622)]:
        layer(np.array([[temperature - 1.0], [temperature + 1.0]], "float32"), training=True)
        np.testing.assert_allclose(layer.moving_mean, [average], rtol=1e-6)
    np.testing.assert_allclose(0.1 * (0.9**3 * 30 + 0.9**2 * 35 + 0.9 * 40 + 10), 9.622, rtol=1e-12)


def test_feature_maps_are_added_pixel_by_pixel():
    """004, "Batch Normalization", has 2 for 1 + 3."""
    found = ops.add(np.array([[1, 2], [3, 4]]), np.array([[3, 4], [5, 6]]))
    np.testing.assert_array_equal(found, [[4, 6], [8, 10]])
