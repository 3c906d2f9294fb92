"""Steps that TensorFlow takes, on Keras's layers or on derived ones."""

import functools
from collections.abc import Callable
from typing import Any, Literal

import multitask  # noqa: F401  first: it loads TensorFlow quietly

import keras  # isort: skip
import numpy as np
import tensorflow as tf

from benchmarks import memory
from benchmarks.batch import batch
from benchmarks.networks import with_heads
from benchmarks.single_layers import SingleLayer
from benchmarks.ways import Way
from multitask import layers
from multitask.tasks import TASKS
from training.config import TrainConfig
from training.phases import compile_model
from training.pytorch import by_torch
from training.train import policy_of, with_gradients


def training_step(way: Way, trunk: str, batch_size: int, image_size: int) -> tuple[int, Callable[[], float]]:
    """A step of training a network, as `training.train` takes it: losses, gradients, AdamW, metrics.

    Returns:
        Bytes held before the network is built, and the step, which returns the loss.
    """
    images, labels = batch(batch_size, image_size)
    weights = {name: np.ones(batch_size, np.float32) for name in labels}
    _set_up(way.compiled)
    held = memory.begin()
    keras.utils.set_random_seed(0)
    gradients: Literal["derived", "autodiff", "fastest"] = (
        way.engine if way.engine in ("derived", "fastest") else "autodiff"
    )
    config = TrainConfig(
        gradients=gradients,
        xla=way.compiled,
        engine="torch" if way.engine == "by torch" else "tensorflow",
        precision="mixed_bfloat16" if way.bfloat16 else "float32",
    )
    with policy_of(config):
        model = with_gradients(with_heads(trunk, image_size), config)
    if config.engine == "torch":
        model = by_torch(model, config, steps_per_epoch=1000)
    compile_model(model, config, list(TASKS.values()), steps=1000)
    batches = iter(tf.data.Dataset.from_tensors((images, labels, weights)).cache().repeat())
    model.make_train_function()
    return held, lambda: float(model.train_function(batches)["loss"])


def layer_step(way: Way, single: SingleLayer, batch_size: int) -> tuple[int, Callable[[], Any]]:
    """A layer forward and backward: gradients of its weights, and of its input unless that is a picture.

    Returns:
        Bytes held before the layer is built, and the step, which returns the output and the gradients.
    """
    rng = np.random.default_rng(0)
    _set_up(way.compiled)
    held = memory.begin()
    layer = getattr(layers if way.engine == "derived" else keras.layers, single.kind)(**single.arguments)
    layer.build((None, *single.shape))
    x = tf.constant(rng.standard_normal((batch_size, *single.shape), np.float32))
    dz = tf.constant(rng.standard_normal(layer.compute_output_shape(x.shape), np.float32))

    @tf.function(jit_compile=way.compiled)
    def step(x: tf.Tensor, dz: tf.Tensor) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            z = layer(x, training=True)
        arguments = [*layer.trainable_variables, *([] if single.of_pictures else [x])]
        return z, tape.gradient(z, arguments, dz)  # an output that nobody asks for would not be computed

    return held, lambda: step(x, dz)


@functools.cache
def _set_up(compiled: bool) -> None:
    # What TensorFlow, or its compiler, loads at the first step of all is no layer's.
    tf.function(lambda x: x + 1, jit_compile=compiled)(tf.ones(1))
