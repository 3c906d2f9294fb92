import contextlib
import dataclasses
import io
import json
import os
import shutil
import sys

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from multitask.errors import UserError
from multitask.tasks import TASKS
from training import elsewhere
from training.elsewhere import add_formats, check_formats
from training.elsewhere.check import as_table, check
from training.elsewhere.formats import FORMATS
from training.pipeline import load_examples

SIZE = 16
ANSWERS = {"age": [None], "age_std": [None], "emotion": [None, 7], "gender": [None]}


@pytest.fixture(scope="module")
def command(run, tmp_path_factory):
    """The folder that the command wrote, and what it printed."""
    to, written = tmp_path_factory.mktemp("exports"), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(written):
        arguments = [str(run.folder), "--to", str(to), "--formats", *FORMATS]
        patch.setattr(sys, "argv", ["export.py", *arguments])
        patch.setenv("COLUMNS", "120")
        sys.modules["training.export"]._main()
    return to / "1", written.getvalue()


@pytest.fixture(scope="module")
def folder(command):
    return command[0]


@pytest.fixture(scope="module")
def loaded(folder):
    return tf.saved_model.load(folder)


@pytest.fixture(scope="module")
def images(run) -> np.ndarray:
    examples = load_examples(run.config.datasets, "test", TASKS.values(), SIZE, run.config.data_dir)
    return examples.images(np.arange(33))


def changed(monkeypatch, name, **values):
    monkeypatch.setitem(FORMATS, name, dataclasses.replace(FORMATS[name], **values))


@pytest.mark.parametrize("count", [1, 3, 33])
@pytest.mark.parametrize(
    ("name", "years", "probability"), [("litert", 1e-3, 1e-5), ("onnx", 1e-3, 1e-5), ("litert_int8", 3, 0.1)]
)
def test_it_answers_as_the_saved_model(folder, loaded, images, name, years, probability, count):
    model = FORMATS[name].load(folder / "assets.extra" / "elsewhere" / FORMATS[name].file)
    expected = loaded.signatures["predict_images"](images=tf.constant(images[:count]))
    answers = model(images[:count])
    assert set(answers) == set(ANSWERS)
    for answer, value in answers.items():
        assert value.dtype == np.float32
        allowed = years if answer.startswith("age") else probability
        np.testing.assert_allclose(value, expected[answer], rtol=0, atol=allowed)


def test_int8_computes_in_integers_up_to_the_logits_and_decodes_in_float(folder):
    model = Interpreter(str(folder / "assets.extra" / "elsewhere" / "model_int8.tflite"))
    tensors = {tensor["index"]: tensor["dtype"] for tensor in model.get_tensor_details()}
    found = {}
    for operation in model._get_ops_details():
        of = found.setdefault(operation["op_name"], set())
        of |= {tensors[output].__name__ for output in operation["outputs"]}
    layers = {name: found[name] for name in ("CONV_2D", "FULLY_CONNECTED", "AVERAGE_POOL_2D", "TANH")}
    assert layers == {name: {"int8"} for name in layers}
    assert found["SOFTMAX"] == found["LOGISTIC"] == found["SUM"] == found["SQRT"] == {"float32"}


def test_model_json_says_what_goes_in_and_out_and_what_the_check_found(folder):
    found = json.loads((folder / "assets.extra" / "elsewhere" / "model.json").read_text())
    labels = json.loads((folder / "assets.extra" / "labels.json").read_text())
    assert found.items() >= labels.items()
    assert found["input"] == {"name": "images", "dtype": "uint8", "shape": [None, SIZE, SIZE, 3]}
    assert found["outputs"] == {name: {"dtype": "float32", "shape": shape} for name, shape in ANSWERS.items()}
    assert found["checked_on"]["split"] == "test"
    assert found["calibrated_on"]["pictures"] > 100
    assert list(found["formats"]) == ["saved_model", *FORMATS]
    for name in FORMATS:
        path = folder / "assets.extra" / "elsewhere" / FORMATS[name].file
        assert found["formats"][name]["bytes"] == path.stat().st_size
        assert found["formats"][name]["milliseconds"].keys() == {"1", "32"}


def test_the_command_prints_the_table(command):
    for part in ("saved_model", *FORMATS, "size, MB", "ms a picture, batch 32", "age, years off (64)"):
        assert part in command[1]


def test_calibration_takes_the_same_training_pictures_each_time(run, folder, monkeypatch):
    taken = []

    def converted(_, calibration):
        taken.append(calibration)
        return (folder / "assets.extra" / "elsewhere" / "model.tflite").read_bytes()

    changed(monkeypatch, "litert_int8", convert=converted)
    monkeypatch.setattr(elsewhere, "PICTURES", 20)
    kept = folder.parent / "2"
    shutil.copytree(folder, kept)
    for _ in range(2):
        add_formats(run, kept, ["litert_int8"])
    np.testing.assert_array_equal(*taken)
    train = load_examples(run.config.datasets, "train", TASKS.values(), SIZE, run.config.data_dir)
    known = {image.tobytes() for image in train.images(np.arange(len(train)))}
    assert len(taken[0]) == 20
    assert all(image.tobytes() in known for image in taken[0])
    assert sorted(os.listdir(kept / "assets.extra" / "elsewhere")) == ["model.json", "model_int8.tflite"]


@pytest.mark.parametrize("wrong", [1.0, float("nan")])
def test_one_that_answers_otherwise_is_not_published(run, folder, monkeypatch, wrong):
    def converted(*_):
        return b"other"

    def other(path):
        model = FORMATS["litert"].load(folder / "assets.extra" / "elsewhere" / "model.tflite")
        return lambda images: {**(answers := model(images)), "age_std": answers["age_std"] + wrong}

    before = {path: path.read_bytes() for path in (folder / "assets.extra").rglob("*") if path.is_file()}
    changed(monkeypatch, "onnx", convert=converted, load=other)
    with pytest.raises(UserError, match=r"onnx must answer as the SavedModel does, age_std to 0\.01; it is"):
        add_formats(run, folder, ["onnx"])
    assert before == {p: p.read_bytes() for p in (folder / "assets.extra").rglob("*") if p.is_file()}


def test_a_network_that_a_format_cannot_hold_is_told_in_one_line(run, folder, monkeypatch):
    def fail(*_):
        raise ValueError("no such operation\n" + "details\n" * 100)

    changed(monkeypatch, "litert", convert=fail)
    with pytest.raises(UserError, match=r"^litert can't hold this network \(ValueError: no such") as caught:
        add_formats(run, folder, ["litert"])
    assert "\n" not in str(caught.value)
    assert (folder / "assets.extra" / "elsewhere" / "model.onnx").exists()


def test_a_missing_package_is_named_before_anything_is_exported(run, monkeypatch):
    changed(monkeypatch, "onnx", packages=("no_such_package",))
    with pytest.raises(UserError, match=r"needs the package no_such_package.*pip install '\.\[elsewhere\]'"):
        check_formats(run, ["litert", "onnx"])


@pytest.mark.parametrize(("format", "split"), [("onnx", "test"), ("litert_int8", "train")])
def test_missing_pictures_are_named_before_anything_is_exported(run, monkeypatch, format, split):
    without = {name: elsewhere.examples_of(run.config, name) for name in ("test", "train")}
    without[split] = without[split].take(np.arange(0))
    monkeypatch.setattr("training.elsewhere.examples_of", lambda config, name: without[name])
    with pytest.raises(UserError, match=f"its {split} split has none"):
        check_formats(run, [format])
    check_formats(run, [])


def test_half_precision_is_refused(run):
    half = dataclasses.replace(run, config=dataclasses.replace(run.config, precision="mixed_bfloat16"))
    with pytest.raises(UserError, match=r"float32; received .* of mixed_bfloat16"):
        check_formats(half, ["onnx"])


def test_check_compares_with_the_first(run):
    examples = load_examples(run.config.datasets, "test", TASKS.values(), SIZE, run.config.data_dir)
    examples = examples.take(np.arange(5))
    examples.table["emotion"][:] = -1
    ages = examples.table["age"]
    examples.table["age_to"][4] = ages[4] + 10  # within: not wrong

    def model(by):
        return lambda images: {
            "age": (np.resize(ages, len(images)) + np.resize(by, len(images))).astype(np.float32),
            "emotion": np.zeros((len(images), 7)),
            "gender": np.resize(examples.table["gender"], len(images)) + by[0] / 10,
        }

    found = check(
        {"saved_model": model([0]), "other": model([3, 1, 1, 1, 1])}, examples, tuple(TASKS.values())
    )
    assert found["saved_model"]["figures"]["age"] == {"count": 5, "mae": 0}
    assert found["other"]["figures"]["age"] == {"count": 5, "mae": pytest.approx(1.2, abs=1e-5)}
    assert found["other"]["figures"]["emotion"] is None
    assert found["other"]["figures"]["gender"]["accuracy"] == 1
    assert found["other"]["differences"]["age"] == pytest.approx({"greatest": 3, "mean": 1.4}, abs=1e-5)
    assert found["other"]["differences"]["gender"] == pytest.approx({"greatest": 0.3, "mean": 0.3})
    table = as_table("", {k: {**v, "bytes": 0} for k, v in found.items()}, list(TASKS.values()))
    assert table.row_count == 1 + 2 + 3 + 2 * 3
