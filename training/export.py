"""A run's best model as a SavedModel for TensorFlow Serving: `python -m training.export RUN --to DIR`.

python -m training.export --pretrained --to DIR     the model that comes with the project
"""

import dataclasses
import io
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import keras
import numpy as np
import tensorflow as tf
import tyro
from PIL import Image
from rich.console import Console
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from models import flips
from models.inference import for_inference
from multitask.errors import UserError, run_command
from multitask.images import decode_images
from multitask.tasks import Task
from training.commands import parse
from training.elsewhere import FormatName, add_formats, check_formats, report
from training.runs import Run, write_json
from training.start import SHIPPED


def export(run: Run, to: Path | str, version: int | None = None, average_flips: bool = False) -> Path:
    """Writes `to`/<version> with the signatures serving_default, decode_images and predict_images.

    A task without labels in the run's data is left out. The network is the one `models.inference` makes of
    the run's. The folder appears complete, by a rename.

    Args:
        run: a run with at least one ended epoch.
        to: folder of all versions of the model.
        version: a number not yet taken; the highest plus 1 if not given.
        average_flips: answer by the mean over a picture and its mirror image, at twice the cost.

    Returns:
        The new version's folder.

    Raises:
        UserError: the version is taken or no positive number, or training has not ended.
        OSError: `to` can't be written.
    """
    if run.summary is None:
        raise UserError(f"{run.folder} has not finished training: finish it first, by training.train")
    tasks = [task for task in run.config.chosen_tasks if task.name in run.summary["learned"]]
    to = Path(to)
    versions = (
        [int(name) for name in os.listdir(to) if name.isascii() and name.isdigit()] if to.is_dir() else []
    )
    version = max(versions, default=0) + 1 if version is None else version
    if version in versions or version < 1:
        raise UserError(f"version must be a new number from 1 on; received {version}, {to} has {versions}")
    folder, unfinished = to / str(version), to / f".{version}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    model = for_inference(run.best_model())
    _write_saved_model(
        flips.average_flips(model) if average_flips else model, tasks, run.config.image_size, unfinished
    )
    extra = unfinished / "assets.extra"
    extra.mkdir()
    write_json(extra / "labels.json", {**_labels(run, tasks), "average_flips": average_flips})
    _write_warmup(extra / "tf_serving_warmup_requests", run.config.image_size)
    unfinished.rename(folder)
    return folder


def _write_saved_model(model: keras.Model, tasks: list[Task], size: int, folder: Path) -> None:
    def predict_images(images: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = model(images, training=False)
        return {name: answer for task in tasks for name, answer in task.decode(logits[task.name]).items()}

    archive = keras.export.ExportArchive()
    image_bytes = tf.TensorSpec((None,), tf.string, name="image_bytes")
    images = tf.TensorSpec((None, size, size, 3), tf.uint8, name="images")
    archive.add_endpoint(
        "serving_default",
        lambda image_bytes: predict_images(decode_images(image_bytes, size)),
        input_signature=[image_bytes],
    )
    archive.add_endpoint(
        "decode_images",
        lambda image_bytes: {"images": decode_images(image_bytes, size)},
        input_signature=[image_bytes],
    )
    archive.add_endpoint("predict_images", predict_images, input_signature=[images])
    archive.write_out(folder, verbose=False)


def _labels(run: Run, tasks: list[Task]) -> dict[str, object]:
    """What a client needs to put answers into words, and where they come from."""
    evaluation = run.evaluation
    return {
        "image_size": run.config.image_size,
        "tasks": {
            task.name: {
                key: value for key, value in dataclasses.asdict(task).items() if key != "name" and value
            }
            for task in tasks
        },
        "training_data": run.config.datasets,
        "metrics": evaluation and {name: evaluation[name] for name in ("split", "tasks")},
    }


def _write_warmup(path: Path, size: int) -> None:
    """One request a signature that takes pictures, which TensorFlow Serving replays before it serves."""
    picture = io.BytesIO()
    Image.new("RGB", (size, size), "grey").save(picture, "JPEG")
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, name, value in (
            ("serving_default", "image_bytes", [picture.getvalue()]),
            ("predict_images", "images", np.full((1, size, size, 3), 127, np.uint8)),
        ):
            request = predict_pb2.PredictRequest()
            request.model_spec.signature_name = signature
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
            log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
            writer.write(log.SerializeToString())


@dataclass(frozen=True)
class _Command:
    """Writes a run's best model as a SavedModel for TensorFlow Serving.

    Args:
        run: folder of the run.
        to: folder of all versions of the model.
        pretrained: in place of a run: the model that comes with the project.
        version: a number not yet taken; the highest plus 1 if not given.
        average_flips: answer by the mean over a picture and its mirror image, at twice the cost; the model
            that comes with the project does, unless one_view.
        one_view: answer by the picture as it is.
        formats: what else to write it as, for places without TensorFlow; each is checked on pictures of the
            run's own data. See docs/formats.md.
        data_dir: where those pictures are prepared, if not where they were in training.
        manual_dir: where their archives are, if not where they were in training.
    """

    to: Path
    run: Annotated[Path | None, tyro.conf.Positional] = None
    pretrained: bool = False
    version: int | None = None
    average_flips: bool = False
    one_view: bool = False
    formats: tuple[FormatName, ...] = ()
    data_dir: Path | None = None
    manual_dir: Path | None = None


def _main() -> None:
    command = parse(_Command)
    if (command.run is None) != command.pretrained:
        raise UserError(
            "export takes the folder of a run or --pretrained, one of the two; received "
            f"{'neither' if command.run is None else f'{command.run} and --pretrained'}"
        )
    if command.average_flips and command.one_view:
        raise UserError("export answers by average_flips or by one_view; received both")
    average_flips = command.average_flips or (command.pretrained and not command.one_view)
    run = Run.open(command.run or SHIPPED).at(command.data_dir, command.manual_dir)
    check_formats(run, command.formats)
    folder = export(run, command.to, command.version, average_flips)
    print(f"exported: {folder}\nnext: python -m serving --model_base_path {command.to} --model_name faces")
    if command.formats:
        Console(highlight=False).print(report(add_formats(run, folder, command.formats)))


if __name__ == "__main__":
    run_command(_main)
