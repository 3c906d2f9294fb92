"""TensorFlow Serving's gRPC surface, asked with its own stubs over a socket."""

import json

import grpc
import numpy as np
import pytest
from rpc_requests import call
from small_models import picture

from serving.quiet import tf

# isort: split
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest
from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.regression_pb2 import RegressionRequest

PREDICT, CLASSIFY, REGRESS = (f"tensorflow/serving/{method}" for method in ("predict", "classify", "regress"))


def to_predict(signature="", model="odd", spec=None, **inputs):
    request = PredictRequest(model_spec={"name": model, "signature_name": signature, **(spec or {})})
    for name, value in inputs.items():
        proto = value if isinstance(value, TensorProto) else tf.make_tensor_proto(value)
        request.inputs[name].CopyFrom(proto)
    return request


@pytest.mark.parametrize(
    ("signature", "inputs", "expected"),
    [
        ("", {"x": np.float32([1, 2.5])}, {"y": {"float_val": [2.5, 3.25], "shape": [2]}}),
        ("half_plus_two", {"x": np.float32([])}, {"y": {"shape": [0]}}),
        ("any_shape", {"x": np.float32(3)}, {"y": {"float_val": [3.0], "shape": []}}),
        ("any_shape", {"x": np.float32([[[1], [2]]])}, {"y": {"float_val": [1.0, 2.0], "shape": [1, 2, 1]}}),
        (
            "scalar",
            {"x": np.float32(3)},
            {"double": {"float_val": [6.0], "shape": []}, "whole": {"int_val": [3], "shape": []}},
        ),
        (
            "several",
            {"a": np.float32([[1, 2]]), "b": np.int32([3])},
            {"sum": {"float_val": [4.0, 5.0], "shape": [1, 2]}, "even": {"bool_val": [False], "shape": [1]}},
        ),
        (
            "strings",
            {"text": [b"a", b"\xff"]},
            {name: {"string_val": [b"a", b"\xff"], "shape": [2]} for name in ("same", "same_bytes")},
        ),
        (
            "word",
            {"text": b"\xff"},
            {name: {"string_val": [b"\xff"], "shape": []} for name in ("same", "same_bytes")},
        ),
        (
            "pixels",
            {"pixels": np.uint8([[[1, 2, 3], [4, 5, 255]]])},
            {"half": {"half_val": [17287], "shape": [1]}},  # 270 in bfloat16
        ),
        (
            "short",
            {"x": tf.make_tensor_proto([-1.5], tf.bfloat16)},
            {"y": {"half_val": [49088], "shape": [1]}},
        ),
        (
            "whole",
            {"x": [True, False], "y": np.int64([2**62, 5])},
            {"y": {"int64_val": [2**62, -5], "shape": [2]}},
        ),
        ("complex", {"x": np.float32([1, 2])}, {"y": {"scomplex_val": [1, 1, 2, 2], "shape": [2]}}),
        (
            "angle",
            {"x": np.complex64([1, 1j])},
            {"y": {"float_val": [0.0, np.float32(np.pi / 2)], "shape": [2]}},
        ),
        ("scaled", {"x": np.float32([2])}, {"y": {"float_val": [20.0], "shape": [1]}}),
        (
            "scaled",
            {"x": np.float32([2]), "factor": np.float32(3)},
            {"y": {"float_val": [6.0], "shape": [1]}},
        ),
        ("constant", {}, {"y": {"float_val": [1.0], "shape": [1]}}),
    ],
)
def test_predict_answers_in_the_field_of_each_type(odd, connect, signature, inputs, expected):
    response = call(connect(odd), to_predict(signature, **inputs))
    outputs = {}
    for name, proto in response.outputs.items():
        values = {
            field.name: list(value) for field, value in proto.ListFields() if field.name.endswith("_val")
        }
        outputs[name] = {**values, "shape": [dim.size for dim in proto.tensor_shape.dim]}
        assert not proto.tensor_content
    assert outputs == expected
    spec = response.model_spec
    assert (spec.name, spec.signature_name, spec.version.value) == ("odd", signature or "serving_default", 1)


def test_an_input_by_value_is_one_as_content(odd, connect):
    by_value = TensorProto(dtype="DT_FLOAT", float_val=[1, 2.5], tensor_shape={"dim": [{"size": 2}]})
    as_content = tf.make_tensor_proto(np.float32([1, 2.5]))
    assert as_content.tensor_content
    answers = [call(connect(odd), to_predict(x=proto)) for proto in (by_value, as_content)]
    assert answers[0] == answers[1]


def test_a_last_value_stands_for_all_that_are_left_out(odd, connect):
    spread = TensorProto(dtype="DT_FLOAT", float_val=[1, 2], tensor_shape={"dim": [{"size": 4}]})
    response = call(connect(odd), to_predict("any_shape", x=spread))
    assert list(response.outputs["y"].float_val) == [1.0, 2.0, 2.0, 2.0]


def test_an_output_filter_chooses(odd, connect):
    request = to_predict("several", a=np.float32([[1, 2]]), b=np.int32([3]))
    request.output_filter.append("even")
    assert set(call(connect(odd), request).outputs) == {"even"}


def test_rest_and_grpc_answer_alike(faces, connect, ask):
    request = to_predict("", "faces", image_bytes=[picture(250, 3, 9)])
    outputs = call(connect(faces), request).outputs
    body = json.dumps({"signature_name": "predict_images", "inputs": [[[[250, 3, 9]] * 4] * 4]})
    rest = ask(faces, "POST", "/v1/models/faces:predict", body).json()["outputs"]
    assert {name: tf.make_ndarray(proto).tolist() for name, proto in outputs.items()} == {
        name: np.float32(values).tolist() for name, values in rest.items()
    }


@pytest.mark.parametrize(
    ("spec", "version"),
    [({}, 123), ({"version": {"value": 123}}, 123), ({"version_label": "stable"}, 123)],
)
def test_a_version_by_number_and_by_label(half_plus_two, connect, spec, version):
    request = to_predict("", "half_plus_two", spec, x=np.float32([[1]]))
    assert call(connect(half_plus_two), request).model_spec.version.value == version


X = {"x": np.float32([1])}


@pytest.mark.parametrize(
    ("request_", "code", "text"),
    [
        (PredictRequest(), "INVALID_ARGUMENT", "Missing ModelSpec"),
        (to_predict(model="", **X), "INVALID_ARGUMENT", "ModelSpec has no name specified."),
        (to_predict(model="none", **X), "NOT_FOUND", "Servable not found for request: Latest(none)"),
        (
            to_predict(spec={"version": {"value": 999}}, **X),
            "NOT_FOUND",
            "Servable not found for request: Specific(odd, 999)",
        ),
        (
            to_predict(spec={"version_label": "stable"}, **X),
            "INVALID_ARGUMENT",
            "Unrecognized servable version label: stable",
        ),
        (to_predict("nope", **X), "FAILED_PRECONDITION", 'Serving signature key "nope" not found.'),
        (
            to_predict("several", a=np.float32([[1, 2]]), z=np.float32([1]), **X),
            "INVALID_ARGUMENT",
            "input size does not match signature: 3!=2 len({a,x,z}) != len({a,b}). "
            "Sent extra: {x,z}. Missing but required: {b}.",
        ),
        (to_predict(x=np.float64([1])), "INVALID_ARGUMENT", "input x must be float32: an array of float64"),
        (to_predict("strings", text=np.float32([1])), "INVALID_ARGUMENT", "input text must be string: "),
        (
            to_predict("pixels", pixels=np.uint8([[1]])),
            "INVALID_ARGUMENT",
            "input pixels must have shape [-1, 2, 3]; received [1, 1]",
        ),
        (
            to_predict(x=TensorProto(dtype="DT_FLOAT", tensor_content=b"abc")),
            "INVALID_ARGUMENT",
            "tensor parsing error: x",
        ),
        (
            to_predict(
                x=TensorProto(dtype="DT_FLOAT", float_val=[1], tensor_shape={"dim": [{"size": 2**40}]})
            ),
            "INVALID_ARGUMENT",
            "input x must hold its values; received 19 bytes for 1099511627776 elements",
        ),
        (
            to_predict(
                "strings",
                text=TensorProto(
                    dtype="DT_STRING",
                    string_val=[b"a", bytes(1000)],
                    tensor_shape={"dim": [{"size": 1100}]},
                ),
            ),
            "INVALID_ARGUMENT",
            "input text must hold its values; received 1015 bytes for 1100 elements",
        ),
        (
            to_predict(z=TensorProto(dtype="DT_FLOAT", tensor_content=b"abc"), **X),
            "INVALID_ARGUMENT",
            "input size does not match signature: 2!=1 len({x,z}) != len({x}). Sent extra: {z}.",
        ),
        (
            to_predict(
                x=TensorProto(dtype="DT_FLOAT", tensor_content=bytes(4), tensor_shape={"dim": [{"size": -1}]})
            ),
            "INVALID_ARGUMENT",
            "tensor parsing error: x",
        ),
        (to_predict(x=TensorProto()), "INVALID_ARGUMENT", "tensor parsing error: x"),
        (to_predict(x=TensorProto(dtype="DT_RESOURCE")), "INVALID_ARGUMENT", "tensor parsing error: x"),
        (
            PredictRequest(model_spec={"name": "odd"}, output_filter=["y", "z"]),
            "INVALID_ARGUMENT",
            "output tensor alias not found in signature: z Outputs expected to be in the set {y}.",
        ),
        (
            PredictRequest(model_spec={"name": "odd"}, output_filter=["y", "y"]),
            "INVALID_ARGUMENT",
            "duplicate output tensor alias: y",
        ),
        (to_predict("below_zero", **X), "INVALID_ARGUMENT", "assertion failed: not below zero, says ..."),
        (
            ClassificationRequest(model_spec={"name": "odd"}),
            "INVALID_ARGUMENT",
            f"Expected classification signature method_name to be {CLASSIFY}. Was: {PREDICT}",
        ),
        (
            RegressionRequest(model_spec={"name": "odd"}),
            "INVALID_ARGUMENT",
            f"Expected regression signature method_name to be {REGRESS}. Was: {PREDICT}",
        ),
        (
            RegressionRequest(model_spec={"name": "odd", "signature_name": "none"}),
            "INVALID_ARGUMENT",
            "No signature was found with the name: none",
        ),
        (MultiInferenceRequest(), "INVALID_ARGUMENT", "ModelSpec has no name specified."),
        (GetModelMetadataRequest(), "INVALID_ARGUMENT", "Missing ModelSpec"),
        (
            GetModelMetadataRequest(model_spec={"name": "odd"}),
            "INVALID_ARGUMENT",
            "GetModelMetadataRequest must specify at least one metadata_field",
        ),
        (
            GetModelMetadataRequest(model_spec={"name": "odd"}, metadata_field=["weights"]),
            "INVALID_ARGUMENT",
            "Metadata field weights is not supported",
        ),
        (
            GetModelMetadataRequest(model_spec={"name": "none"}, metadata_field=["signature_def"]),
            "NOT_FOUND",
            "Servable not found for request: Latest(none)",
        ),
    ],
)
def test_what_is_refused(odd, connect, request_, code, text):
    with pytest.raises(grpc.RpcError) as error:
        call(connect(odd), request_)
    assert (error.value.code(), error.value.details()[: len(text)]) == (grpc.StatusCode[code], text)


def test_an_error_is_cut_at_1024_bytes(odd, connect):
    with pytest.raises(grpc.RpcError) as error:
        call(connect(odd), to_predict("é" * 1000, **X))
    start = 'Serving signature key "'
    assert error.value.details() == start + "é" * ((1024 - len(start)) // 2) + "...TRUNCATED"


def test_the_unexpected_is_told_to_the_log_alone(odd, connect, monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError("secret of /etc/passwd")

    monkeypatch.setattr("serving.procedures.to_proto", fail)
    with pytest.raises(grpc.RpcError) as error:
        call(connect(odd), to_predict(**X))
    assert (error.value.code(), error.value.details()) == (grpc.StatusCode.INTERNAL, "Internal error")
    assert "secret" in caplog.text
