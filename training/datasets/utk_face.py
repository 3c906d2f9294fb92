"""UTKFace: age and gender from faces of all ages."""

import re
from collections.abc import Iterator
from pathlib import Path

import tensorflow_datasets as tfds

from training.datasets.archives import PICTURES, members
from training.datasets.examples import Candidate, FacesBuilder

NAME = re.compile(r"(1[01]\d|\d{1,2})_([01])_([0-4])_\d")
"""How a file name begins: age, gender, race, time. The end is misspelt in a few names."""


class UtkFace(FacesBuilder):
    """UTKFace, aligned and cropped: 23,708 faces from 0 to 116 years, 200x200 JPEG, collected on the web.

    Labels, from the file name `<age>_<gender>_<race>_<time>.jpg.chip.jpg`: age in years; gender, 0 male,
    1 female; group, the race code, 0 White, 1 Black, 2 Asian, 3 Indian, 4 others. No emotion.

    Splits: the set has none; a hash of the file name sends 80% to train, 10% each to validation and test. The
    names do not tell who is shown, so a person with several pictures may stand in several splits.

    Known flaws: age, gender and race were estimated by a model and checked by an annotator: they are
    estimates of appearance, not facts about a person; gender has two codes, race five. Six names lack a label
    or are misspelt; only those with all labels are used. 238 pictures stand there under several names,
    and two labels of one are 4.1 years and in 8.7% a gender apart; of copies in different splits only the one
    held out longest is used (near copies are not looked for). The people shown are no sample of any
    population: 42% White, a third from 20 to 30 years old, a tenth over 60, two thirds of the children under
    5; and race goes with age (White 38 years in the mean, others 23). Look at errors by age and group, not at
    the mean alone.

    Licence: for non-commercial research only; the pictures' copyright stays with their owners.
    """

    VERSION = tfds.core.Version("1.1.0")
    HOMEPAGE = "https://susanqq.github.io/UTKFace/"
    ARCHIVES = ("UTKFace.tar", "UTKFace.tar.gz", "UTKFace")
    MEMBERS = "pictures named <age>_<gender>_<race>_<time>.jpg.chip.jpg"
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        f"get the aligned and cropped faces of UTKFace from {HOMEPAGE} and put them into the manual_dir as "
        "UTKFace.tar, UTKFace.tar.gz or a folder UTKFace"
    )
    CITATION = """@inproceedings{zhang2017age,
  title={Age Progression/Regression by Conditional Adversarial Autoencoder},
  author={Zhang, Zhifei and Song, Yang and Qi, Hairong},
  booktitle={IEEE Conference on Computer Vision and Pattern Recognition (CVPR)},
  year={2017}
}"""

    def candidates(self, archive: Path) -> Iterator[Candidate | tuple[str, str]]:
        """Every picture; its id is the file name."""
        for path, content in members(archive):
            if path.suffix.lower() not in PICTURES:
                continue
            if match := NAME.match(path.name):
                age, gender, race = map(int, match.groups())
                yield Candidate(path.name, content.read(), {"age": age, "gender": gender}, group=race)
            else:
                yield path.name, "name without age, gender and race"
