"""Shares of contributions that pull either way: what they are shares of, and their words."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..metrics import sum_below
from ..tree import SegmentTree
from ..utils._numbers import percent

# shares that would be shown as 0% are not worth a word
LEAST = 0.005


class Sides(NamedTuple):
    """What contributions of either sign do, in a word each."""

    pro: str
    contra: str


APART = Sides("apart", "closer")
FOR = Sides("for", "against")


def signed_shares(values: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Values as shares of the stronger side of `own`, along the last axis; their signs stay.

    Contributions of either sign may cancel, so their sum is no measure. Those of the stronger side
    add up to 1, those of the other to how strong it is beside it, so that no node, nor any set of
    nodes, is above 1. All 0 where nothing contributes.
    """
    sides = np.maximum(own, 0.0), np.maximum(-own, 0.0)
    scale = np.maximum(*(side.sum(axis=-1, keepdims=True) for side in sides))
    return np.divide(values, scale, out=np.zeros_like(values), where=scale > 0)


def both_sides(tree: SegmentTree, own_share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For every node, what it and all below it contribute on either side, without signs."""
    return (
        sum_below(tree, np.maximum(own_share, 0.0)),
        sum_below(tree, np.maximum(-own_share, 0.0)),
    )


def share_text(share: float, sides: Sides) -> str:
    """Write a share without its sign: "48%", or "15% against" on the other side."""
    return percent(share) if share >= 0 else f"{percent(-share)} {sides.contra}"


def sides_text(pro: float, contra: float, sides: Sides) -> str:
    """Write what a node and all below it contribute on either side: "85% for, 15% against"."""
    words = [f"{percent(pro)} {sides.pro}"] if pro or not contra else []
    return ", ".join([*words, f"{percent(contra)} {sides.contra}"] if contra else words)


def size_share(own: np.ndarray, nodes: np.ndarray) -> float:
    """Share of some nodes, given as a mask, in all that pulls either way; 0 where nothing does."""
    sizes = np.abs(own)
    return float(sizes[nodes].sum() / (sizes.sum() or 1.0))
