"""Versions that come, go and break while a store serves them."""

import re
import shutil
import weakref

import pytest
from folders import configured, lay, number, place, states
from small_models import record_warmup

from serving import servable
from serving.config import one_model
from serving.errors import Refused, UserError
from serving.loading import WARMUP
from serving.quiet import tf
from serving.store import Store

# isort: split
from tensorflow.core.protobuf.error_codes_pb2 import Code
from tensorflow_serving.apis.predict_pb2 import PredictRequest

LATEST_2, ALL = "model_version_policy { latest { num_versions: 2 } }", "model_version_policy { all {} }"
SPECIFIC = "model_version_policy { specific { versions: 2 versions: 4 } }"


@pytest.fixture
def base(tmp_path):
    return tmp_path / "half"


@pytest.fixture
def served(base, half_plus):
    """A store whose version 1 adds 2."""
    place(base, 1, half_plus[2])
    store = Store(one_model("half", base))
    store.load()
    return store


@pytest.mark.parametrize(
    ("policy", "steps"),
    [
        ("", [("1", [1]), ("1 2", [2]), ("1 2 3", [3]), ("1 2", [2]), ("2", [2])]),
        ("", [("1", [1]), ("1 2!", [1]), ("2!", [1]), ("2! 3", [3]), ("2!", [3]), ("", [3]), ("1", [1])]),
        ("", [("1 2!", [1]), ("1 2! 3!", [1]), ("1 2! 3! 4", [4])]),
        (
            LATEST_2,
            [("1 2 3", [3, 2]), ("1 2 3 4", [4, 3]), ("1 2", [2, 1]), ("1 2 3!", [2]), ("1 3!", [1])],
        ),
        (LATEST_2, [("1 2", [2, 1]), ("1 2 3! 4!", [2])]),
        (ALL, [("1 2!", [1]), ("1 2! 3", [3, 1]), ("3", [3]), ("", [3])]),
        (SPECIFIC, [("1 2 3", [2]), ("1 2 3 4", [4, 2]), ("1 3 4", [4]), ("1 3", [4])]),
    ],
)
def test_what_answers_follows_folders_and_policy(base, half_plus, policy, steps):
    lay(base, steps[0][0], half_plus[2])
    store = Store(configured(half=f'base_path: "{base}" {policy}'))
    store.load()
    for folders, available in steps:
        lay(base, folders, half_plus[2])
        store.poll()
        assert store.available == {"half": available}, folders


def test_a_new_version_takes_over_when_it_is_loaded_and_warm(monkeypatch, served, base, half_plus):
    seen = []
    load = servable.load

    def watched(*arguments):
        seen.append((states(served, "half"), number(served, "half")))
        model = load(*arguments)
        seen.append((model.loaded.calls.numpy(), served.available))
        return model

    record_warmup(
        place(base, 2, half_plus[3]) / WARMUP,
        *[PredictRequest(inputs={"x": tf.make_tensor_proto([1.0])})] * 3,
    )
    monkeypatch.setattr(servable, "load", watched)
    served.poll()
    assert seen == [({2: "LOADING", 1: "AVAILABLE"}, 2.0), (3, {"half": [1]})]
    assert (states(served, "half"), number(served, "half")) == ({2: "AVAILABLE", 1: "END"}, 3.0)


def test_an_old_version_is_freed_after_its_last_request(served, base, half_plus):
    _, lease = served.find("half")
    variables = weakref.ref(lease.loaded.number)
    place(base, 2, half_plus[3])
    served.poll()
    served.poll()
    assert states(served, "half") == {2: "AVAILABLE", 1: "UNLOADING"}
    assert lease.signatures["serving_default"].function(x=tf.constant([4.0]))["y"].numpy() == [4.0]
    with pytest.raises(Refused, match=re.escape("Servable not found for request: Specific(half, 1)")):
        served.find("half", 1)
    del lease
    assert states(served, "half") == {2: "AVAILABLE", 1: "END"}
    assert variables() is None


def test_a_version_that_comes_back_is_loaded_anew(served, base, half_plus):
    _, lease = served.find("half")
    place(base, 2, half_plus[3])
    served.poll()
    shutil.rmtree(base / "2")
    shutil.rmtree(base / "1")
    place(base, 1, half_plus[3])
    served.poll()
    assert (states(served, "half"), number(served, "half", 1)) == ({2: "END", 1: "AVAILABLE"}, 3.0)
    assert lease.loaded.number.numpy() == 2.0


def cut(path):
    data = next((path / "variables").glob("variables.data*"))
    data.write_bytes(data.read_bytes()[:-1])


BREAKAGES = {
    "empty": (lambda path: [shutil.rmtree(path), path.mkdir()], "NOT_FOUND", "Could not find SavedModel .pb"),
    "no proto": (
        lambda path: (path / "saved_model.pb").write_bytes(b"x"),
        "DATA_LOSS",
        "Error parsing message",
    ),
    "no graph": (
        lambda path: (path / "saved_model.pb").write_bytes(b""),
        "INVALID_ARGUMENT",
        "no graph in it",
    ),
    "no weights": (
        lambda path: shutil.rmtree(path / "variables"),
        "NOT_FOUND",
        "Failed to find any matching files",
    ),
    "half of the weights": (cut, "OUT_OF_RANGE", "Read less bytes than requested"),
    "other warm-up": (
        lambda path: record_warmup(path / WARMUP, PredictRequest()),
        "INVALID_ARGUMENT",
        "missing a required argument",
    ),
}


@pytest.mark.parametrize(("damage", "code", "text"), BREAKAGES.values(), ids=BREAKAGES)
def test_a_broken_version_says_so_and_leaves_the_old_one_serving(
    served, base, half_plus, caplog, damage, code, text
):
    damage(place(base, 2, half_plus[3]))
    served.poll()
    new, old = served.status("half").model_version_status
    assert (new.version, new.state, Code.Name(new.status.error_code)) == (2, new.END, code)
    assert text in new.status.error_message
    assert str(base.parent) not in new.status.error_message
    assert (old.version, old.state, old.status.error_code) == (1, old.AVAILABLE, 0)
    assert number(served, "half") == 2.0
    assert f"half, version 2, can't be loaded: {base / '2'}" in caplog.text


def test_what_nobody_foresaw_says_so_too(monkeypatch, served, base, half_plus, caplog):
    def fail(*_):
        raise ZeroDivisionError(str(base))

    place(base, 2, half_plus[3])
    monkeypatch.setattr(servable, "load", fail)
    served.poll()
    failed = served.status("half", 2).model_version_status[0].status
    assert (Code.Name(failed.error_code), failed.error_message) == ("INTERNAL", "Internal error")
    assert "ZeroDivisionError" in caplog.text
    assert number(served, "half") == 2.0


def test_a_broken_version_is_tried_again_when_its_files_change(monkeypatch, served, base, half_plus, caplog):
    tried = []
    load = servable.load
    monkeypatch.setattr(servable, "load", lambda *arguments: tried.append(1) or load(*arguments))
    path = place(base, 2, half_plus[3])
    weights = (path / "variables").rename(base.parent / "variables")
    for _ in range(3):
        served.poll()
    assert (len(tried), caplog.text.count("can't be loaded")) == (1, 1)
    weights.rename(path / "variables")
    served.poll()
    served.poll()
    assert (len(tried), states(served, "half")) == (2, {2: "AVAILABLE", 1: "END"})
    assert number(served, "half") == 3.0


def test_a_base_path_that_is_gone_is_said_once_and_leaves_all_serving(served, base, half_plus, caplog):
    for _ in range(2):
        base.rename(base.with_name("away"))
        served.poll()
        served.poll()
        assert number(served, "half") == 2.0
        assert caplog.text.count("base_path must be a folder of version folders") == 1
        base.with_name("away").rename(base)
        caplog.clear()
        served.poll()
    place(base, 2, half_plus[3])
    served.poll()
    assert number(served, "half") == 3.0


@pytest.mark.parametrize(
    ("folders", "policy", "message"),
    [
        ("1!", "", r"half, version 1, can't be loaded: .*/half/1 must hold a SavedModel; loading it says: "),
        ("1! 2!", "", "half, version 2, can't be loaded: .*; half, version 1, can't be loaded: "),
        ("1", SPECIFIC, "half: no version that its policy asks for is there"),
        ("1 2!", SPECIFIC, "half, version 2, can't be loaded: "),
    ],
)
def test_a_store_without_a_version_that_loads_is_not_ready(base, half_plus, folders, policy, message):
    lay(base, folders, half_plus[2])
    store = Store(configured(half=f'base_path: "{base}" {policy}'))
    with pytest.raises(UserError, match=message) as error:
        store.load()
    assert "\n" not in str(error.value)
    assert not store.ready


@pytest.mark.parametrize("spec", [(), (1,)], ids=["latest", "specific"])
def test_models_have_their_own_versions(base, half_plus, tmp_path, spec):
    place(base, 1, half_plus[2])
    place(tmp_path / "more", 1, half_plus[3])
    store = Store(configured(half=f'base_path: "{base}"', more=f'base_path: "{tmp_path / "more"}"'))
    store.load()
    assert (number(store, "half", *spec), number(store, "more", *spec)) == (2.0, 3.0)
    assert "half" in store
    assert "none" not in store
    with pytest.raises(Refused, match=re.escape("Latest(none)")):
        store.find("none")
    with pytest.raises(Refused, match="Could not find any versions of model none"):
        store.status("none")
