"""The network of notes 000 and 001, "Backpropagation in CNN": one forward, one backward, one update by hand.

    Z1 = conv(X, W1) + b1, A1 = relu(Z1), P1 = maxpool(A1), F = flatten(P1), z2 = W2 F + b2, A2 = sigmoid(z2)

The notes leave it in letters. Here it sees the picture of 003 through 003's vertical filter, with b1, W2 and
b2 such that one window of four is dead, z2 = 1, and every derivative is a short multiple of A2 - Y.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from worked import PICTURE, VERTICAL, conv

from multitask import layers, ops

W1, B1, W2, B2, Y, ETA = VERTICAL, -4.5, np.array([0.2, 0.1, 0.3, 0.4]), -0.45, 1.0, 0.5
A2 = 1 / (1 + np.exp(-1))
E = A2 - Y  # -0.268941...

FORWARD = {
    "Z1": conv(PICTURE, VERTICAL) - 4.5,
    "A1": [[0, 0, 0, 9.5], [1.5, 0, 0, 4.5], [0, 0, 0, 0.5], [0, 0, 0, 0]],
    "P1": [[1.5, 9.5], [0, 0.5]],
    "F": [1.5, 9.5, 0, 0.5],
    "z2": [0.3 + 0.95 + 0 + 0.2 - 0.45],
    "A2": [0.731058578630],
    "L": [0.313261687518],
}
# 001 has dL/da2 on the left of dL/dw2's chain, -y for -a y in a numerator, dz2/dw2 = 1 for F, dL/dZ1 for
# relu's dA1/dZ1, dL/dW2 on the left of dL/dW1's last chain, and (A2 - y) W2 for W2^T (A2 - y).
BACKWARD = {
    "A2": [E / (A2 * (1 - A2))],
    "z2": [E],
    "W2": E * np.array([1.5, 9.5, 0, 0.5]),
    "b2": [E],
    "F": E * np.array([0.2, 0.1, 0.3, 0.4]),
    "P1": E * np.array([[0.2, 0.1], [0.3, 0.4]]),
    # The dead window's values are all 0: its first takes the error, and relu stops it.
    "A1": E * np.array([[0, 0, 0, 0.1], [0.2, 0, 0, 0], [0.3, 0, 0, 0.4], [0, 0, 0, 0]]),
    "Z1": E * np.array([[0, 0, 0, 0.1], [0.2, 0, 0, 0], [0, 0, 0, 0.4], [0, 0, 0, 0]]),
    # 0.2 X[1:4, 0:3] + 0.1 X[0:3, 3:6] + 0.4 X[2:5, 3:6]
    "W1": E * np.array([[5.0, 5.2, 2.2], [3.8, 4.6, 4.6], [4.3, 5.4, 1.7]]),
    "b1": [E * 0.7],
}
UPDATED = {
    "W1": W1 - ETA * BACKWARD["W1"],
    "b1": [-4.4058705025],  # -4.5 + 0.5 * 0.7 * 0.268941421
    "W2": [0.4017060661, 1.3774717526, 0.3, 0.4672353553],
    "b2": [-0.3155292893],
}


def forward(images, labels, w1, b1, w2, b2):
    z1 = ops.conv2d(images, tf.reshape(w1, [3, 3, 1, 1]), b1)
    a1 = ops.relu(z1)
    p1 = ops.max_pool(a1, (2, 2))
    f = ops.flatten(p1)
    z2 = ops.dense(f, tf.reshape(w2, [4, 1]), b2)
    a2 = ops.sigmoid(z2)
    losses = ops.sigmoid_cross_entropy(labels[:, None], z2)
    return {"Z1": z1, "A1": a1, "P1": p1, "F": f, "z2": z2, "A2": a2, "L": losses}


@pytest.fixture(scope="module")
def there_and_back():
    """Values and derivatives by name: of the loss written out for dL/dA2, from the logits for all others."""
    x, y = tf.constant(PICTURE[None, :, :, None]), tf.constant([Y], tf.float64)
    weights = {"W1": W1, "b1": [B1], "W2": W2, "b2": [B2]}
    weights = {name: tf.constant(w, tf.float64) for name, w in weights.items()}
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(weights)
        values = forward(x, y, *weights.values())
        written_out = -y * tf.math.log(values["A2"]) - (1 - y) * tf.math.log(1 - values["A2"])
    sources = weights | {name: values[name] for name in ("z2", "F", "P1", "A1", "Z1")}
    derivatives = tape.gradient(values["L"], sources)
    slope = tape.gradient(written_out, values["A2"])
    through = tape.gradient(values["A2"], values["z2"], slope)
    return values, derivatives | {"A2": slope, "z2 by A2": through}


@pytest.mark.parametrize("name", FORWARD)
def test_forward(there_and_back, name):
    values, _ = there_and_back
    np.testing.assert_allclose(np.ravel(values[name]), np.ravel(FORWARD[name]), atol=1e-11)


@pytest.mark.parametrize("name", BACKWARD)
def test_backward(there_and_back, name):
    _, derivatives = there_and_back
    np.testing.assert_allclose(np.ravel(derivatives[name]), np.ravel(BACKWARD[name]), atol=1e-12)


def test_the_loss_from_logits_goes_the_way_that_the_chain_rule_goes(there_and_back):
    """(a - y) / (a (1 - a)) times a (1 - a) is a - y."""
    _, derivatives = there_and_back
    np.testing.assert_allclose(derivatives["z2 by A2"], [[E]], rtol=1e-12)


@pytest.mark.parametrize("name", UPDATED)
def test_update(there_and_back, name):
    old = {"W1": W1, "b1": B1, "W2": W2, "b2": B2}[name]
    new = old - ETA * there_and_back[1][name].numpy()
    np.testing.assert_allclose(np.ravel(new), np.ravel(UPDATED[name]), atol=1e-9)


def test_of_m_images_the_gradient_is_the_mean():
    """L = 1/m sum_i l_i, so dW2 = 1/m (A2 - Y) F^T and db2 = 1/m sum(A2 - Y).

    001 has neither 1/m nor the sum.
    """
    images, labels = np.stack([PICTURE, PICTURE.T, PICTURE[::-1]])[..., None], np.array([1.0, 0, 1])
    weights = [tf.constant(w, tf.float64) for w in (W1, [B1], W2, [B2])]
    with tf.GradientTape() as tape:
        tape.watch(weights)
        values = forward(images, labels, *weights)
        loss = ops.weighted_mean(values["L"][:, 0], tf.ones(3, tf.float64))
    _, _, dw2, db2 = tape.gradient(loss, weights)
    f, a2 = values["F"].numpy().T, values["A2"].numpy().T  # [4, m], [1, m]
    np.testing.assert_allclose(dw2[None], (a2 - labels) @ f.T / 3, rtol=1e-12)
    np.testing.assert_allclose(db2, (a2 - labels).sum(1) / 3, rtol=1e-12)


def test_the_network_of_layers_has_15_parameters_and_takes_the_same_step():
    network = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(1, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )
    assert network.count_params() == 15
    network.set_weights([W1.reshape(3, 3, 1, 1), np.array([B1]), W2.reshape(4, 1), np.array([B2])])
    network.compile(keras.optimizers.SGD(ETA), keras.losses.BinaryCrossentropy(from_logits=True))
    network.train_on_batch(PICTURE[None, :, :, None], np.array([[Y]]))
    for name, weight in zip(["W1", "b1", "W2", "b2"], network.get_weights(), strict=True):
        np.testing.assert_allclose(weight.ravel(), np.ravel(UPDATED[name]), rtol=1e-5)
