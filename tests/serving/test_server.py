"""The command, from outside: a process, a socket, a signal."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from small_models import picture

from serving.__main__ import main
from serving.errors import UserError
from serving.quiet import tf

# isort: split
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

PROMISE = r"faces, version 7, answers gRPC at (127\.0\.0\.1:\d+), REST at (http://127\.0\.0\.1:\d+)\n"


def start(*arguments):
    command = [sys.executable, "-m", "serving", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def asked(address, pictures):
    """What a model says over gRPC of gender."""
    request = PredictRequest(model_spec={"name": "faces"})
    request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto(pictures))
    with grpc.insecure_channel(address) as channel:
        return list(PredictionServiceStub(channel).Predict(request, timeout=60).outputs["gender"].float_val)


def slow(url):
    """A connection whose request never becomes whole."""
    connection = socket.create_connection(("127.0.0.1", port_of(url)), timeout=60)
    connection.sendall(b"POST /v1/models/faces:predict HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{")
    return connection


def reads_nothing(url):
    """A connection whose answers never are taken."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", port_of(url)))
    connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n" * 500)
    return connection


def port_of(address):
    return int(address.rpartition(":")[2])


def queued(url):
    """How many requests have come into a batch's queue."""
    with urllib.request.urlopen(f"{url}/metrics") as page:
        found = re.search(r'queue_length_count{model_name="faces"} (\d+)', page.read().decode())
    return int(found[1]) if found else 0


def until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def refuses(address):
    """Whether nobody listens any more."""
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port_of(address))) != 0


def test_serves_until_it_is_told_to_stop(faces_path, tmp_path):
    (tmp_path / "blue.png").write_bytes(picture(0, 0, 255))
    waits = tmp_path / "batching.txt"
    waits.write_text("batch_timeout_micros { value: 2000000 }")
    one = ["--model_base_path", faces_path, "--model_name", "faces", "--access_log"]
    batching = ["--enable_batching", "--batching_parameters_file", waits, "--shutdown_grace_seconds", 6]
    threads = ["--tensorflow_intra_op_parallelism=1", "--tensorflow_inter_op_parallelism=5"]
    server = start(*one, *batching, *threads, "--rest_api_port", 0)
    two = tmp_path / "models.config"
    two.write_text(
        "model_config_list {"
        f'config {{ name: "a" base_path: "{faces_path}" model_platform: "tensorflow" }}'
        f'config {{ name: "b" base_path: "{faces_path}" model_platform: "tensorflow" }} }}'
    )
    other = start("--model-config-file", two, "--rest-api-port=0")
    try:
        line = server.stdout.readline()
        rpc_address, url = re.fullmatch(PROMISE, line).groups()
        with urllib.request.urlopen(f"{url}/readyz") as response:
            assert json.load(response) == {"status": "ready"}
        tasks = [path.read_text().strip() for path in Path(f"/proc/{server.pid}/task").glob("*/comm")]
        assert tasks.count("tf_Compute") == 5
        client = [sys.executable, "-m", "serving.client", str(tmp_path / "blue.png"), "--url", url, "--json"]
        said = subprocess.run(client, capture_output=True, text=True, check=True)
        assert json.loads(said.stdout)["emotion"]["label"] == "sad"
        for flag, address in (("--rest_api_port", url), ("--port", rpc_address)):
            ports = {"--rest_api_port": "0", flag: port_of(address)}
            late = start("--model_base_path", faces_path, *(word for pair in ports.items() for word in pair))
            out, err = late.communicate(timeout=60)
            assert (late.returncode, out, err.count("\n")) == (2, "", 1)
            assert f"--host and {flag} must be a free address" in err
        promise = PROMISE.replace("faces, version 7, answers", "a, version 7, and b, version 7, answer")
        _, other_url = re.fullmatch(promise, other.stdout.readline()).groups()
        with ThreadPoolExecutor() as pool, slow(url) as sends, reads_nothing(url), reads_nothing(other_url):
            before = queued(url)
            large = picture(0, 0, 255) + bytes(5 * 2**20)
            rpc = pool.submit(asked, rpc_address, [large, picture(255, 0, 0)])
            rest = pool.submit(subprocess.run, client, capture_output=True, text=True, check=True)
            until(lambda: queued(url) == before + 2)
            server.send_signal(signal.SIGTERM)
            other.send_signal(signal.SIGINT)
            for address in (url, rpc_address, other_url):
                until(lambda address=address: refuses(address))
            assert rpc.result() == [1.0, 0.0]
            assert json.loads(rest.result().stdout)["emotion"]["label"] == "sad"
            assert sends.recv(12) == b"HTTP/1.1 503"
            other.send_signal(signal.SIGINT)  # the second one does not wait for who is slow
            assert other.wait(timeout=60) == 128 + signal.SIGINT
            server.wait(timeout=60)
    finally:
        for process in (server, other):
            process.kill()
        ends = [process.communicate(timeout=60) for process in (server, other)]
    assert server.returncode == 0
    assert (ends[0][0], ends[1]) == ("", ("", ""))
    log = [json.loads(line) for line in ends[0][1].splitlines()]
    assert {line["path"] for line in log} > {"/readyz", "/tensorflow.serving.PredictionService/Predict"}


def test_what_nobody_can_be_told_keeps_nothing_from_being_done():
    script = "from serving.__main__ import _say; _say('a'); _say('b')"
    with open("/dev/full", "w") as full:
        said = subprocess.run([sys.executable, "-c", script], stdout=full, stderr=subprocess.PIPE, check=True)
    assert said.stderr == b""


@pytest.mark.parametrize(
    ("arguments", "ports"),
    [
        ([], (8501, 8500)),
        (["--rest_api_port", "8601"], (8601, 8500)),
        (["--rest_api_port", "0"], (0, 0)),
        (["--rest_api_port", "0", "--port", "8600"], (0, 8600)),
        (["--port", "0"], (8501, 0)),
    ],
)
def test_ports_are_tensorflow_servings_unless_any_will_do(monkeypatch, faces_path, arguments, ports):
    bound = []
    monkeypatch.setattr("sys.argv", ["serving", "--model_base_path", str(faces_path), *arguments])
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr("serving.__main__._bind", lambda _, port: bound.append(port))

    async def bind_rpc(flags, _):
        return bound.append(flags.rpc_port), flags.rpc_port

    async def serve(*_): ...

    monkeypatch.setattr("serving.__main__._bind_rpc", bind_rpc)
    monkeypatch.setattr("serving.__main__._serve", serve)
    main()
    assert tuple(bound) == ports


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("", "default, version 1, can't be loaded: .*/1 must hold a SavedModel"),
        (
            'version_labels { key: "new" value: 1 }',
            "assign label to version 1 of model default, .*; --allow_version_labels_for_unavail",
        ),
    ],
)
def test_a_model_that_does_not_load_ends_the_command(monkeypatch, tmp_path, label, message):
    (tmp_path / "1").mkdir()
    config = tmp_path / "models.config"
    model = f'name: "default" base_path: "{tmp_path}" model_platform: "tensorflow" {label}'
    config.write_text(f"model_config_list {{ config {{ {model} }} }}")
    arguments = ["--model_config_file", str(config), "--rest_api_port", "0"]
    monkeypatch.setattr("sys.argv", ["serving", *arguments])
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(UserError, match=message):
        main()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--model_config_file a file of models; received neither"),
        (["--model_base_path", "EMPTY/none"], "must be a folder of version folders"),
        (["--model_base_path", "EMPTY"], "must hold a version folder"),
        (
            ["--model_base_path", "FACES", "--ports", "1"],
            "no such flag: --ports; see python -m serving --help",
        ),
        (["--model_base_path", "FACES", "--port", "-1"], "--port must be 0 to 65535; received -1"),
        (["--model_base_path", "FACES", "--rest_api_port", "65536"], "--rest_api_port must be 0 to 65535"),
    ],
)
def test_says_what_is_wrong_in_one_line(faces_path, tmp_path, arguments, message):
    (tmp_path / "empty").mkdir()
    places = {"EMPTY": tmp_path / "empty", "FACES": faces_path}
    for name, path in places.items():
        arguments = [argument.replace(name, str(path)) for argument in arguments]
    server = start(*arguments)
    out, err = server.communicate(timeout=60)
    assert (server.returncode, out, err.count("\n")) == (2, "", 1)
    assert message in err
