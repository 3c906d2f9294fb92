"""Where branches join."""

import math

import tensorflow as tf

from multitask import ops
from multitask.gradcheck.case import Case
from multitask.gradcheck.draw import Draw, Sample
from multitask.gradcheck.twins import LayerTwin


def summed(**xs: tf.Tensor) -> tf.Tensor:
    """One after the other."""
    return sum(xs.values())


def draw_add(draw: Draw) -> Sample:
    """Two or three, of one shape or broadcast along some axes."""
    n, h, w, c = (draw.size(2, 3) for _ in range(4))
    shapes = draw.one_of(
        "shapes",
        [(n, h, w, c), (n, h, w, c)],
        [(n, h, w, c), (n, 1, 1, c)],
        [(n, 1, w, c), (n, h, 1, 1), (n, h, w, c)],
        [(n, h, w, c)] * 3,
    )
    xs = {f"x{i}": draw.normal(*shape) for i, shape in enumerate(shapes, start=1)}
    return Sample(xs, batched=tuple(xs))


def draw_concatenate(draw: Draw) -> Sample:
    """Two or three, along any axis but the batch's."""
    shape, axis = [draw.size(2, 3) for _ in range(4)], draw.one_of("axis", -1, 1, 2, -1)
    xs = {}
    for i in range(1, draw.one_of("number", 2, 3) + 1):
        shape[axis] = draw.size(1, 4)
        xs[f"x{i}"] = draw.normal(*shape)
    return Sample(xs, settings={"axis": axis}, batched=tuple(xs))


CASES = (
    Case(
        "add",
        draw_add,
        summed,
        call=lambda **xs: ops.add(*xs.values()),
        twin=lambda _: LayerTwin("Add"),
    ),
    Case(
        "multiply",
        draw_add,
        lambda **xs: math.prod(xs.values()),
        call=lambda **xs: ops.multiply(*xs.values()),
        twin=lambda _: LayerTwin("Multiply"),
    ),
    Case(
        "concatenate",
        draw_concatenate,
        lambda axis, **xs: tf.concat(list(xs.values()), axis),
        call=lambda axis, **xs: ops.concatenate(list(xs.values()), axis),
        twin=lambda sample: LayerTwin("Concatenate", sample.settings),
    ),
)
