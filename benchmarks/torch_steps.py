"""The steps of benchmarks.steps, as PyTorch takes them.

A padded convolution with a stride begins a pixel earlier than TensorFlow's: the same work, another alignment.
"""

import functools
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch._dynamo  # optimizers import it at their first step: in each fork anew
from torch import Tensor, nn

from benchmarks import memory
from benchmarks.batch import batch
from benchmarks.single_layers import SingleLayer
from benchmarks.torch_networks import Network, loss_of
from benchmarks.ways import Way


def training_step(way: Way, trunk: str, batch_size: int, image_size: int) -> tuple[int, Callable[[], float]]:
    """A step of training a network: losses, gradients, AdamW. Keras's takes metrics as well.

    Returns:
        Bytes held before the network is built, and the step, which returns the loss.
    """
    pictures, numbers = batch(batch_size, image_size)
    labels = as_tensors(numbers)
    _set_up(way.compiled)
    held = memory.begin()
    torch.manual_seed(0)
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous(memory_format=_format(way))
    network = Network(trunk).to(memory_format=_format(way))
    kernels = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim == 1]
    groups = [{"params": kernels, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=2e-3, fused=True)

    def forward() -> Tensor:
        return loss_of(network(images), labels)

    compiled = torch.compile(forward) if way.compiled else forward

    def step() -> float:
        optimizer.zero_grad()
        loss = compiled()
        loss.backward()
        optimizer.step()
        return loss.item()

    return held, step


def as_tensors(labels: dict[str, np.ndarray]) -> dict[str, Tensor]:
    """Labels of benchmarks.batch as `loss_of` takes them."""
    tensors = {name: torch.from_numpy(values) for name, values in labels.items()}
    return {**tensors, "gender": tensors["gender"].float()}


def layer_step(way: Way, single: SingleLayer, batch_size: int) -> tuple[int, Callable[[], Any]]:
    """A layer forward and backward: gradients of its weights, and of its input unless that is a picture.

    Returns:
        Bytes held before the layer is built, and the step, which returns the gradients.
    """
    _set_up(way.compiled)
    held = memory.begin()
    torch.manual_seed(0)
    layer = _layer(single).to(memory_format=_format(way))
    x = torch.randn(batch_size, *single.shape[-1:], *single.shape[:-1])
    if x.ndim == 4:
        x = x.contiguous(memory_format=_format(way))
    x.requires_grad_(not single.of_pictures)
    dz = torch.randn_like(layer(x))
    arguments = [*layer.parameters(), *([] if single.of_pictures else [x])]
    compiled = torch.compile(layer) if way.compiled else layer
    return held, lambda: torch.autograd.grad(compiled(x), arguments, dz)


@functools.cache
def _set_up(compiled: bool) -> None:
    # What PyTorch, or its compiler, loads at the first step of all is no layer's.
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    layer = nn.Linear(1, 1)
    optimizer = torch.optim.AdamW(layer.parameters(), fused=True)
    (torch.compile(layer) if compiled else layer)(torch.ones(1, 1)).sum().backward()
    optimizer.step()


def _format(way: Way) -> torch.memory_format:
    return torch.channels_last if way.channels_last else torch.contiguous_format


def _layer(single: SingleLayer) -> nn.Module:
    channels, arguments = single.shape[-1], single.arguments

    def convolution(filters: int, groups: int = 1) -> nn.Module:
        size, stride = arguments["kernel_size"], arguments.get("strides", 1)
        return nn.Conv2d(channels, filters, size, stride, size // 2, groups=groups, bias=False)

    match single.kind:
        case "Conv2D":
            return convolution(arguments["filters"])
        case "DepthwiseConv2D":
            return convolution(channels, groups=channels)
        case "SeparableConv2D":
            pointwise = nn.Conv2d(channels, arguments["filters"], 1, bias=False)
            return nn.Sequential(convolution(channels, groups=channels), pointwise)
        case "BatchNormalization":
            return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)
        case "ReLU":
            return nn.ReLU()
        case "MaxPooling2D":
            return nn.MaxPool2d(arguments["pool_size"])
        case "AveragePooling2D":
            return nn.AvgPool2d(arguments["pool_size"])
        case "GlobalAveragePooling2D":
            return nn.AdaptiveAvgPool2d(1)
        case "Dense":
            return nn.Linear(channels, arguments["units"])
    raise ValueError(f"no layer of PyTorch is known for {single.kind}")
