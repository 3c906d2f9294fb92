"""The client against this server and against one that knows only TensorFlow Serving's wire."""

import json
import threading

import pytest
import uvicorn
from small_models import TASKS, Length, picture, save

from serving.answers import describe, sentence
from serving.app import create_app
from serving.client import Client, Rejected, main
from serving.config import one_model
from serving.rest import rest
from serving.store import Store

ANSWERS = {"age": 31.24, "age_std": 4.0, "emotion": [0.02, 0.9, 0.08], "gender": 0.25}


@pytest.fixture(scope="module")
def serve():
    """Starts a server of an ASGI application; gives its URL."""
    servers = []

    def start(app):
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="off"))
        listening = threading.Event()
        startup = server.startup

        async def tell(sockets=None):
            await startup(sockets)
            listening.set()

        server.startup = tell
        thread = threading.Thread(target=server.run)
        thread.start()
        servers.append((server, thread))
        assert listening.wait(timeout=30)
        return f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"

    yield start
    for server, thread in servers:
        server.should_exit = True
        thread.join()


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
    red, blue = Client(url).predict([picture(255, 0, 0), picture(0, 0, 255)])
    assert (red["emotion"]["label"], blue["emotion"]["label"]) == ("angry", "sad")
    assert (red["age"]["value"], blue["gender"]["label"]) == (100.0, "female")
    assert Client(url).predict([]) == []


def test_without_labels_classes_go_by_number(serve, faces):
    (blue,) = Client(serve(rest(faces))).predict([picture(0, 0, 255)])
    assert (blue["emotion"]["label"], blue["gender"]) == ("2", {"value": 1.0})


def test_a_single_output_gets_its_name(serve, tmp_path):
    save(Length(), tmp_path / "1", "serve")
    store = Store(one_model("length", tmp_path))
    store.load()
    assert Client(serve(create_app(store)), "length").predict([b"x", b""]) == [
        {"gender": {"value": 1.0}},
        {"gender": {"value": 0.0}},
    ]


@pytest.mark.parametrize(
    ("model", "pictures", "status"), [("none", [picture(1, 2, 3)], 404), ("faces", [b"nope"], 400)]
)
def test_a_refusal_has_the_servers_words(url, model, pictures, status):
    with pytest.raises(Rejected, match=r"Servable not found|Unknown image file") as rejected:
        Client(url, model).predict(pictures)
    assert rejected.value.status == status


def run(monkeypatch, capsys, *arguments):
    """Exit code, stdout and stderr of the command."""
    from serving.errors import run_command

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
    assert code == 1
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
    assert (code, err) == (1, "")
    assert red["file"] == "red[bold].png"
    assert red["gender"]["label"] == "male"
    assert missing == {"file": "missing.png", "error": "can't be read: No such file or directory"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "none"], "has no model 'none' that takes photos: Servable not found"),
        (["--url", "http://127.0.0.1:1"], "no model server answers at http://127.0.0.1:1: "),
        (["--url", "localhost"], "no model server answers at localhost: unknown url type"),
        (["--url", "http://["], "--url must be one such as http://127.0.0.1:8501; received 'http://['"),
        (["--nonsense"], "no such flag: --nonsense; see python -m serving.client --help"),
    ],
)
def test_command_says_what_is_wrong_in_one_line(monkeypatch, capsys, photos, url, arguments, message):
    where = [] if "--url" in arguments else ["--url", url]
    code, out, err = run(monkeypatch, capsys, photos / "red[bold].png", *where, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
