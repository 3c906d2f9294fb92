"""Classify, Regress and MultiInference over gRPC, asked with the official stubs over a socket."""

import grpc
import pytest
from rpc_requests import call, example

# isort: split
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest
from tensorflow_serving.apis.regression_pb2 import RegressionRequest

PREDICT, CLASSIFY, REGRESS = (f"tensorflow/serving/{method}" for method in ("predict", "classify", "regress"))


def half(signature, **more):
    return {"model_spec": {"name": "half_plus_two", "signature_name": signature}, **more}


def test_classify(half_plus_two, connect):
    examples = {"example_list": {"examples": [example(x=1.0), example(x=-2.0, x2=4.0)]}}
    response = call(connect(half_plus_two), ClassificationRequest(**half("classify_both"), input=examples))
    classes = [[(c.label, c.score) for c in row.classes] for row in response.result.classifications]
    assert classes == [[("above", 2.5), ("below", 3.0)], [("below", 1.0), ("above", 5.0)]]
    assert response.model_spec.signature_name == "classify_both"
    assert response.model_spec.version.value == 123


def test_regress_with_a_context_that_an_example_overrules(half_plus_two, connect):
    with_context = {"examples": [example(x=1.0), example()], "context": example(x=7.0)}
    request = RegressionRequest(**half("regress_x_to_y"), input={"example_list_with_context": with_context})
    response = call(connect(half_plus_two), request)
    assert [regression.value for regression in response.result.regressions] == [2.5, 5.5]


def task(signature, method, model="half_plus_two"):
    return {"model_spec": {"name": model, "signature_name": signature}, "method_name": method}


def test_multi_inference(half_plus_two, connect):
    tasks = [task("regress_x_to_y", REGRESS), task("classify_labels", CLASSIFY)]
    request = MultiInferenceRequest(tasks=tasks, input={"example_list": {"examples": [example(x=1.0)]}})
    first, second = call(connect(half_plus_two), request).results
    assert [regression.value for regression in first.regression_result.regressions] == [2.5]
    assert [c.label for c in second.classification_result.classifications[0].classes] == ["above", "below"]
    assert (first.model_spec.signature_name, first.model_spec.version.value) == ("regress_x_to_y", 123)


@pytest.mark.parametrize(
    ("tasks", "code", "text"),
    [
        ([task("regress_x_to_y", REGRESS)], "INVALID_ARGUMENT", "Input is empty."),
        (
            [task("regress_x_to_y", REGRESS)] * 2,
            "INVALID_ARGUMENT",
            "Duplicate evaluation of signature: regress_x_to_y",
        ),
        (
            [task("regress_x_to_y", REGRESS), task("regress_again", REGRESS)],
            "INVALID_ARGUMENT",
            "Input tensor must be the same for all Signatures.",
        ),
        (
            [task("regress_x_to_y", REGRESS), task("x", REGRESS, "other")],
            "INVALID_ARGUMENT",
            "All ModelSpecs in a MultiInferenceRequest must access the same model name.",
        ),
        (
            [task("regress_x_to_y", REGRESS), task("x", REGRESS, "")],
            "INVALID_ARGUMENT",
            "Found ModelSpec with an empty model name.",
        ),
        ([task("x", REGRESS)], "INVALID_ARGUMENT", "Requested signature not found in model graph: x"),
        ([task("", "guess")], "UNIMPLEMENTED", "Unsupported signature method_name: guess"),
        (
            [task("", REGRESS)],
            "INVALID_ARGUMENT",
            f"Expected regression signature method_name to be {REGRESS}. Was: {PREDICT}",
        ),
        ([task("x", REGRESS, "none")], "NOT_FOUND", "Servable not found for request: Latest(none)"),
    ],
)
def test_multi_inference_refused(half_plus_two, connect, tasks, code, text):
    with pytest.raises(grpc.RpcError) as error:
        call(connect(half_plus_two), MultiInferenceRequest(tasks=tasks))
    assert (error.value.code(), error.value.details()) == (grpc.StatusCode[code], text)
