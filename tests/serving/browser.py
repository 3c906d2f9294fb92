"""The system's Chromium."""

import os
import shutil
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium() -> str:
    """Where it is: what the environment variable CHROMIUM says, or under its usual names."""
    named = os.environ.get("CHROMIUM")
    if named == "none":
        pytest.skip("CHROMIUM=none says that there is no browser: the page is not tested")
    found = shutil.which(named) if named else next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        pytest.fail(
            f"the page is tested in Chromium; found none under {named or ', '.join(NAMES)}. Install it "
            "(apt-get install chromium), name it (CHROMIUM=/path/to/chrome), or say that there is none "
            "(CHROMIUM=none)"
        )
    return found


def shoot(page, name: str) -> None:
    """Keeps what the page looks like, if the environment variable SCREENSHOTS names a folder for it."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
