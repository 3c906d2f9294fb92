"""Routes, page, health and metrics, put together."""

from collections.abc import Collection
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.access import REQUEST_ID, AccessLog
from serving.bearer import Guarded
from serving.errors import Refused
from serving.intake import Limited
from serving.limits import Limits, Room
from serving.metrics import page
from serving.openapi import document
from serving.people import people
from serving.rest import refusal, rest
from serving.site import site
from serving.store import Store


def create_app(
    store: Store,
    timeout: float | None = None,
    room: Room | None = None,
    origins: Collection[str] = (),
    token: bytes | None = None,
) -> ASGIApp:
    """The HTTP application: TensorFlow Serving's wire under /v1, and beside it what people use, and health.

    Args:
        store: may be loaded later: until then /readyz answers 503 and no model is found.
        timeout: seconds after which a request no longer waits to be computed.
        room: what clients may take; by default, as much as the limits' defaults let them.
        origins: of the pages whose scripts may ask, "*" for any.
        token: what all must bring who ask a model; None if anybody may.
    """
    room = room or Room(Limits())
    # FastAPI's own document can't tell of /v1, and its pages are fetched from elsewhere.
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    app.include_router(people(store, timeout))
    app.include_router(site)

    @app.exception_handler(Refused)
    async def refuse(_: Request, refused: Refused) -> Response:
        return refusal(refused)

    @app.exception_handler(HTTPException)
    async def fail(request: Request, error: HTTPException) -> Response:
        text = f"{error.detail}: {request.method} {request.url.path}"
        return JSONResponse({"error": text}, error.status_code, error.headers)

    @app.exception_handler(Exception)
    async def crash(_: Request, __: Exception) -> Response:
        return refusal(Refused("INTERNAL", "Internal error"))

    @app.api_route("/healthz", methods=["GET", "HEAD"])
    async def alive() -> dict[str, str]:
        return {"status": "alive"}

    @app.api_route("/readyz", methods=["GET", "HEAD"])
    async def ready() -> dict[str, str]:
        if not store.ready:
            raise Refused("UNAVAILABLE", "a model is still loading")
        return {"status": "ready"}

    @app.get("/metrics")
    @app.get("/monitoring/prometheus/metrics")
    async def metrics() -> Response:
        return PlainTextResponse(page(), media_type="text/plain; version=0.0.4")

    @app.get("/openapi.json")
    async def openapi() -> dict[str, Any]:
        return document()

    @app.get("/models/{name}/labels")
    async def labels(name: str) -> Response:
        version, model = store.find(name)
        if model.labels is None:
            raise Refused("NOT_FOUND", f"{name}, version {version}, was exported without a labels.json")
        return Response(model.labels, media_type="application/json")

    models = rest(store, timeout, room.limits.max_body_bytes)

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        # Past FastAPI's own layers, which cost as much as reading the request does.
        await (models if scope["path"].startswith("/v1/") else app)(scope, receive, send)

    # Around the application, not in it: what it says of its own crashes takes the same way.
    zipped = GZipMiddleware(route, minimum_size=1024, compresslevel=1)
    limited = Limited(Guarded(zipped, token) if token else zipped, store, room)
    return AccessLog(
        CORSMiddleware(
            limited,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=[REQUEST_ID],
        )
        if origins
        else limited
    )
