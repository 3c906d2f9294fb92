import io

import numpy as np
import pytest
from rich.console import Console

from multitask.tasks import TASKS
from training.groups import (
    AGE_BANDS,
    bootstrap,
    figures_by_group,
    group_tables,
    ungrouped,
    ungrouped_in_words,
    wilson,
    worst_crossings,
)


def table(ages, genders, races, **answers):
    """Predictions as a run keeps them, with the answers given as (answer, label) columns."""
    columns = {
        "label_age": np.array(ages, np.float32),
        "label_gender": np.array(genders),
        "group": np.array(races),
    }
    for name, (answer, label) in answers.items():
        columns |= {name: np.array(answer, np.float32), f"label_{name}": np.array(label)}
    return columns


# Three girls, a boy and an old man; of the last one, the source tells no race.
AGES = [4.0, 12.0, 12.9, 13.0, 60.0]
FACES = table(AGES, [1, 1, 1, 0, 0], [2, 0, 0, 0, -1], age=([6, 12, 19, 10, 60], AGES))


def of(groups, **by):
    (found,) = [group for group in groups if group["by"] == by]
    return found


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_interval_is_that_of_newcombe_1998_table_i(right, count, low, high):
    assert wilson(right, count) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))
    assert wilson(count - right, count) == (
        pytest.approx(1 - high, abs=5e-5),
        pytest.approx(1 - low, abs=5e-5),
    )


@pytest.mark.parametrize("count", [3, 68, 1915])
def test_none_and_all_end_at_zero_and_one_exactly(count):
    assert wilson(0, count)[0] == 0.0
    assert wilson(count, count)[1] == 1.0


def test_the_bootstrap_agrees_with_the_normal_interval_of_many_values_and_repeats():
    values = np.random.default_rng(3).normal(10, 2, 40_000)
    low, high = bootstrap(values)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=half / 8)
    assert bootstrap(values) == (low, high)
    assert bootstrap(values[:1]) == (None, None)


def test_figures_of_a_group_are_those_of_its_examples():
    groups = figures_by_group(TASKS["age"], FACES)
    children = of(groups, age="0-12")
    assert children["count"] == 3
    assert children["figures"]["mae"]["value"] == pytest.approx((2 + 0 + 6.1) / 3)
    assert children["figures"]["mean_signed_error"]["value"] == pytest.approx((2 + 0 + 6.1) / 3)
    assert children["figures"]["within_5"] == dict(
        zip(("value", "low", "high"), (2 / 3, *wilson(2, 3)), strict=True)
    )
    assert children["figures"]["mae"]["low"] <= children["figures"]["mae"]["value"]
    boy = of(groups, age="13-17", gender="male", race="code 0 (White)")
    assert boy["figures"]["mean_signed_error"] == {"value": -3.0, "low": None, "high": None}


def test_groups_are_by_one_label_by_two_and_by_all_and_never_empty():
    groups = figures_by_group(TASKS["age"], FACES)
    assert [tuple(group["by"].values()) for group in groups] == [
        ("0-12",), ("13-17",), ("60 and older",),
        ("male",), ("female",),
        ("code 0 (White)",), ("code 2 (Asian)",),
        ("0-12", "female"), ("13-17", "male"), ("60 and older", "male"),
        ("0-12", "code 0 (White)"), ("0-12", "code 2 (Asian)"), ("13-17", "code 0 (White)"),
        ("male", "code 0 (White)"), ("female", "code 0 (White)"), ("female", "code 2 (Asian)"),
        ("0-12", "female", "code 0 (White)"), ("0-12", "female", "code 2 (Asian)"),
        ("13-17", "male", "code 0 (White)"),
    ]  # fmt: skip


def test_every_age_is_in_the_band_that_is_named_for_it():
    ages = np.arange(117)
    groups = figures_by_group(
        TASKS["gender"], table(ages, 0 * ages, 0 * ages - 1, gender=(0 * ages, 0 * ages))
    )
    counts = {group["by"]["age"]: group["count"] for group in groups if set(group["by"]) == {"age"}}
    assert counts == {"0-12": 13, "13-17": 5, "18-29": 12, "30-44": 15, "45-59": 15, "60 and older": 57}
    assert list(counts) == list(AGE_BANDS)


def test_an_interval_is_in_the_band_that_it_lies_in_wholly_and_else_in_none():
    age, ends = TASKS["age"], np.array([[3, 9], [10, 19], [20, 29], [40, 49], [70, 100], [44, -1], [-1, -1]])
    answers = [6, 30, 19, 44, 71, 44, 1]
    faces = table(ends[:, 0], [-1] * 7, [6, 0, 0, 7, 8, -1, 0], age=(answers, ends[:, 0]))
    faces["label_age_to"] = ends[:, 1]
    groups = figures_by_group(age, faces)
    assert {group["by"]["age"]: group["count"] for group in groups if set(group["by"]) == {"age"}} == {
        "0-12": 1,
        "18-29": 1,
        "30-44": 1,
        "60 and older": 1,
    }
    assert ungrouped(age, faces) == {"age": 2, "gender": 6, "race": 1}
    assert of(groups, age="0-12", race="code 6 (Southeast Asian)")["figures"]["mae"]["value"] == 0
    assert of(groups, race="code 0 (White)")["figures"]["mean_signed_error"]["value"] == (11 - 1) / 2
    assert of(groups, age="18-29")["figures"]["mean_signed_error"]["value"] == -1


@pytest.mark.parametrize(
    ("race", "expected"),
    [
        ([-1, -1], "emotion: can't be split by age, gender, race, which its examples have no label for"),
        (
            [-1, 17],
            "emotion: can't be split by age, gender, which its examples have no label for; "
            "left out, as no label tells the group: 1 of 2 by race",
        ),
    ],
)
def test_what_cannot_be_split_is_said(race, expected):
    emotion, labels = TASKS["emotion"], [0, 3, -1]
    faces = table([-1, -1, 30], [-1, -1, 1], [*race, 0], emotion=(np.eye(7)[[0, 3, 3]], labels))
    groups = figures_by_group(emotion, faces)
    assert ungrouped_in_words(emotion, 2, ungrouped(emotion, faces)) == expected
    assert [group["by"] for group in groups] == [{"race": f"code {code}"} for code in race if code >= 0]


def test_a_task_without_labels_has_no_groups():
    faces = table([-1], [-1], [-1], age=([30], [-1]))
    assert figures_by_group(TASKS["age"], faces) == []
    assert figures_by_group(TASKS["age"], {k: v for k, v in faces.items() if k != "age"}) == []  # none asked
    assert ungrouped(TASKS["age"], faces) == {}
    assert group_tables(TASKS["age"], []) == []


@pytest.mark.parametrize(
    ("task", "main", "expected"), [("age", "mae", [9, 8]), ("gender", "accuracy", [1, 2])]
)
def test_the_worst_crossings_are_of_enough_examples(task, main, expected):
    groups = [
        {"by": dict.fromkeys(labels), "count": count, "figures": {main: {"value": value}}}
        for labels, count, value in [
            (["age"], 99, 0), (["age"], 99, 10),  # no crossing
            (["age", "race"], 29, 0), (["age", "race"], 29, 10),  # too few
            (["age", "race"], 30, 2), (["age", "race"], 50, 5), (["gender", "race"], 30, 8),
            (["age", "gender", "race"], 40, 1), (["age", "gender", "race"], 40, 9),
        ]
    ]  # fmt: skip
    found = worst_crossings(TASKS[task], groups, count=2)
    assert [group["figures"][main]["value"] for group in found] == expected


def test_the_tables_show_counts_intervals_and_what_does_worst():
    gender = np.repeat([0, 1], 40)
    answers = np.where(np.arange(80) < 60, gender, 1 - gender)
    faces = table(np.full(80, 70), gender, np.full(80, -1), gender=(answers, gender))
    console = Console(width=100, file=io.StringIO(), record=True)
    console.print(*group_tables(TASKS["gender"], figures_by_group(TASKS["gender"], faces)))
    lines = [" ".join(line.replace("│", " ").split()) for line in console.export_text().splitlines()]
    assert "gender female 40 50.0% (35.2 to 64.8)" in lines
    assert lines.index("age 60 and older, gender female 40 50.0% (35.2 to 64.8)") < lines.index(
        "age 60 and older, gender male 40 100.0% (91.2 to 100.0)"
    )
