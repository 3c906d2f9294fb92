"""No request fails while versions, labels and models come and go."""

import asyncio

import orjson
from folders import configured, lay, number, place
from load import asking

from serving.rest import answer
from serving.store import Store

ALL = "model_version_policy { all {} }"


def test_no_request_fails_while_versions_come_and_go(tmp_path, half_plus):
    base = tmp_path / "half"
    place(base, 1, half_plus[2])
    store = Store(configured(half=f'base_path: "{base}"'))
    store.load()

    def predict():
        body = asyncio.run(answer(store, "POST", "/v1/models/half:predict", b'{"instances": [2.0]}'))
        return orjson.loads(body)["predictions"][0]

    with asking(*[predict] * 3, lambda: number(store, "half") + 1.0) as answers:
        for folders, added in [
            ("1 2", 3),
            ("2 3", 2),
            ("2", 2),
            ("2 4!", 2),
            ("2 4! 5", 3),
            ("5", 3),
            ("", 2),
        ]:
            lay(base, folders, half_plus[added])
            store.poll()
    assert len(answers) > 100
    assert set(answers) == {3.0, 4.0}
    assert store.available == {"half": [5]}


def test_no_request_by_label_fails_while_it_moves(tmp_path, half_plus):
    base = tmp_path / "half"
    for version in (1, 2):
        place(base, version, half_plus[1 + version])

    def labelled(version, policy=ALL):
        label = f'version_labels {{ key: "new" value: {version} }}'
        return configured(half=f'base_path: "{base}" {policy} {label}')

    store = Store(labelled(1), allow_version_labels_for_unavailable_models=True)
    store.load()
    with asking(*[lambda: number(store, "half", None, "new")] * 3) as answers:
        for _ in range(3):
            store.reload(labelled(2, "model_version_policy { specific { versions: 2 } }"))
            store.reload(labelled(2))
            store.reload(labelled(1, "model_version_policy { specific { versions: 1 } }"))
            store.reload(labelled(1))
    assert set(answers) == {2.0, 3.0}
