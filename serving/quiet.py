"""TensorFlow without its start-up notices: in this room it is imported as `from serving.quiet import tf`."""

import os
import sys
import tempfile

__all__ = ["tf"]

# TensorFlow's libraries write to file descriptor 2 while they are loaded, whatever TF_CPP_MIN_LOG_LEVEL says
# (tensorflow#100442); they would drown a command's own words.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
try:
    tempfile.gettempdir()
except FileNotFoundError:  # nothing can be written anywhere
    tempfile.tempdir = os.devnull  # what TensorFlow imports wants a name
    sys.modules["matplotlib"] = None  # type: ignore[assignment]  # it wants a folder; Keras does without it
_stderr = os.dup(2)
_null = os.open(os.devnull, os.O_WRONLY)
try:
    os.dup2(_null, 2)
    import tensorflow as tf
finally:
    os.dup2(_stderr, 2)
    os.close(_stderr)
    os.close(_null)
