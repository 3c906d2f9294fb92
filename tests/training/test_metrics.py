import numpy as np
import pytest

from multitask.tasks import TASKS
from training.metrics import AnswerError, evaluate_answers


def test_age_is_judged_by_absolute_error():
    found = evaluate_answers(TASKS["age"], np.array([10.0, 20.0, 30.0]), np.array([12.0, 20.0, 37.0]))
    assert found == {"count": 3, "mae": 3.0, "within_5": pytest.approx(2 / 3)}


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
    ],
)
def test_during_training_what_has_no_label_does_not_count(name, labels, logits, expected):
    metric = AnswerError(TASKS[name])
    metric.update_state(np.array(labels), np.array(logits, np.float32), np.array([1.0, 1.0, 0.0]))
    assert float(metric.result()) == pytest.approx(expected)
