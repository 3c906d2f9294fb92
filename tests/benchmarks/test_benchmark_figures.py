"""Ratios, and how memory is measured."""

import numpy as np
import pytest

from benchmarks import memory
from benchmarks.figures import Figures, Ratio, fastest, ratio, ratios


def test_a_ratio_is_the_median_of_what_was_taken_in_the_same_round():
    ours = Figures([1.0, 20.0, 3.0], [2.0, 2.0, 8.0], memory=300)
    theirs = Figures([2.0, 10.0, 3.0], [1.0, 2.0, 2.0], memory=200)
    assert ratio(ours, theirs) == Ratio(time=1.0, cpu=2.0, memory=1.5)
    assert ratio(ours, Figures([1.0, 1.0, 1.0], [1.0, 1.0, 1.0], memory=0)).memory is None


def test_the_best_ways_are_compared():
    seconds = {"built-in": 4.0, "derived": 6.0, "built-in, XLA": 5.0, "derived, XLA": 3.0, "PyTorch": 6.0}
    seconds["fastest"] = 2.0
    figures = {name: Figures([value], [1.0], 1) for name, value in seconds.items()}
    assert fastest(figures, "derived") == "derived, XLA"
    assert {name: of.time for name, of in ratios(figures).items()} == {
        "derived / built-in": 1.5,
        "derived, XLA / built-in, XLA": 0.6,
        "fastest / built-in": 0.5,
        "best derived / best built-in": 0.5,
        "best derived / best PyTorch": 1 / 3,
    }


def test_the_peak_of_memory_is_seen_and_forgotten():
    size = 64 * 2**20
    np.ones(4 * size, np.uint8)  # a peak of before
    np.ones(4 * size, np.uint8)  # a peak of before
    held = memory.begin()
    np.ones(size, np.uint8)
    assert memory.peak() - held == pytest.approx(size, rel=0.1)
    assert memory.begin() == pytest.approx(memory.peak(), rel=0.1)
