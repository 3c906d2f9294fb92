"""The report of a comparison: one HTML file for people, with all it needs inside."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.comparison.plots import number_ids
from training.comparison.report_costs import budget, costs
from training.comparison.report_failures import confusions, groups, worst_mistakes
from training.comparison.report_markup import Html, element, join, table
from training.comparison.report_quality import against_functional, learning_curves, legend, quality_of_task
from training.comparison.report_summary import across_cells, across_gradients, at_a_glance, summary
from training.comparison.report_words import COSTS, FIGURES, better_side, capitalized, counted, title_of

TITLE = "One trunk with several heads, or a network for each task?"
STYLE = Path(__file__).with_name("report.css")


def write_report(findings: dict[str, Any], folder: Path, pictures: Mapping[str, bytes]) -> Path:
    """Writes `folder`/report.html and returns its path; a reader finds the old file or the new, never half.

    Args:
        findings: what becomes report.json: {"made", "cells"}, plain JSON, None where a figure is missing.
        folder: an existing folder.
        pictures: id -> PNG bytes, for the worst mistakes; those without stand in a table.
    """
    path = folder / "report.html"
    unfinished = folder / f".{path.name}"
    unfinished.write_text(page(findings, pictures), encoding="utf-8")
    unfinished.replace(path)
    return path


def page(findings: dict[str, Any], pictures: Mapping[str, bytes]) -> str:
    """The report as HTML, the same for the same findings."""
    cells = findings["cells"]
    sections = {"summary": ("In short", join([summary(findings["made"], cells), at_a_glance(cells)]))}
    for number, cell in enumerate(cells, 1):
        sections[f"cell-{number}"] = (capitalized(title_of(cell)), _of_cell(cell, pictures))
    if len(cells) > 1:
        sections["across"] = ("Across data and trunks", across_cells(cells))
    if gradients := across_gradients(cells, findings.get("gradients") or []):
        sections["gradients"] = ("Derived and automatic gradients", gradients)
    sections["measured"] = ("How this was measured", _measured(findings))
    links = (element("li", element("a", heading, href=f"#{name}")) for name, (heading, _) in sections.items())
    body = element(
        "body",
        element("header", element("h1", TITLE), element("p", findings["made"]["date"], class_="note")),
        element("nav", element("ul", *links), aria_label="Contents"),
        element(
            "main",
            *(
                element("section", element("h2", heading), content, id=name)
                for name, (heading, content) in sections.items()
            ),
        ),
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", TITLE),
        element("style", Html(STYLE.read_text(encoding="utf-8"))),
    )
    return number_ids("<!DOCTYPE html>\n" + element("html", head, body, lang="en") + "\n")


def _of_cell(cell: dict[str, Any], pictures: Mapping[str, bytes]) -> Html:
    gradients = "derived by hand" if cell["gradients"] == "derived" else "automatic"
    size, test = cell["image_size"], cell["examples"]["test"]["all"]
    facts = (
        f"Pictures of {size}×{size} pixels, {test:,} of them to test on; "
        f"{counted(cell['epochs'], 'epoch')} in batches of {cell['batch_size']}; "
        f"{counted(len(cell['seeds']), 'seed')} ({', '.join(map(str, cell['seeds']))}); "
        f"{gradients} gradients."
    )
    parts = {
        "What each approach saw": budget(cell),
        "Quality": join([*(quality_of_task(cell, name) for name in cell["tasks"]), against_functional(cell)]),
        "Learning curves": learning_curves(cell),
        "Cost": costs(cell),
        "What is confused with what": confusions(cell),
        "Who it fails for": groups(cell),
        "The worst mistakes": worst_mistakes(cell, pictures),
    }
    content = (part for heading, text in parts.items() for part in (element("h3", heading), text))
    return join([element("p", facts), legend(cell), *content])


def _measured(findings: dict[str, Any]) -> Html:
    made = findings["made"]
    facts = {
        "Command": element("code", made["command"]),
        "Date": made["date"],
        "Machine": made["machine"],
        "Versions": f"Python {made['python']}, TensorFlow {made['tensorflow']}, Keras {made['keras']}",
    }
    terms = (part for name, fact in facts.items() for part in (element("dt", name), element("dd", fact)))
    used = _figures_used(findings["cells"])
    definitions = {
        "quality": [
            [figure.title, f"{figure.meaning}{_better(name)}"]
            for name, figure in FIGURES.items()
            if name in used
        ],
        "cost (less is better)": [[cost.title, cost.meaning] for cost in COSTS.values()],
    }
    notes = (
        "A difference is an approach minus the separate networks, on the same test pictures. Its 95% "
        "interval adds up two things that chance has a hand in: which pictures were tested, by a paired "
        "bootstrap, and which seeds were trained, by Student's t over their differences, which with few "
        "seeds is wide. An interval that contains zero decides nothing, neither that there is a difference "
        "nor that there is none; neither does a single seed. Of many intervals, some miss by chance.",
        "The spread is the standard deviation over seeds: how far a single training may lie from the mean.",
        "Labels are estimates of how people appear in a picture, given by others or by code, and so are "
        "the answers. They say nothing about who somebody is or feels inside.",
    )
    return join(
        [
            element("dl", *terms),
            *(element("p", note) for note in notes),
            table("What the figures mean", ["figure", "meaning"], definitions),
        ]
    )


def _better(figure: str) -> str:
    return "" if figure == "mean_signed_error" else f" ({better_side(figure)} is better)"


def _figures_used(cells: list[dict[str, Any]]) -> set[str]:
    arms = [arm for cell in cells for arm in cell["arms"].values()]
    judged = {figure for arm in arms for found in arm["quality"].values() for figure in found or {}}
    grouped = (group["figures"] for arm in arms for found in arm["groups"].values() for group in found or [])
    return judged.union(*grouped)
