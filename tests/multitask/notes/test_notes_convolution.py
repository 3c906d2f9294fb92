"""Convolution: notes 001, "Edge Detection" to "Strides"; 003, II to IV and VIII; 004, "Feature map"."""

import numpy as np
import pytest
from worked import HORIZONTAL, PICTURE, VERTICAL, channel, conv, filters, there_and_back

from multitask import ops

DARK_OVER_LIGHT = np.repeat([0.0, 255.0], 3)[:, None] * np.ones(6)
SMALL = [[7, 2, 3, 3, 8], [4, 5, 3, 8, 4], [3, 3, 2, 8, 4], [2, 8, 7, 2, 7], [5, 4, 4, 5, 4]]
WIDE = [[9, 8, 3, 6, 7, 9, 3], [8, 0, 9, 4, 7, 2, 1], [9, 10, 12, 6, 9, 8, 0]]
AROUND = ((1, 1), (1, 1))

# A picture, a filter, stride, padding and what comes out.
EDGES = {
    "003, II.C: vertical": (
        PICTURE,
        VERTICAL,
        1,
        "valid",
        [[-8, -9, -2, 14], [6, -3, -13, 9], [4, -4, -8, 5], [2, 2, 1, -3]],
    ),
    "003, II.E: horizontal": (
        PICTURE,
        HORIZONTAL,
        1,
        "valid",
        [[2, 5, -2, -2], [-12, -3, -3, -8], [-3, 7, 3, 9], [-11, -11, -11, -1]],
    ),
    # The picture is said to be 6x6, and shown with 7 columns.
    "001, edge detection": (
        DARK_OVER_LIGHT,
        -HORIZONTAL,
        1,
        "valid",
        [[0] * 4, [765] * 4, [765] * 4, [0] * 4],
    ),
    "001, padding: without": (SMALL, VERTICAL, 1, "valid", [[6, -9, -8], [-3, -2, -3], [-3, 0, -2]]),
    "001, padding: 5x5 kept": (
        SMALL,
        VERTICAL,
        1,
        "same",
        [
            [-7, 5, -4, -6, 11],
            [-10, 6, -9, -8, 19],
            [-16, -3, -2, -3, 18],
            [-15, -3, 0, -2, 15],
            [-12, -4, 5, 0, 7],
        ],
    ),
    "001, strides: 7x7 by 2": (SMALL, VERTICAL, 2, AROUND, [[-7, -4, 11], [-16, -2, 18], [-12, 5, 7]]),
    "001, strides: 6x6 by 2": (PICTURE, VERTICAL, 2, "valid", [[-8, -2], [4, -8]]),
    # The lower half of a picture that is said to be 6x7, then 7x6; it has 7 columns.
    "001, strides: 7 columns by 2": (WIDE, VERTICAL, 2, "valid", [[2, 1, 19]]),
}


@pytest.mark.parametrize(("x", "k", "s", "padding", "z"), EDGES.values(), ids=EDGES)
def test_edges_are_found_where_the_notes_find_them(x, k, s, padding, z):
    found = ops.conv2d(channel(x), filters(k), None, (s, s), padding)
    np.testing.assert_allclose(found[0, :, :, 0], z, atol=1e-12)


def test_each_output_is_the_sum_that_is_written_out():
    """004, "Feature map": letters a to p for the picture, q to y for the kernel.

    With a stride 004 has I(i + s + m, j + s + n); right is I(i s + m, j s + n).
    """
    a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p = np.arange(1.0, 17)  # noqa: E741
    q, r, s, t, u, v, w, x, y = np.arange(17.0, 26)
    picture = [[a, b, c, d], [e, f, g, h], [i, j, k, l], [m, n, o, p]]
    kernel = [[q, r, s], [t, u, v], [w, x, y]]
    expected = [
        [
            a * q + b * r + c * s + e * t + f * u + g * v + i * w + j * x + k * y,
            b * q + c * r + d * s + f * t + g * u + h * v + j * w + k * x + l * y,
        ],
        [
            e * q + f * r + g * s + i * t + j * u + k * v + m * w + n * x + o * y,
            f * q + g * r + h * s + j * t + k * u + l * v + n * w + o * x + p * y,
        ],
    ]
    found = ops.conv2d(channel(picture), filters(kernel))
    np.testing.assert_allclose(found[0, :, :, 0], expected, rtol=1e-12)


def test_with_a_stride_the_window_moves_by_it_in_both_directions():
    found = ops.conv2d(channel(PICTURE), filters(VERTICAL), None, (2, 3))
    np.testing.assert_allclose(found[0, :, :, 0], conv(PICTURE, VERTICAL)[::2, ::3], atol=1e-12)


def test_the_maps_of_the_channels_are_added():
    """003, section II.G; 004, "Feature map": v1 + v2 + v3."""
    rgb = np.stack([PICTURE, PICTURE.T, PICTURE[::-1]], axis=-1)
    kernel = np.stack([VERTICAL, HORIZONTAL, VERTICAL @ HORIZONTAL], axis=-1)
    expected = sum(conv(rgb[..., c], kernel[..., c]) for c in range(3))
    np.testing.assert_allclose(ops.conv2d(rgb[None], kernel[..., None])[0, :, :, 0], expected, rtol=1e-12)


def test_convolution_flips_the_kernel_which_deep_learning_does_not():
    """004, "Padding": x[n] = 1, 2, 3 becomes x[-n] = 3, 2, 1."""
    found = ops.conv2d(channel([[0, 0, 1, 0, 0]]), filters([[1, 2, 3]]), flip=True)
    np.testing.assert_array_equal(found[0, :, :, 0], [[1, 2, 3]])
    found = ops.conv2d(channel([[0, 0, 1, 0, 0]]), filters([[1, 2, 3]]))
    np.testing.assert_array_equal(found[0, :, :, 0], [[3, 2, 1]])


@pytest.mark.parametrize(
    ("padding", "seen"),
    [("valid", [1, 2, 3, 3, 2, 1]), ("same", [2, 3, 3, 3, 3, 2])],
    ids=["without padding", "with"],
)
def test_padding_shows_a_corner_to_four_windows_instead_of_one(padding, seen):
    """003, section III: dX counts the windows that see a pixel, where K and dZ are 1."""
    size = 6 if padding == "same" else 4
    _, (dx,) = there_and_back(
        lambda x: ops.conv2d(x, filters(np.ones((3, 3))), padding=padding),
        [channel(PICTURE)],
        channel(np.ones((size, size))),
    )
    np.testing.assert_allclose(dx[0, :, :, 0], np.outer(seen, seen), rtol=1e-12)


X, K, B = PICTURE[:3, :3], np.array([[1.0, 2], [3, 4]]), 0.5
DZ = np.array([[0.2, -1], [3, 0.7]])


@pytest.fixture
def there():
    z, (dx, dk, db) = there_and_back(ops.conv2d, [channel(X), filters(K), np.array([B])], channel(DZ))
    return z[0, :, :, 0], dx[0, :, :, 0], dk[:, :, 0, 0], db[0]


def test_forward_is_the_four_equations(there):
    """003, section VIII.B."""
    (x11, x12, x13), (x21, x22, x23), (x31, x32, x33) = X
    (k11, k12), (k21, k22) = K
    z11 = x11 * k11 + x12 * k12 + x21 * k21 + x22 * k22 + B
    z12 = x12 * k11 + x13 * k12 + x22 * k21 + x23 * k22 + B
    z21 = x21 * k11 + x22 * k12 + x31 * k21 + x32 * k22 + B
    z22 = x22 * k11 + x23 * k12 + x32 * k21 + x33 * k22 + B
    np.testing.assert_allclose(there[0], [[z11, z12], [z21, z22]], rtol=1e-12)


def test_the_kernels_gradient_is_the_four_equations_and_conv_of_x_with_dz(there):
    """003, section VIII.C; 001, "Backpropagation in CNN" (where a list in between lacks the factors x)."""
    (x11, x12, x13), (x21, x22, x23), (x31, x32, x33) = X
    (dz11, dz12), (dz21, dz22) = DZ
    dk11 = dz11 * x11 + dz12 * x12 + dz21 * x21 + dz22 * x22
    dk12 = dz11 * x12 + dz12 * x13 + dz21 * x22 + dz22 * x23
    dk21 = dz11 * x21 + dz12 * x22 + dz21 * x31 + dz22 * x32
    dk22 = dz11 * x22 + dz12 * x23 + dz21 * x32 + dz22 * x33
    np.testing.assert_allclose(there[2], [[dk11, dk12], [dk21, dk22]], rtol=1e-12)
    np.testing.assert_allclose(there[2], conv(X, DZ), rtol=1e-12)


def test_the_biass_gradient_is_the_sum_of_dz(there):
    """003, section VIII.D, where D.2.a first has dZ11/dB = Z11; it is 1, as said right after."""
    np.testing.assert_allclose(there[3], 0.2 - 1 + 3 + 0.7, rtol=1e-12)


def test_the_pictures_gradient_is_the_nine_equations_and_conv_of_padded_dz_with_k_rotated(there):
    """003, section VIII.E, where dX12 first has dZ12/dX12 in both terms; the first is dZ11/dX12."""
    (k11, k12), (k21, k22) = K
    (dz11, dz12), (dz21, dz22) = DZ
    dx11 = dz11 * k11
    dx12 = dz11 * k12 + dz12 * k11
    dx13 = dz12 * k12
    dx21 = dz11 * k21 + dz21 * k11
    dx22 = dz11 * k22 + dz12 * k21 + dz21 * k12 + dz22 * k11
    dx23 = dz12 * k22 + dz22 * k12
    dx31 = dz21 * k21
    dx32 = dz21 * k22 + dz22 * k21
    dx33 = dz22 * k22
    expected = [[dx11, dx12, dx13], [dx21, dx22, dx23], [dx31, dx32, dx33]]
    np.testing.assert_allclose(there[1], expected, rtol=1e-12)
    np.testing.assert_allclose(there[1], conv(np.pad(DZ, 1), K[::-1, ::-1]), rtol=1e-12)
