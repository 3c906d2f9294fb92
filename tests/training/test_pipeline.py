import os
import shutil

import numpy as np
import pytest
import tensorflow as tf

from multitask.errors import UserError
from multitask.tasks import TASKS
from training.cache import Pixels
from training.config import Augmentation
from training.datasets.prepare import prepare
from training.pipeline import (
    Examples,
    Taught,
    batch_indices,
    evaluation_batches,
    load_examples,
    training_batches,
)

ALL = tuple(TASKS.values())
COUNT = 23


@pytest.fixture
def examples() -> Examples:
    """A pixel tells its source (of two) and row; every second age and source 1's emotions are missing.

    Ages of source 1 are intervals of 9 years.
    """
    source, row = np.repeat([0, 1], [15, 8]), np.r_[0:15, 0:8]
    pixels = tuple(
        np.full((n, 8, 8, 3), np.arange(n).reshape(-1, 1, 1, 1) + 100 * s, np.uint8)
        for s, n in ((0, 15), (1, 8))
    )
    table = {
        "source": source,
        "row": row,
        "age": np.where(np.arange(COUNT) % 2, -1, np.arange(COUNT)).astype(np.float32),
        "age_to": np.where((source == 1) & (np.arange(COUNT) % 2 == 0), np.arange(COUNT) + 9, -1),
        "emotion": np.where(source == 1, -1, row % 7),
        "gender": row % 2,
        "group": np.full(COUNT, -1),
        "id": np.arange(COUNT),
    }
    return Examples(pixels, table)


def taken(dataset, count):
    return [
        (
            images.numpy(),
            {k: v.numpy() for k, v in labels.items()},
            {k: v.numpy() for k, v in weights.items()},
        )
        for images, labels, weights in dataset.take(count)
    ]


def assert_same(a, b):
    for (images, *dicts), (images2, *dicts2) in zip(a, b, strict=True):
        np.testing.assert_array_equal(images, images2)
        for one, two in zip(dicts, dicts2, strict=True):
            assert one.keys() == two.keys()
            for name in one:
                np.testing.assert_array_equal(one[name], two[name])


@pytest.mark.parametrize(("count", "batch_size"), [(23, 4), (23, 23), (5, 16), (1, 3)])
def test_every_epoch_is_a_shuffle_and_epochs_follow_without_a_break(count, batch_size):
    epochs = 4
    steps = -(-count * epochs // batch_size)
    stream = np.concatenate([batch_indices(count, batch_size, 7, step) for step in range(steps)])
    assert len(stream) == steps * batch_size
    shuffles = stream[: count * epochs].reshape(epochs, count)
    np.testing.assert_array_equal(np.sort(shuffles), np.tile(np.arange(count), (epochs, 1)))
    if count > 5:
        assert len({tuple(shuffle) for shuffle in shuffles}) == epochs
        assert (batch_indices(count, batch_size, 8, 0) != batch_indices(count, batch_size, 7, 0)).any()


def test_training_batches_are_full_and_hold_what_the_examples_hold(examples):
    for step, (images, labels, weights) in enumerate(taken(training_batches(examples, ALL, 6, seed=3), 10)):
        indices = batch_indices(COUNT, 6, 3, step)
        assert images.shape == (6, 8, 8, 3)
        expected = examples.table["row"][indices] + 100 * examples.table["source"][indices]
        np.testing.assert_array_equal(images[:, 0, 0, 0], expected)
        for task in ALL:
            known = examples.labelled(task)[indices]
            np.testing.assert_array_equal(weights[task.name], known)
            given = labels[task.name]
            expected = np.where(known, examples.table[task.name][indices], 0)
            np.testing.assert_array_equal(given[:, 0] if task.name == "age" else given, expected)
        years = labels["age"][:, 1] - labels["age"][:, 0]
        interval = (examples.table["source"][indices] == 1) & (weights["age"] == 1)
        np.testing.assert_array_equal(years, np.where(interval, 9, 0))


def test_the_stream_goes_on_from_any_step(examples):
    varied = Augmentation()
    whole = taken(training_batches(examples, ALL, 6, 3, augmentation=varied), 9)
    assert_same(whole[4:], taken(training_batches(examples, ALL, 6, 3, first_step=4, augmentation=varied), 5))
    assert (whole[0][0] != taken(training_batches(examples, ALL, 6, 4, augmentation=varied), 1)[0][0]).any()


def test_evaluation_sees_each_example_once_and_pads_with_weight_zero(examples):
    batches = taken(evaluation_batches(examples, ALL, 10), 99)
    assert [len(images) for images, _, _ in batches] == [10, 10, 10]
    gender = np.concatenate([weights["gender"] for _, _, weights in batches])
    np.testing.assert_array_equal(gender, np.arange(30) < COUNT)
    for task in ALL:
        assert sum(weights[task.name].sum() for _, _, weights in batches) == examples.labelled(task).sum()


def test_taking_a_part_keeps_pictures_and_labels_together(examples):
    part = examples.take(np.array([20, 3]))
    assert len(part) == 2
    assert part.images(np.array([0, 1]))[:, 0, 0, 0].tolist() == [105, 3]
    assert part.table["id"].tolist() == [20, 3]


def test_drawn_faces_are_decoded_once(data_dir, monkeypatch):
    first = load_examples(["synthetic_faces/tiny"], "validation", ALL, 16, data_dir)
    monkeypatch.setattr("training.cache._decode", lambda *_: pytest.fail("decoded again"))
    again = load_examples(["synthetic_faces/tiny"], "validation", ALL, 16, data_dir)
    everything = np.arange(len(first))
    np.testing.assert_array_equal(first.images(everything), again.images(everything))
    assert all(first.labelled(task).all() for task in ALL)


def test_without_the_cache_the_stream_is_the_same(data_dir):
    sources = ["synthetic_faces/tiny"] * 2
    kept, read = (load_examples(sources, "validation", ALL, 17, data_dir, cache=c) for c in (True, False))
    augmentation = Augmentation(shift=0.1, grey=0.5)
    for stream in (
        lambda examples: training_batches(examples, ALL, 24, 1, 2, augmentation),
        lambda examples: evaluation_batches(examples, ALL, 100),
    ):
        for one, other in zip(taken(stream(kept), 3), taken(stream(read), 3), strict=True):
            tf.nest.map_structure(np.testing.assert_array_equal, one, other)
    some = np.array([70, 3])
    np.testing.assert_array_equal(kept.images(some), read.images(some))


def test_without_the_cache_nothing_is_decoded_to_disk(data_dir):
    for _ in range(2):  # by an index that is made, then found
        load_examples(["synthetic_faces/tiny"], "test", ALL, 19, data_dir, cache=False)
    assert not list(data_dir.rglob("pixels_19*"))


def test_a_file_of_pixels_that_was_cut_off_is_named(tmp_path):
    np.save(tmp_path / "pixels.npy", np.zeros((4, 8, 8, 3), np.uint8))
    pixels = Pixels(tmp_path / "pixels.npy")
    os.truncate(tmp_path / "pixels.npy", 500)
    with pytest.raises(OSError, match="ends before row 3"):
        pixels[np.array([0, 3])]


def test_a_source_without_the_split_adds_nothing(data_dir, monkeypatch):
    class WithoutTest:
        name = "elsewhere"
        info = type("Info", (), {"splits": {"train": None}})

    monkeypatch.setattr(
        "training.pipeline.prepare",
        lambda name, *places: WithoutTest if name == "elsewhere" else prepare(name, *places),
    )
    examples = load_examples(["elsewhere", "synthetic_faces/tiny"], "test", ALL, 16, data_dir)
    assert examples.images(np.arange(64)).shape == (64, 16, 16, 3)


def test_an_unknown_split_is_named(data_dir):
    with pytest.raises(UserError, match=r"a split of synthetic_faces must be one of .*; received 'dev'"):
        load_examples(["synthetic_faces/tiny"], "dev", ALL, 16, data_dir)


def test_a_disk_without_room_for_the_pixels_is_named_before_they_are_written(data_dir, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: shutil._ntuple_diskusage(10**9, 10**9, 10**5))
    with pytest.raises(UserError, match=r"synthetic_faces test need 0 MB in .*; 0 MB are free: make room"):
        load_examples(["synthetic_faces/tiny"], "test", TASKS.values(), 41, data_dir)
    assert not list(data_dir.rglob("pixels_41*/*"))


def test_what_is_taught_stands_beside_labels_and_in_place_of_missing_ones(examples):
    answers = {"emotion": np.full((COUNT, 7), 1 / 7), "age": np.eye(101)[np.full(COUNT, 50)]}
    [(_, labels, weights)] = taken(training_batches(examples, ALL, COUNT, 0, taught=Taught(answers, 0.25)), 1)
    rows = batch_indices(COUNT, COUNT, 0, 0)
    known = examples.table["emotion"][rows] >= 0
    np.testing.assert_allclose(weights["emotion"], np.where(known, 1, 0.25))
    own = np.eye(7)[examples.table["emotion"][rows]]
    expected = np.where(known[:, None], 0.75 * own, 0.75 / 7) + 0.25 / 7
    np.testing.assert_allclose(labels["emotion"], expected, rtol=1e-5)
    aged = examples.table["age"][rows] >= 0
    np.testing.assert_allclose(labels["age"][~aged, 50], 1)
    assert (labels["age"][aged, 50] < 0.6).all()
    np.testing.assert_array_equal(labels["gender"][:, 0], examples.table["gender"][rows])  # nobody taught it
    np.testing.assert_array_equal(weights["gender"], 1)


def test_blends_of_a_batch_follow_seed_and_step_alone(examples):
    stream = training_batches(examples, ALL, 8, 3, augmentation=Augmentation(), mixup=0.5)
    resumed = training_batches(examples, ALL, 8, 3, first_step=2, augmentation=Augmentation(), mixup=0.5)
    assert_same(taken(stream, 4)[2:], taken(resumed, 2))
    [(images, labels, _), *_] = taken(stream, 1)
    [(plain, *_), *_] = taken(training_batches(examples, ALL, 8, 3, augmentation=Augmentation()), 1)
    assert (images != plain).any()
    assert {name: label.shape for name, label in labels.items()} == {
        "age": (8, 101),
        "emotion": (8, 7),
        "gender": (8, 1),
    }
