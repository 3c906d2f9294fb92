"""Windows over a picture: the pixels that a tap of the window sees, and the way back to the pixels.

Output i sees pixel s i + d m - p through tap m, along each axis. Read backwards, the pixels fall into s
phases: those of phase r, at s q + r, are met by the taps with d m - p = s e + r, and pixel q of them by
output q - e.
"""

from collections.abc import Callable, Sequence

import tensorflow as tf

from multitask.ops.shapes import Pads, Sizes, pad, sizes_of

Pair = tuple[int, int]
Taps = list[tuple[int, int]]
"""Along one axis: each tap m that meets a phase, with its shift e."""


def phases(f: int, stride: int, dilation: int, before: int) -> list[Taps]:
    """The taps of a window of f, for each of the `stride` phases of the pixels; `before` is p."""
    offsets = [(m, dilation * m - before) for m in range(f)]
    return [[(m, (o - r) // stride) for m, o in offsets if (o - r) % stride == 0] for r in range(stride)]


def tap(x: tf.Tensor, m: int, n: int, outputs: Sizes, strides: Pair, dilation: Pair = (1, 1)) -> tf.Tensor:
    """What tap (m, n) sees of x, padded already: [N, Hp, Wp, C] -> [N, *outputs, C]."""
    rows, columns = (
        slice(d * t, d * t + s * size, s)
        for t, size, s, d in zip((m, n), outputs, strides, dilation, strict=True)
    )
    return x[:, rows, columns]


def gather_phases(
    x_of: Callable[[Taps, Taps, Sizes], tf.Tensor | None],
    sizes: Sizes,
    window: Pair,
    pads: Pads,
    strides: Pair,
    dilation: Pair,
) -> tf.Tensor:
    """A picture [N, *sizes, C] from its phases: x_of(row taps, column taps, phase's size), None for zeros."""
    rows, columns = (
        phases(f, s, d, p[0]) for f, s, d, p in zip(window, strides, dilation, pads, strict=True)
    )
    size = tuple(-(-n // s) for n, s in zip(sizes, strides, strict=True))
    grid = [[x_of(r, c, size) for c in columns] for r in rows]
    if strides == (1, 1):
        return grid[0][0]
    known = next(part for row in grid for part in row if part is not None)
    zeros = tf.zeros_like(known)
    stacked = tf.stack([tf.stack([zeros if p is None else p for p in row], axis=3) for row in grid], axis=2)
    shape = tf.shape(stacked)  # [N, Q, s, Q', s', C]
    x = tf.reshape(stacked, [shape[0], size[0] * strides[0], size[1] * strides[1], known.shape[-1]])
    return x[:, : sizes[0], : sizes[1]]


def scatter(
    parts: Sequence[Sequence[tf.Tensor]],
    sizes: Sizes,
    pads: Pads,
    strides: Pair,
) -> tf.Tensor:
    """The sum, for each pixel, of what the taps send it: parts[m][n] [N, H', W', C] -> [N, *sizes, C]."""

    def x_of(rows: Taps, columns: Taps, size: Sizes) -> tf.Tensor | None:
        shifted = []
        for m, e_rows in rows:
            for n, e_columns in columns:
                part = parts[m][n]
                known = sizes_of(part)
                shifted.append(
                    pad(
                        part,
                        (
                            (e_rows, size[0] - e_rows - known[0]),
                            (e_columns, size[1] - e_columns - known[1]),
                        ),
                    )
                )
        return tf.add_n(shifted) if shifted else None

    return gather_phases(x_of, sizes, (len(parts), len(parts[0])), pads, strides, (1, 1))
