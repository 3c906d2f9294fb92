"""A server as a process of its own, ended by a signal."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def served(*arguments: object) -> Iterator[tuple[str, str]]:
    """Serves on free ports while the block runs, and sees that the server lives until its end, and ends well.

    Args:
        arguments: of the command.

    Yields:
        The address of gRPC, and host and port of REST.
    """
    command = [sys.executable, "-m", "serving", *map(str, arguments), "--rest_api_port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            said = server.stdout.readline() if server.stdout else ""
            found = re.search(r"gRPC at (\S+), REST at http://(\S+)", said)
            assert found, said
            yield found[1], found[2]
            assert server.poll() is None
        finally:
            server.send_signal(signal.SIGTERM)
    assert server.returncode == 0
