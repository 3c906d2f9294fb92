import numpy as np
import pytest
import tensorflow as tf
from gradients import value_and_gradients

from multitask.ops.dense import dense, flatten

RNG = np.random.default_rng(0)
MODES = ["eager", "graph"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("shape", [(6,), (1,), (0,), (2, 3), (0, 3), (2, 3, 2)])
def test_dense_and_its_gradients_are_sums_over_what_stands_before_the_features(shape, biased, mode):
    x, kernel, dz = RNG.normal(size=(*shape, 4)), RNG.normal(size=(4, 5)), RNG.normal(size=(*shape, 5))
    bias = [RNG.normal(size=5)] if biased else []
    z, gradients = value_and_gradients(dense, [x, kernel, *bias], dz, mode)
    np.testing.assert_allclose(z, np.einsum("...f,fu->...u", x, kernel) + sum(bias), rtol=1e-12)
    expected = [
        np.einsum("...u,fu->...f", dz, kernel),
        x.reshape(-1, 4).T @ dz.reshape(-1, 5),
        dz.reshape(-1, 5).sum(0),
    ]
    for dx, wanted in zip(gradients, expected, strict=False):
        np.testing.assert_allclose(dx, wanted, rtol=1e-9, atol=1e-12)


def test_dense_knows_its_shape_before_the_batch_is_known():
    @tf.function(input_signature=[tf.TensorSpec([None, 3, None, 4])])
    def trace(x):
        z = dense(x, tf.zeros((4, 5)))
        assert z.shape.as_list() == [None, 3, None, 5]
        return z

    assert trace(tf.zeros((2, 3, 1, 4))).shape == (2, 3, 1, 5)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 3), (2,), (0, 3, 4), (2, 0)])
def test_flatten_keeps_the_order_and_its_gradient_the_shape(shape, mode):
    x = np.arange(np.prod(shape), dtype=float).reshape(shape)
    f, (dx,) = value_and_gradients(flatten, [x], None, mode)
    np.testing.assert_array_equal(f, x.reshape(shape[0], int(np.prod(shape[1:]))))
    np.testing.assert_array_equal(dx, np.ones(shape))
    _, (dx,) = value_and_gradients(flatten, [x], f, mode)
    np.testing.assert_array_equal(dx, x)


def test_flatten_knows_its_features_before_the_batch_and_the_batch_before_its_features():
    @tf.function(input_signature=[tf.TensorSpec([None, 3, 2]), tf.TensorSpec([2, None, 3])])
    def trace(x, y):
        assert flatten(x).shape.as_list() == [None, 6]
        assert flatten(y).shape.as_list() == [2, None]
        return flatten(y)

    assert trace(tf.zeros((4, 3, 2)), tf.zeros((2, 5, 3))).shape == (2, 15)
