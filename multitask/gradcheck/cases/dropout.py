"""Dropout."""

import keras

from multitask.gradcheck.case import Case
from multitask.gradcheck.draw import Draw, Sample
from multitask.gradcheck.twins import LayerTwin


def draw_dropout(draw: Draw) -> Sample:
    """Rates that bfloat16 scales exactly by, and one that it doesn't."""
    settings = {"rate": draw.one_of("rate", 0.5, 0.75, 0.3, 0.0), "seed": draw.size(0, 1000)}
    return Sample({"x": draw.normal(3, 8, 5)}, settings=settings)


def twin(sample: Sample) -> LayerTwin:
    """keras.layers.Dropout; in inference, where it drops nothing at any rate, for a rate of 0."""
    rate, seed = sample.settings["rate"], sample.settings["seed"]
    return LayerTwin("Dropout", {"rate": rate or 0.5, "seed": seed}, training=rate > 0)


CASES = (
    Case(
        "dropout",
        draw_dropout,
        lambda x, rate, seed: keras.random.dropout(x, rate, seed=seed),
        random=True,
        twin=twin,
    ),
)
