"""Of one cell of a comparison: how good each approach is at each task, and how it got there."""

from collections import defaultdict
from typing import Any

from training.comparison.matrix import NAIVE
from training.comparison.plots import Point, Row, curve_plot, dot_plot, swatch
from training.comparison.report_markup import Html, element, join, table
from training.comparison.report_words import (
    FIGURES,
    better_side,
    capitalized,
    main_figure,
    spoken,
    title_of,
)

SIGNS = {
    "gains": "\N{BLACK UP-POINTING TRIANGLE}",
    "loses": "\N{BLACK DOWN-POINTING TRIANGLE}",
    "undecided": "\N{WHITE CIRCLE}",
}


def verdict(word: str | None) -> Html | None:
    """ "gains", "loses" or "undecided" with its sign and colour; None if there is none."""
    return None if word is None else element("span", f"{SIGNS[word]} {word}", class_=f"verdict {word}")


def legend(cell: dict[str, Any]) -> Html:
    """How each arm is drawn in all plots of a cell."""
    keys = (
        element("li", swatch(place, arm["title"]), " ", arm["title"])
        for place, arm in enumerate(cell["arms"].values())
    )
    return element("ul", *keys, class_="legend")


def quality_of_task(cell: dict[str, Any], name: str) -> Html:
    """A task's figures: dots and differences of its main one, all in a table."""
    task = cell["tasks"][name]
    heading = element("h4", spoken(name))
    if not any(arm["quality"].get(name) for arm in cell["arms"].values()):
        return join(
            [heading, element("p", f"No picture has a label for {name} here: nothing to learn or judge.")]
        )
    main = main_figure(task["kind"])
    figures = dict.fromkeys(
        figure for arm in cell["arms"].values() for figure in arm["quality"].get(name) or {}
    )
    bodies = {
        f"{FIGURES[figure].axis(task['unit'])} ({better_side(figure)} is better)": _rows(cell, name, figure)
        for figure in figures
    }
    header = ["approach", "mean", "spread", "each seed", "difference", "95% interval", "verdict"]
    caption = f"{spoken(name)}, {title_of(cell)}: mean and standard deviation over seeds; difference to naive"
    return join(
        [
            heading,
            element("div", _dots(cell, name, main), _differences(cell, name, main), class_="plots"),
            table(caption, header, bodies),
        ]
    )


def _rows(cell: dict[str, Any], name: str, figure: str) -> list[list[str | None]]:
    words, unit = FIGURES[figure], cell["tasks"][name]["unit"]
    rows: list[list[str | None]] = []
    for key, arm in cell["arms"].items():
        found, difference = _found(arm, name, figure), _difference(cell, key, name, figure)
        rows.append(
            [
                arm["title"],
                words.value(found.get("mean")),
                words.value(found.get("spread") if len(found.get("values") or ()) > 1 else None),
                ", ".join(map(words.value, found.get("values") or [])) or None,
                words.difference(difference.get("value"), unit),
                words.interval(difference.get("low"), difference.get("high"), sign=True),
                verdict(difference.get("verdict")),
            ]
        )
    return rows


def _found(arm: dict[str, Any], name: str, figure: str) -> dict[str, Any]:
    return (arm["quality"].get(name) or {}).get(figure) or {}


def _difference(cell: dict[str, Any], key: str, name: str, figure: str) -> dict[str, Any]:
    return ((cell["differences"].get(key) or {}).get(name) or {}).get(figure) or {}


def _scaled(value: float | None, scale: float) -> float | None:
    return None if value is None else value * scale


def _dots(cell: dict[str, Any], name: str, figure: str) -> Html:
    words, unit = FIGURES[figure], cell["tasks"][name]["unit"]
    rows = []
    for place, arm in enumerate(cell["arms"].values()):
        found = _found(arm, name, figure)
        singles = [_scaled(value, words.scale) for value in found.get("values") or []]
        point = Point(place, _scaled(found.get("mean"), words.scale), singles=singles)
        rows.append(Row(arm["title"], words.value(found.get("mean"), unit), [point]))
    said = "; ".join(f"{row.title} {row.words}" for row in rows)
    plot = dot_plot(rows, words.axis(unit), f"{spoken(name)}, {words.title}: {said}")
    note = f"{capitalized(words.title)}: {better_side(figure)} is better. Large: mean; strokes: each seed."
    return element("figure", plot, element("figcaption", note))


def _differences(cell: dict[str, Any], name: str, figure: str) -> Html | None:
    words, unit = FIGURES[figure], cell["tasks"][name]["unit"]
    rows = []
    for place, (key, arm) in enumerate(cell["arms"].items()):
        found = _difference(cell, key, name, figure)
        if key != NAIVE and found:
            value, low, high = (_scaled(found.get(end), words.scale) for end in ("value", "low", "high"))
            rows.append(
                Row(
                    arm["title"], words.difference(found.get("value"), unit), [Point(place, value, low, high)]
                )
            )
    if not rows:
        return None
    said = "; ".join(f"{row.title} {row.words}" for row in rows)
    points = "points" if words.style == "share" else unit
    plot = dot_plot(
        rows,
        f"difference in {words.title}, {points}".removesuffix(", "),
        f"{spoken(name)}, difference to a network a task: {said}",
        better_side(figure),
    )
    note = "Difference to a network a task, with its 95% interval: one that touches zero decides nothing."
    return element("figure", plot, element("figcaption", note))


def against_functional(cell: dict[str, Any]) -> Html | None:
    """Main figures of other ways to train the shared trunk, against equal weights; None if there is none."""
    bodies = {}
    for name, task in cell["tasks"].items():
        words, main = FIGURES[main_figure(task["kind"])], main_figure(task["kind"])
        rows: list[list[str | None]] = [
            [
                cell["arms"][key]["title"],
                words.value(_found(cell["arms"][key], name, main).get("mean")),
                words.difference(found[name][main]["value"], task["unit"]),
                words.interval(found[name][main]["low"], found[name][main]["high"], sign=True),
                verdict(found[name][main]["verdict"]),
            ]
            for key, found in (cell.get("differences_to_functional") or {}).items()
            if found[name]
        ]
        if rows:
            bodies[f"{spoken(name)}: {words.axis(task['unit'])} ({better_side(main)} is better)"] = rows
    if not bodies:
        return None
    header = ["approach", "mean", "difference", "95% interval", "verdict"]
    return table(f"Against one trunk with equal weights, {title_of(cell)}", header, bodies)


def learning_curves(cell: dict[str, Any]) -> Html:
    """Validation figures and losses by epoch, a thin line a seed."""
    plots = []
    for name, task in cell["tasks"].items():
        main = main_figure(task["kind"])
        key, words = f"val_{name}_{main}", FIGURES[main]
        curves = [
            (place, [epoch["epoch"] for epoch in epochs], [epoch[key] * words.scale for epoch in epochs])
            for place, arm in enumerate(cell["arms"].values())
            for run in arm["histories"]
            if (epochs := [epoch for epoch in run["epochs"] if epoch.get(key) is not None])
        ]
        plots.append((f"{spoken(name)}, validation: {words.axis(task['unit'])}", curves))
    for key, title in (("loss", "Loss, training"), ("val_loss", "Loss, validation")):
        curves = [
            (place, list(losses), list(losses.values()))
            for place, arm in enumerate(cell["arms"].values())
            for losses in _summed(arm["histories"], key)
        ]
        plots.append((title, curves))
    drawn = [curve_plot(curves, title, f"{title}, by epoch") for title, curves in plots if curves]
    if not drawn:
        return element("p", "No history of training was kept.")
    note = (
        "A thin line a seed, its sign at the last epoch. Losses are summed over tasks as each was trained: a "
        "balancing that weighs tasks anew puts them on a scale of its own."
    )
    return join(
        [
            element("div", *(element("figure", plot) for plot in drawn), class_="plots"),
            element("p", note, class_="note"),
        ]
    )


def _summed(histories: list[dict[str, Any]], key: str) -> list[dict[int, float]]:
    """The loss by epoch of each seed: of all its networks together, in the epochs that all of them have."""
    of_seed: dict[int, list[dict[int, float]]] = defaultdict(list)
    for run in histories:
        of_seed[run["seed"]].append(
            {epoch["epoch"]: epoch[key] for epoch in run["epochs"] if epoch.get(key) is not None}
        )
    sums = []
    for losses in of_seed.values():
        common = [epoch for epoch in losses[0] if all(epoch in others for others in losses)]
        sums += [{epoch: sum(one[epoch] for one in losses) for epoch in common}] if common else []
    return sums
