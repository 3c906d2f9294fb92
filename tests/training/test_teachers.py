import dataclasses
import sys

import keras
import numpy as np
import pytest

from models.flips import average_flips
from multitask.errors import UserError
from training.pipeline import examples_of
from training.runs import Run
from training.teachers import taught
from training.train import build_model, train


@pytest.fixture
def teacher(tiny):
    """A run on age and emotion that has just ended its first epoch."""

    def run(name="teacher", **settings):
        started = Run.start(tiny(name, **{"tasks": ("age", "emotion"), **settings}))
        build_model(started.config).save(started.folder / "best.keras")
        return started

    return run


def test_teachers_answer_for_the_tasks_they_know_by_the_mean_over_flips(tiny, teacher):
    teachers = teacher("one"), teacher("two", seed=1, tasks=("emotion",))
    config = tiny(teachers=[run.folder for run in teachers], distillation=0.3)
    examples = examples_of(config, "train")
    found = taught(config, examples)
    assert found.share == 0.3
    assert found.answers.keys() == {"age", "emotion"}
    images = examples.images(np.arange(len(examples)))
    logits = [average_flips(run.best_model()).predict(images, verbose=0) for run in teachers]
    for task, each in (("age", logits[:1]), ("emotion", logits)):
        expected = np.mean([keras.ops.softmax(of_one[task]) for of_one in each], axis=0)
        np.testing.assert_allclose(found.answers[task], expected, atol=1e-3)
    assert taught(dataclasses.replace(config, teachers=()), examples) is None


def test_a_task_without_labels_is_learned_from_a_teacher(tiny, teacher, emotion_unlabelled):
    alone = train(tiny("alone", epochs=1))
    assert "emotion" not in alone.summary["learned"]
    told = train(tiny("told", epochs=1, teachers=[teacher().folder]))
    assert told.summary["learned"] == ["age", "emotion", "gender"]
    assert "emotion_loss" in told.history[0]


def test_teachers_of_no_pictures_leave_the_missing_labels_to_be_named(tiny, teacher, monkeypatch):
    def none(config, *splits, **larger):
        return examples_of(config, *splits, **larger).take(np.arange(0))

    monkeypatch.setattr(sys.modules["training.train"], "examples_of", none)
    with pytest.raises(UserError, match="tasks need labels"):
        train(tiny("told", tasks=("emotion",), teachers=[teacher().folder]))


def test_a_teacher_that_can_not_see_or_tell_is_named(tiny, teacher, tmp_path):
    config = tiny(teachers=[teacher(image_size=48).folder])
    with pytest.raises(
        UserError, match=r"takes pictures of the same size, 32, .* which takes 48 and knows age"
    ):
        train(config)
    with pytest.raises(UserError, match=r"knows one of gender; received .* knows age, emotion"):
        train(tiny("other", tasks=("gender",), teachers=[teacher("second").folder]))
    with pytest.raises(UserError, match=r"run must be a folder made by training\.train"):
        train(tiny("third", teachers=[tmp_path / "nowhere"]))
