import json

import keras
import numpy as np
import pytest

from multitask.errors import UserError
from multitask.tasks import TASKS
from training.pipeline import Examples, examples_of
from training.runs import Run
from training.temperatures import divide_logits, find_temperatures
from training.train import build_model, train


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_labels_drawn_by_a_temperature_give_it_back(monkeypatch, temperature):
    rng, count = np.random.default_rng(0), 20_000
    emotion, gender = rng.normal(size=(count, 7)), rng.normal(size=(count, 1))
    shares = np.exp(emotion / temperature)
    shares /= shares.sum(axis=1, keepdims=True)
    table = {
        "emotion": (rng.random((count, 1)) > shares.cumsum(axis=1)).sum(axis=1),
        "gender": (rng.random(count) < 1 / (1 + np.exp(-gender[:, 0] / temperature))).astype(int),
    }
    table["emotion"][:5] = -1  # which take no part
    logits = {"emotion": emotion.astype("f"), "gender": gender.astype("f")}
    monkeypatch.setattr("training.temperatures.logits_of", lambda *_: iter([logits]))
    found = find_temperatures(None, [TASKS["emotion"], TASKS["gender"]], Examples((), table))
    assert found == pytest.approx(dict.fromkeys(logits, temperature), rel=0.05)


def test_logits_are_divided_in_the_heads_and_a_task_without_labels_keeps_them(tiny, data_dir):
    config = tiny()
    model, examples = build_model(config), examples_of(config, "validation")
    examples.table["gender"][:] = -1
    assert find_temperatures(model, [TASKS["gender"]], examples) == {"gender": 1.0}
    images = examples.images(np.arange(3))
    before = model.predict(images, verbose=0)
    divide_logits(model, {"age": 0.5, "emotion": 4.0})
    for task, logits in model.predict(images, verbose=0).items():
        factor = {"age": 2.0, "emotion": 0.25, "gender": 1.0}[task]
        np.testing.assert_allclose(logits, factor * before[task], rtol=1e-5)


def test_a_calibrated_run_answers_by_its_temperatures(tiny):
    config = tiny(calibrate=True, epochs=1, label_smoothing=0.5)
    run = train(config)
    found = run.summary["temperatures"]
    assert set(found) == set(TASKS)
    assert found["gender"] != 1
    best, kept = run.best_model(), keras.models.load_model(run.folder / "best.keras", compile=False)
    images = examples_of(config, "test").images(np.arange(2))
    for task, logits in kept.predict(images, verbose=0).items():
        np.testing.assert_allclose(best.predict(images, verbose=0)[task], logits / found[task], rtol=1e-4)


def assert_same_answers(one, other):
    images = examples_of(one.config, "test").images(np.arange(2))
    answers = other.best_model().predict(images, verbose=0)
    for task, logits in one.best_model().predict(images, verbose=0).items():
        np.testing.assert_allclose(logits, answers[task], rtol=1e-4)


def test_where_validation_is_learned_temperatures_come_from_the_run_before(tiny):
    first = train(tiny("first", calibrate=True, epochs=1))
    settings = {"start_from": first.folder, "splits": ("train", "validation"), "keep": "last", "epochs": 1}
    second = train(tiny("second", calibrate=True, **settings))
    assert second.summary["temperatures"] == first.summary["temperatures"]
    counts = [len(examples_of(second.config, split)) for split in ("train", "validation")]
    assert second.summary["examples"] == sum(counts)

    still = train(tiny("still", calibrate=True, learning_rate=0.0, weight_decay=0.0, **settings))
    assert_same_answers(first, still)  # what is divided in the end isn't divided before

    with pytest.raises(
        UserError, match=r"temperatures are found on what is not learned from; .* no start_from"
    ):
        train(tiny("nowhere", calibrate=True, **{**settings, "start_from": None}))
    (first.folder / "summary.json").write_text(json.dumps({"learned": list(TASKS)}))
    with pytest.raises(UserError, match=r"has none for age, emotion, gender: train it with --calibrate"):
        train(tiny("third", calibrate=True, **settings))
    assert not Run.open(tiny("third").run).history  # said before hours of training
    assert not train(tiny("fourth", **settings)).summary["temperatures"]
