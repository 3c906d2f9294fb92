"""The perceptron: notes 004, "Activation function" to the AND and OR problems; 002, its neuron."""

import numpy as np
import pytest
import tensorflow as tf
from worked import there_and_back

from multitask import ops

# x, y, then v, error, w and b afterwards; all examples once, then again, as far as the notes go.
AND = [
    ((0, 0), 0, 1, -1, (1, 2), 0),
    ((0, 1), 0, 2, -1, (1, 1), -1),
    ((1, 0), 0, 0, -1, (0, 1), -2),  # has w = (0, 0) at first, and (-1)(-1) for 1(-1)
    ((1, 1), 1, -1, 1, (1, 2), -1),
    ((0, 0), 0, -1, 0, (1, 2), -1),
    ((0, 1), 0, 1, -1, (1, 1), -2),
    ((1, 0), 0, -1, 0, (1, 1), -2),  # has 0(0) for 1(0)
    ((1, 1), 1, 0, 0, (1, 1), -2),  # has 0 - 1 = 0 for 1 - 1 = 0
    ((0, 0), 0, -2, 0, (1, 1), -2),
    ((0, 1), 0, -1, 0, (1, 1), -2),
]
OR = [
    ((0, 0), 0, 0, -1, (1, 1), -1),  # has hardlim(0) = 0, and goes on with the right 1
    ((0, 1), 1, 0, 0, (1, 1), -1),
    ((1, 0), 1, 0, 0, (1, 1), -1),
    ((1, 1), 1, 1, 0, (1, 1), -1),
    ((0, 0), 0, -1, 0, (1, 1), -1),
]


@pytest.mark.parametrize(
    ("w", "b", "steps"), [((1, 2), 1, AND), ((1, 1), 0, OR)], ids=["AND", "OR, whose hardlim(0) once is 0"]
)
def test_the_perceptron_learns_step_by_step(w, b, steps):
    """w + eta (y - y_hat) x, eta = 1: dense's way back for squared_error's, which linear lets through."""
    w, b = tf.constant(w, tf.float64), tf.constant(b, tf.float64)
    for x, y, v, error, new_w, new_b in steps:
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([w, b])
            found = ops.dense(np.array([x], float), w[:, None], b[None])  # [1, 1]
            y_hat = ops.hard_limit(found)
            tape.watch(y_hat)
            loss = ops.squared_error([[y]], y_hat)
        np.testing.assert_array_equal(found, [[v]])
        np.testing.assert_array_equal(y - y_hat, [[error]])
        dw, db = tape.gradient(found, [w, b], tape.gradient(loss, y_hat))
        w, b = w - dw, b - db
        np.testing.assert_array_equal(w, new_w)
        np.testing.assert_array_equal(b, new_b)


@pytest.mark.parametrize(
    ("b", "y"), [(-2, [0, 0, 0, 1]), (-1, [0, 1, 1, 1])], ids=["AND: x1 + x2 - 2", "OR: x1 + x2 - 1"]
)
def test_what_it_learned_is_the_gate(b, y):
    x = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    y_hat = ops.hard_limit(ops.dense(x, np.ones((2, 1)), np.array([float(b)])))
    np.testing.assert_array_equal(y_hat[:, 0], y)


def test_a_neuron_that_falls_short_and_one_on_the_step():
    """004, "Activation function": v = -2(1) + 1(1) + 0; v >= 0 is 1, 0 included."""
    v = ops.dense(np.array([[1.0, 1.0]]), np.array([[1.0], [-2.0]]), np.zeros(1))
    np.testing.assert_array_equal(v, [[-1]])
    np.testing.assert_array_equal(ops.hard_limit(v), [[0]])
    np.testing.assert_array_equal(ops.symmetric_hard_limit(v), [[-1]])
    np.testing.assert_array_equal(ops.hard_limit([0.0, 1, 2]), [1, 1, 1])
    np.testing.assert_array_equal(ops.symmetric_hard_limit([0.0, 1, 2]), [1, 1, 1])


NEURONS = {
    "002: 0.38": ((0.5, 0.1), 0.38, 6.8644),
    # 002 has (0.7 x 0.5) + (0.8 x 0.1) = 0.43 and 6.604: the weight 0.7 took the place of the input 0.6.
    "002: 0.50, has 0.43": ((0.7, 0.1), 0.5, 6.25),
}


@pytest.mark.parametrize(("w", "y_hat", "loss"), NEURONS.values(), ids=NEURONS)
def test_a_linear_neuron_its_loss_and_its_gradient(w, y_hat, loss):
    """002's neuron, x = (0.6, 0.8) and y = 3, with 004's gradient: -(y - y_hat) x and -(y - y_hat).

    002's loss is (y_hat - y)^2, 004's and the op's 1/2 of it.
    """
    x = np.array([[0.6, 0.8]])
    arguments = [np.array(w)[:, None], np.zeros(1)]
    found, _ = there_and_back(lambda w, b: ops.linear(ops.dense(x, w, b)), arguments, [[1.0]])
    np.testing.assert_allclose(found, [[y_hat]], rtol=1e-12)
    half, (dw, db) = there_and_back(
        lambda w, b: ops.squared_error([[3.0]], ops.linear(ops.dense(x, w, b))), arguments, [[1.0]]
    )
    np.testing.assert_allclose(2 * half, [[loss]], rtol=1e-12)
    np.testing.assert_allclose(dw[:, 0], [-(3 - y_hat) * 0.6, -(3 - y_hat) * 0.8], rtol=1e-12)
    np.testing.assert_allclose(db, [-(3 - y_hat)], rtol=1e-12)


@pytest.mark.parametrize(("y_hat", "loss"), [(0.43, 6.6049), (0.38, 6.8644)])
def test_the_loss_of_a_given_answer(y_hat, loss):
    """002 cuts both off after three decimals: 6.604 and 6.864; the first rounds to 6.605."""
    np.testing.assert_allclose(2 * ops.squared_error(3.0, np.array(y_hat)), loss, rtol=1e-12)


@pytest.mark.parametrize(("eta", "new"), [(1, 0.2), (0.01, 0.497)])
def test_the_learning_rate_says_how_much_of_the_gradient_is_taken(eta, new):
    """002: w = 0.5 and dL/dw = 0.3, here that of L = 0.3 w. (002 has w1 = dloss/dw1 = 0.3.)"""
    w = np.array([[0.5]])
    _, (dw,) = there_and_back(lambda w: ops.dense(np.array([[0.3]]), w), [w], [[1.0]])
    np.testing.assert_allclose(w - eta * dw, [[new]], rtol=1e-12)


def test_errors_that_cancel_still_cost():
    """004, "Digression": errors 1 and -1, net error 1."""
    np.testing.assert_allclose(ops.squared_error([3.0, 3.0], np.array([2.0, 4.0])), [0.5, 0.5])


def test_relu_keeps_what_is_positive():
    """002: max(0, 16)."""
    np.testing.assert_array_equal(ops.relu([16.0, -16.0]), [16, 0])
