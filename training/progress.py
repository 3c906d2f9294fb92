"""How far something is, on a terminal or in a notebook; elsewhere a bar would only leave blank lines."""

from collections.abc import Iterable
from typing import TypeVar

import rich
from rich.progress import track as rich_track

T = TypeVar("T")


def shown() -> bool:
    """Whether anybody would see a bar move."""
    console = rich.get_console()
    return console.is_terminal or console.is_jupyter


def track(items: Iterable[T], what: str, total: int) -> Iterable[T]:
    """`items`, with a bar that says `what` while they are gone through and is gone afterwards."""
    return rich_track(items, what, total=total, transient=True, disable=not shown())
