"""How an exported model answers: over HTTP or in a script. Knows nothing of training."""

import os

# Before TensorFlow is imported: its start-up chatter would drown a command's own words.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
