"""Choice of the originals that stay, and of the donor of every copy."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import check_random_state


class SwapPlan(NamedTuple):
    """Rows of the new set: originals first, copies after them, both in the order of the data."""

    receivers: np.ndarray  # (n_new,) intp: row that each new row is made of, and whose label it has
    # (n_new,) intp: row whose segment it has; -1 for an original, which has its own
    donors: np.ndarray


def plan_swaps(
    y: np.ndarray,
    groups: np.ndarray | None = None,
    *,
    n_copies: int = 1,
    class_sizes: np.ndarray | None = None,
    may_give: np.ndarray | None = None,
    random_state: Any = None,
) -> SwapPlan:
    """Plan swaps that make the source of a segment independent of the label.

    The source of a segment is the class of the row that it comes from, or that row's group. In the
    new set every label has the same share of every source, ``1 / n_sources`` to within one row,
    which keeps the largest share of originals that is the same for all classes. The rows of every
    source are in one random order, and every label gets segments from the start of that order,
    cyclically, so that also every single segment occurs equally often with every label. Once, a row
    whose segment is due to its own label stays as it is, an original; all other segments go to
    receivers of the label, taken in turn. A row is never its own donor.

    Shapes: `y` and `groups` (n_rows,), `class_sizes` (n_classes,) int, `may_give` (n_rows,) bool.
    """
    rng = check_random_state(random_state)
    labels, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    names, sources = (labels, codes) if groups is None else np.unique(groups, return_inverse=True)
    what, plural = ("class", "classes") if groups is None else ("group", "groups")
    if len(names) < 2:
        raise ValueError(
            f"Segments can be swapped only between two or more {plural}, got "
            f"{names.tolist()[0]!r} only."
        )
    giving = np.ones(len(codes), dtype=bool) if may_give is None else may_give
    orders = [rng.permutation(np.flatnonzero((sources == s) & giving)) for s in range(len(names))]
    for name, order in zip(names.tolist(), orders):
        if not len(order):
            raise ValueError(f"No row of the {what} {name!r} has a segment to give.")
    sizes = (1 + n_copies) * (counts if class_sizes is None else np.asarray(class_sizes))
    planned = [
        _plan_label(codes == label, orders, quota, rng)
        for label, quota in enumerate(_share_out(sizes, len(names)))
    ]
    receivers, donors = (np.concatenate(parts) for parts in zip(*planned))
    order = np.lexsort((donors, receivers, donors >= 0))
    return SwapPlan(receivers[order], donors[order])


def _share_out(sizes: np.ndarray, n_sources: int) -> np.ndarray:
    """Rows of every label and source, (n_labels, n_sources); remainders go round."""
    whole, left = np.divmod(sizes, n_sources)
    first = np.cumsum(left) - left
    places = (np.arange(n_sources) - first[:, np.newaxis]) % n_sources
    return whole[:, np.newaxis] + (places < left[:, np.newaxis])


def _plan_label(
    has_label: np.ndarray, orders: list[np.ndarray], quota: np.ndarray, rng: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Receivers and donors of one label, (n_new,) each."""
    used = np.flatnonzero(quota)
    orders = [orders[source] for source in used]
    kept, given = [], []
    for order, n_rows in zip(orders, quota[used]):
        segments = np.resize(order, n_rows)
        own = np.flatnonzero(has_label[segments[: len(order)]])
        kept.append(segments[own])
        given.append(rng.permutation(np.delete(segments, own)))
    kept = np.concatenate(kept)
    others = np.setdiff1d(np.flatnonzero(has_label), kept)
    # those that do not stay as originals come first, so that all are used equally often
    turn = np.concatenate([rng.permutation(others), rng.permutation(kept)])
    receivers = np.resize(turn, sum(map(len, given)))
    stops = np.cumsum([len(donors) for donors in given])[:-1]
    for order, some, donors in zip(orders, np.split(receivers, stops), given):
        _keep_apart(some, donors, order)
    originals = np.full(len(kept), -1)
    return np.concatenate([kept, receivers]), np.concatenate([originals, *given])


def _keep_apart(receivers: np.ndarray, donors: np.ndarray, order: np.ndarray) -> None:
    """Swap donors, in place, until no row is its own donor."""
    for i in np.flatnonzero(receivers == donors):
        mine = receivers[i]
        if donors[i] != mine:
            continue  # settled by an earlier swap
        fits = np.flatnonzero((donors != mine) & (receivers != mine))
        if len(fits):
            j = fits[0]
            donors[i], donors[j] = donors[j], donors[i]
        else:
            # a row that is the only one of its source stays an original once more
            other = order[order != mine]
            donors[i] = other[0] if len(other) else -1
