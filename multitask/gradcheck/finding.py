"""One comparison, and how an error is measured."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from multitask.gradcheck.modes import DType, Mode

Proof = Literal["differences", "autodiff", "twin", "float32", "bfloat16", "second", "non-finite", "at kinks"]
PROOFS: tuple[Proof, ...] = get_args(Proof)

TOLERANCES: dict[DType, float] = {"float64": 1e-6, "float32": 1e-4, "bfloat16": 4e-2}
"""Of relative errors against float64, by the dtype that was computed in.

In float64 as much as central differences can see, and Keras's 1e-7 in a mask's count, taken for 0, can do.
"""

LONGEST = 300
"""Characters kept of an error's message, its last: a graph's begins with where every line was traced."""

Errors = Callable[[], dict[str, float]]
"""A proof: relative errors by argument."""


@dataclass(frozen=True)
class Finding:
    """One comparison of one argument of an operation.

    Args:
        operation: name in `multitask.ops`.
        proof: what it was compared with.
        mode: how it ran.
        tolerance: the largest error that passes.
        detail: what it was called with.
        argument: whose gradient; "output" for the value itself.
        error: relative; infinite where nothing came to be compared.
        raised: the error raised instead, which a second derivative may if it says that it isn't supported.
    """

    operation: str
    proof: Proof
    mode: Mode
    tolerance: float
    detail: str
    argument: str
    error: float
    raised: str = ""

    @property
    def declined(self) -> bool:
        """Whether it is a second derivative that a clear error stands for."""
        return self.proof == "second" and re.search("not (yet )?support", self.raised) is not None

    @property
    def right(self) -> bool:
        """Whether the error is within its tolerance; one that is no number is not."""
        return self.declined or bool(self.error <= self.tolerance)


def found(finding: Callable[..., Finding], arguments: Sequence[str], errors: Errors) -> Iterator[Finding]:
    """Findings of a proof; one that raises has failed for all `arguments`, and the others go on."""
    try:
        for argument, error in errors().items():
            yield finding(argument, error)
    except Exception as error:
        message = " ".join(str(error).split())
        message = f"... {message[-LONGEST:]}" if len(message) > LONGEST else message
        raised = f"{type(error).__name__}: {message}"
        yield from (finding(argument, float("inf"), raised) for argument in arguments)


def relative_error(actual: np.ndarray | None, expected: np.ndarray | None) -> float:
    """|actual - expected| / |expected| by Euclidean norms; |actual| where zero is expected.

    Norms of whole arrays, for a single entry may be no larger than the rounding of its summands. None stands
    for zero; None where something else is expected is infinitely wrong, and so is any other shape.
    """
    if actual is None or expected is None:
        other = expected if actual is None else actual
        return 0.0 if other is None or not np.any(other) else float("inf")
    if actual.shape != expected.shape:
        return float("inf")
    error = float(np.linalg.norm((actual - expected).ravel()))
    error /= float(np.linalg.norm(expected.ravel())) or 1.0
    return error if np.isfinite(error) else float("inf")
