"""How far labels of the same picture are apart: what its copies tell of a source's labels."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from multitask.tasks import TASKS

Label = float | tuple[float, float]


def disagreement(copies: Iterable[Sequence[Mapping[str, Label]]]) -> str:
    """Of each task, in words, how far two labels of one picture are apart, in the mean over pictures.

    Of a quantity that is their distance, of intervals the gap between them; of classes, how often they are
    unlike. Nobody who answers by the picture can be nearer to both: the mean error of any answers, measured
    on these labels, is at least half of it.

    Args:
        copies: of each picture the labels of all its copies, {task: label} each; a task left out is unknown.

    Returns:
        A part for each task that two copies of any picture are labelled for; "" if there is none.
    """
    found: dict[str, list[float]] = {name: [] for name in TASKS}
    for labels in copies:
        for name, task in TASKS.items():
            known = [label[name] for label in labels if name in label]
            pairs = itertools.combinations(known, 2)
            apart = [_gap(*pair) if task.kind == "distribution" else pair[0] != pair[1] for pair in pairs]
            if apart:
                found[name].append(fmean(apart))
    return ", ".join(
        f"{name} {f'{fmean(each):.1f} {TASKS[name].unit}' if TASKS[name].unit else f'{fmean(each):.1%}'} "
        f"({len(each)} picture{'s' * (len(each) > 1)})"
        for name, each in found.items()
        if each
    )


def _gap(one: Label, other: Label) -> float:
    (from_one, to_one), (from_other, to_other) = (x if isinstance(x, tuple) else (x, x) for x in (one, other))
    return max(0.0, from_one - to_other, from_other - to_one)
