"""Which nodes of a fitted model take part in a question, and other arguments of such questions."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import Any

import numpy as np

from ._model import FittedModel


def find_players(
    fitted: FittedModel, level: int | None, keep: int | str | Iterable[int | str] = ()
) -> np.ndarray:
    """Find the nodes that may be taken out or exchanged, each as a whole.

    Parameters
    ----------
    fitted : FittedModel
        The model.
    level : int or None
        Depth of the nodes, 1 for the children of the root; a leaf higher up stands for itself. None
        takes leaves.
    keep : int, str or iterable of int and str, default=()
        Nodes that stay as they are, with everything below them.

    Returns
    -------
    nodes : ndarray of shape (n_players,), int
    """
    tree = fitted.tree
    if level is None:
        nodes = tree.leaves
    else:
        check_count(level, "level")
        nodes = np.flatnonzero((tree.depths == level) | (tree.is_leaf & (tree.depths < level)))
    kept = fitted.exchange.leaves(keep)
    free = [node for node in nodes if not (fitted.exchange.leaves(int(node)) & kept).any()]
    if not free:
        raise ValueError(f"keep={keep!r} leaves no node to exchange at level={level}.")
    return np.array(free, dtype=np.intp)


def check_count(value: Any, name: str) -> int:
    """Return an integer of at least 1."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1, got {value!r}.")
    return int(value)
