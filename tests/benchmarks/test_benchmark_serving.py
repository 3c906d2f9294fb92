"""python -m benchmarks.serving: its load, what it finds in what was measured, and what it refuses."""

import io
import json
import socket
import sys
import threading
from pathlib import Path

import pytest
from PIL import Image

from benchmarks import peer_servers, serving
from benchmarks.answering import Turn, alike, picture
from benchmarks.load import ask, http_request
from benchmarks.ways import Way
from multitask.errors import run_command

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def answering():
    """A server that gives each whole request of 5 bytes an answer, and the requests it had."""
    listener, had = socket.create_server(("127.0.0.1", 0)), []

    def serve(client, answer):
        text = b""
        while part := client.recv(100):
            text += part
            if text.endswith(b"12345"):
                had.append(text)
                text = b""
                client.sendall(answer[:20])
                client.sendall(answer[20:])
        client.close()

    def accept(answer):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=[client, answer], daemon=True).start()

    def start(answer):
        threading.Thread(target=accept, args=[answer], daemon=True).start()
        return listener.getsockname()[1], had

    yield start
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def test_each_client_asks_again_and_again_and_every_answer_is_timed(answering):
    port, had = answering(ANSWER)
    request = http_request("127.0.0.1", port, "/v1", b"12345")
    load = ask("127.0.0.1", port, request, clients=3, seconds=0.1)
    assert len(load.latencies) == len(had) >= 3
    assert set(had) == {request}
    assert load.seconds >= 0.1
    assert sum(load.latencies) <= 3 * load.seconds


@pytest.mark.parametrize("answer", [ANSWER.replace(b"200", b"503"), ANSWER.replace(b"Content-Length", b"X")])
def test_an_answer_that_is_none_ends_the_load(answering, answer):
    port, _ = answering(answer)
    with pytest.raises(RuntimeError, match="must have status 200 and be as long as it says; received b'HTTP"):
        ask("127.0.0.1", port, http_request("127.0.0.1", port, "/v1", b"12345"), 1, 0.1)


def test_findings_are_medians_of_ratios_within_a_round():
    def turns(*rates, latency=0.01):
        return [Turn(rate, 1.0, [latency] * 98 + [3 * latency] * 2, 1.0) for rate in rates]

    measured = {name: turns(100, 50, 10) for name in serving.DIRECT}
    measured["direct, 8 threads"] = turns(200, 100, 20)
    measured["direct, batches of 32, 2 threads"] = turns(400, 200, 40)
    measured |= {
        f"server, {n} clients": turns(300, 150, 30, latency=0.015 if n == 1 else 0.1) for n in (1, 16, 64)
    }
    found = {name: round(figure, 3) for name, (figure, _) in serving.findings(measured).items()}
    assert found == {
        "throughput, 16 clients / direct": 1.5,
        "throughput, 16 clients / direct in batches": 0.75,
        "throughput, 64 clients / direct": 1.5,
        "throughput, 64 clients / direct in batches": 0.75,
        "median, 1 client / direct": 1.5,
        "99th percentile / median, 16 clients": 3.0,
    }
    measured |= {"LitServe, 16 clients": turns(200, 100, 20), "KServe's SDK, 16 clients": turns(100, 50, 40)}
    assert serving.findings(measured)["throughput, 16 clients / best peer"] == (1.5, ">= 1.5")
    each, compared = serving.tables(measured, serving.findings(measured))
    assert (each.row_count, compared.row_count) == (len(measured), 7)


def test_peers_are_compared_if_they_give_the_same_predictions(monkeypatch, tmp_path, capsys):
    here, path = Path(__file__).parent, tmp_path / "figures.json"
    (tmp_path / "saved_model.pb").touch()
    (tmp_path / "ready").touch()

    def stub(age):
        return [sys.executable, str(here / "stub_server.py"), age]

    monkeypatch.setattr(Way, "steps", "stub_answering")
    monkeypatch.setenv("PYTHONPATH", f"{here}:{here.parents[1]}")
    monkeypatch.setattr(serving, "server_command", lambda *_: stub("30"))
    monkeypatch.setattr(peer_servers, "ENVIRONMENT", tmp_path)
    monkeypatch.setattr(
        peer_servers, "commands", lambda _: {"LitServe": stub("30.00005"), "KServe's SDK": stub("30.5")}
    )
    monkeypatch.setattr(peer_servers, "versions", lambda: {"litserve": "1.0"})
    arguments = ["--peers", "--rounds", "2", "--turn", "0.05", "--starts", "1"]
    serving.main([*arguments, "--export", str(tmp_path), "--json", str(path)])
    said = capsys.readouterr()
    assert said.err.startswith("left out: KServe's SDK: RuntimeError: predictions must be [{'age': 30.0, ")
    assert said.err.count("\n") == 1
    written = json.loads(path.read_text())
    assert {name: len(turns) for name, turns in written["turns"].items() if "clients" in name} == {
        **{f"server, {clients} clients": 2 for clients in (1, 16, 64)},
        "LitServe, 16 clients": 2,
    }
    assert written["findings"]["throughput, 16 clients / best peer"]["figure"] > 0


@pytest.mark.parametrize(
    ("found", "same"),
    [
        ([{"age": 30.00009, "emotion": [0.1, 0.9]}], True),
        ([{"emotion": [0.1, 0.9], "age": 30}], True),
        ([{"age": 30.0002, "emotion": [0.1, 0.9]}], False),
        ([{"age": 30.0, "emotion": [0.1, 0.8]}], False),
        ([{"age": 30.0, "emotion": [0.1]}], False),
        ([{"age": 30.0}], False),
        ([{"age": [30.0], "emotion": [0.1, 0.9]}], False),
        ([], False),
        (None, False),
    ],
)
def test_predictions_are_alike_if_all_numbers_are(found, same):
    assert alike(found, [{"age": 30.0, "emotion": [0.1, 0.9]}]) is same


def test_peers_that_are_not_installed_end_in_one_line_and_exit_code_2(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(peer_servers, "ENVIRONMENT", tmp_path / ".venv-serving-peers")
    with pytest.raises(SystemExit) as ended:
        run_command(lambda: serving.main(["--peers"]))
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "error: peers needs LitServe and KServe's SDK in .venv-serving-peers; received none: "
        "type make serving-peers\n"
    )


def test_the_picture_is_what_is_promised():
    with Image.open(io.BytesIO(picture())) as image:
        assert (image.format, image.size) == ("JPEG", (200, 200))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rounds", "0"], "rounds must be at least 1; received 0\n"),
        (["--turn", "0"], "turn must be above 0; received 0.0\n"),
        (
            ["--export", "no/such/folder"],
            "export must be a version folder with a saved_model.pb; received no/",
        ),
    ],
)
def test_bad_arguments_end_in_one_line_and_exit_code_2(arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        run_command(lambda: serving.main(arguments))
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")
