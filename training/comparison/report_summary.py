"""What a comparison found, over all of its cells: in words, at a glance, and across trunks and gradients."""

from collections import Counter
from typing import Any

from training.comparison.matrix import EQUAL_COMPUTE, FUNCTIONAL
from training.comparison.report_costs import examples_in_words, relative
from training.comparison.report_markup import MISSING, Html, element, join, table
from training.comparison.report_quality import verdict
from training.comparison.report_words import (
    COSTS,
    FIGURES,
    count,
    counted,
    listed,
    main_figure,
    spoken,
    title_of,
)

Cells = list[dict[str, Any]]
SPARED = {
    "parameters": "the parameters",
    "training_flops": "the training compute",
    "milliseconds_1": "the time for a picture",
    "http": "the time through HTTP",
}

WORDS = {"autodiff": "automatic", "derived": "derived"}


def summary(made: dict[str, Any], cells: Cells) -> Html:
    """The findings in one paragraph, made from the figures."""
    runs, finished = made.get("runs"), made.get("finished")
    tests = sorted({cell["examples"]["test"]["all"] for cell in cells})
    seeds = sorted({len(cell["seeds"]) for cell in cells})
    where = (
        f"{' + '.join(cells[0]['datasets'])} with the trunk {cells[0]['trunk']}"
        if len(cells) == 1
        else f"{len(cells)} combinations of data, trunk and gradients"
    )
    starts = counted(seeds[0], "seed") if len(seeds) == 1 else f"{_range(seeds)} seeds"
    opening = (
        f"A separate network for each of {listed(_tasks(cells))}, or one shared trunk with a head for each? "
        f"Both were trained with {starts} (random starts) on {where}, and judged on {_range(tests)} test "
        "pictures they had not seen."
    )
    unequal = (
        _uncapitalized(examples_in_words(cells[0]))
        if len(cells) == 1
        else "separate networks saw only the pictures labelled for their task, the shared one all of its "
        "data; how many that were stands with each combination."
    )
    with_interval = " (in brackets the difference and its 95% interval)" if len(cells) == 1 else ""
    sentences = [
        opening,
        _of_tasks(cells, FUNCTIONAL, f"With the shared trunk{with_interval}")
        or "Not enough is trained yet to compare them.",
        _of_costs(cells),
        _of_tasks(cells, EQUAL_COMPUTE, "Trained with as much compute as the separate networks together"),
        f"Not all was equal: {unequal}",
        f"Only {finished} of {runs} trainings are finished; this is about those."
        if finished != runs
        else None,
    ]
    return element("p", join((s for s in sentences if s), " "), class_="summary")


def _of_tasks(cells: Cells, arm: str, opening: str) -> Html | None:
    phrases = [phrase for task in _tasks(cells) if (phrase := _of_task(cells, task, arm))]
    return join([f"{opening}, ", join(phrases, "; "), "."]) if phrases else None


def _of_task(cells: Cells, task: str, arm: str) -> Html | None:
    words = {title_of(cell): word for cell in cells if (word := _verdict(cell, task, arm))}
    if not words:
        return None
    if len(cells) > 1:
        counts = Counter(words.values())
        said = listed(
            [f"{word} in {counts[word]}" for word in ("gains", "loses", "undecided") if counts[word]]
        )
        if len(counts) == 1:
            return join(
                [
                    element("strong", f"{task} {_is(*counts)}"),
                    " in all" if len(words) > 1 else " in the one that has it",
                ]
            )
        return join([element("strong", task), f" {said.replace('undecided', 'is undecided')}"])
    word = _verdict(cells[0], task, arm)
    difference = _difference_in_words(cells[0], task, arm)
    return join([element("strong", f"{task} {_is(word or '')}"), f" ({difference})"])


def _is(word: str) -> str:
    return "is undecided" if word == "undecided" else word


def _difference_in_words(cell: dict[str, Any], task: str, arm: str) -> str:
    figure, found = _difference(cell, task, arm)
    words, unit = FIGURES[figure], cell["tasks"][task]["unit"]
    return (
        f"{words.title} {words.difference(found.get('value'), unit)}, "
        f"{words.interval(found.get('low'), found.get('high'), sign=True)}"
    )


def _of_costs(cells: Cells) -> str | None:
    parts = []
    for name, words in SPARED.items():
        shares = [part for cell in cells if (part := relative(cell, name)) is not None]
        if shares:
            low, high = f"{min(shares):.0%}", f"{max(shares):.0%}"
            parts.append(f"{low if low == high else f'{low} to {high}'} of {words}")
    whole = "The shared trunk takes, compared with the separate networks together,"
    return f"{whole} {listed(parts)}." if parts else None


def at_a_glance(cells: Cells) -> Html:
    """A cell a row: the differences of the functional approach, its verdicts, and its costs."""
    tasks = _tasks(cells)
    rows: list[list[str | None]] = []
    for number, cell in enumerate(cells, 1):
        shares = (relative(cell, name) for name in ("parameters", "training_flops", "milliseconds_1"))
        rows.append(
            [
                element("a", title_of(cell), href=f"#cell-{number}"),
                *(_judged(cell, task, FUNCTIONAL) for task in tasks),
                *(None if part is None else f"{part:.2f}×" for part in shares),
            ]
        )
    header = ["data and trunk", *map(spoken, tasks), "parameters", "training compute", "time for a picture"]
    return table("At a glance: one shared trunk against a network a task", header, {"": rows})


def across_cells(cells: Cells) -> Html:
    """Main figures and verdicts of every arm of every cell."""
    tasks = _tasks(cells)
    bodies = {
        title_of(cell): [
            [
                arm["title"],
                *(_value(cell, task, key) for task in tasks),
                *(_verdict_or_none(cell, task, key) for task in tasks),
                _cost(cell, key, "parameters"),
            ]
            for key, arm in cell["arms"].items()
        ]
        for cell in cells
    }
    figures = [_axis(cells, task) for task in tasks]
    header = ["approach", *figures, *(f"{spoken(task)}, verdict" for task in tasks), "parameters"]
    return table("Main figures across data and trunks: means over seeds", header, bodies)


def across_gradients(cells: Cells, differences: list[dict[str, Any]]) -> Html | None:
    """Derived against automatic gradients, where both were trained on the same data and trunk; else None.

    Args:
        cells: all of them.
        differences: derived minus automatic, as `findings.gradients_findings` gives them.
    """
    of_place: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for cell in cells:
        of_place.setdefault((" + ".join(cell["datasets"]), cell["trunk"]), {})[cell["gradients"]] = cell
    both = {place: found for place, found in of_place.items() if {"autodiff", "derived"} <= found.keys()}
    if not both:
        return None
    tasks = _tasks(cells)
    bodies = {
        f"{trunk} on {data}": [
            [
                f"{arm['title']}, {WORDS[gradients]}",
                *(_value(cell, task, key) for task in tasks),
                *(_cost(cell, key, name) for name in ("seconds", "cpu_seconds", "peak_memory")),
            ]
            for key, arm in found["autodiff"]["arms"].items()
            if key in found["derived"]["arms"]
            for gradients, cell in found.items()
        ]
        for (data, trunk), found in both.items()
    }
    for found in differences:
        place = f"{found['trunk']} on {' + '.join(found['datasets'])}"
        cell = both[" + ".join(found["datasets"]), found["trunk"]]["autodiff"]
        bodies[place] += [
            [
                f"{cell['arms'][key]['title']}, derived minus automatic",
                *(_moved(cell, task, of) for task in tasks),
            ]
            + [None] * 3
            for key, of in found["differences"].items()
        ]
    costs = [COSTS[name].title for name in ("seconds", "cpu_seconds", "peak_memory")]
    header = ["approach, gradients", *(_axis(cells, task) for task in tasks), *costs]
    return table("Derived and automatic gradients: means over seeds", header, bodies)


def _moved(cell: dict[str, Any], task: str, of_task: dict[str, Any]) -> str | None:
    if not of_task.get(task):
        return None
    figure = main_figure(cell["tasks"][task]["kind"])
    words, found = FIGURES[figure], of_task[task][figure]
    return f"{words.difference(found['value'])} ({words.interval(found['low'], found['high'], sign=True)})"


def _tasks(cells: Cells) -> list[str]:
    return list(dict.fromkeys(task for cell in cells for task in cell["tasks"]))


def _axis(cells: Cells, task: str) -> str:
    described = next(cell["tasks"][task] for cell in cells if task in cell["tasks"])
    return f"{spoken(task)}: {FIGURES[main_figure(described['kind'])].axis(described['unit'])}"


def _verdict(cell: dict[str, Any], task: str, arm: str) -> str | None:
    return (cell["verdicts"].get(arm) or {}).get(task)


def _verdict_or_none(cell: dict[str, Any], task: str, arm: str) -> Html | None:
    return verdict(_verdict(cell, task, arm))


def _difference(cell: dict[str, Any], task: str, arm: str) -> tuple[str, dict[str, Any]]:
    figure = main_figure(cell["tasks"][task]["kind"])
    return figure, ((cell["differences"].get(arm) or {}).get(task) or {}).get(figure) or {}


def _judged(cell: dict[str, Any], task: str, arm: str) -> Html | None:
    if task not in cell["tasks"] or _verdict(cell, task, arm) is None:
        return None
    figure, found = _difference(cell, task, arm)
    value = FIGURES[figure].difference(found.get("value"), cell["tasks"][task]["unit"])
    return join([value, " ", verdict(_verdict(cell, task, arm))])


def _value(cell: dict[str, Any], task: str, arm: str) -> str | None:
    if task not in cell["tasks"]:
        return None
    figure = main_figure(cell["tasks"][task]["kind"])
    found = (cell["arms"][arm]["quality"].get(task) or {}).get(figure) or {}
    return FIGURES[figure].value(found.get("mean"))


def _cost(cell: dict[str, Any], arm: str, name: str) -> str:
    value = COSTS[name].read(cell["arms"][arm]["cost"])
    return MISSING if value is None else COSTS[name].words(value)


def _range(numbers: list[int]) -> str:
    low, high = count(numbers[0]), count(numbers[-1])
    return low if low == high else f"{low} to {high}"


def _uncapitalized(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
