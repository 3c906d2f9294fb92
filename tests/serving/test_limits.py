"""What clients may take of a server, on real sockets: bytes, time, places."""

import gzip
import json
import select
import threading
import time
from contextlib import ExitStack

import grpc
import pytest
from load import asking
from rpc_requests import call
from running import answer, connected, running

from serving.batching import Batcher, BatchingParameters
from serving.config import one_model
from serving.quiet import tf
from serving.store import Store

# isort: split
from tensorflow_serving.apis.predict_pb2 import PredictRequest

MOST = 2000
PREDICT = b"POST /v1/models/odd:predict HTTP/1.1\r\nHost: a\r\n"
ONE = b'{"instances": [1]}'


@pytest.fixture(scope="module")
def port(odd):
    with running(odd, max_body_bytes=MOST, header_timeout_seconds=0.5, body_timeout_seconds=0.5) as (port, _):
        yield port


def with_length(body, *headers):
    return b"\r\n".join([PREDICT[:-2], *headers, b"Content-Length: %d" % len(body), b"", body])


def chunked(*chunks):
    return (
        PREDICT
        + b"Transfer-Encoding: chunked\r\n\r\n"
        + b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks)
    )


LONG = b'{"instances": [1%s]}' % (b" " * MOST)
DRIPS = [b" "] * 600


@pytest.mark.parametrize(
    ("sent", "status", "error"),
    [
        ([PREDICT + b"Content-Length: 2001\r\n\r\n"], 413, "a request's body must have at most 2000 bytes"),
        ([PREDICT + b"Expect: 100-continue\r\nContent-Length: 2001\r\n\r\n"], 413, "at most 2000 bytes"),
        ([chunked(b" " * 1500, b" " * 501)], 413, "a request's body must have at most 2000 bytes"),
        ([chunked(LONG), b"0\r\n\r\n"], 413, "a request's body must have at most 2000 bytes"),
        ([with_length(gzip.compress(LONG), b"Content-Encoding: gzip")], 413, "inflate to at most 2000 bytes"),
        ([PREDICT + b"A: %s" % (b"a" * 2**14)], 431, "a request's head must have at most 16384 bytes"),
        ([b"GET /healthz HTTP/1.1\r\n"], 408, "a request's head must come within 0.5 s"),
        ([b"GET /healthz HTTP/1.1\r\nA: ", *DRIPS], 408, "a request's head must come within 0.5 s"),
        ([PREDICT + b"Content-Length: 9\r\n\r\n{"], 408, "must come within 0.5 s; received 1 bytes of it"),
        ([PREDICT + b"Content-Length: 900\r\n\r\n", *DRIPS], 408, "a request's body must come within 0.5 s"),
        ([b"what\r\n\r\n"], 400, "Invalid HTTP request received"),
        ([PREDICT + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n"], 400, "Invalid HTTP request received"),
    ],
)
def test_what_goes_beyond_a_limit_is_refused(port, sent, status, error):
    with connected(port) as connection:
        for part in sent:
            if select.select([connection], [], [], 0.1 if part in DRIPS else 0)[0]:
                break
            connection.sendall(part)
        response, body = answer(connection)
        assert response.status == status
        assert error in json.loads(body)["error"]
        closes = "inflate" not in error  # its body has been read: nothing stands in the next one's way
        assert response.getheader("connection") == ("close" if closes else None)
        assert not closes or connection.recv(1) == b""


def test_what_just_fits_is_answered(port):
    body = ONE + b" " * (MOST - len(ONE))
    with connected(port) as connection:
        for request in (
            with_length(body),
            chunked(body[:3], body[3:]) + b"0\r\n\r\n",
            with_length(gzip.compress(body), b"Content-Encoding: gzip"),
            b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        ):
            connection.sendall(request)
            assert answer(connection)[0].status == 200


def test_who_sends_it_all_before_reading_is_told_too(odd):
    with running(odd, max_body_bytes=MOST) as (port, _), connected(port) as connection:
        connection.sendall(with_length(b" " * 2**24))
        assert answer(connection)[0].status == 413


def test_idle_connections_are_closed(odd):
    with running(odd, keep_alive_seconds=0.2, header_timeout_seconds=0.2) as (port, _):
        with connected(port) as connection:
            connection.sendall(with_length(ONE))
            assert answer(connection)[0].status == 200
            assert connection.recv(1) == b""
        with connected(port) as connection:  # one that never asks
            assert connection.recv(1) == b""


@pytest.fixture(scope="module")
def waiting(half_plus):
    """A store whose requests wait for others to be computed with."""
    batcher = Batcher(BatchingParameters(batch_timeout_micros=200_000))
    store = Store(one_model("half", half_plus[2].parent), batcher=batcher)
    store.load()
    return store


def predict(port, model):
    """Status, headers and document of an answer."""
    with connected(port) as connection:
        connection.sendall(with_length(ONE).replace(b"odd", model))
        response, body = answer(connection)
        return response.status, response.headers, json.loads(body)


def predict_over_rpc(channel, model):
    """The status code of an answer."""
    request = PredictRequest(model_spec={"name": model})
    request.inputs["x"].CopyFrom(tf.make_tensor_proto([1.0]))
    try:
        call(channel, request)
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def repeated(ask, wanted):
    """The first answer that is wanted; what is in flight at the same moment is not in the asker's hand."""
    until = time.monotonic() + 60
    while not wanted(found := ask()):
        assert time.monotonic() < until, found
    return found


def test_more_at_once_than_there_are_places_are_refused_at_once(waiting):
    with (
        running(waiting, max_concurrent_requests=1) as (port, address),
        grpc.insecure_channel(address) as channel,
    ):
        with asking(lambda: predict(port, b"half")):
            _, headers, document = repeated(lambda: predict(port, b"half"), lambda found: found[0] == 503)
            assert document == {"error": "1 requests are being answered already; try again later"}
            assert headers["retry-after"] == "1"
            refused = grpc.StatusCode.RESOURCE_EXHAUSTED
            repeated(lambda: predict_over_rpc(channel, "half"), lambda code: code is refused)
            with connected(port) as connection:
                for path in (b"/healthz", b"/metrics", b"/v1/models/half"):
                    connection.sendall(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % path)
                    response, page = answer(connection)
                    assert response.status == 200
                    if path == b"/metrics":
                        for name in ("half", ""):  # who is refused over gRPC has not been read
                            assert (
                                f'request_count{{model_name="{name}",status="RESOURCE_EXHAUSTED"}}'
                                in page.decode()
                            )
        assert predict(port, b"half")[0] == 200
        assert predict_over_rpc(channel, "half") is grpc.StatusCode.OK


def slow_call(channel, over):
    """One that ends at the event, without a message."""

    def messages():
        over.wait()
        yield from ()

    return channel.stream_unary("/tensorflow.serving.PredictionService/Predict").future(messages())


def test_slow_senders_keep_nobody_waiting(odd):
    heads, bodies, calls = 150, 60, 60
    with (
        running(odd, max_concurrent_requests=1, body_timeout_seconds=2) as (port, address),
        grpc.insecure_channel(address) as channel,
        ExitStack() as stack,
    ):
        for begun in [PREDICT] * heads + [PREDICT + b"Content-Length: 20\r\n\r\n{"] * bodies:
            stack.enter_context(connected(port)).sendall(begun)
        over = threading.Event()
        stack.callback(over.set)
        futures = [slow_call(channel, over) for _ in range(calls)]
        assert predict(port, b"odd")[0] == 200
        assert predict_over_rpc(channel, "odd") is grpc.StatusCode.OK
        codes = {future.code() for future in futures}
        # The latter, if they came while the one place was taken.
        assert codes - {grpc.StatusCode.RESOURCE_EXHAUSTED} == {grpc.StatusCode.DEADLINE_EXCEEDED}


def test_who_still_sends_when_the_server_stops_is_told_so(odd):
    with ExitStack() as stack:
        with running(odd, body_timeout_seconds=10) as (port, address):
            connection = stack.enter_context(connected(port))
            channel = stack.enter_context(grpc.insecure_channel(address))
            over = threading.Event()
            stack.callback(over.set)
            slow = slow_call(channel, over)
            assert predict_over_rpc(channel, "odd") is grpc.StatusCode.OK
            connection.sendall(PREDICT + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n")
            assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        response, body = answer(connection)
        assert (response.status, response.getheader("retry-after")) == (503, "1")
        assert json.loads(body) == {"error": slow.details()} == {"error": "the server stops; ask again"}
        assert slow.code() is grpc.StatusCode.UNAVAILABLE


def test_no_more_calls_are_open_than_memory_is_reckoned_for(odd, monkeypatch):
    monkeypatch.setattr("serving.__main__.RPC_CALLS", 3)
    with running(odd) as (_, address), grpc.insecure_channel(address) as channel, ExitStack() as stack:
        over = threading.Event()
        stack.callback(over.set)
        slow = [slow_call(channel, over) for _ in range(3)]
        refused = grpc.StatusCode.RESOURCE_EXHAUSTED
        assert repeated(lambda: predict_over_rpc(channel, "odd"), lambda code: code is refused)
        over.set()
        # Refused is one that came while another was being answered; the others end without a message.
        assert {call.code() for call in slow} - {refused} == {grpc.StatusCode.INVALID_ARGUMENT}


def test_bodies_on_their_way_take_no_more_memory_than_there_is(odd):
    half = with_length(ONE + b" " * 900)[:-300]
    with (
        running(odd, max_body_bytes=1000, max_concurrent_requests=1) as (port, address),
        connected(port) as first,
        grpc.insecure_channel(address) as channel,
    ):
        first.sendall(half)

        def refused():
            with connected(port) as second:
                second.sendall(half)
                return select.select([second], [], [], 0.1)[0] and answer(second)

        response, body = repeated(refused, bool)
        assert (response.status, json.loads(body)["error"]) == (
            503,
            "bodies of other requests take all memory; try again later",
        )
        with pytest.raises(grpc.RpcError, match="bodies of other requests take all memory"):
            call(channel, PredictRequest(model_spec={"name": "o" * 500}))
        assert predict_over_rpc(channel, "odd") is grpc.StatusCode.OK
        first.sendall(b" " * 300)
        assert answer(first)[0].status == 200


def test_a_long_message_is_refused_over_rpc_as_well(odd):
    with running(odd, max_body_bytes=1000) as (_, address), grpc.insecure_channel(address) as channel:
        request = PredictRequest(model_spec={"name": "o" * 1000})
        with pytest.raises(grpc.RpcError) as refused:
            call(channel, request)
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert predict_over_rpc(channel, "odd") is grpc.StatusCode.OK
