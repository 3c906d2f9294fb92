"""Predict over REST: a table of requests and TensorFlow Serving's answers."""

import json

import pytest


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
        (
            "word",
            '{"inputs": {"b64": "w6k="}}',
            '{"outputs": {"same": "é", "same_bytes": {"b64": "w6k="}}}',
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
        ("nothing", '{"instances": [1]}', "Tensor name: y has invalid batch size: 0"),
        ("nothing", '{"inputs": [1]}', '{"outputs": []}'),
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


def test_what_is_wrong_deep_inside_is_shown_in_short(odd, ask):
    body = b'{"inputs": {"x": [' + b'{"a":' * 1000 + b"1" + b"}" * 1000 + b"]}}"
    response = ask(odd, "POST", "/v1/models/odd:predict", body)
    assert response.status_code == 400
    assert response.json()["error"].endswith("... Type: Object is not of expected type: float")


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"inputs": ' + b'{"a":' * 1500 + b"1" + b"}" * 1501,
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
