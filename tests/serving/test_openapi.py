"""The OpenAPI document, and requests made from it."""

import pytest
import schemathesis
from faults import bounded
from hypothesis import given
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from serving.app import create_app
from serving.openapi import document

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
PATHS = [(path, method) for path, methods in document()["paths"].items() for method in methods]


@pytest.fixture(scope="module")
def operations(faces):
    found = document()
    known = {"model": ["faces"], "version": [7, 8], "label": ["stable"]}
    for name, values in known.items():
        found["components"]["parameters"][name]["schema"] = {"enum": values}
    schema = schemathesis.openapi.from_dict(found)
    schema.app = create_app(faces)
    return schema


@pytest.mark.parametrize(("path", "method"), PATHS, ids=[f"{m} {p}" for p, m in PATHS])
def test_answers_are_as_the_document_says(operations, path, method):
    @bounded(5)
    @given(case=operations[path][method.upper()].as_strategy())
    def answers(case):
        case.call_and_validate(checks=CHECKS)

    answers()


def test_the_document_is_served(faces, ask):
    assert ask(faces, "GET", "/openapi.json").json() == document()
