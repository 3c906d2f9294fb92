"""Whom the graph is being built for."""

import tensorflow as tf
from tensorflow.python.ops import control_flow_util  # the public interface doesn't tell


def compiled_by_xla() -> bool:
    """Whether what is being traced belongs to a tf.function(jit_compile=True)."""
    return not tf.executing_eagerly() and control_flow_util.GraphOrParentsInXlaContext(
        tf.compat.v1.get_default_graph()
    )
