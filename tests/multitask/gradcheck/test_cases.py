"""The table of cases: complete, and right as far as it is quickly seen."""

import inspect

import numpy as np
import pytest

from multitask import layers, ops
from multitask.gradcheck.cases import FAMILIES
from multitask.gradcheck.check import check
from multitask.gradcheck.draw import Draw, rounded
from multitask.gradcheck.twins import LayerTwin

CASES = [case for cases in FAMILIES.values() for case in cases]
PROOFS = {"differences", "autodiff", "float32", "bfloat16", "second", "non-finite"}


def samples(case, number=24):
    draw = Draw(0, case.name)
    return [case.draw(draw) for _ in range(number)]


def test_every_public_operation_has_a_case():
    assert {case.name for case in CASES} == {name for name, _ in inspect.getmembers(ops, inspect.isfunction)}


def test_every_layer_with_a_keras_twin_is_compared_with_it():
    twins = [case.twin(sample) for case in CASES if case.twin for sample in samples(case)]
    compared = {twin.layer for twin in twins if isinstance(twin, LayerTwin)}
    assert compared == {twin.__name__ for twin in layers.TWINS.values()}


@pytest.mark.parametrize("case", [case for case in CASES if case.twin], ids=lambda case: case.name)
def test_the_first_sample_has_a_twin(case):
    assert case.twin(samples(case, 1)[0])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_proof_is_made_and_passes(case):
    found = list(check(case, seed=1, trials=2, modes=["eager"]))
    assert not [finding for finding in found if not finding.right]
    assert {f.proof for f in found} == PROOFS | ({"twin"} if case.twin else set()) | (
        {"at kinks"} if case.kinks else set()
    )


@pytest.mark.parametrize("name", ["dense", "relu"])
def test_graphs_and_xla_are_judged_as_well(name):
    case = next(case for case in CASES if case.name == name)
    found = list(check(case, trials=1))
    assert not [finding for finding in found if not finding.right]
    for mode in "graph", "xla":
        proofs = {finding.proof for finding in found if finding.mode == mode}
        assert proofs >= PROOFS - ({"second"} if mode == "xla" else set())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_samples_are_exact_in_bfloat16_and_the_same_for_the_same_seed(case):
    for sample, again in zip(samples(case, 6), samples(case, 6), strict=True):
        assert str(sample) == str(again)
        for name, array in sample.arrays.items():
            np.testing.assert_array_equal(array, again.arrays[name])
            if array.dtype == np.float64:
                np.testing.assert_array_equal(array, rounded(array))


def test_the_plain_value_comes_first_and_then_every_value_before_one_comes_again():
    draw = Draw(0, "any")
    dealt = [draw.one_of("option", "plain", "b", "c") for _ in range(7)]
    assert dealt[0] == "plain"
    assert set(dealt[1:4]) == set(dealt[4:7]) == {"plain", "b", "c"}


def test_pictures_have_no_ties():
    x = Draw(0, "any").planes_apart(3, 8, 16, 2)
    assert all(len(np.unique(x[i, :, :, c])) == 8 * 16 for i in range(3) for c in range(2))
    assert np.abs(x).min() == 1 / 16
