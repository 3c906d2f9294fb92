"""The client asking about whole photos, and what it draws onto copies of them."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from drawn_faces import encode, photo
from PIL import Image
from small_models import picture

from serving.app import create_app
from serving.client import Client
from serving.client.__main__ import main
from serving.client.drawing import DARK, LIGHT, draw
from serving.errors import run_command
from serving.rest import rest

PARTY = photo((90, 120, 160), (400, 200, 110))


@pytest.fixture(scope="module")
def url(serve, faces):
    return serve(create_app(faces))


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Exit code, stdout and stderr of the command, in a folder with photos."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "party.jpg").write_bytes(encode(PARTY, "JPEG", quality=95))
    (tmp_path / "wall.png").write_bytes(encode(photo()))
    (tmp_path / "text.jpg").write_bytes(b"%PDF-1.7")

    def command(*arguments):
        monkeypatch.setattr("sys.argv", ["client", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            run_command(main)
        return ended.value.code, *capsys.readouterr()

    return command


def test_a_script_gets_faces_with_boxes(url):
    with Client(url) as client:
        said = client.faces(encode(PARTY))
    assert said.keys() == {"faces", "found_by", "width", "height"}
    assert [face["emotion"]["label"] for face in said["faces"]] == ["angry", "angry"]
    assert [len(face["box"]) for face in said["faces"]] == [4, 4]


def test_a_row_is_a_face(run, url):
    code, out, err = run("party.jpg", "wall.png", "text.jpg", "--faces", "--url", url)
    rows = [line for line in out.splitlines() if "│" in line]
    assert ["party.jpg" in row for row in rows] == [True, True, False]
    assert ["1: 1" in rows[0], "2: " in rows[1], "years" in rows[1]] == [True] * 3
    assert ["wall.png" in rows[2], "none was found" in rows[2]] == [True] * 2
    assert err == "text.jpg: this is no picture: it must be JPEG, PNG, GIF, BMP or WEBP\n"
    assert code == 2


def test_copies_are_drawn_on_and_nothing_is_overwritten(run, url, tmp_path):
    original = (tmp_path / "party.jpg").read_bytes()
    for folder, copy in (("drawn", "party.jpg"), ("drawn", "party-2.jpg"), (".", "party-2.jpg")):
        code, out, err = run("party.jpg", "wall.png", "--draw", folder, "--json", "--url", url)
        party, wall = map(json.loads, out.splitlines())
        assert (code, err, wall["faces"], "drawn" in wall) == (0, "", [], False)
        assert os.path.normpath(party["drawn"]) == os.path.normpath(f"{folder}/{copy}")
        assert (tmp_path / "party.jpg").read_bytes() == original
        before, after = (
            np.asarray(Image.open(file).convert("RGB"), int) for file in ("party.jpg", party["drawn"])
        )
        changed = np.abs(after - before).max(axis=2) > 60
        for x, y, width, height in (face["box"] for face in party["faces"]):
            middle = slice(x + width // 4, x + 3 * width // 4)
            assert changed[y : y + 4, middle].all(axis=1).any()
            assert not changed[y + height // 3 : y + height // 2, middle].any()


def text_pixels(ground, box):
    """How many pixels of the answers are seen on a copy of a picture."""
    answers = {"gender": {"value": 123.0}, "age": {"value": 31.2, "std": 4.0, "unit": "years"}}
    boxed, labelled = (
        np.asarray(draw(encode(Image.fromarray(ground)), [{"box": box, **said}]), int)
        for said in ({}, answers)
    )
    bright = (np.abs(labelled - LIGHT) < 100).all(axis=2)  # or nearly: letters have soft edges
    return (bright & (labelled != boxed).any(axis=2)).sum()


@pytest.mark.parametrize("colour", [DARK, (250, 215, 60), (255, 255, 255), None], ids=str)
@pytest.mark.parametrize(
    "box", [(0, 0, 60, 60), (340, 240, 60, 60), (150, 20, 60, 250), (0, 0, 400, 300), (395, 5, 5, 5)], ids=str
)
def test_answers_are_seen_whole_wherever_the_box_and_whatever_the_ground(colour, box):
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    ground = noise if colour is None else np.full_like(noise, colour)
    alone = text_pixels(np.zeros_like(noise), (170, 120, 60, 60))
    assert text_pixels(ground, box) > 0.9 * alone > 100


def test_a_copy_is_upright_and_carries_no_metadata(run, url, tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    turned = encode(PARTY.rotate(90, expand=True), "JPEG", quality=95, exif=exif)
    (tmp_path / "phone.jpg").write_bytes(turned)
    code, out, _ = run("phone.jpg", "--draw", "drawn", "--json", "--url", url)
    said = json.loads(out)
    assert (code, len(said["faces"]), said["width"]) == (0, 2, 640)
    with Image.open(said["drawn"]) as copy:
        assert (copy.size, dict(copy.getexif())) == ((640, 480), {})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--url", "grpc://127.0.0.1:1"],
            "faces are found over http:// and https:// alone; received grpc://",
        ),
        (
            ["--url", "TF"],
            "must be this project's server: no other finds faces; it answers: Malformed request",
        ),
        (["--model", "none"], "has no model 'none' that takes photos: it knows faces"),
        (["--draw", "party.jpg"], "--draw must be a folder, there or not; received party.jpg: File exists"),
    ],
)
def test_what_can_not_be_asked_is_said_in_one_line(run, serve, faces, url, arguments, message):
    arguments = [serve(rest(faces)) if word == "TF" else word for word in arguments]
    where = [] if "--url" in arguments else ["--url", url]
    code, out, err = run("party.jpg", "--faces", *arguments, *where)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_a_copy_that_can_not_be_written_leaves_the_answer(run, url, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("serving.client.__main__.save_copy", full)
    code, out, _ = run("party.jpg", "--draw", "drawn", "--json", "--url", url)
    said = json.loads(out)
    assert (code, len(said["faces"])) == (1, 2)
    assert said["error"] == "no copy was drawn: [Errno 28] No space left on device"


def test_on_a_terminal_a_bar_tells_how_far_it_is(url, tmp_path):
    files = [tmp_path / f"{number}.png" for number in range(3)]
    for file in files:
        file.write_bytes(picture(0, 0, 255))
    command = [sys.executable, "-m", "serving.client", *files, "--json", "--url", url]
    reader, writer = os.openpty()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=writer, env={**os.environ, "TERM": "xterm"}
    ) as asked:
        out = asked.stdout.read()
    os.close(writer)
    with open(reader, "rb", buffering=0) as terminal:
        shown = terminal.read(100_000).decode()
    assert [json.loads(line)["file"] for line in out.splitlines()] == list(map(str, files))
    assert "3/3" in shown
