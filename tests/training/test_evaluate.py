import io
import json
import sys

import numpy as np
import pytest
from rich.console import Console

from multitask.errors import UserError
from multitask.tasks import TASKS
from training.evaluate import evaluate, load_predictions, quality, report
from training.pipeline import load_examples
from training.runs import Run
from training.train import build_model


@pytest.fixture
def predicted(monkeypatch):
    """Numbers of examples that a model was asked about, in order."""
    module = sys.modules["training.evaluate"]  # `training.evaluate` itself is the function
    predict, counts = module.predict, []

    def counted(model, tasks, examples, batch_size):
        counts.append(len(examples))
        return predict(model, tasks, examples, batch_size)

    monkeypatch.setattr(module, "predict", counted)
    return counts


def test_a_run_is_judged_and_what_it_answered_is_kept(tiny, predicted):
    run = Run.start(tiny(tasks=("emotion", "gender")))
    build_model(run.config).save(run.folder / "best.keras")
    assert load_predictions(run) is None
    found = evaluate(run)

    config = run.config
    examples = load_examples(config.datasets, "test", config.chosen_tasks, config.image_size, config.data_dir)
    kept = load_predictions(run)
    columns = [f"label_{name}" for name in (*TASKS, "age_to")]
    assert set(kept) == {"split", "data", "id", "group", *columns, "emotion", "gender"}
    np.testing.assert_array_equal(kept["id"], examples.table["id"])
    np.testing.assert_array_equal(kept["label_age"], examples.table["age"])
    assert np.mean((kept["gender"] > 0.5) == kept["label_gender"]) == found["tasks"]["gender"]["accuracy"]

    # By labels that the run did not learn, too; drawn faces have no race.
    by = [group["by"] for group in found["groups"]["emotion"]]
    assert {"age": "0-12", "gender": "female"} in by
    assert found["ungrouped"] == {"emotion": {"race": 64}, "gender": {"race": 64}}
    assert run.evaluation == found
    json.dumps(found, allow_nan=False)

    console = Console(width=120, file=io.StringIO(), record=True)
    console.print(*report(run, found))
    text = console.export_text()
    for words in ("ROC AUC", f"{found['tasks']['gender']['calibration_error']:.3f}", "age 18-29"):
        assert words in text
    assert "emotion: can't be split by race" in text

    # The same model isn't asked again for the same split; another, or for another, is.
    assert evaluate(run) == found
    assert predicted == [64]
    assert evaluate(run, "train")["tasks"]["gender"]["count"] == 192
    assert str(load_predictions(run)["split"]) == "train"
    model = run.best_model()
    model.get_layer("gender").bias.assign([9.0])
    model.save(run.folder / "best.keras")
    assert load_predictions(run) is None
    assert evaluate(run, "train")["tasks"]["gender"]["confusion"][0][0] == 0
    assert predicted == [64, 192, 192]


def test_data_that_have_changed_are_judged_anew(tiny, predicted, monkeypatch):
    run = Run.start(tiny(tasks=("gender",)))
    build_model(run.config).save(run.folder / "best.keras")
    evaluate(run)
    monkeypatch.setattr(sys.modules["training.evaluate"], "state_of", lambda name: "another")
    evaluate(run)
    assert predicted == [64, 64]


def test_flips_are_judged_apart(tiny):
    run = Run.start(tiny(tasks=("gender",)))
    model = build_model(run.config)
    model.save(run.folder / "best.keras")
    alone, together = evaluate(run), evaluate(run, average_flips=True)
    assert run.evaluation == alone
    assert json.loads((run.folder / "evaluation_flips.json").read_text()) == together
    config = run.config
    examples = load_examples(config.datasets, "test", config.chosen_tasks, config.image_size, config.data_dir)
    images = examples.images(np.arange(len(examples)))
    logits = sum(model(x, training=False)["gender"].numpy()[:, 0] for x in (images, images[:, :, ::-1])) / 2
    right = np.mean((logits > 0) == examples.table["gender"])
    assert together["tasks"]["gender"]["accuracy"] == pytest.approx(right)
    assert together["tasks"]["gender"]["roc_auc"] != alone["tasks"]["gender"]["roc_auc"]


def test_a_run_without_an_ended_epoch_is_named(tiny):
    with pytest.raises(UserError, match="has no finished epoch yet"):
        evaluate(Run.start(tiny()))


def test_the_quality_says_how_many_labels_are_intervals():
    figures = {"count": 9, "mae": 4.5, "within_5": 0.5}
    assert quality(TASKS["age"], figures) == "4.50 years off, 50.0% within 5"
    assert quality(TASKS["age"], {**figures, "intervals": 7}) == (
        "4.50 years off, 50.0% within 5 (7 labels are intervals, right anywhere within)"
    )


def test_a_head_that_was_not_trained_is_not_judged(tiny):
    run = Run.start(tiny())
    build_model(run.config).save(run.folder / "best.keras")
    (run.folder / "summary.json").write_text('{"learned": ["age", "gender"]}')
    found = evaluate(run)
    assert {name: of_task is not None for name, of_task in found["tasks"].items()} == {
        "age": True,
        "emotion": False,
        "gender": True,
    }
    assert (found["groups"]["emotion"], found["ungrouped"]["emotion"]) == ([], {})
    Console(file=io.StringIO()).print(*report(run, found))
