"""Sizes of what a window leaves, and numbers of weights, as the notes work them out."""

import numpy as np
import pytest
import tensorflow as tf

from multitask import layers, ops
from multitask.ops.shapes import output_size, same_padding

# n, f, s, p and the size. (003, section IV.B, has floor((n - f + 1) / s), which the strided ones contradict;
# 000, 001 and 004 mostly leave out the floor; 001 once writes 2 for s.)
SIZES = {
    "000, trainable parameters": (6, 3, 1, 0, 4),
    "001, edge detection: 28": (28, 3, 1, 0, 26),
    "001, edge detection: 64": (64, 3, 1, 0, 62),
    "001, padding: without": (5, 3, 1, 0, 3),
    "001, padding: the size that keeps 5": (7, 3, 1, 0, 5),
    "001, padding: 5 kept": (5, 3, 1, 1, 5),
    "001, strides; by 003 IV.B 2": (7, 3, 2, 0, 3),
    "001, strides: padded; by 003 IV.B, n = 9, 3": (7, 3, 2, 1, 4),
    "001, strides: special case": (6, 3, 2, 0, 2),
    "001, why strides": (28, 3, 2, 1, 14),
    "001, pooling; by 003 IV.B 1": (4, 2, 2, 0, 2),
    "002, convolution operation, has 97": (100, 3, 1, 0, 98),
    "002, convolution operation": (16, 3, 1, 0, 14),
    "003, II": (6, 3, 1, 0, 4),
    "003, VIII": (3, 2, 1, 0, 2),
    "004, feature map": (4, 3, 1, 0, 2),
    "004, padding": (5, 3, 1, 0, 3),
    "004, padding: 224": (224, 3, 1, 0, 222),
    "004, padding: 224, a stride of 2 halves it; by 003 IV.B 111 too": (224, 3, 2, 0, 111),
}


@pytest.mark.parametrize(("n", "f", "s", "p", "size"), SIZES.values(), ids=SIZES)
def test_sizes_are_the_formulas_and_what_convolution_and_pooling_leave(n, f, s, p, size):
    assert output_size(n, f, s, (p, p)) == size
    x, pads = tf.zeros([1, n, n, 1]), ((p, p), (p, p))
    assert ops.conv2d(x, tf.ones([f, f, 1, 1]), None, (s, s), pads).shape == (1, size, size, 1)
    assert ops.max_pool(x, (f, f), (s, s), pads).shape == (1, size, size, 1)


def test_what_keeps_the_size_is_one_pixel_around_for_a_kernel_of_3():
    """001, "What is Padding?": n + 2p - f + 1 = n for n = 5 and f = 3."""
    assert same_padding(5, 3) == (1, 1)


# A layer, what it sees, what it leaves, and the shapes of its kernels.
KERNELS = {
    "002, stride 2, 6 kernels: 3x3x3 each": (
        layers.Conv2D(6, 3, strides=2),
        (100, 100, 3),
        (49, 49, 6),
        [(3, 3, 3, 6)],
    ),
    "002, has 97x97x6": (layers.Conv2D(6, 3), (100, 100, 3), (98, 98, 6), [(3, 3, 3, 6)]),
    "002, 64 kernels of 3x3x32": (layers.Conv2D(64, 3), (16, 16, 32), (14, 14, 64), [(3, 3, 32, 64)]),
    "001, multiple filters": (layers.Conv2D(10, 3), (6, 6, 3), (4, 4, 10), [(3, 3, 3, 10)]),
    "004, feature maps: 64": (
        layers.Conv2D(64, 3, padding="same"),
        (32, 32, 3),
        (32, 32, 64),
        [(3, 3, 3, 64)],
    ),
    "004, feature maps: 128": (
        layers.Conv2D(128, 3, padding="same"),
        (32, 32, 64),
        (32, 32, 128),
        [(3, 3, 64, 128)],
    ),
    "004, feature maps: 256": (
        layers.Conv2D(256, 3, padding="same"),
        (32, 32, 128),
        (32, 32, 256),
        [(3, 3, 128, 256)],
    ),
    "003, V.E: pooling has none": (layers.MaxPooling2D(2), (4, 4, 3), (2, 2, 3), []),
    "004, pooling: four pixels to one": (layers.AveragePooling2D(2), (224, 224, 3), (112, 112, 3), []),
    "004, separable: 64 filters": (
        layers.SeparableConv2D(64, 3, padding="same"),
        (64, 64, 32),
        (64, 64, 64),
        [(3, 3, 32, 1), (1, 1, 32, 64)],
    ),
}


@pytest.mark.parametrize(("layer", "seen", "left", "kernels"), KERNELS.values(), ids=KERNELS)
def test_a_kernel_is_as_deep_as_what_it_sees_and_each_makes_a_feature_map(layer, seen, left, kernels):
    assert layer(np.zeros((1, *seen), "float32")).shape == (1, *left)
    assert [w.shape for w in layer.weights if w.name != "bias"] == kernels


# 004, "Depthwise convolution" and "Separable convolutions", 32 channels; the first is said to be of 1 kernel.
COUNTS = {
    "64 kernels, not 1": (layers.Conv2D(64, 3, use_bias=False), 18432),
    "depthwise": (layers.DepthwiseConv2D(3, use_bias=False), 288),
    "pointwise": (layers.Conv2D(64, 1, use_bias=False), 2048),
    "separable": (layers.SeparableConv2D(64, 3, use_bias=False), 288 + 2048),
}


@pytest.mark.parametrize(("layer", "count"), COUNTS.values(), ids=COUNTS)
def test_a_separable_convolution_has_about_an_eighth_of_the_weights(layer, count):
    layer.build((None, 64, 64, 32))
    assert layer.count_params() == count
