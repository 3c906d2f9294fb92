"""Clients that ask over HTTP, each as soon as it has its answer: cheap, since they share the machine."""

import contextlib
import dataclasses
import re
import selectors
import socket
import time

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
PATIENCE = 60.0
"""Seconds without any answer, after which there is none to come."""


@dataclasses.dataclass(frozen=True)
class Load:
    """What became of the requests of some time.

    Args:
        latencies: seconds from sending a request to having its whole answer, of each that was answered.
        seconds: from the first request to the last answer.
        cpu_seconds: what the clients themselves took of them, all in one thread.
    """

    latencies: list[float]
    seconds: float
    cpu_seconds: float


def http_request(host: str, port: int, path: str, body: bytes) -> bytes:
    """The bytes of a POST with a JSON body, over a connection that is kept."""
    head = f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def ask(host: str, port: int, request: bytes, clients: int, seconds: float) -> Load:
    """Lets so many clients ask for so many seconds, each one request at a time over its own connection.

    Raises:
        RuntimeError: an answer has another status than 200 or no length, or none comes.
    """
    latencies: list[float] = []
    sent: dict[socket.socket, float] = {}
    received: dict[socket.socket, bytes] = {}
    with contextlib.ExitStack() as stack:
        waiting = stack.enter_context(selectors.EpollSelector())
        sockets = [stack.enter_context(socket.create_connection((host, port))) for _ in range(clients)]
        start, cpu_start = time.perf_counter(), time.process_time()
        for each in sockets:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            waiting.register(each, selectors.EVENT_READ, each)
            received[each] = b""
            sent[each] = time.perf_counter()
            each.sendall(request)
        while sent:
            ready = waiting.select(PATIENCE)
            if not ready:
                raise RuntimeError(f"an answer must come within {PATIENCE:.0f} s; received none")
            for key, _ in ready:
                client: socket.socket = key.data
                part = client.recv(2**16)
                received[client] += part
                if not _whole(received[client], ended=not part):
                    continue
                now = time.perf_counter()
                latencies.append(now - sent[client])
                received[client] = b""
                if now - start < seconds:
                    sent[client] = now
                    client.sendall(request)
                else:
                    del sent[client]
        took = time.perf_counter() - start, time.process_time() - cpu_start
    return Load(latencies, *took)


def _whole(answer: bytes, ended: bool) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    length = LENGTH.search(head) if end else None
    if ended or (end and (length is None or not head.startswith(b"HTTP/1.1 200 "))):
        raise RuntimeError(
            f"an answer must have status 200 and be as long as it says; received {answer[:200]!r}"
        )
    return length is not None and len(body) >= int(length[1])
