"""Classify and regress over REST: a table of requests and TensorFlow Serving's answers."""

import json

import pytest

CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"


@pytest.mark.parametrize(
    ("api", "signature", "body", "expected"),
    [
        ("regress", "regress_x_to_y", '{"examples": [{"x": 1.0}, {"x": [2.5]}]}', '{"results": [2.5, 3.25]}'),
        ("regress", "regress_flat", '{"examples": [{"x": 0.2}]}', '{"results": [2.1]}'),
        ("regress", "regress_x_to_y", '{"examples": [{"x": NaN}]}', '{"results": [NaN]}'),
        ("regress", "regress_x_to_y", '{"examples": [{"x": -Infinity}]}', '{"results": [-Infinity]}'),
        (
            "regress",
            "regress_x_to_y",
            '{"context": {"x": 7.0}, "examples": [{"x": 1.0}, {}]}',
            '{"results": [2.5, 5.5]}',
        ),
        (
            "regress",
            "regress_x_to_y",
            '{"examples": [{"x": 1.0, "i": [1, true], "b": ["x", {"b64": "YQ=="}], "e": []}], "other": 3}',
            '{"results": [2.5]}',
        ),
        (
            "classify",
            "classify_x_to_y",
            '{"examples": [{"x": 1.0}, {"x": 0.2}]}',
            '{"results": [[["", 2.5]], [["", 2.1]]]}',
        ),
        (
            "classify",
            "classify_labels",
            '{"examples": [{"x": -1.0}]}',
            '{"results": [[["below", 0.0], ["above", 0.0]]]}',
        ),
        (
            "classify",
            "classify_both",
            '{"examples": [{"x": 1.0}, {"x": -Infinity, "x2": 4.0}]}',
            '{"results": [[["above", 2.5], ["below", 3.0]], [["below", -Infinity], ["above", 5.0]]]}',
        ),
        # No request.
        (
            "regress",
            "",
            "{}",
            "When method is classify, key 'examples' is expected and was not found",
        ),
        ("classify", "", '{"examples": {}}', "Expecting 'examples' value to be an list/array"),
        ("classify", "", '{"examples": []}', "'examples' value is an empty array"),
        ("classify", "", '{"examples": [3]}', "Example must be JSON object but got JSON Number"),
        ("classify", "", '{"examples": [[]]}', "Example must be JSON object but got JSON Array"),
        (
            "classify",
            "",
            '{"context": true, "examples": [{}]}',
            "Example must be JSON object but got JSON True",
        ),
        (
            "regress",
            "",
            '{"examples": [{"x": null}]}',
            "Feature: x has element with unexpected JSON type: Null",
        ),
        (
            "regress",
            "",
            '{"examples": [{"x": [[1]]}]}',
            "Feature: x has element with unexpected JSON type: Array",
        ),
        (
            "regress",
            "",
            '{"examples": [{"x": {"b": 1}}]}',
            "Feature: x has element with unexpected JSON type: Object",
        ),
        (
            "regress",
            "",
            '{"examples": [{"x": [1, 1.5]}]}',
            "Unexpected element type in feature: x expecting type: int64",
        ),
        (
            "regress",
            "",
            '{"examples": [{"x": [1.5, "x"]}]}',
            "Unexpected element type in feature: x expecting type: float",
        ),
        (
            "regress",
            "",
            '{"examples": [{"x": 9223372036854775808}]}',
            "Feature: x has uint64 element. Only int64 is supported.",
        ),
        (
            "regress",
            "",
            '{"examples": [{"x": 1e39}]}',
            "Cannot convert JSON value: 1e+39 to float without loss of precision.",
        ),
        ("regress", "", '{"examples": [{"x": {"b64": "!"}}]}', "Unable to base64 decode"),
        # No such signature, or not one of the method.
        ("regress", "nope", '{"examples": [{}]}', "No signature was found with the name: nope"),
        (
            "regress",
            "",
            '{"examples": [{"x": 1.0}]}',
            f"Expected regression signature method_name to be {REGRESS}. Was: tensorflow/serving/predict",
        ),
        (
            "classify",
            "regress_x_to_y",
            '{"examples": [{"x": 1.0}]}',
            f"Expected classification signature method_name to be {CLASSIFY}. Was: {REGRESS}",
        ),
        ("classify", "classify_two_inputs", '{"examples": [{"x": 1.0}]}', "Expected one input Tensor."),
        ("regress", "regress_two", '{"examples": [{"x": 1.0}]}', "Expected one output Tensor."),
        (
            "classify",
            "classify_three",
            '{"examples": [{"x": 1.0}]}',
            "Expected one or two output Tensors, found 3",
        ),
        (
            "regress",
            "regress_other",
            '{"examples": [{"x": 1.0}]}',
            "No regression outputs found in SignatureDef: inputs {",
        ),
        (
            "regress",
            "regress_other_input",
            '{"examples": [{"x": 1.0}]}',
            "No regression inputs found in SignatureDef: inputs {",
        ),
        (
            "classify",
            "classify_other",
            '{"examples": [{"x": 1.0}]}',
            "Expected classification signature outputs to contain at least one of "
            '"classes" or "scores". Signature was: inputs {',
        ),
        # Answers that are none.
        (
            "regress",
            "regress_wide",
            '{"examples": [{"x": 1.0}]}',
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got [1,2]",
        ),
        (
            "regress",
            "regress_one",
            '{"examples": [{"x": 1.0}, {"x": 2.0}]}',
            "Input batch size did not match output batch size: 2 vs. 1",
        ),
        (
            "regress",
            "regress_double",
            '{"examples": [{"x": 1.0}]}',
            "Expected output Tensor of DT_FLOAT.  Got: DT_DOUBLE",
        ),
        (
            "regress",
            "regress_numbers",
            '{"examples": [{"x": 1.0}]}',
            "input inputs must have shape [-1, 1]; received [1]",
        ),
        (
            "classify",
            "classify_flat",
            '{"examples": [{"x": 1.0}]}',
            "Expected Tensor shape: [batch_size num_classes] but got [1]",
        ),
        (
            "classify",
            "classify_whole",
            '{"examples": [{"x": 1.0}]}',
            "Expected scores Tensor of DT_FLOAT. Got: DT_INT32",
        ),
        (
            "classify",
            "classify_numbers",
            '{"examples": [{"x": 1.0}]}',
            "Expected classes Tensor of DT_STRING. Got: DT_FLOAT",
        ),
        (
            "classify",
            "classify_one",
            '{"examples": [{"x": 1.0}, {"x": 2.0}]}',
            "Expected scores output batch size of 2. Got: 1",
        ),
        (
            "classify",
            "classify_uneven",
            '{"examples": [{"x": 1.0}]}',
            "Tensors class and score should match in dim_size(1). Got 2 vs. 1",
        ),
    ],
)
def test_classify_and_regress(half_plus_two, ask, api, signature, body, expected):
    body = f'{{"signature_name": "{signature}"{", " if body != "{}" else ""}{body[1:]}'
    response = ask(half_plus_two, "POST", f"/v1/models/half_plus_two:{api}", body)
    if expected.startswith("{"):
        assert response.status_code == 200
        assert json.dumps(response.json()) == json.dumps(json.loads(expected))  # as text: NaN equals nothing
    else:
        assert (response.status_code, list(response.json())) == (400, ["error"])
        said, brace, _ = response.json()["error"].partition(
            " {"
        )  # behind which a signature is shown as it is
        assert said + brace == expected


def test_an_example_without_a_feature_it_needs_is_refused_in_tensorflows_words(half_plus_two, ask):
    body = '{"signature_name": "regress_x_to_y", "examples": [{"y": 1.0}]}'
    response = ask(half_plus_two, "POST", "/v1/models/half_plus_two:regress", body)
    assert response.status_code == 400
    assert "Feature: x (data type: float) is required but could not be found." in response.json()["error"]


def test_a_context_that_would_take_all_memory_is_refused(half_plus_two, ask):
    document = {"context": {"y": "x" * 2**16}, "examples": [{"x": 1.0}] * 5000}
    document["signature_name"] = "regress_x_to_y"
    response = ask(half_plus_two, "POST", "/v1/models/half_plus_two:regress", json.dumps(document))
    assert response.status_code == 400
    assert response.json()["error"].startswith(
        "a context must take at most 268435456 bytes, counted once for"
    )


def test_json_then_examples_then_model_then_signature(half_plus_two, ask):
    def error(model, body):
        return ask(half_plus_two, "POST", f"/v1/models/{model}:classify", body).json()["error"]

    assert error("none", "{").startswith("JSON Parse error")
    assert error("none", '{"signature_name": 3}').startswith("not formatted correctly. 'signature_name'")
    assert error("none", '{"signature_name": "x"}').startswith("When method is classify")
    assert error("none", '{"signature_name": "x", "examples": [{}]}').startswith("Servable not found")


def test_a_model_as_tensorflow_1_saved_it_predicts(half_plus_two, ask):
    response = ask(half_plus_two, "POST", "/v1/models/half_plus_two:predict", '{"instances": [[1.0], [5]]}')
    assert response.json() == {"predictions": [[2.5], [4.5]]}
