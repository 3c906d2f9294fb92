"""What no client would send: no answer but a right one or an error that is the asker's, and all goes on."""

import contextlib
import json

import pytest
from faults import (
    GOOD,
    PICTURES,
    asked,
    asks,
    bodies,
    bounded,
    broken,
    check_any,
    check_good,
    headers,
    in_base64,
    paths,
)
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from serving.config import one_model
from serving.contents import Contents
from serving.errors import Refused
from serving.procedures import predict
from serving.store import Store

# isort: split
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow.core.framework.types_pb2 import DataType
from tensorflow_serving.apis.predict_pb2 import PredictRequest

PREDICT = "/v1/models/faces:predict"


@pytest.fixture(scope="module")
def store(faces_path):
    """One that takes small pictures only, so that none takes long."""
    served = Store(one_model("faces", faces_path), contents=Contents(max_picture_pixels=2**16))
    served.load()
    return served


@pytest.fixture(scope="module")
def ask(store):
    with asked(store) as ask:
        yield ask


@pytest.fixture(autouse=True)
def goes_on(ask):
    yield
    response = ask("POST", PREDICT, GOOD)
    check_good(response.status_code, response.json())


@bounded(100)
@given(path=asks, body=bodies)
def test_documents(ask, path, body):
    response = ask("POST", path, body)
    check_any(response.status_code, response.json())


@bounded(50)
@given(encoded=st.lists(broken(st.sampled_from(PICTURES)), min_size=1, max_size=2))
def test_pictures(ask, encoded):
    response = ask("POST", PREDICT, json.dumps({"instances": [*map(in_base64, encoded)]}).encode())
    check_any(response.status_code, response.json())
    if response.status_code == 200:
        assert len(response.json()["predictions"]) == len(encoded)


@bounded(25)
@given(encoded=broken(st.sampled_from(PICTURES)), found=headers)
def test_pictures_of_people(ask, encoded, found):
    form = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        + encoded
        + b"\r\n--x--\r\n"
    )
    response = ask("POST", "/predict", form, {"content-type": "multipart/form-data; boundary=x"})
    check_any(response.status_code, response.json())
    response = ask("POST", "/predict", encoded, found)
    check_any(response.status_code, response.json())


@bounded(30)
@given(method=st.sampled_from(["GET", "POST", "PUT", "BREW"]), path=paths, found=headers, body=bodies)
def test_headers(ask, method, path, found, body):
    response = ask(method, path, body, found)
    if response.headers["content-type"] == "application/json":
        check_any(response.status_code, response.json())
    else:
        assert (response.status_code, method) == (200, "GET")  # the page, or metrics


def message(tensor):
    signature, name = (
        ("", "image_bytes") if tensor.dtype == DataType.DT_STRING else ("predict_images", "images")
    )
    spec = {"name": "faces", "signature_name": signature}
    return PredictRequest(model_spec=spec, inputs={name: tensor}).SerializeToString()


MESSAGES = [
    message(tf.make_tensor_proto(PICTURES[:2])),
    message(tf.make_tensor_proto(tf.zeros([2, 4, 4, 3], tf.uint8))),
]
tensors = st.builds(
    lambda dtype, sizes, strings, content: TensorProto(
        dtype=dtype,
        tensor_shape={"dim": [{"size": size} for size in sizes]},
        string_val=strings,
        tensor_content=content,
    ),
    st.sampled_from([DataType.DT_STRING, DataType.DT_UINT8, *DataType.values()]),
    st.one_of(st.just([2]), st.just([1, 4, 4, 3]), st.lists(st.integers(-2, 2**40), max_size=4)),
    st.lists(broken(st.sampled_from(PICTURES)), max_size=2),
    st.sampled_from([b"", bytes(48), bytes(7)]),
)


@bounded(100)
@given(message=st.one_of(broken(st.sampled_from(MESSAGES)), tensors.map(message)))
def test_messages(store, message):
    try:
        request = PredictRequest.FromString(message)
    except DecodeError:
        return
    with contextlib.suppress(Refused):
        assert predict(store, request).outputs
