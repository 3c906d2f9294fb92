"""Arrays to TensorFlow's TensorProto and back."""

import math

import numpy as np

from serving.errors import Refused
from serving.quiet import tf

# isort: split
from tensorflow.core.framework.tensor_pb2 import TensorProto

FIELDS = {
    "float32": "float_val",
    "float64": "double_val",
    "float16": "half_val",
    "bfloat16": "half_val",
    "int8": "int_val",
    "int16": "int_val",
    "int32": "int_val",
    "int64": "int64_val",
    "uint8": "int_val",
    "uint16": "int_val",
    "uint32": "uint32_val",
    "uint64": "uint64_val",
    "bool": "bool_val",
    "complex64": "scomplex_val",
    "complex128": "dcomplex_val",
    "string": "string_val",
}
"""Where tensor.proto keeps the values of each type."""

MAX_REPEATED = 2**20
"""Elements, and bytes of strings, that few values, the last of which stands for all that are left out, may be
spread over."""


def to_proto(array: np.ndarray) -> TensorProto:
    """An array in the field of its type, as TensorFlow Serving answers; bytes go as objects.

    Raises:
        Refused: UNIMPLEMENTED, a TensorProto has no field of its type.
    """
    dtype = tf.as_dtype(array.dtype)
    if dtype.name not in FIELDS:
        raise Refused("UNIMPLEMENTED", f"Tensors of type {dtype.name} can't be written by value")
    values = array.ravel()
    if FIELDS[dtype.name] == "half_val":
        values = values.view(np.uint16)
    elif dtype.is_complex:
        values = values.view(values.real.dtype)  # real, imaginary, real, ...
    proto = TensorProto(dtype=dtype.as_datatype_enum, tensor_shape=tf.TensorShape(array.shape).as_proto())
    getattr(proto, FIELDS[dtype.name]).extend(values.tolist())
    return proto


def to_array(name: str, proto: TensorProto) -> np.ndarray:
    """The array of a TensorProto, whether by value or as `tensor_content`; bytes as objects.

    Args:
        name: of the input, for the error.
        proto: what a client sent.

    Raises:
        Refused: INVALID_ARGUMENT, its parts contradict each other.
    """
    sizes = [dim.size for dim in proto.tensor_shape.dim]
    elements = math.prod(sizes)
    strings = proto.string_val
    # NumPy's copies of a string are one; TensorFlow's are not.
    repeated = (elements - len(strings)) * len(strings[-1]) if strings else 0
    if max(elements, repeated) > max(proto.ByteSize(), MAX_REPEATED):
        raise Refused(
            "INVALID_ARGUMENT",
            f"input {name} must hold its values; received {proto.ByteSize()} bytes for {elements} elements",
        )
    try:
        if min(sizes, default=0) < 0:
            raise ValueError("a negative size")  # make_ndarray would guess it
        return tf.make_ndarray(proto)
    except (KeyError, TypeError, ValueError, OverflowError, MemoryError) as error:
        raise Refused("INVALID_ARGUMENT", f"tensor parsing error: {name}") from error
