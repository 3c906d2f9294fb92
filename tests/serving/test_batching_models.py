"""Models whose requests are computed together, asked in scripts, over REST and over gRPC."""

import io
import json
import re
import threading
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import grpc
import numpy as np
import pytest
from PIL import Image
from running import running
from small_models import picture

from serving.batching import Batcher, BatchingParameters
from serving.calls import decodes_first, has_rows
from serving.config import one_model
from serving.deadline import deadline
from serving.errors import Refused
from serving.headers import claimed_pixels
from serving.metrics import page
from serving.predictor import Predictor
from serving.rest import SMALL
from serving.rpc import SERVICES, Procedure
from serving.store import Store

# isort: split
import ml_dtypes
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, GetModelStatusResponse
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub

NEVER = 60_000_000
"""Microseconds: no test waits for them unless something is broken."""


def together(store, name, size, **parameters):
    """A store's model as it is, and by another name, waiting until so many rows can be computed together."""
    (known,) = store.available
    _, model = store.find(known)
    batcher = Batcher(BatchingParameters(size, NEVER, **parameters))
    return Predictor(model), Predictor(replace(model, name=name, batcher=batcher))


def answered(predictor, signature, asked):
    """What requests that come at the same time get: arrays, or the words of a refusal."""

    def ask(inputs):
        try:
            return predictor.call(predictor.signature(signature), inputs)
        except Refused as refused:
            return f"{refused.code}: {refused}"

    with ThreadPoolExecutor(len(asked)) as threads:
        return list(threads.map(ask, asked))


def check_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        if isinstance(other, str):
            assert one == other
            continue
        assert one.keys() == other.keys()
        for name, array in other.items():
            assert (one[name].dtype, one[name].shape) == (array.dtype, array.shape)
            if array.dtype == object:
                assert one[name].tolist() == array.tolist()
            else:
                np.testing.assert_allclose(one[name], array, rtol=1e-6)


def series(text, metric, name):
    """The sum and the count of a histogram of one model."""
    found = re.findall(rf'{metric}(_sum|_count){{model_name="{re.escape(name)}"}} (\S+)', text)
    return {part: float(value) for part, value in found}


@pytest.mark.parametrize(
    ("signature", "rows", "asked"),
    [
        ("half_plus_two", True, [{"x": np.float32([1])}, {"x": np.float32([2, 3])}]),
        ("several", True, [{"a": np.ones((n, 2), np.float32), "b": np.arange(n, dtype="i")} for n in (1, 2)]),
        ("strings", True, [{"text": np.array(x, object)} for x in ([b"a"], [b"bcd", b"\xff"])]),
        ("pixels", True, [{"pixels": np.full((n, 2, 3), n, np.uint8)} for n in (2, 1)]),
        ("short", True, [{"x": np.array(x, ml_dtypes.bfloat16)} for x in ([1], [2, 3])]),
        ("below_zero", True, [{"x": np.float32([-1])}, {"x": np.float32([-2, 3])}]),
        ("tripled", True, [{"x": np.float32([1])}, {"x": np.float32([2, 3])}]),
        ("nothing", True, [{"x": np.float32([1])}, {"x": np.float32([2, 3])}]),
        ("total", False, [{"x": np.float32([1])}, {"x": np.float32([2, 3])}]),
        ("any_shape", False, [{"x": np.float32(1)}, {"x": np.float32([2, 3])}]),
        ("scalar", False, [{"x": np.float32(1)}, {"x": np.float32(2)}]),
        ("scaled", False, [{"x": np.float32([1])}, {"x": np.float32([2, 3]), "factor": np.float32(3)}]),
        ("constant", False, [{}, {}]),
    ],
)
def test_signatures_of_all_kinds_answer_as_they_do_alone(odd, signature, rows, asked):
    alone, batched = together(odd, signature, 3)
    assert has_rows(alone.signature(signature)) == rows
    check_same(answered(batched, signature, asked), answered(alone, signature, asked))
    assert series(page(), "processed_batch_size", signature) == ({"_sum": 3, "_count": 1} if rows else {})


@pytest.mark.parametrize(
    ("signature", "inputs"),
    [
        ("half_plus_two", {"x": np.float32([])}),
        ("several", {"a": np.ones((1, 2), np.float32), "b": np.int32([1, 2])}),
        ("half_plus_two", {"x": np.float64([1])}),
        ("half_plus_two", {"y": np.float32([1])}),
    ],
    ids=["no rows", "other numbers of rows", "other type", "other name"],
)
def test_what_fits_no_batch_waits_for_none(odd, signature, inputs):
    alone, batched = together(odd, "unbatched", 9)
    check_same(answered(batched, signature, [inputs]), answered(alone, signature, [inputs]))
    assert series(page(), "processed_batch_size", "unbatched") == {}


def test_pictures_are_decoded_and_then_computed_together_but_for_bad_ones(faces):
    alone, batched = together(faces, "pictures", 9)
    assert [decodes_first(alone.model, alone.signature(name)) for name in alone.model.signatures] == [
        name == "serving_default" for name in alone.model.signatures
    ]
    pictures = [[picture(40 * n, 255 - 40 * n, 7)] for n in range(4)] + [[picture(9, 9, 9), b"bad"], [b"bad"]]
    asked = [{"image_bytes": np.array(encoded, object)} for encoded in pictures]
    asked.append({"image_bytes": np.array([picture(1, 2, 3), picture(3, 2, 1)], object)})
    found = answered(batched, "", asked)
    check_same(found, answered(alone, "", asked))
    assert [isinstance(answer, str) for answer in found] == [False] * 4 + [True] * 2 + [False]
    images = alone.call(alone.signature("decode_images"), asked[0])
    check_same([batched.call(batched.signature("decode_images"), asked[0])], [images])
    assert series(page(), "processed_batch_size", "pictures") == {"_sum": 9, "_count": 1}
    # Together they fail; each of the five good requests by itself, and one by its signature's name.
    assert series(page(), "decode_latency", "pictures")["_count"] == 6
    assert series(page(), "compute_latency", "pictures")["_count"] == 1


def test_large_pictures_keep_no_batch_waiting(faces):
    alone, batched = together(faces, "large", 2)
    encoded = io.BytesIO()
    Image.new("RGB", (1025, 1024), (1, 2, 3)).save(encoded, "PNG")
    asked = [
        {"image_bytes": np.array([one], object)} for one in (encoded.getvalue(), *[picture(1, 2, 3)] * 2)
    ]
    check_same(answered(batched, "", asked), answered(alone, "", asked))
    assert series(page(), "processed_batch_size", "large") == {"_sum": 2, "_count": 1}


@pytest.fixture(scope="module")
def store(faces_path) -> Store:
    """A store whose model computes nothing before three rows have come, and lets one batch wait."""
    parameters = BatchingParameters(3, NEVER, max_enqueued_batches=1)
    store = Store(one_model("batched", faces_path), batcher=Batcher(parameters))
    store.load()
    return store


def test_a_full_queue_is_503_and_a_wait_too_long_504(store, ask, monkeypatch):
    queued = threading.Event()
    batcher = store.find("batched")[1].batcher
    enqueue = batcher._enqueue
    monkeypatch.setattr(batcher, "_enqueue", lambda *task: (enqueue(*task), queued.set())[0])

    def body(pictures):
        return json.dumps({"instances": [{"b64": b64encode(picture(n, n, n)).decode()} for n in pictures]})

    def request(*pictures, timeout=None):
        return ask(store, "POST", "/v1/models/batched:predict", body(pictures), timeout=timeout)

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(request, 255)
        queued.wait()
        full = request(1, 2, 3)
        late = request(4, timeout=0)
        others = request(0, 0)
    assert (full.status_code, late.status_code) == (503, 504)
    assert late.json() == {"error": "Run() timeout exceeded while waiting in batching queue"}
    assert "is full; currently 1 batches enqueued" in full.json()["error"]
    assert [answer["gender"] for answer in waiting.result().json()["predictions"]] == [1.0]
    assert [answer["gender"] for answer in others.json()["predictions"]] == [0.0, 0.0]
    text = page()
    counts = dict(re.findall(r'request_count{model_name="batched",status="(\w+)"} (\d+)', text))
    assert counts == {"OK": "2", "UNAVAILABLE": "1", "DEADLINE_EXCEEDED": "1"}
    assert series(text, "processed_batch_size", "batched") == {"_sum": 3, "_count": 1}
    assert series(text, "queue_length", "batched") == {"_sum": 3, "_count": 4}
    assert series(text, "queuing_latency", "batched")["_count"] == 2
    assert series(text, "decode_latency", "batched")["_count"] == 1
    assert series(text, "compute_latency", "batched")["_count"] == 1


def test_time_limits_come_from_the_client_over_grpc(store, monkeypatch):
    limits = []
    told = Procedure(
        GetModelStatusRequest, lambda *_: limits.append(deadline()) or GetModelStatusResponse(), at_once=True
    )
    monkeypatch.setitem(SERVICES["tensorflow.serving.ModelService"], "GetModelStatus", told)
    with running(store) as (_, address), grpc.insecure_channel(address) as channel:
        for timeout in (1000, None, 1):
            ModelServiceStub(channel).GetModelStatus(GetModelStatusRequest(), timeout=timeout)
    assert limits[0] > limits[2]
    assert limits[1] > 1e9


def test_the_headers_of_long_requests_are_not_read_in_the_event_loop(store, ask, monkeypatch):
    readers = set()

    def read(encoded):
        readers.add(threading.current_thread())
        return claimed_pixels(encoded)

    for module in ("calls", "contents"):
        monkeypatch.setattr(f"serving.{module}.claimed_pixels", read)
    long = b64encode(picture(1, 2, 3) + bytes(SMALL)).decode()
    body = json.dumps({"instances": [{"b64": long}] * 3})
    assert ask(store, "POST", "/v1/models/batched:predict", body).status_code == 200
    assert readers
    assert threading.current_thread() not in readers
