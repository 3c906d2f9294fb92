"""Of one cell of a comparison: what each approach saw and what it costs."""

from typing import Any

from training.comparison.matrix import FUNCTIONAL, NAIVE
from training.comparison.plots import bar_plot
from training.comparison.report_markup import MISSING, Html, element, join, table
from training.comparison.report_words import (
    COSTS,
    DRAWN_COSTS,
    capitalized,
    count,
    counted,
    listed,
    share,
    title_of,
)


def budget(cell: dict[str, Any]) -> Html:
    """Which examples each approach saw and for how long: what was not equal."""
    rows = [
        [
            arm["title"],
            arm["balancing"],
            ", ".join(map(str, arm.get("seeds", cell["seeds"]))),
            str(arm["epochs"]),
            _pictures(arm),
        ]
        for arm in cell["arms"].values()
    ]
    caption = f"What was trained, {title_of(cell)}"
    return join(
        [
            element("p", examples_in_words(cell)),
            table(
                caption,
                ["approach", "balancing of tasks", "seeds", "epochs", "pictures seen, all in all"],
                {"": rows},
            ),
        ]
    )


def examples_in_words(cell: dict[str, Any]) -> str:
    """Which training examples each approach sees, in a sentence or two."""
    train = cell["examples"]["train"]
    labelled = {name: train.get(name) or 0 for name in cell["tasks"]}
    each = listed([f"{name} {count(number)}" for name, number in labelled.items()])
    whole, together = train["all"], sum(labelled.values())
    sentence = (
        f"A network of its own sees only the pictures labelled for its task ({each}: {count(together)} an "
        f"epoch in all); the shared one sees all {count(whole)} once an epoch"
    )
    if whole and together > whole:
        return f"{sentence}, which is {share(whole, together):.0%} as many."
    return f"{sentence}: no picture has labels for two tasks, so sharing saves no pictures."


def _pictures(arm: dict[str, Any]) -> str:
    seen = arm["cost"].get("pictures")
    return MISSING if seen is None else count(seen)


def costs(cell: dict[str, Any]) -> Html:
    """Bars of the main costs, and all of them in a table, as parts of the naive networks'."""
    arms = list(cell["arms"].values())
    plots = []
    for name in DRAWN_COSTS:
        cost = COSTS[name]
        values = [cost.read(arm["cost"]) for arm in arms]
        if any(value is not None for value in values):
            bars = [
                (arm["title"], MISSING if value is None else cost.words(value), place, value)
                for place, (arm, value) in enumerate(zip(arms, values, strict=True))
            ]
            said = "; ".join(f"{title} {words}" for title, words, _, _ in bars)
            plots.append(
                element(
                    "figure",
                    element("figcaption", capitalized(cost.title)),
                    bar_plot(bars, f"{cost.title}: {said}"),
                )
            )
    rows = [
        [cost.title, *(_with_share(cell, key, name) for key in cell["arms"])] for name, cost in COSTS.items()
    ]
    caption = (
        f"Cost, {title_of(cell)}: means over {counted(len(cell['seeds']), 'seed')}; in brackets, times that "
        "of a network for each task"
    )
    return join(
        [
            element("div", *plots, class_="plots"),
            table(caption, ["cost", *(arm["title"] for arm in arms)], {"": rows}),
        ]
    )


def _with_share(cell: dict[str, Any], arm: str, name: str) -> str | None:
    value, part = COSTS[name].read(cell["arms"][arm]["cost"]), relative(cell, name, arm)
    if value is None:
        return None
    words = COSTS[name].words(value)
    return words if part is None or arm == NAIVE else f"{words} ({part:.2f}×)"


def relative(cell: dict[str, Any], name: str, arm: str = FUNCTIONAL) -> float | None:
    """A cost of an arm over that of the naive networks; None where either is not known."""
    ours, naive = (
        COSTS[name].read(cell["arms"][key]["cost"]) if key in cell["arms"] else None for key in (arm, NAIVE)
    )
    return share(ours, naive)
