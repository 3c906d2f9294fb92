"""A label keeps its name all the way: archive, builder, pipeline, training, export, answer in words."""

import io

import numpy as np
import pytest
from PIL import Image

from multitask.tasks import TASKS
from serving import Predictor
from training import Augmentation, TrainConfig, export, train
from training.datasets import synthetic_faces

EMOTIONS, GENDERS = TASKS["emotion"].labels, TASKS["gender"].labels
NOTHING = Augmentation(flip=0, shift=0, brightness=0, contrast=0, erasing=0)


def marked(emotion: int, gender: int, number: int, size: int = 48) -> Image.Image:
    """A picture that shows its labels to any model: a bright band on the left, a bright half on the right."""
    pixels = np.random.default_rng(number).integers(0, 50, (size, size), np.uint8)
    band = slice(emotion * size // 7, (emotion + 1) * size // 7)
    pixels[band, : size // 2] += 200
    pixels[:: 1 if gender else -1][: size // 2, size // 2 :] += 200
    return Image.fromarray(pixels).convert("RGB")


def encoded(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=95)
    return out.getvalue()


def utk_face(manual_dir):
    folder = manual_dir / "UTKFace"
    folder.mkdir(parents=True)
    for number in range(280):
        gender = number % 2
        name = f"{number % 90}_{gender}_{number % 5}_2017{number:013d}.jpg.chip.jpg"
        (folder / name).write_bytes(encoded(marked(number % 7, gender, number)))


def fer2013(manual_dir):
    for number in range(280):
        part, prefix = ("test", "PublicTest") if number % 10 == 0 else ("train", "Training")
        folder = manual_dir / "fer2013" / part / EMOTIONS[number % 7]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{prefix}_{number}.jpg").write_bytes(encoded(marked(number % 7, number % 2, number)))


def drawn(manual_dir):
    """Nothing to write: the builder draws the marked pictures itself."""


@pytest.mark.parametrize(
    ("source", "write", "tasks"),
    [
        ("utk_face", utk_face, ["gender"]),
        ("fer2013", fer2013, ["emotion"]),
        ("synthetic_faces/tiny", drawn, ["emotion", "gender"]),
    ],
)
def test_a_known_label_comes_back_under_its_name(source, write, tasks, tmp_path, monkeypatch):
    def draw_face(age, emotion, gender, rng, size=64):
        return marked(emotion, gender, int(rng.integers(2**32)), size)

    monkeypatch.setattr(synthetic_faces, "draw_face", draw_face)
    write(tmp_path / "manual")
    config = TrainConfig(
        run=tmp_path / "run",
        datasets=(source,),
        trunk="lenet",
        image_size=24,
        epochs=12,
        batch_size=16,
        dropout=0.0,
        augmentation=NOTHING,
        data_dir=tmp_path / "data",
        manual_dir=tmp_path / "manual",
    )
    predictor = Predictor(export(train(config), tmp_path / "exports"))
    for emotion, gender in np.ndindex(len(EMOTIONS), len(GENDERS)):
        (answer,) = predictor.predict([encoded(marked(emotion, gender, 10_000 + emotion))])
        expected = {"emotion": EMOTIONS[emotion], "gender": GENDERS[gender]}
        assert {task: answer[task]["label"] for task in tasks} == {task: expected[task] for task in tasks}
        assert answer.keys() & {"emotion", "gender"} == set(tasks)
