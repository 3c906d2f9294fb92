"""A folder to a loaded and warmed model, or to what is wrong with it."""

import pytest
from google.protobuf import text_format
from small_models import Odd, picture, record_warmup, save, save_half_plus_two

from serving.errors import UserError, reason
from serving.loading import WARMUP, Unloadable, load
from serving.quiet import tf

# isort: split
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow_serving.apis.predict_pb2 import PredictRequest


class Counter(tf.Module):
    def __init__(self):
        super().__init__()
        self.calls = tf.Variable(0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "x")])
    def serve(self, x):
        return {"calls": self.calls.assign_add(tf.size(x))}


def test_signatures_know_their_inputs_and_outputs_by_name(faces):
    _, model = faces.find("faces")
    inputs = {name: signature.inputs for name, signature in model.signatures.items()}
    assert inputs == {
        "serving_default": {"image_bytes": tf.TensorSpec([None], tf.string, "image_bytes")},
        "decode_images": {"image_bytes": tf.TensorSpec([None], tf.string, "image_bytes")},
        "predict_images": {"images": tf.TensorSpec([None, 4, 4, 3], tf.uint8, "images")},
    }
    assert list(model.signatures["predict_images"].outputs) == ["age", "age_std", "emotion", "gender"]


def test_a_signature_of_sparse_tensors_is_left_out(tmp_path, caplog):
    save_half_plus_two(tmp_path / "1")
    model = load(tmp_path / "1")
    assert "signature sparse is not served: its x is no dense tensor" in caplog.text
    assert "sparse" in model.metadata.signature_def
    assert set(model.metadata.signature_def) - set(model.signatures) == {"sparse"}


def test_warm_up_replays_every_record(tmp_path):
    save(Counter(), tmp_path / "1", "serve")
    requests = [PredictRequest(), PredictRequest()]
    requests[1].model_spec.signature_name = "serve"
    for request in requests:
        request.inputs["x"].CopyFrom(tf.make_tensor_proto([b"a", b"b"]))
    record_warmup(tmp_path / "1" / WARMUP, *requests)
    assert load(tmp_path / "1").loaded.calls.numpy() == 4


def test_warm_up_takes_defaults_for_what_a_record_leaves_out(tmp_path):
    save(Odd(), tmp_path / "1", "scaled")
    request = PredictRequest(inputs={"x": tf.make_tensor_proto([1.0])})
    record_warmup(tmp_path / "1" / WARMUP, request)
    assert load(tmp_path / "1").signatures["scaled"].defaults == {"factor": 10.0}


@pytest.mark.parametrize(
    "request_",
    [
        PredictRequest(model_spec={"signature_name": "none"}),
        PredictRequest(inputs={"image_bytes": tf.make_tensor_proto([b"no picture"])}),
        PredictRequest(inputs={"other": tf.make_tensor_proto([picture(1, 2, 3)])}),
    ],
    ids=["signature", "value", "name"],
)
def test_a_model_that_cannot_answer_its_warm_up_is_not_served(faces_path, tmp_path, request_):
    export = tmp_path / "1"
    export.mkdir()
    for path in (faces_path / "007").iterdir():
        if path.name != "assets.extra":
            (export / path.name).symlink_to(path)
    record_warmup(export / WARMUP, request_)
    with pytest.raises(UserError, match="requests that the model answers; record 1: ") as error:
        load(export)
    assert "\n" not in str(error.value)


def test_a_saved_model_in_text_format(tmp_path):
    save(Counter(), tmp_path / "1", "serve")
    binary = tmp_path / "1" / "saved_model.pb"
    binary.with_suffix(".pbtxt").write_text(
        text_format.MessageToString(SavedModel.FromString(binary.read_bytes()))
    )
    binary.unlink()
    assert set(load(tmp_path / "1").signatures) == {"serving_default", "serve"}


def test_warm_up_may_be_left_out(tmp_path):
    save(Counter(), tmp_path / "1", "serve")
    record_warmup(tmp_path / "1" / WARMUP, PredictRequest())
    with pytest.raises(UserError, match="requests that the model answers; record 1"):
        load(tmp_path / "1")
    assert load(tmp_path / "1", warm_up=False).loaded.calls.numpy() == 0


def test_what_is_said_of_weights_that_are_missing_holds_no_path(tmp_path):
    export = tmp_path / "my secret models" / "1"
    save(Counter(), export, "serve")
    for path in (export / "variables").iterdir():
        path.unlink()
    with pytest.raises(Unloadable, match="must hold a SavedModel") as error:
        load(export)
    assert error.value.said.endswith("Failed to find any matching files for ...")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "Graph execution error:\n\nDetected at node map/Decode defined at (most recent call last):\n"
            "<stack traces unavailable>\nInput is empty.\n\t [[{{node map/Decode}}]] [Op:__inference_f_1]",
            "Input is empty.",
        ),
        (
            "{{function_node __wrapped__X}} 2 root error(s) found.\n  (0) INVALID_ARGUMENT:  Bad size\n"
            "\t [[{{node a}}]]",
            "Bad size",
        ),
        (
            'File "/usr/lib/x.py", line 3, in f\nNo such file /srv/models/1/a.txt here',
            "No such file ... here",
        ),
        ("Expected image/png, 3/4 or https://a.org/b", "Expected image/png, 3/4 or https://a.org/b"),
        ("Can't open '/srv/my models/a': denied", "Can't open '...': denied"),
        ('Can\'t open "/data" or file:///srv/a, gs://b/c', 'Can\'t open "..." or ... ...'),
        (r"Can't open D:\models\a.pb now", "Can't open ... now"),
        ("[[{{node a}}]]", "the model failed without a reason"),
        (
            "assertion failed: [at most 4 pixels; received] [3] [x] [3] [[{{node Assert}}]]",
            "assertion failed: at most 4 pixels; received 3 x 3",
        ),
    ],
)
def test_a_reason_has_neither_nodes_nor_frames_nor_paths(message, expected):
    assert reason(message) == expected
