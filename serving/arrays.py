"""One JSON value to one array, by the rules and in the words of TensorFlow Serving (util/json_tensor.cc)."""

import base64
import binascii
import itertools
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from serving.errors import Refused

if TYPE_CHECKING:
    import tensorflow as tf

MAX_RANK = 31
"""Levels of lists in a value; with the axis of the rows it is what NumPy holds."""

TYPE_NAMES = {"float16": "half", "float32": "float", "float64": "double"}
JSON_TYPES = {
    type(None): "Null",
    int: "Number",
    float: "Number",
    str: "String",
    list: "Array",
    dict: "Object",
}


def to_array(value: Any, spec: "tf.TensorSpec") -> np.ndarray:
    """A JSON value, a scalar or lists in lists, as an array of the spec's type.

    Raises:
        Refused: the lists are ragged, or an element is not of the type.
    """
    shape = []
    first = value
    while isinstance(first, list):
        shape.append(len(first))
        first = first[0] if first else None
    if len(shape) > MAX_RANK:
        raise invalid(f"Encountered list at unexpected level: {MAX_RANK} expected < {MAX_RANK}")
    elements = [value]
    for level, size in enumerate(shape):
        for element in elements:
            if not isinstance(element, list):
                raise invalid(
                    f"JSON Value: {shown(element)} found at incorrect level: {level + 1} in the JSON DOM. "
                    f"Expected at level: {len(shape)}"
                )
            if len(element) != size:
                raise invalid(
                    f"Encountered list at unexpected size: {len(element)} at level: {level} "
                    f"expected size: {size}"
                )
        elements = list(itertools.chain.from_iterable(elements))
    if any(type(element) is list for element in elements):
        raise invalid(f"Encountered list at unexpected level: {len(shape)} expected < {len(shape)}")
    return _array_of(elements, spec.dtype).reshape(shape)


def _array_of(elements: list[Any], dtype: "tf.DType") -> np.ndarray:
    type_name = TYPE_NAMES.get(dtype.name, dtype.name)
    if dtype.name == "string":
        return np.array([bytes_of(element) for element in elements], dtype=object)
    if dtype.is_bool:
        _check_types(elements, {bool}, type_name)
    elif dtype.is_integer and not dtype.is_quantized:
        _check_types(elements, {int}, type_name)
        low, high = int(dtype.min), int(dtype.max)
        if elements and not (low <= min(elements) and max(elements) <= high):
            raise _mistyped(next(element for element in elements if not low <= element <= high), type_name)
    elif dtype.is_floating:
        _check_types(elements, {int, float}, type_name)
        _check_lossless(elements, float(dtype.max), type_name)
    else:
        raise Refused(
            "UNIMPLEMENTED",
            f"Conversion of JSON Value: {shown(next(iter(elements), []))} to type: {type_name}",
        )
    return np.array(elements, dtype=dtype.as_numpy_dtype)


def _check_lossless(elements: list[Any], largest: float, type_name: str) -> None:
    whole = 2 ** (53 if type_name == "double" else 24)  # below it every integer is exact
    if not (np.abs(np.array(elements, dtype=np.float64)) >= min(whole, largest)).any():
        return
    for element in elements:
        limit = min(whole - 1, largest) if isinstance(element, int) else largest
        if np.isfinite(element) and abs(element) > limit:
            raise invalid(
                f"Cannot convert JSON value: {shown(element)} to {type_name} without loss of precision."
            )


def bytes_of(element: Any) -> bytes:
    """The bytes of a JSON string, or of `{"b64": text}`.

    Raises:
        Refused: INVALID_ARGUMENT, it is neither.
    """
    if isinstance(element, str):
        return element.encode()
    if not isinstance(element, dict):
        raise _mistyped(element, "string")
    if is_object(element):
        raise invalid(f"JSON Value: {shown(element)} not formatted correctly for base64 data")
    text = "".join(element["b64"].split())
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid("Unable to base64 decode") from error


def is_object(value: Any) -> bool:
    """Whether a JSON value holds others by name; `{"b64": text}` stands for bytes and does not."""
    return isinstance(value, dict) and not (len(value) == 1 and isinstance(value.get("b64"), str))


def _check_types(elements: list[Any], wanted: set[type], type_name: str) -> None:
    if not set(map(type, elements)) <= wanted:
        raise _mistyped(next(element for element in elements if type(element) not in wanted), type_name)


def _mistyped(element: Any, type_name: str) -> Refused:
    kind = str(element) if isinstance(element, bool) else JSON_TYPES[type(element)]
    return invalid(f"JSON Value: {shown(element)} Type: {kind} is not of expected type: {type_name}")


def invalid(text: str) -> Refused:
    """The refusal of a request that is wrong in itself."""
    return Refused("INVALID_ARGUMENT", text)


def shown(value: Any) -> str:
    """A value within an error: shortened, since a picture in base64 helps nobody."""
    text = "".join(itertools.islice(_written(value), 200))
    return text if len(text) < 200 else f"{text[:197]}..."


def _written(value: Any) -> Iterator[str]:
    for chunk in json.JSONEncoder(ensure_ascii=False).iterencode(value):
        yield from chunk
