"""Training steps by PyTorch, whose compiler joins what TensorFlow does one operation after the other."""

import keras

from multitask.errors import UserError
from training.config import TrainConfig


def by_torch(model: keras.Model, config: TrainConfig, steps_per_epoch: int) -> keras.Model:
    """The network, layers and variables of `model`, trained by PyTorch: compile and fit the result.

    Raises:
        UserError: PyTorch is not installed.
    """
    try:
        from training.pytorch.model import TorchModel
    except ModuleNotFoundError as error:
        raise UserError(
            f'the engine "torch" needs PyTorch; received none ({error.name}): install it (make peers, on '
            "Linux with Python 3.11; else pip install '.[peers]'), or choose --engine tensorflow"
        ) from error
    return TorchModel(
        model.input,
        model.output,
        name=model.name,
        seed=config.seed,
        steps_per_epoch=steps_per_epoch,
        bfloat16=config.precision == "mixed_bfloat16",
    )
