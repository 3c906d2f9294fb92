"""How sure a difference is that was measured on some test examples and some seeds."""

import math
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Figure = Callable[[np.ndarray, np.ndarray], float]
RESAMPLES = 1000
DRAWS_OF_T = 100
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
    """The difference of a figure between two ways to answer, and its 95% interval.

    value = mean over seeds of figure(answers) - figure(others). Two things make it uncertain. Which examples
    were tested: a paired bootstrap draws as many with replacement, 1,000 times, the same for both sides and
    all seeds, so that what is hard for both cancels. Which seeds were trained: s / sqrt(S) times Student's t
    with S - 1 degrees of freedom, s being the standard deviation of the S seeds' differences. The interval
    holds the middle 95% of the sums of the two. s has some of the first in it as well, so the interval is
    rather too wide than too narrow. One seed says nothing of others: its interval is of the examples alone.

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
    of_seeds = _differences(figure, answers, others, labels, np.arange(count))
    if np.isnan(of_seeds).any():
        return {"value": None, "low": None, "high": None}
    resampled = [
        _differences(figure, answers, others, labels, rng.integers(count, size=count)).mean()
        for _ in range(RESAMPLES)
    ]
    draws = np.array(resampled)[:, None]
    if seeds > 1:
        error = of_seeds.std(ddof=1) / math.sqrt(seeds)
        draws = draws + error * rng.standard_t(seeds - 1, (RESAMPLES, DRAWS_OF_T))
    low, high = np.nanquantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {"value": float(of_seeds.mean()), "low": float(low), "high": float(high)}


def _differences(
    figure: Figure,
    answers: Sequence[np.ndarray],
    others: Sequence[np.ndarray],
    labels: np.ndarray,
    rows: np.ndarray,
) -> np.ndarray:
    """Of each seed, over the examples `rows`: [S]."""
    return np.array(
        [
            figure(mine[rows], labels[rows]) - figure(its[rows], labels[rows])
            for mine, its in zip(answers, others, strict=True)
        ]
    )


def verdict(difference: dict[str, float | None], lower_is_better: bool, seeds: int) -> str:
    """What a difference to the other way says: "gains", "loses", or "undecided" if its interval holds 0.

    One seed decides nothing: what another would have given is not known.
    """
    low, high = difference["low"], difference["high"]
    if seeds < 2 or low is None or high is None or low <= 0 <= high:
        return "undecided"
    return "gains" if (high < 0) == lower_is_better else "loses"
