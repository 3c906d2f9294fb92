"""What a model's numbers say, by the kind of each task."""

from collections.abc import Mapping
from typing import Any


def describe(answers: Mapping[str, Any], tasks: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """One picture's answers in words.

    Args:
        answers: plain numbers by output name: a number, or a list of probabilities.
        tasks: as labels.json has them, `kind` with `unit` or `labels`; empty where they are not known: then
            classes go by their numbers.

    Returns:
        By task: {value, std, unit} of a distribution; {label, probability, probabilities} of classes, the
        most likely first; {value} of what nothing is known of. A task without an answer is left out.
    """
    tasks = tasks or {name: _guessed(name, answers) for name in answers if not _is_std(name, answers)}
    return {name: _describe(name, answers, task) for name, task in tasks.items() if name in answers}


def sentence(answer: Mapping[str, Any]) -> str:
    """One described answer, for a person: "31.2 ± 4.1 years", "happy 93% (neutral 4%)", "female 98%"."""
    if "value" in answer:
        if not isinstance(answer["value"], int | float):
            return str(answer["value"])
        std = f" ± {answer['std']:.1f}" if "std" in answer else ""
        return f"{answer['value']:.1f}{std} {answer.get('unit', '')}".rstrip()
    best, *others = [f"{label} {p:.0%}" for label, p in answer["probabilities"].items()]
    return f"{best} ({others[0]})" if len(others) > 1 else best


def _describe(name: str, answers: Mapping[str, Any], task: Mapping[str, Any]) -> dict[str, Any]:
    value = answers[name]
    if task["kind"] == "distribution":
        return {"value": value, "std": answers[f"{name}_std"], "unit": task.get("unit", "")}
    if task["kind"] == "binary":
        value = [1 - value, value]
    elif task["kind"] != "categorical":
        return {"value": value}
    pairs = zip(task["labels"], value, strict=True)
    probabilities = dict(sorted(pairs, key=lambda pair: pair[1], reverse=True))
    label = next(iter(probabilities))
    return {"label": label, "probability": probabilities[label], "probabilities": probabilities}


def _guessed(name: str, answers: Mapping[str, Any]) -> dict[str, Any]:
    value = answers[name]
    if f"{name}_std" in answers:
        return {"kind": "distribution"}
    if isinstance(value, list) and all(isinstance(number, float) for number in value) and len(value) > 1:
        return {"kind": "categorical", "labels": [str(number) for number in range(len(value))]}
    return {"kind": "unknown"}


def _is_std(name: str, answers: Mapping[str, Any]) -> bool:
    return name.endswith("_std") and name.removesuffix("_std") in answers
