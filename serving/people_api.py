"""The people's part of the OpenAPI document."""

from typing import Any

from serving.people import MAX_FILES
from serving.pictures import FORMATS

ERRORS = ("400", "404", "408", "413", "415", "500", "503", "504")
KINDS = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
ANSWER = {
    "model": "faces",
    "version": 1,
    "files": [
        {
            "file": "photo.jpg",
            "width": 640,
            "height": 480,
            "found_by": "detector",
            "faces": [
                {
                    "box": [106, 137, 127, 127],
                    "age": {"value": 31.2, "std": 4.1, "unit": "years", "words": "31.2 ± 4.1 years"},
                    "emotion": {
                        "label": "happy",
                        "probability": 0.93,
                        "probabilities": {"happy": 0.93, "neutral": 0.04, "surprise": 0.03},
                        "words": "happy 93% (neutral 4%)",
                    },
                    "gender": {
                        "label": "female",
                        "probability": 0.98,
                        "probabilities": {"female": 0.98, "male": 0.02},
                        "words": "female 98%",
                    },
                }
            ],
        },
        {"file": "notes.txt", "error": f"this is no picture: it must be {KINDS}"},
    ],
    "milliseconds": 48.3,
}
TASK = {
    "type": "object",
    "description": "What a model says of one task: value, with std and unit, of a number; label, probability "
    "and probabilities, the highest first, of a class; and the same in words.",
    "properties": {
        "value": {},
        "std": {"type": "number"},
        "unit": {"type": "string"},
        "label": {"type": "string"},
        "probability": {"type": "number"},
        "probabilities": {"type": "object", "additionalProperties": {"type": "number"}},
        "words": {"type": "string"},
    },
    "required": ["words"],
}
FILE = {
    "type": "object",
    "description": "Of a file either faces, none if none was found, or an error.",
    "properties": {
        "file": {"type": "string"},
        "width": {
            "type": "integer",
            "description": "of the picture, turned as its EXIF data says, in pixels",
        },
        "height": {"type": "integer"},
        "found_by": {"enum": ["detector", "whole picture"]},
        "frame": {"type": "string", "description": "only of animated pictures: which one was looked at"},
        "words": {"type": "string", "description": "only where no face was found"},
        "error": {"type": "string"},
        "faces": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "box": {
                        "type": "array",
                        "description": "left, top, width and height in pixels",
                        "items": {"type": "integer"},
                        "minItems": 4,
                        "maxItems": 4,
                    }
                },
                "additionalProperties": {"$ref": "#/components/schemas/Task"},
                "required": ["box"],
            },
        },
    },
    "required": ["file"],
}
SCHEMAS: dict[str, Any] = {
    "Faces": {
        "type": "object",
        "properties": {
            "model": {"type": "string"},
            "version": {"type": "integer"},
            "milliseconds": {"type": "number"},
            "files": {"type": "array", "items": {"$ref": "#/components/schemas/File"}},
        },
        "required": ["model", "version", "milliseconds", "files"],
    },
    "File": FILE,
    "Task": TASK,
    "Models": {
        "type": "object",
        "properties": {
            "models": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"model": {"type": "string"}, "version": {"type": "integer"}},
                    "required": ["model", "version"],
                },
            },
            "finds_faces": {"type": "boolean", "description": "whether OpenCV is installed"},
        },
        "required": ["models", "finds_faces"],
    },
}


def _json(schema: str, example: Any) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}, "example": example}}


PATHS: dict[str, Any] = {
    "/predict": {
        "post": {
            "summary": "What the faces of pictures look like, in words and numbers.",
            "description": "Faces are found in whole photos, cut out, and answered together, each with its "
            "box. The answers are estimates of how a face appears, not of who somebody is or feels inside. "
            "No picture is stored.",
            "operationId": "predictFaces",
            "x-codeSamples": [
                {"lang": "Shell", "source": f"curl {what} http://127.0.0.1:8501/predict"}
                for what in ("-F file=@photo.jpg -F file=@notes.txt", "--data-binary @photo.jpg")
            ],
            "parameters": [
                {
                    "name": "faces",
                    "in": "query",
                    "description": "find: faces are looked for. crop: each picture is one face. Without "
                    "OpenCV all are taken as crops, and found_by says so.",
                    "schema": {"enum": ["find", "crop"], "default": "find"},
                },
                {
                    "name": "model",
                    "in": "query",
                    "description": "the model that answers; if not given, the first that takes pictures",
                    "schema": {"type": "string"},
                },
            ],
            "requestBody": {
                "required": True,
                "description": f"Up to {MAX_FILES} files of a form, in any field, or one picture as the "
                f"body: {KINDS}.",
                "content": {
                    "multipart/form-data": {
                        "schema": {
                            "type": "object",
                            "properties": {
                                "file": {"type": "array", "items": {"type": "string", "format": "binary"}}
                            },
                        },
                    },
                    "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
                },
            },
            "responses": {
                "200": {
                    "description": "The answers, file by file. A file that is no picture has an error of its "
                    "own, and spoils no other.",
                    "content": _json("Faces", ANSWER),
                },
                **{status: {"$ref": f"#/components/responses/{status}"} for status in ERRORS},
            },
        }
    },
    "/models": {
        "get": {
            "summary": "The models that take pictures, by name, with the version that answers.",
            "operationId": "listModels",
            "responses": {
                "200": {
                    "description": "The models.",
                    "content": _json(
                        "Models", {"models": [{"model": "faces", "version": 1}], "finds_faces": True}
                    ),
                }
            },
        }
    },
}
"""What stands under /predict and /models."""
