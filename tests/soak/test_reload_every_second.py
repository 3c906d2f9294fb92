"""A server under load, to which a version comes or goes every second for half a minute: no request fails."""

import contextlib
import http.client
import json
import shutil
import time
from collections import Counter

import grpc
import pytest
from folders import place
from load import asking
from process import served
from small_models import HalfPlus, save

from serving.quiet import tf

# isort: split
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

pytestmark = pytest.mark.soak

SECONDS = 30


@pytest.fixture
def exports(tmp_path):
    paths = [tmp_path / f"half_plus_{number}" for number in (2, 3)]
    for number, path in enumerate(paths, start=2):
        save(HalfPlus(number), path, "serve")
    return paths


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
    place(base, 1, exports[0])
    with contextlib.ExitStack() as stack:
        rpc, rest = stack.enter_context(served("--model_base_path", base, "--model_name", "half"))
        channel = stack.enter_context(grpc.insecure_channel(rpc))
        connections = [http.client.HTTPConnection(rest, timeout=60) for _ in range(2)]
        asks = [
            *map(ask_rest, map(stack.enter_context, map(contextlib.closing, connections))),
            *[ask_rpc(channel)] * 2,
        ]
        answers = stack.enter_context(asking(*asks))
        there = [1]
        for second in range(SECONDS):
            time.sleep(1)
            if second % 3 == 2:  # back to the one before
                shutil.rmtree(base / str(there.pop()))
            else:
                there.append(2 + second)
                place(base, there[-1], exports[second % 2])
            for version in there[:-2]:
                shutil.rmtree(base / str(version))
            there = there[-2:]
    print(Counter(answers))
    assert set(answers) == {(200, 3.0), (200, 4.0)}
