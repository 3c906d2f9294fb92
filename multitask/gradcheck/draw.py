"""Random samples: what an operation is called with."""

import zlib
from dataclasses import dataclass, field
from typing import Any, TypeVar

import ml_dtypes
import numpy as np

T = TypeVar("T")
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Sample:
    """What an operation is called with, all by keyword.

    Args:
        inputs: differentiable arguments in float64, every number one that bfloat16 holds exactly: so all
            dtypes see the same numbers, and one float64 reference judges them all.
        constants: arrays that are not differentiated, such as labels; float64 ones follow the dtype.
        settings: everything else, such as strides.
        batched: inputs and constants whose first axis is the batch; its size is unknown in graphs.
        unknown: how many of their leading axes may be unknown, the last one always excepted.
    """

    inputs: Arrays
    constants: Arrays = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    batched: tuple[str, ...] = ("x",)
    unknown: int = 3

    @property
    def arrays(self) -> Arrays:
        """Inputs and constants."""
        return {**self.inputs, **self.constants}

    def __str__(self) -> str:
        arrays = {name: list(array.shape) for name, array in self.arrays.items()}
        return ", ".join(f"{name}={value}" for name, value in {**arrays, **self.settings}.items())


class Draw:
    """Draws samples for one operation; the same seed and name draw the same."""

    def __init__(self, seed: int, name: str) -> None:
        self.rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        self._hands: dict[str, list[int]] = {}

    def one_of(self, option: str, *values: T) -> T:
        """The first time the first value, which is the plain one; then all of them shuffled, anew when dealt.

        So a handful of samples sees every value of every option.
        """
        if option not in self._hands:
            self._hands[option] = []
            return values[0]
        if not self._hands[option]:
            self._hands[option] = [int(i) for i in self.rng.permutation(len(values))]
        return values[self._hands[option].pop()]

    def size(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return int(self.rng.integers(low, high + 1))

    def normal(self, *shape: int) -> np.ndarray:
        """Normally distributed."""
        return rounded(self.rng.normal(size=shape))

    def positive(self, *shape: int) -> np.ndarray:
        """Between 0.5 and 2."""
        return rounded(self.rng.uniform(0.5, 2, shape))

    def apart(self, *shape: int) -> np.ndarray:
        """Odd multiples of 1/16 within +-8: no kink that is a multiple of 1/8 is nearer than 1/16."""
        return (2 * self.rng.integers(-64, 64, shape) + 1) / 16

    def planes_apart(self, *shape: int) -> np.ndarray:
        """`apart` for pictures [N, H, W, C] of H W <= 128: no channel of a picture holds a value twice."""
        n, h, w, c = shape
        order = self.rng.permuted(np.tile(np.arange(-64, 64), (n, c, 1)), axis=-1)[..., : h * w]
        return (2 * np.moveaxis(order.reshape(n, c, h, w), 1, -1) + 1) / 16


def rounded(array: np.ndarray) -> np.ndarray:
    """The nearest numbers that bfloat16 holds, in float64."""
    return np.asarray(array, np.float64).astype(ml_dtypes.bfloat16).astype(np.float64)
