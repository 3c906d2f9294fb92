"""The client against servers that fail: over real sockets, on both wires."""

import json
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import pytest
from running import running
from small_models import picture

from serving.app import create_app
from serving.client import Client, Rejected, Unavailable
from serving.client.__main__ import main
from serving.client.rest import _retry_after
from serving.errors import Refused, run_command
from serving.loading import LABELS
from serving.procedures import predict
from serving.rpc import SERVICES, Procedure

# isort: split
from tensorflow_serving.apis.predict_pb2 import PredictRequest

BLUE = picture(0, 0, 255)


class Faulty(ThreadingHTTPServer):
    """Hands requests on to a server, but for as many predictions as there are faults in its list."""

    block_on_close = False  # those that hang

    def __init__(self, behind):
        super().__init__(("127.0.0.1", 0), Handler)
        self.behind, self.faults, self.over = behind, [], threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(None)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        fault = self.server.faults.pop(0) if self.server.faults else None
        if fault is None:
            self.answer(body)
        elif fault == "lost":
            self.close_connection = True
        elif fault == "half":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"predictions"')
            self.close_connection = True
        elif fault == "silence":
            self.server.over.wait(30)
            self.close_connection = True
        else:
            self.send(*fault)

    def answer(self, body):
        request = urllib.request.Request(self.server.behind + self.path, body)
        try:
            with urllib.request.urlopen(request) as response:
                self.send(response.status, {}, response.read())
        except urllib.error.HTTPError as error:
            with error:
                self.send(error.code, {}, error.read())

    def send(self, status, headers, content):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": len(content)}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def proxy(serve, faces):
    server = Faulty(serve(create_app(faces)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def faulty(proxy):
    yield proxy
    proxy.faults.clear()


@pytest.fixture
def waits(monkeypatch):
    """The waits before retries, none of which is waited for; each is drawn as the most it could be."""
    waited = []
    monkeypatch.setattr("serving.client.retries.random.uniform", lambda least, most: least + most)
    monkeypatch.setattr("serving.client.retries.time.sleep", waited.append)
    return waited


BUSY = (503, {}, b'{"error": "queue is full"}')


@pytest.mark.parametrize(
    ("faults", "waited"),
    [
        ([BUSY], [0.25]),
        ([BUSY] * 4, [0.25, 0.5, 1.0, 2.0]),
        (["lost", "half", BUSY], [0.25, 0.5, 1.0]),
        ([(503, {"Retry-After": 3}, b"")], [3.25]),
        ([(503, {"Retry-After": "soon"}, b"<html>")], [0.25]),
    ],
    ids=["busy", "backoff", "lost", "Retry-After", "no Retry-After"],
)
def test_it_asks_again_while_the_server_is_unavailable(faulty, waits, faults, waited):
    faulty.faults[:] = faults
    with Client(faulty.url) as client:
        (blue,) = client.predict([BLUE])
    assert blue["emotion"]["label"] == "sad"
    assert (faulty.faults, waits) == ([], waited)


@pytest.mark.parametrize(
    ("fault", "kind", "message"),
    [
        ((400, {}, b'{"error": "no"}'), Rejected, "^no$"),
        ((429, {}, b"slower"), Rejected, "^429 Too Many Requests$"),
        ((500, {}, b'["error"]'), Rejected, "^500 Internal Server Error$"),
        (
            (200, {}, b"<html>"),
            ConnectionError,
            "no model server answers at http.*sends no JSON object, but '<html>'",
        ),
        ((200, {}, b"3"), ConnectionError, "sends no JSON object, but '3'"),
    ],
)
def test_it_asks_once_where_that_would_not_help(faulty, waits, fault, kind, message):
    faulty.faults[:] = [fault]
    with Client(faulty.url) as client, pytest.raises(kind, match=message) as raised:
        client.predict([BLUE])
    assert type(raised.value) is kind
    assert waits == []


def test_retries_end_by_number(faulty, waits):
    faulty.faults[:] = [BUSY] * 3
    with Client(faulty.url, retries=2) as client, pytest.raises(Unavailable) as raised:
        client.predict([BLUE])
    assert str(raised.value) == f"{faulty.url} is unavailable: queue is full; asked 3 times"
    assert len(waits) == 2


def test_retries_end_when_the_next_would_come_too_late(faulty, waits):
    faulty.faults[:] = [(503, {"Retry-After": 61}, b"{}")]
    with (
        Client(faulty.url, timeout=60) as client,
        pytest.raises(Unavailable, match=r"503 Service Unavailable$"),
    ):
        client.predict([BLUE])
    assert waits == []


def test_a_server_that_stays_silent_is_waited_for_no_longer_than_said(faulty):
    with Client(faulty.url, timeout=0.5) as client:
        client.signature, client.tasks  # noqa: B018
        faulty.faults[:] = ["silence"]
        with pytest.raises(TimeoutError, match=f"no answer from {faulty.url} within 0.5 s"):
            client.predict([BLUE])


def test_retry_after_may_be_a_date():
    soon = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 100))
    assert 90 < _retry_after(soon) <= 100
    assert _retry_after("Fri, 31 Dec 1999 23:59:59 GMT") == 0.0


@pytest.mark.parametrize("json_lines", [True, False], ids=["JSON", "table"])
def test_one_photos_failure_leaves_the_others_their_answers(
    monkeypatch, capsys, tmp_path, faulty, json_lines
):
    names = ["a.png", "b.png", "c.png", "d.png"]
    for name in names:
        (tmp_path / name).write_bytes(BLUE)
    (tmp_path / "d.png").write_bytes(b"")
    faulty.faults[:] = [None, (500, {}, b"{}"), None, None]
    monkeypatch.chdir(tmp_path)
    arguments = [*names, "--url", faulty.url, "--parallel", "1", *["--json"] * json_lines]
    monkeypatch.setattr("sys.argv", ["client", *arguments])
    with pytest.raises(SystemExit) as ended:
        run_command(main)
    out, err = capsys.readouterr()
    errors = {"b.png": "500 Internal Server Error", "d.png": "the file is empty"}
    if json_lines:
        lines = [json.loads(line) for line in out.splitlines()]
        assert [line["file"] for line in lines] == names
        assert [line["file"] for line in lines if "error" in line] == list(errors)
        assert [line["error"] for line in lines if "error" in line] == list(errors.values())
    else:
        assert ["a.png" in out, "b.png" in out, "c.png" in out] == [True, False, True]
        assert [line.partition(": ")[0] for line in err.splitlines()] == list(errors)
    assert ended.value.code == 2
    faulty.faults[:] = [(500, {}, b"{}")]
    monkeypatch.setattr("sys.argv", ["client", "a.png", "--url", faulty.url])
    with pytest.raises(SystemExit) as ended:
        run_command(main)
    assert ended.value.code == 1


class Busy:
    """Refuses as many predictions as `refusals` has codes."""

    def __init__(self):
        self.refusals = []

    def predict(self, store, request):
        if not self.refusals:
            return predict(store, request)
        code = self.refusals.pop(0)
        if code is None:
            time.sleep(1)
        raise Refused((code or grpc.StatusCode.INTERNAL).name, "queue is full")


@pytest.fixture(scope="module")
def rpc(faces):
    """A server's address and what makes it refuse."""
    busy = Busy()
    with pytest.MonkeyPatch.context() as patch:
        procedure = Procedure(PredictRequest, busy.predict, computes=True)
        patch.setitem(SERVICES["tensorflow.serving.PredictionService"], "Predict", procedure)
        with running(faces) as (_, address):
            yield f"grpc://{address}", busy


def test_grpc_answers_as_rest(rpc, faulty, faces_path):
    pictures = [BLUE, picture(200, 30, 7)]
    with Client(rpc[0]) as client, Client(faulty.url) as over_rest:
        over_rest.tasks = {}
        for one, other in zip(client.predict(pictures), over_rest.predict(pictures), strict=True):
            assert one["emotion"]["probabilities"] == pytest.approx(other["emotion"]["probabilities"])
            assert (one["age"], one["gender"]) == (
                pytest.approx(other["age"]),
                pytest.approx(other["gender"]),
            )
    with Client(rpc[0], labels=faces_path / "007" / LABELS) as client:
        assert client.predict([BLUE])[0]["emotion"]["label"] == "sad"


def test_grpc_asks_again_while_the_server_is_unavailable(rpc, waits):
    url, busy = rpc
    with Client(url) as client:
        busy.refusals[:] = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED]
        assert client.predict([BLUE])[0]["gender"] == {"value": 1.0}
        busy.refusals[:] = [grpc.StatusCode.UNAVAILABLE] * 5
        with pytest.raises(Unavailable, match=f"{url} is unavailable: queue is full; asked 5 times"):
            client.predict([BLUE])
    assert waits == [0.25, 0.5, 0.25, 0.5, 1.0, 2.0]


def test_grpc_errors(rpc):
    url, busy = rpc
    with Client(url) as client, pytest.raises(Rejected, match="Unknown image file") as rejected:
        client.predict([b"nope"])
    assert rejected.value.status == "INVALID_ARGUMENT"
    with Client(url, "none") as client, pytest.raises(Rejected, match="Servable not found") as rejected:
        client.predict([BLUE])
    assert rejected.value.status == "NOT_FOUND"
    with Client(url, timeout=0.5) as client:
        client.signature  # noqa: B018
        busy.refusals[:] = [None]
        with pytest.raises(TimeoutError, match=f"no answer from {url} within 0.5 s"):
            client.predict([BLUE])
