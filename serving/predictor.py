"""A model in a script, without a server: encoded pictures to answers in words."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serving.answers import describe
from serving.calls import call
from serving.errors import Refused, UserError
from serving.loading import DEFAULT_SIGNATURE, Model, Signature, load
from serving.pictures import upright
from serving.quiet import tf
from serving.tensors import plain, writable
from serving.versions import versions

BATCH = 32
PICTURES = tf.TensorSpec([BATCH], tf.string)


class Predictor:
    """Calls the signatures of one model.

    Args:
        model: a loaded one, or the folder of an export: a version folder or one that holds them, of which
            the newest is taken.

    Raises:
        UserError: no model there.
    """

    def __init__(self, model: Model | Path | str) -> None:
        if not isinstance(model, Model):
            path = Path(model)
            model = load(path if (path / "saved_model.pb").is_file() else next(iter(versions(path).values())))
        self.model = model

    def signature(self, name: str) -> Signature:
        """One way to call the model; an empty name is the default's.

        Raises:
            Refused: FAILED_PRECONDITION, there is none of this name.
        """
        name = name or DEFAULT_SIGNATURE
        if name not in self.model.signatures:
            raise Refused("FAILED_PRECONDITION", f'Serving signature key "{name}" not found.')
        return self.model.signatures[name]

    @property
    def takes_pictures(self) -> bool:
        """Whether the default signature has one input, a list of strings, which encoded pictures can be."""
        signature = self.model.signatures.get(DEFAULT_SIGNATURE)
        inputs = signature.inputs.values() if signature else ()
        return [spec.is_compatible_with(PICTURES) for spec in inputs] == [True]

    def call(self, signature: Signature, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """One call into a signature: arrays by input name to arrays by output name.

        Raises:
            Refused: as by `calls.call`.
        """
        return call(self.model, signature, inputs)

    def predict(self, pictures: Sequence[bytes | Path | str]) -> list[dict[str, dict[str, Any]]]:
        """What the model says of each encoded picture or picture file, as `answers.describe` puts it.

        Raises:
            Refused: a picture can't be read; its number, from 0, is named. FAILED_PRECONDITION, the model has
                not an answer for each.
            OSError: a file can't be read.
        """
        encoded = [upright(p if isinstance(p, bytes) else Path(p).read_bytes()) for p in pictures]
        batcher = self.model.batcher
        size = BATCH if batcher is None else min(BATCH, batcher.parameters.max_batch_size)
        answers: list[dict[str, dict[str, Any]]] = []
        for start in range(0, len(encoded), size):
            answers += self._predict_batch(encoded[start : start + size], start)
        return answers

    def _predict_batch(self, encoded: list[bytes], start: int) -> list[dict[str, dict[str, Any]]]:
        try:
            outputs = self._answer(encoded)
        except Refused as refused:
            if refused.code != "INVALID_ARGUMENT":
                raise
            for number, picture in enumerate(encoded, start):
                try:
                    self._answer([picture])
                except Refused as error:
                    raise Refused(error.code, f"picture {number}: {error}") from error
            raise
        tasks = self._tasks()
        columns = {name: _rows(name, output, len(encoded)) for name, output in outputs.items()}
        return [
            describe({name: rows[number] for name, rows in columns.items()}, tasks)
            for number in range(len(encoded))
        ]

    def _answer(self, encoded: list[bytes]) -> dict[str, np.ndarray]:
        signature = self.signature(DEFAULT_SIGNATURE)
        if not self.takes_pictures:
            inputs = [(name, spec.dtype.name) for name, spec in signature.inputs.items()]
            raise UserError(f"{DEFAULT_SIGNATURE} must take one input, encoded pictures; it takes {inputs}")
        return self.call(signature, {next(iter(signature.inputs)): np.array(encoded, dtype=object)})

    def _tasks(self) -> dict[str, dict[str, Any]]:
        return json.loads(self.model.labels).get("tasks", {}) if self.model.labels else {}


def _rows(name: str, output: np.ndarray, pictures: int) -> list[Any]:
    if output.shape[:1] != (pictures,):
        text = f"output {name} must have a row for each of {pictures} pictures; its shape is {output.shape}"
        raise Refused("FAILED_PRECONDITION", text)
    rows = writable(name, output)
    return rows if isinstance(rows, list) else plain(rows)
