"""A server's memory after 100,000 requests and 20 reloads is what it was once warm.

SOAK_REQUESTS makes it shorter.
"""

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from base64 import b64encode
from pathlib import Path

import orjson
import pytest

from benchmarks.answering import address, picture
from benchmarks.load import ask, http_request
from training.export import export
from training.runs import Run
from training.start import SHIPPED

pytestmark = pytest.mark.soak

REQUESTS = int(os.environ.get("SOAK_REQUESTS", "100000"))
RELOADS = 20
WARM_UP = 3
"""Reloads before memory is first looked at, with as many requests each as later ones."""


class Served:
    """A server of the model that comes with the project."""

    def __init__(self, folder: Path) -> None:
        self.export = export(Run.open(SHIPPED), folder / "exported")
        self.base, self.version = folder / "faces", 0
        self.base.mkdir()
        self._place()
        command = [sys.executable, "-m", "serving", "--model_base_path", str(self.base)]
        self.process = subprocess.Popen(
            [*command, "--model_name", "faces", "--rest_api_port", "0"], stdout=subprocess.PIPE, text=True
        )
        self.host, self.port = address(self.process)
        body = b'{"instances": [{"b64": "' + b64encode(picture()) + b'"}]}'
        self.request = http_request(self.host, self.port, "/v1/models/faces:predict", body)

    def _place(self) -> None:
        self.version += 1
        ready = self.base.with_name(f"version_{self.version}")
        shutil.copytree(self.export, ready)
        ready.rename(self.base / str(self.version))

    def reload(self) -> None:
        """Puts another version in the place of the one that answers, and waits until that is let go of."""
        self._place()
        end = time.monotonic() + 300
        while self._states() != {self.version: "AVAILABLE", self.version - 1: "END"}:
            assert time.monotonic() < end, self._states()
            time.sleep(0.2)
        shutil.rmtree(self.base / str(self.version - 1))

    def _states(self) -> dict[int, str]:
        with urllib.request.urlopen(f"http://{self.host}:{self.port}/v1/models/faces") as response:
            states = orjson.loads(response.read())["model_version_status"]
        return {
            int(one["version"]): one["state"] for one in states if int(one["version"]) >= self.version - 1
        }

    def answer(self, requests: int) -> None:
        """Lets 16 clients ask until at least so many requests have been answered."""
        while requests > 0:
            requests -= len(ask(self.host, self.port, self.request, 16, 1.0).latencies)

    def memory(self) -> int:
        """Bytes in memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024


@pytest.fixture
def served(tmp_path):
    server = Served(tmp_path)
    yield server
    server.process.terminate()
    server.process.communicate(timeout=60)


def test_memory_stays_within_five_percent(served):
    held = []
    for _ in range(WARM_UP + RELOADS):
        served.answer(REQUESTS // RELOADS)
        served.reload()
        held.append(served.memory())
        print(f"version {served.version}: {held[-1] / 2**20:.0f} MiB", flush=True)
    assert max(held[WARM_UP:]) <= 1.05 * held[WARM_UP - 1]
