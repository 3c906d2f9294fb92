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
from training.balancing.loss_weights import count_losses, dynamic_average, random
from training.balancing.model import GRADIENT_STRATEGIES
from training.metrics import AnswerError

STRATEGIES = [name for name in get_args(Balancing) if name not in ("equal", "given")]
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


@pytest.mark.parametrize("strategy", GRADIENT_STRATEGIES)
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
    gram, known = tf.constant(np.float64(trunk) @ np.float64(trunk).T), tf.ones(len(trunk), tf.float64)
    weights = GRADIENT_STRATEGIES[strategy](gram, known, tf.constant([0, 0], tf.int64)).numpy()
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
