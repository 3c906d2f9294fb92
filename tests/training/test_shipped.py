"""The model that comes with the project."""

import json
import re

import numpy as np
import pytest
import tensorflow as tf

from multitask.tasks import TASKS
from training.export import export
from training.presets import PRESETS
from training.runs import Run
from training.start import SHIPPED, start_from
from training.train import build_model

LARGEST, MOST_PARAMETERS = 8_000_000, 2_000_000


@pytest.fixture(scope="module")
def shipped():
    return Run.open(SHIPPED)


def test_it_is_small_and_knows_all_tasks(shipped):
    assert (SHIPPED / "best.keras").stat().st_size <= LARGEST
    assert shipped.summary["parameters"] < MOST_PARAMETERS
    assert shipped.summary["learned"] == list(TASKS)
    assert shipped.config.image_size == 64


def test_fine_tuning_starts_from_it(shipped):
    config = PRESETS["fine_tune"]
    network = build_model(config)
    start_from(network, config)
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    for task, logits in shipped.best_model()(images, training=False).items():
        np.testing.assert_allclose(network(images, training=False)[task], logits, rtol=1e-4, atol=1e-4)


def test_its_export_answers_alike_in_fewer_operations(shipped, tmp_path):
    exported = tf.saved_model.load(export(shipped, tmp_path))
    predict = exported.signatures["predict_images"]
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    logits, answers = shipped.best_model()(images, training=False), predict(images=tf.constant(images))
    for task in TASKS.values():
        for name, expected in task.decode(logits[task.name]).items():
            np.testing.assert_allclose(answers[name], expected, rtol=1e-5, atol=1e-5)
    graph = predict.graph.as_graph_def()
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    normalization, product_over_maps = "Rsqrt", "GatherV2"
    assert {"Conv2D", normalization, product_over_maps} & {node.op for node in nodes} == {"Conv2D"}


def test_its_card_and_figures_are_of_this_model(shipped):
    assert json.loads((SHIPPED / "evaluation_flips.json").read_text())["average_flips"]
    card = (SHIPPED / "README.md").read_text()
    for name, figures in shipped.evaluation["tasks"].items():
        assert f"| {name}: " in card
        assert figures["count"] > 1000
    assert f"{shipped.summary['parameters']:,} parameters" in card
    assert (SHIPPED / "LICENSE").exists()
    last = json.loads((SHIPPED / "recipe.json").read_text())[-1]
    assert {**last, "start_from": None, "teachers": []} == json.loads((SHIPPED / "config.json").read_text())


def test_it_names_no_place():
    texts = [path for path in SHIPPED.iterdir() if path.suffix in (".json", ".jsonl", ".md")]
    assert len(texts) >= 7
    for path in texts:
        assert not re.search(r"(?<![\w.:/])/(?:home|root|tmp|work|usr|mnt|Users)/", path.read_text()), path
