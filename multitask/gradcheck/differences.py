"""First proof: the gradient against central differences of the operation's own values."""

import numpy as np

from multitask.gradcheck.draw import Sample
from multitask.gradcheck.modes import Vjp

STEP = 2.0**-20
"""Balances the differences' own two errors, h^2 and 1e-16 / h; kinks are farther away."""


def differences(
    run: Vjp, sample: Sample, cotangents: list[np.ndarray], rng: np.random.Generator
) -> dict[str, float]:
    """Along a random direction u for each input: <u, gradient> against <v, f(x + h u) - f(x - h u)> / 2h.

    Returns:
        by input, the difference over the larger of the expected value and |gradient|, which <u, gradient> is
        as large as on average: about 1 for a gradient that is another's.
    """
    _, gradients = run(sample.arrays)
    errors = {}
    for name, array in sample.inputs.items():
        u, gradient = rng.normal(size=array.shape), gradients[name]
        ahead, behind = (run({**sample.arrays, name: array + h * u})[0] for h in (STEP, -STEP))
        terms = zip(cotangents, ahead, behind, strict=True)
        expected = sum(float(np.sum(v * (a - b))) for v, a, b in terms) / (2 * STEP)
        found = 0.0 if gradient is None else float(np.sum(u * gradient))
        size = 0.0 if gradient is None else float(np.linalg.norm(gradient))
        errors[name] = abs(found - expected) / (max(size, abs(expected)) or 1.0)
    return errors
