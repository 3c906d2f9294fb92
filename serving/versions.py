"""Version folders: what a model's base path holds, and which of it a policy asks for."""

import os
from collections.abc import Iterable
from operator import attrgetter
from pathlib import Path
from typing import Any

from serving.errors import UserError

MAX_VERSION = 2**63 - 1


def versions(base_path: Path) -> dict[int, Path]:
    """Version folders by number, newest first: names are whole numbers, leading zeros allowed.

    Raises:
        UserError: there is no such folder, it or a version in it can't be looked at, or there is none in it.
    """
    try:
        with os.scandir(base_path) as children:
            # Some Pythons' Path.is_dir says no of what can't be looked at now: it would count as deleted.
            found = {
                number: Path(child.path)
                for child in sorted(children, key=attrgetter("name"))
                if (number := version_number(child.name)) is not None and child.is_dir()
            }
    except OSError as error:
        received = f"{str(error.filename)!r}: {error.strerror}"
        raise UserError(f"base_path must be a folder of version folders; received {received}") from error
    if not found:
        raise UserError(
            f"base_path must hold a version folder such as {base_path / '1'}; received one without any"
        )
    return dict(sorted(found.items(), reverse=True))


def version_number(text: str) -> int | None:
    """A version's number, leading zeros allowed; None if it is none or takes more than 63 bits."""
    # By its length first: int() takes no number of thousands of digits.
    digits = text.lstrip("0") or text[-1:]
    if not (text.isascii() and text.isdigit()) or len(digits) > len(str(MAX_VERSION)):
        return None
    return int(digits) if int(digits) <= MAX_VERSION else None


def chosen(found: Iterable[int], policy: Any) -> list[int]:
    """The versions that a `ServableVersionPolicy` asks for, newest first; without a choice the latest one."""
    newest_first = sorted(found, reverse=True)
    match policy.WhichOneof("policy_choice"):
        case "all":
            return newest_first
        case "specific":
            return [version for version in newest_first if version in policy.specific.versions]
        case _:
            return newest_first[: max(policy.latest.num_versions, 1)]


def fingerprint(folder: Path) -> frozenset[tuple[str, int, int, int]]:
    """Path, size and times of every file below a folder: it differs once anything there was written."""
    found = []
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                file = os.stat(os.path.join(path, name))
            except OSError:  # gone in the meantime, or a link to nothing
                continue
            found.append((os.path.join(path, name), file.st_size, file.st_mtime_ns, file.st_ctime_ns))
    return frozenset(found)
