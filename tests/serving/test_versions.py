"""Version folders, and which of them a policy asks for."""

import os

import pytest
from google.protobuf import text_format

from serving.errors import UserError
from serving.versions import chosen, fingerprint, version_number, versions

# isort: split
from tensorflow_serving.config.file_system_storage_path_source_pb2 import FileSystemStoragePathSourceConfig


def test_versions_are_folders_with_whole_numbers_newest_first(tmp_path):
    for name in ("1", "010", "9", "latest", "1.5", "-3", "²", "2x", "9223372036854775808", "5" * 255):
        (tmp_path / name).mkdir()
    (tmp_path / "99").write_text("no folder")
    (tmp_path / "8").symlink_to(tmp_path / "1")
    found = {number: path.name for number, path in versions(tmp_path).items()}
    assert list(found.items()) == [(10, "010"), (9, "9"), (8, "8"), (1, "1")]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("7", 7),
        ("007", 7),
        ("0", 0),
        ("000", 0),
        ("0" * 5000 + "1", 1),
        (str(2**63 - 1), 2**63 - 1),
        (str(2**63), None),
        ("9" * 5000, None),
        ("", None),
        ("-1", None),
        ("²", None),
    ],
)
def test_a_version_is_a_number_of_63_bits(text, number):
    assert version_number(text) == number


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (None, "must be a folder of version folders; received '.*': No such file or directory"),
        (["base"], "must be a folder of version folders; received '.*': Not a directory"),
        (["base/latest/saved_model.pb"], "must hold a version folder"),
        (["base/1/saved_model.pb", "base/2"], "received '.*/base/2': File name too long"),
    ],
)
def test_a_base_path_without_versions(tmp_path, files, message):
    for name in files or []:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        if name == "base/2":
            (tmp_path / name).symlink_to("2" * 300)  # what can't be looked at, whoever looks
        else:
            (tmp_path / name).touch()
    with pytest.raises(UserError, match=message):
        versions(tmp_path / "base")


@pytest.mark.parametrize(
    ("policy", "numbers"),
    [
        ("", [12]),
        ("latest {}", [12]),
        ("latest { num_versions: 2 }", [12, 7]),
        ("latest { num_versions: 9 }", [12, 7, 3]),
        ("all {}", [12, 7, 3]),
        ("specific { versions: 3 versions: 12 }", [12, 3]),
        ("specific { versions: 4 }", []),
        ("specific {}", []),
    ],
)
def test_a_policy_chooses_newest_first(policy, numbers):
    message = FileSystemStoragePathSourceConfig.ServableVersionPolicy()
    assert chosen([3, 12, 7], text_format.Parse(policy, message)) == numbers


def test_a_fingerprint_changes_with_anything_written_below(tmp_path):
    (tmp_path / "variables").mkdir()
    data = tmp_path / "variables" / "data"
    data.write_bytes(b"ab")
    os.utime(data, ns=(1, 1))
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    seen = [fingerprint(tmp_path)]
    assert fingerprint(tmp_path) == seen[0]
    data.write_bytes(b"abc")
    seen.append(fingerprint(tmp_path))
    os.utime(data, ns=(1, 1))
    seen.append(fingerprint(tmp_path))
    (tmp_path / "more").touch()
    seen.append(fingerprint(tmp_path))
    data.unlink()
    seen.append(fingerprint(tmp_path))
    assert len(set(seen)) == 5
