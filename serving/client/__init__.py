"""Asks a server about photos: this project's or TensorFlow Serving, over REST or gRPC.

From a script by `Client`, from the command line by `python -m serving.client PHOTO...`. TensorFlow is needed
for gRPC alone.
"""

from serving.client.client import Client
from serving.client.wire import Rejected, Unavailable

__all__ = ["Client", "Rejected", "Unavailable"]
