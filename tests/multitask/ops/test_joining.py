import numpy as np
import pytest
import tensorflow as tf
from gradients import value_and_gradients

from multitask.ops.joining import add, concatenate, multiply

RNG = np.random.default_rng(0)
MODES = ["eager", "graph"]


@pytest.mark.parametrize("mode", [*MODES, "xla"])
@pytest.mark.parametrize(
    "shapes",
    [
        [(2, 3)],
        [(2, 3), (2, 3)],
        [(2, 3), (2, 3), (2, 3)],
        [(2, 3), (1, 3)],
        [(1, 3), (2, 3)],
        [(2, 1), (1, 3)],
        [(2, 3, 4), (3, 1), (4,), ()],
        [(0, 3), (1, 3)],
        [(1, 3), (1, 1)],
    ],
)
def test_add_repeats_forward_and_sums_backward(shapes, mode):
    """In graphs the first axis of each is unknown, so whether it was repeated is known at run time alone."""
    xs = [RNG.normal(size=shape) for shape in shapes]
    total = sum(xs)
    dz = RNG.normal(size=total.shape)
    z, gradients = value_and_gradients(add, xs, dz, mode)
    np.testing.assert_allclose(z, total, rtol=1e-12)
    for x, dx in zip(xs, gradients, strict=True):
        missing = dz.ndim - x.ndim
        repeated = tuple(i for i, n in enumerate(x.shape, missing) if n != dz.shape[i])
        wanted = dz.sum((*range(missing), *repeated), keepdims=True).reshape(x.shape)
        np.testing.assert_allclose(dx, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("mode", [*MODES, "xla"])
@pytest.mark.parametrize("shapes", [[(2, 3)], [(2, 3, 4), (2, 1, 4)], [(2, 1), (1, 3), (3,)]])
def test_multiply_sends_back_what_the_others_were(shapes, mode):
    xs = [RNG.normal(size=shape) for shape in shapes]
    product = np.prod(np.broadcast_arrays(*xs), axis=0)
    dz = RNG.normal(size=product.shape)
    z, gradients = value_and_gradients(multiply, xs, dz, mode)
    np.testing.assert_allclose(z, product, rtol=1e-12)
    for i, (x, dx) in enumerate(zip(xs, gradients, strict=True)):
        dz_i = dz * np.prod(np.broadcast_arrays(dz, *xs[:i], *xs[i + 1 :])[1:], axis=0)
        missing = dz.ndim - x.ndim
        repeated = tuple(a for a, n in enumerate(x.shape, missing) if n != dz.shape[a])
        wanted = dz_i.sum((*range(missing), *repeated), keepdims=True).reshape(x.shape)
        np.testing.assert_allclose(dx, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_a_tensor_joined_with_itself_learns_from_both_places(mode):
    x = RNG.normal(size=(2, 3))
    _, (dx,) = value_and_gradients(lambda x: add(x, x, x), [x], x, mode)
    np.testing.assert_allclose(dx, 3 * x)
    _, (dx,) = value_and_gradients(lambda x: concatenate([x, x]), [x], np.c_[x, 2 * x], mode)
    np.testing.assert_allclose(dx, 3 * x)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("sizes", [[2], [2, 3], [1, 0, 4]])
def test_concatenate_takes_apart_backward_what_it_joined(sizes, axis, mode):
    xs = [RNG.normal(size=np.insert([2, 3], axis % 3, size)) for size in sizes]
    joined = np.concatenate(xs, axis)
    z, gradients = value_and_gradients(lambda *xs: concatenate(xs, axis), xs, joined, mode)
    np.testing.assert_array_equal(z, joined)
    for x, dx in zip(xs, gradients, strict=True):
        np.testing.assert_array_equal(dx, x)


def test_joined_shapes_are_known_as_far_as_their_parts_are():
    @tf.function(input_signature=[tf.TensorSpec([None, 3]), tf.TensorSpec([None, 2])])
    def trace(x, y):
        assert concatenate([x, y]).shape.as_list() == [None, 5]
        assert add(x, y[:, :1]).shape.as_list() == [None, 3]
        return add(x, x)

    assert trace(tf.ones((2, 3)), tf.ones((2, 2))).shape == (2, 3)
