import itertools
from types import SimpleNamespace
from typing import get_args

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import config as determinism

from multitask.errors import UserError
from multitask.losses import loss_of
from multitask.tasks import Task
from training.balancing import BalancedModel, Balancing, balance
from training.balancing.gradient_weights import cagrad, pcgrad, upgrad
from training.balancing.gradients import resolve
from training.balancing.loss_weights import count_losses, dynamic_average, random, uncertainty
from training.metrics import AnswerError

STRATEGIES = [name for name in get_args(Balancing) if name not in ("equal", "given")]
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


TASKS = [Task(name, "binary", 1, ("no", "yes")) for name in ("a", "b", "c")]


def network(tasks=TASKS):
    keras.utils.set_random_seed(3)  # with the first batch, all tasks are in conflict
    image = keras.Input((4,))
    features = keras.layers.Dense(3, activation="tanh", name="trunk")(image)
    return keras.Model(image, {task.name: keras.layers.Dense(1, name=task.name)(features) for task in tasks})


def compiled(model, tasks=TASKS, optimizer=None, **settings):
    model.compile(
        optimizer or keras.optimizers.SGD(1.0),
        loss={task.name: loss_of(task) for task in tasks},
        loss_weights={task.name: 2.0 for task in tasks},
        **{"run_eagerly": True, **settings},
    )
    return model


def balanced(strategy, tasks=TASKS, steps_per_epoch=2, **settings):
    return compiled(balance(network(tasks), strategy, 0, steps_per_epoch), tasks, **settings)


def batch(tasks=TASKS, unlabelled=(), step=0):
    rng = np.random.default_rng(step)
    x = rng.normal(size=(8, 4)).astype(np.float32)
    y = {task.name: rng.integers(0, 2, 8) for task in tasks}
    return x, y, {task.name: np.full(8, float(task.name not in unlabelled), np.float32) for task in tasks}


def values(model):
    return {v.path.removeprefix(f"{model.name}/"): v.numpy() for v in model.variables}


def step_of(model, data):
    """What a step of gradient descent at rate 1 takes off each variable that is trained."""
    trained = [v.path.removeprefix(f"{model.name}/") for v in model.trainable_variables]
    before = values(model)
    model.train_on_batch(*data)
    return {path: before[path] - values(model)[path] for path in trained}


@pytest.mark.parametrize("strategy", OF_GRADIENTS)
def test_the_trunk_gets_the_combination_and_each_head_its_own_gradient(strategy):
    model, data = balanced(strategy), batch()
    plain, rows = compiled(network()), []
    variables = plain.trainable_variables
    for task in TASKS:
        with tf.GradientTape() as tape:
            logits = plain(data[0], training=True)[task.name]
            loss = 2.0 * loss_of(task)(data[1][task.name], logits)
        rows.append(tape.gradient(loss, variables))
    trunk = np.array([np.r_[tf.reshape(row[0], -1), row[1]] for row in rows])
    assert (trunk @ trunk.T).min() < 0  # there is a conflict to resolve
    weights = weights_of(strategy, trunk)
    step = step_of(model, data)
    assert np.abs(weights - 1).max() > 0.05
    for i, path in enumerate(("trunk/kernel", "trunk/bias")):
        combined = sum(w * row[i].numpy() for w, row in zip(weights, rows, strict=True))
        np.testing.assert_allclose(step[path], combined, rtol=1e-4, atol=1e-6)
    for i, v in enumerate(variables[2:], 2):
        own = next(row[i] for row in rows if row[i] is not None)
        np.testing.assert_allclose(step[v.path], own, rtol=1e-5, atol=1e-7, err_msg=v.path)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_batch_without_labels_for_a_task_trains_the_others_alone(strategy):
    model, data = balanced(strategy), batch(unlabelled="c")
    step = step_of(model, data)
    assert all(np.isfinite(value).all() for value in step.values())
    assert not step["c/kernel"].any()
    assert step["a/kernel"].all()
    if strategy == "uncertainty":
        assert (step["log_variances"] != 0).tolist() == [True, True, False]
    if strategy not in ("random", "dynamic_average"):  # whose weights add up to the number of tasks
        two = step_of(balanced(strategy, TASKS[:2]), batch(TASKS[:2]))
        for path in ("trunk/kernel", "trunk/bias", "a/kernel", "b/kernel"):
            np.testing.assert_allclose(step[path], two[path], rtol=1e-4, atol=1e-6, err_msg=path)


@pytest.fixture(scope="module")
def history():
    """The logs of two epochs of two steps without learning; the second batch has no label for c."""
    data = tf.data.Dataset.from_tensors(batch()).concatenate(
        tf.data.Dataset.from_tensors(batch(unlabelled="c", step=1))
    )

    def fitted(strategy):
        model = balanced(
            strategy,
            optimizer=keras.optimizers.SGD(0.0),
            weighted_metrics={task.name: [AnswerError(task)] for task in TASKS},
        )
        return model.fit(data, validation_data=data.take(1), epochs=2, shuffle=False, verbose=0).history

    plain = fitted("equal")
    return lambda strategy: (fitted(strategy), plain)


@pytest.mark.parametrize("strategy", ["uncertainty", "random", "upgrad"])
def test_logs_are_those_of_fit_and_the_mean_weights(strategy, history):
    found, expected = history(strategy)
    assert set(found) == {*expected, "a_weight", "b_weight", "c_weight"}
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-6, err_msg=name)
    if strategy == "random":
        draws = [random(3, tf.constant([0, step], tf.int64)).numpy() for step in range(4)]
        np.testing.assert_allclose(found["a_weight"], [(draws[e][0] + draws[e + 1][0]) / 2 for e in (0, 2)])
        np.testing.assert_allclose(found["c_weight"], [draws[0][2], draws[2][2]])  # of labelled steps


@pytest.mark.parametrize("strategy", ["dynamic_average", "random", "pcgrad"])
def test_a_run_resumed_from_its_variables_repeats_itself(strategy):
    def begun():
        model = balanced(strategy, steps_per_epoch=1, optimizer=keras.optimizers.Adam(0.1))
        model.optimizer.build(model.trainable_variables)
        return model, [*model.variables, *model.optimizer.variables]

    (whole, state), (resumed, resumed_state) = begun(), begun()
    for step in range(4):
        if step == 2:
            for v, other in zip(resumed_state, state, strict=True):
                v.assign(other)
        if step >= 2:
            resumed.train_on_batch(*batch(step=step))
        whole.train_on_batch(*batch(step=step))
    for v, other in zip(resumed_state, state, strict=True):
        np.testing.assert_array_equal(v, other, err_msg=v.path)
    assert set(values(whole)) > set(values(keras.Model(whole.input, whole.output))) == set(values(network()))


@pytest.mark.parametrize("strategy", ["uncertainty", "random", "cagrad"])
def test_a_single_task_is_trained_as_ever(strategy):
    tasks, data = TASKS[:1], batch(TASKS[:1])
    model, plain = balanced(strategy, tasks), compiled(network(tasks), tasks)
    step = step_of(model, data)
    assert {path: v.tolist() for path, v in step.items()} == {
        path: v.tolist() for path, v in step_of(plain, data).items()
    }


def test_xla_computes_the_same_weights():
    determinism.disable_op_determinism()  # the two exclude each other
    gram, present = tf.constant([[2.0, -1.0], [-1.0, 3.0]], tf.float64), tf.ones(2, tf.float64)
    seed = tf.constant([5, 7], tf.int64)

    def weights():
        history = count_losses(tf.ones((4, 2)), tf.ones(2), tf.ones(2), tf.constant(True))
        summed = tf.reduce_sum(random(2, seed))  # each is another draw
        average = dynamic_average(history[2] + [1, 2], history[3])
        return pcgrad(gram, seed), cagrad(gram, present), upgrad(gram, present), average, summed

    for plain, xla in zip(weights(), tf.function(weights, jit_compile=True)(), strict=True):
        np.testing.assert_allclose(plain, xla, rtol=1e-5)


def test_a_step_compiles_under_xla():
    determinism.disable_op_determinism()  # the two exclude each other
    eager, xla = balanced("upgrad"), balanced("upgrad", run_eagerly=False, jit_compile=True)
    step = step_of(xla, batch(unlabelled="c"))
    for path, change in step_of(eager, batch(unlabelled="c")).items():
        np.testing.assert_allclose(step[path], change, rtol=1e-3, atol=1e-5, err_msg=path)


@pytest.mark.parametrize("strategy", ["uncertainty", "upgrad"])
def test_mixed_float16_scales_the_loss_and_skips_an_overflow(strategy):
    full = step_of(balanced(strategy), batch())
    keras.config.set_dtype_policy("mixed_float16")
    try:
        plain = network()
    finally:
        keras.config.set_dtype_policy("float32")
    model = compiled(balance(plain, strategy, 0, 1))
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    model.optimizer.build(model.trainable_variables)
    for path, change in step_of(model, batch()).items():
        np.testing.assert_allclose(change, full[path], atol=5e-3, err_msg=path)
    model.optimizer.dynamic_scale.assign(1e30)
    before = {v.path: v.numpy() for v in model.trainable_variables}
    logs = model.train_on_batch(*batch(), return_dict=True)
    assert all(np.isfinite(value) for value in logs.values())
    assert all((v.numpy() == before[v.path]).all() for v in model.trainable_variables)
    assert model.optimizer.dynamic_scale.numpy() == pytest.approx(5e29)


def test_regularizers_and_layers_of_some_tasks_count_as_they_should():
    """c has a trunk of its own; the regularizer of the shared kernel adds its gradient 2 l v to any."""

    def build(strength):
        keras.utils.set_random_seed(0)
        image = keras.Input((4,))
        l2 = keras.regularizers.L2(strength) if strength else None
        shared = keras.layers.Dense(3, kernel_regularizer=l2, name="trunk")(image)
        own = keras.layers.Dense(3, name="own")(image)
        features = {"a": shared, "b": shared, "c": own}
        return keras.Model(image, {name: keras.layers.Dense(1, name=name)(x) for name, x in features.items()})

    kernel = build(0).get_layer("trunk").kernel.numpy()
    with_l2, without = (step_of(compiled(balance(build(l2), "pcgrad", 0, 1)), batch()) for l2 in (0.1, 0))
    np.testing.assert_allclose(with_l2["trunk/kernel"] - without["trunk/kernel"], 0.2 * kernel, atol=1e-6)
    own = step_of(compiled(build(0)), batch())["own/kernel"]
    np.testing.assert_allclose(without["own/kernel"], own, rtol=1e-5)


def test_given_weights_need_no_other_model_and_an_unknown_strategy_is_named():
    model = network()
    assert balance(model, "equal", 0, 1) is balance(model, "given", 0, 1) is model
    assert isinstance(balance(model, "cagrad", 0, 1), BalancedModel)
    with pytest.raises(UserError, match=r"balancing must be one of equal, .*; received 'gradnorm'"):
        balance(model, "gradnorm", 0, 1)


@pytest.mark.parametrize("strategy", ["cagrad", "upgrad"])
def test_more_tasks_than_can_be_tried_are_refused(strategy):
    tasks = [Task(f"t{i}", "binary", 1, ("no", "yes")) for i in range(9)]
    with pytest.raises(UserError, match=f"{strategy} balances at most 8 tasks; received 9: choose pcgrad"):
        balanced(strategy, tasks)


def test_several_replicas_are_refused(monkeypatch):
    monkeypatch.setattr(BalancedModel, "distribute_strategy", SimpleNamespace(num_replicas_in_sync=2))
    with pytest.raises(UserError, match="pcgrad needs a single device; received 2: choose equal or given"):
        balanced("pcgrad")
