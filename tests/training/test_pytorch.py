"""The engine "torch" against TensorFlow: the same networks, gradients, trainings."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import functional
from models.trunks.transfer import parts_of
from multitask.errors import UserError
from multitask.tasks import TASKS
from training.elsewhere import check_formats
from training.train import train

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make peers")
from training.pytorch.network import Network  # noqa: E402  which needs PyTorch

SIZE = 19  # odd maps within: pooling and strides meet a border


@pytest.fixture(autouse=True)
def uncompiled():
    """As compiled ones compute, without a minute of compilation."""
    torch.compiler.set_stance("force_eager")
    yield
    torch.compiler.set_stance("default")


@pytest.fixture(params=["resnet", "seresnet", "seresnet_deep"])
def model(request):
    """A network whose batch normalization is past its start."""
    keras.utils.set_random_seed(0)
    model = functional.build(TASKS.values(), request.param, SIZE)
    rng = np.random.default_rng(0)
    for variable in model.get_layer("trunk").variables:
        if len(variable.shape) == 1:
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    return model


def test_logits_gradients_and_statistics_are_kerass(model):
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (8, SIZE, SIZE, 3), np.uint8)
    network = Network(model)
    ours = network(torch.from_numpy(images))
    before = {id(v): v.numpy() for v in model.non_trainable_variables}
    with tf.GradientTape() as tape:
        theirs = model(images, training=True)
        directions = {name: rng.normal(size=logits.shape) for name, logits in theirs.items()}
        total = sum(tf.reduce_sum(directions[name].astype("f") * theirs[name]) for name in theirs)
    for name, logits in theirs.items():
        np.testing.assert_allclose(ours[name].detach(), logits, atol=1e-4)
    sum((torch.tensor(directions[name]) * ours[name]).sum() for name in ours).backward()
    gradients = dict(
        zip(
            map(id, model.trainable_variables),
            tape.gradient(total, [v.value for v in model.trainable_variables]),
            strict=True,
        )
    )
    places = {}
    for exchange in network.exchanges:
        variable = exchange.variable
        if variable.trainable:
            place = keras.Variable(np.zeros(variable.shape, "f"))
            exchange.give(place, exchange.tensor.grad)
            expected = gradients[id(variable)].numpy()
            np.testing.assert_allclose(
                place, expected, atol=1e-3 * np.abs(expected).max(), err_msg=variable.path
            )
        else:  # the moving statistics, moved by a tenth
            place = keras.Variable(np.zeros(variable.shape, "f"))
            exchange.give(place)
            change = np.abs(variable.numpy() - before[id(variable)]).max()
            np.testing.assert_allclose(place, variable, atol=0.2 * change, err_msg=variable.path)
        places[id(variable)] = place
    assert set(places) == {id(v) for v in model.variables if "seed" not in v.path}


@pytest.mark.parametrize(
    "more", [{"weight_averaging": 0.9}, {"frozen_epochs": 1}], ids=["averaged", "in phases"]
)
def test_a_training_is_that_of_tensorflow(tiny, more):
    settings = {"trunk": "resnet", "image_size": 16, "dropout": 0.0, **more}
    ours = train(tiny("ours", engine="torch", **settings))
    theirs = train(tiny("theirs", **settings))
    for one, other in zip(ours.history, theirs.history, strict=True):
        for name in ("loss", "age_mae", "emotion_loss", "val_loss", "val_age_mae"):
            assert one[name] == pytest.approx(other[name], rel=0.02), name


def test_a_killed_run_goes_on_to_the_same_end(tiny, kill):
    settings = {"trunk": "resnet", "image_size": 16, "engine": "torch", "epochs": 3, "weight_averaging": 0.9}
    whole = train(tiny("whole", **settings))
    kill(tiny("killed", **settings))
    resumed = train(tiny("killed", **settings))
    assert [e["loss"] for e in resumed.history] == pytest.approx([e["loss"] for e in whole.history], rel=1e-4)


def test_steps_in_bfloat16_leave_a_model_of_float32(tiny):
    settings = {"trunk": "resnet", "image_size": 16, "engine": "torch", "epochs": 1, "dropout": 0.0}
    half = train(tiny("half", precision="mixed_bfloat16", **settings))
    whole = train(tiny("whole", **settings))
    assert half.history[0]["loss"] != whole.history[0]["loss"]
    assert half.history[0]["loss"] == pytest.approx(whole.history[0]["loss"], rel=0.02)
    assert {layer.compute_dtype for layer in parts_of(half.best_model())} == {"float32"}
    check_formats(half, ["onnx"])


def test_a_layer_without_counterpart_is_named(tiny):
    with pytest.raises(UserError, match=r'engine "torch" takes networks of .*; received .* \(\w+2D\)'):
        train(tiny(trunk="lenet", engine="torch"))


@pytest.mark.parametrize(
    "layer",
    [keras.layers.ReLU(6.0, name="odd"), keras.layers.Conv2D(3, 1, activation="silu", name="odd")],
    ids=["relu6", "silu"],
)
def test_a_layer_that_computes_otherwise_is_named(layer):
    image = keras.Input((4, 4, 3))
    with pytest.raises(UserError, match=r"and, within, linear, relu, sigmoid; received odd"):
        Network(keras.Model(image, {"out": layer(image)}))


def test_without_a_compiler_it_ends_in_one_line(tiny, monkeypatch):
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", ("no_such_compiler",))
    torch.compiler.set_stance("default")
    with pytest.raises(
        UserError, match=r"needs a compiler of C\+\+; received: .*no_such_compiler.*; install g"
    ):
        train(tiny(trunk="resnet", image_size=16, engine="torch"))
