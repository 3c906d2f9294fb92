"""A model's metadata, status and health over gRPC, asked with the official stubs over a socket."""

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from rpc_requests import call

from serving.config import one_model
from serving.store import Store

# isort: split
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest, SignatureDefMap
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub


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
        ("HandleReloadConfigRequest", ReloadConfigRequest(), "INVALID_ARGUMENT", "Only a model_config_list"),
    ],
)
def test_the_model_service_refuses(odd, connect, procedure, request_, code, text):
    with pytest.raises(grpc.RpcError) as error:
        getattr(ModelServiceStub(connect(odd)), procedure)(request_, timeout=60)
    assert (error.value.code(), error.value.details()[: len(text)]) == (grpc.StatusCode[code], text)


def test_health_before_and_after_loading(odd_path, connect):
    store = Store(one_model("odd", odd_path))
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
