"""Notes 003, section IX: backpropagation through a whole network, equation by equation in NumPy.

Inp -> conv, relu, average pooling -> conv, relu, max pooling -> flatten, dense, softmax -> cross-entropy
"""

import numpy as np
import pytest
import tensorflow as tf
from worked import conv

from multitask import ops

RNG = np.random.default_rng(0)
INP, Y = RNG.normal(size=(14, 14)), np.array([0.0, 1, 0])
WEIGHTS = {
    "K1": RNG.normal(size=(3, 3)),
    "B1": np.array(0.1),
    "K2": RNG.normal(size=(3, 3)),
    "B2": np.array(0.2),
    "W3": RNG.normal(size=(3, 4)),
    "B3": RNG.normal(size=3),
}


def blocks(c):
    """Windows of 2x2: [2 H, 2 W] -> [H, W, 2, 2]."""
    return c.reshape(c.shape[0] // 2, 2, c.shape[1] // 2, 2).swapaxes(1, 2)


def by_the_notes(K1, B1, K2, B2, W3, B3):  # noqa: N803  the notes' own letters
    z1 = conv(INP, K1) + B1
    c1 = np.maximum(z1, 0)
    p1 = blocks(c1).mean((2, 3))
    z2 = conv(p1, K2) + B2
    c2 = np.maximum(z2, 0)
    p2 = blocks(c2).max((2, 3))
    f = p2.ravel()
    z3 = W3 @ f + B3
    y_pred = np.exp(z3) / np.exp(z3).sum()

    dz3 = y_pred - Y
    dw3, db3 = np.outer(dz3, f), dz3  # D once has f for f^T
    df = W3.T @ dz3
    dp2 = df.reshape(p2.shape)
    # In D, dP2 has indices m, n: right is the window x, y that C_mn is in, as in B.2.
    dc2 = np.where(c2 == p2.repeat(2, 0).repeat(2, 1), dp2.repeat(2, 0).repeat(2, 1), 0)
    dz2 = dc2 * (z2 > 0)
    dk2, db2 = conv(p1, dz2), dz2.sum()
    dp1 = conv(np.pad(dz2, 2), K2[::-1, ::-1])
    # D has dP2 for dP1, and dC1/dZ2 for dC1/dZ1; floor(m/2) counts from 0.
    dc1 = np.array([[dp1[m // 2, n // 2] / 4 for n in range(12)] for m in range(12)])
    dz1 = dc1 * (z1 > 0)
    return {"K1": conv(INP, dz1), "B1": dz1.sum(), "K2": dk2, "B2": db2, "W3": dw3, "B3": db3}


@pytest.fixture(scope="module")
def derivatives():
    weights = {name: tf.constant(w) for name, w in WEIGHTS.items()}
    with tf.GradientTape() as tape:
        tape.watch(weights)
        x = INP[None, :, :, None]
        for layer, pool in ("1", ops.average_pool), ("2", ops.max_pool):
            kernel = weights["K" + layer][:, :, None, None]
            x = pool(ops.relu(ops.conv2d(x, kernel, weights["B" + layer][None])), (2, 2))
        z3 = ops.dense(ops.flatten(x), tf.transpose(weights["W3"]), weights["B3"])
        loss = ops.softmax_cross_entropy(Y[None], z3)
    return tape.gradient(loss, weights)


@pytest.mark.parametrize("name", WEIGHTS)
def test_the_whole_way_back_is_the_notes_equations(derivatives, name):
    np.testing.assert_allclose(derivatives[name], by_the_notes(**WEIGHTS)[name], rtol=1e-9, atol=1e-12)
