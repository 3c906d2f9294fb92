"""TLS on both ports, by TensorFlow Serving's file."""

import json
import ssl
import urllib.request

import grpc
import pytest
import trustme
from rpc_requests import call
from running import HOST, running
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest

from serving.__main__ import main
from serving.errors import UserError
from serving.tls import Tls, read_tls

AUTHORITY = trustme.CA()
SERVER, CLIENT = AUTHORITY.issue_cert(HOST), AUTHORITY.issue_cert("client@example.org")
ROOT = AUTHORITY.cert_pem.bytes().decode()
KEY, CERT = (
    b"".join(pem.bytes() for pem in pems).decode()
    for pems in ([SERVER.private_key_pem], SERVER.cert_chain_pems)
)


def config(**fields):
    """An SSLConfig in text format."""
    return "\n".join(f"{name}: {json.dumps(value)}" for name, value in fields.items())


@pytest.fixture(scope="module", params=[False, True], ids=["anybody", "verified"])
def served(request, odd, tmp_path_factory):
    path = tmp_path_factory.mktemp("tls") / "ssl.config"
    authorities = f"# Főtanúsítvány, as lists of authorities call theirs\n{ROOT}"
    settings = config(server_key=KEY, server_cert=CERT, custom_ca=authorities, client_verify=request.param)
    path.write_text(settings)
    with running(odd, read_tls(path)) as (port, address):
        yield port, address, request.param


def rest(port, certificate=None):
    """The status of /healthz."""
    context = ssl.create_default_context(cadata=ROOT)
    if certificate:
        certificate.configure_cert(context)
    with urllib.request.urlopen(f"https://{HOST}:{port}/healthz", context=context, timeout=60) as response:
        return response.status


def rpc(address, *certificate):
    """What the metadata of a model are of."""
    with grpc.secure_channel(address, grpc.ssl_channel_credentials(ROOT.encode(), *certificate)) as channel:
        request = GetModelMetadataRequest(model_spec={"name": "odd"}, metadata_field=["signature_def"])
        return call(channel, request).model_spec.name


def test_both_ports_speak_it(served):
    port, address, verified = served
    pair = [CLIENT.private_key_pem.bytes(), b"".join(pem.bytes() for pem in CLIENT.cert_chain_pems)]
    assert rest(port, CLIENT) == 200
    assert rpc(address, *pair) == "odd"
    if verified:
        with pytest.raises(OSError, match=r"(?i)certificate|reset|closed"):
            rest(port)
        with pytest.raises(grpc.RpcError) as refused:
            rpc(address)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    else:
        assert rest(port) == 200
        assert rpc(address) == "odd"


def test_nothing_else_is_spoken(served):
    port, address, _ = served
    with pytest.raises(OSError, match=r"(?i)reset|closed|remote"):
        urllib.request.urlopen(f"http://{HOST}:{port}/healthz", timeout=60)
    with grpc.insecure_channel(address) as channel, pytest.raises(grpc.RpcError):
        call(channel, GetModelMetadataRequest())


def test_a_key_never_comes_to_a_disk(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    assert Tls(KEY.encode(), CERT.encode()).context().minimum_version == ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "must be a file that can be read; received .*No such file"),
        ("server_keys: 'a'", "must hold an SSLConfig in text format; received .*server_keys"),
        ("", "must hold a key without a password, its certificate"),
        (config(server_key=KEY), "must hold a key without a password, its certificate"),
        (config(server_key=KEY, server_cert=ROOT), "all in PEM; received .*(?i:mismatch)"),
        (config(server_key="/etc/key.pem", server_cert="/etc/cert.pem"), "all in PEM; received"),
        (
            config(server_key=KEY, server_cert=CERT, client_verify=True),
            "must have a custom_ca where it has client_verify",
        ),
        (
            config(server_key=KEY, server_cert=CERT, client_verify=True, custom_ca="none"),
            "custom_ca, all in PEM",
        ),
    ],
)
def test_a_bad_file_ends_the_command_in_one_line(monkeypatch, faces_path, tmp_path, content, message):
    path = tmp_path / "ssl.config"
    if content is not None:
        path.write_text(content)
    arguments = ["--model_base_path", str(faces_path), "--ssl_config_file", str(path)]
    monkeypatch.setattr("sys.argv", ["serving", *arguments])
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(UserError, match=message) as error:
        main()
    assert str(error.value).startswith("ssl_config_file")
    assert "\n" not in str(error.value)
