import numpy as np
import pytest

from multitask.gradcheck.finding import Finding, relative_error
from multitask.gradcheck.report import failures, rows_of

INF, NAN = float("inf"), float("nan")


@pytest.mark.parametrize(
    ("actual", "expected", "error"),
    [
        (np.array([3.0, 4.0]), np.array([3.0, 4.0]), 0.0),
        (np.array([3.0, 4.5]), np.array([3.0, 4.0]), 0.1),
        (np.array([-3.0, -4.0]), np.array([3.0, 4.0]), 2.0),
        (np.array([0.0, 0.5]), np.zeros(2), 0.5),
        (np.array([3.0, NAN]), np.array([3.0, 4.0]), INF),
        (np.ones((2, 1)), np.ones(2), INF),
        (None, np.zeros(2), 0.0),
        (np.zeros(2), None, 0.0),
        (None, None, 0.0),
        (None, np.array([0.0, 1.0]), INF),
        (np.array([0.0, 1.0]), None, INF),
    ],
)
def test_errors_are_relative_to_the_norm_of_what_is_expected(actual, expected, error):
    assert relative_error(actual, expected) == pytest.approx(error)


@pytest.mark.parametrize(
    ("proof", "error", "raised", "right"),
    [
        ("autodiff", 1e-9, "", True),
        ("autodiff", 1e-7, "", False),
        ("autodiff", NAN, "", False),
        ("autodiff", INF, "NotImplementedError: not supported", False),
        ("second", INF, "NotImplementedError: not supported", True),
        ("second", INF, "UnimplementedError: CPUs do not yet support it", True),
        ("second", INF, "TypeError: 'NoneType' object", False),
    ],
)
def test_only_a_second_derivative_may_be_declined_and_only_by_a_clear_error(proof, error, raised, right):
    finding = Finding("conv2d", proof, "eager", 1e-8, "", "x", error, raised)
    assert finding.right == right


def test_a_row_keeps_the_worst_and_a_failure_says_how_to_see_it_again():
    findings = [
        Finding("dense", "autodiff", "eager", 1e-8, "float64, x=[3, 2]", "x", error)
        for error in (0.0, 1.5, 2e-9)
    ]
    findings += [Finding("dense", "twin", "xla", 1e-8, "float64, x=[3, 2]", "kernel", INF, "TypeError: no")]
    _, x, kernel = rows_of("dense", "dense", findings)
    assert (x.cell("autodiff"), x.cell("twin"), kernel.cell("twin")) == ("2e+00", "", "inf")
    assert x.to_json()["errors"] == {"autodiff": {"eager": 1.5}}
    assert kernel.to_json()["errors"] == {"twin": {"xla": None}}
    assert (x.to_json()["right"], x.to_json()["argument"]) == (False, "x")
    assert failures([x, kernel]) == [
        "dense, autodiff, eager: x off by 1.5e+00; at most 1e-08 is right; float64, x=[3, 2]",
        "dense, twin, xla: raised TypeError: no; float64, x=[3, 2]",
    ]
