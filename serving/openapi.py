"""What the server speaks over HTTP, as an OpenAPI document: it holds for any model."""

from typing import Any

from serving import people_api

Json = dict[str, Any]

STEMS = {
    "": ("the newest version", []),
    "/versions/{version}": ("one version", ["version"]),
    "/labels/{label}": ("the version that a label stands for", ["label"]),
}
ANY: Json = {"description": "A number, a text, true or false, or lists of them."}
BYTES: Json = {
    "type": "object",
    "description": "Bytes, such as those of a picture file.",
    "properties": {"b64": {"type": "string", "description": "in base64"}},
    "required": ["b64"],
    "additionalProperties": False,
}
VALUE: Json = {"anyOf": [{"$ref": "#/components/schemas/Bytes"}, {"$ref": "#/components/schemas/Plain"}]}
NAMED: Json = {"type": "object", "additionalProperties": VALUE}
SIGNATURE: Json = {"type": "string", "description": "serving_default, unless another is named"}


def document() -> Json:
    """The OpenAPI document."""
    paths: Json = {
        **people_api.PATHS,
        "/models/{model}/labels": {
            "get": _get("What a model's answers mean", {"type": "object"}, ["model"], 404),
        },
        "/healthz": {"get": _get("Whether the process is alive", _ref("State"))},
        "/readyz": {"get": _get("Whether models are loaded and warm", _ref("State"), [], 503)},
        "/metrics": {"get": METRICS},
        "/monitoring/prometheus/metrics": {"get": METRICS},
        "/openapi.json": {"get": _get("This document", {"type": "object"})},
    }
    for stem, (which, parameters) in STEMS.items():
        path, names = f"/v1/models/{{model}}{stem}", ["model", *parameters]
        paths[path] = {"get": _get(f"States: of {which}", _ref("States"), names, 400, 404)}
        text = f"Signatures of {which}: names, types and shapes of inputs and outputs"
        paths[f"{path}/metadata"] = {"get": _get(text, _ref("Metadata"), names, 400, 404)}
        paths[f"{path}:predict"] = {"post": _ask(f"Predict: {which}", "PredictRequest", "Predictions", names)}
        for method, results in (("classify", "Classes"), ("regress", "Values")):
            text = f"{method.capitalize()} examples: {which}"
            paths[f"{path}:{method}"] = {"post": _ask(text, "ExamplesRequest", results, names)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Model server",
            "version": "1",
            "description": "TensorFlow Serving's REST wire under /v1; the rest beside it. Numbers in answers "
            "may be NaN, Infinity or -Infinity, which JSON proper has not.\n\nA server may ask for a token: "
            "it answers 401 to requests without Authorization: Bearer TOKEN, but for / and /docs, "
            "/openapi.json, /healthz and /readyz.",
        },
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {
            "parameters": PARAMETERS,
            "schemas": SCHEMAS,
            "responses": RESPONSES,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _ref(name: str, kind: str = "schemas") -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}


def _object(*required: str, **properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(required)}


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


def _answers(schema: Json, *errors: int) -> Json:
    good = {"description": "The answer", "content": {"application/json": {"schema": schema}}}
    return {"200": good, **{str(status): _ref(str(status), "responses") for status in (*errors, 500)}}


def _get(summary: str, schema: Json, parameters: list[str] | None = None, *errors: int) -> Json:
    return {
        "summary": summary,
        "parameters": [_ref(name, "parameters") for name in parameters or ()],
        "responses": _answers(schema, *errors),
    }


def _ask(summary: str, request: str, answer: str, parameters: list[str]) -> Json:
    return {
        **_get(summary, _ref(answer), parameters, *ERRORS),
        "requestBody": {"required": True, "content": {"application/json": {"schema": _ref(request)}}},
    }


ERRORS = {
    400: "The request does not fit the model, or can't be read",
    404: "There is no such model, version or file",
    408: "The request took too long to come",
    413: "The body, or a picture in it, is too large",
    415: "This is no picture",
    429: "The model has no room",
    500: "The server failed",
    501: "What is asked for can't be done with this type",
    503: "There is no room at the moment, or models are still loading: try again later",
    504: "The request waited too long to be computed",
}
RESPONSES: Json = {
    str(status): {"description": text, "content": {"application/json": {"schema": _ref("Error")}}}
    for status, text in ERRORS.items()
}
PARAMETERS: Json = {
    name: {"name": name, "in": "path", "required": True, "schema": schema, "description": text}
    for name, schema, text in (
        ("model", {"type": "string", "minLength": 1}, "name of a model"),
        ("version", {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}, "number of a version"),
        ("label", {"type": "string", "minLength": 1}, "label of a version"),
    )
}
METRICS: Json = {
    "summary": "Metrics in Prometheus's text format",
    "responses": {
        "200": {"description": "The metrics", "content": {"text/plain": {"schema": {"type": "string"}}}}
    },
}
SCHEMAS: Json = {
    **people_api.SCHEMAS,
    "Error": {**_object("error", error={"type": "string"}), "additionalProperties": False},
    "Bytes": BYTES,
    "Plain": ANY,
    "State": _object("status", status={"enum": ["alive", "ready"]}),
    "PredictRequest": {
        "oneOf": [
            _object(
                "instances",
                instances={**_list({"anyOf": [VALUE, NAMED]}), "minItems": 1, "description": "Rows."},
                signature_name=SIGNATURE,
            ),
            _object(
                "inputs",
                inputs={"anyOf": [VALUE, NAMED], "description": "Columns."},
                signature_name=SIGNATURE,
            ),
        ]
    },
    "Predictions": {
        "oneOf": [
            _object("predictions", predictions={"type": "array", "description": "To instances, row by row."}),
            _object("outputs", outputs={"description": "To inputs; several outputs by name."}),
        ]
    },
    "ExamplesRequest": _object(
        "examples",
        examples={**_list(_ref("Example")), "minItems": 1},
        context=_ref("Example"),
        signature_name=SIGNATURE,
    ),
    "Example": {**NAMED, "description": "Features by name."},
    "Classes": _object(
        "results", results=_list({"type": "array", "description": "[label, score] of each class."})
    ),
    "Values": _object("results", results=_list({"type": "number"})),
    "States": _object(
        "model_version_status",
        model_version_status=_list(
            _object(
                "version",
                "state",
                "status",
                version={"type": "string"},
                state={"enum": ["UNKNOWN", "START", "LOADING", "AVAILABLE", "UNLOADING", "END"]},
                status=_object(error_code={"type": "string"}, error_message={"type": "string"}),
            )
        ),
    ),
    "Metadata": _object(
        "model_spec",
        "metadata",
        model_spec=_object(
            "name",
            "version",
            "signature_name",
            **{key: {"type": "string"} for key in ("name", "version", "signature_name")},
        ),
        metadata=_object("signature_def", signature_def={"type": "object"}),
    ),
}
