"""A run made ready to be given away: `python -m training.card RUN --to FOLDER`.

The folder is a run's own (train on from it, export it), without any path of the machine that made it: the
best model, its settings, metrics and figures, recipe.json (the settings of every run that led to it), and
README.md, a model card (Mitchell et al. 2019, "Model cards for model reporting").
"""

import dataclasses
import inspect
import itertools
import json
import shlex
import shutil
import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from multitask.errors import UserError, run_command
from multitask.tasks import Task
from training.commands import parse
from training.config import TrainConfig
from training.datasets.prepare import prepare
from training.evaluate import evaluate, load_predictions
from training.groups import FIGURE_NAMES, Group, in_words, together, ungrouped_in_words
from training.runs import EVALUATION, EVALUATION_BY_FLIPS, PLACES, Run, write_json
from training.start import run_named

TEMPLATE = Path(__file__).with_suffix(".md")
KEPT = ("best.keras", "metrics.jsonl", "summary.json", EVALUATION, EVALUATION_BY_FLIPS)


def publish(run: Run, to: Path, title: str = "Age, emotion and gender from a face", terms: str = "") -> Path:
    """Writes `run`'s best model, settings, figures on its test split and model card into the folder `to`.

    Args:
        run: finished.
        to: the folder; files of these names in it are replaced, others stay.
        title: of the card.
        terms: under which the model is given away, as Markdown.

    Raises:
        UserError: training has not ended, a run that it started from is gone, or `to` is its own folder.
    """
    if run.summary is None:
        raise UserError(f"{run.folder} has not finished training: finish it first, by training.train")
    if to.resolve() == run.folder.resolve():
        raise UserError(f"to must be another folder than the run's; received {to}: choose a new one")
    recipe = _recipe(run)
    found = evaluate(run)
    evaluate(run, average_flips=True)
    card = string.Template(TEMPLATE.read_text()).substitute(
        title=title,
        questions=" and ".join(", ".join(found["tasks"]).rsplit(", ", 1)),
        facts=_facts(run),
        figures="\n".join(_figures(run)),
        groups="\n".join(_groups(run, found)),
        data="\n\n".join(_data(run.config)),
        recipe="\n".join(_commands(run, recipe)),
        terms=terms or "Those of the sources above.",
    )
    to.mkdir(parents=True, exist_ok=True)
    for name in KEPT:
        shutil.copyfile(run.folder / name, to / name)
    write_json(to / "config.json", {**recipe[-1], "start_from": None, "teachers": []})
    write_json(to / "recipe.json", recipe)
    (to / "README.md").write_text(card)
    return to


def command_line(config: TrainConfig) -> str:
    """The shortest command that trains `config`, its places left out."""
    words = ["python -m training.train"]
    for part, flag, value in _changed(config, TrainConfig()):
        flag = flag.replace("_", "-")
        if part not in PLACES:
            words.append(
                f"--{'' if value else 'no-'}{flag}"
                if isinstance(value, bool)
                else f"--{flag} {_in_shell(value)}"
            )
    lines = [" ".join(words[first : first + 3]) for first in range(1, len(words), 3)]
    return " \\\n    ".join([words[0], *lines])


def _changed(config: Any, default: Any, prefix: str = "") -> Iterator[tuple[str, str, Any]]:
    for part in dataclasses.fields(config):
        value, usual = getattr(config, part.name), getattr(default, part.name)
        if dataclasses.is_dataclass(value):
            yield from _changed(value, usual, f"{part.name}.")
        elif value != usual:
            yield part.name, prefix + part.name, value


def _in_shell(value: Any) -> str:
    if isinstance(value, dict):
        value = tuple(itertools.chain.from_iterable(value.items()))
    return shlex.join(map(str, value if isinstance(value, tuple) else (value,)))


def _recipe(run: Run) -> list[dict[str, Any]]:
    """Settings of the runs that led to `run`, the first one first, as folders beside each other."""
    settings = {
        **json.loads(json.dumps(dataclasses.asdict(run.config), default=str)),
        **dict.fromkeys(PLACES),
        "run": f"runs/{run.folder.name}",
        "datasets": [_without_folder(name) for name in run.config.datasets],
        "weights": run.config.weights and Path(run.config.weights).name,
    }
    kept = run.folder / "recipe.json"
    if kept.exists():  # it was given away itself
        return json.loads(kept.read_text())
    before: list[dict[str, Any]] = []

    def named(other: str) -> str:
        found = _recipe(run_named(other))
        before.extend(one for one in found if one not in before)
        return found[-1]["run"]

    if run.config.start_from is not None:
        settings["start_from"] = named(run.config.start_from)
    settings["teachers"] = [named(teacher) for teacher in run.config.teachers]
    return [*before, settings]


def _without_folder(dataset: str) -> str:
    source, colon, path = dataset.partition(":")
    return f"{source}:{Path(path).name}" if colon else dataset


def _facts(run: Run) -> str:
    summary, size = run.summary or {}, run.config.image_size
    weight = (run.folder / "best.keras").stat().st_size / 1e6
    return (
        f"{summary['parameters']:,} parameters ({weight:.1f} MB), trunk `{run.config.trunk}`, pictures of "
        f"{size}x{size} pixels, learned from {summary['examples']:,} pictures."
        + (
            "\nIts logits are divided by the temperatures in `summary.json`."
            if summary.get("temperatures")
            else ""
        )
    )


def _figures(run: Run) -> Iterator[str]:
    yield from ("| | examples | without flips | with flips |", "|---|---|---|---|")
    once, flipped = (load_predictions(run, average_flips) or {} for average_flips in (False, True))
    for task in run.config.chosen_tasks:
        of_one, of_both = together(task, once), together(task, flipped)
        if of_one is None or of_both is None:
            yield f"| {task.name} | none labelled | | |"
            continue
        for name, figure in of_one["figures"].items():
            words = in_words(name, figure), in_words(name, of_both["figures"][name])
            yield f"| {task.name}: {_name(task, name)} | {of_one['count']:,} | {words[0]} | {words[1]} |"


def _groups(run: Run, found: dict[str, Any]) -> Iterator[str]:
    for task in run.config.chosen_tasks:
        groups, result = found["groups"][task.name], found["tasks"][task.name]
        if lacking := found["ungrouped"][task.name]:
            yield f"{ungrouped_in_words(task, result['count'], lacking)}.\n".capitalize()
        for size, rows in itertools.groupby(groups, key=lambda group: len(group["by"])):
            kind = {1: "by one label", 2: "by two", 3: "by all three"}[size]
            yield from _group_table(task, kind, list(rows))


def _group_table(task: Task, kind: str, rows: list[Group]) -> Iterable[str]:
    names = list(rows[0]["figures"])
    yield f"<details{' open' if kind == 'by one label' else ''}><summary>{task.name}, {kind}</summary>\n"
    yield f"| label | examples | {' | '.join(_name(task, name) for name in names)} |"
    yield f"|---|---|{'---|' * len(names)}"
    for row in rows:
        label = ", ".join(f"{label} {value}" for label, value in row["by"].items())
        figures = " | ".join(in_words(name, row["figures"][name]) for name in names)
        yield f"| {label} | {row['count']} | {figures} |"
    yield "\n</details>\n"


def _name(task: Task, figure: str) -> str:
    return FIGURE_NAMES[figure].format(unit=task.unit)


def _data(config: TrainConfig) -> Iterator[str]:
    for name in config.datasets:
        builder = prepare(name, config.data_dir, config.manual_dir)
        # A docstring, whose indented lines Markdown would take for code.
        about = inspect.cleandoc(builder.info.description)
        splits = ", ".join(f"{split} {info.num_examples:,}" for split, info in builder.info.splits.items())
        yield f"**`{_without_folder(name)}`** ({splits}; {builder.info.homepage}). {about}"


def _commands(run: Run, recipe: list[dict[str, Any]]) -> Iterator[str]:
    for settings in recipe:
        # What would become a path of this machine stands apart.
        paths = {name: settings[name] for name in ("run", "start_from", "weights") if settings[name]}
        if settings.get("teachers"):  # older recipes know of none
            paths["teachers"] = tuple(settings["teachers"])
        if any(":" in name for name in settings["datasets"]):
            paths["datasets"] = tuple(settings["datasets"])
        config = Run.settings({**settings, **{name: getattr(TrainConfig(), name) for name in paths}})
        named = " ".join(f"--{name.replace('_', '-')} {_in_shell(path)}" for name, path in paths.items())
        yield f"    {command_line(config)} \\\n    {named}".replace("\n", "\n    ")
    seconds = (run.summary or {})["seconds"]
    yield f"\nThe last of these took {seconds / 60:.0f} minutes."


@dataclass(frozen=True)
class _Command:
    """Makes a finished run ready to be given away, with a model card.

    Args:
        run: folder of the run.
        to: folder to write.
        title: of the card.
        terms: a file that says, in Markdown, under which terms.
        data_dir: where its data is prepared, if not where it was in training.
        manual_dir: where its archives are, if not where they were in training.
    """

    run: Annotated[Path, tyro.conf.Positional]
    to: Path
    title: str = "Age, emotion and gender from a face"
    terms: Path | None = None
    data_dir: Path | None = None
    manual_dir: Path | None = None


def _main() -> None:
    command = parse(_Command)
    if command.terms is not None and not command.terms.is_file():
        raise UserError(f"terms must be a file of Markdown; received {command.terms}, which is none")
    try:
        terms = command.terms.read_text("utf-8") if command.terms else ""
    except UnicodeDecodeError as error:
        raise UserError(
            f"terms must be a file of Markdown in UTF-8; {command.terms} is not: {error}"
        ) from None
    run = Run.open(command.run).at(command.data_dir, command.manual_dir)
    folder = publish(run, command.to, command.title, terms)
    print(f"published: {folder}\nread: {folder / 'README.md'}")


if __name__ == "__main__":
    run_command(_main)
