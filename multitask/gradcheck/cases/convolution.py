"""Convolutions."""

from typing import Any

import tensorflow as tf

from multitask.gradcheck.case import Case
from multitask.gradcheck.draw import Draw, Sample
from multitask.gradcheck.twins import LayerTwin


def correlation(
    x: tf.Tensor,
    kernel: tf.Tensor,
    bias: tf.Tensor | None = None,
    strides: Any = (1, 1),
    padding: Any = "valid",
    dilation: Any = (1, 1),
    flip: bool = False,
) -> tf.Tensor:
    """tf.nn.conv2d; spelt out what it can't do on a CPU: zeros in a dilated kernel, groups one by one."""
    if flip:
        kernel = kernel[::-1, ::-1]
    for axis, d in enumerate(dilation):
        taps = tf.unstack(kernel, axis=axis)
        gaps = [tf.zeros_like(taps[0])] * (d - 1)
        kernel = tf.stack([taps[0], *(t for tap in taps[1:] for t in (*gaps, tap))], axis=axis)
    groups = x.shape[-1] // kernel.shape[2]
    pads = padding.upper() if isinstance(padding, str) else [[0, 0], *padding, [0, 0]]
    parts = zip(tf.split(x, groups, axis=-1), tf.split(kernel, groups, axis=-1), strict=True)
    z = tf.concat([tf.nn.conv2d(part, taps, strides, pads) for part, taps in parts], axis=-1)
    return z if bias is None else z + bias


def depthwise(x: tf.Tensor, kernel: tf.Tensor, *others: Any, **settings: Any) -> tf.Tensor:
    """A convolution in as many groups as there are channels."""
    kh, kw, channels, multiplier = kernel.shape
    return correlation(x, tf.reshape(kernel, [kh, kw, 1, channels * multiplier]), *others, **settings)


def separable(
    x: tf.Tensor,
    depthwise_kernel: tf.Tensor,
    pointwise_kernel: tf.Tensor,
    bias: tf.Tensor | None = None,
    **settings: Any,
) -> tf.Tensor:
    """A depthwise convolution, then one of 1x1."""
    return correlation(depthwise(x, depthwise_kernel, **settings), pointwise_kernel, bias)


def window_settings(draw: Draw, equal_strides: bool = False) -> tuple[dict[str, Any], tuple[int, int]]:
    """Stride, padding and dilation, and the window's height and width."""
    unequal = () if equal_strides else ((2, 1), (1, 3))
    settings = {
        "strides": draw.one_of("strides", (1, 1), (2, 2), (3, 3), *unequal),
        "padding": draw.one_of("padding", "same", "valid", ((1, 0), (2, 1)), ((0, 3), (0, 0))),
        "dilation": draw.one_of("dilation", (1, 1), (2, 2), (1, 1), (1, 2)),
    }
    return settings, draw.one_of("window", (3, 3), (1, 1), (2, 3), (4, 1), (2, 2))


def picture(draw: Draw, window: tuple[int, int], dilation: tuple[int, int], channels: int) -> Any:
    """Normally distributed [N, H, W, channels], no smaller than the window."""
    height, width = (draw.size((f - 1) * d + 1, 8) for f, d in zip(window, dilation, strict=True))
    return draw.normal(draw.size(2, 3), height, width, channels)


def with_bias(draw: Draw, inputs: dict[str, Any], filters: int) -> dict[str, Any]:
    """Adds a bias, or none."""
    return {**inputs, "bias": draw.normal(filters)} if draw.one_of("bias", True, True, False) else inputs


def draw_conv2d(draw: Draw) -> Sample:
    """One or more groups, kernel flipped or not."""
    settings, window = window_settings(draw)
    groups = draw.one_of("groups", 1, 1, 2, 3)
    depth, filters = draw.size(1, 3), groups * draw.size(1, 3)
    x = picture(draw, window, settings["dilation"], groups * depth)
    inputs = with_bias(draw, {"x": x, "kernel": draw.normal(*window, depth, filters)}, filters)
    return Sample(inputs, settings={**settings, "flip": draw.one_of("flip", False, False, True)})


def draw_depthwise(draw: Draw) -> Sample:
    """One or more kernels a channel."""
    settings, window = window_settings(draw, equal_strides=True)
    channels, multiplier = draw.size(1, 3), draw.one_of("multiplier", 1, 2)
    x = picture(draw, window, settings["dilation"], channels)
    kernel = draw.normal(*window, channels, multiplier)
    return Sample(with_bias(draw, {"x": x, "kernel": kernel}, channels * multiplier), settings=settings)


def draw_separable(draw: Draw) -> Sample:
    """As for the depthwise convolution, and the matrix that follows."""
    sample = draw_depthwise(draw)
    filters = draw.size(1, 4)
    kernel = sample.inputs["kernel"]
    matrix = draw.normal(1, 1, kernel.shape[2] * kernel.shape[3], filters)
    inputs = {"x": sample.inputs["x"], "depthwise_kernel": kernel, "pointwise_kernel": matrix}
    return Sample(with_bias(draw, inputs, filters), settings=sample.settings)


def draw_pointwise(draw: Draw) -> Sample:
    """A window of 1x1."""
    channels, filters = draw.size(1, 4), draw.size(1, 4)
    x = picture(draw, (4, 4), (1, 1), channels)
    inputs = with_bias(draw, {"x": x, "kernel": draw.normal(1, 1, channels, filters)}, filters)
    return Sample(inputs, settings={"strides": draw.one_of("strides", (1, 1), (2, 2), (3, 1))})


def layer_arguments(sample: Sample, kernel: str) -> dict[str, Any] | None:
    """Arguments of a Keras layer; None for what it does not offer."""
    settings = {"padding": "valid", "dilation": (1, 1), **sample.settings}
    if settings.get("flip") or not isinstance(settings["padding"], str):
        return None
    return {
        "kernel_size": sample.inputs[kernel].shape[:2],
        "strides": settings["strides"],
        "padding": settings["padding"],
        "dilation_rate": settings["dilation"],
        "use_bias": "bias" in sample.inputs,
    }


def weights(sample: Sample) -> dict[str, str]:
    """All inputs but x, which have the same names in the layers."""
    return {name: name for name in sample.inputs if name != "x"}


def conv2d_twin(sample: Sample) -> LayerTwin | None:
    """keras.layers.Conv2D, which is either strided or dilated."""
    arguments = layer_arguments(sample, "kernel")
    if arguments is None or (max(arguments["strides"]) > 1 and max(arguments["dilation_rate"]) > 1):
        return None
    depth, filters = sample.inputs["kernel"].shape[2:]
    groups = sample.inputs["x"].shape[-1] // depth
    return LayerTwin("Conv2D", {**arguments, "filters": filters, "groups": groups}, weights(sample))


def depthwise_twin(sample: Sample) -> LayerTwin | None:
    """keras.layers.DepthwiseConv2D."""
    arguments = layer_arguments(sample, "kernel")
    if arguments is None:
        return None
    multiplier = sample.inputs["kernel"].shape[3]
    return LayerTwin("DepthwiseConv2D", {**arguments, "depth_multiplier": multiplier}, weights(sample))


def separable_twin(sample: Sample) -> LayerTwin | None:
    """keras.layers.SeparableConv2D."""
    arguments = layer_arguments(sample, "depthwise_kernel")
    if arguments is None:
        return None
    sizes = {
        "filters": sample.inputs["pointwise_kernel"].shape[3],
        "depth_multiplier": sample.inputs["depthwise_kernel"].shape[3],
    }
    return LayerTwin("SeparableConv2D", {**arguments, **sizes}, weights(sample))


CASES = (
    Case("conv2d", draw_conv2d, correlation, twin=conv2d_twin),
    Case("depthwise_conv2d", draw_depthwise, depthwise, twin=depthwise_twin),
    Case("separable_conv2d", draw_separable, separable, twin=separable_twin),
    Case("pointwise_conv2d", draw_pointwise, correlation, twin=conv2d_twin),
)
