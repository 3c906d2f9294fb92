"""The batch that every network learns from."""

from typing import Any

import numpy as np


def batch(size: int, image_size: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Noise, all labels there: uint8 images [size, S, S, 3] and, by the tasks' names, labels [size]."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (size, image_size, image_size, 3), dtype=np.uint8)
    labels: dict[str, Any] = {
        "age": rng.uniform(0, 100, size).astype(np.float32),
        "emotion": rng.integers(0, 7, size),
        "gender": rng.integers(0, 2, size),
    }
    return images, labels
