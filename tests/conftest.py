"""Two CPU devices for every test, so that a strategy with two replicas runs where there is no accelerator."""

import pytest

import multitask  # noqa: F401  first: it loads TensorFlow quietly

import tensorflow as tf  # isort: skip
import tensorflow_datasets as tfds  # isort: skip

tfds.disable_progress_bar()
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


@pytest.fixture(scope="session")
def two_replicas() -> tf.distribute.Strategy:
    """One for all tests: a second strategy would begin its collective operations' keys anew, and collide."""
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
