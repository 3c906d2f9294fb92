import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from multitask.tasks import TASKS
from training.checkpoints import EpochEnd
from training.phases import compile_model
from training.train import build_model, train


def weights(model):
    return {v.path: v.numpy() for v in model.weights}


def test_feature_extraction_then_fine_tuning(tiny, monkeypatch):
    """What may move in each phase, batch normalization's statistics included."""
    config = tiny(trunk="resnet", image_size=16, frozen_epochs=1, unfrozen_layers=2, balancing="pcgrad")
    keras.utils.set_random_seed(config.seed)
    states = [weights(build_model(config))]
    end = EpochEnd.on_epoch_end

    def on_epoch_end(self, epoch, logs=None):
        end(self, epoch, logs)
        states.append(weights(self._trained))

    monkeypatch.setattr(EpochEnd, "on_epoch_end", on_epoch_end)
    train(config)
    moved = [
        {path.rpartition("/")[0] for path in before if (before[path] != after[path]).any()}
        for before, after in itertools.pairwise(states)
    ]
    assert moved == [set(TASKS), {*TASKS, "block4_shortcut_conv", "block4_2_conv"}]


def test_a_run_killed_in_its_second_phase_goes_on_to_the_same_end(tiny, monkeypatch):
    settings = {"frozen_epochs": 1, "unfrozen_layers": 1, "balancing": "dynamic_average", "epochs": 3}
    whole = train(tiny("whole", **settings))
    config = tiny("stopped", **settings)
    with monkeypatch.context() as patch:
        patch.setattr(EpochEnd, "on_epoch_begin", _stop_before(2))  # within the second phase
        with pytest.raises(KeyboardInterrupt):
            train(config)
    resumed = train(config)
    assert resumed.history[-1]["loss"] == whole.history[-1]["loss"]
    for one, other in zip(
        weights(resumed.best_model()).values(), weights(whole.best_model()).values(), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def _stop_before(epoch):
    begin = EpochEnd.on_epoch_begin

    def on_epoch_begin(self, number, logs=None):
        if number == epoch:
            raise KeyboardInterrupt
        begin(self, number, logs)

    return on_epoch_begin


def test_decay_is_on_kernels_alone(tiny):
    """With a learning rate but no gradient, what moves is what decays."""
    config = tiny(warmup_epochs=0, weight_decay=0.5)
    model = build_model(config)
    compile_model(model, config, list(TASKS.values()), steps=10)
    for variable in model.trainable_variables:
        variable.assign(np.ones(variable.shape))
    model.optimizer.apply([tf.zeros(v.shape) for v in model.trainable_variables], model.trainable_variables)
    for variable in model.trainable_variables:
        assert variable.path.endswith("kernel") == (variable.numpy() < 1).all(), variable.path
