"""Keras's layers with gradients derived by hand: `from multitask import layers; layers.Conv2D(...)`.

Each is a subclass of the Keras layer of the same name and replaces only what that one computes: arguments,
config, weights, initializers, regularizers, dtype policies, LoRA and masks are Keras's own, so either can
stand where the other stands and read its weights. What has no derivation is left to TensorFlow: regularizers,
constraints, activation functions other than those of `activation.DERIVED`, the product of LoRA's two
matrices, sparse inputs and quantized layers, which Keras computes as ever.

To load a model that was saved with these layers, import this package first.
"""

import keras

from multitask.layers.activation import Activation, LeakyReLU, ReLU, Softmax
from multitask.layers.convolution import Conv2D, DepthwiseConv2D, SeparableConv2D
from multitask.layers.dense import Dense, Flatten
from multitask.layers.dropout import Dropout
from multitask.layers.joining import Add, Concatenate, Multiply
from multitask.layers.normalization import BatchNormalization
from multitask.layers.pooling import (
    AveragePooling2D,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    L2Pooling2D,
    MaxPooling2D,
    MinPooling2D,
)

TWINS: dict[type[keras.Layer], type[keras.Layer]] = {
    keras.layers.Activation: Activation,
    keras.layers.Add: Add,
    keras.layers.AveragePooling2D: AveragePooling2D,
    keras.layers.BatchNormalization: BatchNormalization,
    keras.layers.Concatenate: Concatenate,
    keras.layers.Conv2D: Conv2D,
    keras.layers.Dense: Dense,
    keras.layers.DepthwiseConv2D: DepthwiseConv2D,
    keras.layers.Dropout: Dropout,
    keras.layers.Flatten: Flatten,
    keras.layers.GlobalAveragePooling2D: GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling2D: GlobalMaxPooling2D,
    keras.layers.LeakyReLU: LeakyReLU,
    keras.layers.MaxPooling2D: MaxPooling2D,
    keras.layers.Multiply: Multiply,
    keras.layers.ReLU: ReLU,
    keras.layers.SeparableConv2D: SeparableConv2D,
    keras.layers.Softmax: Softmax,
}
"""The derived layer of each Keras layer that has one."""

__all__ = [
    "TWINS",
    "Activation",
    "Add",
    "AveragePooling2D",
    "BatchNormalization",
    "Concatenate",
    "Conv2D",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
    "Flatten",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling2D",
    "L2Pooling2D",
    "LeakyReLU",
    "MaxPooling2D",
    "MinPooling2D",
    "Multiply",
    "ReLU",
    "SeparableConv2D",
    "Softmax",
]
