import io
import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import prediction_log_pb2

from multitask.errors import UserError
from multitask.images import decode_images
from multitask.tasks import TASKS
from training.export import export
from training.runs import Run

SIZE = 16


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    return export(run, tmp_path_factory.mktemp("exports"))


@pytest.fixture(scope="module")
def loaded(exported):
    return tf.saved_model.load(exported)


def pictures() -> list[bytes]:
    rng = np.random.default_rng(0)
    found = []
    for shape, format in (((40, 40, 3), "PNG"), ((200, 150, 3), "JPEG"), ((48, 48), "JPEG")):
        out = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(out, format)
        found.append(out.getvalue())
    return found


def test_the_signatures_are_the_designs(loaded):
    answers = {"age": (None,), "age_std": (None,), "emotion": (None, 7), "gender": (None,)}
    described = {
        name: (
            {
                key: (spec.dtype.name, tuple(spec.shape))
                for key, spec in f.structured_input_signature[1].items()
            },
            {key: tuple(spec.shape) for key, spec in f.structured_outputs.items()},
        )
        for name, f in loaded.signatures.items()
    }
    assert described == {
        "serving_default": ({"image_bytes": ("string", (None,))}, answers),
        "decode_images": ({"image_bytes": ("string", (None,))}, {"images": (None, SIZE, SIZE, 3)}),
        "predict_images": ({"images": ("uint8", (None, SIZE, SIZE, 3))}, answers),
    }


def test_averaged_flips_answer_a_mirrored_picture_alike(run, loaded, tmp_path):
    predict = tf.saved_model.load(export(run, tmp_path, average_flips=True)).signatures["predict_images"]
    once = loaded.signatures["predict_images"]
    images = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), np.uint8)
    seen, mirrored = (predict(images=tf.constant(x)) for x in (images, images[:, :, ::-1]))
    alone = [once(images=tf.constant(x))["age"] for x in (images, images[:, :, ::-1])]
    for name, answers in seen.items():
        np.testing.assert_allclose(answers, mirrored[name], rtol=1e-5)
    assert (abs(alone[0] - alone[1]) > 1e-3).numpy().any()


@pytest.mark.parametrize("count", [1, 3])
def test_it_answers_as_the_model_in_memory(loaded, run, count):
    signatures = loaded.signatures
    given = tf.constant(pictures()[:count], tf.string)
    answers = signatures["serving_default"](image_bytes=given)
    two_steps = signatures["predict_images"](images=signatures["decode_images"](image_bytes=given)["images"])
    logits = run.best_model()(decode_images(given, SIZE), training=False)
    for task in TASKS.values():
        for name, expected in task.decode(logits[task.name]).items():
            assert answers[name].shape[0] == count
            np.testing.assert_array_equal(answers[name], two_steps[name])
            np.testing.assert_allclose(answers[name], expected, rtol=1e-4, atol=1e-4)


def test_predict_images_compiles_under_xla(loaded):
    signature = loaded.signatures["predict_images"]
    compile_ = tf.function(lambda images: signature(images=images), jit_compile=True)
    for count in (1, 8):
        images = tf.constant(np.random.default_rng(0).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8))
        compiled = compile_(images)
        for name, answer in signature(images=images).items():
            np.testing.assert_allclose(compiled[name], answer, rtol=1e-4, atol=1e-4)


@pytest.fixture(scope="module")
def session(exported):
    """Calls a signature as TensorFlow Serving does: in a session that loaded the graph tagged "serve"."""
    opened = tf.compat.v1.Session(graph=tf.Graph())
    with opened.graph.as_default():
        described = tf.compat.v1.saved_model.load(opened, [tf.saved_model.SERVING], str(exported))

    def call(name, value):
        signature = described.signature_def[name]
        (given,) = signature.inputs.values()
        wanted = {key: tensor.name for key, tensor in signature.outputs.items()}
        return opened.run(wanted, {given.name: value})

    yield call
    opened.close()


@pytest.mark.parametrize("count", [1, 3, 8])
def test_a_session_of_tensorflow_serving_answers_alike(session, loaded, count):
    encoded = (pictures() * 3)[:count]
    images = np.random.default_rng(count).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)
    for name, signature in loaded.signatures.items():
        (key, spec), *_ = signature.structured_input_signature[1].items()
        value = np.array(encoded, object) if spec.dtype == tf.string else images
        answers, expected = session(name, value), signature(**{key: tf.constant(value)})
        assert answers.keys() == expected.keys()
        for output, answer in answers.items():
            assert len(answer) == count
            np.testing.assert_allclose(answer, expected[output], rtol=1e-6, atol=1e-6)


def test_labels_and_warm_up_lie_beside(exported, loaded):
    labels = json.loads((exported / "assets.extra" / "labels.json").read_text())
    assert labels["image_size"] == SIZE
    assert labels["training_data"] == ["synthetic_faces/tiny"]
    assert labels["tasks"]["emotion"]["labels"] == list(TASKS["emotion"].labels)
    assert labels["tasks"]["age"] == {"kind": "distribution", "units": 101, "unit": "years"}
    records = tf.data.TFRecordDataset(str(exported / "assets.extra" / "tf_serving_warmup_requests"))
    for record in records.as_numpy_iterator():
        request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        inputs = {name: tf.constant(tf.make_ndarray(value)) for name, value in request.inputs.items()}
        assert loaded.signatures[request.model_spec.signature_name](**inputs)["age"].shape == (1,)


def test_versions_count_up_and_none_is_overwritten(run, exported, tmp_path):
    assert exported.name == "1"
    assert export(run, exported.parent).name == "2"
    with pytest.raises(UserError, match="version must be a new number from 1 on; received 1"):
        export(run, exported.parent, version=1)
    assert not list(exported.parent.glob(".*"))


def test_an_unfinished_run_is_not_exported(tiny, tmp_path):
    with pytest.raises(UserError, match="has not finished training"):
        export(Run.start(tiny()), tmp_path / "exports")
    assert not (tmp_path / "exports").exists()
