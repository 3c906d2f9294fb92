"""Protocol messages that users write into files, in text format."""

from pathlib import Path
from typing import TypeVar

from google.protobuf import text_format
from google.protobuf.message import Message

from serving.errors import UserError

M = TypeVar("M", bound=Message)


def read_message(flag: str, path: Path, message: M, kind: str) -> M:
    """`message`, filled with what a file holds.

    Args:
        flag: that names the file.
        path: of the file.
        message: empty.
        kind: what it is called, with its article.

    Raises:
        UserError: the file can't be read or holds something else.
    """
    try:
        return text_format.Parse(path.read_text(), message)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{flag} must be a file that can be read; received {path}: {error}") from error
    except text_format.ParseError as error:
        raise UserError(f"{flag} must hold {kind} in text format; received {path}: {error}") from error
