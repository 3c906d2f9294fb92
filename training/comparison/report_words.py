"""Figures and costs in a reader's words and numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from training.comparison.report_markup import MISSING
from training.metrics import FIGURES as JUDGED_BY
from training.metrics import LOWER_IS_BETTER


@dataclass(frozen=True)
class Figure:
    """How a figure of quality is called, written and explained.

    Args:
        title: its name.
        style: "quantity": in the task's unit; "share": 0 to 1, written in percent; "index": a bare number.
        meaning: what it says, in a sentence.
    """

    title: str
    style: Literal["quantity", "share", "index"]
    meaning: str

    @property
    def scale(self) -> float:
        """What a value is multiplied by to be drawn."""
        return 100.0 if self.style == "share" else 1.0

    def value(self, value: float | None, unit: str = "") -> str:
        """A value: "9.10 years", "68.1%", "0.673", or "-"."""
        if value is None:
            return MISSING
        percent = "%" if self.style == "share" else ""
        return _minus(f"{value * self.scale:.{self._digits}f}{percent}{self._unit(unit)}")

    def difference(self, value: float | None, unit: str = "") -> str:
        """A difference with its sign: "+0.50 years", "+2.1 points", "+0.010", or "-"."""
        if value is None:
            return MISSING
        points = " points" if self.style == "share" else ""
        return _minus(f"{value * self.scale:+.{self._digits}f}{points}{self._unit(unit)}")

    def interval(self, low: float | None, high: float | None, sign: bool = False) -> str:
        """An interval: "8.50 to 9.70", with signs "-0.10 to +0.90" for differences, or "-"."""
        if low is None or high is None:
            return MISSING
        digits = self._digits
        while digits < 6 and any(end and not round(end * self.scale, digits) for end in (low, high)):
            digits += 1  # an end just beside zero would be read as zero
        style = f"{'+' if sign else ''}.{digits}f"
        percent = "%" if self.style == "share" and not sign else ""
        return _minus(f"{low * self.scale:{style}}{percent} to {high * self.scale:{style}}{percent}")

    def axis(self, unit: str = "") -> str:
        """What stands at the axis of a plot."""
        return f"{self.title}, {'%' if self.style == 'share' else unit}".removesuffix(", ")

    @property
    def _digits(self) -> int:
        return {"quantity": 2, "share": 1, "index": 3}[self.style]

    def _unit(self, unit: str) -> str:
        return f" {unit}" if unit and self.style == "quantity" else ""


FIGURES: dict[str, Figure] = {
    "mae": Figure("mean absolute error", "quantity", "how far an answer is from the label, on average"),
    "within_5": Figure("within 5 years", "share", "share of answers at most five years from the label"),
    "accuracy": Figure("right answers", "share", "share of pictures whose likeliest class is the label"),
    "macro_f1": Figure(
        "macro-F1",
        "index",
        "the harmonic mean of precision and recall of each class, averaged over classes, so that a rare one "
        "counts as much as a frequent one; 1 is best",
    ),
    "roc_auc": Figure(
        "ROC AUC",
        "index",
        "how often a picture of the second class gets a higher probability of it than one of the first; "
        "0.5 is guessing, 1 is best",
    ),
    "calibration_error": Figure(
        "calibration error",
        "index",
        "by how much the probability of the given answer differs from how often such answers are right, "
        "on average; 0 is best",
    ),
    "mean_signed_error": Figure(
        "mean error", "quantity", "the average of answer minus label: above 0, faces are taken for older"
    ),
}
"""The figures of quality, in the order in which they are explained."""


@dataclass(frozen=True)
class Cost:
    """One cost of an approach: its title, its value in an arm's "cost", how it is written, what it means."""

    title: str
    read: Callable[[dict[str, Any]], float | None]
    words: Callable[[float], str]
    meaning: str


def _field(name: str) -> Callable[[dict[str, Any]], float | None]:
    return lambda cost: cost.get(name)


def _milliseconds(batch_size: str) -> Callable[[dict[str, Any]], float | None]:
    return lambda cost: (cost.get("milliseconds_per_image") or {}).get(batch_size)


def count(value: float) -> str:
    """A whole number: "1,257,293"."""
    return f"{value:,.0f}"


def scaled(value: float, unit: str) -> str:
    """A number with the prefix that keeps it short: "12.3 MB", "1.2 GFLOPs"."""
    for power, prefix in ((15, "P"), (12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if abs(value) >= 10**power:
            return (
                f"{value / 10**power:.3g} {prefix}{unit}"
                if value < 10 ** (power + 3)
                else f"{value:.2e} {unit}"
            )
    return f"{value:.3g} {unit}"


def duration(seconds: float) -> str:
    """A time: "43 s", "12.3 min", "2.4 h"."""
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


COSTS: dict[str, Cost] = {
    "parameters": Cost(
        "parameters",
        _field("parameters"),
        count,
        "numbers that training sets, in all networks of an approach",
    ),
    "bytes": Cost("size on disk", _field("bytes"), lambda v: scaled(v, "B"), "of the saved networks"),
    "flops": Cost(
        "compute for a picture",
        _field("flops"),
        lambda v: scaled(v, "FLOPs"),
        "floating-point operations to answer all tasks once",
    ),
    "pictures": Cost(
        "pictures seen in training",
        _field("pictures"),
        count,
        "by all networks in all epochs, a picture seen twice counted twice",
    ),
    "training_flops": Cost(
        "training compute",
        _field("training_flops"),
        lambda v: scaled(v, "FLOPs"),
        "of the whole training: for each picture seen a forward pass, and twice as much for each backward; a "
        "frozen trunk takes no backward pass, balancing by gradients one for each task",
    ),
    "seconds": Cost("training time", _field("seconds"), duration, "by the clock, of all networks together"),
    "cpu_seconds": Cost(
        "processor time", _field("cpu_seconds"), duration, "seconds that training kept processors busy"
    ),
    "peak_memory": Cost(
        "peak memory",
        _field("peak_memory"),
        lambda v: scaled(v, "B"),
        "the most that a training process held, TensorFlow itself included",
    ),
    "milliseconds_1": Cost(
        "time for a picture, one at a time",
        _milliseconds("1"),
        lambda v: f"{v:.3g} ms",
        "median, through all networks of an approach",
    ),
    "milliseconds_64": Cost(
        "time for a picture, 64 at a time",
        _milliseconds("64"),
        lambda v: f"{v:.3g} ms",
        "median, of a batch divided by its size",
    ),
    "http": Cost(
        "time for a picture through HTTP",
        _field("http_milliseconds"),
        lambda v: f"{v:.3g} ms",
        "from sending it to having the answers to all tasks",
    ),
    "requests": Cost(
        "requests for a picture", _field("requests"), count, "that give the answers to all tasks"
    ),
}
"""What an approach costs, in the order of the table; less is better in all."""

DRAWN_COSTS = ("parameters", "training_flops", "milliseconds_1", "http")


def main_figure(kind: str) -> str:
    """The name of the figure that a task of a kind is judged by."""
    return next(iter(JUDGED_BY[kind]))


def better_side(figure: str) -> Literal["lower", "higher"]:
    """Which values of a figure are better."""
    return "lower" if figure in LOWER_IS_BETTER else "higher"


def listed(words: Sequence[str]) -> str:
    """Words as a list in a sentence: "age, emotion and gender"."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def counted(number: int, word: str) -> str:
    """A number and its noun: "1 seed", "3 seeds"."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def share(part: float | None, whole: float | None) -> float | None:
    """part / whole, None if either is unknown or there is no whole."""
    return None if part is None or not whole else part / whole


def spoken(name: str) -> str:
    """A task's name as a title."""
    return capitalized(name.replace("_", " "))


def capitalized(title: str) -> str:
    """A title with its first letter, and no other, made a capital."""
    return title[:1].upper() + title[1:]


def title_of(cell: dict[str, Any]) -> str:
    """A cell's title: "resnet on synthetic_faces"."""
    gradients = ", derived gradients" if cell["gradients"] == "derived" else ""
    return f"{cell['trunk']} on {' + '.join(cell['datasets'])}{gradients}"


def _minus(number: str) -> str:
    return number.replace("-", "\N{MINUS SIGN}")
