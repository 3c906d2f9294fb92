"""Second proof: values, gradients and second derivatives against TensorFlow's of an independent forward."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from multitask.gradcheck.draw import Arrays, Sample
from multitask.gradcheck.finding import relative_error
from multitask.gradcheck.modes import DType, Forward, Gradients, Mode, as_array, tensor, tensors, traced

Result = tuple[list[np.ndarray], Gradients]


def autodiff(found: Result, expected: Result, inputs: Iterable[str]) -> dict[str, float]:
    """Errors of values ("output") and of each argument's gradient; one that is no input must have none."""
    (values, gradients), (expected_values, expected_gradients) = found, expected
    errors = {"output": worst_error(values, expected_values)}
    for name, gradient in gradients.items():
        if (gradient is None) == (name in inputs):
            errors[name] = float("inf")  # zero, not None, is the gradient of what has no influence
        else:
            errors[name] = relative_error(gradient, expected_gradients[name]) if name in inputs else 0.0
    return errors


def worst_error(found: list[np.ndarray], expected: list[np.ndarray]) -> float:
    """The largest relative error of several arrays; infinite where their number differs."""
    if len(found) != len(expected):
        return float("inf")
    return max(relative_error(*pair) for pair in zip(found, expected, strict=True))


def second_derivatives(
    forward: Forward,
    sample: Sample,
    cotangents: list[np.ndarray],
    directions: Arrays,
    mode: Mode,
    dtype: DType = "float64",
) -> Gradients:
    """Gradients of sum_k <directions[k], gradient_k>, by every input and by the cotangents ("output")."""

    def run(arrays: dict[str, tf.Tensor], cotangents: list[tf.Tensor], directions: list[tf.Tensor]) -> Any:
        inputs = {name: arrays[name] for name in sample.inputs}
        with tf.GradientTape() as outer:
            outer.watch([inputs, cotangents])
            with tf.GradientTape() as inner:
                inner.watch(inputs)
                outputs = tf.nest.flatten(forward(**{**arrays, **inputs}))
            gradients = inner.gradient(outputs[: len(cotangents)], inputs, output_gradients=cotangents)
            along = [
                tf.reduce_sum(direction * gradient)
                for direction, gradient in zip(directions, gradients.values(), strict=True)
                if gradient is not None
            ]
            total = tf.add_n(along) if along else tf.zeros((), dtype)
        return outer.gradient(total, {**inputs, "output": cotangents[0]})

    found = traced(run, mode, sample, unknown=1)(
        tensors(sample.arrays, dtype),
        [tensor(v, dtype) for v in cotangents],
        [tensor(directions[name], dtype) for name in sample.inputs],
    )
    return {name: as_array(gradient) for name, gradient in found.items()}


def second(found: Gradients, expected: Gradients) -> dict[str, float]:
    """Errors by argument; None and zero are the same, for a piecewise linear operation has neither."""
    return {name: relative_error(found[name], gradient) for name, gradient in expected.items()}
