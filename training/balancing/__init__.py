"""Balancing the tasks: how much each one's loss or gradient counts at a step. See docs/balancing.md."""

from training.balancing.model import BalancedModel, Balancing, balance

__all__ = ["BalancedModel", "Balancing", "balance"]
