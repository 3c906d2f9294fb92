"""TLS, by TensorFlow Serving's file: config/ssl_config.proto."""

import os
import ssl
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from serving.errors import UserError
from serving.messages import read_message

if TYPE_CHECKING:
    import grpc

FLAG = "ssl_config_file"


@dataclass(frozen=True)
class Tls:
    """What a server proves itself with, in PEM.

    Args:
        server_key: its private key.
        server_cert: its certificate, and those between it and its authority's.
        custom_ca: certificates of the authorities that clients' come from.
        client_verify: whether a client must have one.
    """

    server_key: bytes
    server_cert: bytes
    custom_ca: bytes = b""
    client_verify: bool = False

    def context(self) -> ssl.SSLContext:
        """For REST, TLS 1.2 or newer.

        Raises:
            OSError: key, certificate or authorities are none, or do not fit together.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        with _file(self.server_key.rstrip() + b"\n" + self.server_cert) as path:  # there is no other way in
            context.load_cert_chain(path, password="")  # else it asks for one on the terminal
        if self.client_verify:
            context.load_verify_locations(
                cadata=self.custom_ca.decode("ascii", "ignore")
            )  # comments are in any language
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def credentials(self) -> "grpc.ServerCredentials":
        """For gRPC, TLS 1.2 or newer as well."""
        import grpc

        return grpc.ssl_server_credentials(
            [(self.server_key, self.server_cert)],
            root_certificates=self.custom_ca if self.client_verify else None,
            require_client_auth=self.client_verify,
        )


@contextmanager
def _file(content: bytes) -> Iterator[str]:
    """The path of a file of nobody else's; in memory where that can be, as disks may be read-only."""
    memory = os.memfd_create("pem") if sys.platform == "linux" else None
    with tempfile.NamedTemporaryFile() if memory is None else open(memory, "wb") as file:
        file.write(content)
        file.flush()
        yield file.name if memory is None else f"/proc/self/fd/{memory}"


def read_tls(path: Path) -> Tls:
    """What a file with an `SSLConfig` in text format says.

    Raises:
        UserError: the file can't be read or holds something else, or what it holds is nothing for TLS.
    """
    message = read_message(FLAG, path, _message()(), "an SSLConfig")
    tls = Tls(
        message.server_key.encode(),
        message.server_cert.encode(),
        message.custom_ca.encode(),
        message.client_verify,
    )
    if tls.client_verify and not tls.custom_ca:
        raise UserError(f"{FLAG} must have a custom_ca where it has client_verify; received {path}")
    try:
        tls.context()
    except OSError as error:
        raise UserError(
            f"{FLAG} must hold a key without a password, its certificate and, where clients are verified, "
            f"custom_ca, all in PEM; received {path}: {error.args[-1]}"
        ) from error
    return tls


def _message() -> type:
    """The message, which tensorflow-serving-api lacks."""
    file = descriptor_pb2.FileDescriptorProto(
        name="ssl_config.proto", package="tensorflow.serving", syntax="proto3"
    )
    message = file.message_type.add(name="SSLConfig")
    field = descriptor_pb2.FieldDescriptorProto
    kinds = {
        "server_key": field.TYPE_STRING,
        "server_cert": field.TYPE_STRING,
        "custom_ca": field.TYPE_STRING,
        "client_verify": field.TYPE_BOOL,
    }
    for number, (name, kind) in enumerate(kinds.items(), start=1):
        message.field.add(name=name, number=number, type=kind, label=field.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tensorflow.serving.SSLConfig"))
