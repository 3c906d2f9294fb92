"""What the two wires have in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

DISTRUST = "CERTIFICATE_VERIFY_FAILED"
"""What OpenSSL and BoringSSL say of a certificate by an authority that is not trusted; no retry mends it."""


class Rejected(Exception):
    """The server answered with an error.

    Args:
        status: HTTP's number, or the name of gRPC's code.
        text: the server's own words.
    """

    def __init__(self, status: int | str, text: str) -> None:
        super().__init__(text)
        self.status = status


class Unavailable(ConnectionError):
    """No server answers, or it has no time: 503, UNAVAILABLE, a connection refused or lost. Worth a retry.

    Args:
        text: the reason.
        retry_after: seconds after which the server wants to be asked again, if it said so.
    """

    def __init__(self, text: str, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after


@dataclass(frozen=True)
class Signature:
    """How the default signature is called.

    Args:
        input: name of its input, which takes encoded pictures.
        outputs: names of its outputs, sorted.
    """

    input: str
    outputs: tuple[str, ...]


class Wire(Protocol):
    """One model of one server.

    All raise `Rejected`, the server answered with an error; `Unavailable`, it can't answer now; TimeoutError,
    it did not within `timeout` seconds; ConnectionError, what answers is no model server.
    """

    def signature(self, timeout: float) -> Signature:
        """The default signature."""

    def labels(self, timeout: float) -> dict[str, Any]:
        """What labels.json says; Rejected if the server does not tell."""

    def predict(
        self, pictures: Sequence[bytes], signature: Signature, timeout: float
    ) -> list[dict[str, Any]]:
        """Plain numbers by output name, a picture each."""

    def close(self) -> None:
        """Lets go of its connections."""


def read_signature(metadata: Any) -> Signature:
    """The default signature in a SignatureDefMap, as JSON has it.

    Raises:
        Rejected: there is none that takes encoded pictures alone.
    """
    try:
        signature = metadata["signature_def"]["serving_default"]
        [(name, tensor)] = signature["inputs"].items()
        if tensor["dtype"] != "DT_STRING":
            raise ValueError(tensor["dtype"])
        return Signature(name, tuple(sorted(signature["outputs"])))
    except (KeyError, TypeError, ValueError) as error:
        raise Rejected(400, "its signature serving_default must take encoded pictures alone") from error
