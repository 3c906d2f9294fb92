"""The direction of imports: multitask <- models <- training; serving knows none of them."""

import ast
from pathlib import Path

import pytest

ROOMS = ("multitask", "models", "training", "serving")
MAY_IMPORT = {
    "multitask": set(),
    "models": {"multitask"},
    "training": {"multitask", "models"},
    "serving": set(),
}
ROOT = Path(__file__).parent.parent


def imported_rooms(source: str) -> set[str]:
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.append(node.module or "")
    return {name.partition(".")[0] for name in names} & set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_lies_below_it(room):
    files = sorted((ROOT / room).rglob("*.py"))
    assert files
    wrong = {
        str(f.relative_to(ROOT)): imported_rooms(f.read_text()) - MAY_IMPORT[room] - {room} for f in files
    }
    assert not {file: rooms for file, rooms in wrong.items() if rooms}


def test_an_import_anywhere_in_a_file_is_seen():
    source = "import os\ndef f():\n    from training.train import train\n    import serving.store, numpy\n"
    assert imported_rooms(source) == {"training", "serving"}


def test_relative_imports_are_not_used():
    for file in (f for room in ROOMS for f in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            assert not (isinstance(node, ast.ImportFrom) and node.level), file
