import keras
import pytest
import tensorflow as tf
from keras import layers

from models.flops import flops
from multitask.derive import derive


@pytest.fixture
def tensorflow_log(caplog):
    tf.get_logger().addHandler(caplog.handler)
    yield caplog
    tf.get_logger().removeHandler(caplog.handler)


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        # 6x6 positions, 5 channels out, 3x3x3 products each, one addition for the bias
        (layers.Conv2D(5, 3), (8, 8, 3), 6 * 6 * 5 * (2 * 3 * 3 * 3 + 1)),
        (layers.Conv2D(6, 3, groups=2, use_bias=False), (8, 8, 4), 6 * 6 * 6 * 2 * 3 * 3 * 2),
        (layers.DepthwiseConv2D(3, padding="same", use_bias=False), (8, 8, 4), 8 * 8 * 4 * 2 * 3 * 3),
        (layers.Dense(7), (10,), 7 * (2 * 10 + 1)),
        (layers.Flatten(), (8, 8, 3), 0),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_by_hand(layer, shape, expected, capfd, tensorflow_log):
    network = keras.Sequential([keras.Input(shape), layer])
    assert flops(network) == expected
    assert flops(derive(network)) == expected
    assert capfd.readouterr() == ("", "")
    assert not tensorflow_log.records


def test_vgg_16_at_its_paper_s_size():
    network = keras.applications.VGG16(weights=None, include_top=False, input_shape=(224, 224, 3))
    dense = 2 * (25_088 * 4096 + 4096 * 4096 + 4096 * 1000)
    assert flops(network) + dense == pytest.approx(2 * 15.47e9, rel=0.002)
