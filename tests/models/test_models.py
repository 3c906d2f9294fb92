import keras
import numpy as np
import pytest

from models import functional, naive
from models.trunks import build_trunk
from multitask.errors import UserError
from multitask.tasks import TASKS

LENET_AT_32 = 61_156


def test_an_unknown_trunk_is_named():
    with pytest.raises(
        UserError,
        match=r"trunk must be one of lenet, alexnet, .*, or pretrained:NAME for .*; received 'perceptron'$",
    ):
        build_trunk("perceptron", 64)


def test_trunks_that_learn_from_scratch_take_no_weights():
    with pytest.raises(
        UserError, match="weights are for trunks pretrained:NAME; received weights for 'lenet'"
    ):
        build_trunk("lenet", 64, "weights")


def test_the_functional_model_shares_one_trunk():
    model = functional.build(TASKS.values(), "lenet", 32, dropout=0.3)
    logits = model(np.zeros((2, 32, 32, 3), np.uint8))
    assert {name: tuple(z.shape) for name, z in logits.items()} == {
        "age": (2, 101),
        "emotion": (2, 7),
        "gender": (2, 1),
    }
    heads = sum((84 + 1) * task.units for task in TASKS.values())
    assert model.count_params() == LENET_AT_32 + heads


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_a_naive_network_is_the_same_trunk_and_head_for_one_task(task):
    network = naive.build(task, "lenet", 32)
    assert isinstance(network, keras.Sequential)
    named = naive.with_named_output(task, network)
    pictures = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    assert named.input.dtype == "uint8"
    np.testing.assert_array_equal(named(pictures)[task.name], network(pictures))
    assert network.count_params() == LENET_AT_32 + 85 * task.units
    assert named.get_layer(task.name).units == task.units


def test_heads_answer_in_float32_under_mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = functional.build(TASKS.values(), "lenet", 32)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.get_layer("trunk").get_layer("conv1").compute_dtype == "bfloat16"
    assert {z.dtype for z in model.output.values()} == {"float32"}
