"""The page for people: plain files, sent so that browsers load nothing from elsewhere."""

from pathlib import Path

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse, HTMLResponse

from serving.docs import render
from serving.errors import Refused
from serving.openapi import document

WEB = Path(__file__).parent / "web"
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Permissions-Policy": "camera=(self)",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

site = APIRouter()
"""The routes /, /docs and /web."""


@site.api_route("/", methods=["GET", "HEAD"])
async def page() -> Response:
    """The page itself."""
    return _file(WEB / "index.html")


@site.api_route("/docs", methods=["GET", "HEAD"])
async def docs() -> Response:
    """What is spoken, to read."""
    return HTMLResponse(render(document()), headers=HEADERS)


@site.api_route("/web/{name}", methods=["GET", "HEAD"])
async def part(name: str) -> Response:
    """What the page is made of."""
    files = {file.name: file for file in WEB.iterdir()}
    if name not in files:
        raise Refused("NOT_FOUND", f"the page has no file {name[:200]}")
    return _file(files[name])


def _file(path: Path) -> Response:
    return FileResponse(path, media_type=TYPES[path.suffix], headers=HEADERS)
