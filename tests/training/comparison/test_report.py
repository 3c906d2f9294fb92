import copy
import itertools
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from training.comparison.report import page, write_report
from training.comparison.report_failures import groups, worst_mistakes
from training.comparison.report_quality import against_functional
from training.comparison.report_summary import across_gradients, summary
from training.comparison.report_words import FIGURES

VOID = {"meta", "img"}
PICTURE = b"\x89PNG not really"


def figure(mean: float | None) -> dict[str, Any]:
    return {"mean": mean, "spread": 0.25, "values": [mean, mean]}


def arm(title: str, mae: float, parameters: int) -> dict[str, Any]:
    epochs = [{"epoch": n, "loss": 2.0 / n, "val_loss": 3.0 / n, "val_age_mae": 9.0 / n} for n in (1, 2)]
    ends = {"value": mae, "low": mae - 1, "high": mae + 1}
    return {
        "title": title,
        "balancing": "equal",
        "epochs": 2,
        "quality": {
            "age": {"mae": figure(mae)},
            "gender": {"accuracy": figure(0.875), "roc_auc": figure(None)},
            "emotion": None,
        },
        "confusion": {"gender": [[30, 10], [0, 40]]},
        "cost": {
            "parameters": parameters,
            "peak_memory": None,
            "http_milliseconds": None,
            "milliseconds_per_image": {"1": 4.5},
        },
        "histories": [{"run": "any", "seed": seed, "epochs": epochs} for seed in (0, 1)],
        "groups": {
            "age": [
                {"by": {"gender": "male"}, "count": 40, "figures": {"mae": ends}},
                {"by": {"age": "0-12", "gender": "male"}, "count": 3, "figures": {"mae": ends}},
            ]
        },
        "worst": {
            "age": [
                {"id": "<script>alert(1)</script>", "label": 80.0, "answer": 31.2, "seed": 0},
                {"id": "seen", "label": 3.0, "answer": 44.0, "seed": 1},
            ]
        },
    }


@pytest.fixture(scope="module")
def findings() -> dict[str, Any]:
    """Two tasks with labels and one without; the same data and trunk by both kinds of gradients."""
    cell = {
        "name": "drawn/lenet",
        "datasets": ["drawn"],
        "trunk": "lenet",
        "gradients": "autodiff",
        "image_size": 32,
        "epochs": 2,
        "batch_size": 8,
        "seeds": [0, 1],
        "tasks": {
            "age": {"kind": "distribution", "unit": "years", "labels": []},
            "gender": {"kind": "binary", "unit": "", "labels": ["male", "<b>female"]},
            "emotion": {"kind": "categorical", "unit": "", "labels": ["sad", "happy"]},
        },
        "examples": {
            "train": {"all": 600, "age": 500, "gender": 400, "emotion": 0},
            "test": {"all": 123, "age": 100, "gender": 100, "emotion": 0},
        },
        "arms": {
            "naive": arm("a network a task", 9.0, 3000),
            "functional": arm("one trunk & <i>heads", 9.5, 1000),
        },
        "differences": {
            "functional": {
                "age": {"mae": {"value": 0.5, "low": 0.1, "high": 0.9, "verdict": "loses"}},
                "gender": {"accuracy": {"value": 0.01, "low": -0.02, "high": 0.04, "verdict": "undecided"}},
                "emotion": None,
            }
        },
        "verdicts": {"functional": {"age": "loses", "gender": "undecided", "emotion": None}},
    }
    made = dict.fromkeys(("date", "python", "tensorflow", "keras", "machine"), "1") | {"command": "a < b"}
    return {"made": made, "cells": [cell, {**cell, "gradients": "derived"}]}


class Reader(HTMLParser):
    """Reads a page as a strict reader would: every tag is closed, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.open += [] if tag in VOID else [tag]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self.open and re.fullmatch("h[1-6]", self.open[-1]):
            self.headings.append(self.open[-1])


@pytest.fixture(scope="module")
def text(findings: dict[str, Any]) -> str:
    return page(findings, {"seen": PICTURE})


@pytest.fixture(scope="module")
def read(text: str) -> Reader:
    return Reader(text)


def test_page_is_written_whole_and_the_same_every_time(
    findings: dict[str, Any], text: str, tmp_path: Path
) -> None:
    path = write_report(findings, tmp_path, {"seen": PICTURE})
    assert path == tmp_path / "report.html"
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == text


def test_tags_are_balanced_and_headings_in_order(read: Reader) -> None:
    assert read.open == []
    levels = [int(heading[1]) for heading in read.headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_nothing_comes_from_outside(read: Reader, text: str) -> None:
    for tag, attributes in read.tags:
        assert tag not in {"script", "link", "iframe", "object"}
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/png;base64,")), (
                tag,
                attributes,
            )
    assert not re.findall(r"url\((?!#)|@import", text)


def test_ids_are_unique_and_references_lead_to_them(read: Reader) -> None:
    ids = Counter(found for _, attributes in read.tags if (found := attributes.get("id")))
    assert [name for name, number in ids.items() if number > 1] == []
    values = [value or "" for _, attributes in read.tags for value in attributes.values()]
    targets = {t for value in values for t in re.findall(r"^#([\w-]+)$|url\(#([\w-]+)\)", value)}
    assert targets
    assert {name for pair in targets for name in pair if name} <= ids.keys()


def test_every_plot_says_what_it_shows(read: Reader) -> None:
    plots = [attributes for tag, attributes in read.tags if tag == "svg"]
    assert plots
    assert all(plot["role"] == "img" and plot["aria-label"] for plot in plots)


def test_texts_of_the_data_are_escaped(read: Reader) -> None:
    assert not {"i", "script"} & {tag for tag, _ in read.tags}
    assert {"<script>alert(1)</script>", "one trunk & <i>heads", "<b>female", "a < b"} <= set(read.texts)


@pytest.mark.parametrize(
    "words",
    [
        "9.50 years",  # a mean, at its dot
        "0.25",  # a spread
        "+0.50 years",  # a difference
        "+0.10 to +0.90",  # its interval
        "\N{WHITE CIRCLE} undecided",  # what it says
        "1,000 (0.33×)",  # a cost, as part of the naive networks'
        "75",  # percent of a row of a confusion matrix
        "9.50 (8.50 to 10.50)",  # a group
        "44 years",  # a mistake
        "a network a task, automatic",  # gradients side by side
        "No picture has a label for emotion here: nothing to learn or judge.",
    ],
)
def test_figures_are_those_of_the_findings(read: Reader, words: str) -> None:
    assert words in read.texts


def test_missing_values_are_dashes(read: Reader, text: str) -> None:
    assert not re.search(r"\b(None|nan)\b", " ".join(read.texts))
    assert '<th scope="row">peak memory</th><td>-</td><td>-</td>' in text


def test_mistakes_are_pictures_where_there_are_any(read: Reader, findings: dict[str, Any]) -> None:
    shown = {attributes["alt"] for tag, attributes in read.tags if tag == "img"}
    assert shown == {"seen"}
    cell = findings["cells"][0]
    without = Reader(worst_mistakes(cell, {}))
    assert "img" not in {tag for tag, _ in without.tags}
    assert "seen" in without.texts
    assert "Age, a network a task: pictures of this source are not shown" in without.texts


def test_summary_says_no_more_than_the_intervals(findings: dict[str, Any]) -> None:
    cell, derived = copy.deepcopy(findings["cells"])
    one = summary({}, [cell])
    assert "<strong>age loses</strong> (mean absolute error +0.50 years, +0.10 to +0.90)" in one
    assert "<strong>gender is undecided</strong>" in one
    assert "age 500, gender 400 and emotion 0: 900 an epoch" in one
    derived["verdicts"] = {"functional": {"age": "gains"}}
    assert "<strong>age</strong> gains in 1 and loses in 1" in summary({}, [cell, derived])


@pytest.mark.parametrize(
    ("finished", "says"),
    [
        (("naive",), "3,000"),
        (("functional",), "1,000"),
    ],
)
def test_unfinished_comparison_shows_what_there_is(
    findings: dict[str, Any], finished: tuple[str, ...], says: str
) -> None:
    cell = {**findings["cells"][0], "differences": {}, "verdicts": {}}
    cell["arms"] = {name: cell["arms"][name] for name in finished}
    read = Reader(page({"made": {**findings["made"], "runs": 4, "finished": 1}, "cells": [cell]}, {}))
    assert says in read.texts
    assert any("Only 1 of 4 trainings are finished" in text for text in read.texts)
    assert any("Not enough is trained yet to compare them." in text for text in read.texts)


def test_interval_beside_zero_does_not_look_like_zero() -> None:
    assert FIGURES["macro_f1"].interval(0.0004, 0.02, sign=True) == "+0.0004 to +0.0200"


def test_other_balancings_are_judged_against_equal_weights(findings: dict[str, Any]) -> None:
    cell = copy.deepcopy(findings["cells"][0])
    cell["arms"]["functional_pcgrad"] = {**cell["arms"]["functional"], "title": "pcgrad"}
    assert against_functional(cell) is None
    found = {"mae": {"value": -1.5, "low": -2.0, "high": -1.0, "verdict": "gains"}}
    cell["differences_to_functional"] = {"functional_pcgrad": {"age": found, "gender": None, "emotion": None}}
    read = Reader(against_functional(cell))
    assert {"pcgrad", "−1.50 years", "−2.00 to −1.00"} <= set(read.texts)
    assert any("gains" in text for text in read.texts)


def test_derived_minus_automatic_gradients_stands_with_its_interval(findings: dict[str, Any]) -> None:
    cells = findings["cells"]
    difference = {"mae": {"value": 0.25, "low": -0.5, "high": 1.0, "verdict": "undecided"}}
    place = {"datasets": cells[0]["datasets"], "trunk": cells[0]["trunk"]}
    of = {**place, "differences": {"functional": {"age": difference}}}
    read = Reader(across_gradients(cells, [of]))
    assert "+0.25 (−0.50 to +1.00)" in read.texts


def test_what_cannot_be_grouped_is_said(findings: dict[str, Any]) -> None:
    cell = copy.deepcopy(findings["cells"][0])
    cell["arms"]["naive"]["ungrouped"] = {"gender": {"age": 7, "race": cell["examples"]["test"]["gender"]}}
    read = Reader(groups(cell))
    assert any("gender: can't be split by race" in text for text in read.texts)
