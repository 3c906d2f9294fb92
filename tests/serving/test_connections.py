"""Connections on real sockets: heads without end, and answers that nobody takes."""

import asyncio
import json
import socket
import time
from contextlib import suppress

import pytest
import running as server
from running import answer, connected, running

MOST = 16 * 2**10


async def app(scope, receive, send):
    """Answers /SECONDS/BYTES after so many seconds by so many bytes."""
    _, seconds, size = scope["path"].split("/")
    while (await receive()).get("more_body"):
        pass
    await asyncio.sleep(float(seconds))
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", size.encode())]}
    )
    await send({"type": "http.response.body", "body": bytes(int(size))})


@pytest.fixture(scope="module")
def port(odd):
    """Of a server whose system holds little of what it sends."""

    def bind(*address):
        listener = bind_any(*address)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # as little as the system can
        return listener

    bind_any = server._bind
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "_bind", bind)
        with running(odd, app=lambda *_, **__: app, header_timeout_seconds=1, body_timeout_seconds=0.5) as (
            port,
            _,
        ):
            yield port


def get(path, *headers):
    return b"\r\n".join([b"GET %s HTTP/1.1" % path, *headers, b"", b""])


NOW, SLOW = get(b"/0/1"), get(b"/3/1")
POST = b"POST /0/1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"
ENDLESS = b"A: " + b"a" * MOST


@pytest.mark.parametrize(
    ("sent", "status", "error"),
    [
        ([SLOW, b"GET / HTTP/1.1\r\n", ENDLESS], 431, "a request's head must have at most 16384 bytes"),
        ([SLOW + b"GET / HTTP/1.1\r\n", ENDLESS], 431, "a request's head must have at most 16384 bytes"),
        ([SLOW, b"GET / HTTP/1.1\r\n"], 408, "a request's head must come within 1 s"),
        ([SLOW + b"GET / HTTP/1.1\r\n"], 408, "a request's head must come within 1 s"),
        ([get(b"/0/1", ENDLESS)], 431, "a request's head must have at most 16384 bytes"),
        ([get(b"/0/1", *[b"A: " + b"a" * 97] * 200)], 431, "a request's head must have at most 16384 bytes"),
        ([get(b"/0/" + b"1" * MOST)], 431, "a request's head must have at most 16384 bytes"),
        ([POST, b"0\r\n", ENDLESS], 431, "a request's head must have at most 16384 bytes"),
        ([POST, b"1;", ENDLESS], 431, "a request's head must have at most 16384 bytes"),
    ],
    ids=["long", "long behind", "slow", "slow behind", "whole", "many", "path", "trailer", "chunk"],
)
def test_a_head_has_an_end_whatever_else_is_on_its_way(port, sent, status, error):
    with connected(port) as connection:
        for part in sent:
            connection.sendall(part)
            time.sleep(0.05)
        response, body = answer(connection)
        assert (response.status, json.loads(body)) == (status, {"error": error})
        assert connection.recv(1) == b""


BODY = b"POST /0/1 HTTP/1.1\r\nContent-Length: 60000\r\n\r\n" + bytes(60_000)


@pytest.mark.parametrize(
    ("sent", "rest", "answers"),
    [
        ([get(b"/0/1", b"A: " + b"a" * (MOST - len(get(b"/0/1", b"A: "))))], b"", 1),
        ([BODY[:30_000], BODY[30_000:]], b"", 1),
        ([BODY + NOW[:9]], NOW[9:], 2),
        ([b"\r\n" + BODY], NOW, 2),
        ([get(b"/1.3/1"), NOW + NOW[:9]], NOW[9:], 3),  # while nothing is read, no time passes
    ],
    ids=["just fits", "a body in parts", "behind a body", "behind a line", "behind two"],
)
def test_heads_are_counted_and_timed_by_themselves(port, sent, rest, answers):
    with connected(port) as connection:
        for part in sent:
            connection.sendall(part)
            time.sleep(0.1)
        found = b""
        for expected, more in ((answers - 1, rest), (answers, b"")):
            while found.count(b" 200 OK") < expected:
                found += connection.recv(2**16) or pytest.fail("closed")
            connection.sendall(more)


@pytest.mark.parametrize(
    ("sent", "size"),
    [
        ([get(b"/0/40000", b"Connection: close")], 40_000),
        ([get(b"/0/40000").replace(b"1.1", b"1.0")], 40_000),
        ([get(b"/0/40000"), b"G"], 40_000),
        ([get(b"/0/300000") * 2], 600_000),
    ],
    ids=["closed", "HTTP/1.0", "a byte behind", "two"],
)
def test_an_answer_that_nobody_takes_has_an_end(port, sent, size):
    with connected(port, SO_RCVBUF=1) as connection:
        for part in sent:
            connection.sendall(part)
            time.sleep(0.2)
        time.sleep(2)
        taken = 0
        with suppress(ConnectionResetError):
            while taken < size and (part := connection.recv(2**16)):
                taken += len(part)
        assert taken < size
