"""CelebA as TensorFlow Datasets has it: gender, and who smiles."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import tensorflow_datasets as tfds
from tensorflow_datasets.datasets.celeb_a.celeb_a_dataset_builder import Builder

from multitask.errors import UserError
from multitask.tasks import TASKS
from training.datasets.examples import Candidate, example, features

logger = logging.getLogger(__name__)

HAPPY = TASKS["emotion"].labels.index("happy")
MALE, FEMALE = map(TASKS["gender"].labels.index, ("male", "female"))
HOMEPAGE = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"


class CelebA(Builder, skip_registration=True):  # type: ignore[call-arg]
    """CelebA, aligned and cropped: 202,599 pictures of 10,177 celebrities, 178x218 JPEG, from the web.

    TFDS's own builder reads the set, holds it against the checksums that it knows, and holds the pictures in
    memory meanwhile (about 1.5 GB); what is kept of it are the labels of this project.

    Labels, of its forty attributes: gender, 0 where Male is set, else 1; emotion, 3 (happy) where Smiling is
    set, else unknown: who doesn't smile may show any of the others. No age, no group.

    Splits: the official train (162,770), validation (19,867) and test (19,962), which share no person.

    Known flaws: the only emotion is happy, so alone it teaches a model to answer nothing else; mix it with a
    source that has them all, and look at how often happy is answered. Celebrities on the red carpet are
    young, made up, mostly White and smile for the camera. Attributes are annotators' words for what they saw.

    Licence: for non-commercial research only; the pictures' copyright stays with their owners.
    """

    VERSION = tfds.core.Version("1.0.0")
    # A folder of its own beside what tfds.load("celeb_a") prepares.
    BUILDER_CONFIGS: ClassVar[list[tfds.core.BuilderConfig]] = [
        tfds.core.BuilderConfig("faces", description="Gender and happy faces.")
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"get them from {HOMEPAGE} and put them, as they are, into the manual_dir"
    SHAREABLE: ClassVar[bool] = False
    url_infos = Builder.url_infos  # TFDS looks for them beside the file of the class

    may_download = False
    """Whether TFDS fetches files that are not in the manual_dir; else that is an error."""

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.__doc__,
            features=features(),
            homepage=HOMEPAGE,
            citation="""@inproceedings{liu2015deep,
  title={Deep Learning Face Attributes in the Wild},
  author={Liu, Ziwei and Luo, Ping and Wang, Xiaogang and Tang, Xiaoou},
  booktitle={International Conference on Computer Vision (ICCV)},
  year={2015}
}""",
        )

    def _split_generators(self, dl_manager: Any) -> Any:
        if self.may_download:
            logger.info("%s: TFDS fetches what the manual_dir lacks, 1.5 GB at most", self.name)
            logging.getLogger("urllib3").setLevel(logging.ERROR)  # it would tell of every retry
        elif missing := self._missing(dl_manager):
            raise self._unusable(
                missing, "; or let TFDS fetch them: python -m training.datasets celeb_a --download"
            )
        try:
            return super()._split_generators(dl_manager)
        except Exception as error:  # the network, TFDS, its reading of archives: each has its own
            raise self._unusable(str(error).strip().partition("\n")[0] or type(error).__name__) from error

    def _generate_examples(self, *split: Any, **named: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        for name, record in super()._generate_examples(*split, **named):
            attributes = record["attributes"]
            labels = {"gender": MALE if attributes["Male"] else FEMALE}
            if attributes["Smiling"]:
                labels["emotion"] = HAPPY
            yield name, example(Candidate(name, record["image"].read(), {**labels}))

    def _missing(self, dl_manager: Any) -> str:
        """Which files the user would have to put where; empty if all are there."""
        try:
            manual_dir = Path(dl_manager.manual_dir)
            missing = [name for name in self._files() if not (manual_dir / name).exists()]
        except (AssertionError, OSError) as error:  # TFDS asserts that the folder is there and not empty
            return str(error).partition(". ")[0]
        return f"no {', '.join(missing)} in {manual_dir}" if missing else ""

    def _files(self) -> list[str]:
        return [info.filename for info in self.url_infos.values()]

    def _unusable(self, received: str, more: str = "") -> UserError:
        return UserError(
            f"{self.name} must have {', '.join(self._files())}; received: {received}; "
            f"{self.MANUAL_DOWNLOAD_INSTRUCTIONS}{more}"
        )
