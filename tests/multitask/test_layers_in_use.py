"""What derived layers do beyond computing what their twins compute."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from twins import CHANNELS_FIRST, PICTURE, assert_close, draw, step, twins

from multitask import layers


@pytest.mark.parametrize(
    ("name", "arguments", "shape", "mask_shape"),
    [
        ("Softmax", {"axis": [1, 2]}, (3, 5, 2), (5, 1)),
        ("BatchNormalization", {}, (4, 5, 3), (4, 5)),
        ("BatchNormalization", {"axis": 1}, (4, 5, 3), (4, 5)),
        ("BatchNormalization", {"renorm": True, "renorm_clipping": {"rmax": 1.1}}, (4, 5, 3), (4, 5)),
    ],
)
def test_what_a_mask_hides_does_not_count(name, arguments, shape, mask_shape):
    call = {"mask": draw(mask_shape) > 0} | ({"training": True} if name == "BatchNormalization" else {})
    built_in, derived = twins(name, arguments, shape)
    assert_close(step(derived, draw(shape), **call), step(built_in, draw(shape), **call))


@pytest.mark.parametrize(
    ("layer", "mask_shape", "message"),
    [
        (layers.Softmax(), (1, 2, 3), "broadcastable.*dimensions; received"),
        (layers.Softmax(), (2, 2), "broadcastable.*dimensions; received"),
        (layers.BatchNormalization(), (2, 3), "one dimension less than the inputs. Received"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused(layer, mask_shape, message):
    with pytest.raises(ValueError, match=message):
        layer(draw((2, 3)), training=True, mask=tf.ones(mask_shape, tf.bool))


@pytest.mark.parametrize(
    ("name", "arguments", "shape"),
    [
        ("Conv2D", {"filters": 6, "kernel_size": 3, "lora_rank": 2, "lora_alpha": 4}, PICTURE),
        ("Dense", {"units": 3, "lora_rank": 2}, (4, 5)),
    ],
)
def test_low_rank_adaptation(name, arguments, shape):
    built_in, derived = twins(name, arguments, shape)
    assert [w.name for w in derived.trainable_weights] == ["bias", "lora_kernel_a", "lora_kernel_b"]
    assert_close(step(derived, draw(shape)), step(built_in, draw(shape)))


def test_pooling_that_keras_lacks():
    x = draw(PICTURE)
    arguments = {"pool_size": 3, "strides": 2, "padding": "same"}
    least = layers.MinPooling2D(**arguments)
    np.testing.assert_array_equal(least(x), -keras.layers.MaxPooling2D(**arguments)(-x))
    norm = layers.L2Pooling2D(pool_size=(2, 3), **CHANNELS_FIRST)
    mean_square = keras.layers.AveragePooling2D(pool_size=(2, 3), **CHANNELS_FIRST)(tf.square(x))
    np.testing.assert_allclose(norm(x), tf.sqrt(6 * mean_square), rtol=1e-5)
    for layer in (least, norm):
        assert layer.compute_output_shape(x.shape) == layer(x).shape
        assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()


def test_pooling_reads_padding_in_capitals_as_keras_does():
    arguments = {"pool_size": 2, "padding": "SAME"}
    twin = keras.layers.MaxPooling2D(**arguments)
    np.testing.assert_array_equal(layers.MaxPooling2D(**arguments)(draw(PICTURE)), twin(draw(PICTURE)))


def test_sizes_that_only_the_graph_knows():
    picture = keras.Input((None, None, 4))
    x = layers.Conv2D(6, 3, strides=2, padding="same")(picture)
    x = layers.MaxPooling2D(padding="same")(layers.BatchNormalization()(x))
    x = layers.AveragePooling2D(3, 1, padding="same")(layers.DepthwiseConv2D(2)(x))
    model = keras.Model(picture, layers.Dense(2)(layers.GlobalMaxPooling2D()(x)))
    predict = tf.function(model, input_signature=[tf.TensorSpec((None, None, None, 4))])
    for shape in ((2, 9, 8, 4), (1, 13, 16, 4)):
        np.testing.assert_allclose(predict(draw(shape)), model(draw(shape)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool"])
def test_inputs_of_other_dtypes_are_promoted_as_in_keras(dtype):
    x = tf.cast(draw((4, 5)) > 0, dtype)
    for name, arguments, inputs in (
        ("Dense", {"units": 3}, x),
        ("Flatten", {}, x),
        ("Add", {}, [x, draw((4, 5))]),
        ("Multiply", {}, [x, draw((4, 5))]),
        ("Concatenate", {}, [x, draw((4, 5))]),
    ):
        built_in, derived = twins(name, arguments, [(4, 5)] * 2 if isinstance(inputs, list) else (4, 5))
        assert_close(derived(inputs), built_in(inputs))


def test_probabilities_keep_the_logits_that_cross_entropy_asks_for():
    logits = tf.constant([[0.0, 200.0]])
    for layer in (layers.Activation("softmax"), layers.Softmax()):
        assert keras.losses.CategoricalCrossentropy()(tf.constant([[1.0, 0.0]]), layer(logits)) == 200


def test_quantization_is_keras_s_own():
    built_in, derived = twins("Dense", {"units": 3}, (4, 16))
    for layer in (built_in, derived):
        layer.quantize("int8")
    np.testing.assert_array_equal(derived(draw((4, 16))), built_in(draw((4, 16))))

    class Other(layers.Dense):
        pass

    other = Other(3)
    other.build((4, 16))
    with pytest.raises(NotImplementedError):
        other.quantize("int8")


def test_batch_normalization_over_two_replicas(two_replicas):
    x = draw((4, 3, 3, 2))
    with two_replicas.scope():
        pair = [
            module.BatchNormalization(momentum=0.5, synchronized=True, name="layer")
            for module in (keras.layers, layers)
        ]
        for layer in pair:
            layer.build(x.shape)

    @tf.function
    def both(x):
        def one(x):
            return [step(layer, x, training=True)[:2] for layer in pair]

        return two_replicas.run(one, [x])

    halves = two_replicas.experimental_distribute_values_from_function(
        lambda context: tf.split(x, 2)[context.replica_id_in_sync_group]
    )
    for replica in zip(
        *(two_replicas.experimental_local_results(t) for t in keras.tree.flatten(both(halves))), strict=True
    ):
        expected, actual = replica[: len(replica) // 2], replica[len(replica) // 2 :]
        assert_close(actual, expected)
    whole = keras.layers.BatchNormalization(momentum=0.5)
    whole(x, training=True)
    for layer in pair:
        assert_close([w.value for w in layer.weights], [w.value for w in whole.weights])
