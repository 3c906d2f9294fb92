"""Drawn faces: reproducible, all different, fully labelled, and told apart by their labels."""

import dataclasses
import hashlib
import io
import itertools
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from multitask.tasks import TASKS
from training.datasets.drawing import draw_face
from training.datasets.synthetic_faces import SPLITS, SyntheticFaces, draw_candidate

TINY = SyntheticFaces.builder_configs["tiny"]
EMOTIONS = range(len(TASKS["emotion"].labels))


def pixels(age: float, emotion: int, gender: int, seed: int, size: int = 64) -> np.ndarray:
    return np.asarray(draw_face(age, emotion, gender, np.random.default_rng(seed), size), np.float32)


@pytest.fixture(scope="module")
def drawn() -> dict[str, list]:
    return {split: [draw_candidate(TINY, split, n) for n in range(getattr(TINY, split))] for split in SPLITS}


@pytest.mark.parametrize("size", [16, 64, 97])
@pytest.mark.parametrize("age", [0, 0.5, 7, 19, 45, 100])
def test_draws_any_age_at_any_size(age: float, size: int) -> None:
    for emotion in EMOTIONS:
        for gender in (0, 1):
            picture = draw_face(age, emotion, gender, np.random.default_rng(emotion), size)
            assert (picture.mode, picture.size) == ("RGB", (size, size))
            assert np.asarray(picture).std() > 5


def test_a_larger_picture_shows_the_same_face() -> None:
    small, large = pixels(30, 3, 1, seed=1), pixels(30, 3, 1, seed=1, size=192)
    reduced = np.asarray(Image.fromarray(large.astype(np.uint8)).reduce(3), np.float32)
    assert np.corrcoef(small.ravel(), reduced.ravel())[0, 1] > 0.95


@pytest.mark.parametrize(
    ("one", "other"),
    [((25, e, 0), (25, f, 0)) for e in EMOTIONS for f in EMOTIONS if e < f]
    + [((2, 6, 0), (14, 6, 0)), ((20, 6, 0), (50, 6, 0)), ((60, 6, 1), (90, 6, 1)), ((30, 6, 0), (30, 6, 1))],
)
def test_each_label_changes_the_face_and_nothing_else(one: tuple, other: tuple) -> None:
    for seed in range(4):
        change = np.abs(pixels(*one, seed) - pixels(*other, seed)).mean(-1)
        assert change.max() > 20
        assert change.mean() > 0.3
        assert (change == 0).mean() > 0.15  # the scene stays


@pytest.mark.parametrize(
    "labels", [(-1, 0, 0), (101, 0, 0), (30, -1, 0), (30, 7, 0), (30, 0, -1), (30, 0, 2)]
)
def test_refuses_labels_out_of_range(labels: tuple) -> None:
    with pytest.raises(ValueError, match=rf"age in 0\.\.100.* received age={labels[0]}, emotion={labels[1]}"):
        draw_face(*labels, np.random.default_rng(0))


def test_an_example_is_a_function_of_seed_split_and_index() -> None:
    first = draw_candidate(TINY, "train", 5)
    assert draw_candidate(TINY, "train", 5) == first
    others = [
        draw_candidate(dataclasses.replace(TINY, seed=1), "train", 5),
        draw_candidate(TINY, "validation", 5),
        draw_candidate(TINY, "train", 6),
    ]
    assert first.image not in [other.image for other in others]


def test_every_example_has_all_labels_and_a_picture_of_its_size(drawn: dict[str, list]) -> None:
    for candidate in itertools.chain(*drawn.values()):
        labels = candidate.labels
        assert 0 <= labels["age"] <= 100
        assert labels["emotion"] in EMOTIONS
        assert labels["gender"] in (0, 1)
        assert np.asarray(Image.open(io.BytesIO(candidate.image))).shape == (64, 64, 3)


def test_no_two_examples_share_a_name_or_a_picture(drawn: dict[str, list]) -> None:
    candidates = [*itertools.chain(*drawn.values())]
    assert len(candidates) == 192 + 64 + 64
    assert len({candidate.id for candidate in candidates}) == len(candidates)
    assert len({hashlib.sha256(candidate.image).digest() for candidate in candidates}) == len(candidates)


@pytest.mark.parametrize("split", SPLITS)
def test_every_split_has_all_ages_emotions_and_genders(split: str, drawn: dict[str, list]) -> None:
    age, emotion, gender = np.transpose([[*candidate.labels.values()] for candidate in drawn[split]])
    assert set(emotion) == set(EMOTIONS)
    assert set(gender) == {0, 1}
    assert np.histogram(age, bins=5, range=(0, 100))[0].min() >= 5


def test_labels_are_independent(drawn: dict[str, list]) -> None:
    labels = [[*candidate.labels.values()] for candidate in itertools.chain(*drawn.values())]
    assert np.abs(np.corrcoef(labels, rowvar=False) - np.eye(len(TASKS))).max() < 0.2


def test_prepares_and_reads_back_what_was_drawn(drawn: dict[str, list], tmp_path: Path) -> None:
    builder = SyntheticFaces(config="tiny", data_dir=tmp_path)
    builder.download_and_prepare()
    decoders = {"image": tfds.decode.SkipDecoding()}
    for split in SPLITS:
        found = {
            example["id"].decode(): example
            for example in tfds.as_numpy(builder.as_dataset(split=split, decoders=decoders))
        }
        assert found.keys() == {candidate.id for candidate in drawn[split]}
        for candidate in drawn[split]:
            example = found[candidate.id]
            assert example["image"] == candidate.image
            assert {task: example[task] for task in TASKS} == pytest.approx(candidate.labels, abs=1e-4)
            assert example["group"] == -1
