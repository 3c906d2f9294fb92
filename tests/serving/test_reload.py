"""Another configuration, while the models of the first are served."""

import gc
import re
import weakref

import grpc
import pytest
from folders import configured, lay, number, place, states

from serving.config import one_model
from serving.errors import Refused
from serving.store import Store

# isort: split
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub

ALL = "model_version_policy { all {} }"


@pytest.fixture
def bases(tmp_path, half_plus):
    """Base paths a and b of versions 1 and 2: those of a add 2 and 2, those of b 3 and 3."""
    for name, added in (("a", 2), ("b", 3)):
        lay(tmp_path / name, "1 2", half_plus[added])
    return {name: f'base_path: "{tmp_path / name}"' for name in ("a", "b", "none")}


@pytest.fixture
def store(bases):
    store = Store(configured(half=bases["a"]))
    store.load()
    return store


def test_models_are_added_and_taken_away(store, bases):
    store.reload(configured(half=bases["a"], more=bases["b"]))
    assert (number(store, "half"), number(store, "more")) == (2.0, 3.0)
    store.reload(configured(more=bases["b"]))
    assert store.available == {"more": [2]}
    with pytest.raises(Refused, match=re.escape("Servable not found for request: Latest(half)")):
        store.find("half")
    store.reload(configured())
    assert store.available == {}
    store.reload(configured(half=bases["a"]))
    assert number(store, "half") == 2.0


@pytest.mark.parametrize("change", ["version", "model"])
def test_what_an_old_version_leaves_is_collected_at_once(store, bases, tmp_path, half_plus, change):
    _, model = store.find("half")
    model.loaded.itself = [model.loaded]
    left = weakref.ref(model.loaded)
    del model
    gc.disable()
    try:
        if change == "version":
            place(tmp_path / "a", 3, half_plus[3])
            store.poll()
        else:
            store.reload(configured(more=bases["b"]))
        assert left() is None
    finally:
        gc.enable()


def test_policy_and_base_path_may_change(store, bases):
    store.reload(configured(half=f"{bases['a']} {ALL}"))
    assert store.available == {"half": [2, 1]}
    store.reload(configured(half=f"{bases['b']} {ALL}"))
    assert [number(store, "half", version) for version in (1, 2)] == [3.0, 3.0]
    store.reload(configured(half=f"{bases['b']} model_version_policy {{ specific {{ versions: 1 }} }}"))
    assert states(store, "half") == {2: "END", 1: "AVAILABLE"}


def test_the_same_configuration_changes_nothing(monkeypatch, store, bases):
    _, model = store.find("half")
    monkeypatch.setattr(store, "_poll", lambda: pytest.fail("polled"))
    store.reload(configured(half=bases["a"]))
    assert store.find("half")[1] is model


@pytest.mark.parametrize(
    ("allowed", "steps"),
    [
        (False, [({}, {"new": 1}, None), ({"new": 1}, {"new": 2}, None), ({"new": 2}, {}, None)]),
        (False, [({}, {"new": 3}, 3)]),
        (False, [({}, {"new": 1}, None), ({"new": 1}, {"new": 3}, 3)]),
        (True, [({}, {"new": 3}, None), ({"new": 3}, {"new": 3, "more": 9}, None)]),
        (True, [({}, {"new": 1}, None), ({"new": 1}, {"new": 3}, 3)]),
        (True, [({}, {"new": 3}, None), ({"new": 3}, {"new": 1}, None)]),
    ],
)
def test_a_label_moves_to_versions_that_answer_only(bases, allowed, steps):
    def labelled(labels):
        entries = (
            f'version_labels {{ key: "{label}" value: {version} }}' for label, version in labels.items()
        )
        return configured(half=f"{bases['a']} {ALL} {' '.join(entries)}")

    store = Store(labelled({}), allow_version_labels_for_unavailable_models=allowed)
    store.load()
    for before, after, refused in steps:
        if refused is None:
            store.reload(labelled(after))
        else:
            with pytest.raises(
                Refused, match=f"assign label to version {refused} of model half, which"
            ) as error:
                store.reload(labelled(after))
            assert error.value.code == "FAILED_PRECONDITION"
            after = before
        for label in ("new", "more"):
            if after.get(label) in (1, 2):
                assert store.find("half", None, label)[0] == after[label]
            else:
                text = f"Specific(half, {after[label]})" if label in after else f"label: {label}"
                with pytest.raises(Refused, match=re.escape(text)):
                    store.find("half", None, label)


def test_at_the_start_no_label_has_a_version_yet(bases, tmp_path):
    labelled = one_model("half", tmp_path / "a", {"new": 2})
    with pytest.raises(Refused, match="Request to assign label to version 2 of model half"):
        Store(labelled)
    store = Store(labelled, allow_version_labels_for_unavailable_models=True)
    store.load()
    assert number(store, "half", None, "new") == 2.0


@pytest.fixture
def reload(store, connect):
    def call(config):
        request = ReloadConfigRequest(config={"model_config_list": config})
        return ModelServiceStub(connect(store)).HandleReloadConfigRequest(request, timeout=60)

    return call


def test_a_client_may_send_one(store, bases, reload):
    assert reload(configured(more=bases["b"])).status.error_code == 0
    assert number(store, "more") == 3.0


@pytest.mark.parametrize(
    ("model", "code", "text"),
    [
        ("", "INVALID_ARGUMENT", "Expected model more to have an absolute path"),
        ("none", "NOT_FOUND", "base_path must be a folder of version folders"),
    ],
)
def test_one_that_cannot_be_followed_changes_nothing(store, bases, reload, model, code, text):
    config = configured(more=bases["b"])
    config.config[0].base_path = "" if not model else re.search('"(.*)"', bases[model])[1]
    with pytest.raises(grpc.RpcError) as error:
        reload(config)
    assert error.value.code() == grpc.StatusCode[code]
    assert text in error.value.details()
    assert store.available == {"half": [2]}


def test_a_new_model_that_does_not_load_is_said_and_tried_again(store, bases, reload, tmp_path, half_plus):
    lay(tmp_path / "c", "7!", half_plus[2])
    config = configured(half=bases["a"], more=f'base_path: "{tmp_path / "c"}"')
    said = "1 model(s) did not become available: {{{name: more version: 7} due to error: DATA_LOSS: "
    for _ in range(2):
        with pytest.raises(grpc.RpcError) as error:
            reload(config)
        assert error.value.code() == grpc.StatusCode.UNKNOWN
        assert error.value.details().startswith(said)
        assert (store.available, store.ready) == ({"half": [2], "more": []}, True)
    place(tmp_path / "c", 8, half_plus[3])
    assert reload(config).status.error_code == 0
    assert number(store, "more") == 3.0
