"""Convolution of pictures, and what its gradients are convolutions of.

With K the kernel, s the stride, d the dilation and X padded by p zeros:

    Z[i, j] = sum_mn X[s i + d m - p, s j + d n - p] K[m, n] + B
    dK[m, n] = sum_ij X[s i + d m - p, s j + d n - p]^T dZ[i, j]        dK = conv(X, dZ)
    dX[i, j] = sum_mn dZ[(i + p - d m) / s, (j + p - d n) / s] K[m, n]^T    dX = conv(pad(dZ), rot180 K)
    dB = sum_ij dZ[i, j]

where a fraction that is no whole number stands for no term.

Source: notes 003, section VIII; 001, "Backpropagation in CNN". Both derive stride 1; a stride splits the
pixels of dX into s phases, each of which is such a convolution with the taps that meet it.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from multitask.errors import UserError
from multitask.ops.compiler import compiled_by_xla
from multitask.ops.reduction import sum_to_channels
from multitask.ops.shapes import Padding, Pads, Size, Sizes, pad, pads_of, sizes_of
from multitask.ops.windows import Pair, Taps, gather_phases, split_phases

CHUNK = 2**20
"""Bytes: about what a core's own cache holds."""
Correlation = Callable[[tf.Tensor, tf.Tensor, Pads, Pair, Pair], tf.Tensor]


def conv2d(
    x: Any,
    kernel: Any,
    bias: Any = None,
    strides: Pair = (1, 1),
    padding: Padding = "valid",
    dilation: Pair = (1, 1),
    flip: bool = False,
) -> tf.Tensor:
    """The notes' convolution, a correlation: Z = conv(X, K) + B; with `flip` the mathematical one, K rotated.

    Forward:  Z = conv(X, K) + B
    Backward: dX = conv(pad(dZ), rot180 K), channels exchanged
              dK = conv(X, dZ)
              dB = sum(dZ)
    Shapes:   x [N, H, W, C], kernel [Kh, Kw, C / groups, O], bias [O] -> [N, H', W', O] with
              H' = floor((H + 2p - d (Kh - 1) - 1) / s) + 1. Where the kernel is less deep than x, channels
              fall into groups: the g-th of x makes the g-th of Z.
    Raises:   UserError for channels that don't divide so.
    Source:   notes 003, section VIII.
    """
    x, kernel = tf.convert_to_tensor(x), tf.convert_to_tensor(kernel)
    groups = _groups(x, kernel)
    x, pads = padded(x, padding, kernel.shape[:2], strides, dilation)

    @tf.custom_gradient
    def op(x: tf.Tensor, kernel: tf.Tensor, *bias: tf.Tensor) -> Any:
        correlated = rot180(kernel) if flip else kernel
        z = correlate(x, correlated, pads, strides, dilation)
        if bias:
            z = tf.nn.bias_add(z, bias[0])

        def backward(dz: tf.Tensor) -> list[tf.Tensor]:
            rotated = rot180(_exchanged(correlated, groups))
            dx = transposed(correlate, dz, rotated, sizes_of(x), pads, strides, dilation)
            dkernel = _kernel_gradient(x, dz, kernel.shape[:2], pads, strides, dilation, groups)
            return [dx, rot180(dkernel) if flip else dkernel, *(sum_to_channels(dz) for _ in bias)]

        return z, backward

    return op(x, kernel) if bias is None else op(x, kernel, tf.convert_to_tensor(bias))


def rot180(kernel: tf.Tensor) -> tf.Tensor:
    """The kernel [Kh, Kw, ...] turned by half a circle."""
    return tf.reverse(kernel, [0, 1])


def correlate(x: tf.Tensor, kernel: tf.Tensor, pads: Pads, strides: Pair, dilation: Pair) -> tf.Tensor:
    """sum_mn X[s i + d m - p, s j + d n - p] K[m, n]."""
    if any(not isinstance(p, int) or p < 0 for pair in pads for p in pair):
        x, pads = pad(x, pads), ((0, 0), (0, 0))
    return tf.nn.conv2d(x, kernel, strides, [[0, 0], *pads, [0, 0]], dilations=dilation)


def transposed(
    correlate: Correlation,
    dz: tf.Tensor,
    rotated: tf.Tensor,
    sizes: Sizes,
    pads: Pads,
    strides: Pair,
    dilation: Pair,
) -> tf.Tensor:
    """dX = conv(pad(dZ), rot180 K), one such correlation a phase: [N, H', W', O] -> [N, *sizes, C].

    Args:
        correlate: x, kernel, pads, strides, dilation -> z, of which this is the way back.
        dz: gradient of its output.
        rotated: its kernel, turned, from its outputs to its inputs.
        sizes: of its input.
        pads: of its input.
        strides: its own.
        dilation: its own.
    """
    f = rotated.shape[:2]

    def phase(rows: Taps, columns: Taps, size: Sizes) -> tf.Tensor | None:
        if not rows or not columns:
            return None
        part = rotated
        for axis, met in enumerate((rows, columns)):
            part = tf.gather(part, [f[axis] - 1 - m for m, _ in reversed(met)], axis=axis)
        around, steps = zip(*map(reach, (rows, columns), size, sizes_of(dz)), strict=True)
        return correlate(dz, part, around, (1, 1), steps)

    def reach(met: Taps, pixels: Size, outputs: Size) -> tuple[tuple[Size, Size], int]:
        # What dZ lacks on both sides, and how far apart in dZ two taps lie.
        (_, first), (_, last) = met[0], met[-1]
        return (last, pixels - first - outputs), met[1][1] - first if len(met) > 1 else 1

    return gather_phases(phase, sizes, tuple(f), pads, strides, dilation)


def _kernel_gradient(
    x: tf.Tensor, dz: tf.Tensor, window: Pair, pads: Pads, strides: Pair, dilation: Pair, groups: int
) -> tf.Tensor:
    # dK = conv(X, dZ). Literally, examples take the place of channels: they are what is summed over. XLA is
    # fast at that, and TensorFlow's own kernels at one product a tap, a few examples at a time.
    if compiled_by_xla():
        return _by_convolution(pad(x, pads), dz, window, strides, dilation, groups)

    def product(x: tf.Tensor, dz: tf.Tensor) -> tf.Tensor:
        return _by_taps(pad(x, pads), dz, window, strides, dilation, groups)

    return sum_over_chunks(product, x, dz)


def _by_convolution(
    x: tf.Tensor, dz: tf.Tensor, window: Pair, strides: Pair, dilation: Pair, groups: int
) -> tf.Tensor:
    (h, w), c = sizes_of(x), x.shape[-1] // groups
    x = tf.transpose(tf.reshape(x, [-1, h, w, groups, c]), [4, 1, 2, 3, 0])
    x = tf.reshape(x, [c, h, w, groups * tf.shape(dz)[0]])
    dkernel = tf.nn.conv2d(x, tf.transpose(dz, [1, 2, 0, 3]), dilation, "VALID", dilations=strides)
    return tf.transpose(dkernel[:, : window[0], : window[1]], [1, 2, 0, 3])


def _by_taps(
    x: tf.Tensor, dz: tf.Tensor, window: Pair, strides: Pair, dilation: Pair, groups: int
) -> tf.Tensor:
    c, o = x.shape[-1] // groups, dz.shape[-1] // groups
    phases, (height, width) = split_phases(x, strides), sizes_of(dz)
    columns = sizes_of(phases[0][0])[1]
    # With zeros after each row of dZ, a tap sees the rows of X as they are, from some pixel on: no copy where
    # a pixel fills lines of the cache. Not worth it where the zeros are many. (An infinity in X meets one of
    # these zeros in taps that do not see it, and makes nan of their gradient as well.)
    whole_rows = isinstance(width, int) and columns * 8 <= width * 9 and c * dz.dtype.size % 64 == 0
    if whole_rows:
        dz = pad(dz, ((0, 0), (0, columns - width)))
    dz = tf.reshape(dz, [-1, o] if groups == 1 else [-1, groups, o])

    def product(m: int, n: int) -> tf.Tensor:
        (row, r), (column, q) = divmod(dilation[0] * m, strides[0]), divmod(dilation[1] * n, strides[1])
        seen = phases[r][q][:, row : row + height]
        if not whole_rows:
            seen, column = seen[:, :, column : column + width], 0
        seen, met = tf.reshape(seen, [-1, *dz.shape[1:-1], c])[column:], dz[: tf.shape(dz)[0] - column]
        if groups == 1:
            return tf.matmul(seen, met, transpose_a=True)
        return tf.reshape(tf.einsum("lgc,lgo->cgo", seen, met), [c, groups * o])

    return tf.stack([tf.stack([product(m, n) for n in range(window[1])]) for m in range(window[0])])


def sum_over_chunks(
    product: Callable[[tf.Tensor, tf.Tensor], tf.Tensor], x: tf.Tensor, dz: tf.Tensor
) -> tf.Tensor:
    """product(x, dz), a sum over the examples, taken over as many at a time as a core's cache holds.

    Of half precision the parts are added up in float32, which alone can hold a sum over a batch.
    """
    sizes = [t.shape[1:].num_elements() for t in (x, dz)]
    if None in sizes:
        return product(x, dz)
    length = max(1, CHUNK // (sum(sizes) * x.dtype.size))
    if x.shape[0] is not None and x.shape[0] <= length:
        return product(x, dz)

    wide = tf.float32 if x.dtype.size < 4 else x.dtype

    def add_chunk(first: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        chunk = slice(first, first + length)
        return first + length, total + tf.cast(product(x[chunk], dz[chunk]), wide)

    def is_left(first: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
        return first < tf.shape(x)[0]

    nothing = tf.zeros_like(product(x[:0], dz[:0]), wide)
    total = tf.while_loop(is_left, add_chunk, (tf.constant(0), nothing), parallel_iterations=2)[1]
    return tf.cast(total, x.dtype)


def _exchanged(kernel: tf.Tensor, groups: int) -> tf.Tensor:
    # [Kh, Kw, C / groups, O] -> [Kh, Kw, O / groups, C]: what led from C to O leads back.
    kh, kw, c, o = kernel.shape
    if groups == 1:
        return tf.transpose(kernel, [0, 1, 3, 2])
    split = tf.reshape(kernel, [kh, kw, c, groups, o // groups])
    return tf.reshape(tf.transpose(split, [0, 1, 4, 3, 2]), [kh, kw, o // groups, groups * c])


def _groups(x: tf.Tensor, kernel: tf.Tensor) -> int:
    channels, (depth, filters) = x.shape[-1], kernel.shape[2:]
    if channels % depth or filters % (channels // depth):
        raise UserError(
            "a kernel [Kh, Kw, C / groups, O] needs C and O in equal groups; "
            f"received x {x.shape} and kernel {kernel.shape}"
        )
    return channels // depth


def padded(
    x: tf.Tensor, padding: Padding, window: Pair, strides: Pair, dilation: Pair, outside: float = 0
) -> tuple[tf.Tensor, Pads]:
    """x and the pads that an operation has to take care of.

    A size that is known only while the graph runs decides which taps meet which phase, if there is a stride:
    then x is padded here, and nothing is left to do.
    """
    pads = pads_of(padding, sizes_of(x), window, strides, dilation)
    if strides == (1, 1) or all(isinstance(p, int) for pair in pads for p in pair):
        return x, pads

    rows, columns = pads
    negated = ((-rows[0], -rows[1]), (-columns[0], -columns[1]))

    @tf.custom_gradient
    def op(x: tf.Tensor) -> Any:
        return pad(x, pads, outside), lambda dz: pad(dz, negated)

    return op(x), ((0, 0), (0, 0))
