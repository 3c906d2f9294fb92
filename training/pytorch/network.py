"""A Keras network as a module that PyTorch computes, differentiates and compiles.

Values are [N, C, H, W] in channels-last memory, so that they lie as Keras's do.
"""

from collections.abc import Callable
from typing import Any

import keras
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from multitask.errors import UserError

ACTIVATIONS: dict[Any, Callable[[Tensor], Tensor]] = {
    keras.activations.linear: lambda x: x,
    keras.activations.relu: F.relu,
    keras.activations.sigmoid: torch.sigmoid,
}


class Exchange:
    """A Keras variable and the tensor that stands for it.

    Args:
        variable: where a training begins and ends.
        tensor: what PyTorch trains, its axes in the order `axes`.
        axes: the variable's, as PyTorch wants them.
    """

    def __init__(self, variable: keras.Variable, axes: tuple[int, ...] | None = None) -> None:
        self.variable = variable
        self._axes = axes or tuple(range(len(variable.shape)))
        self.tensor = nn.Parameter(self.of(variable), requires_grad=variable.trainable)

    def of(self, variable: Any) -> Tensor:
        """The values of the variable, or of another of its shape, as the tensor has them."""
        values = torch.from_numpy(keras.ops.convert_to_numpy(variable).copy())
        last = torch.channels_last if values.dim() == 4 else torch.contiguous_format
        return values.permute(self._axes).contiguous(memory_format=last)

    def give(self, variable: Any = None, values: Tensor | None = None) -> None:
        """Brings the tensor's values, or others of its shape, to the variable, or to another of its shape."""
        values = (self.tensor if values is None else values).detach()
        back = [self._axes.index(axis) for axis in range(len(self._axes))]
        (self.variable if variable is None else variable).assign(values.permute(back).numpy())


class Layer(nn.Module):
    """A Keras layer's counterpart: its settings, and its weights as parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.exchanges: list[Exchange] = []

    def own(self, variable: keras.Variable | None, axes: tuple[int, ...] | None = None) -> Any:
        """The parameter that stands for `variable`; None for none."""
        if variable is None:
            return None
        self.exchanges.append(Exchange(variable, axes))
        return self.exchanges[-1].tensor


class Convolution(Layer):
    """keras.layers.Conv2D."""

    def __init__(self, layer: keras.layers.Conv2D) -> None:
        super().__init__()
        self.kernel = self.own(layer.kernel, (3, 2, 0, 1))  # [out, in, rows, columns]
        self.bias = self.own(layer.bias)
        self.settings = layer.strides, layer.dilation_rate, layer.groups
        self.same = layer.padding == "same"
        self.activation = ACTIVATIONS[layer.activation]

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, filters, H', W']."""
        strides, dilation, groups = self.settings
        padding: Any = 0
        if self.same:
            ends = [
                _same(size, (kernel - 1) * d + 1, stride)
                for size, kernel, stride, d in zip(
                    x.shape[2:], self.kernel.shape[2:], strides, dilation, strict=True
                )
            ]
            if all(before == after for before, after in ends):
                padding = tuple(before for before, _ in ends)
            else:  # TensorFlow's odd pixel is at the end
                x = F.pad(x, (*ends[1], *ends[0]))
        return self.activation(F.conv2d(x, self.kernel, self.bias, strides, padding, dilation, groups))


class BatchNormalization(Layer):
    """keras.layers.BatchNormalization over channels; a frozen one computes by its moving statistics.

    The moving variance follows that of the batch times m / (m - 1), m values a channel.
    """

    def __init__(self, layer: keras.layers.BatchNormalization) -> None:
        super().__init__()
        self.gamma, self.beta = self.own(layer.gamma), self.own(layer.beta)
        self.mean, self.variance = self.own(layer.moving_mean), self.own(layer.moving_variance)
        self.settings = layer.trainable, 1 - layer.momentum, layer.epsilon

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> the same shape."""
        return F.batch_norm(x, self.mean, self.variance, self.gamma, self.beta, *self.settings)


class Dense(Layer):
    """keras.layers.Dense on features, or on maps of a single pixel."""

    def __init__(self, layer: keras.layers.Dense) -> None:
        super().__init__()
        self.kernel, self.bias = self.own(layer.kernel), self.own(layer.bias)
        self.activation = ACTIVATIONS[layer.activation]

    def forward(self, x: Tensor) -> Tensor:
        """[N, C] -> [N, units], or [N, C, 1, 1] -> [N, units, 1, 1]."""
        z = self.activation(F.linear(x.flatten(1), self.kernel.t(), self.bias))
        return z[..., None, None] if x.dim() == 4 else z


class AveragePooling(Layer):
    """keras.layers.AveragePooling2D, whose mean leaves out what "same" adds at the border."""

    def __init__(self, layer: keras.layers.AveragePooling2D) -> None:
        super().__init__()
        self.settings, self.same = (layer.pool_size, layer.strides), layer.padding == "same"

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, H', W']."""
        return F.avg_pool2d(x, *self.settings, ceil_mode=self.same, count_include_pad=False)


class Function(Layer):
    """A layer without weights."""

    def __init__(self, function: Callable[[Any], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Any) -> Tensor:
        """The function's value at one tensor, or a list of them."""
        return self.function(x)


LAYERS: dict[type, Callable[[Any], Layer]] = {
    keras.layers.Conv2D: Convolution,
    keras.layers.BatchNormalization: BatchNormalization,
    keras.layers.Dense: Dense,
    keras.layers.AveragePooling2D: AveragePooling,
    keras.layers.GlobalAveragePooling2D: lambda layer: Function(
        lambda x: x.mean((2, 3), keepdim=layer.keepdims)
    ),
    keras.layers.ReLU: lambda layer: Function(F.relu),
    keras.layers.Add: lambda layer: Function(sum),
    keras.layers.Multiply: lambda layer: Function(lambda xs: xs[0] * xs[1]),
    keras.layers.Rescaling: lambda layer: Function(  # which pictures pass first
        lambda x: (x.float() * layer.scale + layer.offset).permute(0, 3, 1, 2)
    ),
    keras.layers.Dropout: lambda layer: Function(lambda x: F.dropout(x, layer.rate)),
}


class Network(nn.Module):
    """The layers of `model` in training mode, its weights in parameters of their own.

    Args:
        model: a functional network, {name: output} of one input; networks within it included.

    Raises:
        UserError: a layer that has no counterpart in LAYERS.
    """

    def __init__(self, model: keras.Model) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        self._program: list[tuple[int, Any, int]] = []  # layer, places of its inputs, place of its output
        self._places = 1
        self._outputs: dict[str, int] = self._record(model, 0)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """uint8 [N, S, S, 3] -> {name: float32 [N, units]}."""
        values: list[Any] = [x] + [None] * (self._places - 1)
        for layer, inputs, output in self._program:
            given = [values[i] for i in inputs] if isinstance(inputs, list) else values[inputs]
            values[output] = self.layers[layer](given)
        return {name: values[place].float() for name, place in self._outputs.items()}

    @property
    def exchanges(self) -> list[Exchange]:
        """All variables with their tensors."""
        return [exchange for layer in self.layers for exchange in layer.exchanges]

    def _record(self, model: Any, place: int) -> Any:
        # Keras runs through the graph once, with places for values and layers that write down what they do.
        def recorder(operation: Any) -> Callable[..., Any]:
            if isinstance(operation, keras.Model):
                return lambda place, **_: self._record(operation, place)
            if type(operation) not in LAYERS or not _plain(operation):
                raise UserError(
                    f'the engine "torch" takes networks of {", ".join(kind.__name__ for kind in LAYERS)} '
                    f"and, within, {', '.join(kind.__name__ for kind in ACTIVATIONS)}; received "
                    f'{operation.name} ({type(operation).__name__}): choose engine "tensorflow", or another '
                    "trunk"
                )
            return lambda inputs, **_: self._add(LAYERS[type(operation)](operation), inputs)

        return model._run_through_graph(place, operation_fn=recorder)

    def _add(self, layer: Layer, inputs: Any) -> int:
        self.layers.append(layer)
        self._places += 1
        self._program.append((len(self.layers) - 1, inputs, self._places - 1))
        return self._places - 1


def _plain(layer: Any) -> bool:
    if isinstance(layer, keras.layers.ReLU):
        return layer.max_value is None and not layer.negative_slope and not layer.threshold
    return getattr(layer, "activation", keras.activations.linear) in ACTIVATIONS


def _same(size: int, kernel: int, stride: int) -> tuple[int, int]:
    total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
    return total // 2, total - total // 2
