"""Softmax and the cross-entropies: notes 003, section XI; 004, "Binary cross entropy" and what follows."""

import numpy as np
import pytest
from worked import there_and_back

from multitask import ops


def logit(a):
    return np.log(a) - np.log1p(-np.asarray(a))


BINARY = {
    "right, y = 0": (0, -1000.0, 0),
    "right, y = 1": (1, 1000.0, 0),
    "wrong without a doubt": (0, 1000.0, 1000),  # infinite in the notes, which have no logits
    "y = 0 and 0.99, has 4.63": (0, logit(0.99), 4.605170),
    "y = 1 and 0.99": (1, logit(0.99), 0.010050),
}


@pytest.mark.parametrize(("y", "z", "loss"), BINARY.values(), ids=BINARY)
def test_binary_cross_entropy_of_one_example(y, z, loss):
    np.testing.assert_allclose(ops.sigmoid_cross_entropy([float(y)], [np.float64(z)]), [loss], atol=5e-7)


def test_binary_cross_entropy_of_n_examples_is_their_mean_and_not_negative():
    """004's formula for N examples lacks the minus sign."""
    losses = ops.sigmoid_cross_entropy(np.array([0.0, 1.0]), logit([0.99, 0.99]))
    np.testing.assert_allclose(ops.weighted_mean(losses, np.ones(2)), 2.307610, rtol=1e-6)


def test_squared_error_hardly_tells_a_wrong_answer_from_a_very_wrong_one():
    np.testing.assert_allclose(ops.squared_error([0.0, 0.0], np.array([0.99, 1])), [0.49005, 0.5], rtol=1e-12)


def test_categorical_cross_entropy_of_a_dog_taken_for_a_horse():
    """y = (0, 1, 0), y_hat = (0.1, 0.2, 0.7): 1.6, and 003's y_pred - y. 004 has ln 0.3 in its last term."""
    z = np.log([[0.1, 0.2, 0.7]])
    loss, (dz,) = there_and_back(lambda z: ops.softmax_cross_entropy([[0.0, 1, 0]], z), [z], [1.0])
    np.testing.assert_allclose(loss, [1.609438], rtol=1e-6)
    np.testing.assert_allclose(dz, [[0.1, -0.8, 0.7]], rtol=1e-12)
    np.testing.assert_allclose(ops.sparse_softmax_cross_entropy([1], z), loss, rtol=1e-12)


def test_of_two_classes_it_is_the_binary_one():
    """y_hat2 = 1 - y_hat1."""
    one_hot, z = np.array([[1.0, 0], [0, 1]]), np.array([[0.5, -1.2], [0.3, 0.1]])
    binary = ops.sigmoid_cross_entropy(one_hot[:, 0], z[:, 0] - z[:, 1])
    np.testing.assert_allclose(ops.softmax_cross_entropy(one_hot, z), binary, rtol=1e-12)


ONE_HOT = {
    "004, four images of four classes": (np.eye(4), [0, 1, 2, 3]),
    "003, XI, has y = 8: classes count from 0": ([[0.0, 0, 0, 0, 0, 0, 0, 1, 0]], [7]),
}


@pytest.mark.parametrize(("one_hot", "index"), ONE_HOT.values(), ids=ONE_HOT)
def test_sparse_labels_are_indices_of_one_hot_ones(one_hot, index):
    z = np.cos(np.arange(np.size(one_hot), dtype=float)).reshape(np.shape(one_hot))
    dense, (d_dense,) = there_and_back(lambda z: ops.softmax_cross_entropy(one_hot, z), [z], np.ones(len(z)))
    sparse, (d_sparse,) = there_and_back(
        lambda z: ops.sparse_softmax_cross_entropy(index, z), [z], np.ones(len(z))
    )
    np.testing.assert_allclose(sparse, dense, rtol=1e-12)
    np.testing.assert_allclose(d_sparse, d_dense, rtol=1e-12)


def test_softmax_takes_exponentials():
    """004, "How probabilities of softmax is calculated?", divides 0.7, 0.2, 0.1, 0.4 by their sum 1.4.

    That is the softmax of their logarithms.
    """
    found = ops.softmax(np.array([0.7, 0.2, 0.1, 0.4]))
    np.testing.assert_allclose(found, [0.345285, 0.209426, 0.189496, 0.255793], atol=5e-7)
    found = ops.softmax(np.log([0.7, 0.2, 0.1, 0.4]))
    np.testing.assert_allclose(found, [7 / 14, 2 / 14, 1 / 14, 4 / 14], rtol=1e-12)


def test_of_several_labels_each_has_a_sigmoid_of_its_own():
    """004, "Categorical cross entropy": 0.7, 0.2 and 0.9; their sum need not be 1, which its text has."""
    z = logit([[0.7, 0.2, 0.9]])
    np.testing.assert_allclose(ops.sigmoid(z), [[0.7, 0.2, 0.9]], rtol=1e-12)
    loss = ops.multi_label_cross_entropy([[1.0, 0, 1]], z)
    np.testing.assert_allclose(loss, [-np.log(0.7 * 0.8 * 0.9)], rtol=1e-12)
