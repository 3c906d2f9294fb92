"""What the proof has to know of an operation."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from multitask import ops
from multitask.gradcheck.draw import Draw, Sample
from multitask.gradcheck.finding import relative_error
from multitask.gradcheck.modes import Forward, Mode, vjp
from multitask.gradcheck.twins import Twin


@dataclass(frozen=True)
class Kink:
    """A point without a derivative, and what the operation's docstring says comes back there.

    Args:
        name: what is special about the point, and what is said.
        sample: the point; its only input.
        cotangent: what reaches the output.
        gradient: what must reach the input.
    """

    name: str
    sample: Sample
    cotangent: np.ndarray
    gradient: np.ndarray

    def errors(self, operation: Forward, mode: Mode) -> dict[str, float]:
        """How far what comes back is from what is said."""
        run = vjp(partial(operation, **self.sample.settings), self.sample, [self.cotangent], mode)
        _, gradients = run(self.sample.arrays)
        return {self.name: relative_error(gradients[next(iter(self.sample.inputs))], self.gradient)}


@dataclass(frozen=True)
class Case:
    """An operation and what it is compared with.

    Args:
        name: in `multitask.ops`.
        draw: its arguments, away from kinks and ties.
        independent: the same function put together from TensorFlow's own operations.
        call: how the operation is called, where its arguments are not all keywords.
        twin: the Keras layer or loss that computes the sample; None for what Keras does not offer.
        kinks: what comes back at kinks and ties.
        random: whether it draws numbers, which differ between dtypes and modes though the seed is the same.
        finite_for_nan: whether it may stay finite where the other becomes nan for a nan or an infinity.
    """

    name: str
    draw: Callable[[Draw], Sample]
    independent: Forward
    call: Forward | None = None
    twin: Callable[[Sample], Twin | None] | None = None
    kinks: tuple[Kink, ...] = ()
    random: bool = False
    finite_for_nan: bool = False

    def operation(self, **arguments: Any) -> Any:
        """Calls it; looked up at every call, so that whatever stands in `ops` now is judged."""
        return self.call(**arguments) if self.call else getattr(ops, self.name)(**arguments)
