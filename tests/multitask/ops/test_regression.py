import numpy as np
import pytest
import tensorflow as tf
from gradients import value_and_gradients

from multitask.errors import UserError
from multitask.ops.regression import absolute_error, squared_error, weighted_mean

RNG = np.random.default_rng(0)
Y, A, DL = RNG.normal(size=(3, 5, 2))
A[1, 0] = Y[1, 0]
FORMULAS = {
    squared_error: (lambda y, a: (y - a) ** 2 / 2, lambda y, a: a - y),
    absolute_error: (lambda y, a: abs(y - a), lambda y, a: np.sign(a - y)),
}


@pytest.mark.parametrize("mode", ["eager", "graph"])
@pytest.mark.parametrize("weights", [None, RNG.random((5, 1)), RNG.random((5, 2))])
@pytest.mark.parametrize("op", FORMULAS)
def test_an_error_and_its_derivative_are_their_formulas(op, weights, mode):
    """A label that is met exactly, where |y - a| has its kink, is among them."""
    formula, derivative = FORMULAS[op]
    w = 1 if weights is None else weights
    losses, (dy, da) = value_and_gradients(lambda y, a: op(y, a, weights), [Y, A], DL, mode)
    np.testing.assert_allclose(losses, w * formula(Y, A), rtol=1e-12)
    np.testing.assert_allclose(da, w * DL * derivative(Y, A), rtol=1e-12)
    assert dy is None


def test_whole_labels_are_compared_with_half_precision_in_single():
    labels, predictions = tf.constant([1001, -3]), tf.constant([1000, -3], tf.bfloat16)
    assert absolute_error(labels, predictions).dtype == tf.bfloat16
    np.testing.assert_array_equal(absolute_error(labels, predictions), [1, 0])


@pytest.mark.parametrize(
    ("labels", "weights", "message"),
    [
        ((5,), None, r"labels must have the shape.*\(5,\), not \(5, 2\)"),
        ((5, 1), None, r"labels must have the shape.*\(5, 1\), not \(5, 2\)"),
        ((5, 2), (5,), r"weights must have as many axes.*\(5,\), losses \(5, 2\)"),
    ],
)
@pytest.mark.parametrize("op", FORMULAS)
def test_shapes_that_would_be_broadcast_by_mistake_are_refused(op, labels, weights, message):
    with pytest.raises(UserError, match=message):
        op(np.zeros(labels), np.zeros((5, 2)), None if weights is None else np.ones(weights))


@pytest.mark.parametrize("mode", ["eager", "graph"])
@pytest.mark.parametrize("total", [None, 7.0])
def test_the_weighted_mean_divides_by_the_weights_or_by_what_they_sum_to_elsewhere(total, mode):
    losses, weights = np.array([1.0, 2, 3]), np.array([2.0, 0, 1])
    value, (dlosses, dweights) = value_and_gradients(
        lambda x, w: weighted_mean(x, w, total), [losses, weights], 6.0, mode
    )
    np.testing.assert_allclose(value, 5 / (total or 3), rtol=1e-12)
    np.testing.assert_allclose(dlosses, 6 * weights / (total or 3), rtol=1e-12)
    assert dweights is None


def test_the_mean_of_nothing_that_counts_is_0_and_asks_for_nothing():
    value, (dlosses,) = value_and_gradients(lambda x: weighted_mean(x, tf.zeros(3)), [tf.ones(3)])
    assert value == 0
    np.testing.assert_array_equal(dlosses, np.zeros(3))
