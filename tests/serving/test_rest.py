"""TensorFlow Serving's REST wire, as a table of requests and answers."""

import asyncio
import base64
import json
import threading

import httpx
import numpy as np
import orjson
import pytest
from small_models import TASKS, picture

from serving.app import create_app
from serving.rest import answer
from serving.store import Store


@pytest.mark.parametrize(
    ("signature", "request_body", "expected"),
    [
        ("", '{"instances": [1, 2.5]}', '{"predictions": [2.5, 3.25]}'),
        ("", '{"instances": [{"x": 1}, {"x": 2}]}', '{"predictions": [2.5, 3.0]}'),
        ("", '{"inputs": [1, 2.5], "unknown": null}', '{"outputs": [2.5, 3.25]}'),
        ("", '{"inputs": {"x": [1], "ignored": "y"}}', '{"outputs": [2.5]}'),
        ("serving_default", '{"inputs": []}', '{"outputs": []}'),
        ("", '{"inputs": [NaN, 0.2]}', '{"outputs":[NaN,2.1]}'),
        ("", '{"instances": [Infinity, -Infinity]}', '{"predictions":[Infinity,-Infinity]}'),
        ("any_shape", '{"inputs": 3}', '{"outputs": 3.0}'),
        ("any_shape", '{"instances": [[[0.1], [2]]]}', '{"predictions": [[[0.1], [2.0]]]}'),
        ("any_shape", '{"inputs": [[], []]}', '{"outputs": [[], []]}'),
        ("scalar", '{"inputs": 3}', '{"outputs": {"double": 6.0, "whole": 3}}'),
        (
            "several",
            '{"instances": [{"a": [1, 2], "b": 3}, {"b": 2, "a": [1, 2]}]}',
            '{"predictions": [{"even": false, "sum": [4.0, 5.0]}, {"even": true, "sum": [3.0, 4.0]}]}',
        ),
        (
            "several",
            '{"inputs": {"a": [[1, 2]], "b": [3]}}',
            '{"outputs": {"even": [false], "sum": [[4.0, 5.0]]}}',
        ),
        (
            "strings",
            '{"instances": ["é", {"b64": "/+8="}, {"text": "no"}]}',
            "Expecting value/list but got object at item 2 of input list",
        ),
        (
            "strings",
            '{"instances": ["é", {"b64": "YQ=="}]}',
            '{"predictions": [{"same": "é", "same_bytes": {"b64": "w6k="}},'
            '{"same": "a", "same_bytes": {"b64": "YQ=="}}]}',
        ),
        (
            "strings",
            '{"inputs": {"text": [{"b64": "YQ"}, {"b64": "Y\\nQ=="}]}}',
            '{"outputs": {"same": ["a", "a"], "same_bytes": [{"b64": "YQ=="}, {"b64": "YQ=="}]}}',
        ),
        ("pixels", '{"instances": [[[1, 2, 3], [4, 5, 255]]]}', '{"predictions": [270.0]}'),
        (
            "whole",
            '{"inputs": {"x": [true, false], "y": [9223372036854775807, 5]}}',
            '{"outputs": [9223372036854775807, -5]}',
        ),
        ("total", '{"inputs": [1, 2]}', '{"outputs": 3.0}'),
        ("short", '{"inputs": [1.5, NaN]}', '{"outputs": [1.5, NaN]}'),
        # Whole numbers and decimals that the type can't hold, and lists that are no tensor.
        ("any_shape", '{"inputs": [16777215]}', '{"outputs": [16777215.0]}'),
        (
            "",
            '{"inputs": [16777216]}',
            "Cannot convert JSON value: 16777216 to float without loss of precision.",
        ),
        ("", '{"inputs": [1e39]}', "Cannot convert JSON value: 1e+39 to float without loss of precision."),
        (
            "pixels",
            '{"instances": [[[1, 2, 3], [4, 5.0, 6]]]}',
            "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: "
            "JSON Value: 5.0 Type: Number is not of expected type: uint8",
        ),
        (
            "pixels",
            '{"inputs": [[[1, 2, 3], [4, 5, 256]]]}',
            "JSON Value: 256 Type: Number is not of expected type: uint8",
        ),
        (
            "several",
            '{"instances": [{"a": [1, 2], "b": 3}, {"a": [1, 2], "b": true}]}',
            "Failed to process element: 1 key: b of 'instances' list. Error: INVALID_ARGUMENT: "
            "JSON Value: true Type: True is not of expected type: int32",
        ),
        ("", '{"inputs": [1, null]}', "JSON Value: null Type: Null is not of expected type: float"),
        (
            "whole",
            '{"inputs": {"x": [1], "y": [1]}}',
            "JSON Value: 1 Type: Number is not of expected type: bool",
        ),
        (
            "",
            f'{{"inputs": ["{"x" * 999}"]}}',
            f'JSON Value: "{"x" * 196}... Type: String is not of expected type: float',
        ),
        ("strings", '{"inputs": ["x", 3]}', "JSON Value: 3 Type: Number is not of expected type: string"),
        ("strings", '{"inputs": [{"b64": "YWJj!"}]}', "Unable to base64 decode"),
        (
            "strings",
            '{"inputs": [{"b64": 3}]}',
            'JSON Value: {"b64": 3} not formatted correctly for base64 data',
        ),
        (
            "any_shape",
            '{"inputs": [[[1, 2, 3], [1, 2]]]}',
            "Encountered list at unexpected size: 2 at level: 2 expected size: 3",
        ),
        ("any_shape", '{"inputs": [1, [2]]}', "Encountered list at unexpected level: 1 expected < 1"),
        (
            "any_shape",
            '{"inputs": [[1], 2]}',
            "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2",
        ),
        (
            "any_shape",
            '{"instances": [[1, 2, 3], [1, 2, 3, 4, 5, 6]]}',
            "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: "
            "Expecting tensor size: 3 but got: 6",
        ),
        (
            "any_shape",
            '{"instances": [[1, 2, 3], [[1, 2, 3]]]}',
            "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: "
            "Expecting shape [3] but got: [1,3]",
        ),
        (
            "any_shape",
            f'{{"inputs": {"[" * 40}1{"]" * 40}}}',
            "Encountered list at unexpected level: 31 expected < 31",
        ),
        (
            "pixels",
            '{"inputs": [[[1, 2, 3]]]}',
            "input pixels must have shape [-1, 2, 3]; received [1, 1, 3]",
        ),
        ("scalar", '{"instances": [3]}', "input x must have shape []; received [1]"),
        # What does not fit the signature.
        ("", "{}", "Missing 'inputs' or 'instances' key"),
        (
            "",
            '{"inputs": [1], "instances": [1]}',
            "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist",
        ),
        ("", '{"instances": 3}', "Expecting 'instances' to be an list/array"),
        ("", '{"instances": []}', "No values in 'instances' array"),
        (
            "",
            '{"instances": [{"z": 1}]}',
            "Failed to process element: 0 key: z of 'instances' list. Error: INVALID_ARGUMENT: "
            "JSON object: does not have named input: z",
        ),
        (
            "several",
            '{"instances": [{"a": [1, 2]}]}',
            "Failed to process element: 0 of 'instances' list. "
            'JSON object: {"a": [1, 2]} keys must be equal to: a,b',
        ),
        (
            "several",
            '{"instances": [{"a": [1, 2], "b": 3}, 4]}',
            "Expecting object but got list at item 1 of input list",
        ),
        (
            "several",
            '{"instances": [1]}',
            "instances is a plain list, but expecting list of objects as multiple input tensors "
            "required as per tensorinfo_map",
        ),
        (
            "several",
            '{"inputs": [1]}',
            "inputs is a plain value/list, but expecting an object as multiple input tensors "
            "required as per tensorinfo_map",
        ),
        ("several", '{"inputs": {"a": [[1, 2]]}}', "Missing named input: b in 'inputs' object."),
        ("nope", "{}", 'Serving signature name: "nope" not found in signature def'),
        ("constant", '{"inputs": []}', "Failed to get input map for signature: constant"),
        ("total", '{"instances": [1, 2]}', "Tensor name: total has no shape information"),
        ("tripled", '{"instances": [1]}', "Tensor name: x has inconsistent batch size: 1 expecting: 3"),
        ("complex", '{"inputs": [1]}', "Failed to write JSON value for tensor type: complex64"),
    ],
)
def test_predict(odd, ask, signature, request_body, expected):
    body = f'{{"signature_name": "{signature}"{", " if request_body != "{}" else ""}{request_body[1:]}'
    response = ask(odd, "POST", "/v1/models/odd:predict", body)
    if expected.startswith("{"):
        assert response.status_code == 200
        assert compact(response.text) == compact(expected)
    else:
        assert response.status_code == 400
        assert response.json() == {"error": expected}


def compact(text):
    # As text: NaN equals nothing.
    return json.dumps(json.loads(text))


@pytest.mark.parametrize("form", ['{"inputs": [%s]}', '{"instances": [%s]}'])
def test_non_finite_numbers_are_bare_tokens(odd, ask, form):
    response = ask(odd, "POST", "/v1/models/odd:predict", form % "NaN, Infinity, 0.2")
    assert response.text.partition(":")[2] == "[NaN,Infinity,2.1]}"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "JSON Parse error: The document is empty"),
        (
            b'{"instances" [1]}',
            "JSON Parse error: unexpected character, expected ':' after key at offset: 13",
        ),
        (b'{"instances": [NaN,}', "JSON Parse error: Expecting value at offset: 19"),
        (b"[1]", "JSON Value: [1] Is not object"),
        (b'{"signature_name": 3}', "not formatted correctly. 'signature_name' key must be a string value."),
    ],
)
def test_what_is_no_request(odd, ask, body, text):
    response = ask(odd, "POST", "/v1/models/odd:predict", body)
    assert (response.status_code, response.json()) == (400, {"error": text})


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"inputs": ' + b"[" * 990 + b"NaN" + b"]" * 990 + b"}",
        b'{"inputs": ' + b"[" * 100_000 + b"NaN",
        b'{"inputs": ["\\ud800"]}',
        b'{"inputs": ["\\ud800", NaN]}',
        b'{"inputs": [NaN, "\xff"]}',
        b'{"inputs": [NaN, 123456789012345678901234567890]}',
    ],
)
def test_what_a_parser_could_stumble_over(odd, ask, body):
    response = ask(odd, "POST", "/v1/models/odd:predict", body)
    assert response.status_code == 400
    assert response.json()["error"].startswith("JSON Parse error: ")


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
    assert error("/v1/models/none:predict", '{"signature_name": "x"}').startswith("Servable not found")
    assert error("/v1/models/odd:predict", '{"signature_name": "x"}').startswith("Serving signature name")


def test_a_version_and_an_encoded_name_are_found(odd, ask):
    for path in (
        "/v1/models/odd/versions/1:predict",
        "/v1/models/odd/versions/01:predict",
        "/v1/models/o%64d:predict",
    ):
        assert ask(odd, "POST", path, '{"instances": [1]}').json() == {"predictions": [2.5]}


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
    store = Store("odd", odd_path)
    assert ask(store, "GET", "/healthz").status_code == 200
    assert ask(store, "GET", "/readyz").status_code == 503
    assert ask(store, "GET", "/v1/models/odd").json()["model_version_status"][0]["state"] == "LOADING"
    assert ask(store, "POST", "/v1/models/odd:predict", '{"instances": [1]}').status_code == 404
    store.load()
    assert ask(store, "GET", "/readyz").status_code == 200


def test_signatures_in_a_row_answer_as_the_default(faces):
    def columns(signature, name, value):
        body = orjson.dumps({"signature_name": signature, "inputs": {name: value}})
        return orjson.loads(answer(faces, "POST", "/v1/models/faces:predict", body))["outputs"]

    colours = (250, 3, 9), (7, 8, 200)
    encoded = [{"b64": base64.b64encode(picture(*rgb)).decode()} for rgb in colours]
    images = columns("decode_images", "image_bytes", encoded)
    assert np.shape(images) == (2, 4, 4, 3)
    assert columns("predict_images", "images", images) == columns("", "image_bytes", encoded)


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


def test_several_at_a_time_while_the_event_loop_stays_free(odd, monkeypatch):
    both, healthy = threading.Barrier(3), threading.Event()

    def slow(outputs, as_rows):
        both.wait(timeout=10)
        assert healthy.wait(timeout=10)
        return b"{}"

    monkeypatch.setattr("serving.rest.write_outputs", slow)

    async def run():
        transport = httpx.ASGITransport(create_app(odd))
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            requests = [
                asyncio.create_task(client.post("/v1/models/odd:predict", content='{"instances": [1]}'))
                for _ in range(2)
            ]
            await asyncio.to_thread(both.wait, timeout=10)
            assert (await client.get("/healthz")).status_code == 200
            healthy.set()
            return [(await response).status_code for response in requests]

    assert asyncio.run(run()) == [200, 200]
