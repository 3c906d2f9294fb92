import pytest

from training.datasets.copies import disagreement


@pytest.mark.parametrize(
    ("copies", "words"),
    [
        ([], ""),
        ([[{"age": 30}], [{"age": 30}, {"gender": 1}]], ""),
        ([[{"age": 30}, {"age": 33}], [{"age": 5, "gender": 0}, {"age": 5}]], "age 1.5 years (2 pictures)"),
        ([[{"emotion": 0}, {"emotion": 0}, {"emotion": 3}]], "emotion 66.7% (1 picture)"),
        (
            [[{"age": (3, 9)}, {"age": (10, 19)}], [{"age": 12}, {"age": (10, 19)}]],
            "age 0.5 years (2 pictures)",
        ),
    ],
    ids=["none", "no pair", "a pair and another", "three copies", "intervals"],
)
def test_pairs_that_both_have_a_label_are_counted_by_picture(copies, words):
    assert disagreement(copies) == words
