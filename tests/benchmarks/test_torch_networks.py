"""PyTorch's networks, losses and layers are Keras's."""

import keras
import numpy as np
import pytest

from benchmarks.batch import batch
from benchmarks.networks import TRUNKS, with_heads
from benchmarks.single_layers import SINGLE_LAYERS
from benchmarks.steps import layer_step
from benchmarks.ways import PEERS, WAYS
from multitask.losses import guess_level, loss_of
from multitask.tasks import TASKS

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make peers")
torch_networks = pytest.importorskip("benchmarks.torch_networks")
torch_steps = pytest.importorskip("benchmarks.torch_steps")


def weighted_layers(model, trunk):
    inner = model.get_layer("trunk")
    if trunk == "vgg":
        found = [layer for layer in inner.layers if layer.weights]
    else:
        blocks = [f"block{number}_{part}" for number in range(1, 5) for part in ("shortcut", 1, 2)]
        names = [f"{name}_{kind}" for name in ("stem", *blocks) for kind in ("conv", "norm")]
        there = {layer.name: layer for layer in inner.layers}
        found = [there[name] for name in names if name in there]
    return [*found, *(model.get_layer(task) for task in TASKS)]


def in_torchs_layout(weight):
    if weight.ndim == 4:
        # Turned, with the pictures: a stride's padding is then on the side where PyTorch has it.
        weight = weight[::-1, ::-1].transpose(3, 2, 0, 1)
    return torch.from_numpy(np.ascontiguousarray(weight.T if weight.ndim == 2 else weight))


@pytest.mark.parametrize("trunk", TRUNKS)
def test_networks_and_losses_are_equal(trunk):
    keras.utils.set_random_seed(0)
    model = with_heads(trunk, 32)
    network = torch_networks.Network(trunk)
    weights = [w.numpy() for layer in weighted_layers(model, trunk) for w in layer.trainable_weights]
    with torch.no_grad():
        for parameter, weight in zip(network.parameters(), weights, strict=True):
            parameter.copy_(in_torchs_layout(weight))
    images, labels = batch(4, 32)
    expected = model(images, training=True)
    turned = torch.from_numpy(images[:, ::-1, ::-1].transpose(0, 3, 1, 2).copy())
    logits = network(turned)
    for task in TASKS:
        np.testing.assert_allclose(logits[task].detach(), expected[task], atol=1e-4)
    loss = sum(
        loss_of(task)(labels[name], expected[name]) / guess_level(task) for name, task in TASKS.items()
    )
    found = torch_networks.loss_of(logits, torch_steps.as_tensors(labels))
    assert found.item() == pytest.approx(float(loss), rel=1e-5)


def test_its_steps_learn():
    step = torch_steps.training_step(PEERS[1], "resnet", 4, 16)[1]
    first = step()
    for _ in range(5):
        last = step()
    assert last < first


@pytest.mark.parametrize(
    "single", {single.kind: single for single in SINGLE_LAYERS}.values(), ids=lambda single: single.kind
)
def test_its_layers_have_as_many_weights(single):
    ours = layer_step(WAYS[0], single, 2)[1]()[1]
    theirs = torch_steps.layer_step(PEERS[0], single, 2)[1]()
    assert sorted(np.prod(g.shape) for g in ours) == sorted(np.prod(g.shape) for g in theirs)
