import keras
import numpy as np
import pytest
import tensorflow as tf

import multitask.ops
from multitask.errors import UserError
from multitask.losses import LabelDistribution, SigmoidCrossEntropy, SoftmaxCrossEntropy, guess_level, loss_of
from multitask.tasks import TASKS

RNG = np.random.default_rng(0)
LABELS = {
    "age": np.array([3.0, 30.0, 99.0, 116.0, 0.0, 55.5], np.float32),
    "emotion": np.array([0, 3, 6, 1, 2, 5]),
    "gender": np.array([0, 1, 1, 0, 1, 0]),
}
LOGITS = {name: RNG.normal(size=(6, task.units)).astype(np.float32) for name, task in TASKS.items()}
INTERVALS = np.array([[3, 9], [30, 30], [70, 100], [101, 120], [0, 2], [20, 29]], np.float32)
EACH = list(TASKS)
SOFT = {
    name: RNG.dirichlet(np.ones(task.units), 6).astype(np.float32)
    if task.units > 1
    else np.float32(RNG.random((6, 1)))
    for name, task in TASKS.items()
}
BOTH = ["derived", "autodiff"]
MODES = {
    "eager": lambda f: f,
    "graph": tf.function,
    "xla": lambda f: tf.function(f, jit_compile=True),
}


def value_and_gradient(loss, labels, logits, weights=None, mode="eager"):
    @MODES[mode]
    def run(labels, logits, weights):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = loss(labels, logits, weights)
        return value, tape.gradient(value, logits)

    return run(tf.constant(labels), tf.constant(logits), None if weights is None else tf.constant(weights))


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@pytest.mark.parametrize("gradients", BOTH)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropies_are_keras_own(smoothing, gradients):
    one_hot = np.eye(7)[LABELS["emotion"]]
    expected = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)
    found = SoftmaxCrossEntropy(smoothing, gradients=gradients)(LABELS["emotion"], LOGITS["emotion"])
    np.testing.assert_allclose(found, expected(one_hot, LOGITS["emotion"]), rtol=1e-5)
    expected = keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=smoothing)
    found = SigmoidCrossEntropy(smoothing, gradients=gradients)(LABELS["gender"], LOGITS["gender"])
    np.testing.assert_allclose(found, expected(LABELS["gender"][:, None], LOGITS["gender"]), rtol=1e-5)


@pytest.mark.parametrize("gradients", BOTH)
def test_age_is_cross_entropy_to_a_gaussian_and_absolute_error(gradients):
    y, j = np.minimum(LABELS["age"], 100)[:, None], np.arange(101)
    target = np.exp(-((j - y) ** 2) / (2 * 3.0**2))
    target /= target.sum(-1, keepdims=True)
    p = softmax(LOGITS["age"].astype(float))
    expected = -(target * np.log(p)).sum(-1) + 0.5 * abs((p * j).sum(-1) - y[:, 0])
    loss = LabelDistribution(sigma=3.0, absolute_error=0.5, gradients=gradients)
    found = loss(LABELS["age"], LOGITS["age"])
    np.testing.assert_allclose(found, expected.mean(), rtol=1e-5)


@pytest.mark.parametrize("gradients", BOTH)
def test_an_interval_of_ages_is_judged_by_its_likelihood_and_the_distance_to_it(gradients):
    loss, age = LabelDistribution(absolute_error=0.5, gradients=gradients), np.arange(101)
    p = softmax(LOGITS["age"].astype(float))
    mean = (p * age).sum(-1)
    for row, (low, high) in enumerate(INTERVALS):
        found = loss(INTERVALS[row : row + 1], LOGITS["age"][row : row + 1])
        if row in (1, 3):  # a point, and one beyond the last bin
            point = np.array([min(low, 100)], np.float32)
            assert found == loss(point, LOGITS["age"][row : row + 1])
            continue
        likelihood = p[row][(low <= age) & (age <= high)].sum()
        distance = max(low - mean[row], mean[row] - high, 0)
        np.testing.assert_allclose(found, -np.log(likelihood) + 0.5 * distance, rtol=1e-5)


@pytest.mark.parametrize("name", EACH)
def test_a_loss_is_the_weighted_mean_of_what_is_labelled(name):
    loss, weights = loss_of(TASKS[name]), np.array([1, 0, 0, 2, 1, 0], np.float32)
    single = np.array([loss(LABELS[name][i : i + 1], LOGITS[name][i : i + 1]) for i in range(6)])
    np.testing.assert_allclose(
        loss(LABELS[name], LOGITS[name], weights), np.average(single, weights=weights), rtol=1e-5
    )


@pytest.mark.parametrize("name", EACH)
def test_a_label_is_short_for_a_distribution(name):
    """The loss to the one is that to the other, and by shares that to a blend is the blend of both losses."""
    loss, units = loss_of(TASKS[name], 0.1), TASKS[name].units
    labels = np.minimum(LABELS[name], 99)  # whole enough for a Gaussian whose mean is the label
    if name == "age":
        labels = np.clip(LABELS[name], 10, 90)
        loss.absolute_error = 0.0  # of an expectation: not linear in the label
    one, other = (loss.targets(y, units).numpy() for y in (labels, labels[::-1].copy()))
    np.testing.assert_allclose(loss(one, LOGITS[name]), loss(labels, LOGITS[name]), rtol=1e-5)
    blend = loss(0.3 * one + 0.7 * other, LOGITS[name])
    losses = [loss(target, LOGITS[name]) for target in (one, other)]
    np.testing.assert_allclose(blend, 0.3 * losses[0] + 0.7 * losses[1], rtol=1e-5)


def test_the_distribution_of_an_interval_is_even_and_its_error_that_of_its_mean():
    loss = LabelDistribution(absolute_error=0.5)
    target = loss.targets(INTERVALS[:1], 101).numpy()
    np.testing.assert_allclose(target[0], np.where((np.arange(101) >= 3) & (np.arange(101) <= 9), 1 / 7, 0))
    p = softmax(LOGITS["age"][:1].astype(float))
    expected = -(target * np.log(p)).sum() + 0.5 * abs((p * np.arange(101)).sum() - 6)
    np.testing.assert_allclose(loss(target, LOGITS["age"][:1]), expected, rtol=1e-5)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("name", "whole"),
    [*LABELS.items(), ("age", INTERVALS), *SOFT.items()],
    ids=[*EACH, "interval of ages", *(f"distribution of {name}" for name in EACH)],
)
def test_derived_and_autodiff_are_equal(name, whole, mode):
    """Also where a label that doesn't count is none at all."""
    missing = whole.astype(np.float32)
    missing[1] = np.nan if name == "age" else -1
    weights = np.array([1, 0, 0.5, 2, 0, 3], np.float32)
    for counted in (weights, None):
        labels = whole if counted is None else missing
        derived, autodiff = (
            value_and_gradient(loss_of(TASKS[name], 0.1, gradients), labels, LOGITS[name], counted, mode)
            for gradients in BOTH
        )
        assert np.isfinite(autodiff[1]).all()
        np.testing.assert_allclose(derived[0], autodiff[0], rtol=1e-6)
        np.testing.assert_allclose(derived[1], autodiff[1], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("name", "op"),
    [
        ("age", "distribution_cross_entropy"),
        ("emotion", "sparse_softmax_cross_entropy"),
        ("gender", "multi_label_cross_entropy"),
        *((name, "weighted_mean") for name in EACH),
    ],
)
def test_derived_goes_through_the_ops_and_autodiff_does_not(name, op, monkeypatch):
    derived, autodiff = (loss_of(TASKS[name], 0.1, gradients) for gradients in BOTH)
    before = autodiff(LABELS[name], LOGITS[name])
    original = getattr(multitask.ops, op)
    monkeypatch.setattr(multitask.ops, op, lambda *args, **kwargs: 2 * original(*args, **kwargs))
    assert autodiff(LABELS[name], LOGITS[name]) == before
    np.testing.assert_allclose(derived(LABELS[name], LOGITS[name]), 2 * before, rtol=1e-5)


@pytest.mark.parametrize("gradients", BOTH)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", EACH)
def test_without_labels_loss_and_gradient_are_exactly_zero(name, mode, gradients):
    loss, nothing = loss_of(TASKS[name], 0.1, gradients), np.zeros(6, np.float32)
    value, dz = value_and_gradient(loss, nothing, LOGITS[name], nothing, mode)
    assert value == 0
    np.testing.assert_array_equal(dz, np.zeros_like(LOGITS[name]))


@pytest.mark.parametrize("gradients", BOTH)
@pytest.mark.parametrize(
    ("name", "labels"), [*LABELS.items(), ("age", INTERVALS)], ids=[*EACH, "interval of ages"]
)
def test_extreme_logits_stay_finite(name, labels, gradients):
    for scale in (-1e4, 1e4):
        loss = loss_of(TASKS[name], gradients=gradients)
        value, dz = value_and_gradient(loss, labels, scale * np.sign(LOGITS[name]))
        assert np.isfinite(value)
        assert np.isfinite(dz).all()


@pytest.mark.parametrize("name", EACH)
def test_two_replicas_with_uneven_labels_learn_what_one_learns(name, two_replicas):
    """Replica 0 holds four of the five labels: a mean of the replicas' means would be another."""
    weights = np.array([1, 1, 1, 1, 0, 0, 1, 0], np.float32)
    features = RNG.normal(size=(8, 5)).astype(np.float32)
    labels = np.resize(LABELS[name], 8)

    def trained(strategy, gradients):
        with strategy.scope():
            keras.utils.set_random_seed(1)
            model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(TASKS[name].units)])
            model.compile(keras.optimizers.SGD(0.1), loss_of(TASKS[name], gradients=gradients))
        data = tf.data.Dataset.from_tensor_slices((features, labels, weights)).batch(8)
        history = model.fit(data, epochs=3, verbose=0, shuffle=False).history["loss"]
        return history, model.get_weights()

    one = trained(tf.distribute.get_strategy(), "autodiff")
    for gradients in BOTH:
        two = trained(two_replicas, gradients)
        np.testing.assert_allclose(one[0], two[0], rtol=1e-5)
        for a, b in zip(one[1], two[1], strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("gradients", BOTH)
@pytest.mark.parametrize("name", EACH)
def test_a_loss_is_built_again_from_its_config(name, gradients):
    loss = loss_of(TASKS[name], 0.1, gradients)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert again.get_config() == loss.get_config()
    assert again.gradients == gradients
    assert again(LABELS[name], LOGITS[name]) == loss(LABELS[name], LOGITS[name])


@pytest.mark.parametrize("name", EACH)
def test_a_config_that_does_not_name_the_gradients_means_autodiff(name):
    loss = loss_of(TASKS[name])
    config = {key: value for key, value in loss.get_config().items() if key != "gradients"}
    assert type(loss).from_config(config).gradients == "autodiff"


@pytest.mark.parametrize("gradients", BOTH)
@pytest.mark.parametrize("name", ["emotion", "gender"])
def test_a_class_is_no_interval(name, gradients):
    with pytest.raises(UserError, match=rf"labels of {name} must be .*\. Received: \(6, 2\)"):
        loss_of(TASKS[name], gradients=gradients)(INTERVALS, LOGITS[name])


def test_other_gradients_are_refused():
    with pytest.raises(UserError, match=r'"derived" or "autodiff".*numeric'):
        loss_of(TASKS["age"], gradients="numeric")


def test_the_guess_level_is_what_equal_logits_lose_on_all_labels():
    for name, labels in {"age": np.arange(101), "emotion": np.arange(7), "gender": np.arange(2)}.items():
        task = TASKS[name]
        loss = loss_of(task)(labels, np.zeros((len(labels), task.units), np.float32))
        np.testing.assert_allclose(guess_level(task), loss, rtol=0.01)
