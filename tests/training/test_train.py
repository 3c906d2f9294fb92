import dataclasses
import json
import resource
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from multitask import derive
from multitask.errors import UserError
from multitask.layers import BatchNormalization
from multitask.tasks import TASKS
from training.evaluate import evaluate
from training.export import export
from training.phases import compile_model
from training.pipeline import examples_of
from training.runs import Run
from training.train import build_model, train, with_gradients


def weights(model):
    return {v.path: v.numpy() for v in model.weights}


def assert_equal(one, two):
    assert one.keys() == two.keys()
    for path in one:
        np.testing.assert_array_equal(one[path], two[path], err_msg=path)


def test_two_runs_are_equal_and_the_seed_matters(tiny):
    first, second, other = train(tiny("a")), train(tiny("b")), train(tiny("c", seed=1))
    assert_equal(weights(first.best_model()), weights(second.best_model()))
    assert [e["val_loss"] for e in first.history] == [e["val_loss"] for e in second.history]
    assert first.history[-1]["val_loss"] != other.history[-1]["val_loss"]


@pytest.mark.parametrize(
    "settings",
    [{}, {"weight_averaging": 0.9, "frozen_epochs": 1, "balancing": "uncertainty"}],
    ids=["plain", "averaged, in phases"],
)
def test_a_killed_run_goes_on_to_the_same_end(tiny, kill, settings):
    whole = train(tiny("whole", epochs=3, **settings))
    kill(tiny("killed", epochs=3, **settings))
    resumed = train(tiny("killed", epochs=3, **settings))
    assert [e["epoch"] for e in resumed.history] == [1, 2, 3]
    assert [e["loss"] for e in resumed.history] == [e["loss"] for e in whole.history]
    assert_equal(weights(resumed.best_model()), weights(whole.best_model()))


def test_a_finished_run_is_left_alone_and_other_settings_are_refused(tiny):
    config = tiny()
    train(config)
    before = {path: path.read_bytes() for path in config.run.rglob("*") if path.is_file()}
    train(config)
    assert {path: path.read_bytes() for path in config.run.rglob("*") if path.is_file()} == before
    with pytest.raises(UserError, match="started with epochs=2, received 3"):
        train(dataclasses.replace(config, epochs=3))


def test_a_run_that_found_no_data_takes_new_settings_and_a_moved_one_new_places(tiny, tmp_path):
    with pytest.raises(UserError, match="a dataset must be one of"):
        train(tiny(datasets=("photos",)))
    assert Run.start(tiny()).config.datasets == ("synthetic_faces/tiny",)
    run = train(tiny(epochs=1))
    run.folder.rename(tmp_path / "moved")
    Run.start(tiny("moved", epochs=1, data_dir=tmp_path))
    assert Run.open(tmp_path / "moved").config.data_dir == tmp_path


def test_a_folder_that_is_no_run_is_not_written_into(tiny):
    config = tiny()
    config.run.mkdir()
    (config.run / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="run must be a new folder or a run's own"):
        train(config)
    assert [path.name for path in config.run.iterdir()] == ["thesis.txt"]


def test_training_ends_early_when_patience_runs_out(tiny):
    run = train(tiny(epochs=9, patience=1, learning_rate=0.0, warmup_epochs=0))
    assert run.summary["epochs"] == 2
    assert json.loads((run.folder / "summary.json").read_text())["learned"] == list(TASKS)


def test_a_diverged_run_says_so_and_is_not_finished(tiny):
    config = tiny(learning_rate=1e30, warmup_epochs=0)
    with pytest.raises(UserError, match="must have a finite loss; received nan after epoch 1"):
        train(config)
    assert Run.open(config.run).summary is None
    train(dataclasses.replace(config, learning_rate=1e-3))


@pytest.mark.parametrize("xla", [False, True], ids=["", "xla"])
def test_a_head_without_labels_stays_as_it_is_and_is_not_exported(tiny, emotion_unlabelled, xla, tmp_path):
    config = tiny(xla=xla)
    run = train(config)
    keras.utils.set_random_seed(config.seed)
    initial, trained = weights(build_model(config)), weights(run.best_model())
    for path in trained:
        assert np.isfinite(trained[path]).all()
        assert path.startswith("emotion") == (trained[path] == initial[path]).all(), path
    assert not [name for name in run.history[-1] if "emotion" in name]
    assert all(np.isfinite(value) for epoch in run.history for value in epoch.values())
    assert evaluate(run)["tasks"]["emotion"] is None
    served = tf.saved_model.load(export(run, tmp_path / "exports"))
    assert set(served.signatures["serving_default"].structured_outputs) == {"age", "age_std", "gender"}


@pytest.mark.parametrize("xla", [False, True], ids=["", "xla"])
def test_a_batch_without_emotion_labels_leaves_that_head_without_gradient(tiny, xla):
    config = tiny()
    model = build_model(config)
    compile_model(model, config, list(TASKS.values()), steps=1)
    images = tf.constant(np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8))
    labels = {
        "age": tf.constant([5.0, 30, 60, 0]),
        "emotion": tf.zeros(4, tf.int64),
        "gender": tf.constant([0, 1, 1, 0]),
    }
    known = {"age": tf.constant([1.0, 1, 1, 0]), "emotion": tf.zeros(4), "gender": tf.ones(4)}

    @tf.function(jit_compile=xla)
    def gradients():
        with tf.GradientTape() as tape:
            loss = model.compute_loss(images, labels, model(images, training=True), known)
        return tape.gradient(loss, [v.value for v in model.trainable_variables])

    for variable, gradient in zip(model.trainable_variables, gradients(), strict=True):
        assert np.isfinite(gradient).all()
        assert variable.path.startswith("emotion") == (gradient.numpy() == 0).all(), variable.path


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_and_keeps_float32_weights(tiny, precision):
    run = train(tiny(precision=precision, epochs=1))
    assert all(value.dtype == np.float32 for value in weights(run.best_model()).values())
    assert np.isfinite(run.history[0]["loss"])
    assert keras.config.dtype_policy().name == "float32"


def test_the_average_of_the_weights_is_what_is_validated_and_kept(tiny, monkeypatch):
    """With an average that hardly moves the best model is nearly the first one, whatever was learned."""
    keras.utils.set_random_seed(0)
    first = weights(build_model(tiny()))
    averaged, plain = train(tiny("averaged", weight_averaging=0.9999)), train(tiny("plain"))
    kernel = "age/kernel"
    little, far = (abs(weights(run.best_model())[kernel] - first[kernel]).max() for run in (averaged, plain))
    assert little < far / 10
    assert averaged.history[-1]["loss"] == plain.history[-1]["loss"]  # what is trained is the same
    assert averaged.history[-1]["val_loss"] > plain.history[-1]["val_loss"]


def test_pictures_read_larger_are_the_same_ones_and_come_in_the_size_of_the_network(tiny):
    config = tiny(supersampling=2, epochs=1, weight_averaging=0.5)
    plain, larger = examples_of(config, "train"), examples_of(config, "train", larger=2)
    assert larger.shape == (64, 64, 3)
    for name, column in plain.table.items():
        np.testing.assert_array_equal(larger.table[name], column)
    run = train(config)
    assert run.best_model().input_shape == (None, 32, 32, 3)
    assert run.history[0]["loss"] != train(tiny("plain", epochs=1, weight_averaging=0.5)).history[0]["loss"]


@pytest.mark.parametrize(
    ("xla", "approach"),
    [(False, {}), (True, {"approach": "naive", "tasks": ("age",)})],
    ids=["functional", "naive, XLA"],
)
def test_both_kinds_of_gradients_learn_the_same(tiny, xla, approach, monkeypatch):
    calls = []
    module = sys.modules["training.train"]
    monkeypatch.setattr(module, "derive", lambda model: calls.append(model) or derive(model))
    derived, autodiff = (
        train(tiny(gradients, gradients=gradients, xla=xla, epochs=1, **approach))
        for gradients in ("derived", "autodiff")
    )
    assert len(calls) == 1
    assert not [
        layer for layer in derived.best_model().layers if type(layer).__module__.startswith("multitask")
    ]
    for ours, theirs in zip(
        weights(derived.best_model()).values(), weights(autodiff.best_model()).values(), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=2e-3)
    assert derived.history[0]["val_loss"] == pytest.approx(autodiff.history[0]["val_loss"], rel=1e-3)
    assert evaluate(derived)["tasks"].keys() == evaluate(autodiff)["tasks"].keys()


def test_the_fastest_gradients_are_derived_for_batch_normalization_alone(tiny):
    config = tiny(trunk="resnet", gradients="fastest")
    network = build_model(config)
    trained = with_gradients(network, config)
    kinds = {type(layer) for part in (trained, trained.get_layer("trunk")) for layer in part.layers}
    assert {kind for kind in kinds if kind.__module__.startswith("multitask")} == {BatchNormalization}
    assert keras.layers.BatchNormalization not in kinds
    images = np.random.default_rng(0).integers(0, 256, (16, 32, 32, 3), np.uint8)
    expected, found = network(images, training=True), trained(images, training=True)
    for task, logits in expected.items():
        np.testing.assert_allclose(found[task], logits, rtol=1e-3, atol=1e-4)


def test_a_naive_run_learns_one_task(tiny):
    run = train(tiny(approach="naive", tasks=("gender",), epochs=1))
    assert run.summary["learned"] == ["gender"]
    assert set(evaluate(run)["tasks"]) == {"gender"}
    assert {"gender_accuracy", "val_gender_accuracy"} <= set(run.history[0])


def test_a_full_disk_ends_in_one_line_and_nothing_is_lost(tiny):
    config = tiny()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, hard))  # the model fits, the checkpoint doesn't
    try:
        with pytest.raises(UserError, match="what a run leaves behind needs room; File too large at"):
            train(config)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert Run.open(config.run).summary is None
    assert train(config).summary["epochs"] == 2


def test_validation_without_any_label_is_named(tiny, monkeypatch):
    def none_to_validate(config, split, **larger):
        examples = examples_of(config, split, **larger)
        return examples.take(np.arange(0)) if split == "validation" else examples

    monkeypatch.setattr(sys.modules["training.train"], "examples_of", none_to_validate)
    with pytest.raises(UserError, match=r"the best epoch is chosen by validation examples; .* has none"):
        train(tiny())


def test_a_run_keeps_the_data_it_has_learned_from(tiny):
    run = Run.start(tiny())
    run.keep_data({"manifest:mine.csv": "1.0.0 mine-1"})
    run.keep_data({"manifest:mine.csv": "1.0.0 mine-2"})  # no epoch has ended yet
    (run.folder / "metrics.jsonl").write_text('{"epoch": 1}\n')
    run.keep_data({"manifest:mine.csv": "1.0.0 mine-2"})
    with pytest.raises(UserError, match=r"a run keeps its data; manifest:mine.csv has changed since"):
        run.keep_data({"manifest:mine.csv": "1.0.0 mine-3"})


def test_one_process_trains_a_run(tiny):
    config = tiny()
    with (
        Run.start(config).held(),
        pytest.raises(UserError, match=r"one process trains a run; .* is being trained by another"),
    ):
        train(config)
    with Run.start(config).held(), pytest.raises(UserError, match="is being trained by another"):
        Run.start(dataclasses.replace(config, trunk="resnet"))
    assert Run.open(config.run).config.trunk == "lenet"  # the other one's settings were not written
    summary = train(config).summary
    assert 0 < summary["cpu_seconds"] < 100 * summary["seconds"]
    assert summary["peak_memory"] is None or summary["peak_memory"] > 1e8


def test_without_pytorch_it_ends_in_one_line(tiny, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("training.pytorch.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(UserError, match=r'the engine "torch" needs PyTorch; received none'):
        train(tiny(trunk="resnet", engine="torch"))
