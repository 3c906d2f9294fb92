"""What the commands that measure steps can be told."""

import dataclasses
import importlib.util
import sys
from pathlib import Path

from benchmarks.ways import PEERS, WAYS, Way
from multitask.errors import UserError


@dataclasses.dataclass(frozen=True)
class Settings:
    """How it is measured.

    Args:
        batch_size: examples a step.
        rounds: how often each way has its turn.
        turn: its length in seconds; it is at least one step.
        peers: compare with PyTorch as well, which `make peers` installs.
        json: file for all figures.
    """

    batch_size: int = 64
    rounds: int = 15
    turn: float = 1.0
    peers: bool = False
    json: Path | None = None

    def __post_init__(self) -> None:
        for name in ("batch_size", "rounds"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} must be at least 1; received {getattr(self, name)}")
        if not self.turn >= 0:
            raise UserError(f"turn must not be negative; received {self.turn}")
        if sys.platform != "linux":
            raise UserError(
                f"memory is measured as Linux tells it; received {sys.platform}: measure on Linux"
            )
        if self.peers and importlib.util.find_spec("torch") is None:
            raise UserError(
                "peers needs PyTorch; received a Python without: type make peers, or install torch"
            )
        if self.json:
            self.json.touch()  # a path that can't be written is said now, not after minutes

    @property
    def ways(self) -> tuple[Way, ...]:
        """What takes turns."""
        return WAYS + (PEERS if self.peers else ())
