import keras
import numpy as np
import pytest
import tensorflow as tf
from gradients import value_and_gradients

from multitask.errors import UserError
from multitask.ops.dropout import dropout

X = tf.constant(np.random.default_rng(0).normal(size=(6, 50)), tf.float32)


@pytest.mark.parametrize(
    ("mode", "dtype"), [("eager", "float32"), ("eager", "bfloat16"), ("graph", "float32"), ("xla", "float32")]
)
def test_keras_drops_the_same_to_the_bit(mode, dtype):
    """Draw after draw from one generator; the gradient goes where the value went."""
    x = tf.cast(X, dtype)
    ours, theirs = keras.random.SeedGenerator(7), keras.random.SeedGenerator(7)
    a, (dx,) = value_and_gradients(
        lambda x: tf.stack([dropout(x, rate, ours) for rate in (0.3, 0.3, 0.9)]), [x], None, mode
    )
    twin, (dtwin,) = value_and_gradients(
        lambda x: tf.stack([keras.random.dropout(x, rate, seed=theirs) for rate in (0.3, 0.3, 0.9)]),
        [x],
        None,
        mode,
    )
    assert (a[0] != a[1]).any()
    np.testing.assert_array_equal(a, twin)
    np.testing.assert_array_equal(dx, dtwin)
    np.testing.assert_array_equal(ours.state, theirs.state)


def test_the_kept_are_scaled_and_the_dropped_are_zero_whatever_they_were():
    x = tf.where(X > 1, np.inf, X)
    a = dropout(x, 0.5, 3).numpy()
    kept = a != 0
    assert 0.3 < kept.mean() < 0.7
    np.testing.assert_array_equal(a[kept], 2 * x.numpy()[kept])


def test_what_noise_shape_joins_falls_together():
    kept = dropout(X, 0.5, 3, noise_shape=(None, 1)).numpy() != 0
    assert (kept == kept[:, :1]).all()
    assert 0 < kept[:, 0].sum() < 6


def test_rate_0_draws_nothing_and_rate_1_keeps_nothing():
    seed = keras.random.SeedGenerator(7)
    before = np.array(seed.state)
    np.testing.assert_array_equal(dropout(X, 0, seed), X)
    np.testing.assert_array_equal(seed.state, before)
    a, (dx,) = value_and_gradients(lambda x: dropout(x, 1, seed), [X])
    np.testing.assert_array_equal(a, np.zeros_like(X))
    np.testing.assert_array_equal(dx, np.zeros_like(X))


@pytest.mark.parametrize("rate", [-0.1, 1.5])
def test_other_rates_are_refused(rate):
    with pytest.raises(UserError, match=f"0..1. Received: rate={rate}"):
        dropout(X, rate, 1)
