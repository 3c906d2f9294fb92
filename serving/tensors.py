"""Requests to arrays and back, by the rules and in the words of TensorFlow Serving (util/json_tensor.cc)."""

import base64
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from serving.arrays import invalid, is_object, shown, to_array
from serving.errors import Refused

if TYPE_CHECKING:
    import tensorflow as tf


def parse(body: bytes) -> dict[str, Any]:
    """A request's JSON object; NaN, Infinity and -Infinity are numbers.

    Raises:
        Refused: INVALID_ARGUMENT, it is no JSON object.
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    try:
        document = _loads(body)
    except json.JSONDecodeError as error:
        raise invalid(f"JSON Parse error: {error.msg} at offset: {error.pos}") from error
    if not isinstance(document, dict):
        raise invalid(f"JSON Value: {shown(document)} Is not object")
    return document


def _loads(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        if b"NaN" not in body and b"Infinity" not in body:
            raise
    try:
        document = json.loads(body.decode())
        orjson.dumps(document)  # takes no lone surrogate, no integer beyond 64 bits and no endless nesting
    except json.JSONDecodeError:
        raise
    except (RecursionError, ValueError, orjson.JSONEncodeError) as error:  # ValueError: too many digits
        raise json.JSONDecodeError(str(error), "", getattr(error, "start", 0)) from error
    return document


def read_inputs(
    document: Mapping[str, Any], specs: Mapping[str, "tf.TensorSpec"]
) -> tuple[dict[str, np.ndarray], bool]:
    """The inputs of a request, and whether they came as rows.

    Args:
        document: with either `instances`, a list of rows, or `inputs`, columns.
        specs: what each named input must be.

    Returns:
        Arrays by input name, of the input's type; strings as objects. A row format's arrays have the rows as
        their first axis. Shapes are not compared with the specs.

    Raises:
        Refused: the request does not fit.
    """
    if "instances" in document and "inputs" in document:
        raise invalid("Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist")
    if "instances" in document:
        rows = document["instances"]
        if not isinstance(rows, list):
            raise invalid("Expecting 'instances' to be an list/array")
        if not rows:
            raise invalid("No values in 'instances' array")
        return _from_rows(rows, specs), True
    if "inputs" in document:
        return _from_columns(document["inputs"], specs), False
    raise invalid("Missing 'inputs' or 'instances' key")


def _from_rows(rows: list[Any], specs: Mapping[str, "tf.TensorSpec"]) -> dict[str, np.ndarray]:
    named = is_object(rows[0])
    if not named and len(specs) > 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors "
            "required as per tensorinfo_map"
        )
    columns: dict[str, list[np.ndarray]] = {name: [] for name in specs}
    for number, row in enumerate(rows):
        if named != is_object(row):
            kinds = ("object", "list") if named else ("value/list", "object")
            raise invalid(f"Expecting {kinds[0]} but got {kinds[1]} at item {number} of input list")
        for name, value in row.items() if named else zip(specs, [row], strict=True):
            key = f" key: {name}" if named else ""
            try:
                if name not in specs:
                    raise invalid(f"JSON object: does not have named input: {name}")
                array = to_array(value, specs[name])
                _check_alike(columns[name], array)
            except Refused as error:
                raise Refused(
                    error.code,
                    f"Failed to process element: {number}{key} of 'instances' list. "
                    f"Error: {error.code}: {error}",
                ) from error
            columns[name].append(array)
        if named and row.keys() != specs.keys():
            raise invalid(
                f"Failed to process element: {number} of 'instances' list. JSON object: {shown(row)} "
                f"keys must be equal to: {','.join(sorted(specs))}"
            )
    return {name: np.stack(arrays) for name, arrays in columns.items()}


def _check_alike(rows: list[np.ndarray], row: np.ndarray) -> None:
    if rows and rows[0].size != row.size:
        raise invalid(f"Expecting tensor size: {rows[0].size} but got: {row.size}")
    if rows and rows[0].shape != row.shape:
        shapes = [f"[{','.join(map(str, array.shape))}]" for array in (rows[0], row)]
        raise invalid(f"Expecting shape {shapes[0]} but got: {shapes[1]}")


def _from_columns(columns: Any, specs: Mapping[str, "tf.TensorSpec"]) -> dict[str, np.ndarray]:
    if not is_object(columns):
        if len(specs) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple input tensors "
                "required as per tensorinfo_map"
            )
        return {name: to_array(columns, spec) for name, spec in specs.items()}
    for name in specs:
        if name not in columns:
            raise invalid(f"Missing named input: {name} in 'inputs' object.")
    return {name: to_array(columns[name], spec) for name, spec in specs.items()}


def write_outputs(outputs: Mapping[str, np.ndarray], as_rows: bool) -> bytes:
    """The JSON answer: `predictions`, split along the first axis, or `outputs`.

    A single output is written bare, several as objects by name; string outputs whose name ends in `_bytes` in
    base64; NaN and infinities as bare tokens.

    Raises:
        Refused: INVALID_ARGUMENT, an output has no rows or another number of them, or a type JSON lacks.
    """
    if not outputs:
        raise invalid("Cannot convert empty tensor map to JSON")
    if as_rows:
        _check_rows(outputs)
    columns = {name: writable(name, array) for name, array in outputs.items()}
    key = "predictions" if as_rows else "outputs"
    answer: Any
    if len(columns) == 1:
        (answer,) = columns.values()
    elif as_rows:
        answer = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    else:
        answer = columns
    finite = all(np.isfinite(column).all() for column in columns.values() if _is_decimal(column))
    return write({key: answer}, finite)


def write(answer: Mapping[str, Any], finite: bool) -> bytes:
    """The JSON of an answer that may hold arrays; what is not finite is written as NaN or Infinity."""
    if finite:
        return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
    return json.dumps(answer, default=plain, separators=(",", ":")).encode()


def _check_rows(outputs: Mapping[str, np.ndarray]) -> None:
    expected = None
    for name, array in outputs.items():
        if array.ndim == 0:
            raise invalid(f"Tensor name: {name} has no shape information")
        if not len(array):
            raise invalid(f"Tensor name: {name} has invalid batch size: 0")
        if expected not in (None, len(array)):
            raise invalid(
                f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {expected}"
            )
        expected = len(array)


def writable(name: str, array: np.ndarray) -> Any:
    """An output as JSON can have it: an array of numbers, or strings as they are or in base64, by its name.

    Raises:
        Refused: INVALID_ARGUMENT, JSON lacks its type.
    """
    if array.dtype.name == "bfloat16":
        array = array.astype(np.float32)
    if array.dtype.kind not in "fiubO":
        raise invalid(f"Failed to write JSON value for tensor type: {array.dtype.name}")
    if array.dtype.kind == "O":
        return _texts(array.tolist(), as_base64=name.endswith("_bytes"))
    return array if array.ndim else array[()]


def _is_decimal(column: Any) -> bool:
    return not isinstance(column, list | str | dict) and column.dtype.kind == "f"


def _texts(value: Any, as_base64: bool) -> Any:
    if isinstance(value, list):
        return [_texts(element, as_base64) for element in value]
    return {"b64": base64.b64encode(value).decode()} if as_base64 else value.decode(errors="replace")


def plain(value: Any) -> Any:
    """An array, or a single number of one, as Python's own numbers; float32 0.1 stays 0.1, by way of text."""
    return value.astype(str).astype(float).tolist() if value.dtype.kind == "f" else value.tolist()
