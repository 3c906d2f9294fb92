"""Keras's operations take tensors of several dtypes; derived ones take tensors of one."""

from typing import Any

import keras
import tensorflow as tf


def promoted(*tensors: Any) -> list[tf.Tensor]:
    """The tensors, all in the dtype that Keras would compute in."""
    given = [tf.convert_to_tensor(tensor) for tensor in tensors]
    dtype = keras.backend.result_type(*(tensor.dtype.name for tensor in given))
    return [tf.cast(tensor, dtype) for tensor in given]
