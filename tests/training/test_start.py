import numpy as np
import pytest

from multitask.errors import UserError
from training.runs import Run
from training.start import start_from
from training.train import build_model, train


@pytest.fixture
def earlier(tiny):
    """A run on two of the tasks, of smaller pictures, that has just ended its first epoch."""
    config = tiny("earlier", tasks=("age", "gender"), trunk="resnet", image_size=16)
    run = Run.start(config)
    build_model(config).save(run.folder / "best.keras")
    return run


def test_trunk_and_known_heads_go_on_from_another_run(tiny, earlier, caplog):
    caplog.set_level("INFO", logger="training")
    config = tiny(trunk="resnet", image_size=32, start_from=earlier.folder)
    network, fresh, best = build_model(config), build_model(config), earlier.best_model()
    start_from(network, config)
    for ours, theirs in zip(network.get_layer("trunk").weights, best.get_layer("trunk").weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for name, source in (("age", best), ("gender", best), ("emotion", build_model(tiny(trunk="resnet")))):
        same = np.array_equal(network.get_layer(name).kernel, source.get_layer(name).kernel)
        assert same == (name != "emotion")
    assert (network.get_layer("emotion").kernel != fresh.get_layer("emotion").kernel).numpy().any()
    assert f"emotion: not learned by {earlier.folder}; its head starts from random weights" in caplog.messages


def test_training_starts_where_the_other_run_ended(tiny):
    first = train(tiny("first", epochs=1))
    second = train(tiny("second", epochs=1, start_from=first.folder, learning_rate=0.0, seed=1))
    assert second.history[0]["val_loss"] == pytest.approx(first.history[0]["val_loss"], rel=1e-5)


def test_heads_begin_calibrated_unless_the_run_calibrates_itself(tiny, earlier):
    (earlier.folder / "summary.json").write_text('{"learned": ["age"], "temperatures": {"age": 0.5}}')
    own = earlier.best_model(calibrated=False).get_layer("age").kernel.numpy()
    for calibrate, factor in ((False, 2.0), (True, 1.0)):
        config = tiny(trunk="resnet", start_from=earlier.folder, calibrate=calibrate)
        network = build_model(config)
        start_from(network, config)
        np.testing.assert_allclose(network.get_layer("age").kernel, factor * own, rtol=1e-6)


def test_a_run_whose_first_checkpoint_could_not_be_written_starts_there_again(tiny):
    first = train(tiny("first", epochs=1))
    config = tiny("second", epochs=1, start_from=first.folder, learning_rate=0.0, weight_decay=0.0)
    run = Run.start(config)
    (run.folder / "metrics.jsonl").write_text('{"epoch": 1}\n')
    assert train(config).history[0]["val_loss"] == pytest.approx(first.history[0]["val_loss"], rel=1e-5)


def test_a_deeper_trunk_begins_with_the_answers_of_the_one_it_grows_from(tiny):
    config = tiny("shallow", trunk="seresnet")
    shallow = Run.start(config)
    network = build_model(config)
    network.save(shallow.folder / "best.keras")
    grown = tiny(trunk="seresnet_deep", start_from=shallow.folder)
    deep = build_model(grown)
    start_from(deep, grown)
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    before = network.predict(images, verbose=0)
    for task, logits in deep.predict(images, verbose=0).items():
        np.testing.assert_allclose(logits, before[task], atol=1e-5)
    assert deep.count_params() > network.count_params()
    with pytest.raises(UserError, match=r"or one that it grows from; .* choose --trunk seresnet,"):
        train(tiny("back", trunk="resnet", start_from=shallow.folder))


def test_a_head_that_was_chosen_but_not_learned_is_not_taken(tiny, earlier, caplog):
    caplog.set_level("INFO", logger="training")
    (earlier.folder / "summary.json").write_text('{"learned": ["age"]}')
    config = tiny(trunk="resnet", tasks=("age", "gender"), start_from=earlier.folder)
    start_from(build_model(config), config)
    assert f"gender: not learned by {earlier.folder}; its head starts from random weights" in caplog.messages


def test_another_trunk_or_no_run_is_named(tiny, earlier, tmp_path):
    with pytest.raises(
        UserError, match=r"start_from must be a run with the same trunk, .* choose --trunk resnet"
    ):
        train(tiny(trunk="lenet", start_from=earlier.folder))
    lenet = Run.start(tiny("lenet"))
    build_model(lenet.config).save(lenet.folder / "best.keras")
    with pytest.raises(UserError, match=r"made for one size of pictures; .* choose --image-size 32"):
        train(tiny(start_from=lenet.folder, image_size=48))
    with pytest.raises(UserError, match=r"run must be a folder made by training.train; received .*nowhere"):
        train(tiny(start_from=tmp_path / "nowhere"))
