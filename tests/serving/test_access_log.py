"""What is written of requests, and by which ids; and whose pages' scripts may ask."""

import io
import json
import logging
import re
import time
from functools import partial

import grpc
import httpx
import pytest
from rpc_requests import call
from running import HOST, running
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from serving.access import log_to_stderr, logger
from serving.app import create_app
from serving.errors import UserError
from serving.flags import read_flags
from serving.quiet import tf

PAGE = "https://page.example"


@pytest.fixture(scope="module")
def served(odd):
    with (
        running(odd, app=partial(create_app, origins=[PAGE]), max_body_bytes=1000) as (port, address),
        httpx.Client(base_url=f"http://{HOST}:{port}") as client,
        grpc.insecure_channel(address) as channel,
    ):
        yield client, channel


@pytest.fixture
def lines(monkeypatch):
    """Reads so many lines of the log; what is answered may be written a moment later."""
    monkeypatch.setattr("sys.stderr", io.StringIO())
    log_to_stderr()
    (handler,) = logger.handlers

    def read(count):
        until = time.monotonic() + 60
        while (text := handler.stream.getvalue()).count("\n") < count and time.monotonic() < until:
            time.sleep(0.01)
        return [json.loads(line) for line in text.splitlines()]

    yield read
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)
    logger.propagate = True


def test_every_request_is_a_line(served, lines):
    client, channel = served
    body = b'{"instances": [1, 4711]}'
    path = "/v1/models/odd:predict"
    client.post(f"{path}?key=secret", content=body, headers={"X-Request-ID": "a-1"})
    client.post("/v1/models/odd/versions/9:predict", content=body)
    client.post(path, content=b" " * 1001)
    client.get("/healthz")
    request = PredictRequest(model_spec={"name": "odd"})
    request.inputs["x"].CopyFrom(tf.make_tensor_proto([4711.0]))
    call(channel, request)
    with pytest.raises(grpc.RpcError):
        call(channel, PredictRequest(model_spec={"name": "none"}))
    found = lines(6)
    for line in found:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line.pop("time"))
        assert line.pop("duration_ms") > 0
        assert re.fullmatch(r"a-1|[0-9a-f]{32}", line.pop("request_id"))
    outs = [line.pop("bytes_out") for line in found]
    assert [out > 0 for out in outs] == [True] * 5 + [False]
    common = {"protocol": "REST", "method": "POST", "path": path, "model": "odd", "bytes_in": len(body)}
    rpc = {"protocol": "GRPC", "path": "/tensorflow.serving.PredictionService/Predict"}
    assert found == [
        common | {"status": 200},
        common | {"status": 404, "path": "/v1/models/odd/versions/9:predict"},
        common | {"status": 413, "bytes_in": 1001},
        common | {"status": 200, "method": "GET", "path": "/healthz", "model": "", "bytes_in": 0},
        rpc | {"status": "OK", "model": "odd", "bytes_in": request.ByteSize()},
        rpc | {"status": "NOT_FOUND", "model": "none", "bytes_in": 8},
    ]


def test_nothing_is_written_unless_asked_for(served, capfd):
    client, _ = served
    assert client.get("/healthz").headers["x-request-id"]
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        ("0af7651916cd43dd-8448eb211c80319c", True),
        ("a" * 128, True),
        ("a" * 129, False),
        ("two words", False),
        ('"}{"', False),
        ("é", False),
        ("", False),
    ],
)
def test_a_sane_id_is_taken_and_told(served, sent, taken):
    client, channel = served
    told = client.get("/nowhere", headers=[(b"X-Request-ID", sent.encode())]).headers["x-request-id"]
    assert (told == sent) is taken
    assert taken or re.fullmatch("[0-9a-f]{32}", told)
    if sent.isascii():
        procedure = channel.unary_unary("/grpc.health.v1.Health/Check")
        _, rpc = procedure.with_call(b"", metadata=[("x-request-id", sent)])
        assert (dict(rpc.trailing_metadata())["x-request-id"] == sent) is taken


def test_scripts_of_named_pages_may_ask(served):
    client, _ = served
    asking = {
        "Origin": PAGE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    path = "/v1/models/odd:predict"
    assert client.options(path, headers=asking).headers["access-control-allow-origin"] == PAGE
    for origin, allowed in ((PAGE, PAGE), ("https://other.example", None)):
        for body in (b'{"instances": [1]}', b" " * 1001):
            answer = client.post(path, content=body, headers={"Origin": origin})
            assert answer.headers.get("access-control-allow-origin") == allowed


def test_no_script_may_ask_unless_it_is_named(odd, ask):
    assert "access-control-allow-origin" not in ask(odd, "GET", "/healthz", headers={"Origin": PAGE}).headers


@pytest.mark.parametrize(
    ("arguments", "origins"),
    [
        ([], []),
        (
            ["--cors_origins=https://a.example, http://b.example:8080"],
            ["https://a.example", "http://b.example:8080"],
        ),
        (["--rest_api_enable_cors_support=true"], ["*"]),
        (["--cors_origins", "a.example"], "--cors_origins must be like https://a.example"),
        (["--cors_origins", "https://a.example/"], "--cors_origins must be like https://a.example"),
        (["--max_body_bytes", "0"], r"--max_body_bytes must be above 0 and below 2\*\*31; received 0"),
        (
            ["--tensorflow_intra_op_parallelism=-1"],
            "--tensorflow_intra_op_parallelism must be 0, for one per",
        ),
        (["--body_timeout_seconds=nan"], "--body_timeout_seconds must be above 0"),
    ],
)
def test_flags_of_access_and_limits(monkeypatch, arguments, origins):
    monkeypatch.setattr("sys.argv", ["serving", *arguments])
    if isinstance(origins, list):
        assert read_flags().origins == origins
    else:
        with pytest.raises(UserError, match=origins):
            read_flags()
