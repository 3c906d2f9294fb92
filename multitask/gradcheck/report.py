"""What was found, as a table, as lines and as JSON."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from multitask.gradcheck.finding import PROOFS, Finding, Proof
from multitask.gradcheck.modes import MODES

HEADINGS: dict[Proof, str] = {
    "differences": "differ-\nences",
    "autodiff": "Tensor-\nFlow",
    "twin": "Keras",
    "float32": "float\n32",
    "bfloat16": "bfloat\n16",
    "second": "second\norder",
    "non-finite": "nan,\ninf",
}


@dataclass
class Row:
    """All findings about one argument of an operation, or about one of its kinks."""

    family: str
    operation: str
    argument: str
    findings: list[Finding] = field(default_factory=list)

    @property
    def wrong(self) -> list[Finding]:
        """Those that are not right."""
        return [finding for finding in self.findings if not finding.right]

    def cell(self, proof: Proof) -> str:
        """The worst error by one proof; "raises" for a second derivative that is not supported."""
        found = [finding for finding in self.findings if finding.proof == proof]
        if any(finding.declined for finding in found):
            return "raises"
        worst = max((finding.error for finding in found), default=None)
        return "" if worst is None else f"{worst:.0e}" if worst else "0"

    def to_json(self) -> dict[str, Any]:
        """Worst relative errors by proof and mode, the verdict, and what failed.

        An error is null where it is infinite, "raises" where a second derivative is not supported.
        """
        errors: dict[str, dict[str, float | str | None]] = {}
        for proof in PROOFS:
            for mode in MODES:
                found = [f for f in self.findings if f.proof == proof and f.mode == mode]
                if found:
                    worst = max(finding.error for finding in found)
                    declined = any(finding.declined for finding in found)
                    value = worst if worst < float("inf") else None
                    errors.setdefault(proof, {})[mode] = "raises" if declined else value
        return {
            "family": self.family,
            "operation": self.operation,
            "argument": self.argument,
            "errors": errors,
            "right": not self.wrong,
            "failures": failures([self]),
        }


def rows_of(family: str, operation: str, findings: Iterable[Finding]) -> list[Row]:
    """One row for each argument, the output first."""
    rows = {"output": Row(family, operation, "output")}
    for finding in findings:
        rows.setdefault(finding.argument, Row(family, operation, finding.argument)).findings.append(finding)
    return list(rows.values())


def failures(rows: Iterable[Row]) -> list[str]:
    """A line for each comparison that went wrong: by how much, for which arguments, on what sample."""
    comparisons: dict[tuple[str, ...], list[Finding]] = {}
    for finding in (finding for row in rows for finding in row.wrong):
        key = finding.operation, finding.proof, finding.mode, finding.detail, finding.raised
        comparisons.setdefault(key, []).append(finding)
    return [
        f"{operation}, {proof}, {mode}: "
        + (f"raised {raised}" if raised else f"{off(wrong)}; at most {wrong[0].tolerance:.0e} is right")
        + f"; {detail}"
        for (operation, proof, mode, detail, raised), wrong in comparisons.items()
    ]


def off(findings: list[Finding]) -> str:
    """Each argument and how far it is off."""
    return ", ".join(f"{finding.argument} off by {finding.error:.1e}" for finding in findings)


def table_of(rows: list[Row]) -> Table:
    """Worst relative errors: under each operation's values its arguments and kinks, a proof a column."""
    table = Table(box=SIMPLE_HEAD, padding=0, title="worst relative errors", title_justify="left")
    table.add_column("operation\n  argument", min_width=24, overflow="fold")
    for heading in HEADINGS.values():
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for row, following in zip_longest(rows, rows[1:]):
        name = row.operation if row.argument == "output" else f"  {row.argument}"
        verdict = "[bold red]WRONG[/]" if row.wrong else "right"
        last = following is not None and following.family != row.family
        table.add_row(name, *map(row.cell, HEADINGS), verdict, end_section=last)
    return table
