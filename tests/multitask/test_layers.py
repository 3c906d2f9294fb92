"""Each derived layer against the Keras layer of the same name: config, weights, values, gradients."""

import keras
import pytest
import tensorflow as tf
from twins import CHANNELS_FIRST, PICTURE, assert_close, draw, step, twins

from multitask import layers
from multitask.layers.activation import DERIVED

# Keras layer, arguments, shapes of its inputs.
CASES = [
    *(("Activation", {"activation": f.__name__}, (3, 5)) for f in [*DERIVED, keras.activations.gelu]),
    ("ReLU", {}, (3, 5)),
    ("ReLU", {"negative_slope": 0.1, "max_value": 1.0, "threshold": 0.5}, (3, 5)),
    ("LeakyReLU", {"negative_slope": 0.2}, (3, 5)),
    ("Softmax", {}, (3, 5)),
    ("Softmax", {"axis": 1}, (3, 5, 2)),
    ("Softmax", {"axis": [1, 2]}, (3, 5, 2)),
    ("Conv2D", {"filters": 6, "kernel_size": 3, "activation": "relu"}, PICTURE),
    ("Conv2D", {"filters": 6, "kernel_size": (3, 2), "strides": (2, 1), "padding": "same"}, PICTURE),
    ("Conv2D", {"filters": 6, "kernel_size": 3, "dilation_rate": 2, "use_bias": False}, PICTURE),
    ("Conv2D", {"filters": 6, "kernel_size": 3, "groups": 2, "activation": "gelu"}, PICTURE),
    ("Conv2D", {"filters": 6, "kernel_size": 2, **CHANNELS_FIRST}, PICTURE),
    ("DepthwiseConv2D", {"kernel_size": 3, "depth_multiplier": 2, "activation": "tanh"}, PICTURE),
    ("DepthwiseConv2D", {"kernel_size": 3, "strides": 2, "padding": "same", "use_bias": False}, PICTURE),
    ("DepthwiseConv2D", {"kernel_size": 2, **CHANNELS_FIRST}, PICTURE),
    ("SeparableConv2D", {"filters": 3, "kernel_size": 3, "depth_multiplier": 2}, PICTURE),
    ("SeparableConv2D", {"filters": 3, "kernel_size": 3, "padding": "same", **CHANNELS_FIRST}, PICTURE),
    ("MaxPooling2D", {}, PICTURE),
    ("MaxPooling2D", {"pool_size": 3, "strides": 2, "padding": "same", **CHANNELS_FIRST}, PICTURE),
    ("AveragePooling2D", {"pool_size": (2, 3)}, PICTURE),
    ("AveragePooling2D", {"pool_size": 3, "strides": 2, "padding": "same", **CHANNELS_FIRST}, PICTURE),
    ("GlobalAveragePooling2D", {}, PICTURE),
    ("GlobalAveragePooling2D", {"keepdims": True, **CHANNELS_FIRST}, PICTURE),
    ("GlobalMaxPooling2D", {"keepdims": True}, PICTURE),
    ("GlobalMaxPooling2D", {**CHANNELS_FIRST}, PICTURE),
    ("Dense", {"units": 3, "activation": "softmax"}, (4, 5)),
    ("Dense", {"units": 3, "use_bias": False, "activation": "sigmoid"}, PICTURE),
    ("Flatten", {}, PICTURE),
    ("Flatten", {**CHANNELS_FIRST}, PICTURE),
    ("Add", {}, [PICTURE, (2, 7, 1, 4), (2, 4)]),
    ("Multiply", {}, [PICTURE, (2, 7, 1, 4), (2, 4)]),
    ("Concatenate", {"axis": 1}, [PICTURE, (2, 3, 6, 4)]),
    ("BatchNormalization", {"momentum": 0.9}, PICTURE),
    ("BatchNormalization", {"axis": 1, "scale": False, "epsilon": 1e-5}, PICTURE),
    ("BatchNormalization", {"center": False, "synchronized": True}, PICTURE),
    ("BatchNormalization", {"trainable": False}, PICTURE),
    ("Dropout", {"rate": 0.4, "seed": 3}, PICTURE),
    ("Dropout", {"rate": 0.4, "seed": 3, "noise_shape": (None, 1, 1, 4)}, PICTURE),
]


def test_every_layer_has_cases():
    assert {name for name, *_ in CASES} == {layer.__name__ for layer in layers.TWINS.values()}
    without_twin = {"L2Pooling2D", "MinPooling2D"}
    assert set(layers.__all__) - {"TWINS"} - without_twin == {layer.__name__ for layer in layers.TWINS}


@pytest.mark.parametrize(("name", "arguments", "shape"), CASES)
def test_a_layer_is_its_twin_but_for_its_name_s_package(name, arguments, shape):
    built_in, derived = twins(name, arguments, shape)
    assert isinstance(derived, type(built_in))
    assert keras.saving.get_registered_name(type(derived)) == f"multitask>{name}"
    assert derived.get_config() == built_in.get_config()
    assert [(w.path, w.shape, w.dtype) for w in derived.weights] == [
        (w.path, w.shape, w.dtype) for w in built_in.weights
    ]
    symbol = keras.tree.map_structure(lambda x: keras.KerasTensor((None, *x.shape[1:])), draw(shape))
    assert derived(symbol).shape == built_in(symbol).shape
    for training in (False, True):
        call = {"training": training} if name in ("BatchNormalization", "Dropout") else {}
        assert_close(step(derived, draw(shape), **call), step(built_in, draw(shape), **call))


@pytest.mark.parametrize(("name", "arguments", "shape"), CASES)
def test_mixed_precision(name, arguments, shape):
    built_in, derived = twins(name, arguments, shape, dtype="mixed_bfloat16")
    call = {"training": True} if name in ("BatchNormalization", "Dropout") else {}
    actual, expected = (step(layer, draw(shape), **call) for layer in (derived, built_in))
    assert keras.tree.flatten(actual[0])[0].dtype == tf.bfloat16
    assert_close(actual, expected, rtol=0.05, atol=0.1)
