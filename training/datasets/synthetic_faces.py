"""Faces drawn by code: all three labels, any number, no download."""

import dataclasses
import io
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from multitask.tasks import TASKS
from training.datasets.drawing import draw_face
from training.datasets.examples import Candidate, example, features

SPLITS = ("train", "validation", "test")


@dataclasses.dataclass(eq=False)
class SyntheticFacesConfig(tfds.core.BuilderConfig):
    """How many faces are drawn, and which.

    TFDS keeps what was drawn under the config's name, so other values want another name.

    Args:
        train: number of faces to learn from.
        validation: number of faces to choose by.
        test: number of faces to judge by.
        size: height and width of each picture in pixels.
        seed: another one draws other faces.
    """

    train: int = 6000
    validation: int = 1000
    test: int = 1000
    size: int = 64
    seed: int = 0


class SyntheticFaces(tfds.core.GeneratorBasedBuilder):
    """Drawn faces with age, emotion and gender.

    What it is: portraits in colour, 64x64 JPEG, each drawn by code from three labels that are independent of
    one another and evenly spread: age from 0 to 100 years; emotion, the seven of FER2013 in its order;
    gender, 0 male, 1 female. No group. Every example has all labels, true by construction. An example depends
    on the configuration's seed, its split and its index alone.

    What it is for: to see a pipeline learn from end to end without a download. A linear model on the pixels
    does poorly, a small convolutional network does well within minutes.

    How the labels show: age moves the proportions (a baby's eyes are large and low in a round head), then
    deepens and multiplies wrinkles, lets cheeks and lids sag, thins the lips, greys and thins the hair. An
    emotion is its prototype of facial action units (Ekman and Friesen, 1978) at a random intensity; a faint
    one looks neutral. Gender shifts the means of several cues that overlap (length of hair, brows, lashes,
    lips, jaw, beard), less so in children; none of them decides.

    What else varies, whatever the labels are: skin, eyes, hair style, clothes, background; the head's turn,
    place and size; direction and strength of light, exposure, contrast, blur, noise, lost colour; glasses,
    hats, and hands before the face. Hair has any colour, but greys with age.

    What it must not be taken for: drawn faces say nothing about real people. How well or how fairly a model
    does here tells nothing about photographs, and one that learned from these faces alone is of no use on
    them. The cues of gender and emotion are conventions of drawing, not facts about anyone.
    """

    # Another drawing wants another version: what is prepared is looked up by it.
    SHAREABLE: ClassVar[bool] = True
    VERSION = tfds.core.Version("1.1.0")
    BUILDER_CONFIGS: ClassVar[list[SyntheticFacesConfig]] = [
        SyntheticFacesConfig("default", description="Enough to train on."),
        SyntheticFacesConfig("small", description="For a first look.", train=3000, validation=500, test=500),
        SyntheticFacesConfig("tiny", description="For tests.", train=192, validation=64, test=64),
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(builder=self, description=self.__doc__, features=features())

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[str, dict[str, Any]]]]:
        return {split: self._generate_examples(split) for split in SPLITS}

    def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for index in range(getattr(self.builder_config, split)):
            candidate = draw_candidate(self.builder_config, split, index)
            yield candidate.id, example(candidate)


def draw_candidate(config: SyntheticFacesConfig, split: str, index: int) -> Candidate:
    """The picture and labels number `index` of a split: the same on every call, unlike any other's."""
    rng = np.random.default_rng([config.seed, SPLITS.index(split), index])
    age = round(rng.uniform(0.0, TASKS["age"].units - 1), 1)
    emotion = int(rng.integers(TASKS["emotion"].units))
    gender = int(rng.integers(len(TASKS["gender"].labels)))
    image = io.BytesIO()
    draw_face(age, emotion, gender, rng, config.size).save(image, "JPEG", quality=92)
    return Candidate(
        id=f"{split}-{index:05d}",
        image=image.getvalue(),
        labels={"age": age, "emotion": emotion, "gender": gender},
        split=split,
    )
