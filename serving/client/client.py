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
        if not 0 < timeout < 2**31:
            raise UserError(f"--timeout must be above 0 and below 2**31; received {timeout}")
        self.url = url
        self.model = model
        self._retry = Retries(retries, timeout)
        self._wire = _wire(url, model, ca, os.environ.get(TOKEN, "").strip())
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

    def faces(self, photo: bytes) -> dict[str, Any]:
        """What the model says of each face that this project's server finds in an encoded photo.

        Returns:
            "faces": a list of answers as by `predict`, each with its "box": left, top, width and height in
            pixels of the upright photo; "found_by": "detector", or "whole picture" where the server has none;
            "width" and "height".

        Raises:
            Rejected: the server has no such model or can't read the photo.
            ConnectionError, TimeoutError: no server answers.
            UserError: the wire is gRPC.
        """
        wire = self._people
        answer = self._retry(lambda timeout: wire.faces(photo, timeout))
        return {name: said for name, said in answer.items() if name != "file"}

    @property
    def _people(self) -> Rest:
        if not isinstance(self._wire, Rest):
            raise UserError(f"faces are found over http:// and https:// alone; received {self.url}")
        return self._wire

    def check(self, faces: bool = False) -> None:
        """Asks for the model, before any photo.

        Args:
            faces: for one that `faces` may ask, not `predict`.

        Raises:
            Rejected: the server has no such model, or it takes no photos.
            ConnectionError, TimeoutError: no server answers.
            UserError: faces are to be found, and the wire is gRPC or the server not this project's.
        """
        if not faces:
            self.signature, self.tasks  # noqa: B018
            return
        try:
            known = [one["model"] for one in self._retry(self._people.models).get("models", [])]
        except Rejected as error:
            if error.status not in (400, 404):  # with which a server answers paths that it has not
                raise
            text = f"{self.url} must be this project's server: no other finds faces; it answers: {error}"
            raise UserError(text) from error
        if self.model not in known:
            raise Rejected(404, f"it knows {', '.join(known) or 'none'}")

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


def _wire(url: str, model: str, ca: Path | None, token: str) -> Wire:
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
