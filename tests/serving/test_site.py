"""What the server sends of the page."""

import re

import pytest

from serving.site import WEB

FILES = ["/", "/docs", *(f"/web/{file.name}" for file in WEB.iterdir())]


@pytest.mark.parametrize("path", FILES)
def test_files_are_sent_with_what_keeps_browsers_at_home(ask, faces, path):
    response = ask(faces, "GET", path)
    assert response.status_code == 200
    assert response.headers["content-security-policy"].startswith("default-src 'self';")
    assert response.headers["x-content-type-options"] == "nosniff"
    used = re.findall(r"""(?:src|href)="([^"]+)"|from "\.([^"]+)\"""", response.text)
    for reference in (absolute or f"/web{relative}" for absolute, relative in used):
        assert reference in (*FILES, "/openapi.json") or f'id="{reference[1:]}"' in response.text
    assert not re.search(r"<style|<script>| style=| on\w+=\"", response.text)
    assert ask(faces, "HEAD", path).content == b""


@pytest.mark.parametrize("name", ["nope.js", "..%2fapp.py", "%2e%2e/app.py"])
def test_no_other_file_is_sent(ask, faces, name):
    response = ask(faces, "GET", f"/web/{name}")
    assert (response.status_code, list(response.json())) == (404, ["error"])
