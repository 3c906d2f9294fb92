"""What is kept of an epoch that has ended."""

from contextlib import nullcontext

import pytest

from multitask.errors import UserError
from multitask.tasks import TASKS
from training.checkpoints import EpochEnd
from training.evaluate import best_model_digest
from training.phases import compile_model
from training.runs import Run
from training.train import build_model, train


def epoch_end(run, unlabelled=()):
    """What a run's training calls when an epoch ends, no data at hand."""
    model = build_model(run.config)
    compile_model(model, run.config, list(TASKS.values()), steps=1)
    callback = EpochEnd(run, model, model, unlabelled=list(unlabelled))
    callback.set_model(model)
    callback.restore(model, [model.optimizer])
    return callback


@pytest.mark.parametrize(("keep", "epochs"), [("best", [0]), ("last", [0, 1])])
def test_the_model_of_the_best_epoch_is_kept_or_of_the_last(tiny, monkeypatch, keep, epochs):
    kept, save = [], EpochEnd._save_network
    monkeypatch.setattr(EpochEnd, "_save_network", lambda self: kept.append(self.epochs_done) or save(self))
    run = train(tiny(keep=keep, learning_rate=0.0))  # the second epoch is as good as the first
    assert kept == epochs
    assert run.summary["best_val_loss"] == run.history[0]["val_loss"]


@pytest.mark.parametrize("keep", ["best", "last"])
def test_a_model_that_diverged_later_is_not_kept(tiny, keep):
    run = Run.start(tiny(keep=keep))
    callback = epoch_end(run)
    epochs = iter(enumerate([2.0, float("nan")]))

    def end():
        epoch, loss = next(epochs)
        callback.on_epoch_begin(epoch)
        callback.on_epoch_end(epoch, {"val_loss": loss})

    end()
    kept = (run.folder / "best.keras").read_bytes()
    with pytest.raises(UserError, match="after epoch 2") if keep == "last" else nullcontext():
        end()
    assert (run.folder / "best.keras").read_bytes() == kept


def test_figures_of_an_earlier_best_model_do_not_outlive_it(tiny):
    run = Run.start(tiny())
    callback = epoch_end(run)
    for epoch, (loss, kept) in enumerate([(2.0, False), (3.0, True), (1.0, False)]):
        (run.folder / "evaluation.json").write_text("{}")
        callback.on_epoch_begin(epoch)
        callback.on_epoch_end(epoch, {"val_loss": loss})
        assert (run.evaluation is not None) == kept
    (run.folder / "evaluation.json").write_text("{}")
    callback.finish(list(TASKS.values()), 1, {})
    assert run.evaluation is not None
    digest = best_model_digest(run)
    callback.finish(list(TASKS.values()), 1, {"age": 2.0})  # which answers otherwise
    assert run.evaluation is None
    assert best_model_digest(run) != digest


def test_validation_without_a_task_reports_no_figure_for_it(tiny):
    run = Run.start(tiny())
    callback = epoch_end(run, unlabelled=["emotion"])
    callback.on_epoch_begin(0)
    callback.on_epoch_end(0, {"val_loss": 1.0, "val_emotion_accuracy": 0.0, "emotion_accuracy": 0.5})
    assert set(run.history[0]) == {"epoch", "seconds", "val_loss", "emotion_accuracy"}
