"""What was measured, and as ratios."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from benchmarks.ways import FASTEST, PEERS, WAYS

PAIRS = (
    ("derived", "built-in"),
    ("fastest", "built-in"),
    ("derived, XLA", "built-in, XLA"),
    ("built-in, bfloat16", "built-in"),
    ("by PyTorch", "built-in"),
    ("by PyTorch, bfloat16", "built-in"),
)


@dataclasses.dataclass(frozen=True)
class Figures:
    """What one way took.

    Args:
        seconds: a step, in each round.
        cpu_seconds: the same, of all threads together, those that wait by spinning too.
        memory: bytes at the peak, compiling included, beyond what the process held before.
    """

    seconds: list[float]
    cpu_seconds: list[float]
    memory: int

    @property
    def milliseconds(self) -> float:
        """The median over the rounds."""
        return float(np.median(self.seconds)) * 1e3

    @property
    def cpu_milliseconds(self) -> float:
        """The median over the rounds."""
        return float(np.median(self.cpu_seconds)) * 1e3


@dataclasses.dataclass(frozen=True)
class Ratio:
    """What one way took, as multiples of another's; `memory` is None where the other needed none."""

    time: float
    cpu: float
    memory: float | None


def ratio(a: Figures, b: Figures) -> Ratio:
    """a's figures as multiples of b's: medians over the rounds."""
    return Ratio(
        float(np.median(np.divide(a.seconds, b.seconds))),
        float(np.median(np.divide(a.cpu_seconds, b.cpu_seconds))),
        a.memory / b.memory if b.memory > 0 else None,
    )


def fastest(figures: Mapping[str, Figures], *engines: str) -> str | None:
    """The name of the fastest way of one of the engines, if any was measured."""
    ways = (*WAYS, FASTEST, *PEERS)
    names = [way.name for way in ways if way.engine in engines and way.name in figures]
    return min(names, key=lambda name: figures[name].milliseconds, default=None)


def ratios(figures: Mapping[str, Figures]) -> dict[str, Ratio]:
    """What derived layers take as multiples of built-in ones and of PyTorch, where these were measured."""
    ours = fastest(figures, "derived", "fastest")
    theirs, torch = fastest(figures, "built-in"), fastest(figures, "torch")
    pairs: dict[str, tuple[str | None, str | None]] = {f"{a} / {b}": (a, b) for a, b in PAIRS}
    pairs |= {"best derived / best built-in": (ours, theirs), "best derived / best PyTorch": (ours, torch)}
    return {
        name: ratio(figures[a], figures[b])
        for name, (a, b) in pairs.items()
        if a is not None and b is not None and a in figures and b in figures
    }
