import keras
import numpy as np
import pytest

from models import functional, naive
from models.trunks import TRUNKS, build_trunk
from multitask.errors import UserError
from multitask.tasks import TASKS

PARAMETERS = {("lenet", 32): 61_156, ("resnet", 64): 1_229_280}


@pytest.mark.parametrize("name", TRUNKS)
def test_a_trunk_takes_pictures_of_any_size_it_allows(name):
    for size in (16, 33, 64):
        trunk = build_trunk(name, size)
        assert trunk.input.dtype == "uint8"
        features = trunk(np.random.default_rng(0).integers(0, 256, (2, size, size, 3), np.uint8))
        assert features.shape == (2, trunk.output_shape[-1])
        assert np.isfinite(features).all()
    with pytest.raises(UserError, match=f"{name} takes pictures of at least 16x16; received 15"):
        build_trunk(name, 15)


@pytest.mark.parametrize(("trunk", "size"), PARAMETERS)
def test_parameter_counts(trunk, size):
    assert build_trunk(trunk, size).count_params() == PARAMETERS[trunk, size]


def test_an_unknown_trunk_is_named():
    with pytest.raises(UserError, match="trunk must be one of lenet, resnet; received 'vgg'"):
        build_trunk("vgg", 64)


def test_the_functional_model_shares_one_trunk():
    model = functional.build(TASKS.values(), "lenet", 32, dropout=0.3)
    logits = model(np.zeros((2, 32, 32, 3), np.uint8))
    assert {name: tuple(z.shape) for name, z in logits.items()} == {
        "age": (2, 101),
        "emotion": (2, 7),
        "gender": (2, 1),
    }
    heads = sum((84 + 1) * task.units for task in TASKS.values())
    assert model.count_params() == PARAMETERS["lenet", 32] + heads


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_a_naive_network_is_the_same_trunk_and_head_for_one_task(task):
    network = naive.build(task, "lenet", 32)
    assert isinstance(network, keras.Sequential)
    named = naive.with_named_output(task, network)
    pictures = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    assert named.input.dtype == "uint8"
    np.testing.assert_array_equal(named(pictures)[task.name], network(pictures))
    assert network.count_params() == PARAMETERS["lenet", 32] + 85 * task.units
    assert named.get_layer(task.name).units == task.units


def test_heads_answer_in_float32_under_mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = functional.build(TASKS.values(), "lenet", 32)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.get_layer("trunk").get_layer("conv1").compute_dtype == "bfloat16"
    assert {z.dtype for z in model.output.values()} == {"float32"}
