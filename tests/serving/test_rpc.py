"""TensorFlow Serving's gRPC surface, asked with its own stubs over a socket."""

import json
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
from google.protobuf.json_format import MessageToDict
from small_models import picture

from serving.quiet import tf
from serving.rpc import add_services
from serving.store import Store

# isort: split
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest, SignatureDefMap
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest
from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub
from tensorflow_serving.apis.regression_pb2 import RegressionRequest

PREDICT, CLASSIFY, REGRESS = (f"tensorflow/serving/{method}" for method in ("predict", "classify", "regress"))


@pytest.fixture(scope="module")
def connect():
    """A channel to a server of a store, of which there is one each."""
    served = {}

    def channel(store):
        if id(store) not in served:
            server = grpc.server(ThreadPoolExecutor(2))
            add_services(store, server)
            port = server.add_insecure_port("127.0.0.1:0")
            server.start()
            served[id(store)] = server, grpc.insecure_channel(f"127.0.0.1:{port}")
        return served[id(store)][1]

    yield channel
    for server, open_channel in served.values():
        open_channel.close()
        server.stop(None).wait()


def example(**features):
    lists = {name: {"float_list": {"value": [value]}} for name, value in features.items()}
    return tf.train.Example(features={"feature": lists})


def call(channel, request):
    """The answer to a request of the prediction service."""
    stub = PredictionServiceStub(channel)
    procedures = {
        PredictRequest: stub.Predict,
        ClassificationRequest: stub.Classify,
        RegressionRequest: stub.Regress,
        MultiInferenceRequest: stub.MultiInference,
        GetModelMetadataRequest: stub.GetModelMetadata,
    }
    return procedures[type(request)](request, timeout=60)


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
                x=TensorProto(dtype="DT_FLOAT", tensor_content=bytes(4), tensor_shape={"dim": [{"size": -1}]})
            ),
            "INVALID_ARGUMENT",
            "tensor parsing error: x",
        ),
        (to_predict(x=TensorProto()), "INVALID_ARGUMENT", "tensor parsing error: x"),
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
        (to_predict("below_zero", **X), "INVALID_ARGUMENT", "assertion failed: [not below zero, says ...]"),
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


def test_metadata(faces, connect):
    request = GetModelMetadataRequest(model_spec={"name": "faces"}, metadata_field=["signature_def"])
    response = call(connect(faces), request)
    assert (response.model_spec.name, response.model_spec.version.value) == ("faces", 7)
    signatures = SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert set(signatures.signature_def["serving_default"].outputs) == {"age", "age_std", "emotion", "gender"}


@pytest.mark.parametrize("spec", [{}, {"version": {"value": 123}}, {"version_label": "stable"}])
def test_status(half_plus_two, connect, spec):
    request = GetModelStatusRequest(model_spec={"name": "half_plus_two", **spec})
    response = ModelServiceStub(connect(half_plus_two)).GetModelStatus(request, timeout=60)
    assert MessageToDict(response) == {
        "model_version_status": [{"version": "123", "state": "AVAILABLE", "status": {}}]
    }


@pytest.mark.parametrize(
    ("procedure", "request_", "code", "text"),
    [
        ("GetModelStatus", GetModelStatusRequest(), "INVALID_ARGUMENT", "Missing ModelSpec"),
        (
            "GetModelStatus",
            GetModelStatusRequest(model_spec={"name": "none"}),
            "NOT_FOUND",
            "Could not find any versions of model none",
        ),
        (
            "GetModelStatus",
            GetModelStatusRequest(model_spec={"name": "odd", "version": {"value": 2}}),
            "NOT_FOUND",
            "Could not find version 2 of model odd",
        ),
        ("HandleReloadConfigRequest", ReloadConfigRequest(), "UNIMPLEMENTED", "this server takes its models"),
    ],
)
def test_the_model_service_refuses(odd, connect, procedure, request_, code, text):
    with pytest.raises(grpc.RpcError) as error:
        getattr(ModelServiceStub(connect(odd)), procedure)(request_, timeout=60)
    assert (error.value.code(), error.value.details()[: len(text)]) == (grpc.StatusCode[code], text)


def test_health_before_and_after_loading(odd_path, connect):
    store = Store("odd", odd_path)
    # Bytes as they are: field 1 is a service's name, or a state: 1 SERVING, 2 NOT_SERVING.
    check = connect(store).unary_unary("/grpc.health.v1.Health/Check")
    assert check(b"", timeout=60) == b"\x08\x02"
    store.load()
    assert check(b"", timeout=60) == b"\x08\x01"
    named = b"tensorflow.serving.PredictionService"
    assert check(b"\x0a" + bytes([len(named)]) + named, timeout=60) == b"\x08\x01"
    with pytest.raises(grpc.RpcError) as error:
        check(b"\x0a\x01x", timeout=60)
    assert (error.value.code(), error.value.details()) == (grpc.StatusCode.NOT_FOUND, "unknown service: x")
