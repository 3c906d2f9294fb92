"""One TFDS builder a source, all yielding the same features; a new source is one file and one entry."""

from typing import Any

from training.datasets.celeb_a import CelebA
from training.datasets.fair_face import FairFace
from training.datasets.fer2013 import Fer2013
from training.datasets.manifest import Manifest
from training.datasets.synthetic_faces import SyntheticFaces
from training.datasets.utk_face import UtkFace

DATASETS: dict[str, Any] = {
    "synthetic_faces": SyntheticFaces,
    "utk_face": UtkFace,
    "fer2013": Fer2013,
    "fair_face": FairFace,
    "celeb_a": CelebA,
    "manifest": Manifest,
}
