"""A server under load, to which a version comes or goes every second for half a minute: no request fails."""

import contextlib
import http.client
import json
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import grpc
import pytest

from serving.quiet import tf

# isort: split
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

pytestmark = pytest.mark.soak

SECONDS = 30


class HalfPlus(tf.Module):
    def __init__(self, number):
        super().__init__()
        self.number = tf.Variable(float(number))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def serve(self, x):
        return {"y": x / 2.0 + self.number}


@pytest.fixture
def exports(tmp_path):
    paths = [tmp_path / f"half_plus_{number}" for number in (2, 3)]
    for number, path in enumerate(paths, start=2):
        tf.saved_model.save(HalfPlus(number), str(path))
    return paths


def place(export, base, version):
    ready = base.with_name(f"version_{version}")
    shutil.copytree(export, ready)
    ready.rename(base / str(version))


def ask_rest(connection):
    def ask():
        connection.request("POST", "/v1/models/half:predict", '{"instances": [2.0]}')
        response = connection.getresponse()
        return response.status, json.loads(response.read())["predictions"][0]

    return ask


def ask_rpc(channel):
    stub = PredictionServiceStub(channel)
    request = PredictRequest(model_spec={"name": "half"}, inputs={"x": tf.make_tensor_proto([2.0])})
    return lambda: (200, stub.Predict(request, timeout=60).outputs["y"].float_val[0])


def test_no_request_fails_while_a_version_comes_or_goes_every_second(tmp_path, exports):
    base = tmp_path / "half"
    base.mkdir()
    place(exports[0], base, 1)
    command = [sys.executable, "-m", "serving", "--model_base_path", base, "--model_name", "half"]
    over = threading.Event()
    answers: Counter = Counter()
    failures: list = []

    def keep_asking(ask):
        while not over.is_set():
            try:
                answers[ask()] += 1
            except Exception as error:
                failures.append(error)

    with contextlib.ExitStack() as stack:
        server = stack.enter_context(
            subprocess.Popen([*command, "--rest_api_port", "0"], stdout=subprocess.PIPE, text=True)
        )
        stack.callback(server.send_signal, signal.SIGTERM)
        rpc, host, port = re.search(
            r"gRPC at (\S+), REST at http://(.*):(\d+)", server.stdout.readline()
        ).groups()
        channel = stack.enter_context(grpc.insecure_channel(rpc))
        rest = [http.client.HTTPConnection(host, int(port), timeout=60) for _ in range(2)]
        asks = [
            *map(ask_rest, map(stack.enter_context, map(contextlib.closing, rest))),
            *[ask_rpc(channel)] * 2,
        ]
        threads = [threading.Thread(target=keep_asking, args=[ask]) for ask in asks]
        for thread in threads:
            thread.start()
            stack.callback(thread.join)
        stack.callback(over.set)
        there = [1]
        for second in range(SECONDS):
            time.sleep(1)
            if second % 3 == 2:  # back to the one before
                shutil.rmtree(base / str(there.pop()))
            else:
                there.append(2 + second)
                place(exports[second % 2], base, there[-1])
            for version in there[:-2]:
                shutil.rmtree(base / str(version))
            there = there[-2:]
    print(dict(answers))
    assert not failures
    assert set(answers) == {(200, 3.0), (200, 4.0)}
    assert server.returncode == 0
