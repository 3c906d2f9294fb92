"""TensorFlow Serving's REST wire, and what this project's server has beside it."""

import base64
import json
import ssl
import time
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from serving.client.wire import DISTRUST, Rejected, Signature, Unavailable, read_signature
from serving.errors import UserError

OWN = ("localhost", "127.0.0.1", "::1")


class Rest:
    """A `Wire`; keeps connections open from one question to the next.

    Args:
        url: of the server.
        model: what it calls the model.
        ca: file of the certificates to trust in place of the system's.
        token: sent as a bearer token, unless empty.

    Raises:
        UserError: `ca` is none, or the URL no host's.
    """

    def __init__(self, url: str, model: str, ca: Path | None, token: str) -> None:
        self.url = url.rstrip("/")
        self.model = quote(model, safe="")
        # A proxy can't reach this machine's own addresses.
        try:
            own = httpx.URL(url).host in OWN
        except httpx.InvalidURL as error:
            raise UserError(f"--url must name a server; received {url!r}: {error}") from error
        try:
            trust = ssl.create_default_context(cafile=ca)
        except OSError as error:
            raise UserError(f"--ca must be a file of certificates in PEM; received {ca}: {error}") from error
        self._client = httpx.Client(base_url=self.url, verify=trust, trust_env=not own)
        if token:
            self._client.headers["Authorization"] = f"Bearer {token}"

    def signature(self, timeout: float) -> Signature:
        """The default signature."""
        metadata = self._ask("GET", f"/v1/models/{self.model}/metadata", timeout)
        return read_signature(metadata.get("metadata", {}).get("signature_def"))

    def labels(self, timeout: float) -> dict[str, Any]:
        """What this project's server tells of the answers."""
        return self._ask("GET", f"/models/{self.model}/labels", timeout)

    def predict(
        self, pictures: Sequence[bytes], signature: Signature, timeout: float
    ) -> list[dict[str, Any]]:
        """Plain numbers by output name, a picture each."""
        instances = [{"b64": base64.b64encode(picture).decode()} for picture in pictures]
        path = f"/v1/models/{self.model}:predict"
        rows = self._ask("POST", path, timeout, json={"instances": instances})["predictions"]
        if len(signature.outputs) == 1:  # a single output comes without its name
            rows = [{signature.outputs[0]: row} for row in rows]
        return rows

    def models(self, timeout: float) -> dict[str, Any]:
        """Which models this project's server asks about people."""
        return self._ask("GET", "/models", timeout)

    def faces(self, photo: bytes, timeout: float) -> dict[str, Any]:
        """What this project's server says of each face in a photo."""
        answer = self._ask("POST", f"/predict?model={self.model}", timeout, content=photo)
        return answer["files"][0]

    def close(self) -> None:
        """Lets go of its connections."""
        self._client.close()

    def _ask(self, method: str, path: str, timeout: float, **body: Any) -> dict[str, Any]:
        try:
            response = self._client.request(method, path, timeout=max(timeout, 0.001), **body)
        except httpx.TimeoutException as error:
            raise TimeoutError(f"no answer from {self.url} within {timeout:.3g} s") from error
        except httpx.HTTPError as error:
            text = f"no model server answers at {self.url}: {error}"
            lost = isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError)
            raise (Unavailable if lost and DISTRUST not in text else ConnectionError)(text) from error
        if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            text = f"{self.url} is unavailable: {_error_text(response)}"
            raise Unavailable(text, _retry_after(response.headers.get("Retry-After", "")))
        if response.is_error:
            raise Rejected(response.status_code, _error_text(response))
        try:
            return dict(response.json())
        except (TypeError, ValueError) as error:
            text = (
                f"no model server answers at {self.url}: it sends no JSON object, but {response.text!r:.80}"
            )
            raise ConnectionError(text) from error


def _error_text(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"])
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError):
        return f"{response.status_code} {response.reason_phrase}"


def _retry_after(value: str) -> float | None:
    """Seconds, of a number or a date."""
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
