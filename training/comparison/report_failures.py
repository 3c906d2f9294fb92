"""Of one cell of a comparison: what is confused, who it fails for and the worst mistakes."""

import base64
from collections.abc import Mapping
from typing import Any

from multitask.tasks import TASKS
from training.comparison.matrix import FUNCTIONAL, NAIVE
from training.comparison.plots import Point, Row, dot_plot
from training.comparison.report_markup import Html, details, element, join, table
from training.comparison.report_words import (
    FIGURES,
    better_side,
    capitalized,
    main_figure,
    share,
    spoken,
    title_of,
)
from training.groups import LEAST, ungrouped_in_words

Group = tuple[tuple[str, str], ...]


def _both(cell: dict[str, Any]) -> dict[str, tuple[int, dict[str, Any]]]:
    """The two approaches themselves, with their places: the page has no room for every arm here."""
    places = {key: (place, arm) for place, (key, arm) in enumerate(cell["arms"].items())}
    return {key: places[key] for key in (NAIVE, FUNCTIONAL) if key in places}


def confusions(cell: dict[str, Any]) -> Html:
    """Shares of answers by label, for each task with classes, of both approaches side by side."""
    found = [
        (name, arm["title"], counts)
        for name in cell["tasks"]
        for _, arm in _both(cell).values()
        if (counts := arm["confusion"].get(name))
    ]
    if not found:
        return element("p", "No task with classes was judged.")
    note = "A row is a label, a column the answer given; shares of the row in percent, summed over seeds."
    matrices = (
        _matrix(cell["tasks"][name]["labels"], title, counts, spoken(name)) for name, title, counts in found
    )
    return join([element("p", note, class_="note"), element("div", *matrices, class_="plots")])


def _matrix(labels: list[str], title: str, counts: list[list[int]], name: str) -> Html:
    rows = []
    for row, (label, line) in enumerate(zip(labels, counts, strict=True)):
        shares = [100 * (share(number, sum(line)) or 0) for number in line]
        cells = (
            element(
                "td",
                f"{percent:.0f}",
                class_=("dark" if percent > 57 else "") + (" right" if row == column else "") or None,
                style=f"--share: {percent:.0f}%",
                title=f"{number:,} of {sum(line):,}",
            )
            for column, (percent, number) in enumerate(zip(shares, line, strict=True))
        )
        rows.append(element("tr", element("th", label, scope="row"), *cells))
    head = element(
        "tr", element("th", "label", scope="col"), *(element("th", label, scope="col") for label in labels)
    )
    caption = element("caption", f"{name}: {title}")
    whole = element("table", caption, element("thead", head), element("tbody", *rows), class_="confusion")
    return element("div", whole, class_="scroll", tabindex=0, role="region", aria_label=f"{name}: {title}")


def groups(cell: dict[str, Any]) -> Html:
    """Figures by how faces are labelled, of both approaches."""
    plots, tables, lines = [], [], []
    for name in cell["tasks"]:
        for _, arm in list(_both(cell).values())[:1]:
            if lacking := (arm.get("ungrouped") or {}).get(name):
                lines.append(ungrouped_in_words(TASKS[name], cell["examples"]["test"].get(name, 0), lacking))
        found = {key: _by_group(arm, name) for key, (_, arm) in _both(cell).items()}
        named = dict.fromkeys(group for of_arm in found.values() for group in of_arm)
        single, crossed = ([g for g in named if (len(g) == 1) == alone] for alone in (True, False))
        caption = f"{spoken(name)} by how faces are labelled, {title_of(cell)}: figures and 95% intervals"
        if single:
            plots.append(_group_plot(cell, name, found, single))
            tables.append(_group_table(cell, name, found, single, caption))
        if crossed:
            crossings = _group_table(cell, name, found, crossed, f"{caption}, labels crossed")
            tables.append(details(f"{spoken(name)}: {len(crossed)} crossings of labels", crossings))
    left_out = [element("p", line, class_="note") for line in lines]
    if not tables:
        return join([element("p", "The data has no labels to group faces by."), *left_out])
    note = (
        f"Groups of fewer than {LEAST} examples are set pale: of many small groups some do badly by chance, "
        "so read the interval before the figure. Both are means over seeds."
    )
    return join(
        [element("div", *plots, class_="plots"), element("p", note, class_="note"), *left_out, *tables]
    )


def _by_group(arm: dict[str, Any], name: str) -> dict[Group, dict[str, Any]]:
    return {tuple(group["by"].items()): group for group in arm["groups"].get(name) or []}


def _in_words(group: Group) -> str:
    return ", ".join(f"{label} {value}" for label, value in group)


def _group_plot(
    cell: dict[str, Any], name: str, found: dict[str, dict[Group, dict[str, Any]]], named: list[Group]
) -> Html:
    task = cell["tasks"][name]
    main = main_figure(task["kind"])
    words, rows = FIGURES[main], []
    for group in named:
        points, said = [], []
        for key, (place, _) in _both(cell).items():
            figure = found[key].get(group, {}).get("figures", {}).get(main, {})
            value, low, high = (
                None if figure.get(end) is None else figure[end] * words.scale
                for end in ("value", "low", "high")
            )
            points.append(Point(place, value, low, high))
            said.append(words.value(figure.get("value")))
        rows.append(Row(_in_words(group), " | ".join(said), points))
    titles = " and ".join(arm["title"] for _, arm in _both(cell).values())
    label = f"{spoken(name)}, {words.title} by group, {titles}: " + "; ".join(
        f"{r.title} {r.words}" for r in rows
    )
    note = f"{capitalized(words.title)} with 95% intervals ({better_side(main)} is better): {titles}."
    heading = element("figcaption", element("b", spoken(name)))
    plot = dot_plot(rows, words.axis(task["unit"]), label)
    return element("figure", heading, plot, element("p", note, class_="note"))


def _group_table(
    cell: dict[str, Any],
    name: str,
    found: dict[str, dict[Group, dict[str, Any]]],
    named: list[Group],
    caption: str,
) -> Html:
    unit = cell["tasks"][name]["unit"]
    figures = dict.fromkeys(
        figure for of_arm in found.values() for group in of_arm.values() for figure in group["figures"]
    )
    header = ["labelled", "examples", *(arm["title"] for _, arm in _both(cell).values())]
    bodies = {}
    for figure in figures:
        rows: list[list[str | None]] = []
        for group in named:
            of_arms = [of_arm.get(group, {"count": 0, "figures": {}}) for of_arm in found.values()]
            number = max(of_arm["count"] for of_arm in of_arms)
            cells = [_in_words(group), f"{number:,}"]
            cells += [_with_interval(figure, of_arm["figures"].get(figure) or {}) for of_arm in of_arms]
            rows.append([element("span", cell, class_="pale") if number < LEAST else cell for cell in cells])
        bodies[FIGURES[figure].axis(unit)] = rows
    return table(caption, header, bodies)


def _with_interval(figure: str, value: dict[str, Any]) -> str:
    words, signed = FIGURES[figure], figure == "mean_signed_error"
    number = (words.difference if signed else words.value)(value.get("value"))
    if value.get("low") is None or value.get("high") is None:
        return number
    return f"{number} ({words.interval(value['low'], value['high'], sign=signed)})"


def worst_mistakes(cell: dict[str, Any], pictures: Mapping[str, bytes]) -> Html:
    """The answers furthest from their labels, of both approaches: as pictures where there are any."""
    parts = []
    for name in cell["tasks"]:
        found = [
            (arm["title"], mistakes)
            for _, arm in _both(cell).values()
            if (mistakes := arm["worst"].get(name))
        ]
        parts += [element("h4", spoken(name))] if found else []
        for title, mistakes in found:
            seen = [mistake for mistake in mistakes if mistake["id"] in pictures]
            unseen = [mistake for mistake in mistakes if mistake["id"] not in pictures]
            if seen:
                parts.append(element("p", title, class_="lead"))
                parts.append(
                    element("ul", *(_picture(cell, name, m, pictures) for m in seen), class_="pictures")
                )
            if unseen:
                rows = [[m["id"], *_answer(cell, name, m), _seed(m)] for m in unseen]
                caption = f"{spoken(name)}, {title}: pictures of this source are not shown"
                parts.append(table(caption, ["picture", "labelled", "answered", "seed"], {"": rows}))
    return join(parts) if parts else element("p", "None were kept.")


def _answer(cell: dict[str, Any], name: str, mistake: dict[str, Any]) -> tuple[str, str]:
    def words(value: Any) -> str:
        number = isinstance(value, int | float)
        return f"{value:.0f} {cell['tasks'][name]['unit']}".strip() if number else str(value)

    sure = mistake.get("probability")
    return words(mistake["label"]), words(mistake["answer"]) + ("" if sure is None else f" ({sure:.0%} sure)")


def _picture(cell: dict[str, Any], name: str, mistake: dict[str, Any], pictures: Mapping[str, bytes]) -> Html:
    label, answer = _answer(cell, name, mistake)
    source = "data:image/png;base64," + base64.b64encode(pictures[mistake["id"]]).decode()
    caption = element("figcaption", "labelled ", element("b", label), ", answered ", element("b", answer))
    return element("li", element("figure", element("img", src=source, alt=mistake["id"]), caption))


def _seed(mistake: dict[str, Any]) -> str | None:
    return None if mistake.get("seed") is None else str(mistake["seed"])
