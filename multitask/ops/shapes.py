"""How large a window's output is, and how much padding keeps it as large as its input."""

from typing import Any, Literal

import tensorflow as tf

from multitask.errors import UserError

Size = Any
"""Pixels along an axis: an int where it is known before the graph runs, a scalar tensor where it is not."""
Sizes = tuple[Size, Size]
Pads = tuple[tuple[Size, Size], tuple[Size, Size]]
Padding = Literal["valid", "same"] | Pads


def output_size(
    n: Size, f: int, stride: int = 1, padding: tuple[Size, Size] = (0, 0), dilation: int = 1
) -> Size:
    """floor((n + 2p - f) / s) + 1: how often a window fits along an axis, 0 where it never does.

    Args:
        n: size of the input.
        f: size of the window.
        stride: step between two windows.
        padding: p before and after; the two may differ.
        dilation: distance of two taps of the window, which then spans (f - 1) dilation + 1 pixels.

    Source: notes 000; 001, "Strides". (003, section IV.B, has floor((n - f + 1) / s): one too few where s
    doesn't divide n - f + 1.)
    """
    size = (n + padding[0] + padding[1] - (f - 1) * dilation - 1) // stride + 1
    return max(size, 0) if isinstance(size, int) else tf.maximum(size, 0)


def same_padding(n: Size, f: int, stride: int = 1, dilation: int = 1) -> tuple[Size, Size]:
    """The zeros before and after an axis that make its output ceil(n / stride), the odd one after.

    Source: notes 001, "What is Padding?", solves n + 2p - f + 1 = n for stride 1.
    """
    span = (f - 1) * dilation + 1
    total = span - 1 if stride == 1 else (-(-n // stride) - 1) * stride + span - n
    total = max(total, 0) if isinstance(total, int) else tf.maximum(total, 0)
    return total // 2, total - total // 2


def pads_of(
    padding: Padding,
    sizes: Sizes,
    window: tuple[int, int],
    strides: tuple[int, int],
    dilation: tuple[int, int],
) -> Pads:
    """`padding` in pixels: ((top, bottom), (left, right)).

    Raises:
        UserError: neither "valid", "same" nor two pairs.
    """
    if padding == "valid":
        return ((0, 0), (0, 0))
    if padding == "same":
        rows, columns = (same_padding(*axis) for axis in zip(sizes, window, strides, dilation, strict=True))
        return rows, columns
    if isinstance(padding, str) or len(padding) != 2 or any(len(pair) != 2 for pair in padding):
        raise UserError(
            f'padding must be "valid", "same" or ((top, bottom), (left, right)); received {padding!r}'
        )
    return padding


def sizes_of(x: tf.Tensor) -> Sizes:
    """Height and width of x [N, H, W, C]: ints where they are known, scalar tensors where they are not."""
    shape = tf.shape(x)
    height, width = (x.shape[axis] if x.shape[axis] is not None else shape[axis] for axis in (1, 2))
    return height, width


def pad(x: tf.Tensor, pads: Pads, value: float = 0) -> tf.Tensor:
    """x [N, H, W, C] with `pads` pixels of `value` around; a negative number of them crops instead."""
    if all(isinstance(p, int) and p == 0 for pair in pads for p in pair):
        return x
    # Padded first: what is cropped may reach beyond what there is.
    rows, columns = ([_at_least_0(before), _at_least_0(after)] for before, after in pads)
    x = tf.pad(x, [[0, 0], rows, columns, [0, 0]], constant_values=tf.cast(value, x.dtype))
    begins = [_at_least_0(-before) for before, _ in pads]
    ends = [n - _at_least_0(-after) for n, (_, after) in zip(sizes_of(x), pads, strict=True)]
    return x[:, begins[0] : ends[0], begins[1] : ends[1], :]


def _at_least_0(n: Size) -> Size:
    return max(n, 0) if isinstance(n, int) else tf.maximum(n, 0)
