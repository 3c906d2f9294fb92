"""A checker that passes a wrong gradient is worth nothing: the usual mistakes, planted and caught."""

import planted as wrong
import pytest

from multitask import layers, ops
from multitask.gradcheck.cases import FAMILIES
from multitask.gradcheck.check import check
from multitask.gradcheck.modes import MODES

CASES = {case.name: case for cases in FAMILIES.values() for case in cases}
FAMILY = {case.name: family for family, cases in FAMILIES.items() for case in cases}
BOTH = {"differences", "autodiff"}
THREE = {*BOTH, "twin"}

PLANTED = [
    ("conv2d", wrong.sign, "kernel", THREE),
    ("conv2d", wrong.missing_rotation, "x", THREE),
    ("conv2d", wrong.mean_of_dz, "bias", THREE),
    ("depthwise_conv2d", wrong.missing_rotation, "x", THREE),
    ("separable_conv2d", wrong.one_stage_forgotten, "depthwise_kernel", THREE),
    ("pointwise_conv2d", wrong.missing_transpose, "x", BOTH),
    ("pointwise_conv2d", wrong.missing_transpose, "kernel", BOTH),
    ("max_pool", wrong.sign, "x", THREE),
    ("max_pool", wrong.to_all_ties, "first of equals", {"at kinks"}),
    ("min_pool", wrong.sign, "x", BOTH),
    ("average_pool", wrong.missing_share, "x", THREE),
    ("l2_pool", wrong.missing_quotient, "x", BOTH),
    ("global_average_pool", wrong.missing_mean, "x", THREE),
    ("global_max_pool", wrong.shared_among_ties, "first of equals", {"at kinks"}),
    ("batch_norm", wrong.batch_norm_through(stop_mean=True, stop_variance=False), "x", THREE),
    ("batch_norm", wrong.batch_norm_through(stop_mean=False, stop_variance=True), "x", THREE),
    ("batch_norm_inference", wrong.missing_reciprocal, "x", THREE),
    ("dense", wrong.missing_transpose, "x", THREE),
    ("dense", wrong.missing_transpose, "kernel", THREE),
    ("dense", wrong.mean_of_dz, "bias", THREE),
    ("flatten", wrong.sign, "x", THREE),
    ("add", wrong.forgotten_branch, "x2", THREE),
    ("multiply", wrong.forgotten_branch, "x2", THREE),
    ("concatenate", wrong.exchanged_parts, "x1", THREE),
    ("relu", wrong.slope_at_0, "at 0", {"at kinks"}),
    ("leaky_relu", wrong.sign, "x", THREE),
    ("sigmoid", wrong.missing_factor, "x", BOTH),
    ("tanh", wrong.missing_square, "x", BOTH),
    ("softmax", wrong.missing_sum, "x", THREE),
    ("hard_limit", wrong.straight_through, "x", BOTH),
    ("symmetric_hard_limit", wrong.straight_through, "at 0", {"at kinks"}),
    ("linear", wrong.twice, "x", BOTH),
    ("saturated_linear", wrong.straight_through, "x", BOTH),
    ("dropout", wrong.missing_scale, "x", THREE),
    ("sigmoid_cross_entropy", wrong.without_labels, "logits", THREE),
    ("multi_label_cross_entropy", wrong.without_labels, "logits", THREE),
    ("softmax_cross_entropy", wrong.without_labels, "logits", THREE),
    ("softmax_cross_entropy", wrong.labels_of_sum_1, "logits", BOTH),
    ("sparse_softmax_cross_entropy", wrong.sign, "logits", THREE),
    ("distribution_cross_entropy", wrong.without_expectation, "logits", BOTH),
    ("distribution_cross_entropy", wrong.ends_for_points, "logits", BOTH),
    ("squared_error", wrong.twice, "predictions", THREE),
    ("absolute_error", wrong.sign, "predictions", THREE),
    ("weighted_mean", wrong.missing_total, "losses", BOTH),
]


@pytest.mark.parametrize(("name", "mistake", "argument", "proofs"), PLANTED)
def test_a_wrong_gradient_is_caught(name, mistake, argument, proofs, monkeypatch):
    monkeypatch.setattr(ops, name, wrong.planted(name, mistake))
    found = [f for f in check(CASES[name], trials=2, modes=["eager"]) if f.argument == argument]
    assert not [f.raised for f in found if f.raised and not f.declined]
    assert {f.proof for f in found if not f.right} & {*THREE, "at kinks"} == proofs


def test_every_family_has_a_wrong_gradient():
    assert {FAMILY[name] for name, *_ in PLANTED} == set(FAMILIES)


@pytest.mark.parametrize("mode", MODES)
def test_a_wrong_gradient_is_caught_in_every_mode_and_dtype(mode, monkeypatch):
    monkeypatch.setattr(ops, "linear", wrong.planted("linear", wrong.twice))
    found = [f for f in check(CASES["linear"], trials=1, modes=[mode]) if f.argument == "x"]
    assert {f.proof for f in found if not f.right} >= {*BOTH, "float32", "bfloat16"}


@pytest.mark.parametrize(
    ("name", "layer", "argument", "mistake"),
    [
        ("leaky_relu", layers.LeakyReLU, "x", wrong.without_slope),
        ("batch_norm", layers.BatchNormalization, "output", wrong.without_state(layers.BatchNormalization)),
    ],
)
def test_a_wrong_layer_is_caught_by_its_twin(name, layer, argument, mistake, monkeypatch):
    monkeypatch.setattr(layer, "call", mistake)
    found = [f for f in check(CASES[name], trials=1, modes=["eager"]) if f.argument == argument]
    assert {f.proof for f in found if not f.right} == {"twin", "float32", "bfloat16"}


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_a_gradient_that_is_lost_is_caught(mode, monkeypatch):
    monkeypatch.setattr(ops, "dense", wrong.closed_over)
    found = [f for f in check(CASES["dense"], trials=1, modes=[mode]) if f.argument == "kernel"]
    assert {f.proof for f in found if not f.right} >= BOTH


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_a_second_derivative_that_is_silently_missing_is_caught(mode, monkeypatch):
    monkeypatch.setattr(ops, "sigmoid", wrong.without_second_derivative)
    found = [f for f in check(CASES["sigmoid"], trials=1, modes=[mode]) if f.argument == "x"]
    assert {f.proof for f in found if not f.right} == {"second"}


def test_a_gradient_for_labels_is_caught(monkeypatch):
    monkeypatch.setattr(ops, "squared_error", wrong.with_gradient_of_labels)
    found = [f for f in check(CASES["squared_error"], trials=1, modes=["eager"]) if f.proof == "autodiff"]
    assert {f.argument for f in found if not f.right} == {"labels", "weights"}


def test_what_becomes_finite_is_caught(monkeypatch):
    monkeypatch.setattr(ops, "l2_pool", wrong.finite_only(ops.l2_pool))
    found = list(check(CASES["l2_pool"], trials=1, modes=["eager"]))
    assert {f.proof for f in found if not f.right} == {"non-finite"}


def test_an_operation_that_raises_is_a_finding_and_the_rest_goes_on(monkeypatch):
    def op(x):
        raise NotImplementedError("flatten is not supported")

    monkeypatch.setattr(ops, "flatten", op)
    found = list(check(CASES["flatten"], trials=1, modes=["eager"]))
    assert {f.proof for f in found if not f.right} == {
        *("autodiff", "differences", "twin", "float32", "bfloat16", "non-finite")
    }
    assert {f.proof for f in found if f.declined} == {"second"}
