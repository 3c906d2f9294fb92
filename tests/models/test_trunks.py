"""Each trunk: its sizes, its published parameter count, its gradients."""

import importlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.trunks import TRUNKS, build_trunk
from multitask.derive import derive, without_twin
from multitask.errors import UserError

# With a classifier of 1000 classes: VGG-16, ResNet-50 and MobileNet as Keras Applications has them, AlexNet
# with its two groups joined, GoogLeNet without its auxiliary classifiers.
PUBLISHED = {
    ("alexnet", 227): 62_378_344,
    ("vgg", 224): 138_357_544,
    ("googlenet", 224): 6_998_552,
    ("resnet50", 224): 25_636_712,
    ("mobilenet", 224): 4_253_864,
}
AT_64 = {
    "lenet": 337_636,
    "alexnet": 3_713_360,
    "vgg": 3_209_080,
    "googlenet": 497_304,
    "resnet": 1_229_280,
    "resnet50": 1_916_128,
    "seresnet": 1_646_592,
    "seresnet_deep": 1_816_504,
    "mobilenet": 280_056,
}


def smallest(name):
    return importlib.import_module(f"models.trunks.{name}").SMALLEST


def weightless(name, size, **arguments):
    """A trunk whose shapes are known, its weights not drawn."""
    with keras.StatelessScope(initialize_variables=False):
        return TRUNKS[name](size, **arguments)


@pytest.mark.parametrize("name", TRUNKS)
def test_sizes(name):
    least = smallest(name)
    for size in (least, least + 17):
        trunk = weightless(name, size)
        assert trunk.name == "trunk"
        assert trunk.input.dtype == "uint8"
        assert trunk.input_shape == (None, size, size, 3)
        assert len(trunk.output_shape) == 2
    with pytest.raises(
        UserError, match=f"^{name} takes pictures of at least {least}x{least}; received {least - 1}$"
    ):
        build_trunk(name, least - 1)


@pytest.mark.parametrize(("name", "size"), PUBLISHED)
def test_published_parameter_counts(name, size):
    trunk = weightless(name, size)
    assert trunk.count_params() + (trunk.output_shape[-1] + 1) * 1000 == PUBLISHED[name, size]


@pytest.mark.parametrize("name", ["googlenet", "mobilenet"])  # whose maps are averaged
@pytest.mark.parametrize(("size", "width"), [(256, None), (64, 1.0)])
def test_paper_widths_at_other_sizes(name, size, width):
    trunk = weightless(name, size, width=width)
    assert trunk.count_params() + (trunk.output_shape[-1] + 1) * 1000 == PUBLISHED[name, 224]


@pytest.mark.parametrize("name", TRUNKS)
def test_thin_networks(name):
    assert weightless(name, 64).count_params() == AT_64[name]


@pytest.mark.parametrize(
    ("size", "maps"), {227: (55, 27, 13, 6), 128: (59, 29, 14, 6), 64: (54, 26, 12, 5)}.items()
)
def test_alexnet_s_maps_stay_near_the_papers(size, maps):
    trunk = weightless("alexnet", size)
    names = ("conv1", "pool1", "pool2", "pool5")
    assert tuple(trunk.get_layer(name).output.shape[1] for name in names) == maps


@pytest.mark.parametrize("name", TRUNKS)
def test_derived_and_automatic_gradients_are_equal(name):
    size = smallest(name)
    keras.utils.set_random_seed(1)
    keras.config.set_dtype_policy("float64")  # normalizing maps of one pixel magnifies rounding
    try:
        trunk = build_trunk(name, size)
        derived = derive(trunk)
    finally:
        keras.config.set_dtype_policy("float32")
    assert without_twin(trunk) == {"Rescaling": ["scale"]}
    generator = np.random.default_rng(0)
    pictures = generator.integers(0, 256, (4, size, size, 3), np.uint8)
    direction = generator.normal(size=(4, trunk.output_shape[-1]))

    def gradients(network):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(network(pictures, training=True) * direction)  # dropout draws the same
        return tape.gradient(loss, [weight.value for weight in network.trainable_weights])

    expected = gradients(trunk)
    assert any(np.abs(gradient).max() > 1e-3 for gradient in expected)
    for weight, automatic, by_hand in zip(trunk.trainable_weights, expected, gradients(derived), strict=True):
        np.testing.assert_allclose(by_hand, automatic, rtol=1e-6, atol=1e-8, err_msg=weight.path)
