"""Networks of keras.applications as trunks, offline: without weights, or with those of a local file."""

import sys
import urllib.error
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from models import functional, naive
from models.trunks import build_trunk, check_trunk, pretrained
from multitask.derive import derive
from multitask.errors import UserError
from multitask.tasks import TASKS

PICTURES = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
VGG = "pretrained:VGG16"


@pytest.fixture(scope="module")
def network():
    return keras.applications.VGG16(include_top=False, weights=None, input_shape=(32, 32, 3), pooling="avg")


@pytest.fixture(scope="module")
def weights(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "vgg.weights.h5"
    network.save_weights(path)
    return path


@pytest.mark.parametrize("name", ["VGG16", "MobileNet", "MobileNetV3Small"])
def test_pixels_are_scaled_as_published(name):  # centred and BGR; to [-1, 1]; by the network itself
    trunk = build_trunk(f"pretrained:{name}", 32, "random")
    scale = sys.modules[getattr(keras.applications, name).__module__].preprocess_input
    assert (trunk.name, trunk.input.dtype) == ("trunk", "uint8")
    features = trunk(PICTURES)
    np.testing.assert_array_equal(features, trunk.layers[-1](scale(np.float32(PICTURES))))
    assert np.std(features) > 0


def test_weights_come_from_a_file_and_the_model_is_derived_saved_and_exported(network, weights, tmp_path):
    expected = network(keras.applications.vgg16.preprocess_input(np.float32(PICTURES)))
    model = functional.build([TASKS["gender"]], VGG, 32, weights=weights)
    trunk = model.get_layer("trunk")
    np.testing.assert_array_equal(trunk(PICTURES), expected)
    np.testing.assert_allclose(derive(trunk)(PICTURES), expected, rtol=1e-4, atol=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.get_layer("trunk")(PICTURES), expected)
    model.export(tmp_path / "export", verbose=False)
    exported = tf.saved_model.load(tmp_path / "export")
    np.testing.assert_allclose(
        exported.serve(PICTURES)["gender"], model(PICTURES)["gender"], rtol=1e-4, atol=1e-5
    )


def test_a_naive_network_takes_weights_as_well(network, weights):
    model = naive.build(TASKS["gender"], VGG, 32, weights=str(weights))
    np.testing.assert_array_equal(model.get_layer("trunk").get_weights()[0], network.get_weights()[0])


def test_efficientnet_s_own_scaling_is_set_right():
    """As Keras does it for what it downloads: a factor 1 / sqrt(deviation) behind the normalization."""
    mean, deviation = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    normalization = layers.Normalization()
    network = keras.Sequential(
        [keras.Input((32, 32, 3)), layers.Rescaling(1 / 255), normalization], name="efficientnetb0"
    )
    normalization.adapt_mean.assign(mean)
    normalization.adapt_variance.assign(deviation)  # as published
    normalization.finalize_state()
    x = np.float32(PICTURES)
    expected = (x / 255 - mean) / deviation
    np.testing.assert_allclose(network(pretrained._rescaled(network, x)), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", ["NoSuchNet", "mobilenet", "imagenet_utils", ""])
def test_unknown_networks(name):
    message = f"takes a network of keras.applications, such as .* lists; received '{name}'$"
    with pytest.raises(UserError, match=message):
        check_trunk(f"pretrained:{name}")


@pytest.mark.parametrize(("name", "size", "least"), [("MobileNet", 31, 32), ("InceptionV3", 74, 75)])
def test_too_small_pictures(name, size, least):
    with pytest.raises(
        UserError, match=f"{name} doesn't take pictures of {size}x{size}: .* at least {least}x{least}"
    ):
        build_trunk(f"pretrained:{name}", size)


def test_a_missing_file_is_named():
    with pytest.raises(UserError, match="weights must be a file that is there; received nowhere"):
        check_trunk(VGG, "nowhere.h5")


@pytest.mark.parametrize("name", ["rubbish.weights.h5", "rubbish.h5", "rubbish.keras", "rubbish.txt"])
def test_a_file_that_is_no_weights_is_named(name, tmp_path):
    (tmp_path / name).write_text("rubbish")
    with pytest.raises(UserError, match=f"without its classifier .*; received .*{name}: .") as caught:
        build_trunk(VGG, 32, tmp_path / name)
    assert "\n" not in str(caught.value)


def test_weights_of_another_network_are_named(weights):
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with pytest.raises(UserError, match="weights must be a file that Keras wrote for MobileNet "):
            build_trunk("pretrained:MobileNet", 32, weights)
    assert not warned


def test_without_network_a_file_is_asked_for(monkeypatch, tmp_path):
    def fail(*arguments, **keywords):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", fail)
    monkeypatch.setattr("keras.src.backend.config.keras_home", lambda: str(tmp_path))  # nothing cached
    with pytest.raises(
        UserError,
        match=r"VGG16 could not be downloaded .*no route to host.* local file by --weights FILE$",
    ):
        build_trunk(VGG, 32)
