"""Which models are served: from a file, from flags."""

import pytest
from folders import configured

from serving.config import read_config
from serving.errors import UserError
from serving.flags import read_flags
from serving.store import Store

MODEL = 'config {{ name: "{}" base_path: "{}" model_platform: "tensorflow" }}'


def listed(*configs):
    return f"model_config_list {{ {' '.join(configs)} }}"


def test_a_file_lists_models(tmp_path):
    path = tmp_path / "models.config"
    path.write_text(
        """# TensorFlow Serving's own example, and the older way to name the platform
        model_config_list: {
          config: {
            name: "half", base_path: "/models/half/", model_platform: "tensorflow",
            model_version_policy: { specific: { versions: 42 versions: 43 } },
            version_labels { key: "stable" value: 43 }
            version_labels { key: "canary" value: 42 }
          },
          config: { name: "old", base_path: "/models/old", model_type: TENSORFLOW },
        }"""
    )
    half, old = read_config(path).config
    assert (half.name, half.base_path, dict(half.version_labels)) == (
        "half",
        "/models/half/",
        {"stable": 43, "canary": 42},
    )
    assert list(half.model_version_policy.specific.versions) == [42, 43]
    assert old.name == "old"
    path.write_text("model_config_list {}")
    assert not read_config(path).config


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "must be a file that can be read; received .*No such file"),
        (b"\xff", "must be a file that can be read"),
        (
            b"model_config_lists {}",
            'ModelServerConfig in text format; received .*: 1:1 .*"model_config_lists"',
        ),
        (b"model_config_list {", "ModelServerConfig in text format"),
        (b"", "Only a model_config_list is supported; received none"),
        (b"custom_model_config {}", "Only a model_config_list is supported; received custom_model_config"),
        (listed("config {}"), "Every model in the config list must have a name"),
        (listed(MODEL.format("a", "/a"), MODEL.format("a", "/b")), "Illegal to list model a multiple times"),
        (
            listed(MODEL.format("a", "x/a")),
            r"Expected model a to have an absolute path; got base_path\(\)=x/a",
        ),
        (
            listed('config { name: "a" base_path: "/a" }'),
            "Illegal setting neither ModelServerConfig::model_type",
        ),
        (
            listed(
                'config { name: "a" base_path: "/a" model_type: TENSORFLOW model_platform: "tensorflow" }'
            ),
            "Illegal setting both",
        ),
        (
            listed('config { name: "a" base_path: "/a" model_platform: "x" }'),
            "a requests unsupported platform x",
        ),
        (
            listed('config { name: "a" base_path: "/a" model_type: OTHER }'),
            "requests unsupported platform other",
        ),
    ],
)
def test_a_file_that_lists_none_says_why_in_one_line(tmp_path, content, message):
    path = tmp_path / "models.config"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=message) as error:
        read_config(path)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("model_config_file")


def test_what_is_not_followed_is_said_once_however_often_the_file_is_read(odd_path, caplog):
    first, again = (configured(odd=f'base_path: "{odd_path}" logging_config {{}}') for _ in range(2))
    Store(first).reload(again)
    assert caplog.text.count("logging_config of model odd is not followed") == 1


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        ([], "model_name", "default"),
        ([], "file_system_poll_wait_seconds", 1),
        ([], "model_config_file_poll_wait_seconds", 0),
        (["--file_system_poll_wait_seconds=5"], "file_system_poll_wait_seconds", 5),
        ([], "allow_version_labels_for_unavailable_models", False),
        (
            ["--allow_version_labels_for_unavailable_models"],
            "allow_version_labels_for_unavailable_models",
            True,
        ),
        (
            ["--allow_version_labels_for_unavailable_models=true"],
            "allow_version_labels_for_unavailable_models",
            True,
        ),
        (["--enable_model_warmup=false"], "enable_model_warmup", False),
        (["--enable_model_warmup=0"], "enable_model_warmup", False),
        (["--no_enable_model_warmup"], "enable_model_warmup", False),
    ],
)
def test_flags_are_written_as_tensorflow_servings(monkeypatch, arguments, name, value):
    monkeypatch.setattr("sys.argv", ["serving", *arguments])
    assert getattr(read_flags(), name) == value


def test_a_model_has_a_name(monkeypatch):
    monkeypatch.setattr("sys.argv", ["serving", "--model_base_path", "/a", "--model_name", ""])
    with pytest.raises(UserError, match="--model_name must be what clients call the model"):
        read_flags().models()


def test_a_config_file_goes_before_a_base_path(monkeypatch, tmp_path):
    path = tmp_path / "models.config"
    path.write_text(listed(MODEL.format("a", "/a")))
    arguments = ["--model_config_file", str(path), "--model_name", "b", "--model_base_path", "/b"]
    monkeypatch.setattr("sys.argv", ["serving", *arguments])
    assert [model.name for model in read_flags().models().config] == ["a"]
    monkeypatch.setattr("sys.argv", ["serving", *arguments[2:]])
    assert [model.name for model in read_flags().models().config] == ["b"]
