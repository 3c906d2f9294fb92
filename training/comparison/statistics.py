"""How sure a difference is that was measured on some test examples and some seeds."""

import math
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Figure = Callable[[np.ndarray, np.ndarray], float]
RESAMPLES = 1000
LEVEL = 0.95


def mean_and_spread(values: Sequence[float | None]) -> dict[str, Any]:
    """Mean and standard deviation over seeds, and the values; None where a figure isn't defined."""
    known = [value for value in values if value is not None]
    return {
        "mean": statistics.fmean(known) if known else None,
        "spread": statistics.stdev(known) if len(known) > 1 else None,
        "values": list(values),
    }


def paired_difference(
    figure: Figure, answers: Sequence[np.ndarray], others: Sequence[np.ndarray], labels: np.ndarray
) -> dict[str, float | None]:
    """The difference of a figure between two ways to answer, and its 95% interval by a paired bootstrap.

    value = mean over seeds of figure(answers) - figure(others). A resample draws as many examples and as many
    seeds, with replacement; both sides keep the same examples and seeds, so that what is hard for both
    cancels. The interval holds the middle 95% of the differences of 1,000 resamples. Of few seeds the draws
    know little about others: with three, read the interval as the least there is.

    Args:
        figure: (answers, labels) -> float, as in `training.metrics.FIGURES`.
        answers: of each seed, [N] or [N, units].
        others: the same seeds of the other way, for the same examples.
        labels: [N], all known.

    Returns:
        "value", "low", "high"; None where the figure is not defined.

    Source: Efron and Tibshirani 1993, "An introduction to the bootstrap", chapters 8 and 13; Koehn 2004,
    "Statistical significance tests for machine translation evaluation", section 4 (paired).
    """
    rng = np.random.default_rng(0)
    seeds, count = len(answers), len(labels)
    differences = []
    for _ in range(RESAMPLES):
        rows = rng.integers(count, size=count)
        drawn = np.bincount(rng.integers(seeds, size=seeds), minlength=seeds)
        differences.append(_difference(figure, answers, others, labels, rows, drawn))
    value = _difference(figure, answers, others, labels, np.arange(count), np.ones(seeds, int))
    if math.isnan(value):
        return {"value": None, "low": None, "high": None}
    low, high = np.nanquantile(differences, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {"value": value, "low": float(low), "high": float(high)}


def _difference(
    figure: Figure,
    answers: Sequence[np.ndarray],
    others: Sequence[np.ndarray],
    labels: np.ndarray,
    rows: np.ndarray,
    drawn: np.ndarray,
) -> float:
    """Over the examples `rows`, each seed counting as often as it was drawn."""
    total = sum(
        times * (figure(mine[rows], labels[rows]) - figure(its[rows], labels[rows]))
        for mine, its, times in zip(answers, others, drawn, strict=True)
        if times
    )
    return float(total / drawn.sum())


def verdict(difference: dict[str, float | None], lower_is_better: bool) -> str:
    """What a difference to the other way says: "gains", "loses", or "undecided" if its interval holds 0."""
    low, high = difference["low"], difference["high"]
    if low is None or high is None or low <= 0 <= high:
        return "undecided"
    return "gains" if (high < 0) == lower_is_better else "loses"
