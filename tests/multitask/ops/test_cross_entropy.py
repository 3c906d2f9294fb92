import keras
import numpy as np
import pytest
import tensorflow as tf
from gradients import value_and_gradients

from multitask.errors import UserError
from multitask.ops.cross_entropy import (
    distribution_cross_entropy,
    multi_label_cross_entropy,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
    sparse_softmax_cross_entropy,
)

RNG = np.random.default_rng(0)
N, K, S = 6, 4, 0.1
Z, WEIGHTS, DL = 3 * RNG.normal(size=(N, K)), np.array([1, 0, 2, 0.5, 1, 3]), RNG.normal(size=N)
HAS = RNG.integers(0, 2, (N, K)).astype(float)  # labels that don't sum to 1
ONE_OF = RNG.dirichlet(np.ones(K), N)  # labels that do
CLASS = np.array([0, 3, 1, 2, 2, 0])
QUANTITY = np.array([0, 1.3, 9, 2, 2.9, 3])  # one of them beyond the last, which is 3
INTERVAL = np.array([[0, 1], [0.5, 2], [2, 9], [0, 3], [1.25, 1.75], [2, 2]])  # all there is; within; a point
INSIDE = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [0, 0, 1, 1], [1, 1, 1, 1], [0, 1, 1, 0], [0, 0, 1, 0]])


def expit(z):
    return 1 / (1 + np.exp(-z))


def softmax(z):
    return np.exp(z) / np.exp(z).sum(-1, keepdims=True)


def gaussian(y):
    t = np.exp(-((np.arange(K) - np.minimum(y, K - 1)[:, None]) ** 2) / (2 * 1.5**2))
    return t / t.sum(-1, keepdims=True)


def binary(z, y):
    t = y * (1 - S) + S / 2
    return -t * np.log(expit(z)) - (1 - t) * np.log(1 - expit(z)), expit(z) - t


def multi_label(z, y):
    losses, dz = binary(z, y)
    return losses.sum(-1), dz


def categorical(z, y):
    t = y * (1 - S) + S / K
    return -(t * np.log(softmax(z))).sum(-1), softmax(z) * t.sum(-1, keepdims=True) - t


def distribution(z, y):
    p, t, j, y = softmax(z), gaussian(y), np.arange(K), np.minimum(y, K - 1)
    error = (p * j).sum(-1) - y
    d_error = (np.sign(error) * p.T * (j[:, None] - (p * j).sum(-1))).T
    return -(t * np.log(p)).sum(-1) + 0.4 * abs(error), p - t + 0.4 * d_error


def interval(z, y):
    p, j, (low, high) = softmax(z), np.arange(K), np.minimum(y, K - 1).T
    t = p * INSIDE / (p * INSIDE).sum(-1, keepdims=True)
    losses = -np.log((p * INSIDE).sum(-1))
    losses[-1], t[-1] = -(gaussian(low) * np.log(p)).sum(-1)[-1], gaussian(low)[-1]
    mean = (p * j).sum(-1)
    error = np.where(mean < low, mean - low, np.where(mean > high, mean - high, 0))
    assert {*np.sign(error)} == {-1, 0, 1}
    return losses + 0.4 * abs(error), p - t + 0.4 * np.sign(error)[:, None] * p * (j - mean[:, None])


SMOOTHED = {"label_smoothing": S}
CASES = {
    "sigmoid": (sigmoid_cross_entropy, HAS, SMOOTHED, binary),
    "multi-label": (multi_label_cross_entropy, HAS, SMOOTHED, multi_label),
    "softmax": (softmax_cross_entropy, ONE_OF, SMOOTHED, categorical),
    "softmax of labels that don't sum to 1": (softmax_cross_entropy, HAS, SMOOTHED, categorical),
    "sparse": (sparse_softmax_cross_entropy, CLASS, SMOOTHED, lambda z, y: categorical(z, np.eye(K)[y])),
    "distribution": (
        distribution_cross_entropy,
        QUANTITY,
        {"sigma": 1.5, "absolute_error": 0.4},
        distribution,
    ),
    "interval": (
        distribution_cross_entropy,
        INTERVAL,
        {"sigma": 1.5, "absolute_error": 0.4},
        interval,
    ),
}
FUNCTIONS = {name: case for name, case in CASES.items() if "sum" not in name}


@pytest.mark.parametrize("mode", ["eager", "graph"])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_a_loss_and_its_gradient_are_their_formulas(name, weighted, mode):
    op, labels, arguments, formula = CASES[name]
    losses, dz = formula(Z, labels)
    w, dl = (WEIGHTS if weighted else np.ones(N)), DL
    if losses.ndim == 2:
        w, dl = w[:, None], DL[:, None] * np.ones(K)
    found, (dlabels, dlogits) = value_and_gradients(
        lambda y, z: op(y, z, w if weighted else None, **arguments), [labels, Z], dl, mode
    )
    np.testing.assert_allclose(found, w * losses, rtol=1e-9)
    np.testing.assert_allclose(dlogits, (w * dl).reshape(N, -1) * dz, rtol=1e-7, atol=1e-12)
    assert dlabels is None


def test_the_losses_are_those_of_keras():
    kinds = keras.losses
    for op, labels, twin in [
        (softmax_cross_entropy, ONE_OF, kinds.CategoricalCrossentropy),
        (lambda y, z, **s: multi_label_cross_entropy(y, z, **s) / K, HAS, kinds.BinaryCrossentropy),
        (lambda y, z, **s: sparse_softmax_cross_entropy(y, z), CLASS, kinds.SparseCategoricalCrossentropy),
    ]:
        smoothing = {} if twin is kinds.SparseCategoricalCrossentropy else {"label_smoothing": 0.2}
        expected = twin(from_logits=True, reduction=None, **smoothing)(labels, Z)
        np.testing.assert_allclose(op(labels, Z, **smoothing), expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_logits_of_a_thousand_lose_what_they_should(name, dtype):
    """By the formula's own limits: every logit -1000, 0 or 1000, of which softmax and sigmoid make 0 or 1."""
    op, labels, arguments, _ = CASES[name]
    z = 1000 * np.sign(Z)
    z[:, 1] = 0
    found, (_, dz) = value_and_gradients(
        lambda y, z: op(y, z, **arguments), [tf.constant(labels), tf.constant(z, dtype)]
    )
    exact, (_, dexact) = value_and_gradients(lambda y, z: op(y, z, **arguments), [labels, z])
    assert np.isfinite(exact).all()
    assert exact.max() > 500
    tolerance = 1e-5 if dtype == "float32" else 1e-2
    np.testing.assert_allclose(found.astype(float), exact, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(dz.astype(float), dexact, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize(
    ("op", "labels", "logits"),
    [
        (softmax_cross_entropy, [[1.0, 0.0]], [[8.0, 0.0]]),
        (sparse_softmax_cross_entropy, [0], [[8.0, 0.0]]),
        (sigmoid_cross_entropy, [[1.0]], [[8.0]]),
        (multi_label_cross_entropy, [[1.0]], [[8.0]]),
    ],
)
def test_one_who_is_nearly_sure_still_learns_in_half_precision(op, labels, logits, dtype):
    """a = 1 - exp(-8), which bfloat16 and float16 round to 1, and a - 1 with it to 0."""
    labels, logits = tf.constant(labels), tf.constant(logits, dtype)
    losses, (_, dz) = value_and_gradients(op, [labels, logits])
    assert losses.dtype == dz.dtype == logits.dtype
    np.testing.assert_allclose(losses.astype(float), np.full(losses.shape, np.exp(-8)), rtol=0.01)
    np.testing.assert_allclose(dz.astype(float)[0, 0], -np.exp(-8), rtol=0.01)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_labels_and_weights_are_constants_to_the_gradients_too(name):
    op, labels, arguments, _ = CASES[name]
    w = WEIGHTS[:, None] if name == "sigmoid" else WEIGHTS
    z, *constants = tf.constant(Z), tf.constant(labels), tf.constant(w)
    with tf.GradientTape(persistent=True) as second:
        second.watch([z, *constants])
        with tf.GradientTape(persistent=True) as first:
            first.watch([z, *constants])
            losses = op(constants[0], z, constants[1], **arguments)
        dz = first.gradient(losses, z)
    assert first.gradient(losses, constants) == [None, None]
    assert second.gradient(dz, constants) == [None, None]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("label", [0, 1])
def test_logits_that_are_not_finite_lose_what_they_lose_in_tensorflow(value, label):
    """In its sparse loss, that is; the other makes nan of a masked class on a CPU."""
    z, one_hot = np.array([[value, 1.0, 2.0]]), np.eye(3)[[label]]
    expected = tf.nn.sparse_softmax_cross_entropy_with_logits([label], z)
    np.testing.assert_allclose(softmax_cross_entropy(one_hot, z), expected)
    np.testing.assert_allclose(sparse_softmax_cross_entropy([label], z), expected)
    expected = tf.nn.sigmoid_cross_entropy_with_logits(one_hot, z)
    np.testing.assert_allclose(sigmoid_cross_entropy(one_hot, z), expected)


def test_a_masked_class_neither_costs_nor_learns():
    """A logit of minus infinity is how attention and beam search rule a class out."""
    _, (_, dz) = value_and_gradients(softmax_cross_entropy, [np.eye(3)[[1]], np.array([[-np.inf, 1, 2]])])
    np.testing.assert_allclose(dz, [[0, expit(-1) - 1, expit(1)]])


@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
def test_a_label_that_does_not_count_may_be_missing(mode):
    """Of the classes -1 and 7 only what has weight is read."""
    weights = np.array([1.0, 0, 2, 0])
    found, (_, dz) = value_and_gradients(
        lambda y, z: sparse_softmax_cross_entropy(y, z, weights), [np.array([1, -1, 2, 7]), Z[:4]], None, mode
    )
    losses, d = categorical(Z[:4], np.eye(K)[[1, 0, 2, 0]] / (1 - S) - S / K / (1 - S))
    np.testing.assert_allclose(found, weights * losses, rtol=1e-9)
    np.testing.assert_allclose(dz, weights[:, None] * d, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32"])
def test_classes_are_read_in_any_dtype(dtype):
    found = sparse_softmax_cross_entropy(CLASS.astype(dtype), Z)
    np.testing.assert_allclose(found, softmax_cross_entropy(np.eye(K)[CLASS], Z), rtol=1e-12)


@pytest.mark.parametrize("label", [-1, 4])
def test_a_class_that_is_none_is_an_error_and_nan_where_xla_cannot_raise(label):
    labels, logits = np.array([0, label]), Z[:2]
    for mode in ("eager", "graph"):
        with pytest.raises(tf.errors.InvalidArgumentError, match=rf"(?s)indices in 0..3, .*0,? {label}"):
            value_and_gradients(sparse_softmax_cross_entropy, [labels, logits], None, mode)
    losses, (_, dz) = value_and_gradients(sparse_softmax_cross_entropy, [labels, logits], None, "xla")
    np.testing.assert_array_equal(np.isnan(losses), [False, True])
    np.testing.assert_array_equal(np.isnan(dz), [[False] * K, [True] * K])


def test_the_age_that_is_met_exactly_asks_for_nothing_more():
    """Where the expectation is the label the absolute error has its kink; its derivative there is 0."""
    z, labels = np.zeros((1, 5)), np.array([2.0])
    _, (_, dz) = value_and_gradients(
        lambda y, z: distribution_cross_entropy(y, z, absolute_error=5.0), [labels, z]
    )
    _, (_, without) = value_and_gradients(
        lambda y, z: distribution_cross_entropy(y, z, absolute_error=0.0), [labels, z]
    )
    np.testing.assert_array_equal(dz, without)


@pytest.mark.parametrize("labels", [np.ones((N, 3)), np.ones((N - 1, 2))], ids=["three ends", "too few"])
def test_what_is_no_interval_is_refused(labels):
    with pytest.raises(UserError, match="labels must have the shape"):
        distribution_cross_entropy(labels, Z)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_shapes_that_would_be_broadcast_by_mistake_are_refused(name):
    op, labels, _, _ = CASES[name]
    with pytest.raises(UserError, match="labels must have the shape"):
        op(labels[:, None], Z)
    wrong = WEIGHTS if name == "sigmoid" else WEIGHTS[:, None]
    with pytest.raises(UserError, match="weights must have as many axes"):
        op(labels, Z, wrong)
