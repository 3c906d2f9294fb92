import itertools

import numpy as np
import pytest
import tensorflow as tf

from training.balancing.gradient_weights import cagrad, pcgrad, upgrad
from training.balancing.gradients import resolve
from training.balancing.loss_weights import count_losses, dynamic_average, random, uncertainty

OF_GRADIENTS = {
    "pcgrad": tf.function(lambda gram, present: pcgrad(gram, tf.constant([0, 0], tf.int64))),
    "cagrad": tf.function(lambda gram, present: cagrad(gram, present)),
    "upgrad": tf.function(lambda gram, present: upgrad(gram, present)),
}


def weights_of(strategy, jacobian, present=None):
    """The weights for gradients that are the rows of `jacobian`."""
    present = tf.ones(len(jacobian), tf.float64) if present is None else tf.constant(present, tf.float64)
    gram = np.float64(jacobian) @ np.float64(jacobian).T
    return OF_GRADIENTS[strategy](tf.constant(gram), present).numpy()


def direction(strategy, jacobian):
    return weights_of(strategy, jacobian) @ np.float64(jacobian)


def random_jacobians(tasks, count=20):
    return np.random.default_rng(tasks).normal(size=(count, tasks, 6)) * np.geomspace(1, 5, tasks)[:, None]


@pytest.mark.parametrize(
    ("strategy", "jacobian", "expected"),
    [
        # g_1 . g_2 = -1: (1, 0) + (-1, 1) / 2 and (-1, 1) + (1, 0).
        ("pcgrad", [[1, 0], [-1, 1]], [0.5, 1.5]),
        ("upgrad", [[1, 0], [-1, 1]], [0.5, 1.5]),
        # Squares 18 and 38, product -22: g_1 + 22/38 g_2 and g_2 + 22/18 g_1.
        ("upgrad", [[-4, 1, 1], [6, 1, 1]], [-10 / 19 + 10 / 9, 30 / 19 + 20 / 9, 30 / 19 + 20 / 9]),
        # g_0 = (1/2, 1); all of the radius 0.4 sqrt(5) / 2 goes to the first task, and that is not enough.
        ("cagrad", [[1, 0], [0, 2]], [(0.5 + 0.2 * 5**0.5) * 2 / 1.4, 2 / 1.4]),
        # Alike but for a mirror: d is along g_0.
        ("cagrad", [[1, 3], [1, -3]], [2, 0]),
        ("cagrad", [[1, 2], [1, 2]], [2, 4]),
        ("pcgrad", [[1, 2, 0], [2, 0, 1], [0, 1, 1]], [3, 3, 2]),
        ("upgrad", [[1, 2, 0], [2, 0, 1], [0, 1, 1]], [3, 3, 2]),
        ("pcgrad", [[3, 1], [-3, -1]], [0, 0]),
        ("upgrad", [[3, 1], [-3, -1]], [0, 0]),
        ("cagrad", [[3, 1], [-3, -1]], [0, 0]),
    ],
)
def test_directions_known_by_hand(strategy, jacobian, expected):
    np.testing.assert_allclose(direction(strategy, jacobian), expected, atol=2e-5)


@pytest.mark.parametrize(
    "jacobian",
    [
        [[1, 0, 0.2], [-1, 1, 0.1], [-0.5, -1.5, 1]],
        [[1, 0, 0], [-1, 0.5, 0], [-1, -0.5, 0]],  # the first ends up pointing against itself
    ],
)
def test_pcgrad_is_algorithm_1_in_a_random_order(jacobian):
    jacobian = np.array(jacobian)

    def literally(orders):
        projected = jacobian.copy()
        for g, order in zip(projected, orders, strict=True):
            for j in order:
                if g @ jacobian[j] < 0:
                    g -= g @ jacobian[j] / (jacobian[j] @ jacobian[j]) * jacobian[j]
        return projected.sum(0)

    orders = [list(itertools.permutations({0, 1, 2} - {i})) for i in range(3)]
    possible = np.array([literally(chosen) for chosen in itertools.product(*orders)])
    weights = tf.function(lambda seed: pcgrad(tf.constant(jacobian @ jacobian.T), seed))
    seeds = tf.stack([tf.zeros(100, tf.int64), tf.range(100, dtype=tf.int64)], 1)
    found = np.array([weights(seed).numpy() @ jacobian for seed in seeds])
    distance = np.abs(found[:, None] - possible).max(-1)  # [seeds, orders]
    assert distance.min(1).max() < 1e-9
    assert distance.min(0).max() < 1e-9


@pytest.mark.parametrize("tasks", [2, 3])
def test_cagrad_does_for_the_worst_task_what_a_fine_grid_over_the_dual_allows(tasks):
    side = np.linspace(0, 1, 201)
    grid = np.stack([w.ravel() for w in np.meshgrid(*[side] * (tasks - 1))], 1)
    grid = np.c_[grid, 1 - grid.sum(1)]
    grid = grid[grid[:, -1] >= 0]
    for jacobian in random_jacobians(tasks):
        mean = jacobian.mean(0)
        radius = 0.4 * np.linalg.norm(mean)
        mixtures = grid @ jacobian
        dual = (mixtures @ mean + radius * np.linalg.norm(mixtures, axis=1)).min()
        d = direction("cagrad", jacobian) * 1.4 / tasks
        assert np.linalg.norm(d - mean) <= radius * (1 + 1e-5)
        # No feasible d has more than the dual's minimum, so who has as much is optimal.
        assert (jacobian @ d).min() == pytest.approx(dual, abs=2e-3)
        assert (jacobian @ d).min() <= dual + 1e-5


@pytest.mark.parametrize("tasks", [2, 3, 5])
def test_upgrad_projects_as_a_slow_descent_does(tasks):
    jacobians = random_jacobians(tasks)
    gram = jacobians @ jacobians.swapaxes(1, 2)
    rate = 1 / np.linalg.norm(gram, 2, axis=(1, 2))[:, None, None]
    added = np.zeros_like(gram)  # column i: v_i - e_i
    for _ in range(5000):
        added = np.maximum(0, added - rate * gram @ (added + np.eye(tasks)))
    for jacobian, v in zip(jacobians, added + np.eye(tasks), strict=True):
        d = direction("upgrad", jacobian)
        np.testing.assert_allclose(d, v.sum(1) @ jacobian, atol=1e-3)
        assert (jacobian @ d).min() > -1e-4  # in conflict with none


@pytest.mark.parametrize("strategy", OF_GRADIENTS)
def test_a_task_without_a_gradient_changes_nothing_for_the_others(strategy):
    for jacobian in random_jacobians(2):
        alone = weights_of(strategy, jacobian)
        beside = weights_of(strategy, np.insert(jacobian, 1, 0, axis=0), [1, 0, 1])
        np.testing.assert_allclose(beside[[0, 2]], alone, rtol=1e-9)
    assert np.isfinite(weights_of(strategy, np.zeros((3, 2)), [0, 0, 0])).all()
    assert np.isfinite(weights_of(strategy, np.zeros((3, 2)), [1, 1, 0])).all()


@pytest.mark.parametrize("strategy", OF_GRADIENTS)
@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_the_unit_of_the_losses_does_not_matter(strategy, scale):
    for jacobian in random_jacobians(3):
        np.testing.assert_allclose(
            weights_of(strategy, scale * jacobian), weights_of(strategy, jacobian), rtol=1e-6
        )


def test_an_overflow_is_left_to_the_optimizer():
    rows = [[tf.constant([np.inf, 1.0])], [tf.constant([1.0, 1.0])]]
    weights, (gradient,) = resolve(rows, lambda gram, *_: upgrad(gram, tf.ones(2, tf.float64)), tf.ones(2), 0)
    assert np.isfinite(weights).all()
    assert not np.isfinite(gradient).all()


def test_uncertainty_settles_where_the_variance_is_twice_the_loss():
    losses = tf.constant([0.3, 4.0, 0.0])
    s = tf.Variable(tf.math.log([0.6, 8.0, 1.0]))
    with tf.GradientTape() as tape:
        weights, penalty = uncertainty(s, present=tf.constant([1.0, 1.0, 0.0]))
        objective = tf.tensordot(weights, losses, 1) + penalty
    np.testing.assert_allclose(weights, [1 / 0.6, 1 / 8, 1], rtol=1e-6)
    np.testing.assert_allclose(tape.gradient(objective, s), [0, 0, 0], atol=1e-6)


def test_dynamic_average_compares_the_last_two_epochs():
    # Two steps an epoch; nan where a task has no label.
    epochs = [[[4, 8], [2, np.nan]], [[1, 2], [2, 2]], [[1, np.nan], [1, np.nan]], [[9, 9], [9, 9]]]
    rates = [[1, 1], [1, 1], [1.5 / 3, 2 / 8], [1 / 1.5, 2 / 8]]
    history = tf.zeros((4, 2))
    for losses, rate in zip(epochs, rates, strict=True):
        for step, loss in enumerate(losses):
            present = tf.constant(np.isfinite(loss), tf.float32)
            loss = tf.constant(np.nan_to_num(loss), tf.float32)
            history = count_losses(history, loss, present, first=tf.constant(step == 0))
            share = np.exp(np.divide(rate, 2))
            np.testing.assert_allclose(
                dynamic_average(last=history[2], before=history[3]), 2 * share / share.sum(), rtol=1e-6
            )


def test_random_weights_are_a_function_of_the_seed_and_one_on_the_average():
    seeds = tf.stack([tf.zeros(2000, tf.int64), tf.range(2000, dtype=tf.int64)], 1)
    draw = tf.function(lambda: tf.map_fn(lambda seed: random(3, seed), seeds, fn_output_signature=tf.float32))
    weights = draw().numpy()
    np.testing.assert_allclose(weights.sum(1), 3, rtol=1e-6)
    np.testing.assert_allclose(weights.mean(0), 1, atol=0.05)
    z = tf.random.stateless_normal((3,), seeds[7])
    np.testing.assert_allclose(weights[7], 3 * np.exp(z) / np.exp(z).sum(), rtol=1e-6)
