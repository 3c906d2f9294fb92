"""TensorFlow Serving's REST surface beside predict's own forms: routes, order of checks, status, errors."""

import asyncio
import base64
import gzip
import threading
from operator import attrgetter

import httpx
import numpy as np
import orjson
import pytest
from small_models import TASKS, picture

import serving
from serving.app import create_app
from serving.compression import inflate
from serving.config import one_model
from serving.errors import Refused
from serving.rest import answer, refusal
from serving.store import Store
from serving.tensors import write_outputs


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("POST", "/v1/models/none:predict", 404, "Servable not found for request: Latest(none)"),
        (
            "POST",
            "/v1/models/odd/versions/999:predict",
            404,
            "Servable not found for request: Specific(odd, 999)",
        ),
        ("POST", "/v1/models/odd/labels/stable:predict", 400, "Unrecognized servable version label: stable"),
        (
            "POST",
            "/v1/models/odd/versions/9223372036854775808:predict",
            400,
            "Failed to convert version: 9223372036854775808 to numeric.",
        ),
        ("GET", "/v1/models/odd/labels/b%65ta", 400, "Unrecognized servable version label: beta"),
        ("GET", "/v1/models/odd/labels/beta/metadata", 400, "Unrecognized servable version label: beta"),
        (
            "POST",
            "/v1/models/none:regress",
            400,
            "When method is classify, key 'examples' is expected and was not found",
        ),
        (
            "GET",
            f"/v1/models/odd/versions/{'9' * 5000}",
            400,
            f"Failed to convert version: {'9' * 5000} to numeric.",
        ),
        ("GET", f"/v1/models/odd/versions/{'0' * 5000}2", 404, "Could not find version 2 of model odd"),
        ("GET", "/v1/models/none", 404, "Could not find any versions of model none"),
        ("GET", "/v1/models/odd/versions/2", 404, "Could not find version 2 of model odd"),
        ("GET", "/v1/models/none/metadata", 404, "Servable not found for request: Latest(none)"),
        ("GET", "/v1/models", 400, "Missing model name in request."),
        ("GET", "/v1/models/odd:predict", 400, "Malformed request: GET /v1/models/odd:predict"),
        ("POST", "/v1/models/odd", 400, "Malformed request: POST /v1/models/odd"),
        ("DELETE", "/v1/models/odd?x=1", 400, "Malformed request: DELETE /v1/models/odd"),
        ("BREW", "/v1/tea", 400, "Malformed request: BREW /v1/tea"),
        (
            "POST",
            "/v1/models/odd/versions/one:predict",
            400,
            "Malformed request: POST /v1/models/odd/versions/one:predict",
        ),
        ("GET", "/models/none/labels", 404, "Servable not found for request: Latest(none)"),
        ("GET", "/models/odd/labels", 404, "odd, version 1, was exported without a labels.json"),
        ("GET", "/v1", 404, "Not Found: GET /v1"),
        ("GET", "/v2", 404, "Not Found: GET /v2"),
        ("POST", "/healthz", 405, "Method Not Allowed: POST /healthz"),
    ],
)
def test_what_is_not_there(odd, ask, method, path, status, text):
    response = ask(odd, method, path, "{}" if method == "POST" else b"")
    assert (response.status_code, response.json()) == (status, {"error": text})


def test_json_then_model_then_signature_then_keys(odd, ask):
    def error(path, body):
        return ask(odd, "POST", path, body).json()["error"]

    assert error("/v1/models/none:predict", "{").startswith("JSON Parse error")
    assert error("/v1/models/odd/labels/beta:predict", "{").startswith("JSON Parse error")
    assert error("/v1/models/none:predict", '{"signature_name": "x"}').startswith("Servable not found")
    assert error("/v1/models/odd:predict", '{"signature_name": "x"}').startswith("Serving signature name")


def test_a_version_and_an_encoded_name_are_found(odd, ask):
    for path in (
        "/v1/models/odd/versions/1:predict",
        "/v1/models/odd/versions/01:predict",
        "/v1/models/o%64d:predict",
    ):
        assert ask(odd, "POST", path, '{"instances": [1]}').json() == {"predictions": [2.5]}


def test_a_label_stands_for_a_version_that_answers(half_plus_two, ask):
    for end, key in ((":predict", "predictions"), ("", "model_version_status"), ("/metadata", "metadata")):
        method, body = ("POST", '{"instances": [[1]]}') if key == "predictions" else ("GET", "")
        path = f"/v1/models/half_plus_two/labels/%s{end}"
        assert key in ask(half_plus_two, method, path % "stable", body).json()
        gone = ask(half_plus_two, method, path % "gone", body)
        assert gone.status_code == 404
        assert gone.json()["error"] in (
            "Servable not found for request: Specific(half_plus_two, 122)",
            "Could not find version 122 of model half_plus_two",
        )


@pytest.mark.parametrize("path", ["/v1/models/faces", "/v1/models/faces/versions/7"])
def test_status(faces, ask, path):
    status = {"version": "7", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    assert ask(faces, "GET", path).json() == {"model_version_status": [status]}


@pytest.mark.parametrize("path", ["/v1/models/faces/metadata", "/v1/models/faces/versions/7/metadata"])
def test_metadata(faces, ask, path):
    answer = ask(faces, "GET", path).json()
    assert answer["model_spec"] == {"name": "faces", "signature_name": "", "version": "7"}
    signatures = answer["metadata"]["signature_def"]["signature_def"]
    assert signatures["predict_images"]["inputs"] == {
        "images": {
            "name": "predict_images_images:0",
            "dtype": "DT_UINT8",
            "tensor_shape": {
                "dim": [{"size": size, "name": ""} for size in ("-1", "4", "4", "3")],
                "unknown_rank": False,
            },
        }
    }
    assert set(signatures["serving_default"]["outputs"]) == {"age", "age_std", "emotion", "gender"}
    assert signatures["serving_default"]["method_name"] == "tensorflow/serving/predict"


def test_labels_are_the_exports_own(faces, ask):
    assert ask(faces, "GET", "/models/faces/labels").json() == {"image_size": 4, "tasks": TASKS}


def test_health_before_and_after_loading(odd_path, ask):
    store = Store(one_model("odd", odd_path))
    assert ask(store, "GET", "/healthz").status_code == 200
    assert ask(store, "GET", "/readyz").status_code == ask(store, "HEAD", "/readyz").status_code == 503
    assert ask(store, "GET", "/v1/models/odd").status_code == 404
    assert ask(store, "POST", "/v1/models/odd:predict", '{"instances": [1]}').status_code == 404
    store.load()
    assert ask(store, "GET", "/readyz").status_code == ask(store, "HEAD", "/readyz").status_code == 200


def test_signatures_in_a_row_answer_as_the_default(faces):
    def columns(signature, inputs):
        body = orjson.dumps({"signature_name": signature, "inputs": inputs})
        return orjson.loads(asyncio.run(answer(faces, "POST", "/v1/models/faces:predict", body)))["outputs"]

    colours = (250, 3, 9), (7, 8, 200)
    encoded = [{"b64": base64.b64encode(picture(*rgb)).decode()} for rgb in colours]
    images = columns("decode_images", {"image_bytes": encoded})
    assert np.shape(images) == (2, 4, 4, 3)
    answers = columns("", {"image_bytes": encoded})
    assert columns("predict_images", {"images": images}) == answers
    assert columns("predict_images", images) == answers


@pytest.mark.parametrize(
    ("model", "body", "status", "text"),
    [
        (
            "faces",
            '{"instances": [{"b64": "bm9wZQ=="}]}',
            400,
            "Unknown image file format. One of JPEG, JPEG XL, PNG, GIF, BMP, WebP required.",
        ),
        ("faces", '{"instances": [""]}', 400, "Input is empty."),
        ("odd", '{"signature_name": "below_zero", "instances": [1]}', 400, "not below zero, says ..."),
        (
            "odd",
            '{"signature_name": "angle", "instances": [1]}',
            501,
            "Failed to process element: 0 of 'instances' list. Error: UNIMPLEMENTED: "
            "Conversion of JSON Value: 1 to type: complex64",
        ),
    ],
)
def test_a_model_that_fails_gives_its_reason_only(request, ask, model, body, status, text):
    response = ask(request.getfixturevalue(model), "POST", f"/v1/models/{model}:predict", body)
    assert response.status_code == status
    assert text in response.json()["error"]
    assert not any(sign in response.text for sign in ("node", "Op:", "/opt", "Traceback", "\\n"))


def test_the_unexpected_is_told_to_the_log_alone(odd, ask, monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError("secret of /etc/passwd")

    monkeypatch.setattr("serving.rest.write_outputs", fail)
    response = ask(odd, "POST", "/v1/models/odd:predict", '{"instances": [1]}')
    assert (response.status_code, response.json()) == (500, {"error": "Internal error"})
    assert "secret" in caplog.text


@pytest.mark.parametrize(
    ("work", "numbers"),
    [("serving.calls._compute", 1), ("serving.rest.parse", 2**15), ("serving.rest.write_outputs", 2**14)],
)
def test_several_at_a_time_while_the_event_loop_stays_free(odd, monkeypatch, work, numbers):
    both, healthy = threading.Barrier(3), threading.Event()
    function = attrgetter(work.removeprefix("serving."))(serving)

    def slow(*arguments):
        both.wait(timeout=10)
        assert healthy.wait(timeout=10)
        return function(*arguments)

    monkeypatch.setattr(work, slow)
    body = orjson.dumps({"instances": [1] * numbers})

    async def run():
        transport = httpx.ASGITransport(create_app(odd))
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            requests = [
                asyncio.create_task(client.post("/v1/models/odd:predict", content=body)) for _ in range(2)
            ]
            await asyncio.to_thread(both.wait, timeout=10)
            assert (await client.get("/healthz")).status_code == 200
            healthy.set()
            return [(await response).status_code for response in requests]

    assert asyncio.run(run()) == [200, 200]


@pytest.mark.parametrize("path", ["/v1/models/half_plus_two:predict", "/v1/models/half_plus_two:regress"])
def test_who_waited_beyond_the_time_limit_is_not_computed(half_plus_two, ask, path):
    body = orjson.dumps({"signature_name": "regress_x_to_y", "examples": [{"x": 1.0}]})
    if path.endswith("predict"):
        body = orjson.dumps({"instances": [[1.0]]})
    assert ask(half_plus_two, "POST", path, body, timeout=60).status_code == 200
    response = ask(half_plus_two, "POST", path, body, timeout=0)
    error = "the request waited for longer than it may before it was computed; ask again later"
    assert (response.status_code, response.json()) == (504, {"error": error})


@pytest.mark.parametrize(("letters", "in_loop"), [(2**13, True), (2**15, False)])
def test_long_strings_are_not_written_in_the_event_loop(odd, monkeypatch, letters, in_loop):
    writers = []

    def write(*arguments):
        writers.append(threading.current_thread() is threading.main_thread())
        return write_outputs(*arguments)

    monkeypatch.setattr("serving.rest.write_outputs", write)
    body = orjson.dumps({"signature_name": "strings", "instances": ["a" * letters]})
    asyncio.run(answer(odd, "POST", "/v1/models/odd:predict", body))
    assert writers == [in_loop]


def test_gzip_goes_in_and_comes_out(faces, ask):
    body = orjson.dumps({"signature_name": "predict_images", "inputs": np.zeros((40, 4, 4, 3), int).tolist()})
    plain = ask(faces, "POST", "/v1/models/faces:predict", body, {"Accept-Encoding": "identity"})
    headers = {"Content-Encoding": "gzip", "Accept-Encoding": "gzip"}
    zipped = ask(faces, "POST", "/v1/models/faces:predict", gzip.compress(body), headers)
    assert plain.status_code == zipped.status_code == 200
    assert (plain.headers.get("content-encoding"), zipped.headers["content-encoding"]) == (None, "gzip")
    assert plain.content == zipped.content  # httpx inflated it


def test_a_body_that_is_no_gzip(odd, ask):
    response = ask(odd, "POST", "/v1/models/odd:predict", b'{"instances": [1]}', {"Content-Encoding": "gzip"})
    assert response.status_code == 400
    assert response.json()["error"].startswith("a body sent with Content-Encoding: gzip must be a whole gzip")


def test_a_gzip_file_is_inflated_up_to_a_cap():
    assert inflate(gzip.compress(b"ab") + gzip.compress(b"c"), max_bytes=3) == b"abc"
    assert inflate(b"", max_bytes=3) == b""
    for bomb in (gzip.compress(b"abcd"), gzip.compress(b"ab") + gzip.compress(b"cd")):
        with pytest.raises(Refused, match="must inflate to at most 3 bytes") as refused:
            inflate(bomb, max_bytes=3)
        assert refusal(refused.value).status_code == 413
    for broken in (gzip.compress(b"abc")[:-1], gzip.compress(b"abc") + b"x", b"x"):
        with pytest.raises(Refused, match="must be a whole gzip file"):
            inflate(broken, max_bytes=3)
