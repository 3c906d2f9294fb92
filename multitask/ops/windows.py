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


def taps(
    x: tf.Tensor, window: Pair, outputs: Sizes, strides: Pair, dilation: Pair = (1, 1)
) -> list[list[tf.Tensor]]:
    """What each tap (m, n) of the window sees of x, padded already: [N, Hp, Wp, C] -> [N, *outputs, C] each.

    Pixel s q + r is the q-th of phase r. A phase is cut out once, by reshaping, and taps then are plain
    slices of it: TensorFlow is ten times slower at a slice with a stride.
    """
    phases_ = split_phases(x, strides)

    def seen(m: int, n: int) -> tf.Tensor:
        (row, r), (column, c) = divmod(dilation[0] * m, strides[0]), divmod(dilation[1] * n, strides[1])
        return phases_[r][c][:, row : row + outputs[0], column : column + outputs[1]]

    return [[seen(m, n) for n in range(window[1])] for m in range(window[0])]


def split_phases(x: tf.Tensor, strides: Pair) -> list[list[tf.Tensor]]:
    """[N, H, W, C] -> s x s' pictures of every s-th row and s'-th column, padded to the same size."""
    if strides == (1, 1):
        return [[x]]
    (sh, sw), (h, w) = strides, sizes_of(x)
    x = pad(x, ((0, -h % sh), (0, -w % sw)))
    x = tf.reshape(x, [-1, -(-h // sh), sh, -(-w // sw), sw, x.shape[-1]])
    return [tf.unstack(rows, axis=3) for rows in tf.unstack(x, axis=2)]


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
    zeros = tf.zeros_like(next(part for row in grid for part in row if part is not None))
    x = join_phases([[zeros if part is None else part for part in row] for row in grid])
    return x[:, : sizes[0], : sizes[1]]


def join_phases(grid: Sequence[Sequence[tf.Tensor]]) -> tf.Tensor:
    """The way back from split_phases, but for its padding."""
    (h, w), c = sizes_of(grid[0][0]), grid[0][0].shape[-1]
    x = tf.stack([tf.stack(row, axis=3) for row in grid], axis=2)  # [N, Q, s, Q', s', C]
    return tf.reshape(x, [-1, h * len(grid), w * len(grid[0]), c])


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
