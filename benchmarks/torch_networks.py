"""The networks of benchmarks.networks and the losses of multitask.losses, in PyTorch."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

STAGES = ((32, 1), (64, 2), (128, 2), (256, 2))
"""Channels and stride of each residual block, as models.trunks.resnet has them."""
FEATURES = 256
UNITS = {"age": 101, "emotion": 7, "gender": 1}


class Network(nn.Module):
    """uint8 [N, 3, S, S] -> {task: logits [N, units]}."""

    def __init__(self, trunk: str) -> None:
        super().__init__()
        self.trunk = TRUNKS[trunk]()
        self.heads = nn.ModuleDict({task: nn.Linear(FEATURES, units) for task, units in UNITS.items()})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """The heads' answers."""
        features = self.trunk(images.float() / 127.5 - 1).mean((2, 3))
        return {task: head(features) for task, head in self.heads.items()}


def vgg() -> nn.Module:
    """benchmarks.networks.vgg without its global pooling."""
    layers: list[nn.Module] = []
    for channels, filters in ((3, 32), (32, 64), (64, 128), (128, 256)):
        layers += [*convolution(channels, filters, momentum=0.01), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
    return nn.Sequential(*layers)


def resnet() -> nn.Module:
    """models.trunks.resnet without its global pooling."""
    channels = STAGES[0][0]
    layers: list[nn.Module] = [*convolution(3, channels, stride=2), nn.ReLU(inplace=True)]
    for filters, stride in STAGES:
        layers.append(Block(channels, filters, stride))
        channels = filters
    return nn.Sequential(*layers)


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut, which is average-pooled and convolved where the shape changes."""

    def __init__(self, channels: int, filters: int, stride: int) -> None:
        super().__init__()
        shortcut: list[nn.Module] = [nn.AvgPool2d(stride)] if stride > 1 else []
        if channels != filters:
            shortcut += convolution(channels, filters, size=1)
        self.shortcut = nn.Sequential(*shortcut)
        self.convolutions = nn.Sequential(
            *convolution(channels, filters, stride=stride),
            nn.ReLU(inplace=True),
            *convolution(filters, filters),
        )

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, filters, H / stride, W / stride]."""
        shortcut = self.shortcut(x)
        return functional.relu(self.convolutions(x) + shortcut, inplace=True)


def convolution(
    channels: int, filters: int, size: int = 3, stride: int = 1, momentum: float = 0.1
) -> list[nn.Module]:
    """A padded convolution and its batch norm, with Keras's epsilon; `momentum` is 1 - Keras's."""
    return [
        nn.Conv2d(channels, filters, size, stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(filters, eps=1e-3, momentum=momentum),
    ]


def loss_of(logits: dict[str, Tensor], labels: dict[str, Tensor]) -> Tensor:
    """The sum of the tasks' losses, each divided by that of one who guesses: multitask.losses.guess_level."""
    age = label_distribution(logits["age"], labels["age"]) / (math.log(101) + 0.2 * 101 / 4)
    emotion = functional.cross_entropy(logits["emotion"], labels["emotion"]) / math.log(7)
    gender = functional.binary_cross_entropy_with_logits(logits["gender"][:, 0], labels["gender"])
    return age + emotion + gender / math.log(2)


def label_distribution(logits: Tensor, labels: Tensor, sigma: float = 2.0, error: float = 0.2) -> Tensor:
    """multitask.losses.LabelDistribution: logits [N, units] and labels [N] -> scalar."""
    values = torch.arange(logits.shape[-1], dtype=torch.float32)
    labels = labels.clamp(max=logits.shape[-1] - 1)
    target = functional.softmax(-((values - labels[:, None]) ** 2) / (2 * sigma**2), dim=-1)
    expectation = (functional.softmax(logits, dim=-1) * values).sum(-1)
    return functional.cross_entropy(logits, target) + error * (expectation - labels).abs().mean()


TRUNKS = {"vgg": vgg, "resnet": resnet}
