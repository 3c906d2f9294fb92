"""All ways to ask at once, so that they share threads and batches: all are answered, right and in time."""

import contextlib
import http.client
import itertools
import json
import threading
import time
from collections import Counter
from pathlib import Path

import grpc
import numpy as np
import pytest
from drawn_faces import encode, photo
from faults import check_row, in_base64
from load import asking
from PIL import Image
from process import served
from rpc_requests import call, example
from small_models import SIZE, Faces, save, save_half_plus_two

from serving.faces import detector
from serving.quiet import tf

# isort: split
from tensorflow_serving.apis.predict_pb2 import PredictRequest

pytestmark = pytest.mark.soak

SECONDS = 30
WAIT = 30.0
"""Seconds for a request; only one that is stuck takes as many."""
BATCHING = Path(__file__).parents[2] / "serving/deploy/batching_processor.txt"
PREDICT, HALF = "/v1/models/faces:predict", "/v1/models/half"
PARTY = encode(photo((90, 120, 160), (400, 200, 110)))


def colour(number):
    """Red, green and blue, for no two clients the same."""
    return 5 * number % 256, 255 - number, 7 * number % 256


def in_jpeg(number):
    """A picture of one colour, and which that is once decoded."""
    encoded = encode(Image.new("RGB", (60, 40), colour(number)), "JPEG")
    return encoded, tf.io.decode_jpeg(encoded)[0, 0].numpy()


class Rest(threading.local):
    """A connection for each thread that asks.

    Args:
        host: and port of the server.
        stack: what closes them.
    """

    def __init__(self, host: str, stack: contextlib.ExitStack) -> None:
        self._connection = http.client.HTTPConnection(host, timeout=WAIT)
        stack.callback(self._connection.close)

    def __call__(self, path: str, body: bytes | None = None) -> dict:
        try:
            self._connection.request("POST" if body else "GET", path, body)
            response = self._connection.getresponse()
            answer = response.read()
        except Exception:
            self._connection.close()
            raise
        assert response.status == 200, answer
        return json.loads(answer)


class Clients:
    """Ways to ask that each see to it that the answer is theirs, and return what was asked.

    Args:
        rest: asks over HTTP.
        channel: to the same server.
    """

    def __init__(self, rest: Rest, channel: grpc.Channel) -> None:
        self._ask, self._channel = rest, channel

    def healthz(self):
        assert self._ask("/healthz") == {"status": "alive"}
        return "healthz"

    def crop(self, number):
        encoded = encode(Image.new("RGB", (60, 40), colour(number)))

        def ask():
            ((face,),) = (file["faces"] for file in self._ask("/predict?faces=crop", encoded)["files"])
            numbers = {name: face[name]["value"] for name in ("age", "gender")}
            emotion = sorted(face["emotion"]["probabilities"].items())
            row = {**numbers, "age_std": face["age"]["std"], "emotion": [share for _, share in emotion]}
            check_row(colour(number), row)
            return "crop"

        return ask

    def find(self):
        (file,) = self._ask("/predict", PARTY)["files"]
        pale, dark = (face["age"]["value"] for face in file["faces"])
        assert pale > dark + 10
        return "find"

    def rows(self, number):
        encoded, decoded = in_jpeg(number)
        body = json.dumps({"instances": [in_base64(encoded)]}).encode()

        def ask():
            (row,) = self._ask(PREDICT, body)["predictions"]
            check_row(decoded, row)
            return "rows"

        return ask

    def pixels(self, number):
        pixels = np.full((1, SIZE, SIZE, 3), colour(number)).tolist()
        body = json.dumps({"signature_name": "predict_images", "instances": pixels}).encode()

        def ask():
            (row,) = self._ask(PREDICT, body)["predictions"]
            check_row(colour(number), row)
            return "pixels"

        return ask

    def rpc(self, number):
        encoded, decoded = in_jpeg(number)
        request = PredictRequest(model_spec={"name": "faces"})
        request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([encoded]))

        def ask():
            outputs = call(self._channel, request, WAIT).outputs
            row = {name: list(output.float_val) for name, output in outputs.items()}
            check_row(decoded, row)
            return "rpc"

        return ask

    def regress(self, number):
        asked = {"signature_name": "regress_x_to_y", "examples": [{"x": float(number)}]}
        body = json.dumps(asked).encode()

        def ask():
            assert self._ask(f"{HALF}:regress", body) == {"results": [number / 2 + 2]}
            return "regress"

        return ask

    def serialized(self, number):
        instance = in_base64(example(x=number).SerializeToString())
        body = json.dumps({"signature_name": "regress_x_to_y", "instances": [instance]}).encode()

        def ask():
            assert self._ask(f"{HALF}:predict", body) == {"predictions": [[number / 2 + 2]]}
            return "serialized"

        return ask


@pytest.fixture
def config(tmp_path):
    save(Faces(), tmp_path / "faces/1", "serving_default", "decode_images", "predict_images")
    save_half_plus_two(tmp_path / "half/1")
    models = (
        f'config {{ name: "{name}" base_path: "{tmp_path / name}" model_platform: "tensorflow" }}'
        for name in ("faces", "half")
    )
    path = tmp_path / "models.config"
    path.write_text(f"model_config_list {{ {' '.join(models)} }}")
    return path


def test_all_are_answered_whoever_else_asks(config):
    assert detector() is not None
    batching = ["--enable_batching", "--batching_parameters_file", BATCHING]
    limits = ["--tensorflow_intra_op_parallelism", 1, "--max_concurrent_requests", 300]
    with (
        served("--model_config_file", config, *batching, *limits) as (rpc, rest),
        contextlib.ExitStack() as stack,
        grpc.insecure_channel(rpc) as channel,
    ):
        # Those who regress hold a thread each, and are three times as many as there are threads.
        clients, numbers = Clients(Rest(rest, stack), channel), itertools.count()
        counts = {"crop": 45, "rows": 5, "pixels": 5, "rpc": 10, "regress": 120, "serialized": 20}
        asks = [getattr(clients, way)(next(numbers)) for way, many in counts.items() for _ in range(many)]
        with asking(clients.healthz, *[clients.find] * 5, *asks) as answers:
            time.sleep(SECONDS)
    failures = [answer for answer in answers if isinstance(answer, Exception)]
    assert not failures, f"{len(failures)} of {len(answers)}, first {failures[0]!r}"
    print(Counter(answers))
    assert set(answers) == {"healthz", "find", *counts}
