"""A server that asks for a token."""

import grpc
import httpx
import pytest
from running import running
from small_models import picture

from serving.bearer import VARIABLE, read_token
from serving.errors import UserError
from serving.quiet import tf

# isort: split
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

TOKEN = "s3cret-._~+/=="
RIGHT = f"Bearer {TOKEN}"
WRONG = ["", TOKEN, f"Basic {TOKEN}", "Bearer", "Bearer s3cret", f"Bearer {TOKEN}x", "Bearer é"]


@pytest.fixture(scope="module")
def server(faces):
    served = running(faces, token=TOKEN.encode())
    with served as (port, address), httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        yield client, address


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/web/page.js", "/healthz", "/readyz"])
def test_what_says_nothing_of_the_models_is_open(server, path):
    assert server[0].get(path).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", path) for path in ("/models", "/models/faces/labels", "/v1/models/faces", "/metrics")),
        *(("GET", path) for path in ("/monitoring/prometheus/metrics", "/v1/models/faces/metadata")),
        *(("POST", path) for path in ("/predict?faces=crop", "/v1/models/faces:predict")),
        *(("GET", path) for path in ("/readyz/", "/web", "/web/web/page.js", "/nope")),
    ],
)
def test_all_else_needs_the_token(server, method, path):
    content = b'{"instances": []}' if ":" in path else picture(1, 2, 3)
    for header in WRONG:
        sent = {"Authorization": header.encode("latin-1")}
        response = server[0].request(method, path, content=content, headers=sent)
        assert (response.status_code, response.headers.get("www-authenticate")) == (401, "Bearer")
        assert response.json()["error"].startswith("this server asks for a token")
    for header in (RIGHT, f"bearer {TOKEN}"):
        answer = server[0].request(method, path, content=content, headers={"Authorization": header})
        assert answer.status_code != 401


def test_grpc_needs_it_too_but_for_its_health(server):
    request = PredictRequest(model_spec={"name": "faces"})
    request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([picture(0, 0, 255)]))
    with grpc.insecure_channel(server[1]) as channel:
        predict = PredictionServiceStub(channel).Predict
        for metadata in ([], [("authorization", "Bearer nope")]):
            with pytest.raises(grpc.RpcError) as refused:
                predict(request, timeout=60, metadata=metadata)
            assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
            assert refused.value.details().startswith("this server asks for a token")
        answer = predict(request, timeout=60, metadata=[("authorization", RIGHT)])
        assert list(answer.outputs["gender"].float_val) == [1.0]
        assert channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=60) == b"\x08\x01"


def test_the_token_comes_from_a_file_or_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert read_token("") is None
    monkeypatch.setenv(VARIABLE, "of-the-environment")
    assert read_token("") == b"of-the-environment"
    (tmp_path / "token").write_text("of-the-file\n")
    assert read_token(str(tmp_path / "token")) == b"of-the-file"


@pytest.mark.parametrize("text", ["", "\n", "two words", "two\nlines", "häßlich"])
def test_what_is_no_token(tmp_path, monkeypatch, text):
    (tmp_path / "token").write_text(text)
    with pytest.raises(
        UserError, match=r"token must hold a token: letters.*; received \d+ characters"
    ) as error:
        read_token(str(tmp_path / "token"))
    assert not text.strip() or text.strip() not in str(error.value)
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(UserError, match=r"^SERVING_TOKEN must hold a token"):
        read_token("")
    with pytest.raises(UserError, match="--token_file must be a file that holds a token"):
        read_token(str(tmp_path / "none"))
