"""HTML that escapes all it is given: what is not `Html` already is text."""

import html
from collections.abc import Iterable, Mapping, Sequence

MISSING = "-"
_VOID = {"img", "meta"}


class Html(str):
    """Markup, as opposed to text that stands for itself."""


def element(tag: str, *children: str | None, **attributes: str | int | None) -> Html:
    """An element; children and attributes that are None are left out, `aria_label` becomes aria-label."""
    given = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    return Html(f"<{tag}{given}>" if tag in _VOID else f"<{tag}{given}>{join(children)}</{tag}>")


def join(parts: Iterable[str | None], between: str = "") -> Html:
    """The parts one after the other, texts among them escaped."""
    escaped = (part if isinstance(part, Html) else html.escape(part) for part in parts if part is not None)
    return Html(between.join(escaped))


def table(caption: str, header: Sequence[str], bodies: Mapping[str, Sequence[Sequence[str | None]]]) -> Html:
    """A table that scrolls in its own box, of bodies: title ("": none) -> rows, headed by their first cell.

    A cell that is None is shown as "-".
    """
    columns = element("tr", *(element("th", name, scope="col") for name in header))
    parts = []
    for title, rows in bodies.items():
        head = element("tr", element("th", title, scope="rowgroup", colspan=len(header))) if title else None
        parts.append(element("tbody", head, *map(_row, rows)))
    return element(
        "div",
        element("table", element("caption", element("span", caption)), element("thead", columns), *parts),
        class_="scroll",
        tabindex=0,  # so that it scrolls by keyboard
        role="region",
        aria_label=caption,
    )


def _row(cells: Sequence[str | None]) -> Html:
    first, *others = (MISSING if cell is None else cell for cell in cells)
    return element("tr", element("th", first, scope="row"), *(element("td", cell) for cell in others))


def details(summary: str, *children: str | None) -> Html:
    """What is long, folded away until it is asked for; print shows it."""
    return element("details", element("summary", summary), *children)
