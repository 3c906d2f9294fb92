import keras
import numpy as np
import pytest
import tensorflow as tf
from gradients import value_and_gradients

from multitask.errors import UserError
from multitask.ops import activation

X = np.array([-7, -2, -1, -0.5, -0.0, 0, 0.3, 0.5, 1, 2, 5, 7.5])
DY = np.linspace(-1, 2, len(X))


def expit(x):
    return 1 / (1 + np.exp(-x))


# Each with its formula and its derivative; the kinks (0, 0.5, 1, -1, 2, 5) are among X.
CASES = {
    "relu": (activation.relu, lambda x: np.maximum(x, 0), lambda x: x > 0),
    "relu6": (
        lambda x: activation.relu(x, max_value=6),
        lambda x: np.clip(x, 0, 6),
        lambda x: (x > 0) & (x < 6),
    ),
    "capped relu": (
        lambda x: activation.relu(x, max_value=2),
        lambda x: np.clip(x, 0, 2),
        lambda x: (x > 0) & (x < 2),
    ),
    "thresholded relu": (
        lambda x: activation.relu(x, threshold=0.5),
        lambda x: x * (x > 0.5),
        lambda x: x > 0.5,
    ),
    "sloping relu": (
        lambda x: activation.relu(x, 0.1, 5, 0.5),
        lambda x: np.where(x > 0.5, np.minimum(x, 5), 0.1 * (x - 0.5)),
        lambda x: np.where(x > 0.5, x < 5, 0.1),
    ),
    "relu as leaky relu": (
        lambda x: activation.relu(x, 0.2),
        lambda x: np.where(x > 0, x, 0.2 * x),
        lambda x: np.where(x > 0, 1, 0.2),
    ),
    "leaky relu": (
        activation.leaky_relu,
        lambda x: np.where(x > 0, x, 0.3 * x),
        lambda x: np.where(x > 0, 1, 0.3),
    ),
    "sigmoid": (activation.sigmoid, expit, lambda x: expit(x) * (1 - expit(x))),
    "sigmoid of slope a": (
        lambda x: activation.sigmoid(x, 2.5),
        lambda x: expit(2.5 * x),
        lambda x: 2.5 * expit(2.5 * x) * (1 - expit(2.5 * x)),
    ),
    "tanh": (activation.tanh, np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "tanh of a and b": (
        lambda x: activation.tanh(x, 1.7159, 2 / 3),
        lambda x: 1.7159 * np.tanh(2 / 3 * x),
        lambda x: 1.7159 * 2 / 3 / np.cosh(2 / 3 * x) ** 2,
    ),
    "hard limit": (activation.hard_limit, lambda x: x >= 0, np.zeros_like),
    "symmetric hard limit": (
        activation.symmetric_hard_limit,
        lambda x: np.where(x >= 0, 1, -1),
        np.zeros_like,
    ),
    "linear": (activation.linear, lambda x: x, np.ones_like),
    "saturated linear": (
        activation.saturated_linear,
        lambda x: np.clip(x, 0, 1),
        lambda x: (x > 0) & (x < 1),
    ),
    "symmetric saturated linear": (
        activation.symmetric_saturated_linear,
        lambda x: np.clip(x, -1, 1),
        lambda x: (x > -1) & (x < 1),
    ),
}


@pytest.mark.parametrize("mode", ["eager", "graph"])
@pytest.mark.parametrize("name", CASES)
def test_an_activation_and_its_derivative_are_their_formulas(name, mode):
    op, formula, derivative = CASES[name]
    y, (dx,) = value_and_gradients(op, [X], DY, mode)
    np.testing.assert_allclose(y, formula(X), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(dx, derivative(X) * DY, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("op", "twin"),
    [
        (activation.relu, keras.activations.relu),
        (lambda x: activation.relu(x, max_value=6), keras.activations.relu6),
        (lambda x: activation.relu(x, threshold=1), lambda x: keras.activations.relu(x, threshold=1)),
        (
            lambda x: activation.relu(x, 0.1, 5, 1),
            lambda x: keras.activations.relu(x, negative_slope=0.1, max_value=5, threshold=1),
        ),
        (lambda x: activation.leaky_relu(x, 0.2), keras.activations.leaky_relu),
        (activation.sigmoid, keras.activations.sigmoid),
        (activation.tanh, keras.activations.tanh),
        (activation.linear, keras.activations.linear),
        (activation.symmetric_saturated_linear, keras.activations.hard_tanh),
        (activation.symmetric_hard_limit, keras.ops.sign),
        (activation.softmax, keras.activations.softmax),
    ],
)
def test_what_is_not_finite_becomes_what_it_becomes_in_keras(op, twin):
    x = np.array(
        [[np.nan, 1.0, 2.0], [np.inf, 1.0, 2.0], [-np.inf, 1.0, 2.0], [-1e30, 1e30, 2.0]], np.float32
    )
    np.testing.assert_allclose(op(x), twin(x), rtol=1e-6)


@pytest.mark.parametrize("name", ["hard_limit", "saturated_linear"])
def test_nan_is_passed_on_and_infinities_are_limits(name):
    op = getattr(activation, name)
    np.testing.assert_array_equal(op(np.array([np.nan, np.inf, -np.inf])), [np.nan, 1, 0])


@pytest.mark.parametrize("mode", ["eager", "graph"])
@pytest.mark.parametrize("axis", [-1, 1, (1, 2), (-1, 0)])
def test_softmax_and_its_jacobian_are_their_formulas(axis, mode):
    x, ds = np.random.default_rng(0).normal(size=(2, 3, 2, 4))
    e = np.exp(x)
    s = e / e.sum(axis, keepdims=True)
    found, (dx,) = value_and_gradients(lambda x: activation.softmax(x, axis), [x], ds, mode)
    np.testing.assert_allclose(found, s, rtol=1e-12)
    np.testing.assert_allclose(dx, s * ds - s * (s * ds).sum(axis, keepdims=True), rtol=1e-9)


@pytest.mark.parametrize(
    ("op", "arguments"),
    [
        ("relu", {"negative_slope": -0.1}),
        ("relu", {"max_value": -1.0}),
        ("relu", {"threshold": -1.0}),
        ("tanh", {"a": 0}),
    ],
)
def test_arguments_without_a_meaning_are_refused(op, arguments):
    (name, value), *_ = arguments.items()
    with pytest.raises(UserError, match=f"{name}.*{op} must not be .*Received: {name}={value}"):
        getattr(activation, op)(tf.zeros(3), **arguments)
