"""An OpenAPI document as a page to read, without scripts and without anything from elsewhere."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

METHODS = ("get", "head", "post", "put", "delete")
Object = Mapping[str, Any]


def render(document: Object) -> str:
    """The page: every operation with its parameters, bodies, answers and examples; schemas at the end."""
    info = document["info"]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(info["title"])}</title>
<link rel="icon" href="/web/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/web/style.css">
</head>
<body class="docs">
<header>
<h1>{escape(info["title"])}</h1>
{_text(info)}<p><a href="/">The page for pictures</a>, and <a href="/openapi.json">this as OpenAPI</a>.</p>
</header>
<main>
{"".join(_operations(document))}</main>
{_schemas(document)}</body>
</html>
"""


def _operations(document: Object) -> Iterator[str]:
    for path, item in document["paths"].items():
        for method, operation in ((name, item[name]) for name in METHODS if name in item):
            yield f"<article class=file><h2><code>{method.upper()} {escape(path)}</code></h2>\n"
            yield f"<p><strong>{escape(operation.get('summary', ''))}</strong></p>\n{_text(operation)}"
            for sample in operation.get("x-codeSamples", ()):
                yield f"<pre tabindex=0>{escape(sample['source'])}</pre>\n"
            parameters = [*item.get("parameters", ()), *operation.get("parameters", ())]
            rows = [_parameter(_resolved(document, parameter)) for parameter in parameters]
            yield _table(("parameter", "in", "meaning"), rows)
            body = _resolved(document, operation.get("requestBody", {}))
            yield "".join(_contents("Send", body))
            answers = {key: _resolved(document, one) for key, one in operation.get("responses", {}).items()}
            yield "".join(
                text
                for status, answer in answers.items()
                if status < "4"
                for text in _contents("Answer", answer)
            )
            errors = [(key, escape(one["description"])) for key, one in answers.items() if key >= "4"]
            yield _table(("status", "error"), errors)
            yield "</article>\n"


def _resolved(document: Object, item: Object) -> Object:
    """What a reference such as {"$ref": "#/components/responses/Error"} stands for."""
    if "$ref" not in item:
        return item
    found: Any = document
    for name in item["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return found


def _text(item: Object) -> str:
    paragraphs = item.get("description", "").strip().split("\n\n")
    return "".join(f"<p>{escape(paragraph)}</p>\n" for paragraph in paragraphs if paragraph)


def _parameter(parameter: Object) -> tuple[str, str, str]:
    place = f"{parameter['in']}, required" if parameter.get("required") else parameter["in"]
    return f"<code>{escape(parameter['name'])}</code>", place, escape(parameter.get("description", ""))


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    cells = "".join(f"<tr><th scope=row>{first}<td>{'<td>'.join(others)}" for first, *others in rows)
    return f"<table><tr><th>{'<th>'.join(heads)}{cells}</table>\n"


def _contents(title: str, item: Object) -> Iterator[str]:
    """A request's body, or an answer: what it is, and by media type its schema's name and examples."""
    if not item:
        return
    yield f"<h3>{title}</h3>\n{_text(item)}"
    for media_type, content in item.get("content", {}).items():
        reference = content.get("schema", {}).get("$ref", "").removeprefix("#/components/schemas/")
        link = f', <a href="#{escape(reference)}">{escape(reference)}</a>' if reference else ""
        yield f"<p><code>{escape(media_type)}</code>{link}</p>\n"
        single = [content["example"]] if "example" in content else []
        for example in (*single, *(one["value"] for one in content.get("examples", {}).values())):
            yield f"<pre tabindex=0>{escape(example if isinstance(example, str) else _json(example))}</pre>\n"


def _schemas(document: Object) -> str:
    schemas = document.get("components", {}).get("schemas", {})
    return "".join(
        f'<section class=file id="{escape(name)}"><h2>{escape(name)}</h2>{_text(schema)}'
        f"<pre tabindex=0>{escape(_json(schema))}</pre></section>\n"
        for name, schema in schemas.items()
    )


def _json(value: Any) -> str:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return re.sub(r"\[[\d\s.,-]+\]", lambda numbers: " ".join(numbers[0].split()), text)
