"""The system's Chromium, and servers for it."""

import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from starlette.types import ASGIApp

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


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """The address of a server of an application."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def shoot(page, name: str) -> None:
    """Keeps what the page looks like, if the environment variable SCREENSHOTS names a folder for it."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
