"""Who trusts whom: the client the server's certificate, the server the client's token, on both wires."""

import pytest
import trustme
from running import HOST, running
from small_models import picture

from serving.client import Client, Rejected
from serving.client.__main__ import main
from serving.client.client import TOKEN
from serving.errors import UserError
from serving.tls import Tls

BLUE = picture(0, 0, 255)
AUTHORITY = trustme.CA()


@pytest.fixture(scope="module")
def urls(faces):
    """A server's, by wire."""
    server = AUTHORITY.issue_cert(HOST)
    chain = b"".join(pem.bytes() for pem in server.cert_chain_pems)
    with running(faces, Tls(server.private_key_pem.bytes(), chain)) as (port, address):
        yield {"REST": f"https://{HOST}:{port}", "gRPC": f"grpcs://{address}"}


@pytest.mark.parametrize("wire", ["REST", "gRPC"])
def test_only_a_server_with_a_trusted_certificate_is_asked(urls, wire, tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr("serving.client.retries.time.sleep", waits.append)
    ca = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(ca)
    with Client(urls[wire], ca=ca) as client:
        assert client.predict([BLUE])[0]["age"]["value"] == 0.0
    with Client(urls[wire]) as client, pytest.raises(ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
        client.predict([BLUE])
    assert waits == []


@pytest.mark.parametrize("wire", ["REST", "gRPC"])
def test_the_token_is_brought(faces, wire, monkeypatch):
    with running(faces, token=b"secret") as (port, address):
        url = {"REST": f"http://{HOST}:{port}", "gRPC": f"grpc://{address}"}[wire]
        monkeypatch.delenv(TOKEN, raising=False)
        with Client(url) as client, pytest.raises(Rejected, match="this server asks for a token"):
            client.predict([BLUE])
        for faces_flag in [[], ["--faces"]][: 2 if wire == "REST" else 1]:
            monkeypatch.setattr("sys.argv", ["client", "blue.png", "--url", url, *faces_flag])
            with pytest.raises(UserError, match=f"{url} asks for a token, which SERVING_TOKEN must hold"):
                main()
        monkeypatch.setenv(TOKEN, "secret")
        with Client(url) as client:
            assert client.predict([BLUE])[0]["age"]["value"] == 0.0
