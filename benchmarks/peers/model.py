"""What the peers serve: an export's predictions of encoded pictures, and a port of their own."""

import base64
import os
import socket
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

Instances = Sequence[Mapping[str, str]]


class Export:
    """A SavedModel's default signature, asked as over TensorFlow Serving's REST.

    Args:
        folder: a version folder.
    """

    def __init__(self, folder: str) -> None:
        self.loaded = tf.saved_model.load(folder)
        self.function = self.loaded.signatures["serving_default"]

    def predictions(self, instances: Instances) -> list[dict[str, Any]]:
        """The outputs of each instance, by name; an instance is {"b64": ...}, a picture's bytes."""
        pictures = [base64.b64decode(instance["b64"]) for instance in instances]
        outputs = self.function(image_bytes=tf.constant(pictures))
        columns = {name: output.numpy().tolist() for name, output in outputs.items()}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def free_port() -> int:
    """A free port, named on stdout. The rest of stdout is lost: unread, it would block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    print(f"http://127.0.0.1:{port}", flush=True)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return port
