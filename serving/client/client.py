"""The client, whichever wire it speaks."""

import json
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from serving.answers import describe
from serving.client.rest import Rest
from serving.client.retries import Retries
from serving.client.wire import Rejected, Signature, Wire
from serving.errors import UserError
from serving.pictures import upright

Answers = dict[str, dict[str, Any]]


class Client:
    """Asks one model of one server, this project's or TensorFlow Serving. Threads may share it.

    A request is sent again while the server is unavailable (503, UNAVAILABLE, connection refused or lost).

    Args:
        url: of the server: http:// or https:// for REST, grpc:// or grpcs:// for gRPC.
        model: what the server calls the model.
        timeout: seconds to wait for an answer, retries included.
        retries: how often at most a request is sent again.
        labels: an export's assets.extra/labels.json, for servers that do not tell what answers mean.
        ca: file of certificates in PEM that the server's must be signed by; if not given, those that the
            system trusts.

    Raises:
        UserError: an argument is none of these.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8501",
        model: str = "faces",
        timeout: float = 60.0,
        retries: int = 4,
        labels: Path | None = None,
        ca: Path | None = None,
    ) -> None:
        self.url = url
        self._retry = Retries(retries, timeout)
        self._wire = _wire(url, model, ca, os.environ.get(TOKEN))
        if labels is not None:
            self.tasks = _read_labels(labels)

    @cached_property
    def tasks(self) -> dict[str, dict[str, Any]]:
        """The model's tasks by name; empty if the server does not tell, as TensorFlow Serving doesn't.

        Raises:
            ConnectionError, TimeoutError: no server answers.
        """
        try:
            return self._retry(self._wire.labels).get("tasks", {})
        except Rejected:
            return {}

    @cached_property
    def signature(self) -> Signature:
        """The model's default signature.

        Raises:
            Rejected: the server has no such model, or the model takes something else.
            ConnectionError, TimeoutError: no server answers.
        """
        return self._retry(self._wire.signature)

    def predict(self, pictures: Sequence[bytes]) -> list[Answers]:
        """What the model says of encoded pictures, in their order, as `answers.describe` puts it.

        Raises:
            Rejected: the server has no such model or can't read a picture.
            ConnectionError, TimeoutError: no server answers.
            UserError: the labels are another model's.
        """
        if not pictures:
            return []
        turned = [upright(picture) for picture in pictures]
        signature, tasks = self.signature, self.tasks
        rows = self._retry(lambda timeout: self._wire.predict(turned, signature, timeout))
        try:
            return [describe(row, tasks) for row in rows]
        except (KeyError, TypeError, ValueError) as error:
            text = f"labels must be the model's own; its answers do not fit those of {', '.join(tasks)}"
            raise UserError(f"{text}: {error!r}") from error

    def close(self) -> None:
        """Lets go of its connections."""
        self._wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


SCHEMES = ("http", "https", "grpc", "grpcs")
TOKEN = "SERVING_TOKEN"
"""Environment variable of the bearer token, where the server asks for one."""


def _wire(url: str, model: str, ca: Path | None, token: str | None) -> Wire:
    try:
        parts = urlsplit(url)
        if not (parts.scheme in SCHEMES and parts.hostname and parts.port != 0):
            raise ValueError(f"it must begin with one of {', '.join(f'{scheme}://' for scheme in SCHEMES)}")
    except ValueError as error:
        raise UserError(
            f"--url must be one such as http://127.0.0.1:8501; received {url!r}: {error}"
        ) from error
    if parts.scheme in ("http", "https"):
        return Rest(url, model, ca, token)
    from serving.client.rpc import Rpc

    return Rpc(parts.netloc, model, parts.scheme == "grpcs", ca, token)


def _read_labels(path: Path) -> dict[str, dict[str, Any]]:
    try:
        return dict(json.loads(path.read_bytes())["tasks"])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"--labels must be the assets.extra/labels.json of an export; received {path}: {error!r}"
        ) from error
