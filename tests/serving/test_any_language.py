"""The same call without Python: the documents' lines as a shell runs them, and examples/Predict.java."""

import json
import re
import shutil
import subprocess
import textwrap
from pathlib import Path

import pytest
from folders import configured
from small_models import picture, save_half_plus_two

from serving.app import create_app
from serving.store import Store

ROOT = Path(__file__).parents[2]
SERVER = "127.0.0.1:8501"


@pytest.fixture(scope="module")
def address(serve, faces_path, tmp_path_factory):
    """A server of the models that the documents name."""
    base = tmp_path_factory.mktemp("documented")
    (base / "faces").mkdir()
    (base / "faces" / "1").symlink_to(faces_path / "007")
    save_half_plus_two(base / "half_plus_two" / "1")
    paths = {name: f'base_path: "{base / name}"' for name in ("faces", "half_plus_two")}
    store = Store(configured(**paths))
    store.load()
    return serve(create_app(store)).removeprefix("http://")


@pytest.fixture
def folder(tmp_path):
    for name in ("photo.jpg", "other.jpg"):
        (tmp_path / name).write_bytes(picture(0, 0, 255))
    return tmp_path


def at_hand(name):
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not on this machine's PATH")


def shell_lines(document):
    """The indented blocks of a document that make or send requests."""
    blocks = re.findall(r"(?:^    .*\n)+", (ROOT / document).read_text(), re.M)
    return [textwrap.dedent(block) for block in blocks if "curl " in block or "> request.json" in block]


@at_hand("curl")
@pytest.mark.parametrize("document", ["docs/serving.md", "README.md"])
def test_the_documents_lines_are_answered(document, address, folder):
    blocks = shell_lines(document)
    assert sum(block.count("curl ") for block in blocks) >= (10 if document == "docs/serving.md" else 1)
    for block in blocks:
        assert SERVER in block or "curl" not in block
        command = ["bash", "-euo", "pipefail", "-c", block.replace(SERVER, address)]
        said = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
        assert said.returncode == 0, block + said.stderr
        assert bool(said.stdout) == ("curl" in block)
        assert '{"error":"' not in said.stdout, block + said.stdout


@at_hand("java")
@pytest.mark.parametrize(
    ("photo", "model", "code", "said"),
    [
        ("photo.jpg", "faces", 0, ""),
        ("text.jpg", "faces", 2, r"text\.jpg: http://\S+ answers 400: \{.*Unknown image file format"),
        ("missing.jpg", "faces", 2, r"missing\.jpg: can't be read: .*NoSuchFileException"),
        (
            "photo.jpg",
            None,
            1,
            r"photo\.jpg: no model server answers at http://127\.0\.0\.1:1/.*ConnectException",
        ),
    ],
    ids=["answered", "no picture", "no file", "no server"],
)
def test_java_asks(address, folder, photo, model, code, said):
    (folder / "text.jpg").write_bytes(b"%PDF-1.7")
    url = f"http://{address}/v1/models/{model}" if model else "http://127.0.0.1:1/v1/models/faces"
    command = ["java", str(ROOT / "examples" / "Predict.java"), photo, url]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert ran.returncode == code, ran.stderr
    if code:
        assert (ran.stdout, ran.stderr.count("\n")) == ("", 1)
        assert re.match(said, ran.stderr)
    else:
        (row,) = json.loads(ran.stdout)["predictions"]
        assert row.keys() == {"age", "age_std", "emotion", "gender"}
        assert row["gender"] == 1.0
