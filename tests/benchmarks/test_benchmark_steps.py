"""The steps that are measured: that all ways compute the same."""

import keras
import numpy as np
import pytest

from benchmarks import networks
from benchmarks.batch import batch
from benchmarks.measure import build, children, take_turns
from benchmarks.single_layers import SINGLE_LAYERS
from benchmarks.steps import layer_step, training_step
from benchmarks.ways import FASTEST, WAYS

KINDS = {single.kind: single for single in SINGLE_LAYERS}.values()


BUILT_IN, DERIVED, DERIVED_XLA = WAYS[0], WAYS[1], WAYS[3]


def test_ways_train_the_same_network(monkeypatch):
    monkeypatch.setattr(networks, "VGG_CHANNELS", (8,))
    steps = [training_step(way, "vgg", 4, 16)[1] for way in (BUILT_IN, DERIVED_XLA, FASTEST)]
    built_in, *others = ([step() for _ in range(3)] for step in steps)
    np.testing.assert_allclose(others, [built_in] * 2, rtol=1e-3)
    assert built_in[2] < built_in[0]


def test_a_child_takes_real_steps_and_says_nothing(capfd):
    with children([BUILT_IN, DERIVED_XLA]) as processes:
        build(processes, "layer_step", SINGLE_LAYERS[-1], 2)
        figures = take_turns(processes, 2, 0.0, lambda: None)
    assert set(figures) == {"built-in", "derived, XLA"}
    for taken in figures.values():
        assert len(taken.seconds) == 2
        assert min(*taken.seconds, *taken.cpu_seconds, taken.memory) > 0
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("single", KINDS, ids=lambda single: single.kind)
def test_ways_compute_the_same_layer(single):
    def step(way):
        keras.utils.set_random_seed(0)  # the same weights and, of dropout, draws
        return layer_step(way, single, 2)[1]()

    built_in, derived = step(BUILT_IN), step(DERIVED)
    assert len(built_in[1]) == len(derived[1]) > 0
    for ours, theirs in zip([derived[0], *derived[1]], [built_in[0], *built_in[1]], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)


def test_batches_are_equal():
    for first, second in zip(batch(3, 8), batch(3, 8), strict=True):
        np.testing.assert_equal(first, second)
