"""What every source shares: its features, the split of a name, and the check of what comes in."""

import collections
import hashlib
import io
import logging
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image, ImageOps
from rich.progress import track

from multitask.errors import UserError
from multitask.images import decode_image
from multitask.tasks import MISSING, TASKS

logger = logging.getLogger(__name__)


class Rejected(Exception):
    """An example that can't be used; the message is the reason."""


@dataclass(frozen=True)
class Candidate:
    """A picture as a source has it, not yet checked.

    Args:
        id: its name within the source.
        image: encoded bytes.
        labels: of the tasks that the source knows of it; a task left out is unknown.
        group: the source's race code, -1 if unknown.
        split: the official split; None if the source has none: then a hash of `id` chooses.
    """

    id: str
    image: bytes
    labels: dict[str, float] = field(default_factory=dict)
    group: int = MISSING
    split: str | None = None


def features() -> tfds.features.FeaturesDict:
    """image (bytes kept as they are), one label per task (-1 unknown), group (-1 unknown), id."""
    labels = {name: tf.float32 if task.kind == "distribution" else tf.int64 for name, task in TASKS.items()}
    return tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(None, None, 3)),
            **labels,
            "group": tf.int64,
            "id": tfds.features.Text(),
        }
    )


def example(candidate: Candidate) -> dict[str, Any]:
    """The example of `features()` that a checked candidate becomes."""
    return {
        "image": io.BytesIO(candidate.image),
        **{name: candidate.labels.get(name, MISSING) for name in TASKS},
        "group": candidate.group,
        "id": candidate.id,
    }


def hashed_split(name: str, shares: dict[str, float]) -> str:
    """The split of a name: the same on every machine, whatever else the source holds.

    Args:
        name: an example's name within its source.
        shares: share of each split, in sum 1.
    """
    position = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) / 2**64
    for split, share in shares.items():
        position -= share
        if position < 0:
            return split
    return split


def upright(image: bytes) -> bytes:
    """The picture turned as its EXIF orientation says; the bytes as they are if there is nothing to turn.

    Raises:
        Rejected: the bytes are no picture that `multitask.images` reads.
    """
    try:
        with Image.open(io.BytesIO(image)) as picture:
            if picture.getexif().get(0x0112, 1) != 1:
                turned = io.BytesIO()
                ImageOps.exif_transpose(picture).save(turned, "PNG")
                image = turned.getvalue()
        decode_image(image, size=8)
    except (OSError, SyntaxError, ValueError, tf.errors.InvalidArgumentError) as error:
        raise Rejected(f"unreadable picture ({str(error).splitlines()[0][:80]})") from error
    return image


class FacesBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A source read from an archive that the user downloads.

    What can't be used (an unreadable picture, a name without its labels, a picture that stands in another
    split as well) is counted, named in the log and left out.
    """

    SHARES: ClassVar[dict[str, float]] = {"train": 0.8, "validation": 0.1, "test": 0.1}
    CITATION: ClassVar[str]
    HOMEPAGE: ClassVar[str]

    @abstractmethod
    def candidates(self, manual_dir: Path) -> Iterator[Candidate | tuple[str, str]]:
        """Every member of the archive: a candidate, or its name and why it can't be one.

        Raises:
            UserError: no archive there, or one of the wrong shape.
        """

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.__doc__,
            features=features(),
            homepage=self.HOMEPAGE,
            citation=self.CITATION,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[str, dict[str, Any]]]]:
        manual_dir = Path(dl_manager.manual_dir)
        split_of = self._split_of(manual_dir)
        splits = sorted(set(split_of.values()), key=lambda split: (_rank(split), split))
        return {split: self._examples_of(manual_dir, split, split_of) for split in splits}

    def _examples_of(
        self, manual_dir: Path, split: str, split_of: dict[str, str]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        for candidate in self.candidates(manual_dir):
            if isinstance(candidate, Candidate) and split_of.get(candidate.id) == split:
                yield candidate.id, example(replace(candidate, image=upright(candidate.image)))

    def _split_of(self, manual_dir: Path) -> dict[str, str]:
        """Ids of all usable examples and the split each belongs to."""
        split_of: dict[str, str] = {}
        copies: dict[bytes, list[str]] = collections.defaultdict(list)
        left_out: collections.Counter[str] = collections.Counter()

        def leave_out(name: str, reason: str) -> None:
            left_out[reason.partition(" (")[0]] += 1
            logger.warning("%s: left out %s: %s", self.name, name, reason)

        for candidate in track(self.candidates(manual_dir), f"checking {self.name}", transient=True):
            if not isinstance(candidate, Candidate):
                leave_out(*candidate)
                continue
            try:
                upright(candidate.image)
            except Rejected as reason:
                leave_out(candidate.id, str(reason))
                continue
            copies[hashlib.sha256(candidate.image).digest()].append(candidate.id)
            split_of[candidate.id] = candidate.split or hashed_split(candidate.id, self.SHARES)

        for same in copies.values():
            held_out = max(same, key=lambda name: _rank(split_of[name]))
            for name in same:
                if _rank(split_of[name]) < _rank(split_of[held_out]):
                    leave_out(name, f"same picture in {split_of[held_out]} ({held_out})")
                    del split_of[name]

        reasons = "".join(f"; {count} left out: {reason}" for reason, count in sorted(left_out.items()))
        logger.info("%s: %d examples%s", self.name, len(split_of), reasons)
        if not split_of:
            raise UserError(f"{self.name} needs at least one usable picture; received none in {manual_dir}")
        return split_of


def _rank(split: str) -> int:
    # A picture that stands in several splits stays in the one that is held out longest.
    return {"train": 0, "validation": 1}.get(split, 2)
