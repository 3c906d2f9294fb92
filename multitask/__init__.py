"""The core: what the tasks are, how pictures come in and how gradients go."""

import os


def _import_backend_quietly() -> None:
    # TensorFlow's libraries write start-up notices to file descriptor 2 while they are loaded, whatever
    # TF_CPP_MIN_LOG_LEVEL says (tensorflow#100442); they would drown a command's own words.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # A comparison trains and serves in processes beside this one: each takes of a GPU what it needs.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    stderr = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        import keras  # noqa: F401
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(null)


_import_backend_quietly()

from multitask.derive import derive  # noqa: E402  after what loads quietly

__all__ = ["derive"]
