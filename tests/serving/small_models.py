"""Small models to serve: one like the project's own, one of odd signatures, one as TensorFlow 1 saved it."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from serving.quiet import tf

# isort: split
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog, PredictLog

SIZE = 4
TASKS = {
    "age": {"kind": "distribution", "unit": "years"},
    "emotion": {"kind": "categorical", "labels": ["angry", "happy", "sad"]},
    "gender": {"kind": "binary", "labels": ["male", "female"]},
}


TEN = tf.constant(10.0)


class Faces(tf.Module):
    """Answers from the mean of a picture's red, green and blue."""

    def __init__(self):
        super().__init__()
        self.years = tf.Variable(100.0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "image_bytes")])
    def decode_images(self, image_bytes):
        def decode(one):
            image = tf.io.decode_image(one, channels=3, expand_animations=False)
            return tf.cast(tf.image.resize(image, (SIZE, SIZE)), tf.uint8)

        spec = tf.TensorSpec((SIZE, SIZE, 3), tf.uint8)
        return {"images": tf.map_fn(decode, image_bytes, fn_output_signature=spec)}

    @tf.function(input_signature=[tf.TensorSpec([None, SIZE, SIZE, 3], tf.uint8, "images")])
    def predict_images(self, images):
        rgb = tf.reduce_mean(tf.cast(images, tf.float32), axis=[1, 2]) / 255.0  # [N, 3]
        return {
            "age": rgb[:, 0] * self.years,
            "age_std": rgb[:, 1] * 10.0,
            "emotion": tf.nn.softmax(rgb * 5.0),
            "gender": rgb[:, 2],
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "image_bytes")])
    def serving_default(self, image_bytes):
        return self.predict_images(**self.decode_images(image_bytes))


class Length(tf.Module):
    """One answer alone: how many bytes a picture has, capped at 1."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "image_bytes")])
    def serve(self, image_bytes):
        return {"gender": tf.minimum(tf.cast(tf.strings.length(image_bytes), tf.float32), 1.0)}


class Lost(tf.Module):
    """Answers with what are no numbers."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "image_bytes")])
    def serve(self, image_bytes):
        nan = tf.fill(tf.shape(image_bytes), float("nan"))
        return {
            "age": nan,
            "age_std": nan,
            "emotion": tf.stack([nan, nan], 1),
            "gender": tf.fill(tf.shape(image_bytes), float("inf")),
        }


class Odd(tf.Module):
    """Signatures of all kinds."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def half_plus_two(self, x):
        return {"y": x / 2.0 + 2.0}

    @tf.function(input_signature=[tf.TensorSpec(None, tf.float32, "x")])
    def any_shape(self, x):
        return {"y": x}

    @tf.function(input_signature=[tf.TensorSpec([], tf.float32, "x")])
    def scalar(self, x):
        return {"double": x * 2.0, "whole": tf.cast(x, tf.int32)}

    @tf.function(
        input_signature=[tf.TensorSpec([None, 2], tf.float32, "a"), tf.TensorSpec([None], tf.int32, "b")]
    )
    def several(self, a, b):
        return {"sum": a + tf.cast(b, tf.float32)[:, None], "even": b % 2 == 0}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
    def strings(self, text):
        return {"same": text, "same_bytes": text}

    @tf.function(input_signature=[tf.TensorSpec([None, 2, 3], tf.uint8, "pixels")])
    def pixels(self, pixels):
        return {"half": tf.cast(tf.reduce_sum(tf.cast(pixels, tf.int32), [1, 2]), tf.bfloat16)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.bfloat16, "x")])
    def short(self, x):
        return {"y": x}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.bool, "x"), tf.TensorSpec([None], tf.int64, "y")])
    def whole(self, x, y):
        return {"y": tf.where(x, y, -y)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def total(self, x):
        return {"total": tf.reduce_sum(x)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def tripled(self, x):
        return {"x": x, "thrice": tf.tile(x, [3])}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def below_zero(self, x):
        tf.debugging.assert_less(x, 0.0, message="not below zero, says /opt/models/rules.txt")
        return {"y": tf.identity(x)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.complex64, "x")])
    def angle(self, x):
        return {"y": tf.math.angle(x)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def complex(self, x):
        return {"y": tf.complex(x, x)}

    @tf.function(input_signature=[tf.TensorSpec([], tf.string, "text")])
    def word(self, text):
        return {"same": text, "same_bytes": text}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def nothing(self, x):
        return {"y": x[:0]}

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.float32, "x"), tf.TensorSpec([], tf.float32, "factor")]
    )
    def scaled(self, x, factor=TEN):
        return {"y": x * factor}

    @tf.function(input_signature=[])
    def constant(self):
        return {"y": tf.constant([1.0])}


class HalfPlus(tf.Module):
    """Half of x plus a number, which tells by whom a request was answered."""

    def __init__(self, number):
        super().__init__()
        self.number = tf.Variable(float(number))
        self.calls = tf.Variable(0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def serve(self, x):
        self.calls.assign_add(1)
        return {"y": x / 2.0 + self.number}


def save_half_plus_two(path: Path) -> None:
    """TensorFlow Serving's own example, half of x plus two, with signatures that fit no method besides."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        serialized = v1.placeholder(tf.string, [None], name="tf_example")
        x2 = tf.io.FixedLenFeature([1], tf.float32, default_value=[0.0])
        parsed = tf.io.parse_example(serialized, {"x": tf.io.FixedLenFeature([1], tf.float32), "x2": x2})
        half, x = v1.Variable(0.5), tf.identity(parsed["x"], name="x")
        y, y2 = half * x + 2.0, half * parsed["x2"] + 3.0
        sign = tf.where(tf.concat([x, x], 1) < 0.0, [["below", "above"]], [["above", "below"]])
        session.run(v1.global_variables_initializer())
        first = {"inputs": serialized}
        again = {"inputs": tf.identity(serialized)}
        regression = {
            "regress_x_to_y": (first, {"outputs": y}),
            "regress_x2_to_y3": (first, {"outputs": y2}),
            "regress_flat": (first, {"outputs": y[:, 0]}),
            "regress_again": (again, {"outputs": tf.ones_like(again["inputs"], tf.float32)}),
            "regress_wide": (first, {"outputs": tf.concat([y, y], 1)}),
            "regress_one": (first, {"outputs": y[:1]}),
            "regress_double": (first, {"outputs": tf.cast(y, tf.float64)}),
            "regress_two": (first, {"outputs": y, "more": y2}),
            "regress_other": (first, {"other": y}),
            "regress_other_input": ({"other": serialized}, {"outputs": y}),
            "regress_numbers": ({"inputs": x}, {"outputs": y}),
        }
        classification = {
            "classify_x_to_y": (first, {"scores": y}),
            "classify_labels": (first, {"classes": sign}),
            "classify_both": (first, {"classes": sign, "scores": tf.concat([y, y2], 1)}),
            "classify_uneven": (first, {"classes": sign, "scores": y}),
            "classify_flat": (first, {"scores": y[:, 0]}),
            "classify_one": (first, {"scores": y[:1]}),
            "classify_whole": (first, {"scores": tf.cast(y, tf.int32)}),
            "classify_numbers": (first, {"classes": y}),
            "classify_other": (first, {"other": y}),
            "classify_three": (first, {"scores": y, "a": y, "b": y}),
            "classify_two_inputs": ({"inputs": serialized, "x": x}, {"scores": y}),
        }
        sparse = v1.sparse_placeholder(tf.float32, [None, 3])
        prediction = {
            "serving_default": ({"x": x}, {"y": y}),
            "sparse": ({"x": sparse}, {"y": tf.sparse.reduce_sum(sparse, 1)}),
        }
        builder = v1.saved_model.Builder(str(path))
        builder.add_meta_graph_and_variables(
            session,
            [tf.saved_model.SERVING],
            {
                name: v1.saved_model.build_signature_def(
                    {key: v1.saved_model.build_tensor_info(tensor) for key, tensor in inputs.items()},
                    {key: v1.saved_model.build_tensor_info(tensor) for key, tensor in outputs.items()},
                    method,
                )
                for method, signatures in (
                    (tf.saved_model.PREDICT_METHOD_NAME, prediction),
                    (tf.saved_model.CLASSIFY_METHOD_NAME, classification),
                    (tf.saved_model.REGRESS_METHOD_NAME, regression),
                )
                for name, (inputs, outputs) in signatures.items()
            },
        )
        builder.save()


def picture(red: int, green: int, blue: int) -> bytes:
    encoded = io.BytesIO()
    Image.fromarray(np.full((6, 8, 3), (red, green, blue), np.uint8)).save(encoded, "PNG")
    return encoded.getvalue()


def record_warmup(path: Path, *requests: PredictRequest) -> None:
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for request in requests:
            log = PredictionLog(predict_log=PredictLog(request=request))
            writer.write(log.SerializeToString())


def save(module: tf.Module, path: Path, *names: str) -> None:
    """Exports the named methods as signatures, the first as the default one as well."""
    signatures = {name: getattr(module, name) for name in names}
    tf.saved_model.save(module, str(path), {"serving_default": signatures[names[0]], **signatures})
