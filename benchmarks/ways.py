"""The ways of computing that are compared."""

import dataclasses
from typing import Literal


@dataclasses.dataclass(frozen=True)
class Way:
    """How a step is computed.

    Args:
        name: as tables show it.
        engine: "built-in": Keras's own layers; "derived": ours; "fastest": built-in ones but for derived
            batch normalization, as `TrainConfig.gradients` has it; "torch": PyTorch; "by torch": Keras's
            layers by PyTorch, as `TrainConfig.engine` has it; "feeding": what comes before a step, or, to
            compare with, a step on built-in layers; "answering": the exported model, or this project's
            server of it; "peer server": another one.
        compiled: by XLA, or by PyTorch's compiler.
        channels_last: how PyTorch lays pictures out in memory.
        bfloat16: whether convolutions and dense layers compute in it.
    """

    name: str
    engine: Literal[
        "built-in", "derived", "fastest", "torch", "by torch", "feeding", "answering", "peer server"
    ]
    compiled: bool = False
    channels_last: bool = False
    bfloat16: bool = False

    @property
    def steps(self) -> str:
        """The module whose functions build its steps."""
        return {
            "torch": "benchmarks.torch_steps",
            "feeding": "benchmarks.feeding",
            "answering": "benchmarks.answering",
            "peer server": "benchmarks.answering",
        }.get(self.engine, "benchmarks.steps")


WAYS = (
    Way("built-in", "built-in"),
    Way("derived", "derived"),
    Way("built-in, XLA", "built-in", compiled=True),
    Way("derived, XLA", "derived", compiled=True),
)
FASTEST = Way("fastest", "fastest")
"""Of whole training steps; of a single layer it is one of the others."""
ENGINES = (
    Way("built-in, bfloat16", "built-in", bfloat16=True),
    Way("by PyTorch", "by torch"),
    Way("by PyTorch, bfloat16", "by torch", bfloat16=True),
)
"""Of whole training steps, too: the engine "torch", and what compares with it."""
PEERS = (
    Way("PyTorch", "torch"),
    Way("PyTorch, channels last", "torch", channels_last=True),
    Way("PyTorch, compiled", "torch", compiled=True),
    Way("PyTorch, compiled, channels last", "torch", compiled=True, channels_last=True),
)
