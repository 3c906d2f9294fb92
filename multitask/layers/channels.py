"""Operations know channels last; layers know both orders."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def channels_last(x: Any, data_format: str) -> Any:
    """A picture as operations take it, [N, H, W, C]; for "channels_first" it comes as [N, C, H, W]."""
    return tf.transpose(x, [0, 2, 3, 1]) if data_format == "channels_first" else x


def in_channels_last(op: Callable[[Any], Any], x: Any, data_format: str) -> Any:
    """op(x), where x and the result are pictures in `data_format` and `op` wants them [N, H, W, C]."""
    y = op(channels_last(x, data_format))
    return tf.transpose(y, [0, 3, 1, 2]) if data_format == "channels_first" else y
