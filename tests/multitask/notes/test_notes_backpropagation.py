"""Notes 004, "Problem on back propagation": two inputs, two hidden neurons, one output, two iterations.

The notes round every step to about three digits and carry that on; here stands what is right to six. Beside
it what the notes have where their digits say something else.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from multitask import layers, ops

X, DESIRED = np.array([[0.3, 0.5]]), np.array([[0.5]])
# Given as w41 = 0.2 and w42 = 0.3; all that is calculated has it the other way round.
HIDDEN, OUTPUT = np.array([[0.1, 0.3], [0.4, 0.2]]), np.array([[0.2], [0.4]])  # [input, neuron]

FIRST = {
    "H3": 0.23,
    "H4": 0.19,
    "H5": 0.330393,  # 0.3802
    "y3": 0.557248,  # ... - 1 / (1 + e^-0.23) = 0.557, with a minus for an equals sign
    "y4": 0.547358,
    "y5": 0.581855,  # 0.581
    "error": -0.0818549,  # -0.081
    "delta5": -0.0199153,  # -0.019
    "delta3": -0.000982710,  # -0.000937
    "delta4": -0.00197366,  # -0.00188
    "dw53": -0.0110977,  # -0.0105
    "dw54": -0.0109008,  # -0.0103
    "dw31": -0.000294813,  # -0.000281
    "dw32": -0.000491355,  # 1 (-0.009317) 0.5 = -0.00468
    "dw41": -0.000592099,  # 1 (-0.0018)(0.3) = -0.000564
    "dw42": -0.000986831,  # -0.00094
    "w53": 0.188902,  # 0.1895
    "w54": 0.389099,  # 0.3897
    "w31": 0.0997052,  # 0.099720; named w81 in the list
    "w32": 0.399509,  # 0.4 - 0.00468 = 0.39953
    "w41": 0.299408,  # 0.29943
    "w42": 0.199013,  # 0.2 + (-0.0094) = 0.19905
}
SECOND = {
    "H3": 0.229666,  # 0.0997(0.3) + 0.3953(0.5) = 0.2296, with 0.3953 for 0.39953
    "H4": 0.189329,
    "H5": 0.318162,  # 0.3187
    "y3": 0.557165,
    "y4": 0.547191,
    "y5": 0.578876,
    "error": -0.0788761,
    "delta5": -0.0192283,  # 0.579(1 - 0.579)(0.079) = -0.0192, with 0.079 for -0.079
    "delta3": -0.000896198,  # -0.0008977
    "delta4": -0.00185377,  # 0.547(-0.453)..., with -0.453 for 0.453
    "dw53": -0.0107133,  # -0.0106944
    "dw54": -0.0105216,  # -0.0105024
    "dw31": -0.000268859,  # -0.00026931
    "dw32": -0.000448099,  # -0.00044885
    "dw41": -0.000556130,  # -0.0005562
    "dw42": -0.000926884,  # -0.000927
    "w53": 0.178189,  # 0.1788056; in the list w33 = 0.1988056
    "w54": 0.378578,  # 0.3791976; in the list w43 = 0.3491976
    "w31": 0.0994363,  # 0.09943069
    "w32": 0.399061,  # 0.39908115
    "w41": 0.298852,  # 0.2988738
    "w42": 0.198086,  # 0.198123
}


def iterate(hidden, output):
    """One forward pass, one backward pass and one update with eta = 1: all of it by the notes' names."""
    with tf.GradientTape() as tape:
        tape.watch([hidden, output])
        h34 = ops.dense(X, hidden)
        y34 = ops.sigmoid(h34)
        h5 = ops.dense(y34, output)
        y5 = ops.sigmoid(h5)
        loss = ops.squared_error(DESIRED, y5)
    # delta = -dL/dH and dw = -dL/dw: the notes' error is desired - obtained, and eta delta y is added.
    delta34, delta5, dhidden, doutput = (-g for g in tape.gradient(loss, [h34, h5, hidden, output]))
    hidden, output = hidden + dhidden, output + doutput
    values = {
        ("H3", "H4"): h34,
        ("H5",): h5,
        ("y3", "y4"): y34,
        ("y5",): y5,
        ("error",): DESIRED - y5,
        ("delta3", "delta4"): delta34,
        ("delta5",): delta5,
        ("dw31", "dw41", "dw32", "dw42"): dhidden,
        ("dw53", "dw54"): doutput,
        ("w31", "w41", "w32", "w42"): hidden,
        ("w53", "w54"): output,
    }
    named = {}
    for names, value in values.items():
        named |= dict(zip(names, np.ravel(value), strict=True))
    return named, hidden, output


@pytest.fixture(scope="module")
def iterations():
    first, hidden, output = iterate(tf.constant(HIDDEN), tf.constant(OUTPUT))
    second, _, _ = iterate(hidden, output)
    return first, second


@pytest.mark.parametrize("name", FIRST)
def test_first_iteration(iterations, name):
    np.testing.assert_allclose(iterations[0][name], FIRST[name], rtol=5e-6)


@pytest.mark.parametrize("name", SECOND)
def test_second_iteration(iterations, name):
    np.testing.assert_allclose(iterations[1][name], SECOND[name], rtol=5e-6)


def test_a_network_of_layers_takes_the_same_two_steps():
    network = keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(2, "sigmoid", use_bias=False),
            layers.Dense(1, "sigmoid", use_bias=False),
        ]
    )
    network.set_weights([HIDDEN, OUTPUT])
    # Keras's squared error lacks the 1/2, so that eta is half of the notes' 1.
    network.compile(keras.optimizers.SGD(0.5), "mse")
    for _ in range(2):
        network.train_on_batch(X, DESIRED)
    hidden, output = network.get_weights()
    np.testing.assert_allclose(hidden.ravel(), [SECOND[w] for w in ("w31", "w41", "w32", "w42")], rtol=1e-5)
    np.testing.assert_allclose(output.ravel(), [SECOND[w] for w in ("w53", "w54")], rtol=1e-5)
