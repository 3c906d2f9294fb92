import json
import math

import numpy as np
import pytest

from multitask.tasks import TASKS
from training.labels import signed_error
from training.metrics import FIGURES, LOWER_IS_BETTER, AnswerError, evaluate_answers, main_metric


def test_age_is_judged_by_absolute_error():
    found = evaluate_answers(TASKS["age"], np.array([10.0, 20.0, 30.0]), np.array([12.0, 20.0, 37.0]))
    assert found == {"count": 3, "mae": 3.0, "within_5": pytest.approx(2 / 3)}


def test_the_error_against_an_interval_is_the_distance_to_it():
    answers = np.array([15.0, 20.0, 29.5, 36.0, 50.0], np.float32)
    labels = np.array([[20, 29], [20, 29], [20, 29], [20, 29], [49, 49]], np.float32)
    found = evaluate_answers(TASKS["age"], answers, labels)
    assert found == {"count": 5, "intervals": 4, "mae": pytest.approx(13.5 / 5), "within_5": 0.8}
    np.testing.assert_array_equal(signed_error(answers, labels), [-5, 0, 0.5, 7, 1])
    points = labels[:, :1].repeat(2, axis=1)
    assert evaluate_answers(TASKS["age"], answers, points) == evaluate_answers(
        TASKS["age"], answers, labels[:, 0]
    )


def test_classes_are_judged_by_accuracy_and_macro_f1_over_what_occurs():
    answers = np.eye(7)[[0, 0, 3, 3, 6]]
    found = evaluate_answers(TASKS["emotion"], answers, np.array([0, 3, 3, 3, 6]))
    assert found["accuracy"] == 0.8
    assert found["macro_f1"] == pytest.approx((2 / 3 + 4 / 5 + 1) / 3)
    assert np.array(found["confusion"])[3, 0] == 1
    found = evaluate_answers(TASKS["gender"], np.array([0.2, 0.7, 0.6]), np.array([0, 1, 0]))
    assert found["confusion"] == [[1, 1], [0, 1]]


@pytest.mark.parametrize(
    ("name", "labels", "logits", "expected"),
    [
        ("gender", [0, 1, 1], [[-1.0], [-1.0], [-1.0]], 0.5),
        ("emotion", [2, 0, 1], np.eye(7)[[2, 1, 0]], 0.5),
        ("age", [10, 22, 99], 1e4 * np.eye(101)[[10, 20, 0]], 1.0),
        ("age", [[10], [22], [99]], 1e4 * np.eye(101)[[10, 20, 0]], 1.0),
        ("age", [[5, 8], [10, 22], [99, 100]], 1e4 * np.eye(101)[[10, 20, 0]], 1.0),
    ],
)
def test_during_training_what_has_no_label_does_not_count(name, labels, logits, expected):
    metric = AnswerError(TASKS[name])
    metric.update_state(np.array(labels), np.array(logits, np.float32), np.array([1.0, 1.0, 0.0]))
    assert float(metric.result()) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("answers", "labels", "expected"),
    [
        ([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], 0.75),  # 3 of the 4 pairs stand in order
        ([0.2, 0.5, 0.5, 0.9], [0, 0, 1, 1], 0.875),  # one pair is a tie
        ([0.5, 0.5, 0.5], [1, 0, 1], 0.5),
        ([0.9, 0.1], [0, 1], 0.0),
        ([0.9, 0.1], [1, 1], math.nan),
    ],
)
def test_roc_auc_counts_pairs_in_order_and_ties_half(answers, labels, expected):
    found = FIGURES["binary"]["roc_auc"](np.array(answers, np.float32), np.array(labels))
    assert found == pytest.approx(expected, nan_ok=True)


def probabilities(confidence):
    """Of three classes, the first chosen."""
    return np.array([[p, (1 - p) / 2, (1 - p) / 2] for p in confidence])


@pytest.mark.parametrize(
    ("kind", "answers", "labels", "expected"),
    [
        ("binary", [0.75] * 4, [1, 1, 1, 0], 0.0),  # as often right as it says
        ("binary", [0.25] * 4, [0, 0, 1, 0], 0.0),
        ("binary", [1.0] * 4, [1, 1, 0, 0], 0.5),  # certain, and right every second time
        ("binary", [0.8, 0.8, 0.6, 0.6], [1, 1, 0, 0], (0.2 + 0.6) / 2),  # too shy, too bold: two bins
        ("categorical", probabilities([0.5, 0.5]), [0, 2], 0.0),
        ("categorical", probabilities([0.98, 0.98, 0.94, 0.94]), [0, 0, 0, 1], 0.96 - 0.75),  # one bin
    ],
)
def test_calibration_error_is_how_far_confidence_is_from_accuracy(kind, answers, labels, expected):
    found = FIGURES[kind]["calibration_error"](np.array(answers), np.array(labels))
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_every_figure_has_a_direction_and_none_is_nan_in_json(task):
    answers = np.full((4, task.units) if task.kind == "categorical" else 4, 1 / task.units / 2, np.float32)
    found = evaluate_answers(task, answers, np.ones(4, int))
    assert set(found) - {"count", "confusion"} == set(FIGURES[task.kind])
    assert main_metric(task) in FIGURES[task.kind]
    json.dumps(found, allow_nan=False)
    assert found.get("roc_auc") is None
    perfect = {"age": [1.0], "gender": [1.0], "emotion": [np.eye(7)[1]]}[task.name]
    for name, figure in FIGURES[task.kind].items():
        best = figure(np.array(perfect), np.ones(1, int))
        assert math.isnan(best) or best == (0.0 if name in LOWER_IS_BETTER else 1.0)


def test_a_label_that_is_a_distribution_counts_as_its_mean_or_its_most_probable_class():
    labels = {"age": np.eye(101)[[20, 40]].mean(0), "emotion": np.eye(7)[[1, 1, 2]].mean(0), "gender": [0.7]}
    right = {"age": np.log(np.eye(101)[30] + 1e-9), "emotion": np.eye(7)[1], "gender": [1.0]}
    for name, expected in (("age", 0), ("emotion", 1), ("gender", 1)):
        metric = AnswerError(TASKS[name])
        metric.update_state(np.float32([labels[name]]), np.float32([right[name]]))
        assert float(metric.result()) == pytest.approx(expected, abs=1e-3)
