"""Other servers of the same export, from an environment of their own: their pins are not this project's."""

from importlib import metadata
from pathlib import Path

from benchmarks.answering import PATH
from multitask.errors import UserError

ENVIRONMENT = Path(__file__).parents[1] / ".venv-serving-peers"
PEERS = {"LitServe": "litserve", "KServe's SDK": "kserve"}
"""Packages by their names in tables."""


def check() -> None:
    """Whether they can be started.

    Raises:
        UserError: they are not installed.
    """
    if not (ENVIRONMENT / "ready").is_file():
        raise UserError(
            f"peers needs LitServe and KServe's SDK in {ENVIRONMENT.name}; received none: "
            "type make serving-peers"
        )


def commands(export: Path) -> dict[str, list[str]]:
    """How each is started, by its name."""
    python = str(ENVIRONMENT / "bin" / "python")
    return {
        name: [python, "-m", f"benchmarks.peers.{package}_server", str(export), PATH]
        for name, package in PEERS.items()
    }


def versions() -> dict[str, str]:
    """The version of each package there, and of what computes."""
    folders = [str(folder) for folder in ENVIRONMENT.glob("lib/python*/site-packages")]
    return {
        package: next(iter(metadata.distributions(name=package, path=folders))).version
        for package in (*PEERS.values(), "tensorflow")
    }
