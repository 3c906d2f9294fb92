import numpy as np
import pytest

from training.comparison.statistics import mean_and_spread, paired_difference, verdict
from training.metrics import accuracy, mae, roc_auc

LABELS = np.random.default_rng(0).uniform(0, 90, 400)


def noisy(seed, spread, shift=0.0):
    return LABELS + np.random.default_rng(seed).normal(0, spread, 400) + shift


def test_the_same_answers_do_not_differ():
    answers = [noisy(1, 5), noisy(2, 5)]
    assert paired_difference(mae, answers, answers, LABELS) == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_what_is_hard_for_both_cancels():
    """Every error is larger by just 1: examples differ widely, the difference does not."""
    others = [noisy(1, 20)]
    errors = others[0] - LABELS
    found = paired_difference(mae, [others[0] + np.sign(errors)], others, LABELS)
    assert list(found.values()) == pytest.approx([1, 1, 1])


def test_the_interval_has_the_width_that_the_normal_distribution_gives():
    ours, others = noisy(1, 5), noisy(2, 6)  # of one seed: what others would give is left out
    found = paired_difference(mae, [ours], [others], LABELS)
    differences = np.abs(ours - LABELS) - np.abs(others - LABELS)
    half = 1.96 * differences.std() / np.sqrt(400)
    assert found["value"] == pytest.approx(differences.mean())
    assert found["low"] == pytest.approx(differences.mean() - half, abs=0.15 * half)
    assert found["high"] == pytest.approx(differences.mean() + half, abs=0.15 * half)


def test_seeds_that_disagree_widen_the_interval():
    """Two seeds, 2 and 4 apart and no other noise: 3 plus or minus 12.706 (Student's t) times 1."""
    others = [np.zeros(400), np.zeros(400)]
    labels = np.zeros(400)
    found = paired_difference(mae, [np.full(400, 2.0), np.full(400, -4.0)], others, labels)
    assert found["value"] == 3.0
    assert found["low"] == pytest.approx(3 - 12.706, rel=0.05)
    assert found["high"] == pytest.approx(3 + 12.706, rel=0.05)


def test_where_nothing_differs_few_comparisons_find_a_difference():
    """Networks that differ by their seeds alone: at most about 5% may be called different."""
    wrong = 0
    for number in range(40):
        rng = np.random.default_rng(number)
        hard = np.abs(rng.normal(0, 1, 100))
        seeds = [hard + rng.normal(0, 0.1) + rng.normal(0, 0.3, 100) + 5 for _ in range(6)]
        found = paired_difference(mae, seeds[:3], seeds[3:], np.zeros(100))
        wrong += verdict(found, True, seeds=3) != "undecided"
    assert wrong <= 4


def test_a_figure_that_is_not_defined_has_no_difference():
    ones = np.ones(5)
    found = paired_difference(roc_auc, [ones], [ones], ones)
    assert found == {"value": None, "low": None, "high": None}
    assert paired_difference(accuracy, [ones], [1 - ones], ones)["value"] == 1.0


@pytest.mark.parametrize(
    ("low", "high", "lower_is_better", "seeds", "word"),
    [
        (0.1, 0.5, True, 3, "loses"),
        (0.1, 0.5, False, 3, "gains"),
        (-0.5, -0.1, True, 2, "gains"),
        (-0.5, -0.1, False, 2, "loses"),
        (-0.1, 0.1, True, 3, "undecided"),
        (0.0, 0.1, True, 3, "undecided"),
        (0.1, 0.5, True, 1, "undecided"),
        (None, None, True, 3, "undecided"),
    ],
)
def test_a_verdict_is_no_stronger_than_the_interval(low, high, lower_is_better, seeds, word):
    assert verdict({"value": 0.0, "low": low, "high": high}, lower_is_better, seeds) == word


def test_mean_and_spread():
    assert mean_and_spread([1.0, 2.0, 3.0]) == {"mean": 2.0, "spread": 1.0, "values": [1.0, 2.0, 3.0]}
    assert mean_and_spread([1.0]) == {"mean": 1.0, "spread": None, "values": [1.0]}
    assert mean_and_spread([None, 2.0])["mean"] == 2.0
    assert mean_and_spread([None]) == {"mean": None, "spread": None, "values": [None]}
