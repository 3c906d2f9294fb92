"""Every operation and what it is compared with, by family."""

from multitask.gradcheck.case import Case
from multitask.gradcheck.cases import (
    activation,
    convolution,
    cross_entropy,
    dense,
    dropout,
    joining,
    normalization,
    pooling,
    regression,
)

FAMILIES: dict[str, tuple[Case, ...]] = {
    "convolution": convolution.CASES,
    "pooling": pooling.CASES,
    "dense": dense.CASES,
    "joining": joining.CASES,
    "activation": activation.CASES,
    "normalization": normalization.CASES,
    "dropout": dropout.CASES,
    "cross_entropy": cross_entropy.CASES,
    "regression": regression.CASES,
}
