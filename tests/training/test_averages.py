import keras
import numpy as np

from training.pipeline import examples_of
from training.train import train


def test_averages_of_the_weights_have_statistics_of_their_own(tiny):
    config = tiny(trunk="resnet", weight_averaging=0.9, epochs=1, gradients="fastest")
    trunk = train(config).best_model().get_layer("trunk")
    examples = examples_of(config, "train")
    first = next(layer for layer in trunk.layers if isinstance(layer, keras.layers.BatchNormalization))
    images = examples.images(np.arange(len(examples)))
    x = keras.Model(trunk.input, first.input).predict(images, verbose=0)
    # Those of training are of varied pictures, of weights since changed and, at first, zeros and ones.
    np.testing.assert_allclose(first.moving_mean, x.mean((0, 1, 2)), atol=0.05 * x.std())
    np.testing.assert_allclose(first.moving_variance, x.var((0, 1, 2)), rtol=0.1)
