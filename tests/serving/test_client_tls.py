"""The client over TLS: whom it trusts, on both wires."""

import pytest
import trustme
from running import HOST, running
from small_models import picture

from serving.client import Client
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
