"""The token without which nobody is answered, if the server has one."""

import hmac
import os
import re
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.errors import Refused, UserError

VARIABLE = "SERVING_TOKEN"
OPEN = re.compile(r"/|/healthz|/readyz|/docs|/openapi\.json|/web/[^/]*")
"""What holds nothing of the models, and is sent to anybody."""
MISSING = "this server asks for a token; send it as the header Authorization: Bearer TOKEN"


def read_token(file: str) -> bytes | None:
    """The token in a file, or in the environment variable SERVING_TOKEN if no file is named; None if neither.

    Raises:
        UserError: the file can't be read, or what it holds is no token.
    """
    if file:
        try:
            token, place = Path(file).read_text().strip(), f"--token_file {file}"
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"--token_file must be a file that holds a token; {file}: {error}") from error
    elif VARIABLE in os.environ:
        token, place = os.environ[VARIABLE].strip(), VARIABLE
    else:
        return None
    if not re.fullmatch(r"[\w.~+/-]+=*", token, re.ASCII):
        rule = "must hold a token: letters, digits and -._~+/ in one line, such as openssl rand -hex 32 makes"
        raise UserError(f"{place} {rule}; received {len(token)} characters")
    return token.encode()


def check(token: bytes, authorization: str | bytes | None) -> None:
    """Raises if an Authorization header does not bring the token; how much of it is right takes no time.

    Raises:
        Refused: UNAUTHENTICATED.
    """
    header = authorization if isinstance(authorization, bytes) else (authorization or "").encode()
    kind, _, brought = header.partition(b" ")
    if kind.lower() != b"bearer" or not hmac.compare_digest(brought.strip(), token):
        raise Refused("UNAUTHENTICATED", MISSING)


class Guarded:
    """ASGI middleware that answers only who brings the token, but for what is `OPEN`.

    Args:
        app: what answers.
        token: what must be brought.
    """

    def __init__(self, app: ASGIApp, token: bytes) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] == "http" and not OPEN.fullmatch(scope["path"]):
            try:
                check(self._token, Headers(scope=scope).get("authorization"))
            except Refused as refused:
                response = JSONResponse({"error": str(refused)}, 401, {"WWW-Authenticate": "Bearer"})
                return await response(scope, receive, send)
        await self._app(scope, receive, send)
