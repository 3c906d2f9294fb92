import numpy as np
import pytest

from multitask.tasks import TASKS, Task


def test_the_tasks_are_those_of_the_datasets():
    assert list(TASKS) == ["age", "emotion", "gender"]
    assert TASKS["emotion"].labels == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    assert TASKS["gender"].labels == ("male", "female")
    assert [task.units for task in TASKS.values()] == [101, 7, 1]


def test_a_distribution_answers_with_expectation_and_standard_deviation():
    logits = np.full((2, 101), -1e9, np.float32)
    logits[0, 30] = 0
    logits[1, [10, 20]] = 0
    answers = {name: np.asarray(value) for name, value in TASKS["age"].decode(logits).items()}
    np.testing.assert_allclose(answers["age"], [30, 15], rtol=1e-6)
    np.testing.assert_allclose(answers["age_std"], [0, 5], atol=1e-5)


@pytest.mark.parametrize(
    ("task", "logits", "answer"),
    [
        (Task("c", "categorical", 3, ("a", "b", "c")), [[0, np.log(2), 0]], [[0.25, 0.5, 0.25]]),
        (Task("b", "binary", 1, ("no", "yes")), [[np.log(3)], [0]], [0.75, 0.5]),
    ],
)
def test_classes_answer_with_probabilities(task, logits, answer):
    (found,) = task.decode(np.array(logits, np.float16)).values()
    assert found.dtype == "float32"
    np.testing.assert_allclose(np.asarray(found), answer, atol=1e-3)
