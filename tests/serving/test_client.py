"""The client against this server and against one that knows only TensorFlow Serving's wire."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_models import TASKS, Length, picture, save

from serving.answers import describe, sentence
from serving.app import create_app
from serving.client import Client, Rejected
from serving.client.__main__ import main
from serving.config import one_model
from serving.errors import run_command
from serving.loading import LABELS
from serving.rest import rest
from serving.store import Store

ANSWERS = {"age": 31.24, "age_std": 4.0, "emotion": [0.02, 0.9, 0.08], "gender": 0.25}


@pytest.fixture(scope="module")
def url(serve, faces):
    return serve(create_app(faces))


@pytest.mark.parametrize(
    ("tasks", "described", "sentences"),
    [
        (
            TASKS,
            {
                "age": {"value": 31.24, "std": 4.0, "unit": "years"},
                "emotion": {
                    "label": "happy",
                    "probability": 0.9,
                    "probabilities": {"happy": 0.9, "sad": 0.08, "angry": 0.02},
                },
                "gender": {
                    "label": "male",
                    "probability": 0.75,
                    "probabilities": {"male": 0.75, "female": 0.25},
                },
            },
            ["31.2 ± 4.0 years", "happy 90% (sad 8%)", "male 75%"],
        ),
        (
            {},
            {
                "age": {"value": 31.24, "std": 4.0, "unit": ""},
                "emotion": {
                    "label": "1",
                    "probability": 0.9,
                    "probabilities": {"1": 0.9, "2": 0.08, "0": 0.02},
                },
                "gender": {"value": 0.25},
            },
            ["31.2 ± 4.0", "1 90% (2 8%)", "0.2"],
        ),
        (
            {"mood": TASKS["gender"], "gender": TASKS["gender"]},
            {
                "gender": {
                    "label": "male",
                    "probability": 0.75,
                    "probabilities": {"male": 0.75, "female": 0.25},
                }
            },
            ["male 75%"],
        ),
    ],
    ids=["labels", "no labels", "fewer tasks"],
)
def test_answers_in_words(tasks, described, sentences):
    assert describe(ANSWERS, tasks) == described
    assert [sentence(answer) for answer in described.values()] == sentences


def test_predict(url):
    with Client(url) as client:
        red, blue = client.predict([picture(255, 0, 0), picture(0, 0, 255)])
        assert (red["emotion"]["label"], blue["emotion"]["label"]) == ("angry", "sad")
        assert (red["age"]["value"], blue["gender"]["label"]) == (100.0, "female")
        assert client.predict([]) == []


def test_classes_go_by_number_unless_labels_are_given(serve, faces, faces_path):
    url = serve(rest(faces))
    with Client(url) as client:
        (blue,) = client.predict([picture(0, 0, 255)])
    assert (blue["emotion"]["label"], blue["gender"]) == ("2", {"value": 1.0})
    with Client(url, labels=faces_path / "007" / LABELS) as client:
        (blue,) = client.predict([picture(0, 0, 255)])
    assert (blue["emotion"]["label"], blue["gender"]["label"]) == ("sad", "female")


def test_a_single_output_gets_its_name(serve, tmp_path):
    save(Length(), tmp_path / "1", "serve")
    store = Store(one_model("length", tmp_path))
    store.load()
    with Client(serve(create_app(store)), "length") as client:
        assert client.predict([b"x", b""]) == [{"gender": {"value": 1.0}}, {"gender": {"value": 0.0}}]


@pytest.mark.parametrize(
    ("model", "pictures", "status"), [("none", [picture(1, 2, 3)], 404), ("faces", [b"nope"], 400)]
)
def test_a_refusal_has_the_servers_words(url, model, pictures, status):
    with (
        Client(url, model) as client,
        pytest.raises(Rejected, match=r"Servable not found|Unknown image file") as rejected,
    ):
        client.predict(pictures)
    assert rejected.value.status == status


def test_over_rest_nothing_heavy_is_imported(url, tmp_path):
    (tmp_path / "blue.png").write_bytes(picture(0, 0, 255))
    code = (
        "import sys; from serving.client.__main__ import main\n"
        "try: main()\n"
        "finally: print({'tensorflow', 'numpy', 'grpc', 'keras'} & set(sys.modules), file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, tmp_path / "blue.png", "--json", "--url", url]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (said.returncode, said.stderr) == (0, "set()\n")
    assert json.loads(said.stdout)["emotion"]["label"] == "sad"


def run(monkeypatch, capsys, *arguments):
    """Exit code, stdout and stderr of the command."""
    monkeypatch.setattr("sys.argv", ["client", *map(str, arguments)])
    code = 0
    try:
        run_command(main)
    except SystemExit as exit_:
        code = exit_.code
    return code, *capsys.readouterr()


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "red[bold].png").write_bytes(picture(255, 0, 0))
    (tmp_path / "text.png").write_bytes(b"no picture")
    return tmp_path


def test_command_answers_what_it_can(monkeypatch, capsys, photos, url):
    monkeypatch.chdir(photos)
    code, out, err = run(monkeypatch, capsys, "red[bold].png", "text.png", "missing.png", ".", "--url", url)
    assert code == 2
    assert "red[bold].png" in out
    assert "100.0 ± 0.0 years" in out
    assert "angry 99% (happy 1%)" in out
    assert "male 100%" in out
    assert err.splitlines() == [
        "text.png: Unknown image file format. One of JPEG, JPEG XL, PNG, GIF, BMP, WebP required.",
        "missing.png: can't be read: No such file or directory",
        ".: can't be read: Is a directory",
    ]


def test_command_prints_json_lines(monkeypatch, capsys, photos, url):
    monkeypatch.chdir(photos)
    code, out, err = run(monkeypatch, capsys, "red[bold].png", "missing.png", "--json", "--url", url)
    red, missing = map(json.loads, out.splitlines())
    assert (code, err) == (2, "")
    assert red["file"] == "red[bold].png"
    assert red["gender"]["label"] == "male"
    assert missing == {"file": "missing.png", "error": "can't be read: No such file or directory"}


def test_a_name_of_any_bytes_is_printed(monkeypatch, capsys, photos, url):
    named = os.fsdecode(bytes(photos / "caf") + b"\xe9.png")
    (photos / "red[bold].png").rename(named)
    code, out, _ = run(monkeypatch, capsys, named, "--json", "--url", url)
    assert (code, json.loads(out)["file"]) == (0, named)
    code, out, _ = run(monkeypatch, capsys, named, "--url", url)
    assert (code, r"caf\udce9.png" in out) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "none"], "has no model 'none' that takes photos: Servable not found"),
        (
            ["--url", "http://127.0.0.1:1", "--retries", "0"],
            "no model server answers at http://127.0.0.1:1: [Errno 111] Connection refused",
        ),
        (["--url", "grpc://127.0.0.1:1", "--retries", "0"], "grpc://127.0.0.1:1 is unavailable: "),
        (
            ["--url", "localhost"],
            "received 'localhost': it must begin with one of http://, https://, grpc://",
        ),
        (["--ca", "missing.pem"], "--ca must be a file of certificates in PEM; received missing.pem"),
        (["--url", "grpcs://127.0.0.1:1", "--ca", "missing.pem"], "--ca must be a file that can be read"),
        (
            ["--labels", "missing.json"],
            "--labels must be the assets.extra/labels.json of an export; received",
        ),
        (
            ["--labels", "red[bold].png"],
            "--labels must be the assets.extra/labels.json of an export; received",
        ),
        (
            ["--labels", "other.json"],
            "labels must be the model's own; its answers do not fit those of emotion",
        ),
        (["--retries", "-1"], "--retries must be at least 0; received -1"),
        (["--parallel", "0"], "--parallel must be at least 1; received 0"),
        (["--timeout", "0"], "--timeout must be above 0 and below 2**31; received 0"),
        (["--timeout", "inf"], "--timeout must be above 0 and below 2**31; received inf"),
        (["--url", "http://ü..x"], "--url must name a server; received 'http://ü..x'"),
        (["--url", "http://["], "--url must be one such as http://127.0.0.1:8501; received 'http://['"),
        (["--nonsense"], "no such flag: --nonsense; see python -m serving.client --help"),
    ],
)
def test_command_says_what_is_wrong_in_one_line(monkeypatch, capsys, photos, url, arguments, message):
    monkeypatch.chdir(photos)
    Path("other.json").write_text('{"tasks": {"emotion": {"kind": "categorical", "labels": ["one"]}}}')
    where = [] if "--url" in arguments else ["--url", url]
    code, out, err = run(monkeypatch, capsys, photos / "red[bold].png", *where, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
