"""What comes of nan and the infinities, against what Keras or TensorFlow makes of them in the same mode."""

import numpy as np

from multitask.gradcheck.draw import Arrays, Sample
from multitask.gradcheck.modes import Vjp

VALUES = (np.nan, np.inf, -np.inf)
NAN = 2


def non_finite(
    ours: Vjp, theirs: Vjp, sample: Sample, rng: np.random.Generator, finite_for_nan: bool
) -> dict[str, float]:
    """Puts each of VALUES at a random place of the first input, and compares what comes out.

    Args:
        ours: what is judged.
        theirs: what it is to be like.
        sample: what both are called with.
        rng: draws the place.
        finite_for_nan: whether ours may be finite where theirs is nan.

    Returns:
        for the values ("output") and the gradient of each input the share of entries that are not the same
        of nan, inf, -inf and finite.
    """
    first = next(iter(sample.inputs))
    errors: dict[str, float] = {}
    for value in VALUES:
        arrays: Arrays = {**sample.arrays, first: sample.inputs[first].copy()}
        arrays[first].flat[rng.integers(arrays[first].size)] = value
        (values, gradients), (their_values, their_gradients) = ours(arrays), theirs(arrays)
        all_found = {**gradients, "output": values[0]}
        all_expected = {**their_gradients, "output": their_values[0]}
        for name in ["output", *sample.inputs]:
            found, expected = kinds(all_found.get(name)), kinds(all_expected.get(name))
            different = (found != expected) & ~(finite_for_nan & (found == 0) & (expected == NAN))
            errors[name] = max(errors.get(name, 0.0), float(np.mean(different)))
    return errors


def kinds(array: np.ndarray | None) -> np.ndarray:
    """0 where finite, 1 and -1 where infinite, NAN where nan; None is finite."""
    if array is None:
        return np.zeros(())
    return np.where(np.isnan(array), NAN, np.where(np.isinf(array), np.sign(array), 0))
