"""All proofs of one operation."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import tensorflow as tf

from multitask.gradcheck.autodiff import autodiff, second, second_derivatives
from multitask.gradcheck.case import Case
from multitask.gradcheck.differences import differences
from multitask.gradcheck.draw import Draw, Sample, rounded
from multitask.gradcheck.finding import TOLERANCES, Errors, Finding, Proof, found
from multitask.gradcheck.modes import DTYPES, MODES, DType, Mode, Vjp, late, tensors, vjp
from multitask.gradcheck.nonfinite import non_finite

EVERY: dict[Mode, int] = {"eager": 1, "graph": 2, "xla": 3}
"""Every how many-th sample runs in a mode: to compile is what takes the time."""


def check(case: Case, seed: int = 0, trials: int = 6, modes: Sequence[Mode] = MODES) -> Iterator[Finding]:
    """Compares an operation with all that its case names, on `trials` samples drawn from `seed`.

    All run eagerly; every second in a graph, of which every second knows no more of a picture than its
    channels; every third under XLA. What is compiled runs in float32 and bfloat16 for the first sample only.
    """
    draw = Draw(seed, case.name)
    for trial in range(trials):
        judge = Judge(case, case.draw(draw), draw.rng)
        for mode in modes:
            if trial % EVERY[mode] == 0:
                for dtype in DTYPES if trial == 0 or mode == "eager" else DTYPES[:1]:
                    yield from judge.findings(mode, dtype, sizes_known=trial % 4 < 2, first=trial == 0)
    for kink in case.kinks:
        for mode in modes:
            finding = partial(Finding, case.name, "at kinks", mode, 0.0, str(kink.sample))
            yield from found(finding, [kink.name], partial(kink.errors, case.operation, mode))


class Judge:
    """One sample of an operation, and what its independent forward and its Keras twin make of it."""

    def __init__(self, case: Case, sample: Sample, rng: np.random.Generator) -> None:
        self.case, self.sample, self.rng = case, sample, rng
        operation, independent = (partial(f, **sample.settings) for f in (case.operation, case.independent))
        outputs = tf.nest.flatten(independent(**tensors(sample.arrays, "float64")))
        self.cotangents = [rounded(rng.normal(size=y.shape)) for y in outputs]
        self.ours: dict[Proof, Callable[..., Vjp]] = {"autodiff": partial(vjp, operation)}
        self.theirs: dict[Proof, Callable[..., Vjp]] = {"autodiff": partial(vjp, independent)}
        twin = case.twin(sample) if case.twin else None
        if twin:
            self.ours["twin"], self.theirs["twin"] = partial(twin.vjp, True), partial(twin.vjp, False)
        self.expected = {
            proof: run(sample, self.cotangents)(sample.arrays) for proof, run in self.theirs.items()
        }
        directions = {name: rng.normal(size=array.shape) for name, array in sample.inputs.items()}
        self.second = partial(
            second_derivatives, sample=sample, cotangents=self.cotangents, directions=directions
        )
        self.operation, self.independent = operation, independent
        self.expected_second = self.second(independent, mode="eager")

    def findings(self, mode: Mode, dtype: DType, sizes_known: bool, first: bool) -> Iterator[Finding]:
        """What the proofs find in a mode and a dtype; for the first sample also with nan and infinities."""
        for proof, by, errors in self._proofs(mode, dtype, sizes_known, first):
            tolerance = 0.0 if proof == "non-finite" else TOLERANCES[dtype]
            detail = f"{dtype} by {by}, {self.sample}"
            finding = partial(Finding, self.case.name, proof, mode, tolerance, detail)
            yield from found(finding, list(self.sample.inputs), errors)

    def _proofs(
        self, mode: Mode, dtype: DType, sizes_known: bool, first: bool
    ) -> Iterator[tuple[Proof, Proof, Errors]]:
        sample, exact = self.sample, dtype == "float64"
        how = (sample, self.cotangents, mode, dtype, 1 if sizes_known else sample.unknown)
        for proof in self.ours:
            ours, theirs = late(self.ours[proof], *how), late(self.theirs[proof], *how)
            named: Proof = proof if dtype == "float64" else dtype
            yield named, proof, partial(self._alike, proof, ours, theirs)
            if exact and proof == "autodiff":
                errors = partial(differences, ours, sample, self.cotangents, self.rng)
                yield "differences", "differences", errors
        if mode != "xla" and (exact or (first and dtype == "float32")):  # which may take another way there
            yield "second", "autodiff", partial(self._second_alike, mode, dtype)
        if first and dtype == "float32":
            may = self.case.finite_for_nan
            yield "non-finite", proof, partial(non_finite, ours, theirs, sample, self.rng, may)

    def _alike(self, proof: Proof, ours: Vjp, theirs: Vjp) -> dict[str, float]:
        arrays = self.sample.arrays
        expected = theirs(arrays) if self.case.random else self.expected[proof]
        return autodiff(ours(arrays), expected, self.sample.inputs)

    def _second_alike(self, mode: Mode, dtype: DType) -> dict[str, float]:
        expected = self.expected_second
        if self.case.random:  # what is drawn differs from dtype to dtype
            expected = self.second(self.independent, mode=mode, dtype=dtype)
        return second(self.second(self.operation, mode=mode, dtype=dtype), expected)
