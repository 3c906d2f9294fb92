"""Metrics by TensorFlow Serving's names, in Prometheus's text format."""

import re

import numpy as np
import pytest
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from serving.errors import Refused
from serving.metrics import BOUNDS, Counter, Histogram
from serving.procedures import classification, predict
from serving.quiet import tf

LINE = re.compile(r'[a-zA-Z_:][\w:]*\{(?:\w+="(?:[^"\\\n]|\\["\\n])*",?)*\} \d+(?:\.\d+)?(?:e[+-]\d+)?')


@pytest.fixture
def scrape(ask):
    """What the page says of a store's models: numbers by series."""

    def read(store):
        response = ask(store, "GET", "/monitoring/prometheus/metrics")
        assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        lines = [line for line in response.text.splitlines() if not line.startswith("# TYPE ")]
        assert all(LINE.fullmatch(line) for line in lines)
        return {series: float(value) for series, _, value in (line.rpartition(" ") for line in lines)}

    return read


def test_requests_are_counted_and_timed(odd, ask, scrape):
    request = PredictRequest(model_spec={"name": "odd"})
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(np.float32([1])))
    before = scrape(odd)
    ask(odd, "POST", "/v1/models/odd:predict", '{"instances": [1]}')
    ask(odd, "POST", "/v1/models/odd:predict", "{")
    ask(odd, "POST", "/v1/models/odd/versions/9:regress", '{"examples": [{}]}')
    ask(odd, "POST", "/v1/models/made-up-by-a-client:predict", "{}")
    ask(odd, "GET", "/v1/models/odd")
    predict(odd, request)
    with pytest.raises(Refused):
        classification(odd, ClassificationRequest(model_spec={"name": "odd"}))
    after = scrape(odd)
    changed = {name: value - before.get(name, 0) for name, value in after.items() if "_bucket" not in name}
    name, odd_ = ":tensorflow:serving:", 'model_name="odd"'
    assert {series: change for series, change in changed.items() if change and "_sum" not in series} == {
        f'{name}request_count{{{odd_},status="OK"}}': 2,
        f'{name}request_count{{{odd_},status="INVALID_ARGUMENT"}}': 2,
        f'{name}request_count{{{odd_},status="NOT_FOUND"}}': 1,
        f'{name}request_count{{model_name="",status="NOT_FOUND"}}': 1,
        f'{name}request_latency_count{{{odd_},API="predict",entrypoint="REST"}}': 1,
        f'{name}request_latency_count{{{odd_},API="Predict",entrypoint="GRPC"}}': 1,
        f'{name}runtime_latency_count{{{odd_},API="Predict",runtime="TF1"}}': 2,
    }
    spent = f'_sum{{{odd_},API="Predict",entrypoint="GRPC"}}'
    assert 0 < changed[f"{name}request_latency{spent}"] < 60e6
    assert not any("made-up" in series for series in after)


def test_the_unexpected_is_counted_too(odd, ask, scrape, monkeypatch):
    monkeypatch.setattr("serving.rest.write_outputs", lambda *_: 1 / 0)
    series = ':tensorflow:serving:request_count{model_name="odd",status="INTERNAL"}'
    before = scrape(odd).get(series, 0)
    ask(odd, "POST", "/v1/models/odd:predict", '{"instances": [1]}')
    assert scrape(odd)[series] == before + 1


def test_a_histogram_counts_up_to_each_bound():
    histogram = Histogram("h", "model")
    for seconds in (10e-6, 11e-6, 1e-3, 7200.0):
        histogram.observe(seconds, "m")
    lines = histogram.lines()
    assert lines[:3] == [
        "# TYPE h histogram",
        'h_bucket{model="m",le="10"} 1',
        'h_bucket{model="m",le="18"} 2',
    ]
    assert lines[-4:] == [
        f'h_bucket{{model="m",le="{BOUNDS[-1]:g}"}} 3',
        'h_bucket{model="m",le="+Inf"} 4',
        'h_sum{model="m"} 7.2e+09',
        'h_count{model="m"} 4',
    ]
    counts = [int(line.rpartition(" ")[2]) for line in lines[1:-2]]
    assert counts == sorted(counts)
    assert len(counts) == 34


def test_what_fails_is_not_timed():
    histogram = Histogram("h")
    with pytest.raises(KeyError), histogram.time():
        raise KeyError
    assert histogram.lines() == ["# TYPE h histogram"]


def test_labels_are_escaped():
    counter = Counter("c", "model")
    counter.add('a"b\\c\nd')
    assert counter.lines() == ["# TYPE c counter", r'c{model="a\"b\\c\nd"} 1']
    assert LINE.fullmatch(counter.lines()[1])
