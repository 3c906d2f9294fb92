"""What went wrong, and how a command or an answer says so."""

import re
import sys
from collections.abc import Callable
from typing import Literal

Code = Literal[
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "UNAUTHENTICATED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
]
"""The canonical status codes that TensorFlow and gRPC share, by name."""


class UserError(Exception):
    """Bad input to a command: the message names the rule, what was received and the way out, in one line."""


class Refused(Exception):
    """A request that gets no answer.

    Args:
        code: what kind of refusal; the wire turns it into its own status.
        text: the reason, for the one who asked.
        http_status: where HTTP knows a more exact one than the code's own.
    """

    def __init__(self, code: Code, text: str, http_status: int | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.http_status = http_status


def reason(message: str, folder: str = "") -> str:
    """What a TensorFlow error says to the one who asked: one line without graph nodes, frames and paths.

    Args:
        message: the error's.
        folder: which it may be about; its name may have spaces, where no path is told from words.
    """
    message = re.sub(r"\[\[.*?\]\]|\{\{.*?\}\}|\[Op:[^\]]*\]", "", message)
    if folder:
        message = re.sub(rf"{re.escape(folder)}[^\s'\":;,]*", "...", message)
    message = re.sub(r"""(['"])/[^'"\n]*\1""", r"\1...\1", message)
    message = re.sub(r"""\b(?:(?:file|gs|hdfs|ram|s3)://|[A-Za-z]:\\)[^\s'"]+""", "...", message)
    message = re.sub(r"(?<![\w:/])(?:/[\w.@+-]+){2,}/?", "...", message)
    notices = ("Graph execution error", "Detected at node", "<stack traces", 'File "')
    lines = [line.strip() for line in message.splitlines()]
    lines = [line for line in lines if line and not line.startswith(notices) and "root error" not in line]
    if not lines:
        return "the model failed without a reason"
    line = re.sub(r"^\(\d+\) [A-Z_]+:\s*", "", lines[0])
    # What an assertion says comes piece by piece: [at most 9 rows; received] [10].
    return re.sub(r"\[(.*?)\](?= |$)", r"\1", line) if line.startswith("assertion failed: ") else line


def run_command(main: Callable[[], None]) -> None:
    """Runs a command: a `UserError` becomes one line on stderr and exit code 2, Ctrl-C exit code 130."""
    try:
        main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)
