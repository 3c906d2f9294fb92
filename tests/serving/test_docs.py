"""The documentation, as a page."""

from html.parser import HTMLParser

from serving.docs import render
from serving.openapi import document

VOID = {"meta", "link"}
IMPLIED = {"tr", "th", "td"}


class Reader(HTMLParser):
    """Text and links of a page; fails where elements are not closed in turn."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.links, self.ids = [], "", [], []

    def handle_starttag(self, tag, attributes):
        if tag not in VOID | IMPLIED:
            self.open.append(tag)
        named = dict(attributes)
        self.links += [named[key] for key in ("href", "src") if key in named]
        self.ids += [named["id"]] if "id" in named else []

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def read(html):
    reader = Reader()
    reader.feed(html)
    assert reader.open == []
    return reader


def test_names_and_texts_are_shown_not_obeyed():
    evil = "<script>alert('&')</script>"
    media = {"schema": {"$ref": f"#/components/schemas/{evil}"}, "example": evil}
    operation = {
        "summary": evil,
        "description": evil,
        "x-codeSamples": [{"lang": "Shell", "source": evil}],
        "parameters": [{"name": evil, "in": "query", "required": True, "description": evil}],
        "requestBody": {"description": evil, "content": {evil: media}},
        "responses": {"200": {"$ref": "#/components/responses/Good"}, "404": {"description": evil}},
    }
    good = {"description": evil, "content": {"text/plain": {"examples": {"a": {"value": {"b": evil}}}}}}
    reader = read(
        render(
            {
                "info": {"title": evil, "description": evil},
                "paths": {evil: {"post": operation}},
                "components": {"responses": {"Good": good}, "schemas": {evil: {"description": evil}}},
            }
        )
    )
    assert reader.text.count(evil) == 19  # one in each of what can be written
    assert reader.ids == [evil]


def test_every_path_and_schema_is_told_of():
    found = document()
    reader = read(render(found))
    assert reader.ids == list(found["components"]["schemas"])
    assert {link[1:] for link in reader.links if link.startswith("#")} <= set(reader.ids)
    for path, item in found["paths"].items():
        for method in item:
            assert f"{method.upper()} {path}" in reader.text
