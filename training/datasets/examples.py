"""What every source shares: its features, the split of a name, and the check of what comes in."""

import collections
import hashlib
import io
import logging
import warnings
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import ExifTags, Image, ImageOps
from rich.console import Console
from rich.progress import track

from multitask.errors import UserError
from multitask.images import decode_image
from multitask.tasks import MISSING, TASKS
from training.datasets.archives import DAMAGE
from training.datasets.copies import disagreement
from training.labels import columns_of

logger = logging.getLogger(__name__)

SPLITS = ("train", "validation", "test", "private_test")
"""Splits of all sources. A picture that stands in several of one source stays in the last of them."""


class Rejected(Exception):
    """An example that can't be used; the message is the reason."""


@dataclass(frozen=True)
class Candidate:
    """A picture as a source has it, not yet checked.

    Args:
        id: its name within the source.
        image: encoded bytes.
        labels: of the tasks that the source knows of it; a task left out is unknown. A quantity that it knows
            only to lie in an interval: (from, to), both included.
        group: the source's race code, -1 if unknown.
        split: the official split; None if the source has none: then a hash of `id` chooses.
    """

    id: str
    image: bytes
    labels: dict[str, float | tuple[float, float]] = field(default_factory=dict)
    group: int = MISSING
    split: str | None = None


def features() -> tfds.features.FeaturesDict:
    """image (bytes kept as they are), labels by `columns_of` each task, group (-1 unknown), id."""
    labels = {
        column: tf.float32 if task.kind == "distribution" else tf.int64
        for task in TASKS.values()
        for column in columns_of(task)
    }
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
    labels: dict[str, float] = {}
    for name, task in TASKS.items():
        label = candidate.labels.get(name, MISSING)
        ends = label if isinstance(label, tuple) else (label, MISSING)
        labels.update(zip(columns_of(task), ends, strict=False))  # a class has the first column alone
    return {
        "image": io.BytesIO(candidate.image),
        **labels,
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
        Rejected: the bytes are no picture.
    """
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(image)) as picture:
            if picture.getexif().get(ExifTags.Base.Orientation, 1) == 1:
                return image
            turned = io.BytesIO()
            ImageOps.exif_transpose(picture).convert("RGB").save(turned, "PNG")
            return turned.getvalue()
    except Exception as error:  # Pillow lets anything out that its decoders meet in spoilt bytes
        raise Rejected("unreadable picture") from error


def check(image: bytes) -> None:
    """Decodes a picture as training will.

    Raises:
        Rejected: `multitask.images` can't read it.
    """
    try:
        _decode(image)
    except tf.errors.InvalidArgumentError as error:
        raise Rejected("unreadable picture") from error


@tf.function(input_signature=[tf.TensorSpec((), tf.string)])
def _decode(image: tf.Tensor) -> tf.Tensor:
    return decode_image(image, size=8)


class FacesBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
    """A source read from an archive that the user downloads.

    What can't be used (an unreadable picture, a name without its labels, a picture that stands in another
    split as well) is counted, named in the log and left out. An archive that is missing, damaged or of
    another shape is a `UserError`.
    """

    SHARES: ClassVar[dict[str, float]] = {"train": 0.8, "validation": 0.1, "test": 0.1}
    CITATION: ClassVar[str]
    HOMEPAGE: ClassVar[str]
    ARCHIVES: ClassVar[tuple[str, ...]]
    """Names that the archive may have in the manual_dir; the first that is there is read."""
    MEMBERS: ClassVar[str]
    """What an archive must hold, in words."""
    SHAREABLE: ClassVar[bool] = False
    """Whether its pictures may be passed on, as within a report."""

    @abstractmethod
    def candidates(self, archive: Path) -> Iterator[Candidate | tuple[str, str]]:
        """What an archive holds: candidates, or an example's name and why it can't be one."""

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.__doc__,
            features=features(),
            homepage=self.HOMEPAGE,
            citation=self.CITATION,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[str, dict[str, Any]]]]:
        archive = self._archive(dl_manager)
        split_of = self._split_of(archive)
        splits = sorted(set(split_of.values()), key=SPLITS.index)
        return {split: self._generate_examples(archive, split, split_of) for split in splits}

    def _generate_examples(
        self, archive: Path, split: str, split_of: dict[str, str]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        ids = {name for name, its_split in split_of.items() if its_split == split}
        for candidate in self._readable(archive):
            if isinstance(candidate, Candidate) and candidate.id in ids:
                ids.remove(candidate.id)
                yield candidate.id, example(replace(candidate, image=upright(candidate.image)))

    def _archive(self, dl_manager: Any) -> Path:
        try:
            manual_dir = Path(dl_manager.manual_dir)
        except (AssertionError, OSError) as error:  # TFDS asserts that the folder is there and not empty
            received = str(error).partition(". ")[0]
        else:
            for name in self.ARCHIVES:
                if (manual_dir / name).exists():
                    return manual_dir / name
            received = f"none of them in {manual_dir}"
        raise self._unusable(f"{self.name} must have {' or '.join(self.ARCHIVES)}", received)

    def _unusable(self, rule: str, received: str) -> UserError:
        return UserError(f"{rule}; received: {received}; {self.MANUAL_DOWNLOAD_INSTRUCTIONS}")

    def _readable(self, archive: Path) -> Iterator[Candidate | tuple[str, str]]:
        try:
            yield from self.candidates(archive)
        except DAMAGE as error:
            received = f"a damaged one ({str(error).partition(chr(10))[0]})"
            raise self._unusable(f"{archive} must be a whole archive", received) from error

    def _split_of(self, archive: Path) -> dict[str, str]:
        """Ids of all usable examples and the split each belongs to."""
        split_of: dict[str, str] = {}
        labels_of: dict[str, dict[str, Any]] = {}
        same: dict[bytes, list[str]] = collections.defaultdict(list)
        left_out: list[tuple[str, str]] = []
        for candidate in self._checked(archive):
            if isinstance(candidate, Candidate):
                split_of[candidate.id] = candidate.split or hashed_split(candidate.id, self.SHARES)
                labels_of[candidate.id] = candidate.labels
                same[hashlib.sha256(candidate.image).digest()].append(candidate.id)
            else:
                left_out.append(candidate)
        if not split_of:
            raise self._nothing_usable(archive, left_out)

        copies = list(same.values())
        left_out += _leave_in_one_split(split_of, copies)
        self._settle(split_of, [[name for name in names if name in split_of] for names in copies])

        self._report(left_out)
        counts = collections.Counter(reason.partition(" (")[0] for _, reason in left_out)
        reasons = "".join(f"; {count} left out: {reason}" for reason, count in sorted(counts.items()))
        if apart := disagreement([labels_of[name] for name in names] for names in copies):
            logger.info("%s: two labels of one picture are apart, in the mean: %s", self.name, apart)
        logger.info("%s: %d examples%s", self.name, len(split_of), reasons)
        return split_of

    def _checked(self, archive: Path) -> Iterator[Candidate | tuple[str, str]]:
        """What an archive holds, as `candidates`; pictures decode, and no name comes twice."""
        seen: set[str] = set()
        description, console = f"checking {self.name}", Console(stderr=True)
        for candidate in track(self._readable(archive), description, transient=True, console=console):
            if not isinstance(candidate, Candidate):
                yield candidate
            elif candidate.id in seen:
                yield candidate.id, "second of its name"
            else:
                seen.add(candidate.id)
                try:
                    check(upright(candidate.image))
                except Rejected as error:
                    yield candidate.id, str(error)
                else:
                    yield candidate

    def _nothing_usable(self, archive: Path, left_out: list[tuple[str, str]]) -> UserError:
        received = "none that can be used" + "".join(f", {name}: {why}" for name, why in left_out[:1])
        return self._unusable(f"{archive} must hold {self.MEMBERS}", received)

    def _settle(self, split_of: dict[str, str], copies: list[list[str]]) -> None:
        """The last word on `split_of`; `copies` are the ids of each picture, which must share a split."""

    def _report(self, left_out: list[tuple[str, str]]) -> None:
        for name, reason in left_out:
            logger.warning("%s: left out %s: %s", self.name, name, reason)


def _leave_in_one_split(split_of: dict[str, str], copies: list[list[str]]) -> list[tuple[str, str]]:
    """Takes from `split_of` the copies of each picture that are not in the last of its splits.

    Returns:
        The names taken, each with the reason.
    """
    taken = []
    for names in copies:
        kept = max(names, key=lambda name: SPLITS.index(split_of[name]))
        for name in names:
            if split_of[name] != split_of[kept]:
                del split_of[name]
                taken.append((name, f"same picture in {split_of[kept]} ({kept})"))
    return taken
