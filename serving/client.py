"""Asks a server about photos: python -m serving.client PHOTO... Speaks to TensorFlow Serving as well."""

import base64
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPException
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from serving.answers import describe, sentence
from serving.errors import UserError, run_command
from serving.pictures import upright

Answers = dict[str, dict[str, Any]]


class Rejected(Exception):
    """The server answered with an error.

    Args:
        status: HTTP's.
        text: the server's own words.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Client:
    """Speaks TensorFlow Serving's REST wire.

    Args:
        url: of the server.
        model: what the server calls the model.
        timeout: seconds to wait for an answer.
    """

    def __init__(
        self, url: str = "http://127.0.0.1:8501", model: str = "faces", timeout: float = 60.0
    ) -> None:
        self.url = url.rstrip("/")
        self.model = urllib.parse.quote(model, safe="")
        self.timeout = timeout
        # A proxy can't reach this machine's own addresses.
        own = urllib.parse.urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")
        self._opener = urllib.request.build_opener(*[urllib.request.ProxyHandler({})] if own else [])

    @cached_property
    def tasks(self) -> dict[str, dict[str, Any]]:
        """The model's tasks by name; empty if the server does not tell, as TensorFlow Serving doesn't.

        Raises:
            ConnectionError: no server answers.
        """
        try:
            return self._ask(f"/models/{self.model}/labels").get("tasks", {})
        except Rejected:
            return {}

    @cached_property
    def outputs(self) -> list[str]:
        """Names of the default signature's outputs.

        Raises:
            Rejected: the server has no such model.
            ConnectionError: no server answers.
        """
        metadata = self._ask(f"/v1/models/{self.model}/metadata")
        try:
            return sorted(
                metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]["outputs"]
            )
        except (KeyError, TypeError) as error:
            raise Rejected(400, "it has no signature serving_default") from error

    def predict(self, pictures: Sequence[bytes]) -> list[Answers]:
        """What the model says of encoded pictures, in their order, as `answers.describe` puts it.

        Raises:
            Rejected: the server has no such model or can't read a picture.
            ConnectionError: no server answers.
        """
        if not pictures:
            return []
        instances = [{"b64": base64.b64encode(upright(picture)).decode()} for picture in pictures]
        rows = self._ask(f"/v1/models/{self.model}:predict", {"instances": instances})["predictions"]
        if len(self.outputs) == 1:  # a single output comes without its name
            rows = [{self.outputs[0]: row} for row in rows]
        return [describe(row, self.tasks) for row in rows]

    def _ask(self, path: str, document: dict[str, Any] | None = None) -> dict[str, Any]:
        body = None if document is None else json.dumps(document).encode()
        headers = {"Content-Type": "application/json"}
        try:
            request = urllib.request.Request(self.url + path, body, headers)
            with self._opener.open(request, timeout=self.timeout) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                raise Rejected(error.code, _error_text(error)) from error
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise ConnectionError(f"no model server answers at {self.url}: {reason}") from error


def _error_text(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"])
    except (ValueError, KeyError, TypeError):
        return f"{error.code} {error.reason}"


@dataclass(frozen=True)
class Flags:
    """Asks a running server about photos."""

    photos: tyro.conf.Positional[tuple[Path, ...]]
    """Pictures of a face each: JPEG, PNG, GIF, BMP or WebP."""
    url: str = "http://127.0.0.1:8501"
    """Where the server is."""
    model: str = "faces"
    """What the server calls the model."""
    json: bool = False
    """Print a line of JSON per photo instead of a table."""


def main() -> None:
    """Prints what the model says of each photo; exit code 1 if it says nothing of one."""
    flags, unknown = tyro.cli(
        Flags, prog="python -m serving.client", use_underscores=True, return_unknown_args=True
    )
    if unknown:
        raise UserError(f"no such flag: {unknown[0]}; see python -m serving.client --help")
    if not flags.photos:
        raise UserError("names of photos must be given; received none")
    try:
        client = Client(flags.url, flags.model)
    except ValueError as error:
        raise UserError(f"--url must be one such as {Flags.url}; received {flags.url!r}: {error}") from error
    try:
        client.outputs, client.tasks  # noqa: B018, before any photo: is there such a model at all
        with ThreadPoolExecutor(max_workers=4) as pool:
            results = list(pool.map(lambda photo: _result(client, photo), flags.photos))
    except ConnectionError as error:
        raise UserError(str(error)) from error
    except Rejected as error:
        raise UserError(f"{flags.url} has no model {flags.model!r} that takes photos: {error}") from error
    if flags.json:
        for photo, result in zip(flags.photos, results, strict=True):
            said = {"error": result} if isinstance(result, str) else result
            print(json.dumps({"file": str(photo), **said}, ensure_ascii=False))
    else:
        _print_table(flags.photos, results)
    if any(isinstance(result, str) for result in results):
        sys.exit(1)


def _result(client: Client, photo: Path) -> Answers | str:
    """The answers, or why there are none."""
    try:
        return client.predict([photo.read_bytes()])[0]
    except ConnectionError:
        raise
    except OSError as error:
        return f"can't be read: {error.strerror}"
    except Rejected as error:
        return str(error)


def _print_table(photos: Sequence[Path], results: Sequence[Answers | str]) -> None:
    both = list(zip(photos, results, strict=True))
    answered = [(photo, answers) for photo, answers in both if not isinstance(answers, str)]
    if answered:
        tasks = list(answered[0][1])
        table = Table(Column("file", overflow="fold"), *tasks)
        for photo, answers in answered:
            table.add_row(Text(str(photo)), *(Text(sentence(answers[task])) for task in tasks))
        Console().print(table)
    for photo, result in both:
        if isinstance(result, str):
            print(f"{photo}: {result}", file=sys.stderr)


if __name__ == "__main__":
    run_command(main)
