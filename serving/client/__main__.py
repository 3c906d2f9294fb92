"""Asks a server about photos: python -m serving.client PHOTO... Speaks to TensorFlow Serving as well."""

import io
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import tyro

from serving.client.client import TOKEN, Client
from serving.client.drawing import draw, save_copy
from serving.client.output import Result, print_table, progress
from serving.client.wire import Rejected
from serving.errors import Refused, UserError, run_command

AT_FAULT = (400, 413, 415, 422, "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED")
"""With what a server rejects a picture that is none, too large or of a kind it can't read."""
NOT_LET_IN = (401, 403, "UNAUTHENTICATED", "PERMISSION_DENIED")


@dataclass(frozen=True)
class Flags:
    """Asks a running server about photos.

    Exit code 0: all are answered. 1: the server failed to answer one. 2: one is no picture that can be read,
    or nothing could be asked. A bearer token is taken from the environment variable SERVING_TOKEN.
    """

    photos: tyro.conf.Positional[tuple[Path, ...]]
    """Pictures of a face each, or, with --faces, of any number: JPEG, PNG, GIF, BMP or WebP."""
    url: str = "http://127.0.0.1:8501"
    """Where the server is: http:// or https:// for REST, grpc:// or grpcs:// for gRPC."""
    model: str = "faces"
    """What the server calls the model."""
    labels: Path | None = None
    """The export's assets.extra/labels.json, where the server does not tell what answers mean, as TensorFlow
    Serving doesn't."""
    json: bool = False
    """Print a line of JSON per photo instead of a table."""
    faces: bool = False
    """Find the faces in each photo and ask about each. This project's server does, over REST."""
    draw: Path | None = None
    """Folder for copies of the photos with boxes and answers; means --faces. No file is overwritten."""
    retries: int = 4
    """How often at most to ask again while the server is unavailable (503), each time after a longer wait."""
    timeout: float = 60.0
    """Seconds to wait for an answer to a photo, retries included."""
    parallel: int = 4
    """How many photos to ask about at the same time."""
    ca: Path | None = None
    """File of certificates in PEM that the server's must be signed by."""


def main() -> None:
    """Prints what the model says of each photo."""
    flags = _flags()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name may be bytes of any kind
    with Client(flags.url, flags.model, flags.timeout, flags.retries, flags.labels, flags.ca) as client:
        _check(flags, client)
        results: list[Result] = []
        try:
            with (
                progress(len(flags.photos), flags.json) as bar,
                ThreadPoolExecutor(flags.parallel) as pool,
            ):
                answered = pool.map(lambda photo: _result(client, photo, flags), flags.photos)
                for result in bar.track(answered, total=len(flags.photos)):
                    results.append(result)
                    if flags.json:
                        print(result.line(), flush=True)
        finally:  # what is known when it is stopped, is shown
            if not flags.json:
                print_table(results)
    sys.exit(max(result.blame for result in results))


def _flags() -> Flags:
    flags, unknown = tyro.cli(
        Flags, prog="python -m serving.client", use_underscores=True, return_unknown_args=True
    )
    if unknown:
        raise UserError(f"no such flag: {unknown[0]}; see python -m serving.client --help")
    if not flags.photos:
        raise UserError("names of photos must be given; received none")
    for name, least in (("retries", 0), ("parallel", 1)):
        if getattr(flags, name) < least:
            raise UserError(f"--{name} must be at least {least}; received {getattr(flags, name)}")
    return flags


def _check(flags: Flags, client: Client) -> None:
    """Before any photo: is there such a model, and a place for copies?"""
    try:
        client.check(flags.faces or flags.draw is not None)
    except OSError as error:  # ConnectionError, TimeoutError
        raise UserError(str(error)) from error
    except Rejected as error:
        if error.status in NOT_LET_IN:
            raise UserError(f"{flags.url} asks for a token, which {TOKEN} must hold: {error}") from error
        raise UserError(f"{flags.url} has no model {flags.model!r} that takes photos: {error}") from error
    if flags.draw is not None:
        try:
            flags.draw.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            text = f"--draw must be a folder, there or not; received {flags.draw}: {error.strerror}"
            raise UserError(text) from error


def _result(client: Client, photo: Path, flags: Flags) -> Result:
    try:
        encoded = photo.read_bytes()
    except OSError as error:
        return Result(photo, error=f"can't be read: {error.strerror}", blame=2)
    if not encoded:
        return Result(photo, error="the file is empty", blame=2)
    try:
        if not flags.faces and flags.draw is None:
            return Result(photo, client.predict([encoded])[0])
        said = client.faces(encoded)
    except Rejected as error:
        text = str(error).removeprefix("picture: ")  # as /predict calls a file without a name
        return Result(photo, error=text, blame=2 if error.status in AT_FAULT else 1)
    except OSError as error:  # ConnectionError, TimeoutError
        return Result(photo, error=str(error), blame=1)
    if flags.draw is None or not said["faces"]:
        return Result(photo, said)
    try:
        copy = save_copy(draw(encoded, said["faces"]), flags.draw, photo)
    except (OSError, Refused) as error:
        return Result(photo, said, f"no copy was drawn: {error}", blame=1)
    return Result(photo, {**said, "drawn": str(copy)})


if __name__ == "__main__":
    run_command(main)
