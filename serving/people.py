"""What people ask: POST /predict takes picture files and answers in words and numbers, by face."""

import io
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request, Response
from PIL import Image
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from serving.answers import sentence
from serving.deadline import check_deadline, within
from serving.errors import Refused
from serving.faces import LATE, crop, detector, visible
from serving.headers import MAX_PIXELS
from serving.metrics import observed
from serving.pictures import animated, decode
from serving.predictor import Predictor
from serving.store import Store

MAX_FILES = 32
MAX_FIELDS = 8  # of a form, beside its files
LOOKERS = 8  # threads that look at pictures; requests of the wire, which take less time, wait for others
CROP_SIDE = 512  # pixels; larger crops are scaled down, which is still far above what models look at


def people(store: Store, timeout: float | None = None) -> APIRouter:
    """The routes /predict and /models.

    Args:
        store: the models.
        timeout: seconds after which a request no longer waits to be computed.
    """
    routes = APIRouter()
    lookers = CapacityLimiter(LOOKERS)

    @routes.get("/models")
    async def models() -> dict[str, Any]:
        taking = [(name, found) for name in store.available if (found := _found(store, name))]
        return {
            "models": [{"model": name, "version": version} for name, (version, _) in taking],
            "finds_faces": detector() is not None,
        }

    @routes.post("/predict")
    async def predict(request: Request) -> Response:
        began = time.perf_counter()
        faces = request.query_params.get("faces", "find")
        if faces not in ("find", "crop"):
            text = f"faces must be find, or crop of pictures that are one face each; received {faces[:200]!r}"
            raise Refused("INVALID_ARGUMENT", text)
        files = await _files(request)
        with within(timeout):
            model = request.query_params.get("model")
            answered = partial(_answer, store, model, files, faces == "find")
            answer = await to_thread.run_sync(answered, limiter=lookers)
        answer["milliseconds"] = round((time.perf_counter() - began) * 1000, 1)
        return Response(orjson.dumps(answer), media_type="application/json")

    return routes


class InMemory(MultiPartParser):
    """Reads forms without writing any file to a disk."""

    spool_max_size = 0


async def _files(request: Request) -> list[tuple[str, bytes]]:
    """Names and contents of what was sent: a form's files, or the body as it is."""
    try:
        if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
            body = await request.body()
            files = [("picture", body)] if body else []
        else:
            parser = InMemory(request.headers, request.stream(), max_files=MAX_FILES, max_fields=MAX_FIELDS)
            form = await parser.parse()
            parts = [part for _, part in form.multi_items() if not isinstance(part, str)]
            files = [(_name(part.filename), await part.read()) for part in parts]
            await form.close()
    except MultiPartException as error:
        status = 413 if error.message.startswith("Too many files") else None
        text = f"a form must have at most {MAX_FILES} files" if status else error.message
        raise Refused("INVALID_ARGUMENT", f"the form can't be read: {text}", status) from error
    except UnicodeError as error:
        text = "the form can't be read: its names must be in its charset, such as utf-8; received "
        raise Refused("INVALID_ARGUMENT", f"{text}{request.headers['content-type'][:200]!r}") from error
    except ClientDisconnect as gone:
        raise Refused("CANCELLED", "the client has gone") from gone
    if not files:
        text = "no picture was sent; send one as the body, or in a form: curl -F file=@photo.jpg"
        raise Refused("INVALID_ARGUMENT", text)
    return files


def _name(given: str | None) -> str:
    # Of some charsets come lone surrogates, which JSON can't hold.
    return (given or "picture")[:200].encode(errors="replace").decode()


def _answer(store: Store, name: str | None, files: list[tuple[str, bytes]], find: bool) -> dict[str, Any]:
    name, version, predictor = _model(store, name)
    with observed(name, "people", "REST"):
        looks: list[Look] = []
        for file, content in files:
            check_deadline(LATE)
            looks.append(_look(file, content, find, store.contents.max_picture_pixels or MAX_PIXELS))
            store.contents.check_sum("the form", [look.pixels for look in looks if not look.refused])
        if all(look.refused for look in looks):
            raise _all_refused(looks)
        answers = iter(predictor.predict([face for look in looks for face in look.crops]))
        for look in looks:
            for face in look.answer.get("faces", ()):
                face |= {task: {**said, "words": sentence(said)} for task, said in next(answers).items()}
    return {"model": name, "version": version, "files": [look.answer for look in looks]}


@dataclass(frozen=True)
class Look:
    """What is known of a file before a model was asked.

    Args:
        answer: what is said of it, its faces by their boxes alone.
        crops: the faces, as PNG.
        pixels: how many were decoded.
        refused: why there is nothing to say.
    """

    answer: dict[str, Any]
    crops: list[bytes]
    pixels: int = 0
    refused: Refused | None = None


def _look(file: str, content: bytes, find: bool, max_pixels: int) -> Look:
    try:
        picture = decode(content, max_pixels)
    except Refused as refused:
        return Look({"file": file, "error": str(refused)}, [], refused=refused)
    eyes = detector() if find else None
    faces = [] if eyes is None else eyes.find(picture)
    boxes = [(0, 0, *picture.size)] if eyes is None else [visible(picture, face) for face in faces]
    answer = {
        "file": file,
        "width": picture.width,
        "height": picture.height,
        "found_by": "whole picture" if eyes is None else "detector",
        "faces": [{"box": box} for box in boxes],
    }
    if animated(content):
        answer["frame"] = "the first of several"
    if not boxes:
        answer["words"] = "no face was found"
    crops = [picture] if eyes is None else [crop(picture, face) for face in faces]
    return Look(answer, [_png(one) for one in crops], picture.width * picture.height)


def _png(picture: Image.Image) -> bytes:
    small = picture.copy()
    small.thumbnail((CROP_SIDE, CROP_SIDE), Image.Resampling.BILINEAR)
    encoded = io.BytesIO()
    small.save(encoded, "PNG", compress_level=1)
    return encoded.getvalue()


def _all_refused(looks: list[Look]) -> Refused:
    refusals = [look.refused for look in looks if look.refused]
    statuses = {refused.http_status for refused in refusals}
    text = "; ".join(f"{look.answer['file']}: {look.answer['error']}" for look in looks)
    return Refused("INVALID_ARGUMENT", text, statuses.pop() if len(statuses) == 1 else None)


def _model(store: Store, name: str | None) -> tuple[str, int, Predictor]:
    """The model of this name, or the first that takes pictures."""
    if name is not None:
        version, model = store.find(name)
        predictor = Predictor(model)
        if not predictor.takes_pictures:
            text = f"model {name[:200]} takes no pictures; GET /models names those that do"
            raise Refused("FAILED_PRECONDITION", text)
        return name, version, predictor
    for name in store.available:
        if found := _found(store, name):
            return name, *found
    if not store.ready:
        raise Refused("UNAVAILABLE", "a model is still loading")
    raise Refused("FAILED_PRECONDITION", "no model that is served takes pictures")


def _found(store: Store, name: str) -> tuple[int, Predictor] | None:
    try:
        version, model = store.find(name)
    except Refused:
        return None
    predictor = Predictor(model)
    return (version, predictor) if predictor.takes_pictures else None
