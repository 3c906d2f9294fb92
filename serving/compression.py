"""gzip, as HTTP bodies come in it."""

import zlib

from serving.errors import Refused


def inflate(body: bytes, max_bytes: int) -> bytes:
    """What a gzip body holds; no more than `max_bytes` of it is ever in memory.

    Raises:
        Refused: INVALID_ARGUMENT, it is no whole gzip file, or as status 413 one that holds more.
    """
    parts, left = [], max_bytes
    while body:
        stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            parts.append(stream.decompress(body, left + 1))
        except zlib.error as error:
            raise _broken() from error
        left -= len(parts[-1])
        if left < 0:
            raise Refused(
                "INVALID_ARGUMENT",
                f"a gzip request body must inflate to at most {max_bytes} bytes; received a longer one",
                http_status=413,
            )
        if not stream.eof:
            raise _broken()
        body = stream.unused_data  # a gzip file may be several, one after the other
    return b"".join(parts)


def _broken() -> Refused:
    return Refused(
        "INVALID_ARGUMENT",
        "a body sent with Content-Encoding: gzip must be a whole gzip file; received something else",
    )
