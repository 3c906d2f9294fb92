"""A pytest plugin that runs Keras's own layer tests with the derived layers in place of Keras's.

    python -m pytest -c /dev/null -p keras_layer_tests --pyargs keras.src.layers.core.dense_test

with this folder on PYTHONPATH. A test that passes without having made a derived layer fails.
"""

import json
import re
import sys
import types
from collections import Counter

import pytest

import multitask  # noqa: F401  first: it loads TensorFlow quietly

from keras.src import layers as keras_layers  # isort: skip
from keras.src.layers.activations import leaky_relu, relu, softmax  # isort: skip

from multitask.layers import TWINS  # isort: skip

MODULES = tuple(
    f"keras.src.layers.{name}_test"
    for name in (
        "activations.activation",
        "activations.leaky_relu",
        "activations.relu",
        "activations.softmax",
        "convolutional.conv",
        "convolutional.depthwise_conv",
        "convolutional.separable_conv",
        "core.dense",
        "merging.merging",
        "normalization.batch_normalization",
        "pooling.average_pooling",
        "pooling.global_average_pooling",
        "pooling.global_max_pooling",
        "pooling.max_pooling",
        "regularization.dropout",
        "reshaping.flatten",
    )
)
NOT_RUN = {
    r"(conv|pooling)[13]d": "of one or three dimensions",
    r"test_conv_symbolic_invalid_configuration[02]$": "Conv1D and Conv3D",
    r"MergingLayersTest::test_\w*(subtract|minimum|maximum|average|dot)": "no derived twin",
}
"""Which tests are left out, by a part of their names, and why."""

made: Counter[str] = Counter()
left_out: Counter[str] = Counter()


def _stand_in(derived: type) -> None:
    new = derived.__new__

    def counting_new(cls: type, *args: object, **kwargs: object) -> object:
        made[derived.__name__] += 1
        return new(cls, *args, **kwargs)

    derived.__new__ = counting_new  # type: ignore[method-assign]
    # Some tests reach their layer by way of the module that defines it.
    for namespace in (keras_layers, leaky_relu, relu, softmax):
        if hasattr(namespace, derived.__name__):
            setattr(namespace, derived.__name__, derived)


def _conftest() -> types.ModuleType:
    # Keras's tests import it from the root of its repository; the wheel lacks it.
    module = types.ModuleType("conftest")
    module.skip_if_backend = lambda name, reason: pytest.mark.skipif(name == "tensorflow", reason=reason)
    return module


def pytest_configure(config):
    for twin in TWINS.values():
        _stand_in(twin)
    sys.modules["conftest"] = _conftest()
    config.addinivalue_line("markers", "requires_trainable_backend: TensorFlow is one")


def pytest_collection_modifyitems(config, items):
    def is_run(item):
        patterns = [pattern for pattern in NOT_RUN if re.search(pattern, item.nodeid)]
        left_out.update(patterns)
        return not patterns

    items[:] = [item for item in items if is_run(item)]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    before = made.total()
    result = yield
    assert made.total() > before, "made no derived layer"
    return result


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(json.dumps({"made": made, "left_out": left_out}))
