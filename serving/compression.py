"""gzip, as HTTP bodies come in it."""

import gzip
import io
import zlib

from serving.errors import Refused


def inflate(body: bytes, max_bytes: int) -> bytes:
    """What a gzip body holds; no more than `max_bytes` of it is ever in memory.

    Raises:
        Refused: INVALID_ARGUMENT, it is no whole gzip file, or as status 413 one that holds more.
    """
    try:
        inflated = gzip.GzipFile(fileobj=io.BytesIO(body)).read(max_bytes + 1)
    except (EOFError, OSError, zlib.error) as error:
        text = "a body sent with Content-Encoding: gzip must be a whole gzip file; received something else"
        raise Refused("INVALID_ARGUMENT", text) from error
    if len(inflated) > max_bytes:
        text = f"a gzip request body must inflate to at most {max_bytes} bytes; received a longer one"
        raise Refused("INVALID_ARGUMENT", text, http_status=413)
    return inflated
